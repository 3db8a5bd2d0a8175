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
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..graph import Graph, Node
from ..nn.module import Module
from ..value import Value

__all__ = ["EXPRESSIONS", "MOVES", "TEMPLATES", "to_python"]

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
    "isfinite": "math.isfinite(x)",
    "where": "x if condition else y",
    "clip": "min(max(x, low), high)",
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
Code = str | None


class Writer:
    """Translates nodes to lines of Python, in the order of the graph.

    Attributes:
        constants: name and text of the lists that the code reads: weights and positions.
        lines: of the function.
        used: names of templates.
    """

    def __init__(self) -> None:
        self.constants: dict[str, str] = {}
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.names: dict[Node, str] = {}
        self.numbers = 0

    def name_of(self, node: Node) -> str:
        """Return the variable or constant that holds a node, making a constant of what does not depend on the input."""
        if node not in self.names:
            stem = re.sub(r"\W+", "_", f"{node.scope or ''}_{node.name or node.op or 'constant'}").strip("_")
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
        name = unique(stem.upper(), self.constants)
        self.constants[name] = text
        return name

    def write(self, node: Node, expression: str) -> None:
        """Assign an expression to a new variable."""
        self.names[node] = f"v{len(self.lines)}"
        where = re.sub(r"[^\w./-]", "_", node.scope or "")  # it goes into a comment, whatever it holds
        self.lines.append(f"{self.names[node]} = {expression}  # {where} {node.op} {node.shape}")

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
        write = getattr(self, f"op_{op.name}", None)
        if write is not None:
            write(node, **node.attrs)
        elif op.name in MOVES:
            self.move(node)
        elif op.elementwise and (op.name in EXPRESSIONS or op.formula):
            self.elementwise(node, EXPRESSIONS.get(op.name) or op.formula)
        else:
            raise NotImplementedError(
                f"to_python has no translation of op {op.name!r} (in {node.scope or 'the model'}). Export to ONNX, or "
                "write that part of the model with other ops."
            )

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

    def reduce(self, node: Node, f: str, axis: Any) -> None:
        """Write f of each row, after moving the axes that go to the end; f is code with "row" in it."""
        (parent,) = node.parents
        rank = len(parent.shape)
        axes = range(rank) if axis is None else [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]
        order = [a for a in range(rank) if a not in axes] + list(axes)
        places = np.arange(parent.size).reshape(parent.shape).transpose(order).ravel()
        length = math.prod(parent.shape[a] for a in axes)
        source = self.name_of(parent)
        if not np.array_equal(places, np.arange(len(places))):
            source = f"[{source}[i] for i in {self.constant('order', places.tolist())}]"
        self.use("rows", *CALLED.findall(f))
        self.write(node, f"[{f} for row in rows({source}, {length})]")

    def along(self, node: Node, f: str, axis: Any) -> None:
        """Write what turns rows into rows, such as softmax, along an axis."""
        (parent,) = node.parents
        rank = len(parent.shape)
        axes = [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]
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

    def op_sum(self, node: Node, *, axis: Any, keepdims: bool, **_: Any) -> None:
        self.reduce(node, "sum(row)", axis)

    def op_mean(self, node: Node, *, axis: Any, keepdims: bool, **_: Any) -> None:
        self.reduce(node, "mean(row)", axis)

    def op_max(self, node: Node, *, axis: Any, keepdims: bool, **_: Any) -> None:
        self.reduce(node, "max(row)", axis)

    def op_min(self, node: Node, *, axis: Any, keepdims: bool, **_: Any) -> None:
        self.reduce(node, "min(row)", axis)

    def op_logsumexp(self, node: Node, *, axis: Any, keepdims: bool, **_: Any) -> None:
        self.reduce(node, "logsumexp(row)", axis)

    def op_var(self, node: Node, *, axis: Any, keepdims: bool, ddof: Any = 0, **_: Any) -> None:
        self.reduce(node, f"variance(row, {ddof})", axis)

    def op_argmax(self, node: Node, *, axis: Any, keepdims: bool = False, **_: Any) -> None:
        self.reduce(node, "row.index(max(row))", axis)

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
        model: a module, or a function of a batch, (batch, …) → (batch, …).
        examples: a batch of inputs; the model's answers to the first ten are kept in the file.
        path: where to write; nowhere if None.
        columns: names of the features, so that `predict` takes a dict too.
        classes: the outputs are logits of these; the file then answers with one of them, and has `predict_proba`.

    Returns:
        The text of the file.

    Raises:
        NotImplementedError: if an op of the model has no translation.
        ValueError: if examples or names do not fit, or the model is larger than such a file should be.

    >>> from autograd_nn import nn
    >>> text = to_python(nn.MLP([2, 3, 1], rng=0), [[0.0, 1.0], [1.0, 1.0]])
    >>> scope = {"__name__": "exported"}
    >>> exec(text, scope)
    >>> scope["check"]()
    2
    """
    training = getattr(model, "training", False)
    if isinstance(model, Module):
        model.eval()
    try:
        batch = np.asarray(examples, dtype=getattr(model, "dtype", None) or float_kind(model))
        if batch.ndim < 2 or not len(batch):
            raise ValueError(f"to_python wanted a batch of examples, (batch, …), got shape {batch.shape}.")
        x = Value(batch[:1], name="x", dtype=batch.dtype)
        y = model(x)
        outputs = [np.asarray(model(Value(row[None], dtype=batch.dtype)).data)[0] for row in batch[:10]]
    finally:
        if isinstance(model, Module):
            model.train(training)
    check_names(columns, classes, batch.shape[1:], y.shape[1:])
    writer = Writer()
    writer.names[x] = "x"
    graph = Graph.of(y)
    depends: set[Node] = {x}
    for node in graph.nodes:
        if depends.intersection(node.parents):
            depends.add(node)
            writer.node(node)
        if writer.numbers > LARGEST:
            raise ValueError(
                f"to_python writes numbers as text, up to {LARGEST:,} of them; this model has more. Use ONNX, or "
                "safetensors."
            )
    if x not in depends or y not in depends or y is x:
        raise ValueError("to_python: the output does not depend on the input.")
    answers = [np.ravel(out).tolist() for out in outputs]
    text = file(writer, y, batch, answers, columns, classes)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def float_kind(model: Any) -> np.dtype:
    """Return the dtype of a model's first parameter."""
    parameters = model.parameters() if isinstance(model, Module) else []
    return parameters[0].dtype if parameters else np.dtype(float)


def check_names(columns: Any, classes: Any, came: tuple[int, ...], out: tuple[int, ...]) -> None:
    """Refuse names that do not fit the shapes of one example.

    Raises:
        ValueError: with both numbers.
    """
    if columns is not None and came != (len(columns),):
        raise ValueError(f"to_python wanted one column name for each feature, {came}, got {len(columns)} names.")
    if classes is not None and out != (len(classes),) and not (len(classes) == 2 and out in ((), (1,))):
        raise ValueError(f"to_python wanted one class for each output, {out}, got {len(classes)} classes.")


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
        f"SHAPE = {shape!r}\nCOLUMNS = {list(columns) if columns is not None else None!r}\n"
        f"CLASSES = {[plain(c) for c in classes] if classes is not None else None!r}",
        "def outputs(x):\n"
        '    """Return the outputs of the model, a flat list, for the features in a flat list."""\n'
        + "".join(f"    {line}\n" for line in writer.lines)
        + f"    return {writer.name_of(y)}",
        FLATTEN,
        PREDICT_CLASSES if classes is not None else PREDICT,
        f"EXAMPLES = [\n{''.join(f'    {row},' + chr(10) for row in inputs)}]\n"
        f"ANSWERS = [\n{''.join(f'    {row},' + chr(10) for row in outputs)}]\n"
        f"TOLERANCE = {1e-4 if single else 1e-9!r}",
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
