"""What programs that train over several devices or processes share."""

from __future__ import annotations

import os

import numpy as np

from autograd_nn import nn


def environment(**new):
    """The environment of a job: this tree first, no launcher, one thread."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "OMPI", "JAX", "AUTOGRAD_NN_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([os.getcwd(), kept.get("PYTHONPATH", "")]), **new}


def networks(rows):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, rows)
    flat, images, series = (rng.normal(size=(rows, *shape)).astype(np.float32) for shape in ((6,), (1, 8, 8), (3, 3)))
    mlp = nn.Sequential(
        nn.Linear(6, 16, rng=0), nn.BatchNorm(16), nn.Tanh(), nn.Dropout(0.2, rng=1), nn.Linear(16, 3, rng=2)
    )
    cnn = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3, rng=1))
    rnn = nn.Sequential(nn.LSTM(3, 8, returns="last", rng=0), nn.Linear(8, 3, rng=1))
    return {"mlp": (mlp, flat, y), "cnn": (cnn, images, y), "rnn": (rnn, series, y)}
