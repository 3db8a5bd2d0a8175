"""Model and loss as one function of a batch."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Value, nn
from autograd_nn.training.feed import Batch
from autograd_nn.training.objective import Objective, check_loss

X, T = np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [0.0], [1.0]])


def test_the_loss_and_its_name():
    model = nn.Linear(1, 1, dtype=float, init="ones")
    objective = Objective(model, "mse")
    prediction, loss = objective(Batch(X, T, None, 3))
    assert prediction.tolist() == [[1.0], [2.0], [3.0]] and loss.item() == pytest.approx((1 + 4 + 4) / 3)
    assert objective.name == "mse" and Objective(model, len).name == "len"


def test_the_weighted_mean():
    objective = Objective(nn.Linear(1, 1, dtype=float, init="ones"), "mse")
    _, loss = objective(Batch(X, T, np.array([1.0, 0.0, 3.0]), 3))
    assert loss.item() == pytest.approx((1 * 1 + 3 * 4) / 4)


def test_weights_with_a_reduction_that_is_not_by_row():
    def odd(p, t, reduction="mean"):
        return (p - t).sum()

    with pytest.raises(ValueError, match=r"returned shape \(\), wanted \(3, …\)"):
        Objective(nn.Linear(1, 1, dtype=float), odd)(Batch(X, T, np.ones(3), 3))


def test_weights_with_a_loss_without_signature():
    class Odd:
        __signature__ = "none"

        def __call__(self, p, t):
            return (p - t).sum()

    with pytest.raises(TypeError, match="neither"):
        Objective(nn.Linear(1, 1, dtype=float), Odd())(Batch(X, T, np.ones(3), 3))


@pytest.mark.parametrize(
    ("loss", "kind", "message"),
    [
        (1.0, TypeError, "got float"),
        (np.float64(1), TypeError, "got float64"),
        (Value([1.0, 2.0]) * 2, ValueError, 'write reduction="mean"'),
        (Value(1.0, requires_grad=False), ValueError, "does not depend"),
    ],
)
def test_losses_that_cannot_be_differentiated(loss, kind, message):
    with pytest.raises(kind, match=message):
        check_loss(loss, "mine")
