"""Differentiation: one walk over the graph, children first.

Every node passes its cotangent, the derivative of the output with respect to it, on to its operands through its op's
rules; what arrives at a node from several children is added. The cotangents of a pass live in a table of that pass,
so a pass that fails changes nothing, and repeated passes add up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from .graph import Node, converted, describe, dtype, modes, read_only, shape, topological_order
from .op import ITEM, Op
from .ops.shape import cast, sum_to

__all__ = ["Contribution", "backward", "contributions", "cotangents", "walk"]

_accumulating = threading.Lock()


def cotangents(
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    seeds: Sequence[Any] | None = None,
    *,
    create_graph: bool = False,
    since: int = 0,
) -> list[Any]:
    """Return the derivative of the outputs, weighted by seeds, with respect to each input. No `.grad` changes.

    Args:
        outputs: the nodes to differentiate.
        inputs: the nodes with respect to which; leaves or inner nodes.
        seeds: one cotangent for each output, of its shape; ones for scalar outputs if left out.
        create_graph: give the results as nodes, which can be differentiated again.
        since: a time on the logical clock; nodes made before it count as leaves, and nothing flows through them.

    Returns:
        One result for each input, of its shape and dtype; None where no path joins it to the outputs.

    >>> from autograd_nn import Value, cotangents
    >>> x = Value(3.0)
    >>> (dx,) = cotangents([x * x * x], [x], create_graph=True)
    >>> dx.item(), cotangents([dx], [x])
    (27.0, [18.0])

    Raises:
        TypeError, ValueError: if these are no lists of Values, or the seeds do not fit the outputs.
    """
    for name, nodes in (("outputs", outputs), ("inputs", inputs)):
        if not isinstance(nodes, (list, tuple)) or not all(isinstance(node, Node) for node in nodes):
            came = "a list with other things" if isinstance(nodes, (list, tuple)) else type(nodes).__name__
            raise TypeError(f"cotangents: {name} wanted a list of Values, got {came}: write cotangents([y], [x]).")
    seeds = [None] * len(outputs) if seeds is None else seeds
    if not isinstance(seeds, (list, tuple)) or len(seeds) != len(outputs):
        came = f"{len(seeds)} of them" if isinstance(seeds, (list, tuple)) else type(seeds).__name__
        raise ValueError(f"cotangents: seeds wanted a list with one for each of {len(outputs)} outputs, got {came}.")
    seeds = [check_seed(output, seed) for output, seed in zip(outputs, seeds, strict=True)]
    if is_recorded():
        now: Any = modes.current.recorder.now  # type: ignore[union-attr]
        outputs, inputs, create_graph = list(map(now, outputs)), list(map(now, inputs)), True
    table = walk(outputs, seeds, inputs, create_graph=create_graph, since=since)
    return [table.get(node) for node in inputs]


def backward(output: Node, seed: Any = None, *, retain: str = "all") -> None:
    """Add d output / d node to the `.grad` of every node that requires grad and that the output depends on.

    Args:
        output: a scalar, or an array with a `seed`.
        seed: cotangent of the output, of its shape; 1 for a scalar.
        retain: "all" keeps gradients on every node of the path, so that they can be looked at, and the graph, so
            that the pass can be repeated; "leaves" keeps the gradients of leaves only and takes the graph apart on
            the way, so that everything is freed after its last use: for training.

    Raises:
        ValueError: if the output is no scalar and there is no seed; if no differentiable path joins it to a leaf that
            requires grad; if a leaf was assigned to since it was used. Nothing is accumulated in any of these cases.
    """
    if retain not in ("all", "leaves"):
        raise ValueError(f"backward wanted retain='all' or retain='leaves', got {retain!r}.")
    if not output.requires_grad:
        raise ValueError(why_no_gradient(output))
    if is_recorded():
        modes.current.recorder.backward(output, seed)  # type: ignore[union-attr]
        return
    if isinstance(seed, Node):
        seed = seed._data
    table = walk([output], [check_seed(output, seed)], release=retain == "leaves")
    if not any(node.op is None for node in table):
        raise ValueError(why_no_gradient(output))
    with _accumulating:
        again = [node for node in table if node._grad is not None]
        if again:
            with np.errstate(all="ignore"):
                table.update([(node, node._grad + table[node]) for node in again])  # what can fail, before any change
        if modes.current is not None and modes.current.journal is not None:
            modes.current.journal.extend([(node, "_grad", node._grad) for node in table if node.op is None])
        for node, g in table.items():
            node._grad = g


def is_recorded() -> bool:
    """Is a function being recorded, to be compiled? Then cotangents are nodes."""
    return modes.current is not None and modes.current.recorder is not None


class Contribution(NamedTuple):
    """One product of the chain rule: what a node passes on to one of its operands.

    Attributes:
        child: the node whose op's rule made it.
        upstream: the cotangent of `child`, which was passed to the rule.
        position: the operand's position among the op's arguments.
        parent: the operand.
        value: the product, of the operand's shape; for one result of an op that returns several, of that result's.
    """

    child: Node
    upstream: Any
    position: int
    parent: Node
    value: Any


def contributions(output: Node, seed: Any = None) -> tuple[list[Contribution], dict[Node, Any]]:
    """Return every product of the chain rule of a backward pass, in the order in which they are computed.

    The pass is the one that `backward` makes, hooks included, except that no `.grad` changes and the graph stays. What
    arrives at a node from several children is added: its cotangent is the sum of the contributions to it.

    Args:
        output: a scalar, or an array with a `seed`.
        seed: cotangent of the output, of its shape; 1 for a scalar.

    Returns:
        The contributions, and the cotangent of each node on the way, which a first `backward()` writes to `.grad`.

    Raises:
        ValueError: as `backward` does.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> made, total = contributions(x * x + x)
    >>> [(c.child.op.name, c.upstream, c.parent.name, c.value) for c in made]
    [('add', 1.0, None, 1.0), ('add', 1.0, 'x', 1.0), ('mul', 1.0, 'x', 3.0), ('mul', 1.0, 'x', 3.0)]
    >>> total[x], x.grad is None
    (7.0, True)
    """
    if not output.requires_grad:
        raise ValueError(why_no_gradient(output))
    seed = check_seed(output, seed._data if isinstance(seed, Node) else seed)
    made: list[Contribution] = []

    def observe(child: Node, upstream: Any, position: int, value: Any) -> None:
        made.append(Contribution(child, upstream, position, child.parents[position], value))

    table = walk([output], [seed], observe=observe)
    if not any(node.op is None for node in table):
        raise ValueError(why_no_gradient(output))
    return made, table


def walk(
    outputs: Sequence[Node],
    seeds: Sequence[Any],
    inputs: Sequence[Node] | None = None,
    *,
    create_graph: bool = False,
    release: bool = False,
    observe: Callable[[Node, Any, int, Any], None] | None = None,
    since: int = 0,
) -> dict[Node, Any]:
    """Visit nodes in falling order of their serials, a reverse topological order, and return the cotangents found.

    Args:
        outputs: where to begin.
        seeds: their cotangents.
        inputs: where to end; all leaves that require grad if left out.
        create_graph: run the rules on nodes instead of arrays.
        release: return leaves' cotangents only, and take the graph apart on the way.
        observe: called as ``observe(node, cotangent, position, contribution)`` for every chain-rule product, in the
            order in which they are computed.
        since: nodes made before this time on the logical clock count as leaves.

    Returns:
        The cotangent of each node that lies between outputs and inputs. Those of leaves own their memory.
    """
    if observe is None and modes.current is not None and modes.current.observer is not None:
        return observed(
            modes.current.observer, outputs, seeds, inputs, create_graph=create_graph, release=release, since=since
        )
    order, reached = reach(outputs, inputs, since)
    everything = inputs is None and not since  # then requires_grad says whether a node is reached, and says it sooner
    table: dict[Node, Any] = {}
    array = np.ndarray
    plain = not create_graph and observe is None
    own: set[Node] = set()  # nodes whose cotangent is an array of this pass alone, which can be added to in place
    for node, seed in zip(outputs, seeds, strict=True):
        if node in reached:
            seed = type(node).leaf(seed) if create_graph and not isinstance(seed, Node) else seed
            table[node] = table[node] + seed if node in table else seed
    with np.errstate(all="ignore"):  # inf and nan show in the result; debug() finds where they began
        while order:
            node = order.pop()
            g = table.pop(node, None) if release else table.get(node)
            if g is None:
                continue
            if node.hooks is not None:
                g = run_hooks(node, g)
                if not release:
                    table[node] = g
            op: Any = node.op
            parents, attrs, ans, serial = node.parents, node.attrs, node._data, node.serial
            args: Any = []
            for p in parents:
                if p.serial > serial:
                    raise_stale(node, p)
                args.append(p._data)
            if not args:
                raise_released(node)  # since the pass began: by a hook, or in another thread
            if type(ans) is tuple:
                g = tuple([np.zeros(shape(a), dtype(a)) if c is None else c for a, c in zip(ans, g, strict=True)])
            if create_graph:
                ans = node if type(ans) is not tuple else tuple([ITEM(node, index=i) for i in range(len(ans))])
                args = parents
            vjps, found = op.vjps, ()
            accumulate = op.accumulate if plain and len(parents) == 1 else None
            if op.joint is not None:
                found = op.joint([p in reached for p in parents], g, ans, *args, **attrs)
            for position, p in enumerate(parents):
                if not (p.requires_grad if everything else p in reached):
                    continue
                if accumulate is not None and type(p._data) is array and p._data.ndim:
                    if p not in own:
                        own.add(p)
                        before = table.get(p)
                        table[p] = np.zeros(p._data.shape, p._data.dtype) if before is None else before.copy()
                    accumulate(table[p], g, *args, **attrs)
                    continue
                if op.joint is not None:
                    c = found[position]
                else:
                    rule = op.rule(position) if op.variadic else vjps[position]
                    if rule is None:
                        continue
                    try:
                        c = rule(g, ans, *args, **attrs) if attrs else rule(g, ans, *args)
                    except ArithmeticError:  # Python's floats raise where IEEE has inf or nan: ask NumPy's
                        c = rule(*[np.float64(a) if type(a) is float else a for a in (g, ans, *args)], **attrs)
                if op is ITEM:
                    if observe is not None:
                        observe(node, g, position, c)
                    table[p] = place(table.get(p), attrs["index"], c, len(p._data))
                    continue
                data = p._data
                if type(c._data if create_graph and isinstance(c, Node) else c) is float is type(data):
                    pass
                elif type(c) is not array or type(data) is not array or c.shape != data.shape or c.dtype != data.dtype:
                    c = fit(c, p, op, position, create_graph)
                if observe is not None:
                    observe(node, g, position, c)
                before = table.get(p)
                if before is not None:
                    c = before + c
                elif p.op is None and type(c) is array and (c is g or shares(c, op, g, ans, args)):
                    c = c.copy()
                table[p] = c
            if release:
                node.parents = ()
                reached.discard(node)
        for node in [node for node in table if node.op is None and node.hooks is not None]:
            table[node] = run_hooks(node, table[node])
    return table


def observed(
    observer: Any, outputs: Sequence[Node], seeds: Sequence[Any], inputs: Sequence[Node] | None, **options: Any
) -> dict[Node, Any]:
    """Do the same while an observer, such as that of `debug()`, looks on."""
    observer.begins(outputs, reach(outputs, inputs, options["since"])[0])
    table: dict[Node, Any] | None = None
    try:
        table = walk(outputs, seeds, inputs, observe=observer.differentiated, **options)
        return table
    finally:
        observer.ends(table, inputs)


def reach(outputs: Sequence[Node], inputs: Sequence[Node] | None, since: int = 0) -> tuple[list[Node], set[Node]]:
    """Return the inner nodes between outputs and inputs, in rising order of their serials, and all nodes between."""
    reached = {node for node in outputs if node.requires_grad}
    stack = list(reached)
    order = []
    while stack:
        node = stack.pop()
        if node.op is not None and node.serial > since:
            order.append(node)
            if not node.parents:
                raise_released(node)
            for p in node.parents:
                if p.requires_grad and p not in reached:
                    reached.add(p)
                    stack.append(p)
    order.sort(key=attrgetter("serial"))
    if inputs is not None:
        between = reached.intersection(inputs)
        for node in order:
            if not between.isdisjoint(node.parents):
                between.add(node)
        order = [node for node in order if node in between]
        reached = between
    return order, reached


def fit(c: Any, p: Node, op: Op, position: int, create_graph: bool) -> Any:
    """Give a contribution the shape and dtype of its operand: sum over what was broadcast, and cast."""
    data = p._data
    recorded = isinstance(c, Node)
    if recorded and not create_graph:  # the rule uses a node that nobody gave it
        c, recorded = c._data, False
    wanted, actual = shape(data), c._data if recorded else c
    if shape(actual) != wanted:
        try:
            c = sum_to(c, shape=wanted) if recorded else sum_to.forward(c, shape=wanted)
        except ValueError as error:
            raise ValueError(
                f"the rule of {op.name!r} for argument {position} returned a cotangent of shape {shape(actual)} for an "
                f"operand of shape {wanted}; wanted that shape, or one that broadcasting made of it."
            ) from error
    if type(data) is float:
        if type(actual) is not float:
            c = cast(c, dtype="python")
    else:
        to = dtype(data)
        if to.kind in "fc" and (type(actual) is float or dtype(actual) != to):  # never rounded to integers
            c = cast(c, dtype=to.name)
    if create_graph and not recorded:
        c = type(p).leaf(c)
    return c


def shares(c: Any, op: Op, g: Any, ans: Any, args: Any) -> bool:
    """True if a contribution is an array that the rule was given, or may be one that a user's function kept."""
    if c is ans or c.base is not None or type(op) is not Op:
        return True
    for a in args:
        if c is a:
            return True
    return type(g) is tuple and any(c is part for part in g)


def place(before: tuple[Any, ...] | None, index: int, c: Any, length: int) -> tuple[Any, ...]:
    """Add the cotangent of result number `index` to those of an op that returned a tuple."""
    parts = list(before or (None,) * length)
    parts[index] = c if parts[index] is None else parts[index] + c
    return tuple(parts)


def check_seed(output: Node, seed: Any) -> Any:
    """Return the cotangent to start from, in the output's own type."""
    data = output._data
    if seed is None:
        if np.size(data) != 1:
            raise ValueError(
                f"backward from {describe(output)} wanted a scalar. Reduce it first, `v.sum().backward()` or "
                f"`v.mean().backward()`; or weight its elements, `v.backward(np.ones({output.shape}))`."
            )
        if type(data) in (float, int):
            return 1.0
        return np.ones(data.shape, data.dtype) if data.shape else data.dtype.type(1)
    if shape(seed) != shape(data):
        raise ValueError(f"the seed of {describe(output)} wanted its shape {shape(data)}, got {shape(seed)}.")
    if isinstance(seed, Node):
        return seed
    array = converted(seed, dtype(data) if dtype(data).kind in "fc" else np.dtype(float), "the seed", output)
    return float(array) if type(data) is float else array


def run_hooks(node: Node, g: Any) -> Any:
    """Show a node's cotangent to its hooks; what one returns takes its place."""
    for hook in node.hooks or ():
        if isinstance(g, Node):
            new = hook(g)
        else:  # a leaf's gradient may be changed in place later, and what a hook keeps may not
            new = hook(read_only(g.copy() if node.op is None and type(g) is np.ndarray else g))
        if new is None or new is g:
            continue
        if shape(new) != shape(g):
            raise ValueError(f"a hook on {describe(node)} returned shape {shape(new)}; wanted {shape(g)}, or None.")
        if isinstance(g, Node) and isinstance(new, Node):
            g = new
            continue
        array = converted(
            new._data if isinstance(new, Node) else new, dtype(g), "a hook's result for the gradient", node
        )
        number = float(array) if type(node._data) is float else array
        g = type(node).leaf(number) if isinstance(g, Node) else number
    return g


def why_no_gradient(output: Node) -> str:
    """Say why nothing that the output depends on gets a gradient, and what to write instead."""
    for node in reversed(topological_order([output])):
        op = node.op
        wanting = [i for i, p in enumerate(node.parents) if p.requires_grad]
        if op is not None and wanting and not (op.differentiable and any(op.rule(i) for i in wanting)):
            source = f" (line {node.source[1]} of {node.source[0]}: {node.source[2]})" if node.source else ""
            instead = op.instead or "Compute the loss from the values before it."
            what = "has no derivative" + (f" with respect to argument {wanting[0]}" if op.differentiable else "")
            return f"backward: {op.name!r}{source} {what}, so no gradient passes it. {instead}"
    return (
        f"backward: {describe(output)} depends on nothing that requires grad. Make the inputs that you want gradients "
        "of with Value(x), use them outside no_grad(), and do not detach() them."
    )


def raise_released(node: Node) -> None:
    """Refuse to differentiate through a graph that is no longer there."""
    raise ValueError(
        f"{describe(node)} has lost its graph: backward(retain='leaves') took it apart. "
        "Compute again, or use backward() to keep it for a second pass."
    )


def raise_stale(node: Node, leaf: Node) -> None:
    """Refuse to differentiate through data that changed after it was used."""

    def line(n: Node) -> str:
        return f"\n    {n.source[0]}:{n.source[1]}: {n.source[2]}" if n.source else ""

    name = node.op.name if node.op is not None else "?"
    raise ValueError(
        f"backward: the data of {describe(leaf)} was assigned to after {name!r} used it, so the gradient "
        "would be wrong.\n"
        f"  used by {name!r}{line(node)}\n  assigned to{line(leaf) or ' later'}\n"
        "Compute the loss again after an update: forward, backward, then `p.data = p.data - learning_rate * p.grad`."
    )
