import numpy as np
import pytest
from scipy import stats

from autograd_nn.nn import INITIALIZERS, Linear, fans, initializer
from autograd_nn.nn import initializer as find
from autograd_nn.nn.initializer import orthogonal, standard_normal, truncated_normal

SHAPES = [(200, 300), (64, 16, 5, 5), (50, 40, 9)]
# Variances from the papers, of fan in and fan out.
VARIANCE = {
    "standard_normal": lambda i, o: 1.0,
    "he_normal": lambda i, o: 2 / i,
    "he_uniform": lambda i, o: 2 / i,
    "glorot_normal": lambda i, o: 2 / (i + o),
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "lecun_normal": lambda i, o: 1 / i,
    "lecun_uniform": lambda i, o: 1 / i,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", VARIANCE)
def test_mean_and_variance_within_four_standard_errors(name, shape):
    x = INITIALIZERS[name](shape, np.random.default_rng(0), dtype=np.float64).ravel()
    variance = VARIANCE[name](*fans(shape))
    assert abs(x.mean()) < 4 * np.sqrt(variance / x.size)
    kurtosis = 3.0 if name.endswith("normal") else 1.8
    assert abs(x.var() - variance) < 4 * variance * np.sqrt((kurtosis - 1) / x.size)
    law = (
        stats.norm(0, np.sqrt(variance))
        if name.endswith("normal")
        else stats.uniform(-np.sqrt(3 * variance), 2 * np.sqrt(3 * variance))
    )
    assert stats.kstest(x[:5000], law.cdf).pvalue > 1e-4


def test_fans_of_filters_count_the_field():
    assert fans((3, 5)) == (3, 5)
    assert fans((8, 3, 5, 5)) == (75, 200)
    assert fans((7,)) == (7, 7)
    assert fans(()) == (1, 1)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (8, 2, 2, 2)])
def test_orthogonal_rows_or_columns(shape):
    q = orthogonal(shape, np.random.default_rng(1), dtype=float).reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)
    assert orthogonal((4,), np.random.default_rng(1)).shape == (4,)


def test_orthogonal_is_uniform_over_rotations():
    """Haar measure: the trace has mean 0 and variance 1 (Diaconis and Shahshahani, 1994)."""
    rng = np.random.default_rng(0)
    traces = [np.trace(orthogonal((6, 6), rng, dtype=float)) for _ in range(2000)]
    assert abs(np.mean(traces)) < 4 / np.sqrt(2000)
    assert abs(np.var(traces) - 1) < 0.2


def test_truncated_normal_stays_within_two_deviations():
    x = truncated_normal((300, 300), np.random.default_rng(0), dtype=float)
    assert np.abs(x).max() <= 0.04
    assert abs(x.std() - 0.02 * stats.truncnorm(-2, 2).std()) < 1e-4


@pytest.mark.parametrize("name", INITIALIZERS)
def test_dtype_shape_and_seed(name):
    for dtype in (np.float32, np.float64):
        x = INITIALIZERS[name]((3, 4), np.random.default_rng(5), dtype=dtype)
        assert x.dtype == dtype
        assert x.shape == (3, 4)
        np.testing.assert_array_equal(x, INITIALIZERS[name]((3, 4), np.random.default_rng(5), dtype=dtype))
    assert INITIALIZERS[name]((0, 4), np.random.default_rng(5)).shape == (0, 4)


def test_initializers_are_found_by_name_or_given():
    assert find("standard_normal") is standard_normal
    assert initializer(standard_normal) is standard_normal
    with pytest.raises(ValueError, match="no initializer 'He': wanted one of standard_normal, he_normal"):
        Linear(1, 1, init="He")
    with pytest.raises(TypeError, match="an initializer is a name or a function"):
        Linear(1, 1, init=0.5)
    assert Linear(2, 2, init=lambda shape, rng, *, dtype: np.full(shape, 3, dtype)).weight.data.tolist() == [[3, 3]] * 2


def test_functions_of_ones_own_are_held_to_shape_and_dtype():
    kept = np.full((2, 3), 2.0)
    layer = Linear(2, 3, init=lambda shape, rng, *, dtype: kept)
    kept[:] = 7.0
    assert layer.weight.dtype == np.float32
    assert layer.weight.data.tolist() == [[2.0] * 3] * 2
    with pytest.raises(ValueError, match=r"wanted to return shape \(2, 3\), got \(3, 2\)"):
        Linear(2, 3, init=lambda shape, rng, *, dtype: np.zeros(shape[::-1]))
