"""How each op applies to a batch: to operands of which some have the samples along a new first axis.

Elementwise ops align axes. `ONE` and `SEVERAL` name the rules of the others, by the number of operands; an op may
bring its own (`Op.defbatch`). What has no rule, or whose rule returns NotImplemented, runs sample by sample, and the
results are stacked: right for every op, and slow. `vmap` is the only user.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .graph import dtype, shape
from .op import OPS, Op
from .ops import reduction
from .ops import shape as shapes
from .ops.product import explicit, matmul

__all__ = ["apply"]

Attrs = dict[str, Any]
FULL = (None, None, None)  # a full slice in the key of an index


def apply(op: Op, args: list[Any], batched: list[bool], attrs: Attrs, size: int) -> Any:
    """Apply an op to all samples; the result has the samples along axis 0.

    Raises:
        ValueError: if the samples' results differ in shape, or a rule returns something else than `size` samples.
    """
    ours = OPS.get(op.name) is op  # and not a function of the user's that happens to have the name
    if op.batch is not None:
        out = op.batch(args, batched, **attrs)
    elif op.elementwise:
        out = op(*align(args, batched), **attrs)
    elif ours and op.name in ONE and len(args) == 1:
        out = ONE[op.name](op, args[0], attrs)
    elif ours and op.name in SEVERAL:
        out = SEVERAL[op.name](op, args, batched, attrs)
    else:
        out = NotImplemented
    if out is NotImplemented:
        out = loop(op, args, batched, attrs, size)
    for y in out if type(out) is tuple else (out,):
        if shape(y)[:1] != (size,):
            raise ValueError(
                f"vmap: the batch rule of {op.name!r} returned shape {shape(y)}; wanted {size} samples along axis 0."
            )
    return out


def loop(op: Op, args: list[Any], batched: list[bool], attrs: Attrs, size: int) -> Any:
    """Apply an op sample by sample and stack the results."""
    if not size:
        ones = [np.ones(shape(a)[1:], dtype(a)) if b else a for a, b in zip(args, batched, strict=True)]
        one = op(*ones, **attrs)
        empty = [np.zeros((0, *shape(y)), dtype(y)) for y in (one if type(one) is tuple else (one,))]
        return tuple(empty) if type(one) is tuple else empty[0]
    samples = [op(*[a[i] if b else a for a, b in zip(args, batched, strict=True)], **attrs) for i in range(size)]
    try:
        if type(samples[0]) is tuple:
            return tuple([shapes.stack(*parts, axis=0) for parts in zip(*samples, strict=True)])
        return shapes.stack(*samples, axis=0)
    except ValueError as error:
        came = sorted({shape(s) for s in samples if type(s) is not tuple})
        raise ValueError(
            f"vmap: {op.name!r} gave results of different shapes for different samples, {came}. "
            "Choose elements with where(mask, x, 0) instead of x[mask]."
        ) from error


# --- axes -----------------------------------------------------------------------------------------------------------


def ndim(x: Any) -> int:
    """Number of axes of one sample of a batch."""
    return len(shape(x)) - 1


def shift(axis: Any, n: int) -> Any:
    """Return the place in the batch of an axis, or each of a tuple of axes, of a sample with n axes."""
    if isinstance(axis, tuple):
        return tuple([shift(a, n) for a in axis])
    if not -n <= axis < n:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {n}")
    return int(axis) % n + 1


def flat(x: Any) -> Any:
    """Flatten each sample."""
    return shapes.reshape(x, shape=(shape(x)[0], math.prod(shape(x)[1:])))


def with_ndim(x: Any, n: int) -> Any:
    """Give samples n axes, by axes of length 1 in front of theirs."""
    size, *rest = shape(x)
    return x if len(rest) >= n else shapes.reshape(x, shape=(size, *(1,) * (n - len(rest)), *rest))


def align(args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """Insert axes after the batch axis, so that the samples' axes broadcast as they would one by one."""
    n = max([len(shape(a)) - b for a, b in zip(args, batched, strict=True)])
    return [with_ndim(a, n) if b else a for a, b in zip(args, batched, strict=True)]


def repeated(args: Sequence[Any], batched: Sequence[bool]) -> Iterator[Any]:
    """Repeat operands that all samples share."""
    size = next(shape(a)[0] for a, b in zip(args, batched, strict=True) if b)
    for a, b in zip(args, batched, strict=True):
        yield a if b else shapes.broadcast_to(a, shape=(size, *shape(a)))


# --- one operand ----------------------------------------------------------------------------------------------------


def as_it_is(op: Op, x: Any, attrs: Attrs) -> Any:
    """Ops that treat leading axes as a batch already."""
    return op(x, **attrs)


def cast(op: Op, x: Any, attrs: Attrs) -> Any:
    """`cast`; a Python number of each sample is an array of floats."""
    return op(x, dtype="float64" if attrs["dtype"] == "python" else attrs["dtype"])


def named_axes(*names: str) -> Callable[..., Any]:
    """Make the rule of an op whose attributes of these names are axes of the operand, or tuples of axes."""

    def rule(op: Op, x: Any, attrs: Attrs) -> Any:
        if any(attrs[name] is None for name in names):
            return NotImplemented
        return op(x, **{**attrs, **{name: shift(attrs[name], ndim(x)) for name in names}})

    return rule


def all_or_some(name: str) -> Callable[..., Any]:
    """Make the rule of an op with an attribute of axes, where None stands for all."""

    def rule(op: Op, x: Any, attrs: Attrs) -> Any:
        n = ndim(x)
        return op(x, **{**attrs, name: tuple(range(1, n + 1)) if attrs[name] is None else shift(attrs[name], n)})

    return rule


def along(op: Op, x: Any, attrs: Attrs) -> Any:
    """Ops along one axis; None for the flattened array, as are scalars."""
    if attrs["axis"] is None or not ndim(x):
        return op(flat(x), **{**attrs, "axis": 1})
    return op(x, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})


def flattened(op: Op, x: Any, attrs: Attrs) -> Any:
    """Reductions that reduce the flattened array if axis is None, and do not take all axes at once."""
    if attrs["axis"] is not None:
        return op(x, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})
    out = op(flat(x), **{**attrs, "axis": 1, "keepdims": False})
    return shapes.reshape(out, shape=(shape(x)[0],) + (1,) * ndim(x)) if attrs["keepdims"] else out


def norm(op: Op, x: Any, attrs: Attrs) -> Any:
    """`norm`, which is that of a vector or of a matrix, as axis and ord say."""
    if attrs["axis"] is None and attrs["ord"] is not None:
        return op(x, **{**attrs, "axis": tuple(range(1, ndim(x) + 1)) if ndim(x) == 2 else 1})
    return flattened(op, x, attrs)


def quantile(op: Op, x: Any, attrs: Attrs) -> Any:
    """`quantile`; several q would come before the samples."""
    return flattened(op, x, attrs) if np.ndim(attrs["q"]) == 0 else NotImplemented


def roll(op: Op, x: Any, attrs: Attrs) -> Any:
    """`roll`, which flattens if axis is None, and then takes its shape again."""
    if attrs["axis"] is not None:
        return op(x, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})
    return shapes.reshape(op(flat(x), shift=attrs["shift"], axis=1), shape=shape(x))


def reshape(op: Op, x: Any, attrs: Attrs) -> Any:
    """`reshape` row by row; column by column would mix the samples."""
    if attrs["order"] != "C":
        return NotImplemented
    wanted = attrs["shape"]
    wanted = list(wanted) if isinstance(wanted, (tuple, list)) else [wanted]
    size, *rest = shape(x)
    if -1 in wanted:
        known = -math.prod(wanted)
        if wanted.count(-1) > 1 or known <= 0 or math.prod(rest) % known:
            raise ValueError(f"reshape: cannot reshape a sample of shape {tuple(rest)} into {attrs['shape']}.")
        wanted[wanted.index(-1)] = math.prod(rest) // known
    return op(x, shape=(size, *wanted), order="C")


def broadcast_to(op: Op, x: Any, attrs: Attrs) -> Any:
    """`broadcast_to`."""
    wanted = attrs["shape"]
    wanted = tuple(wanted) if isinstance(wanted, (tuple, list)) else (wanted,)
    return op(with_ndim(x, len(wanted)), shape=(shape(x)[0], *wanted))


def sum_to(op: Op, x: Any, attrs: Attrs) -> Any:
    """`sum_to`."""
    size, wanted = shape(x)[0], tuple(attrs["shape"])
    if len(wanted) > ndim(x):
        raise ValueError(f"sum_to: wanted a shape that broadcasts to {shape(x)[1:]}, got {wanted}.")
    out = op(x, shape=(size, *(1,) * (ndim(x) - len(wanted)), *wanted))
    return shapes.reshape(out, shape=(size, *wanted))


def transpose(op: Op, x: Any, attrs: Attrs) -> Any:
    """`transpose`."""
    n, axes = ndim(x), attrs["axes"]
    return op(x, axes=(0, *(range(n, 0, -1) if axes is None else shift(tuple(axes), n))))


def squeeze(op: Op, x: Any, attrs: Attrs) -> Any:
    """`squeeze`."""
    axis = attrs["axis"]
    axes = tuple(i for i, n in enumerate(shape(x)) if i and n == 1) if axis is None else shift(axis, ndim(x))
    return op(x, axis=axes) if axes != () else x


def expand_dims(op: Op, x: Any, attrs: Attrs) -> Any:
    """`expand_dims`, whose axes are those of the result."""
    axis = attrs["axis"]
    return op(x, axis=shift(axis, ndim(x) + (1 if isinstance(axis, int) else len(axis))))


def tile(op: Op, x: Any, attrs: Attrs) -> Any:
    """`tile`."""
    reps = attrs["reps"] if isinstance(attrs["reps"], tuple) else (attrs["reps"],)
    x = with_ndim(x, len(reps))
    return op(x, reps=(1,) * (len(shape(x)) - len(reps)) + reps)


def repeat_transpose(op: Op, x: Any, attrs: Attrs) -> Any:
    """`repeat_transpose`, whose shape is that of the result."""
    size, wanted, axis = shape(x)[0], tuple(attrs["shape"]), attrs["axis"]
    if axis is not None:
        return op(x, **{**attrs, "shape": (size, *wanted), "axis": shift(axis, len(wanted))})
    out = op(x, **{**attrs, "shape": (size, math.prod(wanted)), "axis": 1})
    return shapes.reshape(out, shape=(size, *wanted))


def border(op: Op, x: Any, attrs: Attrs) -> Any:
    """`pad`, `crop` and the adjoint: the batch axis has no border."""
    if np.size(attrs.get("constant_values", 0)) > 1:
        return NotImplemented
    pairs = np.broadcast_to(np.asarray(attrs["pad_width"]), (ndim(x), 2)).tolist() if ndim(x) else []
    return op(x, **{**attrs, "pad_width": ((0, 0), *map(tuple, pairs))})


def longer_shape(op: Op, x: Any, attrs: Attrs) -> Any:
    """Ops whose shape is that of the result, with as many axes."""
    return op(x, **{**attrs, "shape": (shape(x)[0], *attrs["shape"])})


def diagonal_embed(op: Op, x: Any, attrs: Attrs) -> Any:
    """`diagonal_embed`, whose axes are those of the result."""
    n = len(attrs["shape"])
    axes = {name: shift(attrs[name], n) for name in ("axis1", "axis2")}
    return longer_shape(op, x, {**attrs, **axes})


def diag(op: Op, x: Any, attrs: Attrs) -> Any:
    """`diag`: a diagonal of a matrix, or a matrix with a diagonal."""
    k = attrs["k"]
    if ndim(x) == 2:
        return shapes.diagonal(x, offset=k, axis1=1, axis2=2)
    if ndim(x) != 1:
        return NotImplemented
    size, n = shape(x)
    return shapes.diagonal_embed(x, shape=(size, n + abs(k), n + abs(k)), offset=k, axis1=1, axis2=2)


def at_least(n: int) -> Callable[..., Any]:
    """Make the rule of an op on the last n axes, which treats others as a batch."""

    def rule(op: Op, x: Any, attrs: Attrs) -> Any:
        return op(x, **attrs) if ndim(x) >= n else NotImplemented

    return rule


def windows(op: Op, x: Any, attrs: Attrs) -> Any:
    """Ops on as many last axes as the kernel has, or twice as many."""
    return op(x, **attrs) if ndim(x) >= len(attrs["kernel"]) else NotImplemented


def fftn(op: Op, x: Any, attrs: Attrs) -> Any:
    """Fourier transforms along several axes: all, or as many last ones as lengths are given."""
    axes, n = attrs["axes"], ndim(x)
    if axes is None:
        axes = tuple(range(n)) if attrs["s"] is None else tuple(range(n - len(attrs["s"]), n))
    return op(x, **{**attrs, "axes": shift(tuple(axes), n)})


# --- several operands -----------------------------------------------------------------------------------------------


def join(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`concatenate` and `stack`."""
    if attrs["axis"] is None:
        return NotImplemented
    parts = list(repeated(args, batched))
    return op(*parts, axis=shift(attrs["axis"], ndim(parts[0]) + (op.name == "stack")))


def product(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`matmul`: vectors become rows and columns, so that leading axes are a batch. `dot` is the same up to matrices."""
    x, y = args
    in_x, in_y = batched
    nx, ny = len(shape(x)) - in_x, len(shape(y)) - in_y
    if not nx or not ny or (op.name != "matmul" and max(nx, ny) > 2):
        return NotImplemented
    if in_x and nx == 1 and not in_y and ny <= 2:
        return matmul(x, y, **attrs)  # all rows in one product
    if in_y and ny == 1 and not in_x and nx <= 2:
        return matmul(y, shapes.transpose(x) if nx == 2 else x)
    if nx == 1:
        x = shapes.expand_dims(x, axis=-2)
    if ny == 1:
        y = shapes.expand_dims(y, axis=-1)
    out = matmul(*align([x, y], batched))
    drop = tuple(axis for axis, n in ((-2, nx), (-1, ny)) if n == 1)
    return shapes.squeeze(out, axis=drop) if drop else out


def linear(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`linear`: a product and a sum, unless all samples share the parameters."""
    x, w, b = args
    if batched == [True, False, False]:
        return op(x, w, b, **attrs)
    y = product(matmul, [x, w], batched[:2], {}) if batched[0] or batched[1] else matmul(x, w)
    made = [batched[0] or batched[1], batched[2]]
    y, b = align([y, b], made)
    return y + b


def outer(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`outer`, which flattens its operands."""
    x, y = (flat(a) if b else shapes.reshape(a, shape=(-1,)) for a, b in zip(args, batched, strict=True))
    return shapes.expand_dims(x, axis=-1) * shapes.expand_dims(y, axis=-2) if not attrs else NotImplemented


def vecdot(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`vecdot`; only an axis from the end stays where it is."""
    if attrs["axis"] >= 0:
        return NotImplemented
    return op(*align(args, batched), **attrs)


def einsum(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`einsum`: one more letter, for the samples."""
    shapes_ = [shape(a)[1:] if b else shape(a) for a, b in zip(args, batched, strict=True)]
    terms, out = explicit(attrs["subscripts"], shapes_)
    used = {c for term in terms for c in term}
    letter = next((c for c in string.ascii_letters if c not in used), None)
    if letter is None:
        return NotImplemented
    left = ",".join(letter * b + "".join(term) for term, b in zip(terms, batched, strict=True))
    return op(*args, subscripts=f"{left}->{letter}{''.join(out)}")


def recurrence(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`recurrence`, which runs along axis 0: samples move to axis 1."""
    a, b = (shapes.moveaxis(x, source=0, destination=1) for x in repeated(args, batched))
    return shapes.moveaxis(op(a, b, **attrs), source=1, destination=0)


def rows(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """Ops on the last axis of their first operand, where the others have no such axis."""
    return op(*repeated(args, batched), **attrs)


def cross_entropy(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`cross_entropy`: the samples' rows stay apart, so the mean or sum is taken afterwards."""
    losses = op(*repeated(args, batched), reduction="none")
    if attrs["reduction"] == "none" or len(shape(losses)) == 1:
        return losses
    reduce = reduction.mean if attrs["reduction"] == "mean" else reduction.sum
    return reduce(losses, axis=tuple(range(1, len(shape(losses)))))


def solve(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`solve`, where a vector is a column."""
    a, b = args
    vector = len(shape(b)) - batched[1] == 1
    if vector:
        b = shapes.expand_dims(b, axis=-1)
    out = op(*align([a, b], batched), **attrs)
    return shapes.squeeze(out, axis=-1) if vector else out


def conv(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`conv`, `conv_image`: samples of images are more images; filters of each sample go one by one."""
    x, w = args
    if batched[1]:
        return NotImplemented
    size, images, *rest = shape(x)
    out = op(shapes.reshape(x, shape=(size * images, *rest)), w, **attrs)
    return shapes.reshape(out, shape=(size, images, *shape(out)[1:]))


def along_axis(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`take_along_axis` and its adjoint: each row has indices of its own."""
    if attrs["axis"] is None:
        return NotImplemented
    x, indices = align(list(repeated(args, batched)), [True, True])
    return op(x, indices, **{**attrs, "axis": shift(attrs["axis"], ndim(x))})


def take(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`take`, with the same indices for all samples, or from the same array."""
    x, indices = args
    if not batched[1]:
        return along_flat(op, x, indices, attrs)
    if not batched[0] and (attrs["axis"] is None or attrs["axis"] % max(len(shape(x)), 1) == 0):
        return op(x, indices, **attrs)
    return NotImplemented


def along_flat(op: Op, x: Any, indices: Any, attrs: Attrs) -> Any:
    """`take` at indices that all samples share."""
    if attrs["axis"] is None:
        return op(flat(x), indices, axis=1)
    return op(x, indices, axis=shift(attrs["axis"], ndim(x)))


def select(op: Op, args: list[Any], batched: list[bool], attrs: Attrs) -> Any:
    """`getitem` and `place`: a full slice, or the number of the sample as one more index, in front of the others."""
    x, *indices = args
    key = tuple(attrs["key"])
    given = dict(attrs)
    places = [i for i, k in enumerate(key) if (isinstance(k, tuple) and len(k) == 1)]
    if places:  # NumPy puts the axes of index arrays first unless they (and ints) stand together
        places = [i for i, k in enumerate(key) if isinstance(k, int) or (isinstance(k, tuple) and len(k) == 1)]
        if places != list(range(places[0], places[-1] + 1)):
            return NotImplemented
    if not any(batched[1:]):
        if "shape" in given:
            given["shape"] = (shape(x)[0], *given["shape"])
        return op(x, *indices, **{**given, "key": (FULL, *key)})
    if places[0] != 0 or any(dtype(i).kind == "b" for i in indices):
        return NotImplemented
    indices = align(indices, batched[1:])
    if not batched[0] and op.name == "getitem":
        return op(x, *indices, key=key)
    size = next(shape(a)[0] for a, b in zip(args, batched, strict=True) if b)
    n = max(len(shape(i)) - b for i, b in zip(indices, batched[1:], strict=True))
    sample = np.arange(size).reshape(size, *(1,) * n)
    if "shape" in given:
        given["shape"] = (size, *given["shape"])
        x = x if batched[0] else shapes.broadcast_to(x, shape=(size, *shape(x)))
    return op(x, *indices, sample, **{**given, "key": ((len(indices),), *key)})


def table(*rules: tuple[Callable[..., Any], str]) -> dict[str, Callable[..., Any]]:
    """Return the rule of each op from pairs of a rule and the names of ops, in one string."""
    return {name: rule for rule, names in rules for name in names.split()}


ONE = table(
    (as_it_is, "alias cast_discrete copy"),
    (cast, "cast"),
    (all_or_some("axis"), "sum mean var std prod logsumexp max min nanmax nanmin any all count_nonzero median flip"),
    (all_or_some("axes"), "fftshift ifftshift"),
    (flattened, "argmax argmin vector_norm"),
    (quantile, "quantile"),
    (norm, "norm"),
    (along, "cumsum cumprod sort argsort partition argpartition topk repeat fft ifft rfft irfft hfft ihfft"),
    (fftn, "fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2"),
    (named_axes("axis"), "softmax log_softmax"),
    (named_axes("axis1", "axis2"), "swapaxes diagonal trace"),
    (named_axes("source", "destination"), "moveaxis"),
    (named_axes("axes"), "rot90"),
    (roll, "roll"),
    (reshape, "reshape"),
    (broadcast_to, "broadcast_to"),
    (sum_to, "sum_to"),
    (transpose, "transpose"),
    (squeeze, "squeeze"),
    (expand_dims, "expand_dims"),
    (tile, "tile"),
    (repeat_transpose, "repeat_transpose"),
    (border, "pad crop pad_transpose"),
    (longer_shape, "crop_or_pad"),
    (diagonal_embed, "diagonal_embed"),
    (diag, "diag"),
    (
        at_least(2),
        "matrix_transpose tril triu inv cofactor det slogdet matrix_power cholesky eigh eigvalsh eig eigvals",
    ),
    (at_least(2), "svd svdvals qr pinv matrix_norm"),
    (windows, "unfold fold pool_sum pool_max pool_share"),
)
"""Rules of ops with one operand: ``rule(op, x, attrs)``."""

SEVERAL = table(
    (join, "concatenate stack"),
    (product, "matmul dot"),
    (linear, "linear"),
    (outer, "outer"),
    (vecdot, "vecdot"),
    (einsum, "einsum"),
    (recurrence, "recurrence"),
    (rows, "softmax_minus_one_hot"),
    (cross_entropy, "cross_entropy"),
    (solve, "solve"),
    (conv, "conv conv_image"),
    (along_axis, "take_along_axis place_along_axis"),
    (take, "take"),
    (select, "getitem place"),
)
"""Rules of ops with several operands: ``rule(op, operands, which_are_batched, attrs)``."""
