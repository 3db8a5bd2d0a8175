"""The explorer in a real browser, and graphs to look at."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value, name_scope, nn
from autograd_nn.visualize.explorer.explorer import Explorer


@pytest.fixture
def explore(open_file, tmp_path):
    """Open the explorer of a graph and wait until it is ready."""
    count = 0

    def explore(source, **options):
        nonlocal count
        count += 1
        page = open_file(Explorer(source).save(tmp_path / f"explorer{count}.html"), **options)
        page.wait_for_selector("[data-ready='1']", state="attached")
        return page

    return explore


@pytest.fixture
def mlp():
    """The loss of a multilayer perceptron on random data."""

    def mlp(*sizes, samples=8, seed=0, spoil=None):
        rng = np.random.default_rng(seed)
        model = nn.MLP(list(sizes), rng=seed)
        if spoil:
            spoil(model)
        x = Value(rng.normal(size=(samples, sizes[0])), name="X", requires_grad=False)
        out = model(x.astype(np.float32))
        with name_scope("loss"):
            error = out - rng.normal(size=(samples, sizes[-1])).astype(np.float32)
            loss = (error * error).mean()
        loss.name = "loss"
        return loss

    return mlp


@pytest.fixture
def random_graph():
    """A graph of scalars in which nodes are used more than once, and its nodes by name."""

    def random_graph(seed: int):
        rng = np.random.default_rng(seed)
        nodes = [Value(round(float(rng.uniform(-2, 2)), 3), name=f"x{i}") for i in range(rng.integers(2, 5))]
        for i in range(rng.integers(5, 12)):
            a, b = (nodes[j] for j in rng.integers(0, len(nodes), 2))
            made = [lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a - b, lambda a, _: a.tanh()]
            made += [lambda a, _: a * a, lambda a, _: (a * 0.5).exp(), lambda a, b: a / (b * b + 1.0)]
            with name_scope(f"part{i % 2}"):
                nodes.append(made[rng.integers(0, len(made))](a, b))
            nodes[-1].name = f"v{i}"
        used = {id(parent) for node in nodes for parent in node.parents}
        last = [node for node in nodes if id(node) not in used]
        root = last[0]
        for node in last[1:]:
            root = root + node
        root = root * 1.0 + nodes[0]
        root.name = "root"
        return root

    return random_graph
