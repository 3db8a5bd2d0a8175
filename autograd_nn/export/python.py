"""A trained model as a single Python file that needs nothing but Python, and checks itself.

The file is written from the graph that the model records for one example, so every model works whose ops are in the
tables below; others are refused by name. Arrays become flat lists of numbers, row by row. Shapes are known when the
file is written: what only moves elements becomes a list of positions.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from ..graph import Graph, Node
from ..nn.module import Module
from ..op import ITEM, Op
from ..saving import write_atomically
from ..value import Value
from .record import predicting, suiting

__all__ = ["EXPRESSIONS", "MOVES", "REDUCTIONS", "TEMPLATES", "to_python", "translated"]

LARGEST = 200_000
"""Numbers in the file; beyond that a file of numbers as text is the wrong form."""

# What stands at the top of the file, by the name under which the code calls it; only what is called is written.
TEMPLATES: dict[str, str] = {
    "exp": """
def exp(a):
    return math.exp(a) if a < 709.0 else math.inf
""",
    "log": """
def log(a):
    return math.log(a) if a > 0.0 else -math.inf if a == 0.0 else math.nan
""",
    "log1p": """
def log1p(a):
    return math.log1p(a) if a > -1.0 else -math.inf if a == -1.0 else math.nan
""",
    "sqrt": """
def sqrt(a):
    return math.sqrt(a) if a >= 0.0 else math.nan
""",
    "divide": """
def divide(a, b):
    return a / b if b else math.nan if not a or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)
""",
    "power": """
def power(a, b):
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0.0 and b % 2.0 else math.inf
    except ValueError:
        return math.nan if a else math.inf
""",
    "sigmoid": """
def sigmoid(a):
    e = math.exp(-abs(a))
    return 1.0 / (1.0 + e) if a >= 0.0 else e / (1.0 + e)
""",
    "softplus": """
def softplus(a):
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))
""",
    "gelu": """
def gelu(a):
    return a * math.erfc(-a / math.sqrt(2.0)) / 2.0
""",
    "gelu_tanh": """
def gelu_tanh(a):
    return a * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (a + 0.044715 * a * a * a))) / 2.0
""",
    "softmax": """
def softmax(row):
    top = max(row)
    terms = [math.exp(a - top) for a in row]
    total = sum(terms)
    return [a / total for a in terms]
""",
    "log_softmax": """
def log_softmax(row):
    top = max(row)
    total = top + math.log(sum(math.exp(a - top) for a in row))
    return [a - total for a in row]
""",
    "logsumexp": """
def logsumexp(row):
    top = max(row)
    return top + math.log(sum(math.exp(a - top) for a in row))
""",
    "mean": """
def mean(row):
    return sum(row) / len(row)
""",
    "variance": """
def variance(row, ddof):
    center = sum(row) / len(row)
    return sum((a - center) ** 2 for a in row) / (len(row) - ddof)
""",
    "lstm": '''
def lstm(gates, c, units):
    """The new states h and c of an LSTM, from its gates: input, forget, candidate, output."""
    h, new = [], []
    for gate, cells in zip(rows(gates, 4 * units), rows(c, units)):
        for i, f, g, o, cell in zip(*rows(gate, units), cells):
            new.append(sigmoid(f) * cell + sigmoid(i) * math.tanh(g))
            h.append(sigmoid(o) * math.tanh(new[-1]))
    return h, new
''',
    "gru": '''
def gru(x, y, h, units):
    """The new state of a GRU, from what its input x and its state h give to its gates: reset, update, candidate."""
    new = []
    for x_gate, y_gate, states in zip(rows(x, 3 * units), rows(y, 3 * units), rows(h, units)):
        for x_r, x_z, x_n, y_r, y_z, y_n, state in zip(*rows(x_gate, units), *rows(y_gate, units), states):
            n = math.tanh(x_n + sigmoid(x_r + y_r) * y_n)
            new.append(n + sigmoid(x_z + y_z) * (state - n))
    return (new,)
''',
    "lookup": '''
def lookup(table, length, numbers):
    """Rows of a table of so many rows, by their numbers."""
    wrong = [i for i in numbers if not (0 <= i < length and i == int(i))]
    if wrong:
        raise ValueError("wanted integers from 0 to %d, got %r" % (length - 1, wrong[0]))
    table = rows(table, len(table) // length)
    return [a for i in numbers for a in table[int(i)]]
''',
    "rows": '''
def rows(x, length):
    """Cut a flat list into rows."""
    return [x[i : i + length] for i in range(0, len(x), length)]
''',
    "matmul": '''
def matmul(x, y, inner, columns):
    """Product of matrices: x has rows of length inner, y inner rows of length columns."""
    y_columns = [y[j::columns] for j in range(columns)]
    return [sum(a * b for a, b in zip(row, column)) for row in rows(x, inner) for column in y_columns]
''',
    "spread": '''
def spread(x, shape, new):
    """Repeat along axes of length 1: NumPy's broadcasting."""
    shape = (1,) * (len(new) - len(shape)) + shape
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step if length > 1 else 0)
        step *= length
    strides.reverse()
    return [x[sum(i * s for i, s in zip(place, strides))] for place in itertools.product(*map(range, new))]
''',
    "windows": '''
def windows(size, kernel, stride, dilation, padding):
    """Positions of the elements in each window over an image, row by row; None lies outside."""
    counts = [
        (n + a + b - d * (k - 1) - 1) // s + 1
        for n, k, s, d, (a, b) in zip(size, kernel, stride, dilation, padding)
    ]
    for corner in itertools.product(*map(range, counts)):
        window = []
        for offset in itertools.product(*map(range, kernel)):
            position, inside = 0, True
            for c, o, n, s, d, (a, _) in zip(corner, offset, size, stride, dilation, padding):
                i = c * s + o * d - a
                inside = inside and 0 <= i < n
                position = position * n + i
            window.append(position if inside else None)
        yield window
''',
    "conv": '''
def conv(x, size, w, filters, channels, kernel, stride, dilation, padding, groups):
    """Slide filters over channels of images of a size; channels are those that one filter sees."""
    area, field = math.prod(size), math.prod(kernel)
    places, y = list(windows(size, kernel, stride, dilation, padding)), []
    for f in range(filters):
        first = f // (filters // groups) * channels
        weights = [w[(f * channels + c) * field : (f * channels + c + 1) * field] for c in range(channels)]
        for place in places:
            total = 0.0
            for c in range(channels):
                start = (first + c) * area
                total += sum(x[start + i] * a for i, a in zip(place, weights[c]) if i is not None)
            y.append(total)
    return y
''',
    "pool": '''
def pool(f, x, size, kernel, stride, dilation):
    """Apply f, such as max, to each window of each image of a size."""
    places = list(windows(size, kernel, stride, dilation, [(0, 0)] * len(size)))
    return [f([image[i] for i in place]) for image in rows(x, math.prod(size)) for place in places]
''',
}
CALLED = re.compile(r"(?<![\w.])\w+(?=\()")

# Elementwise ops whose formula is not what should be computed with plain floats, or that have none.
EXPRESSIONS: dict[str, str] = {
    "sigmoid": "sigmoid(x)",
    "softplus": "softplus(x)",
    "silu": "x * sigmoid(x)",
    "divide": "divide(x, y)",
    "reciprocal": "divide(1.0, x)",
    "softsign": "x / (1.0 + abs(x))",
    "sign": "math.copysign(1.0, x) if x else x",
    "power": "power(x, y)",
    "power_of": "power(x, exponent)",
    "exp2": "power(2.0, x)",
    "log2": "log(x) / math.log(2.0)",
    "log10": "log(x) / math.log(10.0)",
    "cbrt": "math.copysign(power(abs(x), 1.0 / 3.0), x)",
    "hypot": "math.hypot(x, y)",
    "arctan2": "math.atan2(y, x)",
    "logaddexp": "max(x, y) + math.log1p(math.exp(-abs(x - y)))",
    "isfinite": "math.isfinite(x)",
    "isinf": "math.isinf(x)",
    "isnan": "math.isnan(x)",
    "logical_xor": "bool(x) != bool(y)",
    "bitwise_and": "x & y",
    "bitwise_or": "x | y",
    "bitwise_xor": "x ^ y",
    "where": "x if condition else y",
    "clip": "min(max(x, low), high)",
}
# What becomes of a row of numbers.
REDUCTIONS: dict[str, str] = {
    "sum": "sum(row)",
    "prod": "math.prod(row)",
    "mean": "mean(row)",
    "max": "max(row)",
    "min": "min(row)",
    "any": "any(row)",
    "all": "all(row)",
    "logsumexp": "logsumexp(row)",
    "var": "variance(row, ddof)",
    "std": "math.sqrt(variance(row, ddof))",
    "argmax": "row.index(max(row))",
    "argmin": "row.index(min(row))",
}
# Names that formulas use, as Python has them.
FUNCTIONS = {
    **{name: f"math.{name}" for name in "sin cos tan sinh cosh tanh erf erfc expm1 floor ceil trunc".split()},
    **{f"arc{name}": f"math.a{name}" for name in "sin cos tan sinh cosh tanh".split()},
    **{name: name for name in ("exp", "log", "log1p", "sqrt", "abs", "max", "min", "divide", "sigmoid", "softplus")},
    "pi": "math.pi",
    "rint": "round",
}
# Ops that only move elements, or repeat them, or put zeros between them.
MOVES = frozenset(
    "alias copy cast reshape transpose matrix_transpose swapaxes moveaxis squeeze expand_dims flip roll rot90 tile "
    "repeat broadcast_to pad crop concatenate stack diagonal diag tril triu getitem take take_along_axis unfold".split()
)
RESERVED = frozenset({"SHAPE", "COLUMNS", "CLASSES", "EXAMPLES", "ANSWERS", "TOLERANCE"})  # names of the file's own
PRECISION = {"f2": 1e-2, "f4": 1e-4}  # with which the answers are compared; else 1e-9


def translated(op: Op) -> bool:
    """Is there a translation of an op? For some of its settings there may be none."""
    if op is ITEM or hasattr(Writer, f"op_{op.name}") or op.name in MOVES or op.name in REDUCTIONS:
        return True
    if not op.elementwise or op.name in EXPRESSIONS:
        return op.elementwise
    known = {*op.args, *op._attr_names, *FUNCTIONS}
    return bool(op.formula) and {n.id for n in ast.walk(ast.parse(op.formula)) if isinstance(n, ast.Name)} <= known


class Writer:
    """Translates nodes to lines of Python, in the order of the graph.

    Attributes:
        constants: name and text of the lists that the code reads: weights and positions.
        lines: of the function.
        used: names of templates.
        depends: nodes that depend on the input.
    """

    def __init__(self, x: Node) -> None:
        self.depends: set[Node] = {x}
        self.constants: dict[str, str] = {}
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.names: dict[Node, str] = {x: "x"}
        self.numbers = 0

    def name_of(self, node: Node) -> str:
        """Return the variable or constant that holds a node, making a constant of what does not depend on the input."""
        if node not in self.names:
            stem = re.sub(r"[^A-Za-z0-9]+", "_", f"{node.scope or ''}_{node.name or 'constant'}").strip("_")
            self.names[node] = self.constant(stem.partition("_")[2] or stem, np.ravel(node._data).tolist(), node)
        return self.names[node]

    def constant(self, stem: str, numbers: list[Any], node: Node | None = None) -> str:
        """Keep a list under a name of its own and return the name."""
        self.numbers += len(numbers)
        if node is not None and node.dtype == np.float32:
            text = f"[{', '.join(map(short, numbers))}]"
        else:
            text = f"[{', '.join(map(literal, numbers))}]"
        for name, before in self.constants.items():
            if before == text:
                return name
        name = unique(stem.upper(), {*self.constants, *RESERVED})
        self.constants[name] = text
        return name

    def write(self, node: Node, expression: str) -> None:
        """Assign an expression to a new variable."""
        self.names[node] = f"v{len(self.lines)}"
        where = re.sub(r"[^A-Za-z0-9_./-]", "_", node.scope or "")  # it goes into a comment, whatever it holds
        self.lines.append(f"{self.names[node]} = {expression}  # {where} {node.op}")

    def use(self, *names: str) -> None:
        """Mark templates as called."""
        for name in names:
            if name in TEMPLATES and name not in self.used:
                self.used.add(name)
                self.use(*CALLED.findall(TEMPLATES[name]))

    def operand(self, parent: Node, shape: tuple[int, ...]) -> str:
        """Return the expression of an operand, broadcast to a shape."""
        name = self.name_of(parent)
        if parent.shape == shape:
            return name
        size = math.prod(shape)
        if parent.op is None and parent.size == size:
            return name
        if parent.size == 1:
            return f"{name} * {size}"
        if shape[len(shape) - len(parent.shape) :] == parent.shape:
            return f"{name} * {size // parent.size}"
        self.use("spread")
        return f"spread({name}, {parent.shape}, {shape})"

    # kinds of ops

    def node(self, node: Node) -> None:
        """Write one node.

        Raises:
            NotImplementedError: if there is no translation, naming the op.
        """
        op: Any = node.op
        if not translated(op):
            raise NotImplementedError(
                f"to_python has no translation of op {op.name!r} (in {node.scope or 'the model'}). Export to ONNX, or "
                "write that part of the model with other ops."
            )
        self.depends.add(node)
        write = getattr(self, f"op_{op.name}", None)
        if write is not None:
            write(node, **node.attrs)
        elif op is ITEM:
            self.names[node] = f"{self.names[node.parents[0]]}[{node.attrs['index']}]"
        elif op.name in MOVES:
            self.move(node)
        elif op.name in REDUCTIONS:
            self.reduce(node, **node.attrs)
        else:
            self.elementwise(node, EXPRESSIONS.get(op.name) or op.formula)

    def elementwise(self, node: Node, formula: str) -> None:
        """Write a formula for all elements: ``[max(x, 0.0) for x in v0]``."""
        op: Any = node.op
        attrs = {name: repr(kept) for name, kept in node.attrs.items()}
        tree = Spelling(attrs).visit(ast.parse(formula, mode="eval"))
        self.use(*(call.id for call in ast.walk(tree) if isinstance(call, ast.Name)))
        sources = [self.operand(p, node.shape) for p in node.parents]
        if len(sources) == 1:
            self.write(node, f"[{ast.unparse(tree)} for {op.args[0]} in {sources[0]}]")
        else:
            self.write(node, f"[{ast.unparse(tree)} for {', '.join(op.args)} in zip({', '.join(sources)})]")

    def move(self, node: Node) -> None:
        """Write what moves elements as a list of positions; a zero that it puts in between has none."""
        op: Any = node.op
        moved = node.parents if op.variadic and op.name != "getitem" else node.parents[:1]  # others are index arrays
        if self.depends.intersection(node.parents[len(moved) :]):
            raise NotImplementedError(
                f"to_python: {op.name} with indices that depend on the input. Rows of a table, table[indices], have a "
                "translation."
            )
        inputs, count = [], 1
        for p in moved:
            inputs.append(np.arange(count, count + p.size).reshape(p.shape))
            count += p.size
        source = " + ".join(map(self.name_of, moved))
        source = f"({source})" if len(moved) > 1 else source
        attrs, fill = dict(node.attrs), node.attrs.get("constant_values", 0)
        if "constant_values" in attrs:
            attrs["constant_values"] = 0
        indices = [p._data for p in node.parents[len(moved) :]]
        places = np.ravel(inputs[0] if op.name == "cast" else op.forward(*inputs, *indices, **attrs)) - 1
        if np.array_equal(places, np.arange(count - 1)):
            self.names[node] = source
            return
        steps = np.diff(places)
        if len(places) and (places >= 0).all() and (len(steps) == 0 or (steps == steps[0]).all() and steps[0] > 0):
            step = int(steps[0]) if len(steps) else 1
            self.write(node, f"{source}[{places[0]} : {places[-1] + 1} : {step}]")
            return
        name = self.constant(f"{op.name}_positions", places.tolist())
        taken = "x[i]" if (places >= 0).all() else f"x[i] if i >= 0 else {literal(float(fill))}"
        self.write(node, f"[{taken} for x in [{source}] for i in {name}]")

    def reduce(self, node: Node, *, axis: Any, keepdims: Any = False, ddof: Any = 0) -> None:
        """Write what becomes of each row, after moving the axes that go to the end."""
        (parent,) = node.parents
        rank = len(parent.shape)
        axes = range(rank) if axis is None else [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]
        order = [a for a in range(rank) if a not in axes] + list(axes)
        places = np.arange(parent.size).reshape(parent.shape).transpose(order).ravel()
        length = math.prod(parent.shape[a] for a in axes)
        source = self.name_of(parent)
        if not np.array_equal(places, np.arange(len(places))):
            source = f"[{source}[i] for i in {self.constant('order', places.tolist())}]"
        f = REDUCTIONS[node.op.name].replace("ddof", repr(ddof))  # type: ignore[union-attr]
        self.use("rows", *CALLED.findall(f))
        self.write(node, f"[{f} for row in rows({source}, {length})]")

    def along(self, node: Node, f: str, axis: Any) -> None:
        """Write what turns rows into rows, such as softmax, along an axis."""
        (parent,) = node.parents
        rank = len(parent.shape)
        axes = list(range(rank)) if axis is None else [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]
        order = [a for a in range(rank) if a not in axes] + axes
        places = np.arange(parent.size).reshape(parent.shape).transpose(order).ravel()
        length = math.prod(parent.shape[a] for a in axes)
        source, back = self.name_of(parent), ""
        if not np.array_equal(places, np.arange(len(places))):
            source = f"[{source}[i] for i in {self.constant('order', places.tolist())}]"
            back = self.constant("order_back", np.argsort(places).tolist())
        self.use("rows", f)
        flat = f"[a for row in rows({source}, {length}) for a in {f}(row)]"
        self.write(node, flat if not back else f"[y[i] for y in [{flat}] for i in {back}]")

    # ops with a translation of their own

    def op_linear(self, node: Node) -> None:
        x, w, b = node.parents
        self.use("matmul")
        product = f"matmul({self.name_of(x)}, {self.name_of(w)}, {w.shape[0]}, {w.shape[1]})"
        self.write(node, f"[a + b for a, b in zip({product}, {self.operand(b, node.shape)})]")

    def op_matmul(self, node: Node) -> None:
        x, y = node.parents
        self.use("matmul", "rows")
        if len(x.shape) > 1 and len(y.shape) > 2:
            batch = node.shape[:-2]
            a = self.operand(x, batch + x.shape[-2:])
            b = self.operand(y, batch + y.shape[-2:])
            inner, columns = y.shape[-2:]
            self.write(
                node,
                f"[c for a, b in zip(rows({a}, {x.shape[-2] * inner}), rows({b}, {inner * columns})) "
                f"for c in matmul(a, b, {inner}, {columns})]",
            )
        else:
            if len(y.shape) > 2:
                raise NotImplementedError(f"to_python has no translation of matmul of {x.shape} and {y.shape}.")
            inner, columns = math.prod(y.shape[:1]), math.prod(y.shape[1:])
            self.write(node, f"matmul({self.name_of(x)}, {self.name_of(y)}, {inner}, {columns})")

    def op_conv(self, node: Node, *, stride: Any, dilation: Any, padding: Any, groups: int) -> None:
        x, w = node.parents
        axes = len(w.shape) - 2
        self.use("conv")
        pairs = tuple((p, p) if isinstance(p, int) else tuple(p) for p in each(padding, axes))
        self.write(
            node,
            f"conv({self.name_of(x)}, {x.shape[2:]}, {self.name_of(w)}, {w.shape[0]}, {w.shape[1]}, {w.shape[2:]}, "
            f"{each(stride, axes)}, {each(dilation, axes)}, {pairs}, {groups})",
        )

    def op_pool_max(self, node: Node, **sliding: Any) -> None:
        self.pool(node, "max", **sliding)

    def op_pool_sum(self, node: Node, **sliding: Any) -> None:
        self.pool(node, "sum", **sliding)

    def pool(self, node: Node, f: str, *, kernel: Any, stride: Any, dilation: Any) -> None:
        (x,) = node.parents
        axes = len(kernel)
        self.use("pool")
        size = x.shape[len(x.shape) - axes :]
        self.write(
            node,
            f"pool({f}, {self.name_of(x)}, {size}, {tuple(kernel)}, {each(stride, axes)}, {each(dilation, axes)})",
        )

    def op_softmax(self, node: Node, *, axis: Any) -> None:
        self.along(node, "softmax", axis)

    def op_log_softmax(self, node: Node, *, axis: Any) -> None:
        self.along(node, "log_softmax", axis)

    def op_cumsum(self, node: Node, *, axis: Any) -> None:
        self.along(node, "itertools.accumulate", axis)

    def op_cast_discrete(self, node: Node, *, dtype: Any) -> None:
        f = "bool" if node.dtype.kind == "b" else "int"
        self.write(node, f"[{f}(x) for x in {self.name_of(node.parents[0])}]")

    def op_take(self, node: Node, *, axis: Any) -> None:
        table, indices = node.parents
        if indices not in self.depends or not table.shape or axis is None or axis % len(table.shape):
            self.move(node)
            return
        self.use("lookup")
        self.write(node, f"lookup({self.name_of(table)}, {table.shape[0]}, {self.name_of(indices)})")

    def op_getitem(self, node: Node, *, key: Any) -> None:
        if key == ((0,),) and node.parents[1].dtype.kind != "b":
            self.op_take(node, axis=0)
        else:
            self.move(node)

    def op_lstm_gates(self, node: Node) -> None:
        gates, c = node.parents
        self.use("lstm")
        self.write(node, f"lstm({self.name_of(gates)}, {self.name_of(c)}, {c.shape[-1]})")

    def op_gru_gates(self, node: Node) -> None:
        x, y, h = map(self.name_of, node.parents)
        self.use("gru")
        self.write(node, f"gru({x}, {y}, {h}, {node.parents[2].shape[-1]})")

    def op_gelu(self, node: Node, *, approximate: str) -> None:
        f = "gelu" if approximate == "none" else "gelu_tanh"
        self.use(f)
        self.write(node, f"[{f}(x) for x in {self.name_of(node.parents[0])}]")


class Spelling(ast.NodeTransformer):
    """Turns a formula into Python: functions of `math`, and attributes as numbers."""

    def __init__(self, attrs: dict[str, str]) -> None:
        self.attrs = attrs

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.attrs:
            return ast.parse(self.attrs[node.id], mode="eval").body
        return ast.parse(FUNCTIONS.get(node.id, node.id), mode="eval").body


def to_python(
    model: Module | Callable[[Any], Any],
    examples: Any,
    path: str | PathLike[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
) -> str:
    """Write a trained model as one Python file, without dependencies, that carries examples and checks itself.

    The file has a function ``predict(x)`` for one example, a function ``check()`` that computes the examples again, and
    can be run: ``python model.py`` checks, ``python model.py 5.1 3.5 1.4 0.2`` predicts.

    Args:
        model: a module, or a function of a batch, (batch, …) → (batch, …). Modules are exported as they predict.
        examples: a batch of inputs; the model's answers to the first ten are kept in the file.
        path: where to write; nowhere if None. Written whole or not at all.
        columns: names of the features, so that `predict` takes a dict too.
        classes: the outputs are logits of these; the file then answers with one of them, and has `predict_proba`.

    Returns:
        The text of the file.

    Raises:
        NotImplementedError: if an op of the model has no translation, or what it computes comes from the numbers in
            the input in other ways than through ops.
        TypeError: if examples are no real numbers, or the output is no Value.
        ValueError: if examples or names do not fit, or the model is larger than such a file should be.

    >>> from autograd_nn import nn
    >>> text = to_python(nn.MLP([2, 3, 1], rng=0), [[0.0, 1.0], [1.0, 1.0]])
    >>> scope = {"__name__": "exported"}
    >>> exec(text, scope)
    >>> scope["check"]()
    2
    """
    if isinstance(examples, Mapping):
        raise TypeError("to_python writes models with one input; got a dict of several. Export to ONNX.")
    with predicting(model):
        batch = np.asarray(examples)
        if batch.ndim < 2 or not batch.size:
            raise ValueError(f"to_python wanted a batch of examples, (batch, …), got shape {batch.shape}.")
        batch = suiting(model, batch)
        rows = [row[np.newaxis] for row in batch[:10]]
        x = leaf(rows[0])
        y = answer(model, x)
        if batch.dtype.kind == "f":
            rows.append((rows[0] * 0.9375).astype(batch.dtype))  # one that is not in the file
        outputs = [np.ravel(np.asarray(answer(model, leaf(row))._data)) for row in rows]
    check_names(columns, classes, batch.shape[1:], y.shape[1:])
    writer = Writer(x)
    for node in Graph.of(y).nodes:
        if writer.depends.intersection(node.parents):
            writer.node(node)
        if writer.numbers > LARGEST:
            raise ValueError(
                f"to_python writes numbers as text, up to {LARGEST:,} of them; this model has more. Use ONNX, or "
                "safetensors."
            )
    if y not in writer.depends:
        raise ValueError("to_python: the output does not depend on the input.")
    answers = [out.tolist() for out in outputs[: min(len(batch), 10)]]
    text = file(writer, y, batch, answers, columns, classes)
    check(text, list(zip(rows, outputs, strict=True)), tolerance(batch.dtype if batch.dtype.kind == "f" else y.dtype))
    if path is not None:
        write_atomically(path, [text.encode()])
    return text


def leaf(row: np.ndarray) -> Value:
    """Return the input of the model."""
    return Value(row, name="x", dtype=row.dtype, requires_grad=row.dtype.kind == "f")


def answer(model: Any, x: Value) -> Value:
    """Return what the model makes of one example.

    Raises:
        TypeError, ValueError: if it is no batch of one.
    """
    y = model(x)
    if not isinstance(y, Value):
        raise TypeError(
            f"to_python wanted a model with one output, a Value, got {type(y).__name__}: call model.eval(), and export "
            "lambda x: model(x)[0]."
        )
    if y.shape[:1] != (1,):
        raise ValueError(f"to_python wanted a model (batch, …) → (batch, …), got shape {y.shape} for a batch of 1.")
    return y


def check(text: str, trials: Sequence[tuple[np.ndarray, np.ndarray]], allowed: float) -> None:
    """Run the file on examples, which need not be in it.

    Raises:
        NotImplementedError: if it answers otherwise than the model.
    """
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "<exported model>", "exec"), scope)  # noqa: S102  (what has just been written here)
    for row, wanted in trials:
        got = np.array(scope["outputs"](np.ravel(row).tolist()), dtype=float)
        if not np.allclose(got, wanted, rtol=allowed, atol=allowed, equal_nan=True):
            raise NotImplementedError(
                f"to_python: the file would answer {got.tolist()[:3]} where the model answers "
                f"{wanted.tolist()[:3]}: what the model computes comes from the numbers in the input in "
                "other ways than through ops, such as .data, detach or an if."
            )


def tolerance(dtype: np.dtype) -> float:
    """Return how well answers have to agree."""
    return PRECISION.get(dtype.str[1:], 1e-9)


def check_names(columns: Any, classes: Any, came: tuple[int, ...], out: tuple[int, ...]) -> None:
    """Refuse names that do not fit the shapes of one example, or that a file cannot hold.

    Raises:
        ValueError: with both numbers.
        TypeError: if a name is no text or number.
    """
    if columns is not None and came != (len(columns),):
        raise ValueError(f"to_python wanted one column name for each feature, {came}, got {len(columns)} names.")
    if classes is not None and out != (len(classes),) and not (len(classes) == 2 and out in ((), (1,))):
        raise ValueError(f"to_python wanted one class for each output, {out}, got {len(classes)} classes.")
    for what, names in (("column names", columns), ("classes", classes)):
        names = [plain(name) for name in (() if names is None else names)]
        for name in names:
            if not isinstance(name, (str, bool, int)) and not (isinstance(name, float) and math.isfinite(name)):
                raise TypeError(f"to_python wanted {what} that are texts or numbers, got {name!r:.60}.")
        if len(set(names)) < len(names):
            raise ValueError(f"to_python wanted different {what}, got {names!r:.200}.")


def file(
    writer: Writer,
    y: Node,
    batch: np.ndarray,
    answers: list[list[float]],
    columns: Sequence[str] | None,
    classes: Sequence[Any] | None,
) -> str:
    """Put the file together."""
    shape, single = batch.shape[1:], batch.dtype == np.float32
    allowed = tolerance(batch.dtype if batch.dtype.kind == "f" else y.dtype)
    if classes is not None:
        writer.use("softmax" if math.prod(y.shape[1:]) > 1 else "sigmoid")
    templates = [TEMPLATES[name].strip() for name in TEMPLATES if name in writer.used]
    number = short if single else literal
    inputs = [f"[{', '.join(number(a) for a in np.ravel(row).tolist())}]" for row in batch[: len(answers)]]
    outputs = [f"[{', '.join(number(a) for a in row)}]" for row in answers]
    parts = [
        '"""A trained model, exported by autograd_nn. Needs Python 3.8 or newer and nothing else.\n\n'
        f"predict(x) takes one example of shape {shape}; check() compares with the answers of the original model.\n"
        "    python THIS_FILE                  checks\n"
        '    python THIS_FILE 1.0 2.0 ...      predicts\n"""',
        "import itertools\nimport math\nimport sys",
        *templates,
        "\n".join(f"{name} = {text}" for name, text in writer.constants.items()),
        f"SHAPE = {shape!r}\nCOLUMNS = {[plain(c) for c in columns] if columns is not None else None!r}\n"
        f"CLASSES = {[plain(c) for c in classes] if classes is not None else None!r}",
        "def outputs(x):\n"
        '    """Return the outputs of the model, a flat list, for the features in a flat list."""\n'
        + "".join(f"    {line}\n" for line in writer.lines)
        + f"    return {writer.name_of(y)}",
        FLATTEN,
        PREDICT_CLASSES if classes is not None else PREDICT,
        f"EXAMPLES = [\n{''.join(f'    {row},' + chr(10) for row in inputs)}]\n"
        f"ANSWERS = [\n{''.join(f'    {row},' + chr(10) for row in outputs)}]\n"
        f"TOLERANCE = {allowed!r}",
        CHECK,
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


FLATTEN = '''def flatten(x):
    """Return the features of one example as a flat list; take them from a dict by COLUMNS."""
    if isinstance(x, dict):
        missing = [name for name in COLUMNS or () if name not in x]
        if COLUMNS is None or missing:
            raise ValueError("wanted a list of features" if COLUMNS is None else "missing: " + ", ".join(missing))
        x = [x[name] for name in COLUMNS]
    flat = []
    stack = [x]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            flat.append(float(item))
    if len(flat) != math.prod(SHAPE):
        raise ValueError("wanted one example of shape %s, got %d numbers" % (SHAPE, len(flat)))
    if not all(map(math.isfinite, flat)):
        raise ValueError("wanted finite numbers, got nan or infinity")
    return flat'''

PREDICT = '''def predict(x):
    """Return the outputs for one example, as a flat list."""
    return outputs(flatten(x))'''

PREDICT_CLASSES = '''def predict_proba(x):
    """Return the probability of each class."""
    logits = outputs(flatten(x))
    if len(logits) == 1:
        p = sigmoid(logits[0])
        return [1.0 - p, p]
    return softmax(logits)


def predict(x):
    """Return the most probable class of one example."""
    p = predict_proba(x)
    return CLASSES[p.index(max(p))]'''

CHECK = '''def check():
    """Compute the examples again; return how many there are, or raise an error."""
    for x, answer in zip(EXAMPLES, ANSWERS):
        for got, wanted in zip(outputs(x), answer):
            if not abs(got - wanted) <= TOLERANCE * (1.0 + abs(wanted)):
                raise ArithmeticError("wanted %r, got %r" % (wanted, got))
    return len(EXAMPLES)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(predict([float(a) for a in sys.argv[1:]]))
    else:
        print("%d examples agree" % check())'''


def short(number: float) -> str:
    """Return the shortest text that is the same number in float32."""
    return literal(float(str(np.float32(number))))


def literal(number: Any) -> str:
    """Return a number as Python reads it."""
    if isinstance(number, float) and not math.isfinite(number):
        return "math.nan" if number != number else "math.inf" if number > 0 else "-math.inf"
    return repr(number)


def plain(name: Any) -> Any:
    """Return a class name as a Python string or number."""
    return name.item() if isinstance(name, np.generic) else name


def each(setting: Any, axes: int) -> tuple[Any, ...]:
    """Return a setting for each axis."""
    return (setting,) * axes if isinstance(setting, int) else tuple(setting)


def unique(stem: str, taken: Any) -> str:
    """Return a valid Python name that is not taken."""
    stem = stem if stem.isidentifier() and not keyword.iskeyword(stem) else f"C_{stem}"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}_{count}"
    return name
