"""Estimators: scores and fitting times on scikit-learn's own data sets, beside its MLPClassifier and MLPRegressor.

Five-fold cross-validation, shuffled, several seeds, both with one hidden layer of 100 units and otherwise their own
defaults, on the data as they are. Scores are accuracy, or R² for diabetes.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from .harness import OURS, Result, Row

SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes")
PEER = "scikit-learn"


def run(*, quick: bool) -> Result:
    """Measure. The two take turns on every fold."""
    try:
        from sklearn import datasets
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import KFold, StratifiedKFold
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        from autograd_nn.sklearn import NeuralClassifier, NeuralRegressor
    except ImportError as reason:
        return Result("Estimators", [Row(OURS, None, 0.0, f"skipped: {reason}")], [])
    rows, verdicts, ours_total, peer_total = [], [], [], []
    means: dict[str, list[float]] = {OURS: [], PEER: []}
    for name in SETS:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        numbers = name == "diabetes"
        makers: dict[str, Any] = {
            OURS: NeuralRegressor if numbers else NeuralClassifier,
            PEER: MLPRegressor if numbers else MLPClassifier,
        }
        scores: dict[str, list[float]] = {OURS: [], PEER: []}
        seconds: dict[str, list[float]] = {OURS: [], PEER: []}
        for seed in range(1 if quick else 6):
            folds = (KFold if numbers else StratifiedKFold)(5, shuffle=True, random_state=seed)
            for train, test in folds.split(X, y):
                for who, make in makers.items():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", ConvergenceWarning)  # the peer's, after its 200 epochs
                        start = time.perf_counter()
                        model = make(hidden_layer_sizes=(100,), random_state=seed).fit(X[train], y[train])
                        seconds[who].append(time.perf_counter() - start)
                    scores[who].append(model.score(X[test], y[test]))
        ours, peer = (np.mean(scores[who]) for who in (OURS, PEER))
        errors = [np.std(scores[who], ddof=1) / np.sqrt(len(scores[who])) for who in (OURS, PEER)]
        times = [float(np.median(seconds[who])) for who in (OURS, PEER)]
        means[OURS].append(float(ours))
        means[PEER].append(float(peer))
        ours_total.append(times[0])
        peer_total.append(times[1])
        close = "met" if ours >= peer - np.hypot(*errors) and times[0] <= times[1] else "MISSED"
        verdicts.append(
            f"{name}: score {ours:.4f} ± {errors[0]:.4f} beside {peer:.4f} ± {errors[1]:.4f}; "
            f"fit {times[0] / times[1]:.2f} × {PEER}; not worse by more than a standard error, and faster: {close}"
        )
    rows = [
        Row(OURS, float(np.sum(ours_total)), 0.0),
        Row(f"{PEER} MLPClassifier, MLPRegressor", float(np.sum(peer_total)), 0.0),
    ]
    ours, peer = np.mean(means[OURS]), np.mean(means[PEER])
    verdicts.append(
        f"mean over the data sets: {ours:.4f} beside {peer:.4f} (without diabetes {np.mean(means[OURS][:-1]):.4f} "
        f"beside {np.mean(means[PEER][:-1]):.4f}): {'met' if ours >= peer else 'MISSED'}"
    )
    return Result("Estimators: one fit of each of five data sets, 100 hidden units, own defaults.", rows, verdicts)
