"""Schedules against closed forms and PyTorch 2.13's schedulers, whose epoch 0 is our step 1."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from autograd_nn import Value, grad
from autograd_nn.optim import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    OneCycle,
    Plateau,
    PolynomialDecay,
    Schedule,
    StepDecay,
    WarmUp,
)
from autograd_nn.optim.schedule import check_rate, describe_rate

ALL = [
    Constant(0.1),
    StepDecay(0.1, 3, 0.5),
    ExponentialDecay(0.1, 0.9),
    PolynomialDecay(0.1, 6, power=2.0),
    LinearDecay(0.1, 4, final=0.02),
    CosineDecay(0.1, 8, 0.01),
    WarmUp(CosineDecay(0.1, 8, 0.01), 4),
    WarmUp(0.1, 4),
    OneCycle(0.1, 11),
]

# torch.optim.lr_scheduler of PyTorch 2.13, float64, base rate 0.1.
PYTORCH = {
    StepDecay(0.1, 3, 0.5): [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025],
    ExponentialDecay(0.1, 0.9): [0.1, 0.09000000000000001, 0.08100000000000002, 0.07290000000000002],
    CosineDecay(0.1, 8, 0.01): [
        *(0.1, 0.0965745789630079, 0.08681980515339463, 0.07222075445642905, 0.055),
        *(0.03777924554357096, 0.023180194846605363, 0.013425421036992097, 0.01),
    ],
    PolynomialDecay(0.1, 6, power=2.0): [
        *(0.1, 0.06944444444444446, 0.04444444444444447, 0.02500000000000001),
        *(0.011111111111111117, 0.0027777777777777775, 0.0, 0.0),
    ],
    OneCycle(0.1, 10): [
        *(0.0040000000000000036, 0.052000000000000005, 0.1, 0.09504846320134738, 0.0811745653949763),
        *(0.06112620219362893, 0.03887419780637107, 0.0188258346050237, 0.004951936798652629),
    ],
    OneCycle(0.1, 11): [
        *(0.0040000000000000036, 0.04223411137347358, 0.09602614247226175, 0.09797465678213016, 0.08844757247686304),
        *(0.07260870492975284, 0.05305827080875998, 0.03300580289872949, 0.015743251279950788, 0.0041045543206290865),
    ],
}


@pytest.mark.parametrize("schedule", PYTORCH, ids=repr)
def test_rates_are_those_of_pytorch(schedule):
    expected = PYTORCH[schedule]
    assert [schedule(step) for step in range(1, len(expected) + 1)] == pytest.approx(expected, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_numbers_arrays_and_values_agree(schedule):
    steps = np.arange(1, 16)
    numbers = [schedule(step) for step in steps.tolist()]
    assert all(type(rate) is float for rate in numbers)
    np.testing.assert_allclose(schedule(steps), numbers, rtol=1e-14)
    values = [schedule(Value(float(step), requires_grad=False)) for step in steps]
    assert all(isinstance(rate, Value) for rate in values)
    np.testing.assert_allclose([rate.item() for rate in values], numbers, rtol=1e-14)
    # Single precision stays: a rate that is a Value from a Python number is as weak as a number.
    assert (values[3] * np.ones(2, np.float32)).dtype == np.float32


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_printed_and_made_again(schedule):
    assert eval(repr(schedule)) == schedule  # noqa: S307  (what is printed is code)
    with pytest.raises(FrozenInstanceError):
        schedule.rate = 1.0


def test_start_large_get_smaller():
    rate = ExponentialDecay(0.95, 0.9)
    assert [rate(k + 1) for k in range(5)] == pytest.approx([0.95 * 0.9**k for k in range(5)], rel=1e-15)


def test_the_cosine_slope_with_respect_to_the_step():
    # d/dt of 0.1 (1 + cos(π (t - 1) / 8)) / 2 at t = 5: -0.1 π / 16
    assert grad(CosineDecay(0.1, 8))(5.0) == pytest.approx(-0.1 * math.pi / 16)


def test_warm_up_meets_the_schedule_that_follows():
    rate = WarmUp(StepDecay(0.1, 2, 0.5), steps=4)
    assert [rate(step) for step in range(1, 9)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.05, 0.05, 0.025])
    assert WarmUp(lambda step: 1.0 / step, 1)(3) == pytest.approx(1 / 3)


def test_last_rates_stay():
    assert CosineDecay(0.1, 8, 0.01)(1000) == pytest.approx(0.01)
    assert LinearDecay(0.1, 8, 0.01)(1000) == pytest.approx(0.01)
    assert OneCycle(0.1, 10)(1000) == pytest.approx(0.1 / 25 * 1e-4)


def test_plateau_is_that_of_pytorch():
    # ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.02) of PyTorch 2.13
    metrics = [1.0, 0.9, 0.9, 0.95, 0.89995, 0.9, 0.9, 0.91, 0.92, 0.93, 0.8]
    metrics += [0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 0.88, 0.89]
    expected = [0.1] * 4 + [0.05] * 4 + [0.025] * 5 + [0.02] * 7
    rate = Plateau(0.1, 0.5, 2, cooldown=1, minimum=0.02)
    rates, shrank = [], []
    for metric in metrics:
        shrank.append(rate.update(metric))
        rates.append(rate(1))
    assert rates == expected
    assert [i for i, x in enumerate(shrank) if x] == [4, 8, 13]
    assert repr(rate).startswith("Plateau(rate=0.1, factor=0.5, patience=2, mode='min'")


def test_plateau_of_an_accuracy_and_nan():
    rate = Plateau(1.0, 0.5, 0, mode="max")
    assert not rate.update(0.5)
    assert not rate.update(0.6)
    assert rate.update(0.55)
    assert rate.update(math.nan)
    assert rate.rate == 0.25


def test_plateau_goes_on_from_its_state():
    one, other = Plateau(0.1, patience=1), Plateau(0.1, patience=1)
    for metric in (1.0, 1.0):
        one.update(metric)
    other.load_state_dict(one.state_dict())
    assert one.update(1.0)
    assert other.update(1.0)
    assert one.rate == other.rate == pytest.approx(0.01)
    with pytest.raises(ValueError, match="rate, best, bad and waiting"):
        other.load_state_dict({"rate": 0.1})
    assert other.rate == one.rate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1.0), "rate wanted a finite number that is not negative, got -1.0"),
        (lambda: Constant(math.nan), "got nan"),
        (lambda: ExponentialDecay(0.1, 1.5), "factor wanted a number above 0 and at most 1, got 1.5"),
        (lambda: StepDecay(0.1, 0), "every wanted a whole number of steps, at least 1, got 0"),
        (lambda: CosineDecay(0.1, 2.5), "steps wanted a whole number"),
        (lambda: OneCycle(0.1, 3), "more than one step of rise"),
        (lambda: Plateau(0.1, mode="low"), "mode='min'"),
        (lambda: Plateau(0.1, patience=-1), "patience as a whole number of updates, 0 or more, got -1"),
        (lambda: Plateau(0.1, cooldown=1.5), "cooldown as a whole number of updates, 0 or more, got 1.5"),
        (lambda: WarmUp(-0.1, 3), "after wanted"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_kinds_of_rates():
    assert check_rate(np.float32(0.5)) == 0.5
    assert type(check_rate(np.float32(0.5))) is float
    with pytest.raises(TypeError, match="wanted a number, or a function of the step number .* got str 'fast'"):
        check_rate("fast")
    with pytest.raises(TypeError, match="got a Value"):
        check_rate(Value(0.1))
    with pytest.raises(TypeError, match="wanted a number to begin with"):
        Plateau(Constant(0.1))
    assert describe_rate(lambda step: 0.1).endswith("<lambda>")
    with pytest.raises(NotImplementedError, match="at\\(self, step\\)"):
        Schedule()(1)
