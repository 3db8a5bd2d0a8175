from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, Op
from autograd_nn.testing.discrepancy import Function, compare

mul, sin, exp = (OPS[name] for name in ("mul", "sin", "exp"))


def planted(factor):
    def double(x):
        "Planted."
        return 2.0 * x

    return Op(double, complex=True).defvjp(lambda g, ans, x: g * factor)


def test_equal_derivatives_give_none():
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5])
    assert compare(lambda v: [mul(v[0], v[1]), sin(v[0])], [x, y]) is None
    assert compare(lambda v: [mul(v[0], v[1])], [x + 1j, y]) is None
    assert compare(lambda v: [], [x]) is None


def test_the_place_in_argument_and_output():
    factor = np.full((3, 4), 2.0)
    factor[2, 1] = 2.5
    wrong = planted(factor)
    found = compare(lambda v: [v[0] * 3.0, wrong(v[1])], [1.0, np.ones((3, 4))])
    assert (found.order, found.mode, found.argument, found.element) == (1, "vjp", 1, (2, 1))
    assert (found.output, found.output_element) == (1, (2, 1))
    assert found.rule == pytest.approx(2.5)
    assert found.numeric.value == pytest.approx(2.0)
    assert found.slopes is None


def test_imaginary_parts_are_compared():
    found = compare(lambda v: [planted(2.0 + 0.01j)(v[0])], [np.array([1.0 + 2.0j, 3.0])])
    assert found is not None
    assert compare(lambda v: [planted(2.0)(v[0])], [np.array([1.0 + 2.0j, 3.0])]) is None


def test_which_arguments_to_vary():
    wrong = planted(3.0)
    assert compare(lambda v: [wrong(v[0]) + v[1]], [1.0, 2.0], which=[1]) is None
    assert compare(lambda v: [wrong(v[0]) + v[1]], [1.0, 2.0], which=[0]).argument == 0


def test_outputs_that_are_not_floats_do_not_count():
    assert compare(lambda v: [OPS["greater"](v[0], 0.0), exp(v[0]), 3], [0.5]) is None


def test_a_gradient_of_another_shape_is_a_problem():
    class Wrong(Function):
        def record(self, values):
            return [values[0] * 2.0]

    found = compare(Wrong(lambda v: [v[0] * 3.0]), [1.0])
    assert (found.rule, found.numeric.value) == (2.0, pytest.approx(3.0))


def test_infinite_limits_stay_where_they_are():
    assert compare(lambda v: [OPS["minimum"](v[0], v[1])], [np.array([1.0, 2.0]), np.array([np.inf, 1.0])]) is None


def test_a_staircase_is_not_taken_for_a_ramp():
    """At these steps (4, 2 and 1 stairs) central differences look like those of a straight line."""
    h = 2.0 * 2.0 ** (-52 / 7)
    stairs = 4.0 / h
    assert compare(lambda v: [OPS["floor"](v[0] * stairs + 0.5)], [0.0]) is None
