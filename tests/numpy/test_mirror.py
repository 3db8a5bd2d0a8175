import inspect

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value
from autograd_nn.numpy.mirror import Mirror, differentiable


def test_arrays_go_to_numpy_with_all_its_arguments():
    out = np.zeros(3)
    assert anp.exp(np.zeros(3), out=out) is out
    assert out.tolist() == [1.0, 1.0, 1.0]
    assert anp.sum(np.ones(4), where=[True, False, True, True]) == 3.0
    assert anp.unique([2, 1, 2]).tolist() == [1, 2]
    assert anp.sum([1, 2], dtype=np.int8).dtype == np.int8


def test_python_numbers_give_python_numbers():
    for f in (anp.sqrt, anp.exp, anp.sum, anp.abs):
        assert type(f(2.0)) is float
    assert type(anp.maximum(1, 2)) is int
    half = Value(np.ones(3, np.float32)) * anp.sqrt(0.25)
    assert half.dtype == np.float32
    assert type(anp.exp(np.float64(1.0))) is np.float64


def test_names_signatures_and_words():
    assert anp.sum.__name__ == "sum"
    assert inspect.signature(anp.sum) == inspect.signature(np.sum)
    assert "Arguments as for NumPy's function" in anp.sum.__doc__
    assert anp.histogram.__doc__ == np.histogram.__doc__


def test_the_same_function_each_time():
    assert anp.sin is anp.sin


def test_methods_of_ufuncs():
    v = Value([1.0, 2.0])
    assert anp.add.reduce(v).item() == 3.0
    assert anp.multiply.outer(v, v).shape == (2, 2)


def test_unknown_names_have_neighbours():
    with pytest.raises(AttributeError, match=r"no attribute 'sigmoyd'; neither has NumPy"):
        _ = anp.sigmoyd
    with pytest.raises(AttributeError, match=r"Did you mean .*arctan2"):
        _ = anp.arctan_2
    with pytest.raises(AttributeError, match=r"autograd_nn\.numpy\.linalg.*Did you mean .*inv"):
        _ = anp.linalg.inverse


def test_types_and_constants_are_passed_on():
    assert anp.float32 is np.float32
    assert anp.pi == np.pi
    assert anp.ndarray is np.ndarray
    assert anp.newaxis is None


def test_what_has_no_rule_refuses_values():
    for name, args in (
        ("unique", ()),
        ("nonzero", ()),
        ("fromiter", (float,)),
        ("savetxt", ("file",)),
        ("frompyfunc", (1, 1)),
    ):
        with pytest.raises(TypeError, match=rf"np\.{name} has no derivative"):
            getattr(anp, name)(Value([1.0, 2.0]), *args)


def test_a_mirror_of_another_module():
    here = {"__name__": "somewhere", "__dir__": lambda: ["fft"]}
    mirror = Mirror(np.fft, here, ("fftfreq",))
    assert "fftfreq" in mirror.names()
    assert mirror.get("fftfreq")(4).tolist() == np.fft.fftfreq(4).tolist()
    assert "fftfreq" in here
    assert differentiable(np.fft.fft)([1.0, 2.0]).tolist() == [3.0, -1.0]
