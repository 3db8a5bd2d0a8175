"""`check_grads` accepts what is right, and names what is wrong: planted errors, each of them caught."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn import OPS, Op, Value, no_grad
from autograd_nn.testing import GradientError, check_grads
from autograd_nn.testing.check_grads import blame

X = np.array([[0.3, -1.2, 0.7], [2.0, 0.4, -0.5]])
exp, log, mul, sin, sqrt, tanh = (OPS[name] for name in ("exp", "log", "mul", "sin", "sqrt", "tanh"))


def data(x):
    return x._data if isinstance(x, Value) else x


# right functions pass


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: sin(x) * x, (X,)),
        (lambda x: x.sin() ** 2, (Value(X),)),
        (lambda x, y: x * y + exp(x), (0.5, -1.5)),
        (lambda x, y: (x * y).sum(), (X, 2.0)),
        (lambda p: (p["w"] * p["b"][0] + p["b"][1]).sum(), ({"w": X, "b": [1.5, np.array([1.0, 2.0, 3.0])]},)),
        (lambda p: {"a": p[0] * 2, "b": [p[1] * p[0], 7.0, None]}, ((1.0, 2.0),)),
        (lambda x, i: x[i] * x[0], (np.array([1.0, 2.0, 3.0]), 2)),
        (lambda x, i: x[i] * 1.0, (np.array([1.0, 2.0, 3.0]), np.array([0, 0, 2]))),
        (lambda x, mode: x * x if mode == "square" else x, (X, "square")),
        (lambda z: exp(z) * z, (np.array([0.5 + 1j, -1.0 + 0.2j]),)),
        (lambda x: x * 2.0, (np.float32(1.5),)),
        (lambda x: (x * x).sum(), (X.astype(np.float32),)),
        (lambda x: x * x, (np.zeros((0, 3)),)),
        (mul, (X, X)),
        (lambda x: sqrt(x) + log(x), (np.array([1e-3, 1.0, 1e3]),)),
        (lambda x: 1e6 * tanh(x * 1e-3), (np.array([1.0, -300.0]),)),
        (lambda x: exp(exp(x)), (1.5,)),
    ],
)
def test_right_functions_pass(f, args):
    check_grads(f, *args)


def test_third_and_fourth_derivatives():
    check_grads(lambda x: sin(x) * exp(x), 0.7, order=4)


def test_independent_of_an_argument_is_compared_with_zero():
    check_grads(lambda x, y: sin(x), X, np.ones(3))
    check_grads(lambda x: np.ones(3), X)
    check_grads(OPS["sign"], X)
    check_grads(lambda x: x.detach() * 0.0 + 1.0, 2.0)


def test_arguments_are_left_alone():
    x, v = X.copy(), Value(2.0)
    check_grads(lambda x, v: (x * v).sum(), x, v)
    assert np.array_equal(x, X)
    assert v.grad is None
    assert v.data == 2.0


def test_one_mode_is_enough_to_ask_for():
    check_grads(sin, 1.0, modes="vjp")
    check_grads(sin, 1.0, modes=("jvp",), order=1)


# planted errors


def planted(forward, *rules, name="planted"):
    op = {1: lambda x: forward(x), 2: lambda x, y: forward(x, y)}[forward.__code__.co_argcount]
    op.__doc__ = "Planted."
    return Op(op, name=name, complex=True).defvjp(*rules)


OFF = planted(lambda x, y: x * y, lambda g, ans, x, y: g * y * 1.001, lambda g, ans, x, y: g * x)
SWAPPED = planted(lambda x, y: x * y * y, lambda g, ans, x, y: g * 2.0 * x * y, lambda g, ans, x, y: g * y * y)
SIGN = planted(lambda x: np.cos(x), lambda g, ans, x: g * sin(x))
CUT = planted(lambda x: x * x * x, lambda g, ans, x: g * (3.0 * data(x) * data(x)))
CUT_G = planted(lambda x: x * x, lambda g, ans, x: data(g) * (2.0 * x))
NONLINEAR = planted(lambda x: 3.0 * x, lambda g, ans, x: 3.0 * abs(g))
REPEATED = planted(lambda x: x * x, lambda g, ans, x: g * x)
FORGOTTEN = planted(lambda x, y: x * y, lambda g, ans, x, y: g * y, None)
ONE_ELEMENT = planted(lambda x: 2.0 * x, lambda g, ans, x: g * np.array([[2.0, 2.0, 2.0], [2.0, 2.002, 2.0]]))
CONJUGATED = planted(lambda x: x * (2.0 + 1.0j), lambda g, ans, x: g * (2.0 - 1.0j))
COSINE = planted(lambda x: np.cos(x), lambda g, ans, x: g * sin(x), name="cosine")
SECOND = planted(lambda x: np.sin(x), lambda g, ans, x: g * COSINE(x), name="sine")


@pytest.mark.parametrize(
    ("op", "args", "says"),
    [
        (OFF, (X, X + 1), ["argument 'x'"]),
        (OFF, (0.5, 0.75), ["argument 'x'", "0.75"]),
        (SWAPPED, (X, X + 1), ["argument 'x'"]),
        (SIGN, (X,), ["argument 'x'"]),
        (CUT, (X,), ["argument 'x'", "order 2", "gives 0"]),
        (CUT, (0.5,), ["argument 'x'", "order 2", "gives 0", "differences 3"]),
        (CUT_G, (X,), ["argument 'x'", "jvp", "gives 0"]),
        (NONLINEAR, (X,), ["argument 'x'", "differences 3"]),
        (REPEATED, (3.0,), ["argument 'x'", "gives 3", "differences 6"]),
        (FORGOTTEN, (X, X + 1), ["argument 'y'", "gives 0"]),
        (ONE_ELEMENT, (X,), ["argument 'x'", "[1, 1]", "2.002"]),
        (CONJUGATED, (X + 1j,), ["argument 'x'"]),
    ],
)
def test_a_planted_error_is_caught_and_named(op, args, says):
    with pytest.raises(GradientError) as direct:
        check_grads(op, *args)
    with pytest.raises(GradientError) as composed:
        check_grads(lambda *a: (exp(op(*[x * 0.5 for x in a])) * 2.0).sum(), *[2.0 * x for x in args])
    for caught in (direct, composed):
        message = str(caught.value)
        assert caught.value.op is op
        assert "op 'planted'" in message
    assert [text for text in says if text not in str(direct.value)] == []


def test_an_error_of_the_second_order_names_the_op_inside_the_rule():
    check_grads(SECOND, X, order=1)
    with pytest.raises(
        GradientError, match=r"second derivative of op 'sine'.*\n(.*\n)*.*rule of op 'cosine'"
    ) as caught:
        check_grads(SECOND, X)
    assert caught.value.op is COSINE


def test_an_op_is_not_blamed_for_a_wrong_op_in_its_rule():
    """Its vjp is right, and its jvp, the vjp of the vjp, is not: that runs the rule of the op in its rule."""
    inner = Op(lambda x: 3.0 * x, name="inner").defvjp(lambda g, ans, x: g * 4.0)
    outer = Op(lambda x: 3.0 * x, name="outer").defvjp(lambda g, ans, x: inner(g))
    check_grads(outer, X, order=1, modes="vjp")
    with pytest.raises(GradientError, match="rule of op 'inner'") as caught:
        check_grads(outer, X)
    assert caught.value.op is inner


def test_missing_unbroadcast_is_caught():
    """Rows scaled by w of shape (rows,): a rule that leaves the sum to the walk gets the wrong axis, or none at all."""
    rows = planted(
        lambda x, y: x * np.reshape(y, (-1, 1)), lambda g, ans, x, y: g * y.reshape((-1, 1)), lambda g, ans, x, y: g * x
    )
    with pytest.raises(GradientError, match="argument 'y'"):
        check_grads(rows, np.arange(9.0).reshape(3, 3), np.array([1.0, 2.0, 3.0]))
    with pytest.raises(GradientError, match=r"(?s)planted.*shape \(2, 3\).*shape \(2,\)"):
        check_grads(rows, X, np.array([1.0, 2.0]))


def test_the_message_has_both_numbers_the_element_and_the_path_of_the_argument():
    with pytest.raises(GradientError) as caught:
        check_grads(lambda p: OFF(p["w"][0], 3.0).sum(), {"w": [np.array([1.0, 2.0])]})
    message = str(caught.value)
    assert "with respect to p['w'][0] is wrong" in message
    assert "3.003" in message
    assert "3 ±" in message
    assert caught.value.discrepancy.argument == 0
    assert caught.value.discrepancy.rule == pytest.approx(3.003)
    assert caught.value.discrepancy.numeric.value == pytest.approx(3.0)


def test_cut_paths_are_not_blamed_on_an_op():
    for cut in (lambda x: x.detach() * x, lambda x: x * x.data, lambda x: x * float(x)):
        with pytest.raises(GradientError, match=r"right by itself, so the path is cut") as caught:
            check_grads(cut, 3.0)
        assert caught.value.op is None


def test_a_function_under_no_grad_is_caught():
    def f(x):
        with no_grad():
            return x * x

    with pytest.raises(GradientError, match="cut"):
        check_grads(f, 3.0)


# kinks


def test_a_documented_kink_is_named_with_both_slopes():
    with pytest.raises(GradientError) as caught:
        check_grads(lambda x: OPS["maximum"](x, 0.0) * 2.0, 0.0)
    message = str(caught.value)
    assert "slope 0 on the left, 2 on the right" in message
    assert "documented: op 'maximum'" in message


def test_relu_at_zero():
    with pytest.raises(GradientError, match=r"(?s)slope 0 on the left, 1 on the right.*documented: op 'relu': 0 at 0"):
        check_grads(OPS["relu"], np.array([1.0, 0.0]))
    check_grads(OPS["relu"], np.array([1.0, 1e-6, -1e-6]))


def test_a_kink_that_no_op_documents():
    kinked = planted(lambda x: np.abs(x), lambda g, ans, x: g * 1.0)
    with pytest.raises(GradientError, match="slope -1 on the left, 1 on the right") as caught:
        check_grads(kinked, 0.0)
    assert "It documents no kink" in str(caught.value)


def test_a_kink_met_at_the_second_order_is_the_ops_and_not_a_wrong_rule():
    """The gradient of |x| is sign(x), whose jump at 0 is right; nobody's rule is wrong."""
    with pytest.raises(GradientError, match="slope -1 on the left, 1 on the right") as caught:
        check_grads(lambda x: abs(x).sum(), np.array([1.0, 0.0]))
    assert "documented: op 'absolute': 0 at 0" in str(caught.value)
    assert "is wrong:" not in str(caught.value)
    assert caught.value.op is OPS["absolute"]


@pytest.mark.parametrize("x", [3.0, 3000.0])
def test_a_jump_is_named_with_the_values_on_both_sides(x):
    sides = f"value {x - 1:g} on the left, {x:g} on the right"
    with pytest.raises(GradientError, match="The jump is in op 'floor'") as caught:
        check_grads(lambda y: np.floor(y), np.array([0.5, x]))
    assert f"The point sits on a jump: {sides}." in str(caught.value)
    assert "This jump is documented: op 'floor'" in str(caught.value)
    assert caught.value.discrepancy.corner == "jump"


# refusals


def test_what_has_no_derivative_is_refused():
    with pytest.raises(GradientError, match=r"result 0 of <lambda> is not finite at \[1\]"):
        check_grads(lambda x: log(x), np.array([1.0, 0.0]))
    rng = np.random.default_rng(0)
    with pytest.raises(GradientError, match="different results for the same arguments"):
        check_grads(lambda x: x * rng.random(), 1.0)


def test_bad_arguments_are_refused():
    with pytest.raises(TypeError, match=r"wanted floats to vary, got int.*write 2\.0"):
        check_grads(lambda x: x, 2)
    with pytest.raises(TypeError, match="no arguments"):
        check_grads(lambda: 1.0)
    with pytest.raises(ValueError, match="order=1, 2"):
        check_grads(sin, 1.0, order=0)
    with pytest.raises(ValueError, match="modes from"):
        check_grads(sin, 1.0, modes=("backward",))
    with pytest.raises(TypeError, match=r"wanted a function, then its arguments, got float 1\.0"):
        check_grads(1.0, sin)
    with pytest.raises(TypeError, match="<lambda> returned nothing; wanted at least one float.*return statement"):
        check_grads(lambda x: None, 1.0)
    with pytest.raises(TypeError, match="<lambda> returned int64, bool; wanted at least one float"):
        check_grads(lambda x: (np.argmax(x), x[0] > 0.0), np.ones(2))
    with pytest.raises(TypeError, match="returned str"):
        check_grads(lambda x: "text", 1.0)


def test_errors_of_the_function_itself_pass_through():
    with pytest.raises(ZeroDivisionError):
        check_grads(lambda x: 1 / 0, 1.0)


def test_it_is_an_assertion_error():
    with pytest.raises(AssertionError):
        check_grads(SIGN, 1.0)


def test_blame_returns_the_place():
    found = blame(SIGN, [1.0], {})
    assert (found.order, found.argument, found.rule) == (1, 0, pytest.approx(math.sin(1.0)))
    assert blame(sin, [1.0], {}) is None


@pytest.mark.parametrize("size", [1, 1000])
def test_one_wrong_element_among_many_is_found(size):
    place = size // 3

    def rule(g, ans, x):
        weights = np.full(size, 2.0)
        weights[place] = 2.002
        return g * weights

    op = planted(lambda x: 2.0 * x, rule)
    with pytest.raises(GradientError) as caught:
        check_grads(op, np.linspace(-1, 1, size), order=1)
    assert caught.value.discrepancy.element == (place,)
