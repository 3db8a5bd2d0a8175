"""Saved and restored: the same steps afterwards, bit for bit; and every mismatch by name, before anything changes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.optim import SGD, Adagrad, Adam, AdamW, CosineDecay, Lion, Momentum, Nesterov, Plateau, RMSprop

ALGORITHMS = [SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam, AdamW, Lion]


def parameters():
    rng = np.random.default_rng(0)
    return [
        Value(rng.normal(size=(2, 3)), dtype=np.float32, name="w"),
        Value(rng.normal(size=3), name="b"),
        Value(2.0, name="scale"),
    ]


def train(optimizer, steps):
    w, b, scale = optimizer.parameters
    for _ in range(steps):
        optimizer.zero_grad()
        ((w * scale).sum() ** 2 + (b * b * b).sum()).backward()
        optimizer.step()


def numbers(optimizer):
    return [p.tolist() for p in optimizer.parameters]


@pytest.mark.parametrize("cls", ALGORITHMS)
def test_it_goes_on_bit_for_bit(cls):
    whole = cls(parameters(), 0.01)
    train(whole, 7)
    half = cls(parameters(), 0.01)
    train(half, 3)
    resumed = cls(parameters(), 0.5)  # its rate comes from the state
    for p, q in zip(resumed.parameters, half.parameters, strict=True):
        p.data = q.data
    saved = half.state_dict()
    train(half, 1)  # the saved state is a copy
    resumed.load_state_dict(saved)
    assert (resumed.steps, resumed.learning_rate) == (3, 0.01)
    train(resumed, 4)
    assert numbers(resumed) == numbers(whole)


def test_saved_arrays_are_copies():
    one, other = Momentum(parameters(), 0.01), Momentum(parameters(), 0.01)
    for optimizer in (one, other):
        train(optimizer, 2)
    saved = one.state_dict()
    one.load_state_dict(saved)
    for _ in range(2):
        for entry in saved["parameters"]:
            for x in entry["state"].values():
                if isinstance(x, np.ndarray):
                    x.fill(9.0)
        saved = one.state_dict()
    train(one, 1)
    train(other, 1)
    assert numbers(one) == numbers(other)


def test_only_plain_data_and_arrays():
    optimizer = Adam(parameters(), CosineDecay(0.1, 10), clip_norm=1.0)
    train(optimizer, 2)

    def plain(x):
        return x.tolist() if isinstance(x, np.ndarray) else math.nan

    state = optimizer.state_dict()
    text = json.dumps(state, default=plain)
    assert "NaN" not in text
    assert state["learning_rate"] == {"schedule": "CosineDecay(rate=0.1, steps=10, final=0.0)"}
    assert state["options"] == {"clip_value": None, "clip_norm": 1.0, "betas": (0.9, 0.999), "eps": 1e-8}
    assert [entry["name"] for entry in state["parameters"]] == ["w", "b", "scale"]
    state["options"] = json.loads(json.dumps(state["options"]))  # JSON knows no tuples
    other = Adam(parameters(), CosineDecay(0.1, 10), betas=(0.5, 0.5))
    other.load_state_dict(state)
    assert (other.betas, other.clip_norm) == ((0.9, 0.999), 1.0)


def test_groups_and_plateau():
    def make():
        a, b = Value(1.0), Value(1.0)
        return SGD([{"parameters": [a], "learning_rate": Plateau(0.4, 0.5, 0)}, {"parameters": [b]}], 0.1)

    one, other = make(), make()
    for metric in (1.0, 2.0):
        one.groups[0].learning_rate.update(metric)
    one.groups[1].learning_rate = 0.3
    one.groups[1].weight_decay = 0.2
    assert one.learning_rates() == [0.2, 0.3]
    saved = one.state_dict()
    saved["groups"][0]["learning_rate"] = 0.2
    with pytest.raises(ValueError, match=r"groups\[0\].learning_rate: wanted Plateau\(.*, got 0.2"):
        other.load_state_dict(saved)
    other.load_state_dict(one.state_dict())
    assert other.learning_rates() == [0.2, 0.3]
    assert other.groups[1].weight_decay == 0.2


def broken(change):
    optimizer = Adam(parameters(), 0.1)
    train(optimizer, 2)
    state = optimizer.state_dict()
    change(state)
    return state


def remove(key):
    return lambda s: s.pop(key)


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (remove("steps"), ["the entries steps are missing"]),
        (lambda s: s.update(extra=1), ["the entries extra are unknown"]),
        (lambda s: s.update(algorithm="SGD"), ["algorithm: wanted Adam, got SGD"]),
        (lambda s: s["options"].pop("eps"), ["options: wanted", "got \\['betas', 'clip_norm', 'clip_value'\\]"]),
        (lambda s: s.update(learning_rate=-1.0), ["learning_rate wanted a finite number"]),
        (
            lambda s: s.update(learning_rate={"schedule": "CosineDecay(rate=1, steps=2, final=0)"}),
            [r"learning_rate: wanted 0.1, got CosineDecay\("],
        ),
        (lambda s: s["groups"].append(s["groups"][0]), [r"groups: wanted \[3\] parameters, got \[3, 3\]"]),
        (lambda s: s["parameters"].pop(), ["parameters: wanted 3, got 2"]),
        (
            lambda s: [p.update(shape=[9]) for p in s["parameters"][:2]],
            [r"parameter w: wanted shape \(2, 3\), got \(9,\)", r"parameter b: wanted shape \(3,\), got \(9,\)"],
        ),
        (
            lambda s: s["parameters"][1].update(name="bias", shape=[1]),
            [r"parameter b \(saved as bias\): wanted shape"],
        ),
        (lambda s: s["parameters"][0]["state"].pop("mean"), [r"parameter w: state wanted \['mean', 'mean_square'\]"]),
        (
            lambda s: s["parameters"][0]["state"].update(mean=np.zeros(2), mean_square=np.zeros((2, 3))),
            [r"mean wanted shape \(2, 3\), got \(2,\)", "mean_square wanted dtype float32, got float64"],
        ),
    ],
)
def test_every_mismatch_is_named_and_nothing_changes(change, messages):
    state = broken(change)
    optimizer = Adam(parameters(), 0.1)
    train(optimizer, 1)
    before = json.dumps(optimizer.state_dict(), default=lambda x: x.tolist())
    with pytest.raises(ValueError, match="does not fit this Adam") as error:
        optimizer.load_state_dict(state)
    for message in messages:
        error.match(message)
    assert json.dumps(optimizer.state_dict(), default=lambda x: x.tolist()) == before


def test_not_a_dict():
    with pytest.raises(TypeError, match=r"wanted a dict made by state_dict\(\), got list"):
        SGD(parameters(), 0.1).load_state_dict([])
