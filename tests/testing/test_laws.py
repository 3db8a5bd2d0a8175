"""Each law catches what it is there for: one planted fault for each, and `check_op` names the law."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, Op
from autograd_nn.domain import BINARY, UNARY, Case
from autograd_nn.testing import LAWS, LawError, check_law, check_op
from autograd_nn.testing.laws import OP_LAWS, laws_of, variants

sin = OPS["sin"]
cos = OPS["cos"]


def data(x):
    return getattr(x, "_data", x)


def make(forward, *rules, cases=UNARY, doc="Planted.", **properties):
    forward.__doc__ = doc
    op = Op(forward, name="planted", cases=cases, **properties)
    return op.defvjp(*rules) if rules else op


def good(**properties):
    def forward(x):
        return np.sin(x)

    properties = {"elementwise": True, "formula": "sin(x)", "numpy": np.sin, "complex": True} | properties
    return make(forward, lambda g, ans, x: g * cos(x), **properties)


def broken(op) -> dict[str, str]:
    """The laws that an op breaks, with the messages."""
    out = {}
    for name in laws_of(op):
        try:
            check_law(op, name)
        except LawError as error:
            out[name] = str(error)
    return out


def test_a_good_op_passes():
    check_op(good())
    assert broken(good()) == {}


def unary(forward, rule, **properties):
    return make(lambda x: forward(x), rule, **properties)


def writes_into_g(g, ans, x):
    if isinstance(g, np.ndarray):
        g *= 2.0
        return g
    return g * 2.0


def writes_into_x(x):
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x += 1.0
        return np.array(x)
    return x + 1.0


def forgets_to_sum(x, y):
    return x * np.reshape(y, (-1, 1))


def side_by_side(*xs):
    """Planted."""
    return np.concatenate(xs)


def cut(wanted, g, ans, *xs):
    """Right if all are wanted; else the places are off."""
    ends = np.cumsum([np.size(data(x)) * want for x, want in zip(xs, wanted, strict=True)])
    return [g[int(end) - np.size(data(x)) : int(end)] for x, end in zip(xs, ends, strict=True)]


def ignores_strides(x):
    return np.frombuffer(x.tobytes("A"), x.dtype).reshape(x.shape) if isinstance(x, np.ndarray) else x


ROWS = (Case((2, 3), (2,)), Case((3, 3), (3,)))
PLANTED = {
    "off by 0.1 %": (
        unary(lambda x: 2.0 * x, lambda g, ans, x: g * 2.002),
        "derivatives_equal_central_differences",
        "argument 'x'",
    ),
    "sign": (unary(np.cos, lambda g, ans, x: g * sin(x)), "derivatives_equal_central_differences", "argument 'x'"),
    "swapped arguments": (
        make(lambda x, y: x * y, lambda g, ans, x, y: g * x, lambda g, ans, x, y: g * y, cases=BINARY),
        "derivatives_equal_central_differences",
        "argument 'x'",
    ),
    "missing un-broadcast, silent": (
        make(forgets_to_sum, lambda g, ans, x, y: g * y.reshape((-1, 1)), lambda g, ans, x, y: g * x, cases=ROWS[1:]),
        "derivatives_equal_central_differences",
        "argument 'y'",
    ),
    "missing un-broadcast, loud": (
        make(forgets_to_sum, lambda g, ans, x, y: g * y.reshape((-1, 1)), lambda g, ans, x, y: g * x, cases=ROWS[:1]),
        "derivatives_equal_central_differences",
        "shape (2, 3) for an operand of shape (2,)",
    ),
    "cut graph": (
        unary(lambda x: x * x * x, lambda g, ans, x: g * (3.0 * data(x) * data(x))),
        "derivatives_equal_central_differences",
        "order 2",
    ),
    "cut cotangent": (
        unary(lambda x: x * x, lambda g, ans, x: data(g) * (2.0 * x)),
        "derivatives_equal_central_differences",
        "jvp",
    ),
    "forgotten term of a repeated use": (
        unary(lambda x: x * x, lambda g, ans, x: g * x),
        "derivatives_equal_central_differences",
        "argument 'x'",
    ),
    "wrong only at second order": (
        unary(np.sin, lambda g, ans, x: g * unary(np.cos, lambda g, ans, x: g * sin(x))(x)),
        "derivatives_equal_central_differences",
        "order 2",
    ),
    "dtype of the result": (
        unary(lambda x: np.multiply(x, np.float64(2.0)), lambda g, ans, x: g * 2.0),
        "shape_and_dtype_are_kept",
        "float32",
    ),
    "Python float lost": (
        unary(lambda x: complex(x) if type(x) is float else x, lambda g, ans, x: g),
        "shape_and_dtype_are_kept",
        "a Python number was wanted",
    ),
    "precision": (
        unary(lambda x: x * x.dtype.type(1.01) if getattr(x, "dtype", None) == np.float32 else x, lambda g, ans, x: g),
        "float32_is_close_to_float64",
        "the result in float32",
    ),
    "rule writes into g": (unary(lambda x: 2.0 * x, writes_into_g), "inputs_are_unchanged", "changes its cotangent g"),
    "forward writes into x": (
        unary(writes_into_x, lambda g, ans, x: g),
        "inputs_are_unchanged",
        "changes its argument 'x'",
    ),
    "memory order": (unary(ignores_strides, lambda g, ans, x: g), "inputs_are_unchanged", "on strided operands"),
    "not linear in g": (
        unary(lambda x: 3.0 * x, lambda g, ans, x: 3.0 * abs(g)),
        "rule_is_linear_in_g",
        "rule(2g - 3h)",
    ),
    "arrays and nodes differ": (
        unary(
            lambda x: 2.0 * x, lambda g, ans, x: g * (2.0 if isinstance(g, (float, np.ndarray, np.generic)) else 3.0)
        ),
        "rule_on_arrays_equals_rule_on_nodes",
        "on nodes",
    ),
    "joint rule": (
        Op(side_by_side, name="planted", cases=(Case((2,), (3,)),)).defvjp_all(cut),
        "joint_rule_serves_each_operand_alone",
        "argument 'xs1' alone",
    ),
    "rule for batches": (
        unary(lambda x: x * x, lambda g, ans, x: g * 2.0 * x).defbatch(lambda args, batched: args[0] * args[0] * 1.001),
        "batch_rule_equals_a_loop",
        "batched in 'x'",
    ),
    "gradient in float32 off by 0.1 %": (
        unary(lambda x: 3.0 * x, lambda g, ans, x: g * (3.003 if np.asarray(data(x)).dtype == np.float32 else 3.0)),
        "float32_is_close_to_float64",
        "the gradient of argument 'x' in float32",
    ),
    "no rule, but dependent": (
        make(lambda x, y: x * y, lambda g, ans, x, y: g * y, None, cases=BINARY),
        "independent_means_zero",
        "argument 'y'",
    ),
    "not NumPy's numbers": (good(numpy=np.cos), "forward_equals_numpy", "np.cos"),
    "scalar path": (good(scalar=lambda x: x), "scalar_path_equals_numpy", "the scalar path gives"),
    "scalar path at infinity": (
        good(scalar=lambda x: float(np.sin(x)) if abs(x) < 1e308 else 0.0),
        "scalar_path_equals_numpy",
        "at [inf]",
    ),
    "not linear": (good(linear=True), "linear_means_linear", "not 0"),
    "not elementwise": (
        unary(lambda x: np.cumsum(x, axis=-1) if np.ndim(x) else x, lambda g, ans, x: g, elementwise=True),
        "elementwise_means_elementwise",
        "reversed",
    ),
    "formula": (good(formula="cos(x)"), "formula_gives_the_same_numbers", "'cos(x)'"),
    "formula with an unknown name": (good(formula="sine(x)"), "formula_gives_the_same_numbers", "sine(x)"),
    "no cases": (good(cases=()), "has_cases", "no cases"),
    "no docstring": (good(doc=None), "is_documented", "no docstring"),
    "no rule": (make(lambda x: x), "is_documented", "no rule"),
    "rules of an op without derivative": (good(differentiable=False), "is_documented", "has rules"),
    "too many domains": (good(domain=(OPS["log"].domain[0],) * 2), "is_documented", "2 domains"),
    "NumPy counterpart that takes something else": (good(numpy=np.linalg.solve), "comparable_with_numpy", "np.solve"),
    "forward fails": (
        unary(lambda x: x.no_such_thing, lambda g, ans, x: g),
        "derivatives_equal_central_differences",
        "AttributeError",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_breaks_its_law(fault):
    op, law, says = PLANTED[fault]
    came = broken(op)
    assert law in came
    assert says in came[law]
    with pytest.raises(LawError, match=rf"op 'planted' \(.*\) breaks the law '{law}'"):
        check_op(op)


def test_attributes_have_to_be_covered_and_plain():
    def scaled(x, *, by=2.0, table=()):
        return x * by

    op = make(scaled, lambda g, ans, x, by, table: g * by, cases=(Case((3,), by=np.float64(2.0)),))
    came = broken(op)
    assert "no case sets table" in came["has_cases"]
    assert "np.float64" in came.get("attrs_are_plain_data", "np.float64")
    op = make(scaled, lambda g, ans, x, by, table: g * by, cases=(Case((3,), by=1.0, table=np.zeros(2)),))
    assert "not plain data" in broken(op)["attrs_are_plain_data"]


def test_an_op_without_derivative():
    def positive(x):
        return x > 0

    op = make(positive, differentiable=False, instead="Use sigmoid.")
    assert broken(op) == {}
    assert "without_derivative_refuses" in laws_of(op)


def test_a_right_rule_for_batches_passes():
    op = good().defbatch(lambda args, batched: np.sin(args[0]))
    check_op(op, laws=["batch_rule_equals_a_loop"])


def test_unknown_laws_and_what_is_no_op_are_refused():
    with pytest.raises(ValueError, match="check_op wanted laws from .*'rule_is_linear_in_g'.*, got 'linear'"):
        check_op(good(), laws=["linear"])
    with pytest.raises(TypeError, match="check_op wanted an Op, got function"):
        check_op(lambda x: x)


def test_every_law_is_shown_to_catch_something():
    covered = {law for _, law, _ in PLANTED.values()} | {"attrs_are_plain_data", "without_derivative_refuses"}
    assert set(LAWS) | set(OP_LAWS) == covered


def test_the_law_about_ops_without_derivative_catches_a_result_that_wants_one():
    class Wanting(Op):
        def __call__(self, *args, **attrs):
            out = super().__call__(*args, **attrs)
            if hasattr(out, "requires_grad"):
                out.requires_grad = True
            return out

    def positive(x):
        "Is x positive?"
        return np.greater(x, 0.0)

    with pytest.raises(LawError, match="requires a gradient"):
        check_law(Wanting(positive, name="planted", cases=UNARY, differentiable=False), "without_derivative_refuses")


def test_check_op_can_run_some_laws():
    check_op(good(formula="cos(x)"), laws=["derivatives_equal_central_differences"])
    with pytest.raises(LawError):
        check_op(good(formula="cos(x)"), laws=["formula_gives_the_same_numbers"])


def test_check_op_wants_an_op():
    with pytest.raises(TypeError, match="wanted an Op, got function"):
        check_op(lambda x: x)


def test_every_broken_law_is_in_the_message():
    with pytest.raises(LawError) as caught:
        check_op(good(numpy=np.cos, formula="cos(x)", doc=None))
    for law in ("forward_equals_numpy", "formula_gives_the_same_numbers", "is_documented"):
        assert law in str(caught.value)


def test_dtypes_that_make_sense():
    assert variants(good(), Case((3,))) == ["float64", "float32", "complex128"]
    assert variants(good(complex=False), Case((3,))) == ["float64", "float32"]
    assert variants(good(), Case("python")) == ["float64"]
    assert variants(good(), Case(lambda rng: rng.random((2, 2)))) == ["float64", "float32"]
    assert variants(good(), Case(lambda rng: rng.random((2, 2)), complex=True)) == ["float64", "float32", "complex128"]
