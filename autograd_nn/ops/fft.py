"""Discrete Fourier transforms: of complex arrays, of real ones, and back, along one axis or several.

The matrix of the transform is symmetric, and a cotangent is transposed, not conjugated: so the rule of `fft` is `fft`
itself. A length ``n`` (or lengths ``s``) other than that of the operand crops it or appends zeros, whose adjoint is
`crop_or_pad` back to the operand's length. `rfft` and `irfft` keep half of a Hermitian spectrum; what is left out
counts through the weights 1, 2, 2, … of what is kept.
"""

from __future__ import annotations

import functools

import numpy as np

from ..domain import Case
from ..graph import shape as shape_of
from ..op import op
from .elementary import conj

__all__ = [
    "crop_or_pad",
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

LINEAR = {"linear": True, "complex": True}

OTHER_WAY = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm with which the inverse transform has the factor that the forward one has with a norm, and vice versa."""


@op(
    "crop/pad",
    cases=(
        Case((3,), shape=(5,), complex=True),
        Case((4, 3), shape=(2, 3)),
        Case((4, 2), shape=(2, 3)),
        Case((2,), shape=(2,)),
        Case((0,), shape=(2,)),
        Case((2,), shape=(0,)),
    ),
    **LINEAR,
)
def crop_or_pad(x, *, shape):
    """Crop each axis at its end, or append zeros, to a shape. Its adjoint is itself, with the shape of x."""
    x = np.asarray(x)
    if len(shape) != x.ndim:
        raise ValueError(f"wanted {x.ndim} lengths, got shape={shape}")
    common = tuple(slice(0, min(n, m)) for n, m in zip(x.shape, shape, strict=True))
    out = np.zeros(shape, x.dtype)
    out[common] = x[common]
    return out


crop_or_pad.defvjp(lambda g, ans, x, shape: crop_or_pad(g, shape=shape_of(x)))


def fitted(g, x):
    """Give a cotangent the shape of x, if a length was asked for that is not that of x."""
    return g if shape_of(g) == shape_of(x) else crop_or_pad(g, shape=shape_of(x))


def along(axis: int, ndim: int, weights: np.ndarray) -> np.ndarray:
    """Let weights run along an axis."""
    return weights.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def multiplicity(n: int, like) -> np.ndarray:
    """How often each kept element of a half spectrum occurs in the whole one: once at 0 and n/2, else twice."""
    counts = np.full(n // 2 + 1, 2.0, like)
    counts[0] = 1.0
    if n % 2 == 0:
        counts[-1] = 1.0
    return counts


def precision(x):
    """The floating point dtype of the parts of x."""
    return np.finfo(x.dtype).dtype


# One axis


COMPLEX_CASES = (
    Case((4,), complex=True),
    Case((5,), norm="ortho", complex=True),
    Case((3, 2), axis=0, norm="forward"),
    Case((2, 4), n=3, complex=True),
    Case((2, 3), n=6, norm="backward"),
    Case((1,)),
    Case((0, 2)),
)


@op("fft", numpy=np.fft.fft, cases=COMPLEX_CASES, **LINEAR)
def fft(x, *, n=None, axis=-1, norm=None):
    """Discrete Fourier transform along an axis: yₖ = Σⱼ xⱼ exp(-2πi jk/n)."""
    return np.fft.fft(x, n, axis, norm)


fft.defvjp(lambda g, ans, x, n, axis, norm: fitted(fft(g, axis=axis, norm=norm), x))


@op("ifft", numpy=np.fft.ifft, cases=COMPLEX_CASES, **LINEAR)
def ifft(x, *, n=None, axis=-1, norm=None):
    """Inverse of `fft`: yₖ = 1/n Σⱼ xⱼ exp(2πi jk/n)."""
    return np.fft.ifft(x, n, axis, norm)


ifft.defvjp(lambda g, ans, x, n, axis, norm: fitted(ifft(g, axis=axis, norm=norm), x))


def real_vjp(g, x, n, axis, norm):
    """The adjoint of `rfft`: Re Σₖ gₖ exp(-2πi jk/n), an inverse real transform of the weighted conjugate."""
    n = shape_of(x)[axis] if n is None else n
    weights = along(axis, len(shape_of(x)), multiplicity(n, precision(g)))
    return fitted(irfft(conj(g) * (1.0 / weights), n=n, axis=axis, norm=OTHER_WAY[norm]), x)


def half_vjp(g, x, axis, norm):
    """The adjoint of `irfft`, before conjugation of the spectrum: what is left out counts with what is kept."""
    n = shape_of(g)[axis]
    weights = along(axis, len(shape_of(g)), multiplicity(n, precision(g)))
    return fitted(rfft(g, axis=axis, norm=OTHER_WAY[norm]) * weights, x)


@op(
    "rfft",
    numpy=np.fft.rfft,
    linear=True,
    cases=(
        Case((4,)),
        Case((5,), norm="ortho"),
        Case((3, 2), axis=0, norm="forward"),
        Case((2, 4), n=3),
        Case((2, 3), n=6, norm="backward"),
        Case((1,)),
        Case((2,)),
    ),
)
def rfft(x, *, n=None, axis=-1, norm=None):
    """`fft` of real numbers; of the n elements only the first n/2 + 1, as the others are their conjugates."""
    return np.fft.rfft(x, n, axis, norm)


rfft.defvjp(lambda g, ans, x, n, axis, norm: real_vjp(g, x, n, axis, norm))


HALF_CASES = (
    Case((3,), complex=True),
    Case((3,), n=5, norm="ortho", complex=True),
    Case((3, 2), axis=0, norm="forward", complex=True),
    Case((2, 4), n=3, complex=True),
    Case((2, 3), n=9, norm="backward", complex=True),
    Case((1,), n=1),
    Case((2,)),
)


@op("irfft", numpy=np.fft.irfft, cases=HALF_CASES, **LINEAR)
def irfft(x, *, n=None, axis=-1, norm=None):
    """Inverse of `rfft`: n real numbers (by default an even n, twice the length of x less one) from half a spectrum."""
    return np.fft.irfft(x, n, axis, norm)


irfft.defvjp(lambda g, ans, x, n, axis, norm: conj(half_vjp(g, x, axis, norm)))


@op("hfft", numpy=np.fft.hfft, cases=HALF_CASES, **LINEAR)
def hfft(x, *, n=None, axis=-1, norm=None):
    """`fft` of a Hermitian array of which half is given; the result is real."""
    return np.fft.hfft(x, n, axis, norm)


hfft.defvjp(lambda g, ans, x, n, axis, norm: half_vjp(g, x, axis, OTHER_WAY[norm]))


@op("ihfft", numpy=np.fft.ihfft, linear=True, cases=rfft.cases)
def ihfft(x, *, n=None, axis=-1, norm=None):
    """Inverse of `hfft`: half of a Hermitian array from real numbers."""
    return np.fft.ihfft(x, n, axis, norm)


ihfft.defvjp(lambda g, ans, x, n, axis, norm: real_vjp(conj(g), x, n, axis, OTHER_WAY[norm]))


# Several axes


def axes_of(x, s, axes) -> tuple[int, ...]:
    """The axes of a transform: all, or the last ones if lengths are given, if axes is None."""
    ndim = len(shape_of(x))
    if axes is not None:
        return tuple(axis % ndim for axis in axes)
    return tuple(range(ndim)) if s is None else tuple(range(ndim - len(s), ndim))


def same_vjp(transform, g, x, s, axes, norm):
    """A transform with a symmetric matrix is its own adjoint."""
    return fitted(transform(g, axes=axes_of(x, s, axes), norm=norm), x)


def lengths(x, s, axes) -> tuple[int, ...]:
    """The lengths of the transform along its axes; -1 in s stands for that of x."""
    came = tuple(shape_of(x)[axis] for axis in axes)
    return came if s is None else tuple(m if n in (-1, None) else n for n, m in zip(s, came, strict=True))


def rfftn_vjp(g, ans, x, s, axes, norm):
    """`rfftn` is `rfft` along the last axis, then `fftn` along the others; its adjoint goes back in that order."""
    *others, last = axes_of(x, s, axes)
    *_, n = lengths(x, s, (*others, last))
    if others:
        g = fftn(g, axes=others, norm=norm)
    weights = along(last, len(shape_of(x)), multiplicity(n, precision(g)))
    return fitted(irfft(conj(g) * (1.0 / weights), n=n, axis=last, norm=OTHER_WAY[norm]), x)


def irfftn_vjp(g, ans, x, s, axes, norm):
    """`irfftn` is `ifftn` along all axes but the last, then `irfft` along that one."""
    *others, last = axes_of(x, s, axes)
    n = shape_of(g)[last]
    weights = along(last, len(shape_of(x)), multiplicity(n, precision(g)))
    c = conj(rfft(g, axis=last, norm=OTHER_WAY[norm]) * weights)
    return fitted(ifftn(c, axes=others, norm=norm) if others else c, x)


def cases_nd(*, complex: bool, half: bool = False, axes: bool = True) -> tuple[Case, ...]:
    """Cases of the transforms along several axes, where half of a spectrum needs an odd length or a given one."""
    C = functools.partial(Case, complex=complex)
    either = (
        C((2, 3)),
        C((3, 4), norm="ortho"),
        C((2, 3, 2), axes=(0, 2), norm="forward"),
        C((2, 3, 2), axes=(-1, 0)),
        C((3, 3), s=(2, 5), axes=(0, 1)),
        C((3, 4), s=(4, 3), axes=(1, 0), norm="backward"),
        C((2, 2), s=(3, -1), axes=(0, 1)) if not half else C((2, 2), s=(3, 2), axes=(0, 1)),
    )
    return (*either, C((3,)), C((2, 4), axes=(1,))) if axes else either


@op("fftn", numpy=np.fft.fftn, cases=cases_nd(complex=True), **LINEAR)
def fftn(x, *, s=None, axes=None, norm=None):
    """`fft` along several axes, all by default."""
    return np.fft.fftn(x, s, axes, norm)


fftn.defvjp(lambda g, ans, x, s, axes, norm: same_vjp(fftn, g, x, s, axes, norm))


@op("ifftn", numpy=np.fft.ifftn, cases=cases_nd(complex=True), **LINEAR)
def ifftn(x, *, s=None, axes=None, norm=None):
    """Inverse of `fftn`."""
    return np.fft.ifftn(x, s, axes, norm)


ifftn.defvjp(lambda g, ans, x, s, axes, norm: same_vjp(ifftn, g, x, s, axes, norm))


@op("rfftn", numpy=np.fft.rfftn, cases=cases_nd(complex=False), linear=True)
def rfftn(x, *, s=None, axes=None, norm=None):
    """`rfft` along the last of several axes, then `fft` along the others."""
    return np.fft.rfftn(x, s, axes, norm)


rfftn.defvjp(rfftn_vjp)


@op("irfftn", numpy=np.fft.irfftn, cases=cases_nd(complex=True, half=True), **LINEAR)
def irfftn(x, *, s=None, axes=None, norm=None):
    """Inverse of `rfftn`."""
    return np.fft.irfftn(x, s, axes, norm)


irfftn.defvjp(irfftn_vjp)


@op("fft2", numpy=np.fft.fft2, cases=cases_nd(complex=True, axes=False), **LINEAR)
def fft2(x, *, s=None, axes=(-2, -1), norm=None):
    """`fft` along two axes, the last ones by default."""
    return np.fft.fft2(x, s, axes, norm)


fft2.defvjp(lambda g, ans, x, s, axes, norm: same_vjp(fftn, g, x, s, axes, norm))


@op("ifft2", numpy=np.fft.ifft2, cases=cases_nd(complex=True, axes=False), **LINEAR)
def ifft2(x, *, s=None, axes=(-2, -1), norm=None):
    """Inverse of `fft2`."""
    return np.fft.ifft2(x, s, axes, norm)


ifft2.defvjp(lambda g, ans, x, s, axes, norm: same_vjp(ifftn, g, x, s, axes, norm))


@op("rfft2", numpy=np.fft.rfft2, cases=cases_nd(complex=False, axes=False), linear=True)
def rfft2(x, *, s=None, axes=(-2, -1), norm=None):
    """`rfftn` along two axes, the last ones by default."""
    return np.fft.rfft2(x, s, axes, norm)


rfft2.defvjp(rfftn_vjp)


@op("irfft2", numpy=np.fft.irfft2, cases=cases_nd(complex=True, half=True, axes=False), **LINEAR)
def irfft2(x, *, s=None, axes=(-2, -1), norm=None):
    """Inverse of `rfft2`."""
    return np.fft.irfft2(x, s, axes, norm)


irfft2.defvjp(irfftn_vjp)


# The zero frequency in the middle


SHIFTS = {
    "cases": (
        Case((4,)),
        Case((5,), complex=True),
        Case((2, 3)),
        Case((3, 2), axes=0),
        Case((2, 3, 2), axes=(0, -1)),
        Case((0,)),
    ),
    **LINEAR,
}


@op("fftshift", numpy=np.fft.fftshift, **SHIFTS)
def fftshift(x, *, axes=None):
    """Move the zero frequency from the front to the middle, along all axes by default."""
    return np.fft.fftshift(x, axes)


fftshift.defvjp(lambda g, ans, x, axes: ifftshift(g, axes=axes))


@op("ifftshift", numpy=np.fft.ifftshift, **SHIFTS)
def ifftshift(x, *, axes=None):
    """Inverse of `fftshift`."""
    return np.fft.ifftshift(x, axes)


ifftshift.defvjp(lambda g, ans, x, axes: fftshift(g, axes=axes))
