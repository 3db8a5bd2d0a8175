"""Each algorithm against PyTorch 2.13 (float64), a closed form or its paper's own formulation; then what they share."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, debug, grad
from autograd_nn.functions import cross_entropy, linear, relu
from autograd_nn.optim import (
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CosineDecay,
    ExponentialDecay,
    Lion,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
)

START = [1.0, -2.0, 0.5]
CURVATURE = np.array([1.0, 10.0, 0.1])
CENTER = np.array([0.3, 0.1, -0.2])

# Five steps on ½ Σ a (p - c)² + Σ sin 3p from START; PyTorch 2.13, float64: torch.optim.SGD, Adagrad, RMSprop, …
PYTORCH = {
    "sgd": (lambda p: SGD(p, 0.05), [1.3965803447177485, -0.16693244915654504, 0.33436235215573934]),
    "sgd, decay": (
        lambda p: SGD(p, 0.05, weight_decay=0.1),
        [1.3809739419172, -0.16559804379752582, 0.30749125082803724],
    ),
    "momentum": (
        lambda p: Momentum(p, 0.05),
        [1.7228420840662597, 1.1078578966509474, 0.05301664233818546],
    ),
    "sgd, momentum": (
        lambda p: SGD(p, 0.05, momentum=0.9),
        [1.7228420840662597, 1.1078578966509474, 0.05301664233818546],
    ),
    "nesterov, decay": (
        lambda p: Nesterov(p, 0.05, weight_decay=0.1),
        [1.4851614305310588, 0.5817338332095896, -0.5028495555685657],
    ),
    "adagrad, decay": (
        lambda p: Adagrad(p, 0.1, weight_decay=0.05),
        [1.2950973899649965, -1.6818605546731031, 0.08154779572184598],
    ),
    "rmsprop, decay": (
        lambda p: RMSprop(p, 0.02, weight_decay=0.05),
        [1.2058412449870703, -1.7894536283647964, 0.2321064754999062],
    ),
    "adam": (lambda p: Adam(p, 0.1), [1.4794145040141935, -1.5011239894365611, 0.033091825210012873]),
    "adam, decay": (
        lambda p: Adam(p, 0.1, (0.8, 0.95), 1e-3, weight_decay=0.1),
        [1.4690504539989524, -1.5017709440419524, 0.017408351527984395],
    ),
    "adamw": (
        lambda p: AdamW(p, 0.1, weight_decay=0.1),
        [1.4275185755282167, -1.4130860013033273, 0.01837328668201077],
    ),
    "momentum, clip_grad_norm_": (
        lambda p: Momentum(p, 0.05, clip_norm=0.5),
        [1.0416394745829292, -1.6740911286425868, 0.494669561636995],
    ),
    "momentum, clip_grad_value_": (
        lambda p: Momentum(p, 0.05, clip_value=0.5),
        [1.3286025, -1.6713975, 0.23193917630557814],
    ),
}

ALL = {
    "sgd": lambda p, **o: SGD(p, 0.05, **o),
    "momentum": lambda p, **o: Momentum(p, 0.05, **o),
    "nesterov": lambda p, **o: Nesterov(p, 0.05, **o),
    "adagrad": lambda p, **o: Adagrad(p, 0.05, **o),
    "rmsprop": lambda p, **o: RMSprop(p, 0.05, **o),
    "adam": lambda p, **o: Adam(p, 0.05, **o),
    "adamw": lambda p, **o: AdamW(p, 0.05, **{"weight_decay": 0.1, **o}),
    "lion": lambda p, **o: Lion(p, 0.05, **{"weight_decay": 0.1, **o}),
}


def loss(p):
    return (0.5 * CURVATURE * (p - CENTER) ** 2).sum() + np.sin(3 * p).sum()


def train(optimizer, steps=5, f=loss):
    (p,) = optimizer.parameters
    for _ in range(steps):
        optimizer.zero_grad()
        f(p).backward()
        optimizer.step()
    return p.data


@pytest.mark.parametrize("name", PYTORCH)
def test_steps_are_those_of_pytorch(name):
    make, expected = PYTORCH[name]
    # PyTorch divides by norm + 1e-6 when it clips.
    rtol = 2e-5 if "norm_" in name else 1e-13
    np.testing.assert_allclose(train(make([Value(START)])), expected, rtol=rtol)


# closed forms


def test_gradient_descent_on_a_parabola():
    # p - 3 shrinks by the factor 1 - 2η each step
    np.testing.assert_allclose(train(SGD([Value(0.0)], 0.1), 10, lambda p: (p - 3) ** 2), 3 - 3 * 0.8**10)


def test_momentum_is_the_heavy_ball():
    """Polyak's formulation without a velocity: x ← x - ηf' + μ (x - x before)."""
    x = before = 1.0
    for _ in range(20):
        x, before = x - 0.1 * 2 * x + 0.7 * (x - before), x
    np.testing.assert_allclose(train(Momentum([Value(1.0)], 0.1, 0.7), 20, lambda p: p * p), x, rtol=1e-12)


def test_nesterov_is_the_gradient_at_the_point_ahead():
    """Sutskever et al., equations 3 and 4: v ← μv - ηf'(θ + μv), θ ← θ + v; ours is the point ahead, θ + μv."""
    theta, v = 1.0, 0.0
    for _ in range(20):
        v = 0.7 * v - 0.1 * 2 * (theta + 0.7 * v)
        theta += v
    np.testing.assert_allclose(train(Nesterov([Value(1.0)], 0.1, 0.7), 20, lambda p: p * p), theta + 0.7 * v)


def test_adagrad_with_a_constant_gradient():
    # step t is η g / √(t g²) = η / √t
    np.testing.assert_allclose(
        train(Adagrad([Value(0.0)], 0.1), 9, lambda p: 5.0 * p), -0.1 * sum(t**-0.5 for t in range(1, 10)), rtol=1e-9
    )


def test_rmsprop_with_a_constant_gradient():
    # the mean square is g² (1 - ρᵗ), so step t is η / √(1 - ρᵗ)
    np.testing.assert_allclose(
        train(RMSprop([Value(0.0)], 0.1), 9, lambda p: 5.0 * p),
        -0.1 * sum((1 - 0.9**t) ** -0.5 for t in range(1, 10)),
        rtol=1e-8,
    )


@given(st.lists(st.floats(-1e3, 1e3).filter(lambda g: abs(g) > 1e-3), min_size=1, max_size=5), st.floats(1e-4, 1))
def test_adam_begins_with_steps_of_the_size_of_the_rate(gradient, rate):
    g = np.array(gradient)
    p = Value(np.zeros(len(g)))
    train(Adam([p], rate, eps=1e-12), 1, lambda p: (p * g).sum())
    np.testing.assert_allclose(p.data, -rate * np.sign(g), rtol=1e-6)


def test_adam_with_a_constant_gradient_keeps_that_size():
    np.testing.assert_allclose(train(Adam([Value(0.0)], 0.01), 50, lambda p: 5.0 * p), -0.5, rtol=1e-8)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=5), st.integers(1, 6))
def test_adamw_without_decay_is_adam(numbers, steps):
    def f(p):
        return (np.sin(p) + p * p).sum()

    one, other = Value(numbers), Value(numbers)
    train(Adam([one], 0.1), steps, f)
    train(AdamW([other], 0.1, weight_decay=0.0), steps, f)
    assert one.tolist() == other.tolist()


def test_decoupled_decay_with_no_slope():
    # only decay is left: p shrinks by 1 - ηλ each step, for AdamW and Lion; L2 in Adam moves by the whole rate
    for cls in (AdamW, Lion):
        np.testing.assert_allclose(train(cls([Value(2.0)], 0.1, weight_decay=0.5), 3, lambda p: 0 * p), 2 * 0.95**3)
    np.testing.assert_allclose(train(Adam([Value(2.0)], 0.1, weight_decay=0.5), 1, lambda p: 0 * p), 1.9)


def test_l2_decay_is_a_penalty():
    """λ p in the gradient is what ½ λ p² adds to the loss."""
    for make in (SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam):
        one = train(make([Value(START)], 0.05, weight_decay=0.3), 4)
        other = train(make([Value(START)], 0.05), 4, lambda p: loss(p) + 0.15 * (p * p).sum())
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_lion_by_its_algorithm():
    """Chen et al., algorithm 2, line by line on numbers; gradients alternate so that the mean decides."""
    gradients = [1.0, -0.5, -0.5, 0.2, -3.0, 0.05]
    theta, m = 0.3, 0.0
    p = Value(0.3)
    optimizer = Lion([p], 0.1, (0.8, 0.95), weight_decay=0.2)
    for g in gradients:
        c = 0.8 * m + (1 - 0.8) * g
        theta = theta - 0.1 * (math.copysign(1, c) + 0.2 * theta)
        m = 0.95 * m + (1 - 0.95) * g
        p.grad = g
        optimizer.step()
        assert p.item() == pytest.approx(theta, rel=1e-14)


# one text for arrays, numbers and Values


@pytest.mark.parametrize("name", ALL)
def test_update_on_values_is_update_on_arrays(name):
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(4, 3))
    optimizer = ALL[name]([Value(arrays[0])])
    state, states = optimizer.start(arrays[0]), optimizer.start(Value(arrays[0]))
    p, v = arrays[0], Value(arrays[0])
    for step in (1, 2, 3):
        p, state = optimizer.update(p, arrays[step], state, learning_rate=0.05, step=step)
        v, states = optimizer.update(v, Value(arrays[step]), states, learning_rate=Value(0.05), step=Value(float(step)))
        assert isinstance(v, Value)
        np.testing.assert_allclose(v.data, p, rtol=1e-13)
    assert set(state) == set(states)
    for key in state:
        np.testing.assert_allclose(states[key].data, state[key], rtol=1e-13)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_stay(name, dtype):
    array, zero_d, number = Value(np.ones((2, 3)), dtype=dtype), Value(np.array(2.0, dtype)), Value(3.0)
    optimizer = ALL[name]([array, zero_d, number], clip_norm=100.0)
    optimizer.learning_rate = ExponentialDecay(0.1, 0.9)
    for _ in range(2):
        optimizer.zero_grad()
        ((array * array).sum() + zero_d * zero_d * number).backward()
        optimizer.step()
    assert array.data.dtype == zero_d.data.dtype == dtype
    assert zero_d.shape == ()
    assert type(number.data) is float
    states = [entry["state"] for entry in optimizer.state_dict()["parameters"]]
    assert all(x.dtype == dtype for x in states[0].values())


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_written_in_place(name):
    before = np.array(START)
    p = Value(before, copy=False)
    gradient = np.array([1.0, -1.0, 0.0])
    p.grad = gradient.copy()
    held = p.grad
    optimizer = ALL[name]([p], clip_norm=0.1, clip_value=0.5)
    optimizer.step()
    state = {key: x.copy() for key, x in optimizer._states[0].items()}
    kept = dict(optimizer._states[0])
    optimizer.step()
    assert before.tolist() == START
    assert held.tolist() == gradient.tolist()
    assert p.data.tolist() != START
    for key in state:
        assert kept[key].tolist() == state[key].tolist()
        assert not np.shares_memory(kept[key], held)


def test_differentiate_through_training():
    """The rate that is best for one step of gradient descent on ½ a p²: d/dη ½ a (p - ηap)² = -a²p² (1 - ηa)."""
    optimizer = SGD([Value(0.0)], 0.1)

    def after(rate):
        p, _ = optimizer.update(2.0, 3.0 * 2.0, {}, learning_rate=rate, step=1)
        return 1.5 * p * p

    assert grad(after)(0.1) == pytest.approx(-36 * (1 - 0.3))


@pytest.mark.parametrize("name", ALL)
def test_differentiate_through_steps_with_a_gradient_of_zero(name):
    """A loss after two steps, with respect to the start: equal to central differences, and finite where g is 0."""
    optimizer = ALL[name]([Value(START)])
    mask = np.array([1.0, 1.0, 0.0])  # the loss does not see the last number

    def after(start):
        p, state = start, optimizer.start(np.array(START))
        for step in (1, 2):
            g = mask * (CURVATURE * (p - CENTER) + 3 * np.cos(3 * p))
            p, state = optimizer.update(p, g, state, learning_rate=0.05, step=step)
        return loss(p)

    x, h = np.array(START), 1e-6
    slopes = [(after(x + h * e) - after(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(grad(after)(x), slopes, rtol=1e-6, atol=1e-8)


def test_a_whole_step_as_a_pure_function():
    arrays = [np.array(START), np.ones((2, 2))]
    grads = [np.array([1.0, 2.0, 2.0]), None]
    optimizer = Momentum([Value(x) for x in arrays], 0.1, clip_norm=1.5)
    states = [optimizer.start(x) for x in arrays]
    new, after = optimizer.updates(arrays, grads, states, learning_rates=optimizer.learning_rates(1), steps=[1, 1])
    np.testing.assert_allclose(new[0], np.array(START) - 0.1 * np.array([0.5, 1.0, 1.0]))
    assert new[1] is arrays[1]
    values, _ = optimizer.updates(
        [Value(x) for x in arrays],
        [Value(grads[0]), None],
        states,
        learning_rates=optimizer.learning_rates(Value(1.0)),
        steps=[1, 1],
    )
    np.testing.assert_allclose(values[0].data, new[0])
    assert after[1] is states[1]


# training


def test_a_network_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    for name, make in ALL.items():
        draw = np.random.default_rng(1)
        w1, b1 = Value(draw.normal(size=(2, 16)).astype(np.float32)), Value(np.zeros(16, np.float32))
        w2, b2 = Value(0.3 * draw.normal(size=(16, 2)).astype(np.float32)), Value(np.zeros(2, np.float32))
        optimizer = make([w1, b1, w2, b2])
        losses = []
        for _ in range(200):
            optimizer.zero_grad()
            value = cross_entropy(linear(relu(linear(x, w1, b1)), w2, b2), y)
            value.backward(retain="leaves")
            optimizer.step()
            losses.append(value.item())
        assert losses[-1] < 0.6 * losses[0], name
        assert w1.dtype == np.float32
        assert optimizer.steps == 200


def test_groups_have_their_own_rates_and_decay():
    a, b, c = Value(1.0), Value(1.0), Value(1.0)
    optimizer = SGD(
        [
            {"parameters": [a], "learning_rate": 1.0},
            {"parameters": b, "weight_decay": 0.5},
            {"parameters": (x for x in [c]), "learning_rate": CosineDecay(0.2, 2)},
        ],
        0.1,
    )
    for p in (a, b, c):
        p.grad = 1.0
    optimizer.step()
    assert [a.item(), b.item(), c.item()] == pytest.approx([0.0, 1 - 0.1 * 1.5, 0.8])
    optimizer.learning_rate = 0.01
    assert optimizer.learning_rates() == pytest.approx([1.0, 0.01, 0.1])
    optimizer.groups[0].learning_rate = 0.5
    optimizer.weight_decay = 0.25
    assert (optimizer.learning_rate, optimizer.weight_decay) == (0.01, 0.25)
    assert optimizer.learning_rates(1) == pytest.approx([0.5, 0.01, 0.2])
    assert repr(optimizer) == (
        "SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.25; 3 parameters in 3 groups, 1 steps)"
    )


def test_a_rate_that_would_change_nothing_is_refused():
    optimizer = SGD([{"parameters": [Value(1.0)], "learning_rate": 1.0}], 0.1)
    with pytest.raises(ValueError, match="every group has its own"):
        optimizer.learning_rate = 0.5


def test_frozen_parameters_are_skipped_and_begin_afresh():
    moving, frozen = Value(1.0), Value(1.0)
    optimizer = Adam([moving, frozen], 0.1)
    frozen.requires_grad_(False)
    frozen.grad = 1.0  # left over from before it was frozen
    for _ in range(5):
        optimizer.zero_grad()
        frozen.grad = 1.0
        (moving * moving * frozen).backward()
        optimizer.step()
    assert frozen.item() == 1.0
    frozen.requires_grad_()
    for k in (1, 2, 3):
        optimizer.zero_grad()
        (moving + frozen).backward()
        optimizer.step()
        # under a constant gradient each step is of the size of the rate, if the count began with the first gradient
        assert frozen.item() == pytest.approx(1 - 0.1 * k)


def test_a_parameter_without_gradient_stays():
    used, unused = Value(1.0), Value(1.0)
    optimizer = Adam([used, unused], 0.1)
    (used * used).backward()
    optimizer.step()
    assert (used.item(), unused.item()) == (pytest.approx(0.9), 1.0)


def test_a_step_without_any_gradient():
    p = Value(1.0)
    optimizer = Adam([p])
    with pytest.raises(ValueError, match=r"no gradient on any of its 1 parameters.*does not depend on the parameters"):
        optimizer.step()
    assert optimizer.steps == 0
    p.requires_grad_(False)
    with pytest.raises(ValueError, match="all 1 parameters frozen"):
        optimizer.step()


def test_nan_goes_in_and_nothing_else_breaks():
    """What is computed is computed for all before anything is assigned: a rule that fails leaves all as it was."""

    class Fails(SGD):
        def rule(self, param, grad, state, learning_rate, step):
            if np.shape(param) == (2,):
                raise RuntimeError("halfway")
            return super().rule(param, grad, state, learning_rate, step)

    a, b = Value(1.0), Value([1.0, 2.0])
    optimizer = Fails([a, b], 0.1, momentum=0.9)
    a.grad, b.grad = 1.0, np.ones(2)
    with pytest.raises(RuntimeError, match="halfway"):
        optimizer.step()
    assert a.item() == 1.0
    assert optimizer.steps == 0
    assert optimizer.state_dict()["parameters"][0]["state"] == {}

    for make in ALL.values():
        p, q = Value([1.0, 2.0]), Value(1.0)
        p.grad, q.grad = np.array([math.nan, 1.0]), math.inf
        make([p, q]).step()
        assert math.isnan(p.data[0])
        assert math.isfinite(p.data[1])


def test_a_rule_that_returns_another_shape_is_refused():
    class Broadcasts(Optimizer):
        def rule(self, param, grad, state, learning_rate, step):
            return param - learning_rate * np.ones((2, 2)), state

    p = Value(1.0)
    p.grad = 1.0
    with pytest.raises(ValueError, match=r"Broadcasts.rule wanted to return a parameter of shape \(\), got \(2, 2\)"):
        Broadcasts([p], 0.1).step()
    with pytest.raises(NotImplementedError, match="wanted a method rule"):
        Optimizer([p], 0.1).step()


def test_a_schedule_that_goes_wrong_is_refused_before_anything_moves():
    p = Value(1.0)
    p.grad = 1.0
    optimizer = SGD([p], lambda step: 0.2 - 0.1 * step)
    for _ in range(2):
        optimizer.step()
    assert p.item() == pytest.approx(0.9)
    with pytest.raises(ValueError, match=r"\(3\), the learning rate of this step, wanted a finite number"):
        optimizer.step()
    assert p.item() == pytest.approx(0.9)
    assert optimizer.steps == 2


def test_a_graph_made_before_a_step_refuses_to_differentiate():
    p = Value(1.0)
    y = p * p
    y.backward()
    SGD([p], 0.1).step()
    with pytest.raises(ValueError, match="assigned"):
        y.backward()


def test_under_debug():
    with debug():
        p = Value(1.0)
        optimizer = Adam([p], 0.1)
        (p * p).backward()
        optimizer.step()
    assert p.item() == pytest.approx(0.9)


# what is refused


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("cls", sorted(set(OPTIMIZERS.values()), key=lambda cls: cls.__name__))
def test_rates_that_make_no_sense_are_refused(cls, rate):
    with pytest.raises(ValueError, match="learning_rate wanted a finite number that is not negative"):
        cls([Value(1.0)], rate)
    optimizer = cls([Value(1.0)])
    with pytest.raises(ValueError, match="learning_rate wanted a finite number that is not negative"):
        optimizer.learning_rate = rate
    with pytest.raises(ValueError, match="learning_rate wanted a finite number that is not negative"):
        optimizer.groups[0].learning_rate = rate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, 0.1, momentum=1.0), r"momentum wanted a number in \[0, 1\), got 1.0"),
        (lambda p: SGD(p, 0.1, nesterov=True), "wanted a momentum above 0"),
        (lambda p: Adam(p, betas=0.9), r"betas wanted two numbers, as \(0.9, 0.999\), got 0.9"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), r"betas\[1\] wanted"),
        (lambda p: Adam(p, eps=-1), "eps wanted a finite number that is not negative"),
        (lambda p: RMSprop(p, decay=1), "decay wanted"),
        (lambda p: AdamW(p, weight_decay=-0.1), "weight_decay wanted"),
        (lambda p: SGD(p, 0.1, clip_norm=0), r"clip_norm wanted a positive number \(or None"),
        (lambda p: SGD(p, 0.1, clip_value=-1.0), "clip_value wanted a positive number"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make([Value(1.0)])


def test_optimizers_by_name():
    assert set(OPTIMIZERS) == {
        *("gradient_descent", "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion"),
    }
    for cls in OPTIMIZERS.values():
        assert repr(cls([Value(1.0)])).startswith(f"{cls.__name__}(learning_rate=")
