"""`checkpoint`: forget what a function computed on the way, and compute it again in the backward pass.

Memory for activations falls from the whole function to its arguments, for one more forward pass (Griewank & Walther,
"Revolve", 2000; Chen et al., "Training deep nets with sublinear memory cost", 2016, arXiv:1604.06174).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import nested
from .backward import cotangents
from .closure import FunctionOp, check_same, closed_over, is_recording, leaf_like, look_inside
from .graph import Node, clock, mode
from .ops.shape import alias
from .value import Value

__all__ = ["checkpoint"]

Flat = Callable[[Sequence[Any]], list[Any]]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function equal to f, also in its derivatives, that keeps only its arguments for the backward pass.

    Use it on pieces of a long computation, such as the blocks of a network. Values that f uses without being given
    them get their gradients too. Inside `vmap` it is f itself; write ``checkpoint(vmap(f))`` there.

    Args:
        f: must give the same result when it is called again, as it is in the backward pass. A random mask is drawn
            outside and passed as an argument.

    Raises:
        ValueError: in the backward pass, if f gave another result.

    >>> import numpy as np
    >>> from autograd_nn import Value, checkpoint
    >>> x = Value(np.linspace(0, 1, 3))
    >>> y = checkpoint(lambda x: np.sin(np.exp(x)))(x).sum()
    >>> [node.op.name for node in (y, *y.parents)]
    ['sum', 'checkpoint']
    >>> y.backward()
    >>> np.allclose(x.grad, np.cos(np.exp(x.data)) * np.exp(x.data))
    True
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not is_recording():
            return f(*args, **kwargs)
        leaves, spec = nested.flatten((args, kwargs), none_is_leaf=True)
        places = [i for i, x in enumerate(leaves) if isinstance(x, (Node, np.ndarray))]
        out_spec: Any = None

        def flat(xs: Sequence[Any]) -> list[Any]:
            nonlocal out_spec
            new = list(leaves)
            for i, x in zip(places, xs, strict=True):
                new[i] = x if isinstance(leaves[i], Node) else x._data
            new_args, new_kwargs = nested.unflatten(spec, new)
            outputs, out_spec = nested.flatten(f(*new_args, **new_kwargs), none_is_leaf=True)
            return outputs

        outputs = forget(flat, [leaves[i] for i in places])
        return f(*args, **kwargs) if outputs is None else nested.unflatten(out_spec, outputs)

    return checkpointed


def forget(flat: Flat, operands: list[Any]) -> list[Any] | None:
    """Apply a function from lists to lists as one op; None if it belongs to a vmap, whose samples it must not leave."""
    if any(isinstance(x, Node) and x.level for x in operands):
        return None
    with mode(recording=True, again=True):
        start = next(clock)
        inputs = [leaf_like(x if isinstance(x, Node) else np.array(x)) for x in operands]
        for x, given in zip(inputs, operands, strict=True):
            x.requires_grad = isinstance(given, Node) and given.requires_grad
        outputs = flat(inputs)
    if any(isinstance(y, Node) and y.level for y in outputs):
        return None
    used, inside = closed_over(outputs, start), look_inside(outputs)
    kept = [i for i, y in enumerate(outputs) if isinstance(y, Node) and y.requires_grad]
    first = [outputs[i]._data for i in kept]
    outputs = [leaf_like(y) if isinstance(y, Node) else y for y in outputs]
    if not kept:
        return outputs
    count = len(operands)

    def forward(*xs: Any) -> Any:
        data = first or [flat([leaf_like(x) for x in xs[:count]])[i]._data for i in kept]
        result = tuple(data) if len(kept) > 1 else data[0]
        first.clear()  # the first result is there already, and is not kept
        return result

    def pull(wanted: Sequence[bool], g: Any, ans: Any, args: Sequence[Any]) -> Sequence[Any]:
        gs = list(g) if len(kept) > 1 else [g]
        answers = ans if len(kept) > 1 else [ans]

        def again(values: Sequence[Any]) -> list[Any]:
            seeds, xs = values[: len(gs)], values[len(gs) :]
            return recompute(flat, kept, seeds, xs, used, wanted, answers)

        if any(isinstance(x, Node) for x in (*gs, *args)):
            values = [x if isinstance(x, Node) else Value.leaf(x) for x in (*gs, *args[:count])]
            found = forget(again, values)
            return again(values) if found is None else found
        with mode(recording=False):
            return again([Value.leaf(x) for x in (*gs, *args[:count])])

    op = FunctionOp("checkpoint", "⟲", forward, pull, [f"result{i}" for i in range(len(kept))] if len(kept) > 1 else ())
    op.inside = inside
    made = op(*[x if isinstance(x, Node) else given for x, given in zip(operands, inputs, strict=True)], *used)
    for i, y in zip(kept, made if len(kept) > 1 else [made], strict=True):
        outputs[i] = y
    return outputs


def recompute(
    flat: Flat,
    kept: Sequence[int],
    seeds: Sequence[Any],
    xs: Sequence[Any],
    used: Sequence[Node],
    wanted: Sequence[bool],
    answers: Sequence[Any],
) -> list[Any]:
    """Compute again, recording, and return the cotangents of the operands: nodes if the caller records."""
    create_graph = is_recording() or any(x.level for x in (*seeds, *xs))
    with mode(recording=True, again=True):
        start = next(clock)
        fresh = [alias(x) for x in xs]
        for x, want in zip(fresh, wanted, strict=False):
            x.requires_grad = want
        outputs = flat(fresh)
        outputs = [outputs[i] for i in kept]
        for y, before in zip(outputs, answers, strict=True):
            check_same("checkpoint", y, before)
        inputs = [x for x, want in zip((*fresh, *used), wanted, strict=True) if want]
        if not create_graph:
            seeds = [s._data for s in seeds]
        found = iter(cotangents(outputs, inputs, seeds, create_graph=create_graph, since=start))
        return [next(found) if want else None for want in wanted]
