"""Gradient descent on the cost of k-means ends where scikit-learn's k-means does."""

import pytest
from sklearn.cluster import KMeans

from autograd_nn.data import blobs
from examples import clustering


@pytest.mark.parametrize("seed", [0, 1])
def test_coverage_clustering(seed, capsys):
    result = clustering.main(seed)
    x, _ = blobs(300, noise=1.0, centers=clustering.TRUE_CENTERS, rng=seed)
    known = KMeans(clustering.K, n_init=10, random_state=0).fit(x).inertia_ / len(x)
    assert result["cost"] == pytest.approx(known, rel=1e-4)
    assert result["cost"] < result["worst_start"]  # where it starts matters
    assert result["purity"] > 0.97
    assert result["distance_to_means"] < 1e-3
    assert capsys.readouterr().out.strip().endswith("in the cluster of their cloud")
