"""ONNX: a trained model as a file that other runtimes execute. Needs the package `onnx`: the extra ``onnx``.

The model is recorded twice, for a batch of two and for a batch of five, from different examples where there are some.
What differs between the two graphs cannot be written: it comes from the numbers or from the size of the batch. Lengths
that are multiples of the batch are left open in the file. Each op has one entry in the tables below; other elementwise
ops are translated from their formula.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from .. import nested
from ..graph import Graph, Node
from ..nn.module import Module
from ..op import ITEM, Op
from ..saving import write_atomically
from ..value import Value
from .record import predicting, suiting

__all__ = ["ELEMENTWISE", "FORMULAS", "to_onnx", "translated"]

OPSET = 18
BATCHES = (2, 5)
LARGEST = 2**31 - 2**20  # bytes: what one protobuf message can hold, less room for the graph
ELEMENTWISE: dict[str, str] = {
    "negative": "Neg",
    "add": "Add",
    "subtract": "Sub",
    "mul": "Mul",
    "divide": "Div",
    "power": "Pow",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "reciprocal": "Reciprocal",
    "absolute": "Abs",
    "sign": "Sign",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "arcsin": "Asin",
    "arccos": "Acos",
    "arctan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "arcsinh": "Asinh",
    "arccosh": "Acosh",
    "arctanh": "Atanh",
    "floor": "Floor",
    "ceil": "Ceil",
    "rint": "Round",
    "erf": "Erf",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "maximum": "Max",
    "minimum": "Min",
    "where": "Where",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_not": "Not",
    "logical_xor": "Xor",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "bitwise_and": "And",  # of booleans; ONNX has others since opset 18, for integers
    "bitwise_or": "Or",
    "bitwise_xor": "Xor",
    "bitwise_not": "Not",
}
"""Elementwise ops that ONNX has under a name of its own."""

FORMULAS: dict[str, str] = {
    "not_equal": "not x == y",
    "isfinite": "not (isnan(x) or isinf(x))",
    "exp2": "exp(x * 0.6931471805599453)",
    "expm1": "exp(x) - 1",
    "log1p": "log(1 + x)",
    "log2": "log(x) / 0.6931471805599453",
    "log10": "log(x) / 2.302585092994046",
    "logaddexp": "max(x, y) + log(1 + exp(-abs(x - y)))",
    "hypot": "sqrt(x * x + y * y)",
    "trunc": "sign(x) * floor(abs(x))",
    "erfc": "1 - erf(x)",
    "silu": "x * sigmoid(x)",
    "log_sigmoid": "-softplus(-x)",
}
"""Elementwise ops that ONNX does not have, in those that it has, where their own formula does not say it."""

GELU = {
    "none": "x / 2 * (1 + erf(x / sqrt(2)))",
    "tanh": "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))",
}
WORDS = {"abs": "Abs", "max": "Max", "min": "Min"}  # of formulas, beside the names of ops
SIGNS: dict[type, str] = {
    ast.Add: "Add",
    ast.Sub: "Sub",
    ast.Mult: "Mul",
    ast.Div: "Div",
    ast.Pow: "Pow",
    ast.Lt: "Less",
    ast.LtE: "LessOrEqual",
    ast.Gt: "Greater",
    ast.GtE: "GreaterOrEqual",
    ast.Eq: "Equal",
    ast.And: "And",
    ast.Or: "Or",
    ast.Not: "Not",
    ast.USub: "Neg",
}
REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}
AXIS_MOVES = frozenset({"transpose", "matrix_transpose", "swapaxes", "moveaxis"})
SAME_ELEMENTS = frozenset({"reshape", "squeeze", "expand_dims"})
AS_IT_IS = frozenset({"alias", "copy", "positive"})
FOLLOW_THE_BATCH = frozenset({"reshape", "broadcast_to"})  # their attribute is the shape of the result


def translated(op: Op) -> bool:
    """Is there a translation of an op? For some of its settings there may be none."""
    tables = (AS_IT_IS, AXIS_MOVES, SAME_ELEMENTS, REDUCTIONS)
    if op is ITEM or hasattr(Writer, f"op_{op.name}") or any(op.name in table for table in tables):
        return True
    if not op.elementwise or op.name in ELEMENTWISE or op.name in FORMULAS:
        return op.elementwise
    known = {*op.args, *op._attr_names, *ELEMENTWISE, *FORMULAS, *WORDS, "pi"}
    return bool(op.formula) and {n.id for n in ast.walk(ast.parse(op.formula)) if isinstance(n, ast.Name)} <= known


class Writer:
    """Translates nodes to ONNX's, in the order of the graph.

    Args:
        onnx: the package.
        pairs: each node of the graph recorded for a batch of two, and the same one for a batch of five.
        taken: names that are given: of inputs and outputs.
    """

    def __init__(self, onnx: Any, pairs: dict[Node, Node], taken: Sequence[str]) -> None:
        self.onnx, self.pairs = onnx, pairs
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.names: dict[Node, Any] = {}  # of an op with several results a tuple of names
        self.casts: dict[tuple[Node, np.dtype], str] = {}
        self.shapes: dict[tuple[int | None, ...], str] = {}
        self.constants: dict[tuple[Any, ...], str] = {}
        self.first_input = taken[0]
        self.taken = set(taken)
        self.counter = itertools.count()

    # names and constants

    def unique(self, stem: str) -> str:
        """Return a name that nothing has; what UTF-8 cannot hold is written as ASCII."""
        stem = name = stem.encode("utf-8", "backslashreplace").decode()
        while name in self.taken:
            name = f"{stem}_{next(self.counter)}"
        self.taken.add(name)
        return name

    def emit(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        return self.emit_all(kind, inputs, 1, **attributes)[0]

    def emit_all(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """Add a node and return the names of its results."""
        name = self.unique(f"{kind.lower()}_{next(self.counter)}")
        names = [name] + [self.unique(f"{name}_{i}") for i in range(1, results)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names

    def constant(self, array: Any, stem: str = "constant") -> str:
        """Keep an array in the file and return its name; equal small ones without a name are kept once."""
        array = np.asarray(array)
        small = array.size <= 16 and stem == "constant"
        key = (array.dtype.str, array.shape, array.tobytes()) if small else None
        if key is not None and key in self.constants:
            return self.constants[key]
        name = self.unique(stem)
        self.initializers[name] = self.onnx.numpy_helper.from_array(
            np.ascontiguousarray(array).reshape(array.shape), name
        )
        if key is not None:
            self.constants[key] = name
        return name

    def integers(self, numbers: Sequence[int]) -> str:
        """Keep a list of integers, such as axes or a shape."""
        return self.constant(np.array(numbers, np.int64))

    def name_of(self, node: Node, dtype: np.dtype | None = None) -> str:
        """Return the name of a node's result, in a dtype if one is given; what does not depend on inputs is kept."""
        if dtype is None or dtype == node.dtype:
            if node not in self.names:
                self.names[node] = self.fixed(node, node.dtype)
            return self.names[node]
        if (node, dtype) not in self.casts:
            if node in self.names:
                to = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
                self.casts[node, dtype] = self.emit("Cast", self.names[node], to=to)
            else:
                self.casts[node, dtype] = self.fixed(node, dtype)
        return self.casts[node, dtype]

    def fixed(self, node: Node, dtype: np.dtype) -> str:
        """Keep what does not depend on inputs. Where its shape follows the batch, one of its equal parts is kept.

        Raises:
            NotImplementedError: if it comes from the batch after all.
        """
        data, twin = np.asarray(node._data), np.asarray(self.pairs[node]._data)
        full = data
        for axis, length in enumerate(self.open_shape(node)):
            if length is None:
                data, twin = data.take([0], axis), twin.take([0], axis)
        if node is not self.pairs[node] and not (
            same_numbers(data, twin) and same_numbers(np.broadcast_to(data, full.shape), full)
        ):
            raise NotImplementedError(
                f"to_onnx: a constant of shape {full.shape} (in {node.scope or 'the model'}) comes from the batch, "
                "from its numbers or its size: through .data, detach, a Python number, randomness. Compute it with ops."
            )
        path = (node.scope or "").partition("/")[2].replace("/", ".")
        stem = ".".join(part for part in (path, node.name) if part) or "constant"
        name = self.constant(data.astype(dtype), stem)
        return name if data.shape == full.shape else self.emit("Expand", name, self.shape(node))

    def open_shape(self, node: Node) -> list[int | None]:
        """Return a node's shape, with None for lengths that follow the batch."""
        return [n if n == m else None for n, m in zip(node.shape, self.pairs[node].shape, strict=True)]

    def shape(self, node: Node) -> str:
        """Return the name of a node's shape, a list of integers.

        Raises:
            NotImplementedError: if a length is no multiple of the batch.
        """
        twin = self.pairs[node].shape
        if node.shape == twin:
            return self.integers(node.shape)
        key = tuple([n if n == m else None for n, m in zip(node.shape, twin, strict=True)]) + node.shape
        if key not in self.shapes:
            batch = self.emit("Shape", self.first_input, start=0, end=1)
            parts = [
                self.integers([n]) if n == m else self.emit("Mul", batch, self.integers([multiple(n, m)]))
                for n, m in zip(node.shape, twin, strict=True)
            ]
            self.shapes[key] = self.emit("Concat", *parts, axis=0)
        return self.shapes[key]

    # ops

    def node(self, node: Node) -> Any:
        """Translate one node and return the name of its result.

        Raises:
            NotImplementedError: if its op has no translation, naming it.
        """
        op: Any = node.op
        if not translated(op):
            raise NotImplementedError(
                f"to_onnx has no translation of op {op.name!r} (in {node.scope or 'the model'}). Write that part of "
                "the model with other ops, or export what comes before it."
            )
        write = getattr(self, f"op_{op.name}", None)
        if write is not None:
            return write(node, **node.attrs)
        if op is ITEM:
            return self.names[node.parents[0]][node.attrs["index"]]
        if op.name in AS_IT_IS:
            return self.name_of(node.parents[0])
        if op.name in AXIS_MOVES:
            rank = len(node.shape)
            order = op.forward(np.empty(tuple(range(2, 2 + rank))), **node.attrs).shape
            return self.emit("Transpose", self.name_of(node.parents[0]), perm=[n - 2 for n in order])
        if op.name in SAME_ELEMENTS:
            return self.reshaped(self.name_of(node.parents[0]), node)
        if op.name in REDUCTIONS:
            return self.reduce(REDUCTIONS[op.name], node, **node.attrs)
        if op.name in ELEMENTWISE:
            return self.emit(ELEMENTWISE[op.name], *self.operands(node))
        return self.by_formula(node, FORMULAS.get(op.name) or op.formula)

    def operands(self, node: Node) -> list[str]:
        """Return the operands of an op in one dtype, as ONNX wants them; conditions stay booleans."""
        op: Any = node.op
        kinds = [self.kind(node)] * len(node.parents)
        if op.name == "where":
            kinds[0] = np.dtype(bool)
        return [self.name_of(p, kind) for p, kind in zip(node.parents, kinds, strict=True)]

    def kind(self, node: Node) -> np.dtype:
        """Return the dtype in which an elementwise op computes: Python's numbers take on that of the arrays."""
        op: Any = node.op
        if node.dtype.kind != "b":
            return node.dtype
        if op.name.startswith("logical_"):
            return np.dtype(bool)
        return np.result_type(*[p.dtype if hasattr(p._data, "dtype") else p._data for p in node.parents])

    def by_formula(self, node: Node, formula: str) -> str:
        """Translate an elementwise op that is written as a formula of its arguments and attributes."""
        op: Any = node.op
        kind = self.kind(node)
        names = dict(zip(op.args, self.operands(node), strict=True))
        names |= {
            name: self.constant(np.array(kept, kind)) for name, kept in node.attrs.items() if not isinstance(kept, str)
        }
        return self.formula(ast.parse(formula, mode="eval").body, names, kind)

    def formula(self, tree: ast.expr, names: dict[str, str], kind: np.dtype) -> str:
        """Translate a formula, with what its names stand for."""

        def again(part: ast.expr) -> str:
            return self.formula(part, names, kind)

        match tree:
            case ast.Constant(value=value):
                return self.constant(np.array(value, kind))
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Name(id="pi"):
                return self.constant(np.array(math.pi, kind))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in SIGNS:
                return self.emit(SIGNS[type(sign)], again(left), again(right))
            case ast.BoolOp(op=sign, values=[left, right]):
                return self.emit(SIGNS[type(sign)], again(left), again(right))
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
                return self.emit(SIGNS[type(sign)], again(operand))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in SIGNS:
                return self.emit(SIGNS[type(sign)], again(left), again(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.emit("Where", again(test), again(body), again(orelse))
            case ast.Call(func=ast.Name(id=name), args=[x]) if name in FORMULAS:
                return self.formula(ast.parse(FORMULAS[name], mode="eval").body, {"x": again(x)}, kind)
            case ast.Call(func=ast.Name(id=name), args=operands) if name in WORDS or name in ELEMENTWISE:
                return self.emit(WORDS.get(name) or ELEMENTWISE[name], *map(again, operands))
        raise NotImplementedError(f"to_onnx has no translation of the formula {ast.unparse(tree)!r}.")

    def reshaped(self, name: str, node: Node) -> str:
        """Reshape to the shape of a node; lengths may follow the batch."""
        shape = self.open_shape(node)
        if shape.count(None) > 1 or (None in shape and 0 in shape):
            return self.emit("Reshape", name, self.shape(node), allowzero=1)
        return self.emit(
            "Reshape", name, self.integers([-1 if n is None else n for n in shape]), allowzero=int(0 in shape)
        )

    def axes(self, axis: Any, rank: int) -> list[int]:
        """Return axes as a list of numbers from 0."""
        return list(range(rank)) if axis is None else [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]

    def reduce(self, kind: str, node: Node, *, axis: Any, keepdims: Any, **_: Any) -> str:
        """Reduce over axes."""
        (x,) = node.parents
        axes = self.integers(self.axes(axis, len(x.shape)))
        return self.emit(kind, self.name_of(x, node.dtype), axes, keepdims=int(bool(keepdims)))

    def op_any(self, node: Node, **attrs: Any) -> str:
        return self.of_booleans("ReduceMax", node, **attrs)

    def op_all(self, node: Node, **attrs: Any) -> str:
        return self.of_booleans("ReduceMin", node, **attrs)

    def of_booleans(self, kind: str, node: Node, *, axis: Any, keepdims: Any, **_: Any) -> str:
        """Reduce booleans, which ONNX does with numbers only."""
        (x,) = node.parents
        to = self.onnx.helper.np_dtype_to_tensor_dtype
        number = self.emit("Cast", self.name_of(x, np.dtype(bool)), to=to(np.dtype(np.int32)))
        axes = self.integers(self.axes(axis, len(x.shape)))
        return self.emit("Cast", self.emit(kind, number, axes, keepdims=int(bool(keepdims))), to=to(np.dtype(bool)))

    def op_gelu(self, node: Node, *, approximate: str) -> str:
        return self.by_formula(node, GELU[approximate])

    def op_leaky_relu(self, node: Node, *, negative_slope: float) -> str:
        if node.dtype == float:  # ONNX's attributes are float32
            return self.by_formula(node, node.op.formula)  # type: ignore[union-attr]
        return self.emit("LeakyRelu", *self.operands(node), alpha=float(negative_slope))

    def op_elu(self, node: Node, *, alpha: float) -> str:
        if node.dtype == float:
            return self.by_formula(node, node.op.formula)  # type: ignore[union-attr]
        return self.emit("Elu", *self.operands(node), alpha=float(alpha))

    def op_cast(self, node: Node, *, dtype: Any) -> str:
        to = self.onnx.helper.np_dtype_to_tensor_dtype(node.dtype)
        return self.emit("Cast", self.name_of(node.parents[0]), to=to)

    def op_cast_discrete(self, node: Node, *, dtype: Any) -> str:
        return self.op_cast(node, dtype=dtype)

    def op_softmax(self, node: Node, *, axis: Any) -> str:
        return self.along("Softmax", node, axis)

    def op_log_softmax(self, node: Node, *, axis: Any) -> str:
        return self.along("LogSoftmax", node, axis)

    def along(self, kind: str, node: Node, axis: Any) -> str:
        """Apply what ONNX has along one axis; several axes become one and then themselves again."""
        (x,) = node.parents
        rank = len(node.shape)
        axes = self.axes(axis, rank)
        if len(axes) == 1:
            return self.emit(kind, self.name_of(x), axis=axes[0])
        order = [a for a in range(rank) if a not in axes] + axes
        kept = rank - len(axes)
        moved = self.emit("Transpose", self.name_of(x), perm=order)
        lengths = [self.open_shape(node)[a] for a in order]
        if None in lengths[kept:]:
            raise NotImplementedError(f"to_onnx: {kind} over the batch and other axes.")
        flat = self.emit("Reshape", moved, self.integers([0] * kept + [-1]))
        found = self.emit("Reshape", self.emit(kind, flat, axis=kept), self.emit("Shape", moved))
        return self.emit("Transpose", found, perm=np.argsort(order).tolist())

    def op_logsumexp(self, node: Node, *, axis: Any, keepdims: Any, **_: Any) -> str:
        """The largest first, as not every runtime does."""
        (x,) = node.parents
        name, axes = self.name_of(x), self.integers(self.axes(axis, len(x.shape)))
        zero = self.constant(np.array(0, node.dtype))
        top = self.emit("ReduceMax", name, axes, keepdims=1)
        top = self.emit("Where", self.emit("IsInf", top), zero, top)
        rest = self.emit("ReduceSum", self.emit("Exp", self.emit("Sub", name, top)), axes, keepdims=1)
        found = self.emit("Add", self.emit("Log", rest), top)
        return found if keepdims else self.emit("Squeeze", found, axes)

    def op_vector_norm(self, node: Node, *, ord: Any, **attrs: Any) -> str:
        if ord not in (1, 2):
            raise NotImplementedError(f"to_onnx: vector_norm with ord={ord}; ONNX has 1 and 2.")
        return self.reduce(f"ReduceL{ord}", node, **attrs)

    def op_norm(self, node: Node, *, ord: Any, **attrs: Any) -> str:
        if ord is None or len(self.axes(attrs["axis"], len(node.parents[0].shape))) == 1:
            return self.op_vector_norm(node, ord=2 if ord is None else ord, **attrs)
        raise NotImplementedError(f"to_onnx: norm of matrices with ord={ord}.")

    def op_var(self, node: Node, *, axis: Any, keepdims: Any, ddof: Any = 0, **_: Any) -> str:
        (parent,) = node.parents
        axes, x = self.axes(axis, len(parent.shape)), self.name_of(parent, node.dtype)
        lengths = [self.open_shape(parent)[a] for a in axes]
        if None in lengths and ddof:
            raise NotImplementedError("to_onnx: var over the batch with ddof.")
        size = math.prod(n for n in lengths if n is not None)
        centered = self.emit("Sub", x, self.emit("ReduceMean", x, self.integers(axes), keepdims=1))
        square = self.emit("Mul", centered, centered)
        found = self.emit("ReduceMean", square, self.integers(axes), keepdims=int(bool(keepdims)))
        if not ddof:
            return found
        return self.emit("Mul", found, self.constant(np.array(size / (size - ddof), node.dtype)))

    def op_std(self, node: Node, **attrs: Any) -> str:
        return self.emit("Sqrt", self.op_var(node, **attrs))

    def op_argmax(self, node: Node, **attrs: Any) -> str:
        return self.place("ArgMax", node, **attrs)

    def op_argmin(self, node: Node, **attrs: Any) -> str:
        return self.place("ArgMin", node, **attrs)

    def place(self, kind: str, node: Node, *, axis: Any, keepdims: Any = False) -> str:
        """Find the position of an extreme number."""
        x, rank = self.name_of(node.parents[0]), len(node.parents[0].shape)
        if axis is None:
            raise NotImplementedError(f"to_onnx: {node.op.name} over all axes.")  # type: ignore[union-attr]
        return self.emit(kind, x, axis=axis % rank, keepdims=int(bool(keepdims)))

    def op_cumsum(self, node: Node, *, axis: Any) -> str:
        if axis is None:
            raise NotImplementedError("to_onnx: cumsum over all axes.")
        axis = self.constant(np.array(axis % len(node.shape), np.int64))
        return self.emit("CumSum", self.name_of(node.parents[0], node.dtype), axis)

    # products

    def op_matmul(self, node: Node) -> str:
        return self.emit("MatMul", *self.operands(node))

    def op_dot(self, node: Node) -> str:
        if not len(node.parents[0].shape) > 0 or not 0 < len(node.parents[1].shape) <= 2:
            raise NotImplementedError("to_onnx: dot of arrays for which it is no product of matrices.")
        return self.op_matmul(node)

    def op_linear(self, node: Node) -> str:
        x, w, b = self.operands(node)
        if len(node.shape) == 2 and len(node.parents[2].shape) == 1:
            return self.emit("Gemm", x, w, b)
        return self.emit("Add", self.emit("MatMul", x, w), b)

    def op_einsum(self, node: Node, *, subscripts: str) -> str:
        return self.emit("Einsum", *self.operands(node), equation=subscripts)

    def op_conv(self, node: Node, *, stride: Any, dilation: Any, padding: Any, groups: int) -> str:
        axes = len(node.shape) - 2
        pairs = [(p, p) if isinstance(p, int) else p for p in each(padding, axes)]
        return self.emit(
            "Conv",
            *self.operands(node),
            strides=each(stride, axes),
            dilations=each(dilation, axes),
            pads=[a for a, _ in pairs] + [b for _, b in pairs],
            group=groups,
        )

    def op_pool_max(self, node: Node, *, kernel: Any, stride: Any, dilation: Any) -> str:
        axes = len(kernel)
        sliding = {"kernel_shape": list(kernel), "strides": each(stride, axes), "dilations": each(dilation, axes)}
        return self.emit("MaxPool", self.name_of(node.parents[0]), **sliding)

    def op_pool_sum(self, node: Node, *, kernel: Any, stride: Any, dilation: Any) -> str:
        axes = len(kernel)
        if each(dilation, axes) != [1] * axes:
            raise NotImplementedError("to_onnx: average pooling with dilation.")
        means = self.emit(
            "AveragePool", self.name_of(node.parents[0]), kernel_shape=list(kernel), strides=each(stride, axes)
        )
        return self.emit("Mul", means, self.constant(np.array(math.prod(kernel), node.dtype)))

    # shapes and indices

    def op_broadcast_to(self, node: Node, *, shape: Any) -> str:
        return self.emit("Expand", self.name_of(node.parents[0]), self.shape(node))

    def op_concatenate(self, node: Node, *, axis: int) -> str:
        parts = [self.name_of(p, node.dtype) for p in node.parents]
        return self.emit("Concat", *parts, axis=axis % len(node.shape))

    def op_stack(self, node: Node, *, axis: int) -> str:
        axis %= len(node.shape)
        at = self.integers([axis])
        parts = [self.emit("Unsqueeze", self.name_of(p, node.dtype), at) for p in node.parents]
        return self.emit("Concat", *parts, axis=axis)

    def op_pad(self, node: Node, *, pad_width: Any, mode: str, constant_values: Any) -> str:
        if mode != "constant":
            raise NotImplementedError(f"to_onnx: pad with mode {mode!r}.")
        (x,) = node.parents
        widths = np.broadcast_to(pad_width, (len(x.shape), 2))
        pads = self.integers([*widths[:, 0].tolist(), *widths[:, 1].tolist()])
        return self.emit("Pad", self.name_of(x), pads, self.constant(np.array(constant_values, node.dtype)))

    def op_flip(self, node: Node, *, axis: Any) -> str:
        x, far = self.name_of(node.parents[0]), np.iinfo(np.int64).min
        for a in self.axes(axis, len(node.shape)):
            x = self.emit("Slice", x, *[self.integers([n]) for n in (-1, far, a, -1)])
        return x

    def op_take(self, node: Node, *, axis: Any) -> str:
        x, indices = node.parents
        name, places = self.name_of(x), self.name_of(indices, np.dtype(np.int64))
        if axis is None:
            return self.emit("Gather", self.emit("Reshape", name, self.integers([-1])), places, axis=0)
        return self.emit("Gather", name, places, axis=axis % len(x.shape))

    def op_take_along_axis(self, node: Node, *, axis: int) -> str:
        x, indices = node.parents
        """ONNX broadcasts neither of the two."""
        axis %= len(x.shape)
        name, places = self.name_of(x), self.name_of(indices, np.dtype(np.int64))
        for a, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)):
            if a != axis and n != m:
                raise NotImplementedError(f"to_onnx: take_along_axis with shapes {x.shape} and {indices.shape}.")
        return self.emit("GatherElements", name, places, axis=axis)

    def op_repeat(self, node: Node, *, repeats: Any, axis: Any) -> str:
        (x,) = node.parents
        if axis is None or self.open_shape(x)[axis] is None:
            raise NotImplementedError("to_onnx: repeat along the batch.")
        places = np.repeat(np.arange(x.shape[axis]), repeats)
        return self.emit("Gather", self.name_of(x), self.constant(places.astype(np.int64)), axis=axis % len(x.shape))

    def op_getitem(self, node: Node, *, key: Any) -> str:
        """Slices first, then at most one index array, then integers and new axes."""
        x, *arrays = node.parents
        rank = len(x.shape)
        used = sum(k is not None and k != "..." for k in key)
        if "..." not in key:
            key = (*key, "...")
        at = key.index("...")
        parts = [*key[:at], *[(None, None, None)] * (rank - used), *key[at + 1 :]]
        advanced = [i for i, k in enumerate(parts) if isinstance(k, int) or (isinstance(k, tuple) and len(k) == 1)]
        if len(arrays) > 1:
            raise NotImplementedError("to_onnx: several index arrays at once.")
        if arrays and advanced[-1] - advanced[0] >= len(advanced):  # NumPy moves their axes to the front
            raise NotImplementedError("to_onnx: an index array and an integer with a slice between them.")
        name, axis, dropped, added = self.name_of(x), 0, [], []
        for part in parts:
            if part is None:
                added.append(axis - len(dropped) + len(added))
                continue
            if isinstance(part, tuple) and len(part) == 3:
                name = self.slice(name, part, axis, x)
            elif isinstance(part, tuple):
                indices = arrays[part[0]]
                if indices.dtype.kind == "b" or (len(indices.shape) != 1 and (dropped or added)):
                    raise NotImplementedError("to_onnx: indexing with a mask, or with an array among other indices.")
                name = self.emit("Gather", name, self.name_of(indices, np.dtype(np.int64)), axis=axis)
                axis += len(indices.shape) - 1
            else:
                stop = part + 1 if part != -1 else np.iinfo(np.int64).max
                name = self.emit("Slice", name, *[self.integers([n]) for n in (part, stop, axis, 1)])
                dropped.append(axis)
            axis += 1
        if dropped:
            name = self.emit("Squeeze", name, self.integers(dropped))
        return self.emit("Unsqueeze", name, self.integers(added)) if added else name

    def slice(self, name: str, part: tuple[Any, Any, Any], axis: int, x: Node) -> str:
        """Cut one axis as ``start:stop:step`` says."""
        start, stop, step = part
        if part == (None, None, None) or (start in (None, 0) and stop is None and step in (None, 1)):
            return name
        step = 1 if step is None else step
        ends = np.iinfo(np.int64)
        start = (0 if step > 0 else -1) if start is None else start
        stop = (ends.max if step > 0 else ends.min) if stop is None else stop
        return self.emit("Slice", name, *[self.integers([int(n)]) for n in (start, stop, axis, step)])

    # gates of recurrent cells

    def op_lstm_gates(self, node: Node) -> tuple[str, str, str]:
        gates, c = self.operands_of_results(node)
        i, f, g, o = self.split(gates, 4, node)
        i, f, o, g = *(self.emit("Sigmoid", x) for x in (i, f, o)), self.emit("Tanh", g)
        c = self.emit("Add", self.emit("Mul", f, c), self.emit("Mul", i, g))
        h = self.emit("Mul", o, self.emit("Tanh", c))
        return h, c, self.emit("Concat", i, f, g, o, axis=-1)

    def op_gru_gates(self, node: Node) -> tuple[str, str]:
        x, y, h = self.operands_of_results(node)
        (x_r, x_z, x_n), (y_r, y_z, y_n) = self.split(x, 3, node), self.split(y, 3, node)
        r = self.emit("Sigmoid", self.emit("Add", x_r, y_r))
        z = self.emit("Sigmoid", self.emit("Add", x_z, y_z))
        n = self.emit("Tanh", self.emit("Add", x_n, self.emit("Mul", r, y_n)))
        new = self.emit("Add", self.emit("Mul", self.emit("Sub", h, n), z), n)
        return new, self.emit("Concat", r, z, n, axis=-1)

    def operands_of_results(self, node: Node) -> list[str]:
        """Return the operands of an op with several results in the dtype of the first."""
        return [self.name_of(p, np.asarray(node._data[0]).dtype) for p in node.parents]

    def split(self, name: str, parts: int, node: Node) -> list[str]:
        """Cut the last axis into equal parts."""
        return self.emit_all("Split", [name], parts, axis=-1, num_outputs=parts)


def to_onnx(
    model: Module | Callable[..., Any],
    example: Any,
    path: str | PathLike[str] | None = None,
    *,
    input_name: str = "x",
    output_name: str = "y",
) -> Any:
    """Write a trained model as ONNX, with a batch of any size.

    The opset is 18. In float64 onnxruntime lacks some operators, convolution and erf among them; other runtimes have
    them. ``model.astype(np.float32)`` helps.

    Args:
        model: a module, or a function of a batch, (batch, …) → (batch, …). Modules are exported as they predict,
            recurrent ones for as many steps as the example has. Call ``model.eval()`` before you wrap one into a
            function.
        example: inputs, (batch, …), of which only dtype and the shape of one row matter: floats, or integers for
            models that begin with an embedding. Several different rows are better than one: what a model computes
            from them outside of ops is noticed then. Several inputs are a dict of names; the model is called with
            them by keyword.
        path: where to write; nowhere if None. Written whole or not at all.
        input_name: of the one input.
        output_name: of the output; several, in tuples, lists or dicts, are called ``y0``, ``y1``, ….

    Returns:
        The `onnx.ModelProto`, checked by `onnx.checker`.

    Raises:
        ImportError: if the package `onnx` is missing.
        NotImplementedError: if an op of the model has no translation, or what it computes comes from the batch in
            other ways than through ops.
        TypeError: if the example holds no real numbers, or an output is no Value.
        ValueError: if the example is no batch, the output does not depend on it, or names are no names.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError('to_onnx needs the package onnx: pip install "autograd-nn[onnx]"') from error
    with predicting(model):
        examples = read(model, example, input_name)
        inputs, outputs = record(model, {name: first_rows(rows, BATCHES[0]) for name, rows in examples.items()})
        twins, twin_outputs = record(model, {name: last_rows(rows, BATCHES[1]) for name, rows in examples.items()})
    pairs = matched(Graph.of(*outputs), Graph.of(*twin_outputs))
    pairs |= dict(zip(inputs.values(), twins.values(), strict=True))
    single = len(outputs) == 1
    named = {output_name if single else f"{output_name}{i}": y for i, y in enumerate(outputs)}
    check_names([*inputs, *named])
    writer = Writer(onnx, pairs, [*inputs, *named])
    writer.names |= {x: name for name, x in inputs.items()}
    depends: set[Node] = set(inputs.values())
    for node in Graph.of(*outputs).nodes:
        if depends.intersection(node.parents):
            depends.add(node)
            writer.names[node] = writer.node(node)
    for name, y in named.items():
        if y not in depends:
            raise ValueError("to_onnx cannot export the model: its output does not depend on the input.")
        writer.nodes.append(onnx.helper.make_node("Identity", [writer.name_of(y)], [name], name=name))
    proto = finished(onnx, writer, inputs, named)
    if path is not None:
        write_atomically(path, [proto.SerializeToString()])
    return proto


def read(model: Any, example: Any, input_name: str) -> dict[str, np.ndarray]:
    """Return the inputs by name, in the dtypes that the model wants.

    Raises:
        TypeError, ValueError: if they are no batches of one length.
    """
    if isinstance(example, tuple) and any(isinstance(item, (np.ndarray, Node)) for item in example):
        raise TypeError(
            "to_onnx wanted one array of examples, or several by name, {'query': …, 'key': …}; got a tuple."
        )
    several = isinstance(example, Mapping)
    arrays = {str(name): np.asarray(rows) for name, rows in (example if several else {input_name: example}).items()}
    for array in arrays.values():
        if array.ndim < 1 or not array.size:
            raise ValueError(f"to_onnx wanted a batch of examples, (batch, …), got shape {array.shape}.")
    if len({len(array) for array in arrays.values()}) != 1:
        came = ", ".join(f"{name}: {array.shape}" for name, array in arrays.items()) or "none"
        raise ValueError(f"to_onnx wanted inputs that are batches of one length, got {came}.")
    if not several:
        return {input_name: suiting(model, arrays[input_name])}
    kind = getattr(model, "dtype", None)
    return {name: a.astype(kind) if kind is not None and a.dtype.kind == "f" else a for name, a in arrays.items()}


def first_rows(rows: np.ndarray, batch: int) -> np.ndarray:
    """Return the first example so many times."""
    return np.repeat(rows[:1], batch, axis=0)


def last_rows(rows: np.ndarray, batch: int) -> np.ndarray:
    """Return another example so many times: the last one; if it is the first, a somewhat smaller one."""
    last = rows[-1:]
    if rows.dtype.kind == "f" and same_numbers(last, rows[:1]):
        last = (last * 0.9375).astype(rows.dtype)
    return np.repeat(last, batch, axis=0)


def record(model: Any, arrays: dict[str, np.ndarray]) -> tuple[dict[str, Value], list[Any]]:
    """Return the inputs and the outputs of a model that predicts.

    Raises:
        TypeError: if an output is no Value.
    """
    leaves = {
        name: Value(array, name=name, dtype=array.dtype, requires_grad=array.dtype.kind == "f")
        for name, array in arrays.items()
    }
    outputs = nested.leaves(model(*leaves.values()) if len(leaves) == 1 else model(**leaves))
    for y in outputs:
        if not isinstance(y, Node):
            raise TypeError(
                f"to_onnx wanted a model whose outputs are Values, computed with ops, got {type(y).__name__}."
            )
    return leaves, outputs


def matched(graph: Graph, twin: Graph) -> dict[Node, Node]:
    """Return each node of a graph with the same one of the other.

    Raises:
        ValueError: if the two are not equal.
    """

    def structure(graph: Graph) -> list[Any]:
        places = {node: i for i, node in enumerate(graph.nodes)}
        return [
            (
                getattr(node.op, "name", None),
                [places[p] for p in node.parents],
                {} if getattr(node.op, "name", None) in FOLLOW_THE_BATCH else node.attrs,
            )
            for node in graph.nodes
        ]

    if structure(graph) != structure(twin):
        raise ValueError(
            "to_onnx cannot export the model: its graph depends on the size of the batch, or on the numbers in it."
        )
    return dict(zip(graph.nodes, twin.nodes, strict=True))


def check_names(names: Sequence[str]) -> None:
    """Refuse names of inputs and outputs that a file cannot hold.

    Raises:
        ValueError: naming them.
    """
    if len(set(names)) < len(names) or not all(names) or any("\ud800" <= c <= "\udfff" for n in names for c in n):
        raise ValueError(f"to_onnx wanted different names for inputs and outputs, none of them empty, got {names!r}.")


def finished(onnx: Any, writer: Writer, inputs: dict[str, Value], outputs: dict[str, Any]) -> Any:
    """Put the file together and check it.

    Raises:
        ValueError: if it is too large.
    """
    helper = onnx.helper

    def info(name: str, node: Node) -> Any:
        pairs = zip(node.shape, writer.pairs[node].shape, strict=True)
        shape = [n if n == m else "batch" if n == BATCHES[0] else None for n, m in pairs]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(node.dtype), shape)

    size = sum(len(initializer.raw_data) for initializer in writer.initializers.values())
    if size > LARGEST:
        raise ValueError(f"to_onnx writes files of up to 2 GB; the weights of this model take {size / 1e9:.1f} GB.")
    graph = helper.make_graph(
        needed(writer.nodes, outputs),
        "model",
        [info(name, x) for name, x in inputs.items()],
        [info(name, y) for name, y in outputs.items()],
        list(writer.initializers.values()),
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="autograd_nn")
    proto.ir_version = 8  # of opset 18; newer ones are refused by older runtimes
    onnx.checker.check_model(proto, full_check=True)
    return proto


def needed(nodes: Sequence[Any], outputs: Any) -> list[Any]:
    """Return the nodes that the outputs depend on, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def same_numbers(x: np.ndarray, y: np.ndarray) -> bool:
    """Are two arrays equal, nan to nan?"""
    return np.array_equal(x, y, equal_nan=x.dtype.kind == "f" and y.dtype.kind == "f")


def multiple(length: int, twin: int) -> int:
    """Return how often the batch is in a length, from what it is for either batch.

    Raises:
        NotImplementedError: if it is no multiple.
    """
    times, rest = divmod(length, BATCHES[0])
    if rest or times * BATCHES[1] != twin:
        raise NotImplementedError(
            f"to_onnx: a length that is {length} for a batch of {BATCHES[0]}, and {twin} for a batch of {BATCHES[1]}, "
            "is no multiple of it."
        )
    return times


def each(setting: Any, axes: int) -> list[Any]:
    """Return a setting for each axis."""
    return [setting] * axes if isinstance(setting, int) else list(setting)
