"""One fit of the digits with the same settings as scikit-learn's MLPClassifier: 64-100-10, relu, Adam, batches of 200.

Both are given every setting of the other: no penalty, no early stop, so many epochs, float32. They draw their weights
and their order of rows themselves, so that accuracies agree as means over seeds. The bar is about fits of one shape
again and again, as in a search of settings: `compile=True`, whose machine code the first fit, not counted, has made.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import Any

import numpy as np

from .harness import OURS, Result, Row, judge, row

HIDDEN, RATE, BATCH = (100,), 1e-3, 200
LIMIT = 0.2
PEER, FIT = "scikit-learn MLPClassifier", "autograd_nn, training.fit(compile=True)"
DEFAULT, PLAIN = "autograd_nn, estimator with compile='auto', the default", "autograd_nn, estimator with compile=False"


def estimator(epochs: int, seed: int, compile: bool | str = True) -> Any:
    from autograd_nn.sklearn import NeuralClassifier

    return NeuralClassifier(
        HIDDEN,
        optimizer="adam",
        learning_rate=RATE,
        weight_decay=0.0,
        batch_size=BATCH,
        max_epochs=epochs,
        patience=epochs + 1,
        label_smoothing=0.0,
        standardize=False,
        dtype="float32",
        compile=compile,
        random_state=seed,
    )


def peer(epochs: int, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        HIDDEN,
        learning_rate_init=RATE,
        alpha=0.0,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )


class Plain:
    """A network and `fit`, without the manners of an estimator."""

    def __init__(self, epochs: int, seed: int) -> None:
        from autograd_nn import nn, optim

        self.epochs, self.seed = epochs, seed
        self.model = nn.MLP([64, *HIDDEN, 10], rng=seed)
        self.optimizer = optim.Adam(self.model.parameters(), RATE)

    def fit(self, x: Any, y: Any) -> Plain:
        from autograd_nn.training import fit

        fit(
            self.model,
            (x, y),
            "cross_entropy",
            self.optimizer,
            epochs=self.epochs,
            batch_size=BATCH,
            seed=self.seed,
            progress=False,
            compile=True,
        )
        return self

    def score(self, x: Any, y: Any) -> float:
        from autograd_nn.training import predict

        return float(np.mean(predict(self.model, x).argmax(axis=1) == y))


def run(*, quick: bool) -> Result:
    """Measure. They take turns; one fit each is not counted."""
    epochs = 20 if quick else 100
    title = f"Fit of digits: 64-100-10, relu, Adam, batches of {BATCH}, {epochs} epochs, float32."
    try:
        from sklearn.datasets import load_digits
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import train_test_split
    except ImportError as reason:
        return Result(title, [Row(OURS, None, 0.0, f"skipped: {reason}")], [])
    x, y = load_digits(return_X_y=True)
    x, tests, y, truth = train_test_split((x / 16).astype(np.float32), y, random_state=0, stratify=y)
    makers: dict[str, Any] = {
        OURS: estimator,
        DEFAULT: partial(estimator, compile="auto"),
        PLAIN: partial(estimator, compile=False),
        PEER: peer,
        FIT: Plain,
    }
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    scores: dict[str, list[float]] = {name: [] for name in makers}
    for seed in range(-1, 3 if quick else 10):
        for name, make in makers.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the peer's, after its epochs
                start = time.perf_counter()
                model = make(epochs, seed + 1).fit(x, y)
                taken = time.perf_counter() - start
            if seed >= 0:
                seconds[name].append(taken)
                scores[name].append(float(model.score(tests, truth)))
    rows = [row(name, taken) for name, taken in seconds.items()]
    ratio = float(np.median(seconds[OURS]) / np.median(seconds[PEER]))
    errors = [np.std(scores[who], ddof=1) / np.sqrt(len(scores[who])) for who in (OURS, PEER)]
    means = [np.mean(scores[who]) for who in (OURS, PEER)]
    return Result(
        title,
        rows,
        [
            f"bar: at most {LIMIT:g} × {PEER}; measured {ratio:.2f} ×: {judge(ratio, LIMIT)}",
            f"accuracy on {len(truth)} rows {means[0]:.4f} ± {errors[0]:.4f} beside {means[1]:.4f} ± {errors[1]:.4f}: "
            + judge(abs(means[0] - means[1]), 0.005 + 2 * float(np.hypot(*errors))),
        ],
    )
