"""Fourier transforms: derivatives against the explicit matrix of the transform, and identities."""

import itertools

import numpy as np
import pytest

from autograd_nn import OPS, Value, cotangents
from autograd_nn.ops import fft

MODULE = [op for op in OPS.values() if op.module == fft.__name__]
NORMS = (None, "backward", "ortho", "forward")


def random(rng, *shape, complex=False):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex else x


def gradient_by_definition(f, x, g):
    """The gradient of Re Σ g f(x), for a real-linear f: ∂/∂Re x - i ∂/∂Im x, one unit at a time."""
    out = np.zeros(x.shape, x.dtype)
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index] = 1.0
        out[index] = np.sum(g * f(unit)).real
        if x.dtype.kind == "c":
            out[index] -= 1j * np.sum(g * f(1j * unit)).real
    return out


def check(op, numpy, x, **attrs):
    """Compare value and gradient with NumPy and the definition, for complex cotangents where results are complex."""
    v = Value(x)
    y = op(v, **attrs)
    np.testing.assert_allclose(y.data, numpy(x, **attrs), rtol=1e-13, atol=1e-13)
    g = random(np.random.default_rng(7), *y.shape, complex=y.dtype.kind == "c")
    (d,) = cotangents([y], [v], [g])
    assert d.dtype == x.dtype
    np.testing.assert_allclose(d, gradient_by_definition(lambda u: numpy(u, **attrs), x, g), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "complex"),
    [
        ("fft", True),
        ("ifft", True),
        ("fft", False),
        ("rfft", False),
        ("irfft", True),
        ("irfft", False),
        ("hfft", True),
        ("ihfft", False),
    ],
)
@pytest.mark.parametrize("norm", NORMS)
def test_one_axis_with_any_length_axis_and_norm(name, complex, norm):
    rng = np.random.default_rng(1)
    for length, n, axis in itertools.product((1, 2, 3, 4, 5), (None, 1, 2, 3, 4, 5, 6, 9), (0, -1)):
        if n is None and length == 1 and name in ("irfft", "hfft"):
            continue  # NumPy: invalid number of data points (0)
        x = random(rng, *((length, 2) if axis == 0 else (2, length)), complex=complex)
        check(OPS[name], getattr(np.fft, name), x, n=n, axis=axis, norm=norm)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"])
@pytest.mark.parametrize("norm", NORMS)
def test_several_axes_with_any_lengths_order_and_norm(name, norm):
    rng = np.random.default_rng(2)
    x = random(rng, 3, 2, 4, complex=not name.startswith("r"))
    choices = [
        {},
        {"axes": (0, 2)},
        {"axes": (2, 0)},
        {"axes": (-2, 0)},
        {"axes": (1, 2), "s": (3, 3)},
        {"axes": (2, 0), "s": (5, 2)},
    ]
    if name.endswith("n"):
        choices += [{"axes": (0, 1, 2)}, {"axes": (1,)}, {"axes": (2,), "s": (7,)}]
    for attrs in choices:
        check(OPS[name], getattr(np.fft, name), x, norm=norm, **attrs)


def test_minus_one_is_the_operands_own_length():
    check(fft.fftn, np.fft.fftn, random(np.random.default_rng(3), 2, 3), s=(-1, 4), axes=(0, 1))
    check(fft.rfftn, np.fft.rfftn, random(np.random.default_rng(3), 2, 3), s=(4, -1), axes=(0, 1))


@pytest.mark.parametrize("axes", [None, 0, (0, 1), (-1,)])
@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name, axes):
    check(OPS[name], getattr(np.fft, name), random(np.random.default_rng(4), 4, 5, complex=True), axes=axes)


def test_parsevals_energy_has_gradient_2x():
    x = np.random.default_rng(5).standard_normal(7)
    v = Value(x)
    y = fft.fft(v, norm="ortho")
    energy = (y * y.conj()).real.sum()
    assert energy.item() == pytest.approx(x @ x)
    (d,) = cotangents([energy], [v], create_graph=True)
    np.testing.assert_allclose(d.data, 2 * x, rtol=1e-13)
    w = np.arange(7.0)  # and its Hessian is twice the identity
    np.testing.assert_allclose(cotangents([(d * w).sum()], [v])[0], 2 * w, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [6, 7])
def test_hessian_of_a_power_spectrum(n):
    rng = np.random.default_rng(6)
    x, u, w = rng.standard_normal((3, n))
    w = w[: n // 2 + 1]

    def loss(x):
        y = fft.rfft(x)
        power = y.real * y.real + y.imag * y.imag
        return (power * power * w).sum()

    def gradient(x):
        y = np.fft.rfft(x)
        c = 4 * w * np.abs(y) ** 2 * y.conj()  # dL = Re Σ cₖ dyₖ
        k, j = np.arange(n // 2 + 1)[:, None], np.arange(n)
        return (c @ np.exp(-2j * np.pi * k * j / n)).real

    v = Value(x)
    (d,) = cotangents([loss(v)], [v], create_graph=True)
    np.testing.assert_allclose(d.data, gradient(x), rtol=1e-11)
    h = 1e-5
    slope = (gradient(x + h * u) - gradient(x - h * u)) / (2 * h)
    np.testing.assert_allclose(cotangents([(d * u).sum()], [v])[0], slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_convolution_theorem():
    rng = np.random.default_rng(8)
    x, k = rng.standard_normal(5), rng.standard_normal(3)
    v, kernel = Value(x), Value(k)
    y = fft.irfft(fft.rfft(v, n=7) * fft.rfft(kernel, n=7), n=7)
    np.testing.assert_allclose(y.data, np.convolve(x, k), rtol=1e-12)
    g = rng.standard_normal(7)
    y.backward(g)
    np.testing.assert_allclose(v.grad, np.correlate(g, k, "valid"), rtol=1e-12)
    np.testing.assert_allclose(kernel.grad, np.correlate(g, x, "valid"), rtol=1e-12)


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "fftn", "rfftn", "irfftn", "hfft", "ihfft"])
def test_float32_is_kept(name):
    v = Value(np.ones((2, 4), np.float32))
    y = OPS[name](v)
    assert y.dtype == (np.complex64 if name not in ("irfft", "irfftn", "hfft") else np.float32)
    (d,) = cotangents([y], [v], [np.ones(y.shape, y.dtype)], create_graph=True)
    assert d.dtype == np.float32


def test_numpys_functions_lead_here():
    v = Value(np.arange(12.0).reshape(3, 4))
    for name in fft.__all__:
        if name != "crop_or_pad":
            assert getattr(np.fft, name)(v).op is OPS[name]
    assert np.fft.fft(v, 3, 0, "ortho").attrs == {"n": 3, "axis": 0, "norm": "ortho"}


def test_bad_input():
    v = Value(np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"rfft: wanted real numbers.*complex128"):
        fft.rfft(v + 1j)
    with pytest.raises(IndexError, match=r"fft: .*axis=2"):
        fft.fft(v, axis=2)
    with pytest.raises(ValueError, match=r"fft: .*n=0"):
        fft.fft(v, n=0)
    with pytest.raises(ValueError, match=r"fft: .*norm='unit'"):
        fft.fft(v, norm="unit")
    with pytest.raises(ValueError, match=r"crop_or_pad: wanted 2 lengths, got shape=\(3,\)"):
        fft.crop_or_pad(v, shape=(3,))
    with pytest.raises((ValueError, IndexError), match=r"fft: .*scalar"):
        fft.fft(Value(1.0))
