"""What is compiled computes what eager code computes, and the example says what it left out."""

import importlib
import importlib.util

import numpy as np
import pytest

pytest.importorskip("sklearn")

from examples import compiling


def test_all_ways_give_the_same_numbers(capsys):
    result = compiling.main()
    assert result["accuracy"] > 0.9
    assert result["numpy_difference"] == 0 and result["numpy_accuracy"] == result["accuracy"]
    assert result["hvp_difference"] < 1e-12
    assert result["plan"] == "tape" and result["tape_difference"] < 1e-9
    assert "tanh(" in result["plan_text"]
    printed = capsys.readouterr().out
    if importlib.util.find_spec("numba"):
        assert result["native_difference"] < 1e-4 and abs(result["native_accuracy"] - result["accuracy"]) < 0.005
        assert "left out" not in printed
    assert printed.count("× the time of eager code") >= 3


def test_without_numba_it_says_so(capsys, monkeypatch):
    find = importlib.import_module

    def without(name, package=None):
        if name == "numba":
            raise ImportError(name)
        return find(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    monkeypatch.setattr(compiling, "STEPS", 5)
    monkeypatch.setattr(compiling, "REPEATS", 2)
    result = compiling.training_step()
    assert result["numpy_difference"] == 0 and "native_difference" not in result
    assert 'native: left out. compile(backend="native") wanted Numba' in capsys.readouterr().out


def test_the_hessian_of_rosenbrock_is_known():
    x = np.array([-1.2, 1.0])
    assert np.allclose(compiling.hvp(compiling.rosenbrock)(x, np.array([1.0, 0.0])), [1330.0, 480.0])
