"""Gradient descent: the rule, every reason to stop, false convergence, the report. Numbers are closed forms."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.optim import (
    CosineDecay,
    Descent,
    FalseConvergenceWarning,
    StopReason,
    gradient_descent,
    learning_rate_sweep,
)


def parabola(w):
    return (w - 3) ** 2


# reasons to stop


def test_stop_because_of_small_steps_and_the_last_one_is_taken():
    result = gradient_descent(parabola, 0.0, 0.25)
    # the error halves each step, and the step is half of the error before: 3/2, 3/4, … first ≤ 0.001 is 3/2¹²
    assert result.reason is StopReason.STEP_SIZE
    assert result.step_count == 12
    assert result.x == 3 - 3 / 2**12
    assert result.path == [3 - 3 / 2**k for k in range(13)]
    assert result.losses == [9 / 4**k for k in range(13)]
    assert result.loss == result.losses[-1]
    assert result.best == result.x


def test_each_step_with_its_arithmetic():
    first, second = gradient_descent(parabola, 0.0, 0.25, max_steps=2).steps
    assert first == (1, 0.0, 9.0, -6.0, 0.25, -1.5, 1.5)
    assert second == (2, 1.5, 2.25, -3.0, 0.25, -0.75, 2.25)


def test_stop_at_the_step_limit():
    result = gradient_descent(parabola, 0.0, 0.25, max_steps=5)
    assert (result.reason, result.step_count, len(result.path)) == ("step limit", 5, 6)
    assert math.isnan(result.remaining)


def test_the_tolerance_is_for_every_number():
    result = gradient_descent(
        lambda p: parabola(p["fast"]) + 0.1 * parabola(p["slow"]), {"fast": 0.0, "slow": 0.0}, 0.5
    )
    # slow: the error shrinks by 0.9, the step is 0.1 of the error: 0.3 · 0.9ᵏ ≤ 0.001 first for k = 55
    assert result.step_count == 56
    assert result.x == {"fast": 3.0, "slow": pytest.approx(3 - 3 * 0.9**56)}


def test_stop_because_it_diverges():
    result = gradient_descent(parabola, 0.0, 1.1)
    assert result.reason is StopReason.DIVERGED
    # the loss is 9 · 1.44ᵏ: a million times the first at k = 38
    assert result.step_count == math.ceil(math.log(1e6) / math.log(1.44)) == 38
    assert result.best == 0.0


def test_overflow_is_divergence():
    result = gradient_descent(lambda w: w**4, np.float32(1e4), 1.0)
    assert result.reason is StopReason.DIVERGED
    assert result.step_count == 1


def test_stop_at_nan_keeps_the_best_point():
    # from 1 with slope 1/(2√w): w - 0.5·… falls below 0, where the root is not a number
    result = gradient_descent(np.sqrt, 1.0, 1.5)
    assert result.reason is StopReason.NAN
    assert [str(x) for x in result.losses] == ["1.0", "0.5", "nan"]
    assert result.best == 0.25
    assert math.isnan(result.loss)
    assert gradient_descent(np.sqrt, -1.0, 0.1).step_count == 0
    assert "no step was taken: NaN" in gradient_descent(np.sqrt, -1.0, 0.1).report()


def test_stop_at_a_slope_that_is_not_finite():
    assert gradient_descent(np.sqrt, 0.0, 0.1).reason is StopReason.NAN


def test_stop_at_a_plateau_of_the_loss():
    result = gradient_descent(parabola, 0.0, 1.0, plateau=4)  # bounces between 0 and 6
    assert (result.reason, result.step_count) == ("loss plateau", 4)
    # improvements are 9/4ᵏ⁻¹ · 3/4: below 0.1 from step 4 on
    result = gradient_descent(parabola, 0.0, 0.25, plateau=2, plateau_tolerance=0.2)
    assert (result.reason, result.step_count) == ("loss plateau", 5)


def test_stop_because_the_callback_says_so():
    seen = []

    def callback(step):
        seen.append(step.number)
        return step.number == 3

    result = gradient_descent(parabola, 0.0, 0.1, callback=callback)
    assert (result.reason, result.step_count, seen) == ("user", 3, [1, 2, 3])


def test_stop_at_ctrl_c_keeps_what_was_reached():
    def callback(step):
        if step.number == 2:
            raise KeyboardInterrupt

    result = gradient_descent(parabola, 0.0, 0.25, callback=callback)
    assert (result.reason, result.step_count, result.x) == (StopReason.USER, 2, 2.25)

    calls = []

    def f(w):
        calls.append(w)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return parabola(w)

    assert gradient_descent(f, 0.0, 0.25).path == [0.0, 1.5, 2.25]


def test_an_exception_of_the_function_is_its_own():
    def f(w):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        gradient_descent(f, 0.0, 0.1)


# false convergence


@pytest.mark.parametrize("rate", [1e-6, 1e-4, 1e-3, 0.01])
def test_false_convergence_warns_and_estimates_the_distance(rate):
    with pytest.warns(FalseConvergenceWarning, match="seems to be left to go.*Take a larger learning_rate"):
        result = gradient_descent(parabola, 0.0, rate)
    assert result.reason is StopReason.STEP_SIZE
    assert result.false_convergence
    assert result.remaining == pytest.approx(3 - result.x, rel=1e-6)  # exact for a parabola
    assert "false convergence" in str(result)
    assert "false convergence" in repr(result)
    assert "false convergence" in result.report()


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_convergence_does_not_warn(rate):
    result = gradient_descent(parabola, 0.0, rate)  # warnings are errors here
    assert abs(result.x - 3) < 0.005
    assert not result.false_convergence
    assert result.remaining == pytest.approx(abs(result.x - 3), rel=1e-6, abs=1e-15)


def test_little_of_a_long_way_is_convergence():
    # the error shrinks by 0.92, so 0.92/0.08 = 11.5 last steps are left: more than 10, but nothing of a way of 3000
    assert not gradient_descent(lambda w: (w - 3000) ** 2, 0.0, 0.04).false_convergence
    with pytest.warns(FalseConvergenceWarning):
        gradient_descent(lambda w: (w - 0.5) ** 2, 0.0, 0.04)


def test_no_rate_is_false_convergence():
    with pytest.warns(FalseConvergenceWarning):
        assert gradient_descent(parabola, 0.0, 0.0).remaining == math.inf


def test_a_start_at_the_minimum_is_convergence():
    result = gradient_descent(parabola, 3.0, 0.1)
    assert (result.reason, result.step_count, result.remaining) == ("step size", 1, 0.0)


# what it takes


def test_trees_types_and_the_start_are_kept():
    x0 = {"w": np.ones((2, 2), np.float32), "b": [1, np.zeros(3)]}
    result = gradient_descent(lambda p: (p["w"] ** 2).sum() + p["b"][0] ** 2 + (p["b"][1] - 1).sum() ** 2, x0, 0.1)
    assert result.x["w"].dtype == np.float32
    assert type(result.x["b"][0]) is float
    assert result.x["b"][1].shape == (3,)
    assert x0["w"].tolist() == [[1, 1], [1, 1]]
    assert result.reason == "step size"


def test_a_schedule():
    result = gradient_descent(parabola, 0.0, CosineDecay(0.5, 4), max_steps=2)
    rates = [0.5, 0.5 * (1 + math.cos(math.pi / 4)) / 2]
    assert [step.rate for step in result.steps] == pytest.approx(rates)


def test_without_the_path():
    result = gradient_descent(parabola, 0.0, 0.25, keep_path=False)
    assert result.path == [0.0, result.x]
    assert result.step_count == 12
    assert len(result.losses) == 13
    with pytest.raises(ValueError, match="keep_path=True"):
        result.report()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradient_descent(parabola, 0.0, -0.1), ValueError, "learning_rate wanted a finite number"),
        (lambda: gradient_descent(parabola, 0.0, lambda k: 1.5 - k), ValueError, "learning_rate wanted"),
        (lambda: gradient_descent(parabola, Value(0.0), 0.1), TypeError, r"got a Value: write v.data.*optim.SGD"),
        (lambda: gradient_descent(parabola, "0", 0.1), TypeError, "got str '0'"),
        (lambda: gradient_descent(parabola, True, 0.1), TypeError, "got bool"),
        (lambda: gradient_descent(parabola, np.array([1j]), 0.1), TypeError, "wanted real numbers"),
        (lambda: gradient_descent(parabola, [], 0.1), TypeError, "wanted a number or an array to start from"),
        (lambda: gradient_descent(9.0, 0.0, 0.1), TypeError, r"write f, not f\(x\)"),
        (lambda: gradient_descent(lambda w: w, np.ones(2), 0.1), ValueError, r"one number, got shape \(2,\)"),
        (lambda: gradient_descent(lambda w: 3.0, 0.0, 0.1), ValueError, "does not depend on its argument"),
        (lambda: gradient_descent(lambda w: w.detach(), 0.0, 0.1), ValueError, "does not depend on its argument"),
        (lambda: gradient_descent(parabola, 0.0, 0.1, tolerance=-1), ValueError, "tolerance wanted"),
        (lambda: gradient_descent(parabola, 0.0, 0.1, max_steps=0), ValueError, "max_steps wanted"),
        (lambda: gradient_descent(parabola, 0.0, 0.1, plateau=1.5), ValueError, "plateau wanted"),
        (lambda: learning_rate_sweep(parabola, 0.0, [CosineDecay(0.1, 2)]), TypeError, "wanted numbers as rates"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# what it shows


def test_names_in_the_report():
    report = gradient_descent(lambda p: parabola(p["b"]) + (p["w"] ** 2).sum(), {"w": np.ones(2), "b": 0}, 0.5).report()
    assert "with respect to each parameter: b, w[0], w[1]." in report
    assert "b = 0, w[0] = 1, w[1] = 1." in report
    report = gradient_descent(lambda x: x @ x, np.ones(12), 0.5).report(rows=1)
    assert "x[9] and 2 more" in report
    assert "x[10]" not in report
    assert "x0: old 1," in gradient_descent(lambda x: x[0] ** 2 + x[1] ** 2, (1.0, 1.0), 0.5).report()


def test_the_summary():
    text = str(gradient_descent(parabola, 0.0, 0.25))
    assert text.splitlines() == [
        "gradient descent, learning rate 0.25",
        "stopped after step 12: step size (every step was at most the tolerance)",
        "loss 9 → 5.36442e-07",
        "from 0",
        "to   2.99927",
    ]


def test_the_sweep_tells_what_each_rate_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = learning_rate_sweep(parabola, 0.0, [1e-6, 0.1, 0.5, 1.0, 1.1])
    assert list(results) == [1e-6, 0.1, 0.5, 1.0, 1.1]
    assert all(isinstance(result, Descent) for result in results.values())
    assert [str(result.reason) for result in results.values()] == [
        *("step size", "step size", "step size", "step limit", "diverged"),
    ]
    assert [result.false_convergence for result in results.values()] == [True, False, False, False, False]
