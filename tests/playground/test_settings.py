"""Whatever a page sends becomes settings within their limits, or a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.losses import LOSSES as ALL_LOSSES
from autograd_nn.nn import ACTIVATIONS as ALL_ACTIVATIONS
from autograd_nn.playground.settings import ACTIVATIONS, FEATURES, LIMITS, LOSSES, Settings


def test_the_usual_settings_survive_the_way_through_json():
    assert Settings.of(json.loads(json.dumps(Settings().to_dict()))) == Settings()
    assert Settings.of({}) == Settings()


def test_numbers_become_what_they_are():
    made = Settings.of({"points": 100.0, "noise": 0, "batch_size": None, "hidden": [], "features": ["x2", "x1"]})
    assert (made.points, made.noise, made.batch_size, made.hidden) == (100, 0.0, None, ())
    assert type(made.points) is int and type(made.noise) is float
    assert made.features == ("x1", "x2")  # in the order of the page


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([], "names and values"),
        ({"speed": 1}, "no setting 'speed'"),
        ({"data": "iris"}, "data wanted one of moons"),
        ({"data": ["moons"]}, "data wanted one of"),
        ({"init": "zero"}, "standard_normal"),
        ({"optimizer": None}, "optimizer wanted"),
        ({"loss": "ssr"}, "loss wanted"),
        ({"points": 19}, "points wanted a number from 20 to 2,000, got 19"),
        ({"points": 20.5}, "whole number"),
        ({"points": True}, "points wanted a number"),
        ({"learning_rate": float("nan")}, "learning rate wanted a number"),
        ({"learning_rate": -1}, "learning rate wanted a number from 0"),
        ({"learning_rate": "0.1"}, "learning rate wanted a number"),
        ({"weight_decay": None}, "weight decay wanted a number"),
        ({"batch_size": 0}, "batch size wanted a number from 1"),
        ({"test": 1}, "test wanted a number from 0.1 to 0.9"),
        ({"seed": 10**9}, "seed"),
        ({"features": []}, "one feature or more"),
        ({"features": ["x3"]}, "no feature 'x3'"),
        ({"features": "x1"}, "list of names"),
        ({"hidden": [400]}, "up to 6 hidden layers of 1 to 8 neurons"),
        ({"hidden": [4] * 7}, "up to 6 hidden layers"),
        ({"hidden": [True]}, "up to 6 hidden layers"),
        ({"hidden": 4}, "up to 6 hidden layers"),
        ({"columns": ["a", "b"]}, "two features and of the target"),
        ({"columns": ["a", "b", "c" * 20_001]}, "two features and of the target"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(given, fault):
    with pytest.raises((TypeError, ValueError), match=".") as caught:
        Settings.of(given)
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 400


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Settings().to_dict())) | st.text(), anything, max_size=4))
def test_nothing_that_is_sent_gets_out_of_the_limits(given):
    try:
        made = Settings.of(given)
    except (TypeError, ValueError):
        return
    for name, (low, high) in LIMITS.items():
        value = getattr(made, name, None)
        assert value is None or low <= value <= high
    assert len(made.hidden) <= LIMITS["layers"][1] and set(made.features) <= set(FEATURES)
    json.dumps(made.to_dict(), allow_nan=False)


def test_choices_are_those_of_the_library():
    assert set(ACTIVATIONS) <= set(ALL_ACTIVATIONS)
    assert {name for row in LOSSES.values() for name in row} <= set(ALL_LOSSES)
