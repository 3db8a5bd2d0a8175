"""Large graphs folded to a few boxes, so that they can be drawn at all, and read.

Three ways, the finest that fits: runs of ops in single file become one box; then each module (scope) becomes one, the
deepest first, and modules that repeat each other become one together ("layer × 12"); then the graph is cut into stages
by depth. Runs and stages never make a cycle of boxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..graph import Graph, Node

__all__ = ["Box", "fold", "fold_modules", "owners"]

MAX_DEPTH = 8  # names in a scope; deeper ones are folded from here on
REPEATED = 3  # modules alike, from which on they are rolled up
SHOWN = 4  # leaves of a module without ops, up to which they are shown one by one


class Box(NamedTuple):
    """What is drawn as one: a single node if `title` is "", else a folded part of the graph.

    `repeats` says how many modules that are alike it holds, and `each` the ops of one of them; what stands between
    them is in `nodes` too.
    """

    title: str
    nodes: list[Node]
    scope: str | None
    repeats: int = 1
    each: tuple[str, ...] = ()


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
    scopes = owners(graph)
    for level in range(min(deepest, MAX_DEPTH), 0, -1):
        yield modules(graph, consumers, scopes, level)
    for level in range(min(deepest, MAX_DEPTH), 0, -1):
        boxes, rest = module_boxes(graph, consumers, scopes, level)
        yield in_order(graph, boxes + list(outside(graph, rest)))
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


def fold_modules(graph: Graph, depth: int) -> list[Box]:
    """Fold each module that is more than `depth` names deep; show every other node."""
    boxes, rest = module_boxes(graph, count_consumers(graph), owners(graph), depth + 1)
    return in_order(graph, boxes + [Box("", [node], node.scope) for node in rest])


def modules(graph: Graph, consumers: dict[Node, set[Node]], scopes: dict[Node, str | None], level: int) -> list[Box]:
    """Fold each scope to one box, down to `level` names deep; what has no scope, in runs."""
    boxes, rest = module_boxes(graph, consumers, scopes, level)
    return runs(graph, consumers, rest, boxes)


def module_boxes(
    graph: Graph, consumers: dict[Node, set[Node]], scopes: dict[Node, str | None], level: int
) -> tuple[list[Box], list[Node]]:
    """Return a box for each scope, or for several that are alike, and the nodes that are in none."""
    outputs = set(graph.outputs)
    inside: dict[str, list[Node]] = {}
    home: dict[Node, str] = {}
    rest = []
    for node in graph.nodes:
        scope = scopes[node]
        if scope and node not in outputs and len(path := scope.split("/")) >= level:
            home[node] = "/".join(path[:level])
            inside.setdefault(home[node], []).append(node)
        else:
            rest.append(node)
    for path in [path for path, nodes in inside.items() if few_leaves(nodes)]:
        rest += inside.pop(path)
    boxes = list(rolled_up(inside))
    box_of = {home[box.nodes[0]]: i for i, box in enumerate(boxes)}
    box_of |= {home[node]: i for i, box in enumerate(boxes) if box.repeats > 1 for node in box.nodes}
    rest = absorbed(graph, consumers, boxes, rest)
    left = []
    for node in rest:  # an unnamed number belongs to the only box that uses it
        users = consumers[node] if node.op is None and not node.name and node not in outputs else ()
        used_in = {box_of.get(home.get(user, "")) for user in users}
        if len(used_in) == 1 and (i := used_in.pop()) is not None:
            boxes[i].nodes.append(node)
        else:
            left.append(node)
    return boxes, left


def few_leaves(nodes: list[Node]) -> bool:
    """Are they parameters of an output's module, say, and so few that they are better shown than folded?"""
    return len(nodes) <= SHOWN and all(node.op is None for node in nodes)


def absorbed(graph: Graph, consumers: dict[Node, set[Node]], boxes: list[Box], rest: list[Node]) -> list[Node]:
    """Move ops between modules that were rolled up, such as activations, to their box; return the others."""
    rolled = [box for box in boxes if box.repeats > 1]
    if not rolled:
        return rest
    outputs = set(graph.outputs)
    beside: dict[str | None, list[Node]] = {}
    position = {node: i for i, node in enumerate(graph.nodes)}
    for node in sorted(rest, key=position.__getitem__):
        if node.op is not None and node not in outputs:
            beside.setdefault(node.scope or None, []).append(node)
    taken: set[Node] = set()
    for box in rolled:
        nodes = [node for node in beside.get(box.scope, ()) if node not in taken]
        after, before = set(box.nodes), set(box.nodes)
        for node in nodes:
            if not after.isdisjoint(node.parents):
                after.add(node)
        for node in reversed(nodes):
            if not before.isdisjoint(consumers[node]):
                before.add(node)
        between = [node for node in nodes if node in after and node in before]
        box.nodes.extend(between)
        taken.update(between)
    return [node for node in rest if node not in taken]


def outside(graph: Graph, rest: list[Node]) -> Iterator[Box]:
    """Put what is in no module in one box, except for outputs and named leaves."""
    outputs = set(graph.outputs)
    shown = [node for node in rest if node in outputs or (node.op is None and node.name)]
    yield from (Box("", [node], node.scope) for node in shown)
    if len(shown) < len(rest):
        seen = set(shown)
        nodes = [node for node in rest if node not in seen]
        count = sum(node.op is not None for node in nodes)
        yield Box(f"{count:,} ops outside of modules", nodes, None)


def rolled_up(inside: dict[str, list[Node]]) -> Iterator[Box]:
    """Put modules together that stand side by side, are numbered, and do the same: "layer × 12"."""
    alike: dict[Any, list[str]] = {}
    for scope, nodes in inside.items():
        parent, _, last = scope.rpartition("/")
        stem = re.fullmatch(r"(.*?)[._-]?\d+", last)
        kind = (parent, stem[1], signature(nodes)) if stem else (parent, scope, ())
        alike.setdefault(kind, []).append(scope)
    for (parent, stem, _), scopes in alike.items():
        if len(scopes) < REPEATED:
            yield from (Box(scope, inside[scope], parent or None) for scope in scopes)
        else:
            title = f"{stem or 'block'} × {len(scopes):,}"
            nodes = [node for scope in scopes for node in inside[scope]]
            each = tuple(node.op.name for node in inside[scopes[0]] if node.op is not None)
            yield Box(f"{parent}/{title}" if parent else title, nodes, parent or None, len(scopes), each)


def signature(nodes: list[Node]) -> Any:
    """Return what modules must have in common to be alike: the same ops on the same shapes."""
    return tuple((node.op.name, node.shape) for node in nodes if node.op is not None)


def owners(graph: Graph) -> dict[Node, str | None]:
    """Return each node's scope; a parameter or constant that has none gets what the ops that use it have in common.

    So does a parameter whose module was called inside another scope: "net/layer0", used in "experiment/net/layer0".
    """
    scopes = {node: node.scope or None for node in graph.nodes}
    users: dict[Node, list[str]] = {}
    for node in graph.nodes:
        for parent in node.parents:
            wanted = parent.requires_grad or not (parent.name or parent.shape)  # no input
            if parent.op is None and (parent.scope or wanted):
                users.setdefault(parent, []).append(node.scope or "")
    for leaf, paths in users.items():
        common = paths[0].split("/")
        for path in paths:
            parts = path.split("/")
            same = (a == b for a, b in zip(common, parts, strict=False))
            common = common[: next((i for i, equal in enumerate(same) if not equal), len(parts))]
        path = "/".join(common)
        if not leaf.scope or path.endswith(f"/{leaf.scope}"):
            scopes[leaf] = path or None
    return scopes


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
