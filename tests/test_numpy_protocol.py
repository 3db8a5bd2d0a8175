"""np.f(value) is what np.f(array) is, for every op; what cannot be is refused, with what to write instead."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import OPS, Value
from autograd_nn.graph import Node
from autograd_nn.numpy_protocol import FUNCTIONS, IN_PLACE, adapt, find, holds_node, implements, supported

WITH_NUMPY = [(op, f) for op in OPS.values() for f in op.numpy]
IDS = [f"{op.name}-{f.__name__}" for op, f in WITH_NUMPY]


def numbers(x):
    """The data of a result, whatever it is: a Value, a tuple of them, an array."""
    if isinstance(x, (tuple, list)):
        return [numbers(item) for item in x]
    return np.asarray(x._data if isinstance(x, Node) else x)


def same(came, wanted):
    came, wanted = numbers(came), numbers(wanted)
    if isinstance(wanted, list):
        assert len(came) == len(wanted)
        for c, w in zip(came, wanted, strict=True):
            same(c, w)
        return
    assert came.shape == wanted.shape
    assert came.dtype == wanted.dtype
    assert came.dtype != object
    np.testing.assert_allclose(came, wanted, rtol=1e-12, atol=1e-12)


def call(function, args, attrs):
    """Call a NumPy function in its own way on an op's arguments."""
    if function is np.einsum:
        return function(attrs["subscripts"], *args)
    if isinstance(function, np.ufunc) or find(function) is None:
        return function(*args, **attrs)
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    op = next(op for op in OPS.values() if function in op.numpy)
    if op.variadic and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return function(list(args), **attrs)
    return function(*args, **attrs)


def takes(function, attrs):
    """Has this NumPy function all the attributes? np.linalg.cross has fewer than np.cross."""
    if isinstance(function, np.ufunc) or function is np.einsum:
        return True
    parameters = inspect.signature(function).parameters
    return set(attrs) <= set(parameters) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def wrap(x):
    """A Value of what a case made; index arrays and masks are Values that want no gradient."""
    if type(x) is float:
        return Value(x)
    return Value(x, dtype=x.dtype, requires_grad=x.dtype.kind in "fc")


@pytest.mark.parametrize(("op", "function"), WITH_NUMPY, ids=IDS)
def test_numpy_function_of_values_equals_that_of_arrays(op, function):
    rng = np.random.default_rng(0)
    for case in op.cases:
        if not takes(function, case.attrs):
            continue
        args = case.make(op.domain, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = call(function, args, case.attrs)
        values = [wrap(x) for x in args]
        came = call(function, values, case.attrs)
        for part in came if isinstance(came, (tuple, list)) else [came]:
            assert isinstance(part, Value), f"{function.__name__} of {case.name} gave {type(part).__name__}"
        same(came, wanted)
        same(call(getattr_of(function), values, case.attrs) if function is not np.einsum else came, wanted)
        for i, x in enumerate(values):  # arrays among Values
            mixed = [x if i == j else a for j, a in enumerate(args)]
            same(call(function, mixed, case.attrs), wanted)


def getattr_of(function):
    """The function of this name in our namespace, called as NumPy's is."""
    module = getattr(function, "__module__", None) or "numpy"
    space = {"numpy.linalg": anp.linalg, "numpy.fft": anp.fft}.get(module, anp)
    ours = getattr(space, function.__name__)
    kinds = {p.kind for p in inspect.signature(function).parameters.values()} if not isinstance(function, np.ufunc) else set()
    op = next(op for op in OPS.values() if function in op.numpy)
    if op.variadic and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return lambda *args, **attrs: ours(list(args), **attrs)
    return ours
