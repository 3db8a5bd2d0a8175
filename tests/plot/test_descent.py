"""A point for each rate, where it ended; the mark says why."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn import optim, plot
from autograd_nn.optim import Descent, StopReason
from autograd_nn.plot.descent import LOOKS

RATES = [1e-6, 0.1, 0.5, 1.0, 1.1]


@pytest.fixture(scope="module")
def results():
    return optim.learning_rate_sweep(lambda w: (w - 3) ** 2, 0.0, RATES, max_steps=100)


def result(loss, reason=StopReason.STEP_LIMIT, start=1.0):
    return Descent(0.0, loss, reason, 1, [0.0], [start, loss], [], 0.1, 0.001, 1)


def points(ax):
    """Marks of the plot: (rate, loss) by marker and whether it is filled."""
    found = {}
    for line in ax.lines:
        if line.get_linestyle() == "None":
            filled = line.get_markerfacecolor() != "none"
            found[line.get_marker(), filled] = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
    return found


def test_every_reason_has_a_mark_of_its_own():
    assert set(LOOKS) == set(StopReason)
    assert len({marker for marker, _, _ in LOOKS.values()}) == len(StopReason)


def test_rates_losses_and_reasons(results, ax):
    plot.learning_rate_sweep(results, ax=ax)
    found = points(ax)
    assert found["o", False] == [(1e-6, results[1e-6].loss)]  # false convergence is hollow
    assert found["o", True][0] == (0.1, results[0.1].loss)
    assert found["s", True] == [(1.0, results[1.0].loss)]
    assert found["X", True] == [(1.1, results[1.1].loss)]
    (bottom,) = [y for x, y in found["o", True] if x == 0.5]  # the loss is 0, which no logarithm shows
    assert bottom == ax.get_ylim()[0]
    steps = [text.get_text() for text in ax.texts]
    assert steps == ["1 step", f"{results[0.1].step_count} steps", "2 steps, loss 0", "100 steps",
                     f"{results[1.1].step_count} steps"]  # fmt: skip
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "loss at the start", "small steps", "small steps: false convergence", "step limit", "diverged",
    ]  # fmt: skip
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "loss at the end")
    assert ax.lines[1].get_ydata() == [9.0, 9.0]


def test_losses_beyond_numbers_stand_at_the_edge(ax):
    given = {
        0.1: result(0.5),
        0.2: result(math.inf, StopReason.DIVERGED),
        0.3: result(math.nan, StopReason.NAN),
        0.4: result(-math.inf, StopReason.DIVERGED),
    }
    plot.learning_rate_sweep(given, ax=ax)
    low, high = ax.get_ylim()
    assert points(ax)["X", True] == [(0.2, high), (0.4, low)]
    assert points(ax)["P", True] == [(0.3, high)]
    assert [t.get_text() for t in ax.texts] == ["1 step", "1 step, loss ∞", "1 step, loss NaN", "1 step, loss −∞"]


def test_negative_losses_have_a_linear_axis(ax):
    plot.learning_rate_sweep({0.1: result(-2.0), 0.2: result(3.0)}, ax=ax)
    assert ax.get_yscale() == "linear"
    assert points(ax)["s", True] == [(0.1, -2.0), (0.2, 3.0)]


def test_one_result_that_is_zero_from_the_start(ax):
    plot.learning_rate_sweep({0.1: result(0.0, start=0.0)}, ax=ax)
    assert np.isfinite(ax.get_ylim()).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "at least one rate"),
        ({-1.0: result(1.0)}, ValueError, "rates above 0"),
        ([0.1, 0.2], TypeError, r"as optim.learning_rate_sweep\(f, x0, rates\) returns them, got list"),
        ({0.1: 3.0}, TypeError, "wanted results by rate"),
    ],
)
def test_errors_say_what_was_wanted(given, error, message):
    with pytest.raises(error, match=message):
        plot.learning_rate_sweep(given)
