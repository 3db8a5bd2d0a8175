"""`agree`: the same lines run by NumPy on arrays and by us on Values give the same numbers and right gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value, cotangents
from autograd_nn.graph import Node


def leaves(x):
    """Results in a flat list."""
    return [leaf for item in x for leaf in leaves(item)] if isinstance(x, (tuple, list)) else [x]


def compare(came, wanted):
    came, wanted = leaves(came), leaves(wanted)
    assert len(came) == len(wanted)
    for c, w in zip(came, wanted, strict=True):
        c = np.asarray(c._data if isinstance(c, Node) else c)
        w = np.asarray(w)
        assert c.dtype == w.dtype, f"dtype {c.dtype}, NumPy has {w.dtype}"
        assert c.shape == w.shape, f"shape {c.shape}, NumPy has {w.shape}"
        np.testing.assert_allclose(c, w, rtol=1e-10, atol=1e-12)


@pytest.fixture
def agree():
    """Return a check of ``f(xp, *arrays)`` for xp NumPy and our namespace; derivatives from NumPy's own numbers."""

    def check(f, *arrays, gradient=True, tolerance=1e-6):
        arrays = [np.asarray(a) for a in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                wanted = f(np, *arrays)
            except (AttributeError, TypeError) as error:
                if np.lib.NumpyVersion(np.__version__) < "2.4.0":
                    pytest.skip(f"NumPy {np.__version__}: {error}")
                raise
            compare(f(anp, *arrays), wanted)
            for xp in (np, anp):
                values = [Value(a, dtype=a.dtype, requires_grad=a.dtype.kind in "fc") for a in arrays]
                came = f(xp, *values)
                for part in leaves(came):
                    assert isinstance(part, Value), f"a Value became {type(part).__name__}"
                compare(came, wanted)
            for a, v in zip(arrays, values, strict=True):
                if a.dtype == np.float64:
                    wants_gradient = any(part.requires_grad for part in leaves(came))
                    assert wants_gradient == gradient, "is there a derivative?"
                    if gradient:
                        compare_gradient(f, arrays, values, a, v, came, tolerance)
        return came

    return check


def compare_gradient(f, arrays, values, a, v, came, tolerance):
    """Central differences of NumPy's result, weighted at random, beside our gradient."""
    rng = np.random.default_rng(3)
    outputs = [part for part in leaves(came) if part.requires_grad]
    which = [part.requires_grad for part in leaves(came)]
    weights = [rng.standard_normal(part.shape) for part in outputs]
    (ours,) = cotangents(
        outputs,
        [v],
        [w if w.shape or isinstance(p._data, np.ndarray) else float(w) for w, p in zip(weights, outputs, strict=True)],
    )
    ours = np.zeros(a.shape) if ours is None else np.asarray(ours)

    def weighted(x):
        parts = [p for p, use in zip(leaves(f(np, *[x if b is a else b for b in arrays])), which, strict=True) if use]
        return sum(np.sum(np.asarray(w) * np.asarray(p)) for w, p in zip(weights, parts, strict=True))

    step = 1e-6
    theirs = np.zeros(a.shape)
    for i in np.ndindex(a.shape):
        e = np.zeros(a.shape)
        e[i] = step
        theirs[i] = (weighted(a + e) - weighted(a - e)) / (2 * step)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance * 10, atol=tolerance)
