"""`debug()`: where a number that is not finite comes from, and which line made it.

Inside the block every node remembers the line of code that made it (`node.source`), and the first op that turns
finite numbers into nan or infinity is named, if what it made reaches a result or a gradient: with the line, the
numbers that went in, the path on which it spread, and the likely cure. Outside of the block nothing is checked, and
nothing costs anything.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import linecache
import os
import sys
import textwrap
import weakref
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .graph import Node, describe, mode, modes
from .ops.shape import sum_to
from .vmap import Batch

__all__ = ["NonFiniteError", "Observer", "debug"]

SKIPPED = (
    *(os.path.dirname(os.path.abspath(path)) + os.sep for path in (__file__, str(np.__file__))),
    *(contextlib.__file__, functools.__file__, "<frozen"),
)
"""Code in files whose names begin so is not the user's."""


class NonFiniteError(ValueError):
    """Under `debug()`: nan or infinity came out of finite numbers and reached a result or a gradient.

    Attributes:
        node: the node whose op, forward or backward, made it.
    """

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.node = node


@contextlib.contextmanager
def debug() -> Iterator[Observer]:
    """Check what is computed in the block, or in a function that is decorated with it; see the module.

    Infinities that were put in (an attention mask with -inf) are allowed, and so is nan in a branch that `where` does
    not take. Checked are: what `backward` starts from; gradients that arrive at leaves; at the end of the block,
    results that are alive and were used for nothing else; and the promise of ``Value(x, copy=False)`` that nobody
    writes into x.

    Raises:
        NonFiniteError: a ValueError; with the line, the path and the likely cure.
        ValueError: if an array was written to that a graph still needs.

    >>> import numpy as np
    >>> from autograd_nn import Value, debug
    >>> x = Value([1.0, 0.0])
    >>> with debug(), np.errstate(divide="ignore"):
    ...     loss = np.log(x).sum()
    ...     loss.backward()
    Traceback (most recent call last):
    autograd_nn.debug.NonFiniteError: forward: 'log' made -inf out of x = 0.0, at index (1,) of shape (2,)
    ...
    """
    observer = Observer()
    with mode(observer=observer):
        yield observer
    observer.check_results()


class Spread(NamedTuple):
    """A product of the chain rule that is not finite."""

    node: Node  # whose rule made it
    parents: tuple[Node, ...]  # its operands; a pass with retain="leaves" takes them from the node
    position: int  # for which operand
    g: Any  # the cotangent that went in
    contribution: Any
    inside: str  # what went on in the rule, if it differentiated the function that its op carries


class Pass:
    """A backward pass that is under way: products that are not finite, by the operand that they are for."""

    def __init__(self) -> None:
        self.spreads: dict[Node, list[Spread]] = {}
        self.node: Node | None = None  # whose rule was the last to run
        self.inside = ""  # what was found in passes in that rule
        self.found = ""  # the same, of a rule that is still running


class Observer:
    """What `debug()` installs: told of every new node and of every backward pass."""

    def __init__(self) -> None:
        self.suspects: dict[int, weakref.ref[Node]] = {}  # nodes that are not finite and not used yet
        self.sums: dict[int, tuple[weakref.ref[Any], int]] = {}  # arrays of leaves and their checksums
        self.passes: list[Pass] = []  # the backward passes that are under way, one in a rule of another
        self.inner: NonFiniteError | None = None  # found inside a transform, which may still leave it out by `where`

    def created(self, node: Node) -> None:
        """Take note of a new node, or of a leaf that was assigned to."""
        if node.source is None:
            node.source = users_line()
        for p in node.parents:
            self.suspects.pop(id(p), None)
        data = numbers(node)
        if node.op is None and isinstance(data, np.ndarray):
            self.sums[id(data)] = (weakref.ref(data), checksum(data))
        elif node.op is not None and any(bad(x).any() for x in (data if type(data) is tuple else (data,))):
            self.suspects[id(node)] = weakref.ref(node)

    def begins(self, outputs: Sequence[Node], order: Sequence[Node]) -> None:
        """Check what a backward pass starts from and goes through."""
        seen = set()
        for node in order:
            for p in (*node.parents, node):
                if p.op is None and p not in seen:
                    seen.add(p)
                    self.check_promise(p)
        if is_outermost():
            self.inner = None if not self.passes else self.inner  # this pass looks at all that led to it
            for output in outputs:
                find_forward(output, "the value that backward starts from")
        self.passes.append(Pass())

    def inside(self, outputs: Sequence[Any]) -> str:
        """Say what made the first number that is not finite of a function's results, before its graph is forgotten."""
        for y in outputs:
            try:
                if isinstance(y, Node):
                    find_forward(y, "a result of the function")
            except NonFiniteError as error:
                return str(error) if error.node.op is not None else ""
        return ""

    def differentiated(self, node: Node, g: Any, position: int, contribution: Any) -> None:
        """Take note of a product of the chain rule, if it is not finite."""
        current = self.passes[-1]
        if node is not current.node:
            current.node, current.inside, current.found = node, current.found, ""
        c = numbers(contribution)
        if not isinstance(c, tuple) and bad(c).any():
            current.spreads.setdefault(node.parents[position], []).append(
                Spread(node, node.parents, position, g, contribution, current.inside)
            )

    def ends(self, table: dict[Node, Any] | None, inputs: Sequence[Node] | None) -> None:
        """Check the gradients of leaves, or of what was differentiated with respect to."""
        spreads = self.passes.pop().spreads
        outer = self.passes[-1] if self.passes else None
        if table is None:
            return
        wanted = (
            [node for node in table if node.op is None]
            if inputs is None
            else [node for node in inputs if node in table]
        )
        for node in wanted:
            g = numbers(table[node])
            if isinstance(g, tuple) or not bad(g).any():
                continue
            try:
                find_backward(node, spreads)
            except NonFiniteError as error:
                if outer is not None:
                    outer.found = outer.found or str(error)  # told if it gets out of the rule
                elif is_outermost():
                    raise
                else:
                    self.inner = self.inner or error  # told if it gets out of the transforms
                return

    def returned(self, results: Sequence[Any]) -> None:
        """Check what the outermost transform returns: it may be what an inner one found."""
        found, self.inner = self.inner, None
        if found is not None and any(bad(x).any() for x in results):
            raise found

    def check_results(self) -> None:
        """At the end of the block: check results that are alive, and on which nothing else depends."""
        for reference in list(self.suspects.values()):
            node = reference()
            if node is not None:
                find_forward(node, "a result that is alive at the end of debug()")

    def check_promise(self, leaf: Node) -> None:
        """Raise if a leaf's array was written to."""
        reference, before = self.sums.get(id(leaf._data), (None, 0))
        if reference is not None and reference() is leaf._data and checksum(leaf._data) != before:
            raise ValueError(
                f"debug: the array of {describe(leaf)} was written to after it was used, so the gradient would "
                "be wrong."
                f"{at_line(leaf)}\nValue(x, copy=False) is the promise that nobody writes into x. Leave copy "
                "out, or write "
                "`v.data = new` and compute the loss again."
            )


def is_outermost() -> bool:
    """Is at most one transform active? What an inner one finds may still be left out by `where`."""
    return modes.current is None or modes.current.trace <= 1


def users_line() -> tuple[str, int, str] | None:
    """Return file, number and text of the line of the user's code that is being run."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(SKIPPED) and f"{os.sep}optree{os.sep}" not in file:
            return file, frame.f_lineno, linecache.getline(file, frame.f_lineno, frame.f_globals).strip()
        frame = frame.f_back
    return None


def checksum(array: np.ndarray) -> int:
    """Return a number that changes if the array does."""
    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)


def numbers(x: Any) -> Any:
    """Return the array of a node, of all samples if it belongs to a vmap; arrays and numbers as they are."""
    while isinstance(x, Node):
        x = x.value if isinstance(x, Batch) else x._data
    return x


def bad(x: Any) -> Any:
    """Return which elements are nan or infinite."""
    x = np.asarray(numbers(x))
    return ~np.isfinite(x) if x.dtype.kind in "fc" else np.zeros(x.shape, bool)


# --- forward --------------------------------------------------------------------------------------------------------


def find_forward(output: Node, what: str) -> None:
    """Raise if an element of the output is not finite, and comes from finite numbers or from nan that was put in."""
    if output.level or type(output._data) is tuple or not bad(output).any():
        return
    masks: dict[Node, Any] = {output: bad(output)}
    child: dict[Node, Node] = {}
    queue = [(-output.serial, id(output), output)]
    first: tuple[Node, Any] | None = None
    while queue:
        _, _, node = heapq.heappop(queue)
        mask = masks[node]
        made, parents = (np.isnan(node._data) & mask, []) if node.op is None else came_from(node, mask)
        if np.any(made):
            first = (node, made)  # the queue goes back in time, so the last one found is the first that was made
        for p, part in parents:
            if p not in masks:
                masks[p] = part
                child[p] = node
                heapq.heappush(queue, (-p.serial, id(p), p))
            else:
                masks[p] = masks[p] | part
    if first is None:
        return  # infinities that were put in
    node, made = first
    path = [node]
    while path[-1] in child:
        path.append(child[path[-1]])
    raise NonFiniteError(forward_message(node, made, path, what), node)


def came_from(node: Node, mask: Any) -> tuple[Any, list[tuple[Node, Any]]]:
    """Return which bad elements of a node its op made, and from which elements of which parents it had the others."""
    op, parents, ans = node.op, node.parents, node._data
    if op is None or type(ans) is tuple or any(type(p._data) is tuple for p in parents):
        bads = [(p, np.True_) for p in parents if type(p._data) is tuple or bad(p).any()]
        return (np.any(mask) if not bads else np.False_), bads
    if op.elementwise:
        everywhere = [np.broadcast_to(bad(p), ans.shape) & mask if np.shape(ans) else bad(p) & mask for p in parents]
        if op.name == "where":
            chosen = np.broadcast_to(np.asarray(parents[0]._data, bool), np.shape(ans))
            everywhere = [everywhere[0] & False, everywhere[1] & chosen, everywhere[2] & ~chosen]
        nans = [np.isnan(np.asarray(p._data, ans_type(p))) for p in parents]
        inherited = np.logical_or.reduce(everywhere)
        from_infinity = np.isnan(ans) & ~np.logical_or.reduce([np.broadcast_to(n, np.shape(ans)) for n in nans])
        found = [(p, reduce_mask(part, p)) for p, part in zip(parents, everywhere, strict=True) if part.any()]
        return mask & (~inherited | from_infinity), found
    found = [(p, part) for p in parents if (part := bad(p)).any()]
    if op.linear and (len(parents) == 1 or op.variadic) and op.differentiable:
        found = [(p, part & reaches(node, mask, i)) for i, p in enumerate(parents) if (part := bad(p)).any()]
        found = [(p, part) for p, part in found if part.any()]
    any_nan = any(np.isnan(p._data)[part].any() for p, part in found if part.shape == np.shape(p._data))
    made = mask & np.isnan(ans) if not any_nan else mask & False
    return (mask if not found else made), found


def ans_type(p: Node) -> Any:
    """Return a dtype in which nan can be looked for."""
    return p.dtype if p.dtype.kind in "fc" else float


def reduce_mask(part: Any, p: Node) -> Any:
    """Return which elements of an operand were broadcast to one of those marked."""
    return np.asarray(sum_to(np.asarray(part, float), shape=p.shape)) > 0


def reaches(node: Node, mask: Any, position: int) -> Any:
    """Return which elements of the operand of a linear op go into one of those marked: its adjoint finds them."""
    op = node.op
    p = node.parents[position]
    rule = None if op is None else op.rule(position)
    if rule is None:
        return np.zeros(p.shape, bool)
    args = [np.zeros(q.shape) if q.dtype.kind in "fc" else q._data for q in node.parents]
    found = rule(np.asarray(mask, float), np.zeros(node.shape), *args, **node.attrs)
    return np.broadcast_to(np.asarray(found) != 0, p.shape) if np.shape(found) != p.shape else np.asarray(found) != 0


def forward_message(node: Node, made: Any, path: Sequence[Node], what: str) -> str:
    """Say what made the first element that is not finite, how it spread, and what to do."""
    several = type(node._data) is tuple  # results of one op: which one, and where, an item node says
    index, place = ((), "") if several else locate(made, node)
    element = "nan or infinity" if several else np.asarray(node._data)[index]
    spread = " → ".join(show(n) for n in path)
    if node.op is None:
        return (
            f"forward: {element} was put in with {describe(node)}{place}, and reached {what}.{at_line(node)}\n  "
            f"path: {spread}\n"
            "If nan marks missing data, choose elements before computing with them: y = where(known, x, 0)."
        )
    return (
        f"forward: {node.op.name!r} made {element} out of {inputs_at(node, node.parents, index)}{place}"
        f"{at_line(node)}\n"
        f"  and it reached {what}\n  path: {spread}{lines(path[1:])}\n"
        f"{inside(node, getattr(node.op, 'inside', '')) or cure(node, backward=False)}"
    )


def inside(node: Node, found: str) -> str:
    """Show what went on in the function that an op carries."""
    return f"Inside of {node.op.name!r}:\n{textwrap.indent(found, '  ')}" if found and node.op is not None else ""


# --- backward -------------------------------------------------------------------------------------------------------


def find_backward(leaf: Node, spreads: dict[Node, list[Spread]]) -> None:
    """Raise, naming the rule that made the first element of a leaf's gradient that is not finite."""
    path = [leaf]
    seen = {leaf}
    while True:
        found = spreads.get(path[-1], [])
        origin = next((s for s in found if is_origin(s)), None)
        if origin is not None:
            raise NonFiniteError(backward_message(origin, path), origin.node)
        onward = next((s.node for s in found if s.node not in seen), None)
        if onward is None:
            break  # it overflowed in a sum, or was put in with the seed
        seen.add(onward)
        path.append(onward)
    seeded = path[-1]
    raise NonFiniteError(
        f"backward: the gradient of {describe(leaf)} is not finite: contributions to {describe(seeded)} "
        "overflow when they are added, "
        f"or the seed was not finite.{at_line(seeded)}\n  path: {' → '.join(show(n) for n in path)}\nScale the "
        "loss down.",
        seeded,
    )


def is_origin(spread: Spread) -> bool:
    """Did the rule make it: an element that is not finite of a cotangent that is?"""
    if isinstance(spread.g, tuple):
        return not any(bad(part).any() for part in spread.g)
    before, after = bad(spread.g), bad(spread.contribution)
    if spread.node.op is not None and spread.node.op.elementwise and before.shape == after.shape:
        return bool((after & ~before).any())
    return not before.any()


def backward_message(origin: Spread, path: Sequence[Node]) -> str:
    """Say which rule made the first element that is not finite, how it spread, and what to do."""
    node, operand = origin.node, origin.parents[origin.position]
    c, g = (
        np.asarray(numbers(origin.contribution)),
        np.asarray(numbers(origin.g if not isinstance(origin.g, tuple) else np.nan)),
    )
    index, place = locate(bad(c), operand)
    element = c[index]
    gs = np.broadcast_to(g, c.shape) if np.shape(g) != c.shape and fits(g.shape, c.shape) else g
    cotangent = gs[index] if gs.shape == c.shape and not isinstance(origin.g, tuple) else None
    with_g = "" if cotangent is None else f", with the cotangent {cotangent}"
    name = node.op.name if node.op is not None else "?"
    zero = cotangent is not None and cotangent == 0
    hint = inside(node, origin.inside) or (double_where(name) if zero else cure(node, backward=True))
    return (
        f"backward: the rule of {name!r} made {element} out of "
        f"{inputs_at(node, origin.parents, index if shape_of(node) == operand.shape else None)}{with_g}{place}"
        f"{at_line(node)}\n  and it reached the gradient of {describe(path[0])}\n  path: "
        f"{' → '.join(show(n) for n in [node, *reversed(path)])}"
        f"{lines(list(reversed(path))[:-1])}\n{hint}"
    )


def shape_of(node: Node) -> tuple[int, ...] | None:
    """Return the shape of a node; None if it holds several results."""
    return None if type(node._data) is tuple else node.shape


def fits(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Does the first shape broadcast to the second?"""
    return len(small) <= len(large) and all(m in (1, n) for m, n in zip(small[::-1], large[::-1], strict=False))


# --- words ----------------------------------------------------------------------------------------------------------


def locate(mask: Any, node: Node) -> tuple[tuple[int, ...], str]:
    """Return the index of the first element that is marked, and words for it."""
    if not np.shape(mask):
        return (), ""
    index = tuple(int(i) for i in np.argwhere(mask)[0])
    return index, f", at index {index} of shape {np.shape(mask)}"


def inputs_at(node: Node, parents: Sequence[Node], index: tuple[int, ...] | None) -> str:
    """Return what went into one element of an elementwise op, or the ranges of what went in."""
    names = (
        node.op.args if node.op is not None and not node.op.variadic else [f"operand {i}" for i in range(len(parents))]
    )
    words = []
    for name, p in zip(names, parents, strict=True):
        data = numbers(p)
        if type(data) is tuple:
            continue
        data = np.asarray(data)
        wide = None
        if node.op is not None and node.op.elementwise and fits(data.shape, shape := np.shape(numbers(node))):
            wide = np.broadcast_to(data, shape)
        if wide is not None and (len(index or ()) >= wide.ndim or not data.shape):
            here = (index or ())[len(index or ()) - wide.ndim :]  # without the axes of vmap, if it has none
            words.append(f"{name} = {wide[here] if data.shape else data[()]}")
        elif data.size and data.dtype.kind == "f":
            words.append(
                f"{name} of shape {data.shape} from {np.nanmin(data):.4g} to {np.nanmax(data):.4g}"
                if not np.isnan(data).all()
                else f"{name} = nan"
            )
        else:
            words.append(f"{name} of shape {data.shape}")
    return ", ".join(words) or "nothing"


def show(node: Node) -> str:
    """Name a node in a path."""
    return node.name or (node.op.name if node.op is not None else "leaf")


def at_line(node: Node) -> str:
    """Show the line that made a node."""
    return f"\n    {node.source[0]}:{node.source[1]}: {node.source[2]}" if node.source else ""


def lines(nodes: Sequence[Node], limit: int = 6) -> str:
    """Show the lines of a path, each once."""
    shown = list(dict.fromkeys(at_line(node) for node in nodes if node.source))
    more = "" if len(shown) <= limit else f"\n    … {len(shown) - limit} more lines"
    return ("\n  through" + "".join(shown[:limit]) + more) if shown else ""


def double_where(name: str) -> str:
    """Say how to guard a branch that `where` does not take."""
    return (
        f"Cure: this branch was not wanted (its cotangent is 0), but the derivative of {name!r} is infinite "
        "there, and 0 · ∞ is nan. Guard "
        f"the argument too, where(c, {name}(where(c, x, 1)), 0), with a 1, or another harmless number, in place of x."
    )


FORWARD = {
    "log": "log wants x > 0: log(where(x > 0, x, 1)) in a branch, log(x + 1e-12), log_softmax, logsumexp, xlogy.",
    "log2": "log2 wants x > 0.",
    "log10": "log10 wants x > 0.",
    "log1p": "log1p wants x > -1.",
    "sqrt": "sqrt wants x ≥ 0: rounding may have made a variance or a distance slightly negative, sqrt(maximum(x, 0)).",
    "divide": "divide by something that is not 0: x / (y + 1e-12), or where(y != 0, x / where(y != 0, y, 1), 0).",
    "exp": "exp overflows: subtract the maximum first, or use softmax, log_softmax, logsumexp, sigmoid, softplus.",
    "power": "negative numbers have real powers at integers only, 0 has no negative one: keep the base positive.",
    "power_of": "negative numbers have real powers at integers only, 0 has no negative one: keep the base positive.",
    "arcsin": "arcsin wants -1 ≤ x ≤ 1: clip(x, -1, 1).",
    "arccos": "arccos wants -1 ≤ x ≤ 1: clip(x, -1, 1).",
    "arctanh": "arctanh wants -1 < x < 1.",
    "arccosh": "arccosh wants x ≥ 1.",
    "logsumexp": "every element was -inf, or one was inf: leave at least one element unmasked.",
}
BACKWARD = {
    "sqrt": "the slope of sqrt at 0 is infinite: sqrt(x + 1e-12), or where(x > 0, sqrt(where(x > 0, x, 1)), 0).",
    "log": "the slope of log at 0 is infinite: log(x + 1e-12), or log_softmax, logsumexp, xlogy.",
    "divide": "the denominator is 0, or so small that its square is: x / (y + 1e-12).",
    "power": "a power below 1 has an infinite slope at 0: keep the base positive.",
    "power_of": "a power below 1 has an infinite slope at 0: keep the base positive.",
    "arcsin": "the slope is infinite at ±1: clip(x, -1 + 1e-7, 1 - 1e-7).",
    "arccos": "the slope is infinite at ±1: clip(x, -1 + 1e-7, 1 - 1e-7).",
}


def cure(node: Node, *, backward: bool) -> str:
    """Say what usually helps."""
    name = node.op.name if node.op is not None else ""
    known = (BACKWARD if backward else FORWARD).get(name) or FORWARD.get(name)
    if known is None:
        known = "numbers grew too large for the dtype, or 0 · ∞ or ∞ - ∞ appeared: scale what went in, or use float64."
    return f"Cure: {known}"
