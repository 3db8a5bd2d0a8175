"""What the page is given: short, complete, and safe to write as JSON."""

from __future__ import annotations

import json
import math

import numpy as np

from autograd_nn import Value, name_scope
from autograd_nn.visualize.explorer.payload import payload


def test_texts_stand_once(neuron):
    made = payload(neuron)
    assert made["text"][0] == ""
    assert len(made["text"]) == len(set(made["text"]))
    assert made["root"] == len(made["nodes"]) - 1
    assert made["title"] == "graph of o"


def test_json_holds_everything():
    x = Value(np.array([1.0, np.nan, -np.inf]), name="\ud800\u2028")
    z = Value(1 - 2j, name="z")
    both = [(x * 2.0).sum(), Value(np.arange(40.0)).sum(), z * z, Value(np.array([True, False]), requires_grad=False)]
    for root in both[:3]:
        json.loads(json.dumps(payload(root), allow_nan=False))
    assert payload(both[2])["nodes"][0][6] == {"t": "1−2i"}
    assert payload(both[0])["nodes"][0][6] == [1, "NaN", "-Infinity"]


def test_large_arrays_are_summed_up_in_five_digits():
    x = Value(np.linspace(0.0, 1 / 3, 100), name="x")
    made = payload((x * x).sum())
    data = made["nodes"][0][6]
    norm = math.sqrt(99 * 100 * 199 / 6) / 297  # of k / 297, k = 0 … 99
    assert data["m"] == [0.0, 0.16667, 0.33333, float(f"{norm:.5g}")]
    assert len(data["h"]) == 14
    assert len(made["nodes"]) == 3


def test_contributions_are_left_out_where_they_are_all_that_arrives():
    x, y = Value(2.0, name="x"), Value(np.ones(3), name="y")
    single = payload((y * 3.0).sum())
    assert all(len(edge) <= 3 or edge[3] is None for _, edges in single["back"] for edge in edges)
    shared = payload(x * x)
    assert [edge[3] for _, edges in shared["back"] for edge in edges] == [2.0, 2.0]


def test_modules_with_their_parents_first():
    x = Value(1.0, name="x")
    with name_scope("net"), name_scope("layer0"):
        y = x * 2.0
    with name_scope("net"):
        y = y + 1.0
    made = payload(y * 3.0)
    names = [(parent, made["text"][name]) for parent, name in made["scopes"]]
    assert names == [(-1, "net"), (0, "layer0")]
    assert all(parent < i for i, (parent, _) in enumerate(made["scopes"]))


def test_no_backward_pass_is_explained():
    made = payload([Value(1.0) * 2, Value(2.0) * 3])
    assert made["back"] == []
    assert "one output" in made["note"]
