"""Optimization: the optimizers, learning rate schedules, clipping, gradient descent with reasons, SciPy's methods."""

from .clip import clip_by_norm, clip_by_value, global_norm
from .descent import (
    Descent,
    DescentStep,
    FalseConvergenceWarning,
    StopReason,
    gradient_descent,
    learning_rate_sweep,
)
from .group import Group
from .minimize import minimize
from .optimizer import (
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
)
from .schedule import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    OneCycle,
    Plateau,
    PolynomialDecay,
    Schedule,
    StepDecay,
    WarmUp,
)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "CosineDecay",
    "Descent",
    "DescentStep",
    "ExponentialDecay",
    "FalseConvergenceWarning",
    "Group",
    "LinearDecay",
    "Lion",
    "Momentum",
    "Nesterov",
    "OneCycle",
    "Optimizer",
    "Plateau",
    "PolynomialDecay",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "StopReason",
    "WarmUp",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
    "gradient_descent",
    "learning_rate_sweep",
    "minimize",
]
