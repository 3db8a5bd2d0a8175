"""Large graphs folded to a few boxes, so that they can be drawn at all, and read.

Three ways, the finest that fits: runs of ops in single file become one box; then each module (scope) becomes one, the
deepest first; then the graph is cut into stages by depth. Runs and stages never make a cycle of boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..graph import Graph, Node

__all__ = ["Box", "fold"]


MAX_DEPTH = 8  # names in a scope; deeper ones are folded from here on


class Box(NamedTuple):
    """What is drawn as one: a single node if `title` is "", else a folded part of the graph."""

    title: str
    nodes: list[Node]
    scope: str | None


def fold(graph: Graph, limit: int = 150) -> list[Box]:
    """Return at most `limit` boxes that hold each node once, in topological order of their first nodes.

    Outputs stay visible, unless they alone are too many.
    """
    boxes: list[Box] = []
    for boxes in partitions(graph, limit):
        if len(boxes) <= limit:
            break
    return boxes


def partitions(graph: Graph, limit: int) -> Iterator[list[Box]]:
    consumers = count_consumers(graph)
    yield runs(graph, consumers, list(graph.nodes), [])
    deepest = max((node.scope.count("/") + 1 for node in graph.nodes if node.scope), default=0)
    for level in range(min(deepest, MAX_DEPTH), 0, -1):
        yield modules(graph, consumers, level)
    yield stages(graph, limit)


def count_consumers(graph: Graph) -> dict[Node, set[Node]]:
    consumers: dict[Node, set[Node]] = {node: set() for node in graph.nodes}
    for node in graph.nodes:
        for parent in node.parents:
            consumers[parent].add(node)
    return consumers


def runs(graph: Graph, consumers: dict[Node, set[Node]], nodes: list[Node], others: list[Box]) -> list[Box]:
    """Fold ops in single file, with the unnamed leaves that only they use; add the other boxes."""
    outputs = set(graph.outputs)
    inner = {node for node in nodes if not node.name and node not in outputs and len(consumers[node]) == 1}
    run_of: dict[Node, list[Node]] = {}
    for node in nodes:
        run = run_of[node] = [node]
        if node.op is None or node.name or node in outputs:
            continue
        before = {parent for parent in node.parents if parent.op is not None}
        if len(before) == 1:
            (parent,) = before
            if parent in inner and parent.scope == node.scope:
                run = run_of[node] = run_of[parent]
                run.append(node)
        for parent in dict.fromkeys(node.parents):
            if parent.op is None and parent in inner:
                run_of[parent] = run
                run.append(parent)
    boxes = list(others)
    for run in {id(run): run for run in run_of.values()}.values():
        ops = sum(node.op is not None for node in run)
        if ops > 1:
            boxes.append(Box(f"{ops:,} ops in a row", run, run[0].scope))
        else:
            boxes += [Box("", [node], node.scope) for node in run]
    return in_order(graph, boxes)


def modules(graph: Graph, consumers: dict[Node, set[Node]], level: int) -> list[Box]:
    """Fold each scope to one box, down to `level` names deep; what has no scope, in runs."""
    outputs = set(graph.outputs)
    inside: dict[str, list[Node]] = {}
    rest = []
    for node in graph.nodes:
        if node.scope and node not in outputs and len(path := node.scope.split("/")) >= level:
            inside.setdefault("/".join(path[:level]), []).append(node)
        else:
            rest.append(node)
    boxes = [Box(scope, nodes, scope.rpartition("/")[0] or None) for scope, nodes in inside.items()]
    return runs(graph, consumers, rest, boxes)


def stages(graph: Graph, limit: int) -> list[Box]:
    """Cut the graph into stages by depth: how many ops lie between a node and the leaves."""
    depth: dict[Node, int] = {}
    for node in graph.nodes:
        depth[node] = 1 + max((depth[parent] for parent in node.parents), default=-1)
    first_use: dict[Node, int] = {}
    for node in graph.nodes:
        for parent in node.parents:
            if parent.op is None:
                first_use[parent] = min(first_use.get(parent, depth[node]), depth[node])
    for leaf, use in first_use.items():  # leaves stand just before their first use
        depth[leaf] = use - 1
    deepest = max(depth.values(), default=0)
    share = max(1, limit // 3)
    count = min(share, deepest + 1)
    outputs = set(graph.outputs)
    visible = outputs if len(outputs) <= share else set()
    leaves = [node for node in graph.leaves if node.name and node not in visible]
    if len(leaves) <= share:
        visible = visible.union(leaves)
    parts: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node not in visible:
            parts.setdefault(depth[node] * count // (deepest + 1), []).append(node)
    boxes = [Box(f"stage {i} of {len(parts)}", parts[part], None) for i, part in enumerate(sorted(parts), 1)]
    boxes += [Box("", [node], node.scope) for node in graph.nodes if node in visible]
    return in_order(graph, boxes)


def in_order(graph: Graph, boxes: list[Box]) -> list[Box]:
    position = {node: i for i, node in enumerate(graph.nodes)}
    return sorted(boxes, key=lambda box: position[box.nodes[0]])
