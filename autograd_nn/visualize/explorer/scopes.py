"""Modules as the explorer folds them: those of the graph, repeated ones together ("layer × 12"), and crowds in stages.

What an eye cannot take in at once is divided, so that a page opens with a few cards whatever the size of the graph.
"""

from __future__ import annotations

import re
from typing import Any

from ..record import Record
from ..text import plain

__all__ = ["Scopes"]

AT_ONCE = 48  # cards that the page shows at first (MOST in view.js); in smaller graphs nothing is rolled up
REPEATED = 3  # modules alike, from which on they are rolled up
CROWD = 150  # nodes or modules in one module that are shown without being divided
STAGES = 12
WORK = 5_000_000  # nodes looked at to roll modules up; beyond, there are too many modules


class Scopes:
    """The modules of a record, parents first.

    Attributes:
        parent: of each module, its parent's number; -1 for none.
        name: of each module.
        repeats: how many modules alike each holds, 0 for an ordinary one.
        home: of each node, the number of its module; -1 for none.
    """

    def __init__(self, made: Record) -> None:
        self.parent: list[int] = []
        self.name: list[str] = []
        self.repeats: list[int] = []
        self.home = self._places(made)
        if len(made.nodes) > AT_ONCE:
            self._roll_up(made)
        self._divide_nodes(made)
        self._divide_modules()
        self._parents_first()

    def add(self, parent: int, name: str, repeats: int = 0) -> int:
        """Add a module and return its number."""
        self.parent.append(parent)
        self.name.append(name)
        self.repeats.append(repeats)
        return len(self.parent) - 1

    def _places(self, made: Record) -> list[int]:
        numbers: dict[tuple[int, str], int] = {}
        known: dict[str | None, int] = {None: -1, "": -1}
        for node in made.nodes:
            if node.scope not in known:
                at = -1
                for part in (node.scope or "").split("/"):
                    if (at, part) not in numbers:
                        numbers[at, part] = self.add(at, plain(part, 60))
                    at = numbers[at, part]
                known[node.scope] = at
        return [known[node.scope] for node in made.nodes]

    # --- repeated modules ---

    def _roll_up(self, made: Record) -> None:
        """Put modules together that stand side by side, are numbered, and do the same."""
        members: list[list[int]] = [[] for _ in self.parent]
        for i, at in enumerate(self.home):
            while at >= 0:
                members[at].append(i)
                at = self.parent[at]
        alike: dict[Any, list[int]] = {}
        for scope, (parent, name) in enumerate(zip(self.parent, self.name, strict=True)):
            if stem := re.fullmatch(r"(.*?)[._-]?\d+", name):
                nodes = [made.nodes[i] for i in members[scope]]
                does = tuple((node.op, tuple(node.shape)) for node in nodes if node.op)
                if does:
                    alike.setdefault((parent, stem[1], does), []).append(scope)
        work = 0
        for (parent, stem, _), scopes in alike.items():
            inside = [i for scope in scopes for i in members[scope]]
            if len(scopes) < REPEATED or (work := work + max(inside) - min(inside)) > WORK:
                continue
            between = enclosed(made, inside)
            if all(self.home[i] == parent for i in between):  # else a fold would hold half of another module
                group = self.add(parent, f"{stem or 'block'} × {len(scopes):,}", len(scopes))
                for scope in scopes:
                    self.parent[scope] = group
                for i in between:
                    self.home[i] = group

    # --- crowds ---

    def _divide_nodes(self, made: Record) -> None:
        crowds: dict[int, list[int]] = {}
        for i, scope in enumerate(self.home):
            crowds.setdefault(scope, []).append(i)
        if all(len(members) <= CROWD for members in crowds.values()):
            return
        depth = depths(made)
        for scope, members in crowds.items():
            if len(members) > CROWD:
                self._stages(sorted(members, key=lambda i: depth[i]), scope, "stage ")

    def _stages(self, members: list[int], scope: int, prefix: str) -> None:
        """Put nodes into stages, and stages into stages, until each has few enough."""
        for k, part in enumerate(split(members, min(STAGES, -(-len(members) // 40))), 1):
            stage = self.add(scope, f"{prefix}{k}")
            if len(part) > CROWD // 2:
                self._stages(part, stage, f"{prefix}{k}.")
            else:
                for i in part:
                    self.home[i] = stage

    def _divide_modules(self) -> None:
        children: dict[int, list[int]] = {}
        for scope, parent in enumerate(self.parent):
            children.setdefault(parent, []).append(scope)
        crowds = [(parent, scopes) for parent, scopes in children.items() if len(scopes) > CROWD]
        while crowds:
            parent, scopes = crowds.pop()
            for part in split(scopes, STAGES):
                group = self.add(parent, f"{plain(self.name[part[0]], 26)} … {plain(self.name[part[-1]], 26)}")
                for scope in part:
                    self.parent[scope] = group
                if len(part) > CROWD // 2:
                    crowds.append((group, part))

    def _parents_first(self) -> None:
        depth: dict[int, int] = {-1: 0}

        def down(scope: int) -> int:
            path = []
            while scope not in depth:
                path.append(scope)
                scope = self.parent[scope]
            for step in reversed(path):
                depth[step] = depth[self.parent[step]] + 1
            return depth[path[0] if path else scope]

        order = sorted(range(len(self.parent)), key=down)
        number = {scope: i for i, scope in enumerate(order)} | {-1: -1}
        self.parent = [number[self.parent[scope]] for scope in order]
        self.name = [self.name[scope] for scope in order]
        self.repeats = [self.repeats[scope] for scope in order]
        self.home = [number[scope] for scope in self.home]


def split(items: list[int], parts: int) -> list[list[int]]:
    """Return items in so many parts, as equal as can be."""
    return [items[k * len(items) // parts : (k + 1) * len(items) // parts] for k in range(parts)]


def enclosed(made: Record, inside: list[int]) -> list[int]:
    """Return the nodes outside that depend on the nodes inside and are depended on by them."""
    member = set(inside)
    after: set[int] = set()
    for i in range(min(inside), max(inside) + 1):
        if i not in member and any(j - 1 in member or j - 1 in after for j in made.nodes[i].operands):
            after.add(i)
    before: set[int] = set()
    for i in range(max(inside), min(inside) - 1, -1):
        if i in member or i in before:
            before.update(j - 1 for j in made.nodes[i].operands if j - 1 not in member)
    return sorted(after & before)


def depths(made: Record) -> list[float]:
    """Return each node's distance from the leaves; leaves stand just before their first use."""
    depth: list[float] = [-1.0] * len(made.nodes)
    first: dict[int, float] = {}
    for node in made.nodes:
        if node.operands:
            i = node.id - 1
            depth[i] = 1 + max(depth[j - 1] for j in node.operands)
            for j in node.operands:
                if not made.nodes[j - 1].operands:
                    first[j - 1] = min(first.get(j - 1, depth[i]), depth[i])
    for leaf, use in first.items():
        depth[leaf] = use - 0.5
    return depth
