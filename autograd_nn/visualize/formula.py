"""Formulas of ops, and of the derivatives that their rules state, as text, as LaTeX, and to be computed elsewhere.

An op's formula is an expression in its argument names. What its rule does is found by applying the rule to nodes that
stand for the arguments: what it records is the derivative, as a graph, which is written as an expression in turn. So
no derivative is written down twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..graph import Node, mode
from .text import differs, plain

__all__ = ["Formula", "local", "of"]

LONGEST = 90  # characters of a formula that is shown; longer ones say less than their name does
LARGEST = 1_000_000  # elements for which a rule is tried
OUT = "out"  # what the result of an op is called in its derivative
ELEMENTARY = frozenset(
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh abs sign floor ceil trunc rint max min erf erfc".split()
)
"""The functions that formulas contain."""
UPSTREAM = "g"  # what the cotangent is called, where the derivative is a linear map and no factor


class Formula:
    """An expression in the argument names of an op.

    Attributes:
        text: to read.
        latex: the same as LaTeX.
        exact: to compute, with every guard and no function but elementary ones, in the syntax of Python; None if it
            is no such expression.
    """

    def __init__(self, tree: ast.expr, exact: str | None = None) -> None:
        self._tree = tree
        self.text, self.latex = Text({}).write(tree), Latex({}).write(tree)
        self.exact = exact

    def named(self, names: dict[str, str]) -> str:
        """Return the text with names put in for the arguments."""
        return self.text if isinstance(self._tree, ast.Constant) else Text(names).write(self._tree)

    def named_latex(self, names: dict[str, str]) -> str:
        """Return LaTeX with names, which may be anything, put in for the arguments."""
        return Latex(names).write(self._tree)


class Local(NamedTuple):
    """The derivative of an op with respect to one operand.

    Attributes:
        formula: the factor, or the linear map in terms of `g`; None if it cannot be told.
        factor: is the contribution the upstream gradient times the formula, element by element?
    """

    formula: Formula | None
    factor: bool


_formulas: dict[Any, Formula] = {}
_locals: dict[Any, Local] = {}


def of(node: Node) -> Formula:
    """Return what an op computes, in its argument names; attributes are put in as numbers."""
    op: Any = node.op
    key = (op, len(node.parents), settings(node))
    if key not in _formulas:
        if len(_formulas) > 5000:
            _formulas.clear()
        operands = [name(argument) for argument in arguments(node)]
        exact = applied(node, operands, inline=True)
        shown = exact if op.formula and len(ast.unparse(exact)) <= LONGEST else applied(node, operands, inline=False)
        _formulas[key] = Formula(tidy(shown), ast.unparse(exact) if op.formula else None)
    return _formulas[key]


def local(node: Node, position: int) -> Local:
    """Return the derivative of a node with respect to operand number `position`, read off the op's rule."""
    op: Any = node.op
    key = (op, position, settings(node), tuple(map(measure, node.parents)))
    if key not in _locals:
        if len(_locals) > 5000:
            _locals.clear()
        _locals[key] = derivative(node, position)
    return _locals[key]


def measure(node: Node) -> Any:
    """Return what a rule may branch on."""
    data = node.data
    return type(data) if type(data) in (float, tuple) else (node.shape, node.dtype)


def derivative(node: Node, position: int) -> Local:
    op: Any = node.op
    if several(node) or op.name == "item" or type(op).__mro__[1] is not object or op.joint is not None:
        return Local(None, False)
    if node.size + sum(p.size for p in node.parents) > LARGEST:
        return Local(None, bool(op.elementwise))
    kind: Any = type(node)
    names = arguments(node)
    symbols = {
        kind.leaf(p.data, requires_grad=p.requires_grad): name(n) for p, n in zip(node.parents, names, strict=True)
    }
    args = list(symbols)
    ans, g = kind.leaf(node.data, requires_grad=True), kind.leaf(ones(node), requires_grad=True)
    symbols |= {ans: name(OUT), g: ast.Constant(1) if op.elementwise else name(UPSTREAM)}
    try:
        with mode(recording=True, scope=None, observer=None), np.errstate(all="ignore"):
            result = op.rule(position)(g, ans, *args, **node.attrs)
        if not isinstance(result, Node):
            return Local(None, bool(op.elementwise))
        shown, exact = (tidy(expression(result, symbols, inline), guards=inline) for inline in (False, True))
    except Exception:  # noqa: BLE001  (a user's rule may be for arrays only: then there is no formula of it)
        return Local(None, bool(op.elementwise))
    factor = bool(op.elementwise)
    if isinstance(shown, ast.Name) and shown.id == UPSTREAM and node.shape == node.parents[position].shape:
        shown = exact = ast.Constant(1)
        factor = True
    if len(ast.unparse(shown)) > LONGEST:
        return Local(None, factor)
    if isinstance(shown, TRUTHS):
        shown = ast.IfExp(shown, ast.Constant(1), ast.Constant(0))
    return Local(Formula(shown, ast.unparse(exact) if factor and elementary(exact) else None), factor)


def elementary(tree: ast.expr) -> bool:
    """Can it be computed with elementary functions alone?"""
    return all(
        isinstance(c.func, ast.Name) and c.func.id in ELEMENTARY and not c.keywords
        for c in ast.walk(tree)
        if isinstance(c, ast.Call)
    )


def ones(node: Node) -> Any:
    data = node.data
    return 1.0 if type(data) is float else np.ones(node.shape, node.dtype if node.dtype.kind in "fc" else float)


def several(node: Node) -> bool:
    return type(node.data) is tuple


def arguments(node: Node) -> list[str]:
    """Return the names of an op's arguments, numbered if it takes any number of them."""
    op: Any = node.op
    return [f"{op.args[0][1:]}{i}" for i in range(len(node.parents))] if op.variadic else list(op.args)


def settings(node: Node) -> Any:
    """Return an op's attributes as something that can be looked up."""
    return tuple((key, repr(value)) for key, value in node.attrs.items()) if node.attrs else ()


def name(text: str) -> ast.expr:
    return ast.Name(text)


def expression(node: Node, symbols: dict[Node, ast.expr], inline: bool) -> ast.expr:
    """Return what a graph computes as an expression of its leaves. Parents first, so nothing recurs."""
    found = dict(symbols)
    stack = [node]
    while stack:
        top = stack[-1]
        missing = [p for p in top.parents if p not in found]
        if top not in found and missing:
            stack += missing
            continue
        stack.pop()
        if top not in found:
            if len(found) > 200:
                raise ValueError("too long to read")
            if top.op is None:
                data = np.asarray(top.data)
                if data.size != 1:
                    raise ValueError("an array of constants")
                found[top] = ast.Constant(data.item())
            else:
                found[top] = applied(top, [found[p] for p in top.parents], inline)
    if sum(1 for _ in ast.walk(found[node])) > 400:
        raise ValueError("too long to read")
    return found[node]


NUMBERS = (int, float, bool)


def applied(node: Node, operands: list[ast.expr], inline: bool) -> ast.expr:
    """Return an op applied to expressions: its formula with them put in, or a call."""
    op: Any = node.op
    if op.formula:
        tree = ast.parse(op.formula, mode="eval").body
        if inline or not calls(tree):
            values = {key: ast.Constant(value) for key, value in node.attrs.items() if isinstance(value, NUMBERS)}
            return Put(dict(zip(op.args, operands, strict=True)) | values).visit(tree)
    chosen: dict[str, Any] = {
        key: value
        for key, value in node.attrs.items()
        if key not in ("shape", "dtype")
        and isinstance(value, (*NUMBERS, str, tuple))
        and (key not in op.defaults or differs(value, op.defaults[key]))
    }
    keywords = [ast.keyword(key, ast.Constant(value)) for key, value in chosen.items()]
    return ast.Call(name(op.name), operands, keywords)


def calls(tree: ast.AST) -> bool:
    """Does it call a function, other than to choose between two?"""
    return any(isinstance(c, ast.Call) and ast.unparse(c.func) not in ("max", "min") for c in ast.walk(tree))


class Put(ast.NodeTransformer):
    """Puts expressions in for names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return ast.Call(node.func, [self.visit(a) for a in node.args], node.keywords)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)


# --- simpler --------------------------------------------------------------------------------------------------------


def constant(tree: ast.expr) -> Any:
    """Return the number that an expression is; None if it is none."""
    match tree:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return None


TRUTHS = (ast.Compare, ast.BoolOp)


def tied(left: ast.expr, right: ast.expr) -> ast.expr | None:
    """Return a of ``0.5 * a + 0.5 * (a > b)``: half each at a tie, which is for the documentation to say."""
    match left, right:
        case (
            ast.BinOp(left=ast.Constant(value=0.5), op=ast.Mult(), right=a),
            ast.BinOp(left=ast.Constant(value=0.5), op=ast.Mult(), right=ast.Compare(left=first, ops=[ast.Gt()])),
        ) if ast.dump(a) == ast.dump(first):
            return a
    return None


def tidy(tree: ast.expr, *, guards: bool = True) -> ast.expr:
    """Leave out factors 1, terms 0 and double signs; and, unless `guards`, what is added only where 0 · ∞ would be."""
    again: Callable[[Any], Any] = lambda part: tidy(part, guards=guards)  # noqa: E731
    match tree:
        case ast.BinOp(left=left, op=sign, right=right):
            left, right = again(left), again(right)
            a, b = constant(left), constant(right)
            match sign:
                case ast.Mult() if a == 0 and not guards or b == 0 and not guards:
                    return ast.Constant(0)
                case ast.Mult() if a == 1:
                    return right
                case ast.Mult() if a == -1:
                    return again(ast.UnaryOp(ast.USub(), right))
                case ast.Mult() | ast.Div() | ast.Pow() if b == 1:
                    return left
                case ast.Pow() if b == 0 and not guards:
                    return ast.Constant(1)
                case ast.Add() if isinstance(right, TRUTHS) and not guards:
                    return left
                case ast.Add() if not guards and (winner := tied(left, right)) is not None:
                    return winner
                case ast.Add() if a == 0 and a is not True:
                    return right
                case ast.Add() | ast.Sub() if b == 0 and b is not True:
                    return left
                case ast.Sub() if a is not None and b is not None:
                    return ast.Constant(a - b)
            if (
                isinstance(left, ast.UnaryOp)
                and isinstance(left.op, ast.USub)
                and isinstance(sign, (ast.Mult, ast.Div))
            ):
                if constant(left.operand) is None:
                    return ast.UnaryOp(ast.USub(), ast.BinOp(left.operand, sign, right))
            if isinstance(sign, ast.Mult) and not guards and ast.dump(left) == ast.dump(right):
                return ast.BinOp(left, ast.Pow(), ast.Constant(2))
            return ast.BinOp(left, sign, right)
        case ast.UnaryOp(op=ast.USub() as sign, operand=operand):
            operand = again(operand)
            if isinstance(operand, ast.UnaryOp) and isinstance(operand.op, ast.USub):
                return operand.operand
            value = constant(operand)
            return ast.Constant(-value) if value is not None else ast.UnaryOp(sign, operand)
        case ast.Call(func=ast.Name(id="cast" | "copy" | "alias" | "positive"), args=[operand]):
            return again(operand)
        case ast.Call(func=func, args=operands, keywords=keywords):
            return ast.Call(func, [again(a) for a in operands], keywords)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return ast.IfExp(again(test), again(body), again(orelse))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return ast.Compare(again(left), ops, [again(o) for o in others])
        case ast.BoolOp(op=sign, values=values):
            return ast.BoolOp(sign, [again(v) for v in values])
    return tree


# --- written --------------------------------------------------------------------------------------------------------

SIGNS: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "−",
    ast.Mult: "×",
    ast.Div: "/",
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.Eq: "=",
    ast.NotEq: "≠",
    ast.And: "and",
    ast.Or: "or",
}
LOOSE, OR, COMPARED, SUM, PRODUCT, SIGNED, POWER, ATOM = range(8)
BINDING: dict[type, int] = {ast.Add: SUM, ast.Sub: SUM, ast.Mult: PRODUCT, ast.Div: PRODUCT, ast.Pow: POWER}
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Text:
    """Writes expressions as text: ``1 − out²``."""

    minus = "−"

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def write(self, tree: ast.expr) -> str:
        """Return it without brackets around the whole."""
        return self.bound(tree)[0]

    def inside(self, tree: ast.expr, binding: int) -> str:
        text, own = self.bound(tree)
        return text if own >= binding else self.brackets(text)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def bound(self, tree: ast.expr) -> tuple[str, int]:
        """Return the text and how strongly it is bound together."""
        match tree:
            case ast.Constant(value=value):
                text = self.number(value)
                return text, SIGNED if text.startswith(self.minus) else ATOM
            case ast.Name(id=id):
                return self.name(id), ATOM
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(left, right), POWER
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.quotient(left, right)
            case ast.BinOp(left=left, op=sign, right=right):
                own = BINDING.get(type(sign), PRODUCT)
                first, second = self.inside(left, own), self.inside(right, own + (not isinstance(sign, ast.Add)))
                return f"{first} {self.sign(sign)} {second}", own
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"{self.minus}{self.inside(operand, PRODUCT)}", SIGNED if self.loose_sign else PRODUCT
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.negation(operand), OR
            case ast.Compare(left=left, ops=[sign], comparators=[right]):
                return f"{self.inside(left, SUM)} {self.sign(sign)} {self.inside(right, SUM)}", COMPARED
            case ast.BoolOp(op=sign, values=values):
                return f" {self.sign(sign)} ".join(self.inside(v, COMPARED) for v in values), OR
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choice(test, body, orelse), LOOSE
            case ast.Call(func=ast.Name(id=function), args=operands, keywords=keywords):
                return self.call(function, operands, keywords)
        return ast.unparse(tree), LOOSE

    loose_sign = False

    def sign(self, sign: ast.AST) -> str:
        return SIGNS.get(type(sign), "?")

    def number(self, value: Any) -> str:
        if isinstance(value, tuple):
            return str(value).replace(" ", "")
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            value = int(value)
        text = f"{value:.6g}" if isinstance(value, float) else plain(value)
        return text.replace("-", self.minus)

    def name(self, id: str) -> str:
        return self.names.get(id, {"pi": "π"}.get(id, id))

    def power(self, left: ast.expr, right: ast.expr) -> str:
        exponent = constant(right)
        base = self.inside(left, ATOM)
        if exponent is not None and float(exponent).is_integer() and not isinstance(left, ast.Constant):
            return base + str(int(exponent)).translate(SUPERSCRIPTS)
        return f"{base}^{self.inside(right, ATOM)}"

    def quotient(self, left: ast.expr, right: ast.expr) -> tuple[str, int]:
        return f"{self.inside(left, PRODUCT)} / {self.inside(right, POWER)}", PRODUCT

    def negation(self, operand: ast.expr) -> str:
        return f"not {self.inside(operand, ATOM)}"

    def choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> str:
        return f"{self.inside(body, OR)} if {self.inside(test, OR)} else {self.inside(orelse, OR)}"

    def call(self, function: str, operands: list[ast.expr], keywords: list[ast.keyword]) -> tuple[str, int]:
        match function, operands:
            case ("matmul", [a, b]):
                return f"{self.inside(a, PRODUCT)} @ {self.inside(b, POWER)}", PRODUCT
            case ("linear", [a, b, c]):
                return f"{self.inside(a, PRODUCT)} @ {self.inside(b, POWER)} + {self.inside(c, PRODUCT)}", SUM
            case (("matrix_transpose" | "transpose" | "swapaxes"), [a]) if transposes(keywords):
                return f"{self.inside(a, ATOM)}ᵀ", ATOM
            case (("abs" | "absolute"), [a]):
                return f"|{self.write(a)}|", ATOM
            case ("sqrt", [a]):
                return f"√{self.inside(a, ATOM)}" if isinstance(a, ast.Name) else f"√({self.write(a)})", ATOM
            case ("reciprocal", [a]):
                return self.quotient(ast.Constant(1), a)
            case ("square", [a]):
                return self.power(a, ast.Constant(2)), POWER
            case ("getitem" | "take", [a, *_]):
                return f"{self.inside(a, ATOM)}[…]", ATOM
        parts = [self.write(a) for a in operands] + [f"{k.arg}={self.write(k.value)}" for k in keywords]
        return f"{function}({', '.join(parts)})", ATOM


def transposes(keywords: list[ast.keyword]) -> bool:
    """Are these no axes, or the last two?"""
    return sorted(constant(k.value) or 0 for k in keywords) in ([], [-2, -1])


LATEX_FUNCTIONS = frozenset("exp log sin cos tan sinh cosh tanh arcsin arccos arctan max min det".split())
LATEX_SIGNS: dict[type, str] = {
    ast.Sub: "-",
    ast.Mult: r"\cdot",
    ast.LtE: r"\le",
    ast.GtE: r"\ge",
    ast.NotEq: r"\ne",
    ast.And: r"\land",
    ast.Or: r"\lor",
}


class Latex(Text):
    r"""Writes expressions as LaTeX: ``1 - \mathrm{out}^{2}``."""

    minus = "-"

    def brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def sign(self, sign: ast.AST) -> str:
        return LATEX_SIGNS.get(type(sign)) or super().sign(sign)

    def number(self, value: Any) -> str:
        text = super().number(value)
        if found := re.fullmatch(r"(-?[\d.]+)e([+-]\d+)", text):
            return rf"{found[1]} \cdot 10^{{{int(found[2])}}}"
        return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(text) or (
            text if re.fullmatch(r"-?[\d.]+", text) else latex_text(text)
        )

    def name(self, id: str) -> str:
        return r"\pi" if id == "pi" and id not in self.names else latex_name(self.names.get(id, id))

    def power(self, left: ast.expr, right: ast.expr) -> str:
        return f"{{{self.inside(left, ATOM)}}}^{{{self.write(right)}}}"

    def quotient(self, left: ast.expr, right: ast.expr) -> tuple[str, int]:
        return rf"\frac{{{self.write(left)}}}{{{self.write(right)}}}", ATOM

    def negation(self, operand: ast.expr) -> str:
        return rf"\lnot {self.inside(operand, ATOM)}"

    def choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> str:
        cases = rf"{self.write(body)} & {self.write(test)} \\ {self.write(orelse)} & \text{{else}}"
        return rf"\begin{{cases}} {cases} \end{{cases}}"

    def call(self, function: str, operands: list[ast.expr], keywords: list[ast.keyword]) -> tuple[str, int]:
        match function, operands:
            case ("matmul", [a, b]):
                return rf"{self.inside(a, PRODUCT)} \, {self.inside(b, POWER)}", PRODUCT
            case ("linear", [a, b, c]):
                return rf"{self.inside(a, PRODUCT)} \, {self.inside(b, POWER)} + {self.inside(c, PRODUCT)}", SUM
            case (("matrix_transpose" | "transpose" | "swapaxes"), [a]) if transposes(keywords):
                return rf"{{{self.inside(a, ATOM)}}}^{{\top}}", ATOM
            case (("abs" | "absolute"), [a]):
                return rf"\left|{self.write(a)}\right|", ATOM
            case ("sqrt", [a]):
                return rf"\sqrt{{{self.write(a)}}}", ATOM
            case (("reciprocal" | "square" | "getitem" | "take"), _):
                return super().call(function, operands, keywords)
        if function in ("sigmoid", "erf") or function not in LATEX_FUNCTIONS:
            command = r"\sigma" if function == "sigmoid" else rf"\operatorname{{{latex_escape(function)}}}"
        else:
            command = "\\" + function
        parts = [self.write(a) for a in operands]
        parts += [rf"\mathrm{{{latex_escape(str(k.arg))}}}={self.write(k.value)}" for k in keywords]
        return rf"{command}\left({', '.join(parts)}\right)", ATOM


LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def latex_escape(text: str) -> str:
    """Return text that LaTeX shows as it stands, whatever it is."""
    return "".join(LATEX_SPECIAL.get(c, c) for c in plain(text, len(text)))


def latex_text(text: str, limit: int = 40) -> str:
    """Return upright text."""
    return rf"\text{{{latex_escape(plain(text, limit))}}}"


def latex_name(text: str) -> str:
    r"""Return a name as LaTeX: a letter with its index, else upright text.

    >>> print(latex_name("x"), latex_name("w12"), latex_name("layer0.w"), latex_name("#7"), latex_name("a_b$"))
    x w_{12} \text{layer0.w} \text{\#7} \text{a\_b\$}
    """
    if found := re.fullmatch(r"([A-Za-z])_?(\d{0,4})", text):
        return f"{found[1]}_{{{found[2]}}}" if found[2] else found[1]
    if re.fullmatch(r"\(?-?\d+(\.\d+)?\)?", text):  # a constant
        return text
    if found := re.fullmatch(r"([A-Za-z])_?(\d{0,4})\[([\d,]+)\]", text):
        return f"{found[1]}_{{{found[2] and found[2] + ';'}{found[3]}}}"
    return latex_text(text)
