"""ONNX: a trained model as a file that other runtimes execute. Needs the package `onnx`: the extra ``onnx``.

The model is recorded for a batch of two and for a batch of three. The two graphs have the same ops; lengths that differ
between them follow the batch, and are left open in the file. Each op has one entry in the tables below; elementwise ops
without an entry are translated from their formula.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from ..graph import Graph, Node
from ..nn.module import Module
from ..value import Value

__all__ = ["ELEMENTWISE", "to_onnx"]

OPSET = 18
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
}
"""Elementwise ops that ONNX has under a name of its own."""

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
AS_IT_IS = frozenset({"alias", "copy"})


class Writer:
    """Translates nodes to ONNX's, in the order of the graph.

    Args:
        onnx: the package.
        pairs: each node of the graph recorded for a batch of two, and the same one for a batch of three.
    """

    def __init__(self, onnx: Any, pairs: dict[Node, Node]) -> None:
        self.onnx, self.pairs = onnx, pairs
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.names: dict[Node, str] = {}
        self.constants: dict[tuple[Any, ...], str] = {}
        self.counter = itertools.count()

    # names and constants

    def emit(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        name = f"{kind.lower()}_{next(self.counter)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: Any, stem: str = "constant") -> str:
        """Keep an array in the file and return its name; equal small ones are kept once."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 16 else (id(array), stem)
        if key not in self.constants:
            name = stem if stem not in self.initializers and stem != "constant" else f"{stem}_{next(self.counter)}"
            self.initializers[name] = self.onnx.numpy_helper.from_array(
                np.ascontiguousarray(array).reshape(array.shape), name
            )
            self.constants[key] = name
        return self.constants[key]

    def integers(self, numbers: Sequence[int]) -> str:
        """Keep a list of integers, such as axes or a shape."""
        return self.constant(np.array(numbers, np.int64))

    def name_of(self, node: Node, dtype: np.dtype | None = None) -> str:
        """Return the name of a node's result, in a dtype if one is given."""
        if node not in self.names:
            path = (node.scope or "").partition("/")[2].replace("/", ".")
            stem = ".".join(part for part in (path, node.name) if part) or "constant"
            data = self.fixed(node)
            if dtype is not None and dtype != data.dtype:
                return self.constant(data.astype(dtype))
            self.names[node] = self.constant(data, stem)
        if dtype is not None and node.dtype != dtype:
            return self.emit("Cast", self.names[node], to=self.onnx.helper.np_dtype_to_tensor_dtype(dtype))
        return self.names[node]

    def fixed(self, node: Node) -> np.ndarray:
        """Return what does not depend on the input; where its shape follows the batch, of length 1, to be broadcast.

        Raises:
            NotImplementedError: if it differs along the batch.
        """
        data = np.asarray(node._data)
        for axis, length in enumerate(self.open_shape(node)):
            if length is None:
                first = data.take([0], axis)
                if not np.array_equal(np.broadcast_to(first, data.shape), data):
                    raise NotImplementedError(f"to_onnx: a constant of shape {data.shape} depends on the batch.")
                data = first
        return data

    def open_shape(self, node: Node) -> list[int | None]:
        """Return a node's shape, with None for lengths that follow the batch."""
        return [n if n == m else None for n, m in zip(node.shape, self.pairs[node].shape, strict=True)]

    # ops

    def node(self, node: Node) -> str:
        """Translate one node and return the name of its result.

        Raises:
            NotImplementedError: if its op has no translation, naming it.
        """
        op: Any = node.op
        write = getattr(self, f"op_{op.name}", None)
        if write is not None:
            return write(node, **node.attrs)
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
        if op.elementwise and op.name in ELEMENTWISE:
            return self.emit(ELEMENTWISE[op.name], *self.operands(node))
        if op.elementwise and op.formula:
            names = dict(zip(op.args, self.operands(node), strict=True))
            kind = self.kind(node)
            names |= {name: self.constant(np.array(kept, kind)) for name, kept in node.attrs.items()}
            return self.formula(ast.parse(op.formula, mode="eval").body, names, kind)
        raise NotImplementedError(
            f"to_onnx has no translation of op {op.name!r} (in {node.scope or 'the model'}). Write that part of the "
            "model with other ops, or export what comes before it."
        )

    def operands(self, node: Node) -> list[str]:
        """Return the operands of an elementwise op in one dtype, as ONNX wants them; masks and conditions stay."""
        op: Any = node.op
        skipped = 1 if op.name == "where" else 0
        kind = self.kind(node)
        return [self.name_of(p, None if i < skipped else kind) for i, p in enumerate(node.parents)]

    def kind(self, node: Node) -> np.dtype:
        """Return the dtype in which an elementwise op computes: Python's numbers take on that of the arrays."""
        if node.dtype.kind != "b":
            return node.dtype
        arrays = [p.dtype for p in node.parents if isinstance(p._data, np.ndarray) and (p.shape or p.op is not None)]
        return np.result_type(*arrays) if arrays else node.parents[0].dtype

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
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
                return self.emit(SIGNS[type(sign)], again(operand))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in SIGNS:
                return self.emit(SIGNS[type(sign)], again(left), again(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.emit("Where", again(test), again(body), again(orelse))
            case ast.Call(func=ast.Name(id="log1p"), args=[x]):
                return self.emit("Log", self.emit("Add", again(x), self.constant(np.array(1, kind))))
            case ast.Call(func=ast.Name(id="expm1"), args=[x]):
                return self.emit("Sub", self.emit("Exp", again(x)), self.constant(np.array(1, kind)))
            case ast.Call(func=ast.Name(id="erfc"), args=[x]):
                return self.emit("Sub", self.constant(np.array(1, kind)), self.emit("Erf", again(x)))
            case ast.Call(func=ast.Name(id=name), args=operands) if name in WORDS or name in ELEMENTWISE:
                return self.emit(WORDS.get(name) or ELEMENTWISE[name], *map(again, operands))
        raise NotImplementedError(f"to_onnx has no translation of the formula {ast.unparse(tree)!r}.")

    def reshaped(self, name: str, node: Node) -> str:
        """Reshape to the shape of a node; one length may follow the batch.

        Raises:
            NotImplementedError: if several do.
        """
        shape = self.open_shape(node)
        if shape.count(None) > 1:
            raise NotImplementedError(f"to_onnx: several lengths of shape {node.shape} follow the batch.")
        return self.emit("Reshape", name, self.integers([-1 if n is None else n for n in shape]))

    def axes(self, axis: Any, rank: int) -> list[int]:
        """Return axes as a list of numbers from 0."""
        return list(range(rank)) if axis is None else [a % rank for a in (axis if isinstance(axis, tuple) else (axis,))]

    def reduce(self, kind: str, node: Node, *, axis: Any, keepdims: Any, **_: Any) -> str:
        """Reduce over axes."""
        (x,) = node.parents
        axes = self.integers(self.axes(axis, len(x.shape)))
        return self.emit(kind, self.name_of(x), axes, keepdims=int(bool(keepdims)))

    def op_expm1(self, node: Node) -> str:
        one = self.constant(np.array(1, node.dtype))
        return self.emit("Sub", self.emit("Exp", *self.operands(node)), one)

    def op_log1p(self, node: Node) -> str:
        one = self.constant(np.array(1, node.dtype))
        return self.emit("Log", self.emit("Add", *self.operands(node), one))

    def op_log_sigmoid(self, node: Node) -> str:
        return self.emit("Neg", self.emit("Softplus", self.emit("Neg", *self.operands(node))))

    def op_silu(self, node: Node) -> str:
        (x,) = self.operands(node)
        return self.emit("Mul", x, self.emit("Sigmoid", x))

    def op_gelu(self, node: Node, *, approximate: str) -> str:
        (x,) = self.operands(node)
        number = lambda a: self.constant(np.array(a, node.dtype))  # noqa: E731  (a local abbreviation)
        if approximate == "none":
            inner = self.emit("Erf", self.emit("Mul", x, number(math.sqrt(0.5))))
        else:
            cube = self.emit("Mul", self.emit("Mul", x, x), x)
            poly = self.emit("Add", x, self.emit("Mul", cube, number(0.044715)))
            inner = self.emit("Tanh", self.emit("Mul", poly, number(math.sqrt(2 / math.pi))))
        return self.emit("Mul", self.emit("Mul", x, number(0.5)), self.emit("Add", inner, number(1)))

    def op_leaky_relu(self, node: Node, *, negative_slope: float) -> str:
        return self.emit("LeakyRelu", *self.operands(node), alpha=float(negative_slope))

    def op_elu(self, node: Node, *, alpha: float) -> str:
        return self.emit("Elu", *self.operands(node), alpha=float(alpha))

    def op_not_equal(self, node: Node) -> str:
        return self.emit("Not", self.emit("Equal", *self.operands(node)))

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
        """Apply what ONNX has along one axis."""
        axes = self.axes(axis, len(node.shape))
        if len(axes) != 1:
            raise NotImplementedError(f"to_onnx: {kind} along several axes. Reshape them to one.")
        return self.emit(kind, self.name_of(node.parents[0]), axis=axes[0])

    def op_logsumexp(self, node: Node, **attrs: Any) -> str:
        return self.reduce("ReduceLogSumExp", node, **attrs)

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
        axes, x = self.axes(axis, len(parent.shape)), self.name_of(parent)
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

    def op_argmax(self, node: Node, *, axis: Any, keepdims: Any = False) -> str:
        x = self.name_of(node.parents[0])
        if axis is None:
            return self.emit("ArgMax", self.emit("Reshape", x, self.integers([-1])), axis=0, keepdims=0)
        return self.emit("ArgMax", x, axis=self.axes(axis, len(node.parents[0].shape))[0], keepdims=int(bool(keepdims)))

    def op_cumsum(self, node: Node, *, axis: Any) -> str:
        axis = self.axes(axis, len(node.shape))[0]
        return self.emit("CumSum", self.name_of(node.parents[0]), self.constant(np.array(axis, np.int64)))

    # products

    def op_matmul(self, node: Node) -> str:
        return self.emit("MatMul", *self.operands(node))

    op_dot = op_matmul  # of arrays of at most two axes

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
        """Lengths that follow the batch stay 1 if they came as 1: what comes after broadcasts them."""
        return self.emit(
            "Expand",
            self.name_of(node.parents[0]),
            self.integers([1 if n is None else n for n in self.open_shape(node)]),
        )

    def op_concatenate(self, node: Node, *, axis: int) -> str:
        return self.emit("Concat", *[self.spread(p, axis) for p in node.parents], axis=axis % len(node.shape))

    def op_stack(self, node: Node, *, axis: int) -> str:
        axis %= len(node.shape)
        parts = [self.emit("Unsqueeze", self.spread(p, None), self.integers([axis])) for p in node.parents]
        return self.emit("Concat", *parts, axis=axis)

    def spread(self, node: Node, along: int | None) -> str:
        """Return an operand of a concatenation, whose other axes have to have their full length.

        Raises:
            NotImplementedError: if it is a constant whose shape follows the batch.
        """
        if node.op is None and node not in self.names and None in self.open_shape(node):
            raise NotImplementedError("to_onnx: a constant as long as the batch is part of a concatenation.")
        return self.name_of(node)

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
        if axis is None:
            return self.emit(
                "Gather", self.emit("Reshape", self.name_of(x), self.integers([-1])), self.name_of(indices), axis=0
            )
        return self.emit("Gather", self.name_of(x), self.name_of(indices), axis=axis % len(x.shape))

    def op_take_along_axis(self, node: Node, *, axis: int) -> str:
        x, indices = node.parents
        return self.emit("GatherElements", self.name_of(x), self.name_of(indices), axis=axis % len(x.shape))

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
        if sum(isinstance(k, tuple) and len(k) == 1 for k in parts) > 1:
            raise NotImplementedError("to_onnx: several index arrays at once.")
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


def to_onnx(
    model: Module | Callable[[Any], Any],
    example: Any,
    path: str | PathLike[str] | None = None,
    *,
    input_name: str = "x",
    output_name: str = "y",
) -> Any:
    """Write a trained model as ONNX, with a batch of any size.

    Args:
        model: a module, or a function of a batch, (batch, …) → (batch, …). Modules are exported as they predict.
        example: inputs, (batch, …), of which only dtype and the shape of one row matter: floats, or integers for
            models that begin with an embedding.
        path: where to write; nowhere if None.
        input_name: of the one input.
        output_name: of the one output.

    Returns:
        The `onnx.ModelProto`, checked by `onnx.checker`.

    Raises:
        ImportError: if the package `onnx` is missing.
        NotImplementedError: if an op of the model has no translation.
        ValueError: if the example is no batch, or the output does not depend on it.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError('to_onnx needs the package onnx: pip install "autograd-nn[onnx]"') from error
    array = np.asarray(example)
    if array.ndim < 1 or not array.size:
        raise ValueError(f"to_onnx wanted a batch of examples, (batch, …), got shape {array.shape}.")
    dtype = getattr(model, "dtype", None)
    if dtype is None:
        parameters = model.parameters() if isinstance(model, Module) else []
        dtype = parameters[0].dtype if parameters else array.dtype
    array = array.astype(dtype) if array.dtype.kind == "f" else array
    (x, y), other = (record(model, np.repeat(array[:1], n, axis=0)) for n in (2, 3))
    graph, twin = Graph.of(y), Graph.of(other[1])
    same = [n.op for n in graph.nodes] == [n.op for n in twin.nodes]
    if not same or x not in set(graph.nodes):
        why = "its graph depends on the size of the batch" if not same else "its output does not depend on the input"
        raise ValueError(f"to_onnx cannot export the model: {why}.")
    pairs = dict(zip(graph.nodes, twin.nodes, strict=True))
    writer = Writer(onnx, pairs)
    writer.names[x] = input_name
    depends: set[Node] = {x}
    for node in graph.nodes:
        if depends.intersection(node.parents):
            depends.add(node)
            writer.names[node] = writer.node(node)
    if y not in depends:
        raise ValueError("to_onnx cannot export the model: its output does not depend on the input.")
    writer.nodes.append(onnx.helper.make_node("Identity", [writer.name_of(y)], [output_name], name=output_name))
    proto = finished(onnx, writer, x, y, input_name, output_name)
    if path is not None:
        onnx.save(proto, path)
    return proto


def record(model: Any, array: np.ndarray) -> tuple[Value, Any]:
    """Return the input and the output of a model that predicts.

    Raises:
        TypeError: if the output is no single array.
    """
    training = getattr(model, "training", False)
    x = Value(array, name="x", dtype=array.dtype, requires_grad=array.dtype.kind == "f")
    try:
        y = model.eval()(x) if isinstance(model, Module) else model(x)
    finally:
        if isinstance(model, Module):
            model.train(training)
    if not isinstance(y, Node):
        raise TypeError(
            f"to_onnx wanted a model with one output, got {type(y).__name__}: export lambda x: model(x)[0]."
        )
    return x, y


def finished(onnx: Any, writer: Writer, x: Node, y: Node, input_name: str, output_name: str) -> Any:
    """Put the file together and check it."""
    helper = onnx.helper

    def info(name: str, node: Node) -> Any:
        shape = ["batch" if n is None else n for n in writer.open_shape(node)]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(node.dtype), shape)

    graph = helper.make_graph(
        writer.nodes, "model", [info(input_name, x)], [info(output_name, y)], list(writer.initializers.values())
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="autograd_nn")
    proto.ir_version = 8  # of opset 18; newer ones are refused by older runtimes
    onnx.checker.check_model(proto, full_check=True)
    return proto


def each(setting: Any, axes: int) -> list[Any]:
    """Return a setting for each axis."""
    return [setting] * axes if isinstance(setting, int) else list(setting)
