"""What the page of a run holds, and how much of it."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.plot.microscope.page import scene_of
from autograd_nn.plot.microscope.run import FIELDS, NUMBERS, Run, RunPage, in_full, lattice, page_data, spoken, told
from autograd_nn.plot.microscope.step import Step, compare, weights_of


def run_of(model, count: int, X=None, y=None, given: bool = True) -> Run:
    """A run in which all weights grow."""
    steps = []
    start = weights_of(model)
    for i in range(count):
        weights = {path: array * (1 + i / 10) for path, array in start.items()}
        steps.append(Step(i, 1, 1 / (i + 1), weights, {path: np.ones_like(a) for path, a in start.items()}))
    losses = [(s.step, s.loss) for s in steps]
    return Run(steps, losses, [(count, 0.25)], {0: "packed"}, model, X, y, given)


def test_layers_are_parameters_of_the_page():
    x = np.linspace(-1, 1, 9)
    scene, data = page_data(run_of(nn.MLP([1, 3, 1], rng=0), 4, x, x**2), None)
    assert scene is not None
    assert [p["name"] for p in data["parameters"]] == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
    ]  # fmt: skip
    assert data["refs"][0] == [0, 1]
    assert all("net" not in step and "field" not in step for step in data["steps"])
    assert [len(w) for w in data["steps"][0]["w"]] == [3, 3, 3, 1]
    assert data["curve"] == [[0, 1, 2, 3], [1, 0.5, 0.33333, 0.25]]
    assert data["validation"] == [[4], [0.25]]
    assert [("graph" in step) for step in data["steps"]] == [True, False, False, False]


def test_layers_whose_biases_are_equal_are_told_apart():
    _, data = page_data(run_of(nn.MLP([1, 2, 2, 2], rng=0), 2, np.arange(3.0)), None)
    assert data["refs"] == [[0, 1], [2, 3], [4, 5]]


def test_models_that_are_no_chain_have_fields():
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.BatchNorm(4), nn.ReLU(), nn.Linear(4, 3, rng=1))
    x, y = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 3
    scene, data = page_data(run_of(model, 6, x, y), None)
    assert data["layers"] is None
    assert data["decision"] == "logits"
    for step in data["steps"]:
        assert len(step["field"]) == 3
        assert all(len(field) == data["side"] ** 2 for field in step["field"])
    points = lattice(scene, data["side"])
    for p, (path, array) in zip(model.parameters(), run_of(model, 6).steps[2].weights.items(), strict=False):
        if path.startswith("layers.0"):
            p.data = array
    assert points[0].tolist() == [scene.span[0][0], scene.span[1][1]]  # the upper left corner


def test_fields_are_those_of_the_engine():
    model = nn.Sequential(
        nn.Linear(1, 4, dtype=float, rng=0), nn.LayerNorm(4, dtype=float), nn.Linear(4, 1, dtype=float, rng=1)
    )
    scene, data = page_data(run_of(model, 3, np.linspace(0, 1, 5)), None)
    wanted = model(lattice(scene, 0)).data[:, 0]
    np.testing.assert_allclose(data["steps"][0]["field"][0], wanted, rtol=1e-2, atol=1e-3)


def test_networks_too_large_for_the_microscope_have_fields():
    _, data = page_data(run_of(nn.MLP([1, 300, 1], rng=0), 2, np.arange(5.0)), None)
    assert data["layers"] is None
    assert len(data["steps"][0]["field"][0]) == 161


def test_inputs_that_are_no_measurements():
    """Two words in a row are no plane, which is found out by trying."""
    model = nn.Sequential(nn.Embedding(9, 2, rng=0), nn.Flatten(), nn.Linear(4, 1, rng=0))
    scene, data = page_data(run_of(model, 2, np.ones((3, 2), int), given=False), None)
    assert scene is None
    assert data["note"]


def test_pages_are_bounded():
    """However many steps, parameters and outputs there are."""
    x, y = np.random.default_rng(0).normal(size=(600, 2)), np.arange(600) % 8
    wide = nn.Sequential(nn.Linear(2, 400, rng=0), nn.LayerNorm(400), nn.Linear(400, 8, rng=1))
    run = run_of(wide, 60, x, y)
    _, data = page_data(run, None)
    assert sum(len(field) for step in data["steps"] for field in step["field"]) <= FIELDS
    full = sum(len(v) for step in data["steps"] for v in step["w"] + step["g"] if isinstance(v, list))
    assert full <= NUMBERS
    assert len(RunPage(run, "run", None, 500).html.encode()) < 1_500_000


def test_numbers_in_full_as_long_as_there_are_few():
    steps = [Step(0, 0, 0.0, {"small": np.zeros(10), "large": np.zeros(5000), "middle": np.zeros(4000)}, {})] * 10
    assert in_full(steps, list(steps[0].weights)) == {"small", "middle"}


def test_what_is_told_of_large_arrays():
    x = np.array([0.0, 3.0, 4.0, np.nan, np.inf])
    summary = told(x, False)
    assert summary["m"] == [0, 2.3333, 4, 5, 1, 1]
    assert sum(summary["h"]) == 3
    assert told(x, True) == [0, 3, 4, "NaN", "Infinity"]
    assert told(np.array([np.nan]), False)["m"] == [0, 0, 0, 0, 1, 0]


def test_data_that_do_not_fit():
    model = nn.MLP([2, 3, 1], rng=0)
    with pytest.raises(ValueError, match="wanted x of shape"):
        page_data(run_of(model, 2, np.arange(5.0), None), None)
    scene, data = page_data(run_of(model, 2, np.arange(5.0), None, given=False), None)
    assert scene is None
    assert data["note"].startswith("Without a picture of the outputs: ")
    assert data["span"] is None


def test_in_words():
    text = spoken(run_of(nn.MLP([1, 2, 1], rng=0), 30), "training of MLP")
    lines = text.splitlines()
    assert lines[0] == "training of MLP: 30 steps kept, up to step 29"
    assert lines[1] == "  start, loss 1, gradient 2.646"
    assert len([line for line in lines if "loss" in line]) == 12
    assert lines[-1].startswith("  layers.")


def test_scene_is_that_of_the_data():
    x = np.arange(6.0).reshape(3, 2)
    scene, _ = page_data(run_of(nn.MLP([2, 3, 1], rng=0), 2, x, [0, 1, 0]), ["no", "yes"])
    assert scene is not None
    assert scene.classes == ["no", "yes"] == scene_of(x, [0, 1, 0], "Replay", 1, ["no", "yes"]).classes


# --- JavaScript without a page --------------------------------------------------------------------------------------


def test_steps_are_compared_in_the_page_as_in_python(javascript):
    run = run_of(nn.MLP([2, 3, 1], dtype=float, rng=0), 5)
    _, data = page_data(run, None)
    code = "const r = Replay.decode(given); say(Replay.compare(r.parameters, r.steps[0], r.steps[4]))"
    told_by_page = {row["name"]: row for row in javascript(code, data)}
    for wanted in compare(run.steps[0], run.steps[4]):
        row = told_by_page[wanted.path]
        assert row["change"] == pytest.approx(wanted.change, rel=1e-5)
        assert row["relative"] == pytest.approx(wanted.relative, rel=1e-5) or np.isnan(wanted.relative)
        assert row["most"] == pytest.approx(wanted.largest, rel=1e-5)
        assert tuple(row["at"]) == wanted.place


def test_words_of_a_step(javascript):
    run = run_of(nn.MLP([1, 2, 1], dtype=float, rng=0), 3)
    run.steps[2].gradients["layers.0.bias"][:] = 0.0
    run.steps[2].gradients["layers.1.bias"][:] = np.nan
    run.steps[2].gradients["layers.1.weight"][:] = 1e-9
    run.steps[2].gradients["layers.0.weight"][:] = 1e4
    _, data = page_data(run, None)
    code = """const r = Replay.decode(given); say({said: r.steps.map((_, i) => Replay.describe(r, i)),
      mean: Replay.running([0, 3, 6, 9], 1)})"""
    told_by_page = javascript(code, data)
    first, second, third = told_by_page["said"]
    assert first["sentence"] == "At the start: loss 1.0, gradient of norm 2.646."
    assert second["sentence"] == "After 1 step, in epoch 1: loss 0.5, 50.0 % of the first one, gradient of norm 2.646."
    assert dict(third["troubles"]) == {
        "layers.0.weight": {"level": "hot", "text": "exploding"},
        "layers.0.bias": {"level": "cold", "text": "gradient is 0"},
        "layers.1.weight": {"level": "cold", "text": "vanishing"},
        "layers.1.bias": {"level": "bad", "text": "NaN"},
    }
    assert told_by_page["mean"] == [1.5, 3, 6, 7.5]
