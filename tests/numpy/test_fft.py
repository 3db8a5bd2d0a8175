import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.numpy import fft

X = np.random.default_rng(2).standard_normal((3, 4))


def test_everything_in_numpys_fft_is_here():
    public = {n for n in dir(np.fft) if n[0] != "_" and n not in ("test", "helper")}
    assert public - set(fft.__all__) == set()


@pytest.mark.parametrize(
    "f",
    [
        lambda np, x: np.abs(np.fft.fft(x)),
        lambda np, x: np.real(np.fft.fft(x, 6)),
        lambda np, x: np.imag(np.fft.fft(x, axis=0)),
        lambda np, x: np.real(np.fft.ifft(x, norm="ortho")),
        lambda np, x: np.abs(np.fft.rfft(x)) ** 2,
        lambda np, x: np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(x), 4),
        lambda np, x: np.real(np.fft.fft2(x)),
        lambda np, x: np.real(np.fft.fftn(x, axes=(0,))),
        lambda np, x: np.fft.fftshift(x),
        lambda np, x: np.fft.ifftshift(x, axes=1),
    ],
)
def test_transforms(agree, f):
    agree(f, X)


def test_frequencies_are_constants():
    assert fft.fftfreq(4).tolist() == [0.0, 0.25, -0.5, -0.25]
    assert isinstance(np.fft.fft(Value(X)), Value)
