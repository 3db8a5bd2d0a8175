"""Training: `fit`, its callbacks, checkpoints and history; `evaluate` and `predict`; the gradient-flow doctor.

>>> import numpy as np
>>> from autograd_nn import data, nn, optim
>>> from autograd_nn.training import evaluate, fit
>>> train, test = data.split(*data.moons(200, rng=0), test=0.5, rng=0)
>>> model = nn.MLP([2, 16, 2], rng=0)
>>> history = fit(model, train, "cross_entropy", optim.Adam(model.parameters(), 0.05), epochs=50, progress=False)
>>> evaluate(model, test, metrics="accuracy")["accuracy"] > 0.95
True
"""

from .callback import Callback, Checkpoint, CSVLog, EarlyStopping, Schedule, State, TrainingWarning
from .checkpoint import load_checkpoint, save_checkpoint
from .doctor import Diagnosis, Doctor, diagnose
from .fit import fit
from .history import History
from .metric import (
    METRICS,
    Metric,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    evaluate,
    f1,
    mae,
    metric,
    mse,
    predict,
    r2,
    rmse,
)

__all__ = [
    "METRICS",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Diagnosis",
    "Doctor",
    "EarlyStopping",
    "History",
    "Metric",
    "Schedule",
    "State",
    "TrainingWarning",
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "diagnose",
    "evaluate",
    "f1",
    "fit",
    "load_checkpoint",
    "mae",
    "metric",
    "mse",
    "predict",
    "r2",
    "rmse",
    "save_checkpoint",
]
