from __future__ import annotations

import ast

import numpy as np
import pytest

from autograd_nn import OPS, Value, op
from autograd_nn.testing.formula import evaluate
from autograd_nn.testing.laws import make
from autograd_nn.visualize import formula
from autograd_nn.visualize.formula import ELEMENTARY, arguments, latex_name, local, of

WITH_FORMULA = sorted(name for name, op in OPS.items() if op.formula and op.differentiable)


def applied(name):
    """An op on the first case that has arrays, and the arguments."""
    chosen = OPS[name]
    case = next(c for c in chosen.cases if not isinstance(c.arguments[0], str) and not c.complex)
    args = [np.asarray(a) for a in make(chosen, case, np.float64)]
    values = [Value(a, requires_grad=a.dtype.kind == "f", dtype=a.dtype) for a in args]
    return chosen(*values, **case.attrs), args


@pytest.mark.parametrize("name", WITH_FORMULA)
def test_exact_formulas_compute_what_the_engine_does(name):
    node, args = applied(name)
    names = dict(zip(arguments(node), args, strict=True)) | {"out": np.asarray(node.data)}
    with np.errstate(all="ignore"):
        assert np.allclose(evaluate(ast.parse(of(node).exact, mode="eval").body, names), node.data)
    for i, parent in enumerate(node.parents):
        if not parent.requires_grad:
            continue
        found = local(node, i)
        assert found.factor
        rule = node.op.rule(i)
        with np.errstate(all="ignore"):
            wanted = rule(np.ones(node.shape), np.asarray(node.data), *args, **node.attrs)
            came = evaluate(ast.parse(found.formula.exact, mode="eval").body, names)
        assert np.allclose(np.broadcast_to(came, node.shape), np.broadcast_to(wanted, node.shape)), found.formula.exact


def test_exact_formulas_use_elementary_functions_only():
    for name in WITH_FORMULA:
        calls = [c.func.id for c in ast.walk(ast.parse(OPS[name].formula)) if isinstance(c, ast.Call)]
        assert set(calls) <= ELEMENTARY, name


@pytest.mark.parametrize(
    ("name", "text", "latex", "derivatives"),
    [
        ("add", "x + y", "x + y", ["1", "1"]),
        ("subtract", "x − y", "x - y", ["1", "−1"]),
        ("mul", "x × y", r"x \cdot y", ["y", "x"]),
        ("divide", "x / y", r"\frac{x}{y}", ["1 / y", "−out / y"]),
        ("power", "x^y", "{x}^{y}", ["y × x^(y − 1)", "out × log(x)"]),
        ("tanh", "tanh(x)", r"\tanh\left(x\right)", ["1 − out²"]),
        ("exp", "exp(x)", r"\exp\left(x\right)", ["out"]),
        ("log", "log(x)", r"\log\left(x\right)", ["1 / x"]),
        ("relu", "max(x, 0)", r"\max\left(x, 0\right)", ["1 if x > 0 else 0"]),
        ("maximum", "max(x, y)", r"\max\left(x, y\right)", ["1 if x = out else 0", "1 if y = out else 0"]),
        ("sigmoid", "1 / (1 + exp(−x))", r"\frac{1}{1 + \exp\left(-x\right)}", ["out × (1 − out)"]),
        ("absolute", "|x|", r"\left|x\right|", ["sign(x)"]),
        ("sqrt", "√x", r"\sqrt{x}", ["0.5 / out"]),
        ("arcsin", "arcsin(x)", r"\arcsin\left(x\right)", ["1 / √((1 − x) × (1 + x))"]),
        ("matmul", "x @ y", r"x \, y", ["g @ yᵀ", "xᵀ @ g"]),
        ("inv", "inv(x)", r"\operatorname{inv}\left(x\right)", ["−outᵀ @ g @ outᵀ"]),
        ("sum", "sum(x)", r"\operatorname{sum}\left(x\right)", ["broadcast_to(g)"]),
    ],
)
def test_text_and_latex(name, text, latex, derivatives):
    node, _ = applied(name)
    if name == "matmul":
        node = Value(np.ones((2, 3))) @ Value(np.ones((3, 2)))
    assert of(node).text == text
    assert of(node).latex == latex
    assert [local(node, i).formula.text for i in range(len(node.parents))] == derivatives


def test_names_are_put_in():
    x = Value(2.0)
    node = x**3
    assert of(node).text == "x³"
    assert of(node).named({"x": "w1"}) == "w1³"
    assert local(node, 0).formula.text == "3 × x²"
    assert local(node, 0).formula.named_latex({"x": "w1"}) == r"3 \cdot {w_{1}}^{2}"


def test_brackets_keep_the_meaning():
    def text(source):
        return formula.Text({}).write(ast.parse(source, mode="eval").body)

    assert text("(a + b) * c") == "(a + b) × c"
    assert text("a - (b - c)") == "a − (b − c)"
    assert text("a / (b * c)") == "a / (b × c)"
    assert text("(-a) ** 2") == "(−a)²"
    assert text("-(a * b)") == "−a × b"
    assert text("-(a + b)") == "−(a + b)"
    assert text("a ** (b + 1)") == "a^(b + 1)"
    assert text("2 ** 3") == "2^3"
    assert text("not (a < b)") == "not (a < b)"
    assert text("a < b and c") == "a < b and c"
    assert text("-2.0 * x") == "−2 × x"


def test_rules_that_cannot_be_read():
    @op("opaque", elementwise=True)
    def opaque_op(x):
        return x * 2.0

    opaque_op.defvjp(lambda g, ans, x: np.asarray(float(g)) * 2.0)
    try:
        node = opaque_op(Value(np.array([1.0, 2.0])))
        assert local(node, 0).formula is None
    finally:
        OPS.pop("opaque_op")


@pytest.mark.parametrize("name", ["\\input{x}", "a}b{c", "$x$", "#7", "a_b^c", "%", "\u202e", "~&"])
def test_latex_of_hostile_names(name):
    made = latex_name(name)
    assert made.startswith("\\text{")
    inner = made.removeprefix("\\text{").removesuffix("}")
    # Braces balance, and what LaTeX would act on is escaped: take escaped characters and commands away, then look.
    for command in ("\\textbackslash{}", "\\textasciicircum{}", "\\textasciitilde{}"):
        inner = inner.replace(command, "")
    for c in "{}$&#%_":
        inner = inner.replace("\\" + c, "")
    assert not set(inner) & set("\\{}$&#%_^~"), made
    assert inner.isprintable()
