"""Networks that were trained, and the page in a real browser."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from autograd_nn import data, nn, optim, plot
from autograd_nn.training import fit


@functools.cache
def squiggle():
    """Two softplus neurons that say: no effect in a small dose, one in a middle dose, none in a large one."""
    dose, effect = np.array([[0.0], [0.5], [1.0]]), np.array([[0.0], [1.0], [0.0]])
    model = nn.MLP([1, 2, 1], activation="softplus", init="standard_normal", dtype=float, rng=3)
    adam = optim.Adam(model.parameters(), learning_rate=0.05)
    fit(model, (dose, effect), "mse", adam, epochs=1500, batch_size=None, progress=False)
    return model, dose, effect


@functools.cache
def xor():
    """Four tanh neurons that solve XOR, and the replay of how they learnt it."""
    square, label = data.xor()
    model = nn.MLP([2, 4, 1], activation="tanh", init="standard_normal", dtype=float, rng=0)
    adam = optim.Adam(model.parameters(), learning_rate=0.05)
    replay = plot.Replay()
    targets = label[:, None].astype(float)
    fit(
        model, (square, targets), "binary_cross_entropy", adam, epochs=500, batch_size=None, progress=False,
        callbacks=replay,
    )  # fmt: skip
    return model, square, label, replay


@pytest.fixture
def dose():
    return squiggle()


@pytest.fixture
def solved():
    return xor()


@pytest.fixture
def look(open_file, tmp_path):
    """Open the page of a microscope or a replay, and wait until it is ready."""
    count = 0

    def look(page_object, **options):
        nonlocal count
        count += 1
        page = open_file(page_object.save(tmp_path / f"page{count}.html"), **options)
        page.wait_for_selector("[data-ready='1']", state="attached")
        return page

    return look


SCRIPTS = """
const fs = require('fs'), vm = require('vm');
for (const name of ['../../visualize/explorer/timeline.js', '../../visualize/explorer/formula.js',
  '../../visualize/explorer/elements.js', 'network.js', 'chart.js', 'lens.js', 'replay.js'])
  vm.runInThisContext(fs.readFileSync(name, 'utf8'), name);
const given = JSON.parse(fs.readFileSync(0, 'utf8'));
const say = x => console.log(JSON.stringify(x));
"""


@pytest.fixture
def javascript(node):
    """Run the page's JavaScript without a page: code that calls `say` once, and data that it finds as `given`."""
    return lambda code, given=None: json.loads(node(SCRIPTS + code, json.dumps(given), folder="plot/microscope"))
