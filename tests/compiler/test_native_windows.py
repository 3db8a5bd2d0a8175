"""Convolution and pooling in native code give what NumPy's functions give, for every setting, NaN included."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="native code needs Numba")

from autograd_nn import compile, grad
from autograd_nn.compiler.native_windows import WINDOWS
from autograd_nn.ops.convolution import conv, conv_filters, conv_image, pool_max

RNG = np.random.default_rng(0)
SETTINGS = (
    {},
    {"padding": 1},
    {"stride": 2},
    {"stride": (2, 1), "padding": (0, 2)},
    {"dilation": 2, "padding": 2},
    {"dilation": (1, 2), "stride": (3, 2), "padding": (1, 2)},
    {"groups": 2, "padding": 1},
)


def agree(found, wanted, dtype):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype == dtype
        scale = max(1.0, float(np.abs(b).max()))
        assert np.allclose(a, b, rtol=0, atol=64 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolutions_and_their_adjoints(dtype):
    """All settings in one compiled function."""
    cases = []
    for settings in SETTINGS if dtype == np.float32 else SETTINGS[3::3]:
        kernel = (3, 2)
        x = RNG.normal(size=(3, 4, 7, 9)).astype(dtype)
        w = RNG.normal(size=(6, 4 // settings.get("groups", 1), *kernel)).astype(dtype)
        cases.append((settings, x, w, RNG.normal(size=conv(x, w, **settings).shape).astype(dtype)))

    def everything(arrays):
        found = []
        for (settings, *_), (x, w, g) in zip(cases, arrays, strict=True):
            found += [
                conv(x, w, **settings),
                conv_image(g, w, size=x.shape[2:], **settings),
                conv_filters(x, g, kernel=w.shape[2:], **settings),
            ]
        return found

    compiled = compile(everything, backend="native")
    arrays = [case[1:] for case in cases]
    for _ in range(2):
        agree(compiled(arrays), everything(arrays), dtype)
    assert not compiled.plan().fallbacks and not compiled.fallbacks


@pytest.mark.parametrize("dtype", [np.float32])
def test_pooling_and_its_derivative(dtype):
    """Ties share the gradient; windows may overlap, and leave a rest at the border."""
    settings = [{"kernel": k, "stride": s} for k, s in (((2, 2), 2), ((3, 2), (2, 3)), ((3, 3), 1), ((2, 2), (1, 2)))]
    xs = [RNG.integers(0, 3, (2, 3, 6, 8)).astype(dtype), RNG.normal(size=(1, 2, 7, 9)).astype(dtype)]
    cases = [(x, RNG.normal(size=pool_max(x, **s).shape).astype(dtype), s) for x in xs for s in settings]

    def everything(arrays):
        found = []
        for (*_, s), (x, weights) in zip(cases, arrays, strict=True):
            found += [pool_max(x, **s), grad(lambda x, w=weights, s=s: (pool_max(x, **s) * w).sum())(x)]
        return found

    arrays = [case[:2] for case in cases]
    compiled = compile(everything, backend="native")
    for _ in range(2):
        agree(compiled(arrays), everything(arrays), dtype)
    assert not compiled.plan().fallbacks


def test_nan_is_not_lost():
    x = np.ones((1, 1, 4, 4), np.float32)
    x[0, 0, 1, 2] = np.nan

    def both(x):
        return pool_max(x, kernel=(2, 2), stride=2), grad(lambda x: pool_max(x, kernel=(2, 2), stride=2).sum())(x)

    with np.errstate(all="ignore"):
        wanted = both(x)
    for a, b in zip(compile(both, backend="native")(x), wanted, strict=True):
        assert np.array_equal(a, b, equal_nan=True) and np.isnan(a).any()


def test_what_has_no_native_form_is_left_to_the_op():
    """One and three spatial axes, and padding that differs on two sides."""
    x, w = RNG.normal(size=(2, 2, 9)), RNG.normal(size=(3, 2, 2))
    y, v = RNG.normal(size=(1, 1, 5, 5)), RNG.normal(size=(1, 1, 2, 2))

    def f(x, w, y, v):
        return conv(x, w), conv(y, v, padding=((0, 1), (1, 0)))

    compiled = compile(f, backend="native")
    for a, b in zip(compiled(x, w, y, v), f(x, w, y, v), strict=True):
        assert np.allclose(a, b)
    assert [i.op.name for i in compiled.plan().fallbacks] == ["conv", "conv"]


def test_names():
    assert {name[-2:] for name in WINDOWS} == {"_s", "_d"} and "conv_image_s" in WINDOWS
