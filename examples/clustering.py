"""Clustering by gradient descent: k-means is a function to be made small, so it needs no algorithm of its own.

No labels are used. The cost is the mean squared distance from each point to the nearest of k centers; its parameters
are the centers. Where they start decides where they end, so several starts are tried and the lowest cost is kept.
"""

from __future__ import annotations

import numpy as np

import autograd_nn.numpy as anp
from autograd_nn import Value
from autograd_nn.data import blobs
from autograd_nn.optim import Momentum

K = 4
STARTS = 10
STEPS = 100
TRUE_CENTERS = [[0.0, 0.0], [6.0, 1.0], [2.0, 7.0], [9.0, 8.0]]


def squared_distances(x: np.ndarray, centers: Value) -> Value:
    """Return the squared distance of each point to each center: (points, k)."""
    return anp.sum((x[:, None, :] - centers) ** 2, axis=2)


def cost(x: np.ndarray, centers: Value) -> Value:
    """Return the mean squared distance to the nearest center. Only the nearest one feels a point: see the gradient."""
    return anp.mean(anp.min(squared_distances(x, centers), axis=1))


def cluster(x: np.ndarray, rng: np.random.Generator) -> tuple[Value, float]:
    """Return centers that started at K points of the data, and their cost."""
    centers = Value(x[rng.choice(len(x), K, replace=False)], name="centers")
    optimizer = Momentum([centers], learning_rate=0.2, momentum=0.8)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cost(x, centers).backward()
        optimizer.step()
    return centers, cost(x, centers).item()


def purity(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of points that belong to the majority of their cluster."""
    return sum(np.bincount(truth[found == k]).max() for k in np.unique(found)) / len(truth)


def main(seed: int = 0) -> dict[str, float]:
    """Cluster four clouds of points, and compare with the clouds that they were drawn from."""
    x, truth = blobs(300, noise=1.0, centers=TRUE_CENTERS, rng=seed)
    rng = np.random.default_rng(seed)
    tried = [cluster(x, rng) for _ in range(STARTS)]
    centers, lowest = min(tried, key=lambda pair: pair[1])
    found = squared_distances(x, centers).data.argmin(axis=1)
    means = np.array([x[found == k].mean(axis=0) for k in range(K)])
    result = {
        "cost": lowest,
        "worst_start": max(c for _, c in tried),
        "purity": purity(found, truth),
        "distance_to_means": float(np.abs(centers.data - means).max()),
    }
    print(f"costs of {STARTS} starts: from {lowest:.3f} to {result['worst_start']:.3f}; the lowest is kept")
    print(
        f"at most {result['distance_to_means']:.0e} between a center and the mean of its points: the slope is 0 there"
    )
    print(f"{result['purity']:.1%} of {len(x)} points are in the cluster of their cloud")
    return result


if __name__ == "__main__":
    main()
