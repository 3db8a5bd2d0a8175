from __future__ import annotations

import gc
import inspect
import threading
import time
import weakref

import numpy as np
import pytest

from autograd_nn import (
    NonFiniteError,
    Value,
    checkpoint,
    custom_vjp,
    debug,
    grad,
    hessian,
    jacobian,
    no_grad,
    scan,
    stop_gradient,
    vmap,
)
from autograd_nn import numpy as anp
from autograd_nn.graph import modes


@pytest.fixture(autouse=True)
def _numpy_does_not_warn():
    with np.errstate(all="ignore"):
        yield


def line_above():
    """The line before the call, as it stands in a message."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno - 1}"


def caught(f, kind=NonFiniteError):
    with pytest.raises(kind) as found, debug():
        kept = f()  # noqa: F841  (alive at the end of the block)
    return str(found.value)


# --- lines ----------------------------------------------------------------------------------------------------------


def test_every_node_knows_its_line():
    with debug():
        x = Value(2.0)
        line = line_above()
        y = np.exp(x) * 3
        other = line_above()
    assert x.source is not None
    assert "{}:{}".format(*x.source[:2]) == line
    assert x.source[2].startswith("x = Value(2.0)")
    assert {"{}:{}".format(*node.source[:2]) for node in (y, y.parents[0])} == {other}
    assert (x * 2).source is None  # outside


def test_both_lines_of_stale_data():
    with debug():
        x = Value([1.0, 2.0], name="x")
        y = (x * x).sum()
        used = line_above()
        x.data = [3.0, 4.0]
        assigned = line_above()
        with pytest.raises(ValueError, match="assigned to") as found:
            y.backward()
    text = str(found.value)
    assert used in text
    assert assigned in text
    assert text.index(used) < text.index(assigned)
    with debug():
        x = Value(1.0)
    y = x * x
    x.data = 2.0
    with pytest.raises(ValueError, match="assigned to later"):
        y.backward()


# --- forward --------------------------------------------------------------------------------------------------------


def test_the_first_op_is_named_with_line_path_and_cure():
    x = Value([1.0, 0.0, 2.0], name="x")

    def f():
        y = np.log(x)
        f.line = line_above()
        ((y * 2).sum() + 1).backward()

    text = caught(f)
    assert "'log' made -inf out of x = 0.0, at index (1,) of shape (3,)" in text
    assert f.line in text
    assert "log → mul → sum → add" in text
    assert "logsumexp" in text
    assert x.grad is None


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: np.sqrt(Value(-1.0)), "sqrt wants x ≥ 0"),
        (lambda: Value(1.0) / (Value(2.0) - 2.0), "divide by something"),
        (lambda: np.exp(Value(1000.0)), "exp overflows"),
        (lambda: Value(-8.0) ** (1 / 3), "negative numbers"),
        (lambda: Value(0.0) ** Value(-1.0), "0 has no negative one"),
        (lambda: np.arcsin(Value(1.5)), "clip"),
        (lambda: Value(1e200) * 1e200, "scale what went in"),
        (lambda: np.linalg.inv(Value(np.full((2, 2), 1e-320))), "inv"),
        (lambda: np.exp(Value([1.0, 2000.0])).sum() - 1, "x = 2000.0"),
        (lambda: anp.concatenate([Value([1.0]), np.log(Value([0.0]))])[1:], "'log' made -inf"),
        (lambda: np.matmul(np.log(Value(np.zeros((2, 2)))), np.ones((2, 2))), "'log' made -inf"),
    ],
)
def test_forward_cures(f, words):
    assert words in caught(f)


def test_finite_work_passes():
    x = Value(np.ones(3))
    with debug():
        (np.exp(x) * x).sum().backward()
    np.testing.assert_allclose(x.grad, np.full(3, 2 * np.e))


def test_a_branch_that_where_does_not_take_is_no_error():
    x = Value([1.0, 0.0])
    with debug():
        y = anp.where(x > 0, np.log(x), 0.0)
        inside = np.log(x)
        z = anp.where(x > 0, inside, 0.0)
    np.testing.assert_array_equal(y.data, [0.0, 0.0])
    np.testing.assert_array_equal(z.data, [0.0, 0.0])


def test_the_branch_that_is_taken_is_found():
    x = Value([1.0, 0.0])
    assert "'log' made -inf" in caught(lambda: anp.where(x > 0.5, 1.0, np.log(x)).sum())


def test_of_two_branches_the_one_that_is_taken_is_named():
    def f():
        x = Value([0.0])
        older = np.log(x)
        return anp.where(x > 0, older, 1 / x)

    assert "'divide' made inf" in caught(f)


def test_an_element_that_is_cut_away_is_no_error():
    x = Value([1.0, 0.0])
    with debug():
        y = np.log(x)[:1]
    assert y.item() == 0.0


def test_the_element_decides_which_op_is_named():
    """Two ops go wrong; only one of them in the element that is used."""
    x = Value([0.0, 1.0])
    text = caught(lambda: (np.log(x) + 1 / (x - 1.0))[1:].sum())
    assert "'divide' made inf" in text


def test_infinities_that_were_put_in_are_allowed():
    scores = Value(np.array([1.0, 2.0, 3.0]))
    mask = np.array([0.0, -np.inf, 0.0])
    with debug():
        z = scores + mask
        z = z - z.max()
        p = np.exp(z) / np.exp(z).sum()
        (p * np.arange(3.0)).sum().backward()
        bound = Value(np.inf) * 2.0
    assert bound.item() == np.inf
    assert np.isfinite(scores.grad).all()


def test_nan_made_of_infinities_is_not():
    mask = np.full(3, -np.inf)
    text = caught(lambda: (lambda z: np.exp(z - z.max()))(Value(np.ones(3)) + mask))
    assert "'subtract' made nan" in text


def test_nan_that_was_put_in_is_told():
    text = caught(lambda: (Value([np.nan, 1.0], name="measured") * 2).sum())
    assert "put in with Value 'measured'" in text
    with debug():
        x = Value([np.nan, 1.0])
        anp.where(np.isnan(x), 0.0, anp.where(np.isnan(x), 1.0, x) * 2).sum().backward()


def test_results_that_nobody_keeps_do_not_count():
    with debug():
        np.log(Value(0.0))


def test_under_no_grad():
    with debug(), no_grad():
        y = np.log(Value(1.0))
    assert y.item() == 0.0


# --- backward -------------------------------------------------------------------------------------------------------


def test_where_and_its_cure():
    x = Value([1.0, 0.0], name="x")

    def wrong():
        y = anp.where(x > 0, np.log(x), 0.0)
        wrong.line = line_above()
        y.sum().backward()

    text = caught(wrong)
    assert "backward: the rule of 'log' made nan out of x = 0.0, with the cotangent 0.0, at index (1,)" in text
    assert wrong.line in text
    assert "where(c, log(where(c, x, 1)), 0)" in text
    assert x.grad is None
    with debug():
        c = x > 0
        anp.where(c, np.log(anp.where(c, x, 1.0)), 0.0).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 0.0])


def test_sqrt_at_zero_is_the_origin_though_a_later_rule_makes_the_nan():
    x = Value([0.0, 0.0], name="x")
    text = caught(lambda: np.sqrt((x * x).sum()).backward())
    assert "the rule of 'sqrt' made inf out of x = 0.0" in text
    assert "path: sqrt → sum → mul → x" in text


def test_gradients_of_transforms():
    with pytest.raises(NonFiniteError, match="'sqrt'"), debug():
        grad(np.sqrt)(0.0)
    with debug():
        assert grad(np.sqrt)(4.0) == 0.25
        np.testing.assert_array_equal(vmap(grad(np.square))(np.arange(3.0)), [0.0, 2.0, 4.0])


def test_an_inner_gradient_that_is_left_out_is_no_error():
    f = lambda x: anp.where(x > 0, grad(np.sqrt)(x), 0.0)  # noqa: E731
    with debug():
        assert grad(lambda x: f(x) * 0.0 + x)(1.0) == 1.0


def test_overflow_of_a_sum():
    x = Value(1e-10, name="x")
    with debug(), pytest.raises(NonFiniteError, match="overflow when they are added"):
        (x * 1e308 + x * 1e308).backward()


def test_through_checkpoint():
    x = Value(0.0)
    with pytest.raises(NonFiniteError, match="'checkpoint'"), debug():
        checkpoint(np.sqrt)(x).backward()


LOG = "'log' made -inf out of x = 0.0.*log wants x > 0"
SQRT = "'sqrt' made inf out of x = 0.0.*slope of sqrt at 0"


@custom_vjp
def log(x):
    return np.log(x)


log.defvjp(lambda g, ans, x: g / x)


CARRIERS = {  # apart from the words, since messages show these lines
    "checkpoint": checkpoint(lambda x: np.log(x * 2).sum()),
    "checkpoint backward": checkpoint(lambda x: np.sqrt(x * 2).sum()),
    "two checkpoints": checkpoint(checkpoint(lambda x: np.sqrt(x).sum())),
    "scan": lambda x: scan(lambda c, a: (c + np.log(a), c), 0.0, x)[0],
    "scan backward": lambda x: scan(lambda c, a: (c + np.sqrt(a), c), 0.0, x)[0],
    "custom": lambda x: log(x).sum(),
}


@pytest.mark.parametrize(
    ("f", "words"),
    [
        ("checkpoint", f"'checkpoint' made -inf.*Inside of 'checkpoint'.*{LOG}"),
        ("checkpoint backward", f"rule of 'checkpoint' made inf.*Inside of 'checkpoint'.*{SQRT}"),
        ("two checkpoints", f"(Inside of 'checkpoint'.*){{2}}{SQRT}"),
        ("scan", f"'scan' made .*Inside of 'scan'.*{LOG}"),
        ("scan backward", f"rule of 'scan' made inf.*Inside of 'scan'.*{SQRT}"),
        ("custom", f"'log' made -inf out of operand 0.*Inside of 'log'.*{LOG}"),
    ],
)
@pytest.mark.parametrize("differentiate", [lambda f, x: f(Value(x)).backward(), lambda f, x: grad(f)(x)])
def test_what_a_function_in_an_op_does_is_told_with_its_line(f, words, differentiate):
    with pytest.raises(NonFiniteError, match=f"(?s){words}") as caught, debug():
        differentiate(CARRIERS[f], np.array([1.0, 0.0, 3.0]))
    assert f"{__file__}:" in str(caught.value).split("Inside of")[-1]


def test_a_bad_number_from_before_is_not_blamed_on_a_function_in_an_op():
    message = caught(lambda: checkpoint(lambda x: np.sin(x).sum())(np.log(Value([1.0, 0.0]))))
    assert message.startswith("forward: 'log' made -inf out of x = 0.0")
    assert "Inside" not in message


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f, x: vmap(grad(f))(x),
        lambda f, x: hessian(lambda x: f(x).sum())(x),
        lambda f, x: jacobian(f)(x),
        lambda f, x: vmap(hessian(f))(x),
        lambda f, x: vmap(vmap(grad(f)))(x[np.newaxis]),
    ],
)
def test_vmap_hessian_and_jacobian(derivative):
    with pytest.raises(NonFiniteError, match=r"rule of 'sqrt' made (inf|nan) out of x = 0.0"), debug():
        derivative(np.sqrt, np.array([4.0, 0.0]))


def test_what_vmap_leaves_out_is_no_error():
    with debug():
        found = vmap(lambda x: anp.where(x > 0, grad(np.sqrt)(x), 0.0))(np.array([4.0, 0.0]))
        vmap(lambda x: x)(np.array([np.inf]))  # nor is what was put in, afterwards
        grad(lambda x: x * anp.where(x > 0, stop_gradient(grad(np.sqrt)(x)), 0.0))(0.0)
        vmap(lambda x: x)(np.array([np.inf]))
    np.testing.assert_array_equal(found, [0.25, 0.0])


def test_retain_leaves():
    x = Value(0.0)
    with pytest.raises(NonFiniteError, match="'sqrt'"), debug():
        np.sqrt(x).backward(retain="leaves")
    assert x.grad is None


# --- the promise of copy=False --------------------------------------------------------------------------------------


def test_a_broken_promise():
    array = np.ones(3)
    with debug():
        x = Value(array, copy=False, name="x")
        line = line_above()
        y = (x * x).sum()
        array[0] = 5.0
        with pytest.raises(ValueError, match=r"'x'.*written to") as found:
            y.backward()
        array[0] = 1.0
        y.backward()
    assert line in str(found.value)
    np.testing.assert_array_equal(x.grad, [2.0, 2.0, 2.0])


def test_assigning_is_no_broken_promise():
    x = Value(np.ones(3))
    with debug():
        for _ in range(3):
            (x * x).sum().backward()
            x.data = x.data - 0.1 * x.grad
            x.zero_grad()


# --- the block ------------------------------------------------------------------------------------------------------


def test_as_a_decorator():
    @debug()
    def f(x):
        return np.log(x)

    for _ in range(2):
        with pytest.raises(NonFiniteError):
            f(Value(0.0))
    assert f(Value(1.0)).item() == 0.0
    assert modes.current is None


def test_after_an_error_all_is_as_before():
    with debug():
        x = Value(0.0)
        with pytest.raises(NonFiniteError):
            np.sqrt(x).backward()
        (x * 2).backward()
        with pytest.raises(NonFiniteError, match="'sqrt'"):
            np.sqrt(x).backward()
    assert x.grad == 2.0
    assert modes.current is None


def test_an_error_in_the_block_comes_first():
    def f():
        kept = np.log(Value(0.0))
        raise KeyError(kept.item())

    with pytest.raises(KeyError):
        debug()(f)()


def test_it_is_a_value_error_that_names_the_node():
    x = Value(0.0)
    with pytest.raises(ValueError, match="'log'") as found, debug():
        kept = np.log(x)  # noqa: F841
    assert found.value.node.op.name == "log"


def test_other_threads_are_left_alone():
    seen = []
    with debug():
        thread = threading.Thread(target=lambda: seen.append(Value(1.0) * 2))
        thread.start()
        thread.join()
    assert seen[0].source is None


def test_it_keeps_nothing_alive():
    gc.disable()
    try:
        with debug() as observer:
            x = Value(np.ones(3))
            y = np.exp(x).sum()
            y.backward()
            dead = weakref.ref(y)
            del y
            assert dead() is None
            assert not observer.passes
    finally:
        gc.enable()


def test_outside_it_costs_nothing():
    """Creation checks one field that is None; this shows at least that nothing of debug() is left behind."""

    def measure():
        start = time.perf_counter()
        x = Value(1.0)
        for _ in range(5000):
            x = x * 1.0
        x.backward()
        return time.perf_counter() - start

    before = min(measure() for _ in range(5))
    with debug():
        inside = measure()
    after = min(measure() for _ in range(5))
    assert after < 2 * before
    assert inside > after
