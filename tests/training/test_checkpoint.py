"""States in files: nested structures come back, damaged files are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autograd_nn.saving import load_arrays, save_arrays
from autograd_nn.training import load_checkpoint, save_checkpoint
from autograd_nn.training.checkpoint import FORMAT, differences

STATE = {
    "none": None,
    "text": "größe",
    "number": 0.1 + 0.2,
    "nan": float("nan"),
    "infinity": -float("inf"),
    "large": 2**127 + 1,
    "yes": True,
    "list": [1, [2.5, None], {"a": np.arange(3)}],
    "pair": (0.9, (1, np.float32(2))),
    "scalar": np.int32(7),
    "double": np.float64(0.1),
    "array": {"deep/er": np.ones((2, 0), np.float32), "mask": np.array([True, False])},
    "rng": np.random.default_rng(5).bit_generator.state,
    "twister": np.random.RandomState(5).get_state(legacy=False),
    "empty": {},
}


def test_everything_comes_back(tmp_path):
    save_checkpoint(tmp_path / "c", STATE)
    found = load_checkpoint(tmp_path / "c")
    assert np.isnan(found.pop("nan")) and type(found["double"]) is float
    assert not differences("state", {k: v for k, v in STATE.items() if k not in ("nan", "double", "twister")},
                           {k: v for k, v in found.items() if k not in ("double", "twister")})  # fmt: skip
    assert found["double"] == 0.1 and type(found["scalar"]) is np.int32 and type(found["pair"][1][1]) is np.float32
    assert np.array_equal(found["twister"]["state"]["key"], STATE["twister"]["state"]["key"])
    assert np.array_equal(found["list"][2]["a"], np.arange(3))
    assert "array/mask" in load_arrays(tmp_path / "c")[0]  # readable by any tool that knows the format


@pytest.mark.parametrize("bad", [{"f": len}, {"a": [{"b": object()}]}, {1: 2}, {"array:": 1}])
def test_what_is_no_data_is_refused(tmp_path, bad):
    save_checkpoint(tmp_path / "c", {"old": 1})
    with pytest.raises(TypeError, match="a checkpoint"):
        save_checkpoint(tmp_path / "c", bad)
    assert load_checkpoint(tmp_path / "c") == {"old": 1}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "is no checkpoint"),
        ({"format": "another"}, "is no checkpoint of a run: wanted the format"),
        ({"format": FORMAT}, "damaged checkpoint: KeyError"),
        ({"format": FORMAT, "state": "{"}, "damaged checkpoint"),
        ({"format": FORMAT, "state": "[1]"}, "holds no dict"),
        ({"format": FORMAT, "state": json.dumps({"a": {"array:": "missing", "scalar": False}})}, "KeyError 'missing'"),
        ({"format": FORMAT, "state": json.dumps({"a": {"array:": "x"}})}, "damaged"),
        ({"format": FORMAT, "state": '{"a":' * 60 + "1" + "}" * 60}, "nested more than"),
        (
            {"format": FORMAT, "state": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"},
            "damaged checkpoint: RecursionError",
        ),
    ],
)
def test_damaged_checkpoints_are_refused(tmp_path, metadata, message):
    save_arrays(tmp_path / "c", {"x": np.ones(1)}, metadata)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "c")


def test_differences_are_listed():
    mine = {"a": np.ones((2, 3)), "b": 1, "c": {"d": "x"}, "e": 0}
    other = {"a": np.ones((3, 2)), "b": 1.0, "c": {"d": "y"}, "f": 0}
    assert differences("m", mine, other) == [
        "m: e is missing",
        "m: f is not expected",
        "m: a wanted (2, 3) float64, got (3, 2) float64",
        "m: b wanted 1, got 1.0",
        "m: c: d wanted 'x', got 'y'",
    ]
    assert not differences("m", mine, mine)
