"""Recurrent networks and time series: what the tutorials claim, in numbers."""

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn import numpy as anp
from autograd_nn.functions import mse
from autograd_nn.graph import Graph
from autograd_nn.nn import GRU, RNN, Linear, RNNCell, Sequential
from autograd_nn.optim import Adam
from autograd_nn.testing import check_grads


def unrolled(weights, x, h):
    """The feedback loop h = tanh(x + h w) as a chain of steps, each with the weight that it is given."""
    for t, w in enumerate(weights):
        h = anp.tanh(x[t] + h @ w)
    return (h * h).sum()


def test_coverage_recurrent_network_shares_one_weight_node():
    rng = np.random.default_rng(0)
    x, h, start = rng.normal(size=(50, 1, 3)), np.zeros((1, 3)), 0.5 * rng.normal(size=(3, 3))
    shared = Value(start)
    loss = unrolled([shared] * 50, x, h)
    nodes = Graph.of(loss).nodes
    assert sum(node is shared for node in nodes) == 1
    assert sum(parent is shared for node in nodes for parent in node.parents) == 50
    loss.backward()
    copies = [Value(start) for _ in range(50)]
    unrolled(copies, x, h).backward()
    assert max(np.abs(w.grad).max() for w in copies) > 0.1
    np.testing.assert_allclose(shared.grad, sum(w.grad for w in copies), rtol=1e-12)


@pytest.mark.parametrize("scan", [False, True])
def test_coverage_recurrent_network_gradient_equals_central_differences(scan):
    layer = RNN(1, 3, dtype=float, rng=0, returns="last", scan=scan)
    x = np.sin(0.2 * np.arange(50)).reshape(1, 50, 1)

    def f(w, u, b):
        cell = layer.cells[0]
        cell.input_weight, cell.hidden_weight, cell.bias = w, u, b
        return (layer(x) ** 2).sum()

    check_grads(f, *[p.data.copy() for p in layer.parameters()], order=1)


@pytest.mark.parametrize(("w", "slope"), [(0.5, 8.881784197001252e-16), (2.0, 1_125_899_906_842_624.0)])
def test_coverage_recurrent_network_vanishes_and_explodes(w, slope):
    cell = RNNCell(1, 1, activation="identity", bias=False, dtype=float, rng=0)
    cell.load_state_dict({"input_weight": [[1.0]], "hidden_weight": [[w]]})
    first = Value([[1.0]])
    h = first
    for _ in range(50):
        h = cell(np.zeros((1, 1)), h)
    h.sum().backward()
    assert first.grad.item() == slope  # w ** 50, exactly: powers of two

    layer = RNN(1, 1, activation="identity", bias=False, dtype=float, rng=0)
    layer.cells[0].load_state_dict(cell.state_dict())
    state = Value([[[1.0]]])
    layer(np.zeros((1, 50, 1)), state)[1].sum().backward()
    assert state.grad.item() == slope


def windows(series, length):
    """Every window of a series, (count, length, 1), and the number that follows it, (count, 1)."""
    pieces = np.lib.stride_tricks.sliding_window_view(series, length + 1)
    return pieces[:, :-1, None], pieces[:, -1:]


def train(model, x, y, *, steps, learning_rate=0.01):
    optimizer = Adam(model.parameters(), learning_rate=learning_rate)
    for _ in range(steps):
        model.zero_grad()
        mse(model(x), y).backward(retain="leaves")
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_coverage_recurrent_network_learns_a_sine(seed):
    series = np.sin(0.2 * np.arange(300)).astype(np.float32)
    x, y = windows(series[:200], 20)
    model = Sequential(RNN(1, 8, returns="last"), Linear(8, 1)).initialize(seed)
    train(model, x, y, steps=300)
    later_x, later_y = windows(series[200:], 20)  # times that training never saw
    error = np.sqrt(np.mean((model(later_x).data - later_y) ** 2))
    same_as_last = np.sqrt(np.mean((later_x[:, -1] - later_y) ** 2))
    assert error < same_as_last / 10


# Airline passengers of each month from 1949 to 1960, in thousands: a business with trend and season. Series G of
# G. Box, G. Jenkins: Time series analysis, forecasting and control, Holden-Day, 1970.
PASSENGERS = np.array(
    [
        *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118),
        *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
        *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
        *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
        *(196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201),
        *(204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229),
        *(242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278),
        *(284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306),
        *(315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336),
        *(340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337),
        *(360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405),
        *(417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432),
    ],
    float,
)


class Forecaster:
    """The growth of the next month from the growth of the last twelve; all that is learnt comes from one series."""

    def __init__(self, past, *, seed=0, steps=150):
        growth = np.diff(np.log(past))
        self.mean, self.scale = growth.mean(), growth.std()
        x, y = windows(((growth - self.mean) / self.scale).astype(np.float32), 12)
        self.model = Sequential(GRU(1, 8, returns="last"), Linear(8, 1)).initialize(seed)
        train(self.model, x, y, steps=steps)

    def __call__(self, past):
        """The number that follows, for the next month alone."""
        growth = (np.diff(np.log(past[-13:])) - self.mean) / self.scale
        change = self.model(growth[None, :, None]).item() * self.scale + self.mean
        return past[-1] * np.exp(change)


def forecasts(series, first, **options):
    """Learn from what was before `first`, then forecast each later number from all numbers before it."""
    forecaster = Forecaster(series[:first], **options)
    return np.array([forecaster(series[:t]) for t in range(first, len(series))])


def error(forecast, truth):
    return np.mean(np.abs(forecast - truth))


def test_coverage_forecasting_beats_the_naive_forecast_and_not_the_calendar():
    """The honest result on ten years of training and two years of test."""
    assert PASSENGERS.sum() == 40363  # nothing mistyped: R's AirPassengers has the mean 280.2986
    truth = PASSENGERS[120:]
    same_as_last = error(PASSENGERS[119:-1], truth)
    growth_a_year_ago = error(PASSENGERS[119:-1] * PASSENGERS[108:-12] / PASSENGERS[107:-13], truth)
    assert (round(same_as_last, 1), round(growth_a_year_ago, 1)) == (44.2, 15.0)
    errors = [error(forecasts(PASSENGERS, 120, seed=seed), truth) for seed in range(3)]
    assert max(errors) < 0.75 * same_as_last
    # With 119 numbers to learn from, a network does not beat a rule that knows that a year has twelve months.
    assert min(errors) > growth_a_year_ago


def test_coverage_forecasting_does_not_see_the_future():
    plain = forecasts(PASSENGERS, 120, steps=20)
    for changed in (120, 121, 130):
        other = PASSENGERS.copy()
        other[changed:] = 1e6 / np.arange(1, 145 - changed)
        found = forecasts(other, 120, steps=20)
        # What comes later changes neither the scaler, nor the weights, nor any forecast up to that month.
        np.testing.assert_array_equal(found[: changed - 120 + 1], plain[: changed - 120 + 1])
        assert not np.isclose(found[changed - 120 + 1 :], plain[changed - 120 + 1 :]).any()
    x, y = windows(np.arange(30.0), 12)
    assert (x.max(axis=1) < y).all()  # a window ends before the number that is forecast


def test_coverage_forecasting_prices_that_walk_at_random():
    """Of a price whose changes are independent the last one is the best forecast, and a network cannot beat it."""
    for seed in range(3):
        price = 100 * np.exp(0.02 * np.random.default_rng(seed).standard_normal(300).cumsum())
        assert error(forecasts(price, 240, seed=seed, steps=100), price[240:]) > error(price[239:-1], price[240:])
