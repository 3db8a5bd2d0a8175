import numpy as np
import pytest

from autograd_nn import Value

RNG = np.random.default_rng(6)
A = RNG.standard_normal((3, 4))
W = RNG.uniform(0.5, 2.0, (3, 4))
HOLES = A.copy()
HOLES[0, 1] = HOLES[2, 3] = np.nan


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.average(a),
        lambda np, a: np.average(a, 0),
        lambda np, a: np.average(a, axis=1, weights=[1.0, 2.0, 3.0, 4.0]),
        lambda np, a: np.average(a, weights=W),
        lambda np, a: np.average(W, weights=a * a + 1, axis=0),
        lambda np, a: np.ptp(a),
        lambda np, a: np.ptp(a, 0),
        lambda np, a: np.percentile(a, 30.0),
        lambda np, a: np.percentile(a, [25, 50], axis=1),
        lambda np, a: np.quantile(a, 0.3, 1),
        lambda np, a: np.median(a, axis=0),
        lambda np, a: np.cov(a),
        lambda np, a: np.cov(a[0]),
        lambda np, a: np.cov(a[0], a[1]),
        lambda np, a: np.cov(a, rowvar=False),
        lambda np, a: np.cov(a, bias=True),
        lambda np, a: np.cov(a, ddof=0),
        lambda np, a: np.cov(a, aweights=[1.0, 2.0, 0.5, 1.0]),
        lambda np, a: np.cov(a, fweights=[1, 2, 1, 3]),
        lambda np, a: np.cov(a, fweights=[1, 2, 1, 3], aweights=[1.0, 2.0, 0.5, 1.0]),
        lambda np, a: np.corrcoef(a),
        lambda np, a: np.corrcoef(a[0], a[1]),
        lambda np, a: np.std(a, axis=0, ddof=1),
        lambda np, a: np.std(a, axis=0, correction=1),
        lambda np, a: np.var(a, correction=0),
    ],
)
def test_statistics(agree, f):
    agree(f, A)


def with_holes(np, a):
    return np.where(np.isnan(HOLES), np.nan, a)


@pytest.mark.parametrize(
    "f",
    [
        lambda np, a: np.nansum(with_holes(np, a), axis=0),
        lambda np, a: np.nansum(with_holes(np, a)),
        lambda np, a: np.nanprod(with_holes(np, a), axis=1),
        lambda np, a: np.nanmean(with_holes(np, a), 1),
        lambda np, a: np.nanmean(with_holes(np, a), axis=0, keepdims=True),
        lambda np, a: np.nanvar(with_holes(np, a), axis=1, ddof=1),
        lambda np, a: np.nanstd(with_holes(np, a), axis=1),
        lambda np, a: np.nanmax(with_holes(np, a), axis=0),
        lambda np, a: np.nanmin(with_holes(np, a)),
        lambda np, a: np.nancumsum(with_holes(np, a), axis=1),
        lambda np, a: np.nancumprod(with_holes(np, a)),
    ],
)
def test_missing_numbers(agree, f):
    agree(f, A)


def test_missing_numbers_get_no_gradient():
    v = Value(HOLES)
    np.nanmean(v).backward()
    assert np.array_equal(v.grad == 0, np.isnan(HOLES))
    assert v.grad[0, 0] == pytest.approx(1 / 10)


def test_counts_and_truths_have_no_derivative(agree):
    agree(lambda np, a: np.count_nonzero(a > 0, axis=0), A, gradient=False)
    agree(lambda np, a: np.any(a > 2), A, gradient=False)
    agree(lambda np, a: np.argmax(a, axis=1), A, gradient=False)


def test_cov_of_too_many_axes():
    with pytest.raises(ValueError, match="one or two axes, got 3"):
        np.cov(Value(np.zeros((2, 2, 2))))
