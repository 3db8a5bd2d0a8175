"""Modules as the explorer folds them."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value, name_scope, nn
from autograd_nn.visualize.explorer.scopes import Scopes
from autograd_nn.visualize.record import record


def paths(scopes: Scopes) -> list[str]:
    """Each module's whole name."""
    found: list[str] = []
    for parent, name in zip(scopes.parent, scopes.name, strict=True):
        found.append(f"{found[parent]}/{name}" if parent >= 0 else name)
    return found


def loss(model, features):
    x = Value(np.random.default_rng(0).normal(size=(2, *features)).astype(np.float32), name="X", requires_grad=False)
    return (model(x) ** 2).mean()


def test_parents_come_first():
    made = record(loss(nn.Sequential(*[nn.TransformerEncoderBlock(8, 2, rng=i) for i in range(3)]), (5, 8)))
    scopes = Scopes(made)
    assert all(parent < i for i, parent in enumerate(scopes.parent))
    assert len(scopes.home) == len(made.nodes)
    assert all(-1 <= home < len(scopes.name) for home in scopes.home)


def test_small_graphs_are_left_as_they_are():
    made = record(loss(nn.MLP([4, 4, 4, 4, 4], rng=0), (4,)))
    scopes = Scopes(made)
    assert not any(scopes.repeats)
    assert paths(scopes) == ["mlp", "mlp/layers.0", "mlp/layers.1", "mlp/layers.2", "mlp/layers.3"]


def test_repeated_blocks_are_rolled_up():
    blocks = nn.Sequential(*[nn.TransformerEncoderBlock(8, 2, rng=i) for i in range(12)])
    scopes = Scopes(record(loss(blocks, (5, 8))))
    (group,) = [i for i, n in enumerate(scopes.repeats) if n == 12]
    assert paths(scopes)[group] == "sequential/layers × 12"
    assert [scopes.name[i] for i, parent in enumerate(scopes.parent) if parent == group] == [
        f"layers.{i}" for i in range(12)
    ]


def test_what_stands_between_repeated_blocks_goes_with_them():
    """The activations of an MLP are its own, not its layers': outside, they would be before the fold and behind it."""
    made = record(loss(nn.MLP([4, *[8] * 20, 1], activation="tanh", rng=0), (4,)))
    scopes = Scopes(made)
    (group,) = [i for i, n in enumerate(scopes.repeats) if n]
    assert scopes.name[group] == f"layers × {scopes.repeats[group]}"
    assert scopes.repeats[group] >= 18
    inside = {group} | {i for i, parent in enumerate(scopes.parent) if parent == group}
    held = {node.id for node, home in zip(made.nodes, scopes.home, strict=True) if home in inside}
    assert sum(made.nodes[i - 1].op == "tanh" for i in held) == scopes.repeats[group] - 1
    leaves = {node.id for node in made.nodes if not node.op}
    below: set[int] = set()  # what comes out of the fold does not go in again
    for node in made.nodes:
        if node.id not in held and (below | held) & set(node.operands):
            below.add(node.id)
        if node.id in held:
            assert not below & set(node.operands) - leaves


def test_blocks_around_another_module_are_not_rolled_up():
    """A fold of a.0, a.1, … would have the norms between them in front of it and behind it."""
    y = Value(1.0, name="x")
    for i in range(20):
        with name_scope(f"a.{i}"):
            y = y * 1.1 + 0.1
        with name_scope("norm"):
            y = y.tanh()
    assert not any(Scopes(record(y)).repeats)


def test_blocks_that_differ_are_not_rolled_up():
    y = Value(1.0, name="x")
    for i in range(20):
        with name_scope(f"a.{i}"):
            for _ in range(i + 1):
                y = y * 1.1
    assert not any(Scopes(record(y)).repeats)


def test_crowds_are_divided_into_stages():
    y = Value(1.0, name="x")
    for _ in range(3000):
        y = y * 1.001
    scopes = Scopes(record(y))
    members: dict[int, int] = {}
    for home in scopes.home:
        members[home] = members.get(home, 0) + 1
    assert max(members.values()) <= 75
    top = [name for name, parent in zip(scopes.name, scopes.parent, strict=True) if parent < 0]
    assert top == [f"stage {i}" for i in range(1, 13)]


@pytest.mark.parametrize("count", [151, 3000])
def test_crowds_of_modules_are_divided(count):
    y = Value(1.0, name="x")
    for i in range(count):
        with name_scope(f"part{'ab'[i % 2]}{i}"):  # no two neighbours alike
            y = y * 1.001 if i % 2 else y + 0.001
    scopes = Scopes(record(y))
    children: dict[int, int] = {}
    for parent in scopes.parent:
        children[parent] = children.get(parent, 0) + 1
    assert max(children.values()) <= 150
    assert sum(name.startswith("part") and "…" not in name and "×" not in name for name in scopes.name) == count


def test_names_are_text():
    with name_scope("</script>"), name_scope("x" * 10_000), name_scope("\u202eevil"):
        y = Value(1.0, name="x") * 2.0
    names = Scopes(record(y)).name
    assert names[:2] == ["<", "script>"]
    assert len(names[2]) == 60
    assert "\u202e" not in "".join(names)
