"""What differs between two graphs, or two training steps: added, removed, changed in op, shape, value or gradient.

Nodes are matched by name and scope, then by what they compute from nodes that match, then backwards from the outputs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .dot import ALARM, GREY, INK, Picture, attributes, clusters, escape, header, quote
from .dot import record as fields_of
from .drawing import Drawing
from .outline import Names
from .record import NodeRecord, Record, node_records
from .text import as_graph, number, plain, plural

__all__ = ["Change", "Difference", "diff"]

MOST = 150  # cards in a drawing
LINES = 60  # of text
TRIES = 64  # candidates that are looked at for one node


class Change(NamedTuple):
    """A node that both have, and which of op, attrs, operands, shape, dtype, data and grad differ."""

    before: NodeRecord
    after: NodeRecord
    what: tuple[str, ...]


class Difference:
    """How one graph differs from another. Print it, or draw it.

    Attributes:
        added: nodes of the second graph alone.
        removed: nodes of the first graph alone.
        changed: nodes of both that differ.
        same: how many nodes do not.
    """

    def __init__(self, before: list[NodeRecord], after: list[NodeRecord]) -> None:
        self._before, self._after = before, after
        self._pairs = match(before, after)  # ids in `after` to ids in `before`
        matched = set(self._pairs.values())
        self.added = tuple(node for node in after if node.id not in self._pairs)
        self.removed = tuple(node for node in before if node.id not in matched)
        both = [(before[self._pairs[node.id] - 1], node) for node in after if node.id in self._pairs]
        found = [Change(a, b, tuple(compare(a, b, self._pairs))) for a, b in both]
        self.changed = tuple(change for change in found if change.what)
        self.same = len(found) - len(self.changed)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = [(len(self.added), "added"), (len(self.removed), "removed"), (len(self.changed), "changed")]
        parts = [f"{plural(n, 'node')} {word}" for n, word in counts if n]
        yield f"{', '.join(parts) or 'No differences'}; {self.same:,} the same."
        lines = [f"+ {sentence(node)}" for node in self.added]
        lines += [f"- {sentence(node)}" for node in self.removed]
        lines += [f"~ {plain(change.after.title)}: {'; '.join(differences(change))}" for change in self.changed]
        yield from lines[:LINES]
        if len(lines) > LINES:
            yield f"… and {len(lines) - LINES:,} more: see .added, .removed and .changed"

    def __repr__(self) -> str:
        return f"<Difference: {len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed>"

    def to_dict(self) -> dict[str, Any]:
        """Return it as lists, dictionaries, texts and numbers."""
        return {
            "added": [node.id for node in self.added],
            "removed": [node.id for node in self.removed],
            "changed": [
                {"before": c.before.id, "after": c.after.id, "title": c.after.title, "what": differences(c)}
                for c in self.changed
            ],
            "same": self.same,
        }

    def draw(self, *, max_nodes: int | None = MOST, rankdir: str = "LR", engine: str | None = None) -> Drawing:
        """Draw the second graph with what was removed from the first; marks, words and colours say what differs.

        Args:
            max_nodes: of larger graphs, draw only what differs and its operands; None draws everything.
            rankdir: "LR" from left to right, "TB" from top to bottom.
            engine: "dot" or "wasi" forces a renderer; else the first that works.
        """
        return Drawing.made(picture(self, max_nodes, rankdir), str(self), engine=engine)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return self.draw()._repr_mimebundle_()

    def marks(self) -> tuple[dict[int, str], dict[int, Change]]:
        """Return the marks of nodes of the second graph, and its changes, by id."""
        changes = {change.after.id: change for change in self.changed}
        return {node.id: "added" for node in self.added} | dict.fromkeys(changes, "changed"), changes


def diff(before: Any, after: Any) -> Difference:
    """Say how one graph differs from another.

    Args:
        before: a Value, a Graph, a list of Values; or what `record` returned, which stays what it was while training
            assigns to the parameters.
        after: another.

    Raises:
        TypeError: if one of them is none of these.

    >>> from autograd_nn import Value
    >>> x = Value(2.0, name="x")
    >>> print(diff(x * x, (x * x).tanh()))
    1 node added; 2 the same.
    + #3 = tanh(#2), data 0.999329

    Two training steps:

    >>> from autograd_nn.visualize import record
    >>> loss = x * x
    >>> step = record(loss)
    >>> x.data = 1.5
    >>> print(diff(step, x * x))
    2 nodes changed; 0 the same.
    ~ x: data 2 → 1.5
    ~ #2: data 4 → 2.25
    """
    return Difference(*(nodes_of(source) for source in (before, after)))


def nodes_of(source: Any) -> list[NodeRecord]:
    if isinstance(source, Record):
        return source.nodes
    graph = as_graph(source)
    return node_records(graph, Names(graph), {})


# --- which node is which --------------------------------------------------------------------------------------------


def match(before: list[NodeRecord], after: list[NodeRecord]) -> dict[int, int]:
    """Return, for nodes of the second list, which of the first they are."""
    if list(map(structure, before)) == list(map(structure, after)):
        return {b.id: a.id for a, b in zip(before, after, strict=True)}
    pairing = Pairing(before, after)
    pairing.same(lambda node: (node.scope, node.name) if node.name else None)
    pairing.same(lambda node: node.name)
    for same_op in (True, False, True):
        pairing.forward(same_op)
        pairing.backward()
    return pairing.of


def structure(node: NodeRecord) -> Any:
    return node.op, node.name, node.scope, node.operands


class Pairing:
    """Nodes of two graphs that were found to be the same."""

    def __init__(self, before: list[NodeRecord], after: list[NodeRecord]) -> None:
        self.before, self.after = before, after
        self.of: dict[int, int] = {}  # ids in after to ids in before
        self.taken: set[int] = set()

    def pair(self, a: NodeRecord, b: NodeRecord) -> None:
        """Two nodes are the same; so are unnamed leaves at the same places."""
        self.of[b.id] = a.id
        self.taken.add(a.id)
        if len(a.operands) == len(b.operands):
            for i, j in zip(a.operands, b.operands, strict=True):
                p, q = self.before[i - 1], self.after[j - 1]
                if self.free(p, q) and p.op is None is q.op and not p.name and not q.name:
                    self.pair(p, q)

    def free(self, a: NodeRecord, b: NodeRecord) -> bool:
        return a.id not in self.taken and b.id not in self.of

    def same(self, key: Callable[[NodeRecord], Any]) -> None:
        """Pair nodes with the same key, the first with the first."""
        waiting: dict[Any, deque[NodeRecord]] = defaultdict(deque)
        for a in self.before:
            if a.id not in self.taken and (k := key(a)) is not None:
                waiting[k, a.op is None].append(a)
        for b in self.after:
            if b.id not in self.of and (k := key(b)) is not None and waiting[k, b.op is None]:
                self.pair(waiting[k, b.op is None].popleft(), b)

    def forward(self, same_op: bool) -> None:
        """Pair ops that are applied to operands that are paired."""
        waiting: dict[Any, deque[NodeRecord]] = defaultdict(deque)
        for a in self.before:
            if a.op is not None and a.id not in self.taken:
                for position, i in enumerate(a.operands):
                    waiting[a.op if same_op else None, a.scope, position, i].append(a)
        for b in self.after:
            if b.op is None or b.id in self.of:
                continue
            for position, j in enumerate(b.operands):
                found = waiting.get((b.op if same_op else None, b.scope, position, self.of.get(j, 0)), ())
                chosen = next((a for a in list(found)[:TRIES] if self.free(a, b) and self.fit(a, b)), None)
                if chosen is not None:
                    self.pair(chosen, b)
                    while found and found[0].id in self.taken:
                        found.popleft()  # type: ignore[union-attr]
                    break

    def fit(self, a: NodeRecord, b: NodeRecord) -> bool:
        """Are their operands the same, as far as is known?"""
        return len(a.operands) == len(b.operands) and all(
            self.of[j] == i
            if j in self.of
            else i not in self.taken and self.before[i - 1].op is None is self.after[j - 1].op
            for i, j in zip(a.operands, b.operands, strict=True)
        )

    def backward(self) -> None:
        """Pair outputs, then operands at the same places of nodes that are paired."""
        a, b = self.before[-1], self.after[-1]
        if self.free(a, b) and a.op == b.op and a.scope == b.scope:
            self.pair(a, b)
        for b in reversed(self.after):
            if b.id not in self.of:
                continue
            a = self.before[self.of[b.id] - 1]
            if len(a.operands) == len(b.operands):
                for i, j in zip(a.operands, b.operands, strict=True):
                    p, q = self.before[i - 1], self.after[j - 1]
                    if self.free(p, q) and p.op == q.op and p.scope == q.scope:
                        self.pair(p, q)


# --- what is different ----------------------------------------------------------------------------------------------


def compare(a: NodeRecord, b: NodeRecord, pairs: dict[int, int]) -> Iterator[str]:
    """Yield what is different."""
    for field in ("op", "attrs"):
        if getattr(a, field) != getattr(b, field):
            yield field
    if [pairs.get(j) for j in b.operands] != a.operands:
        yield "operands"
    for field in ("shape", "dtype", "data", "grad"):
        if getattr(a, field) != getattr(b, field):
            yield field


def differences(change: Change) -> list[str]:
    """Say what is different, in words."""
    a, b = change.before, change.after
    found = []
    for what in change.what:
        if what in ("data", "grad"):
            if "shape" not in change.what:
                found.append(f"{what} {value_change(getattr(a, what), getattr(b, what))}")
        elif what == "operands":
            found.append("computed from other operands")
        elif what == "attrs":
            keys = [k for k in a.attrs | b.attrs if a.attrs.get(k) != b.attrs.get(k)]
            found += [f"{k} {plain(a.attrs.get(k))} → {plain(b.attrs.get(k))}" for k in keys[:4]]
        elif what == "shape":
            found.append(f"shape {tuple(a.shape)} → {tuple(b.shape)}")
        else:
            found.append(f"{what} {plain(getattr(a, what))} → {plain(getattr(b, what))}")
    return found


def value_change(a: Any, b: Any) -> str:
    """Say how a value changed."""
    if isinstance(a, list) and isinstance(b, list):
        x, y = (np.array(flat(v), dtype=float) for v in (a, b))
        if x.shape == y.shape and x.size > 1:
            with np.errstate(all="ignore"):
                return f"changed by at most {number(np.max(np.abs(y - x)), 3)}"
    before, after = short(a), short(b)
    if before != after:
        return f"{before} → {after}"
    if isinstance(a, float) and isinstance(b, float):
        return f"{number(a, 17)} → {number(b, 17)}"
    return f"changed, but not in {after}"


def flat(x: Any) -> Iterator[float] | list[float]:
    """Return the numbers in nested lists."""
    return [n for item in x for n in flat(item)] if isinstance(x, list) else [float(x)]


def short(x: Any) -> str:
    """Return a recorded value in short."""
    if x is None:
        return "not computed"
    if isinstance(x, dict):
        return f"norm {number(x['norm'], 4)}" if "norm" in x else "several results"
    if isinstance(x, list):
        numbers = list(flat(x))
        return number(numbers[0]) if len(numbers) == 1 else f"[{len(numbers)} numbers]"
    return x if isinstance(x, str) else number(x)


def sentence(node: NodeRecord) -> str:
    """Return a node in one line."""
    what = f" = {plain(node.expression, 80)}" if node.expression else f": {WORDS[node.kind]}"
    scope = f", in {plain(node.scope, 60)}" if node.scope else ""
    shape = f", shape {tuple(node.shape)}" if node.shape else ""
    return f"{plain(node.title)}{what}{scope}{shape}, data {short(node.data)}"


WORDS = {"param": "parameter", "const": "constant", "input": "input", "op": "result", "loss": "output"}


# --- drawn ----------------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """How a difference looks; never by colour alone."""

    word: str
    border: str
    fill: str
    style: str


MARKS = {
    "added": Mark("+ added", "#0072b2", "#e3f1fa", "rounded,filled,bold"),
    "removed": Mark("− removed", "#d55e00", "#fdece1", "rounded,filled,dashed"),
    "changed": Mark("≠ changed", "#b07d00", "#fdf3d7", "rounded,filled,bold"),
    "": Mark("", GREY, "#ffffff", "rounded,filled"),
}


def picture(found: Difference, max_nodes: int | None, rankdir: str) -> Picture:
    """Return the drawing in DOT."""
    marks, changes = found.marks()
    back = {a: b for b, a in found._pairs.items()}
    cards: list[tuple[str, NodeRecord, str]] = [(f"n{node.id}", node, marks.get(node.id, "")) for node in found._after]
    cards += [(f"r{node.id}", node, "removed") for node in found.removed]

    def operands(name: str, node: NodeRecord) -> Iterable[str]:
        if name.startswith("n"):
            return [f"n{j}" for j in node.operands]
        return [f"n{back[i]}" if i in back else f"r{i}" for i in node.operands]

    notes = [str(found).partition("\n")[0]]
    if max_nodes is not None and len(cards) > max_nodes:
        different = [(name, node) for name, node, mark in cards if mark]
        keep: dict[str, None] = {}
        for name, node in different:
            if len(keep) < max_nodes:
                keep.update(dict.fromkeys([name, *list(operands(name, node))[:4]]))
        left = sum(name not in keep for name, _ in different)
        cards = [card for card in cards if card[0] in keep]
        notes.append(
            f"only what differs is drawn, with its operands{f'; {left:,} more are in the text' if left else ''}"
        )
    shown = {name for name, _, _ in cards}
    statements = [
        (node.scope, f"{name} {card(node, MARKS[mark], changes.get(node.id) if name[0] == 'n' else None, rankdir)}")
        for name, node, mark in cards
    ]
    title = f"difference: {notes[0]}"
    lines = [f"digraph {quote('difference')} {{", *header(rankdir, notes), *clusters(statements)]
    for name, node, mark in cards:
        dashed = ' [style="dashed"]' if mark == "removed" else ""
        lines += [f"  {p} -> {name}{dashed}" for p in dict.fromkeys(operands(name, node)) if p in shown]
    return Picture("\n".join([*lines, "}"]) + "\n", "; ".join(notes), title, len(cards))


def card(node: NodeRecord, mark: Mark, change: Change | None, rankdir: str) -> str:
    """Return the attributes of a card: title, what it is computed by, what is different."""
    named = short(node.data) if node.kind == "const" else plain(node.title, 40)
    lines = [[f"{named} = {plain(node.expression, 40)}" if node.expression else named]]
    if change is not None:
        lines.append([plain(text, 60) for text in differences(change)[:4]])
    elif mark.word != MARKS[""].word:
        lines.append([f"data {short(node.data)}"])
    if mark.word:
        lines.append([mark.word])
    broken = isinstance(node.data, str)
    style = {
        "class": mark.word.partition(" ")[2] or "same",
        "label": fields_of(lines, rankdir, stacked=True),
        "color": ALARM if broken else mark.border,
        "fillcolor": mark.fill,
        "fontcolor": INK,
        "style": mark.style,
        "tooltip": escape(sentence(node)),
    }
    return attributes(style)
