"""A recurrent network forecasts a business: airline passengers of the next month, and whether that beats doing nothing.

The rule of an honest forecast: what is learnt and what is forecast from lies before what is forecast, and a forecast is
compared with simple ones. Passengers in thousands, 1949 to 1960, are series G of G. Box, G. Jenkins: Time series
analysis, forecasting and control, Holden-Day, 1970.
"""

from __future__ import annotations

import numpy as np

from autograd_nn import data, nn, no_grad, optim
from autograd_nn.training import fit

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
YEAR = 12
TRAINING = 10 * YEAR  # months to learn from; the last two years are for the test
EPOCHS = 150


def growth(series: np.ndarray) -> np.ndarray:
    """Return the growth from month to month: differences of logarithms, which stay in size as the business grows."""
    return np.diff(np.log(series))


def windows(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each year of a series, (windows, 12, 1), and the number that follows it, (windows, 1)."""
    pieces = np.lib.stride_tricks.sliding_window_view(series, YEAR + 1)
    return pieces[:, :-1, None].astype(np.float32), pieces[:, -1:].astype(np.float32)


def learn(past: np.ndarray, seed: int) -> tuple[nn.Module, data.Standardizer]:
    """Return a network trained on the past alone, and the scaling that belongs to it."""
    scaler = data.Standardizer().fit(growth(past)[:, None])
    x, y = windows(scaler.transform(growth(past)[:, None])[:, 0])
    model = nn.Sequential(nn.GRU(1, 8, returns="last"), nn.Linear(8, 1)).initialize(seed)
    optimizer = optim.Adam(model.parameters(), learning_rate=0.01)
    fit(model, (x, y), "mse", optimizer, epochs=EPOCHS, batch_size=None, seed=seed, progress=False)
    return model, scaler


def forecast(model: nn.Module, scaler: data.Standardizer, past: np.ndarray) -> float:
    """Return the number of the month after the past."""
    last_year = scaler.transform(growth(past[-YEAR - 1 :])[:, None])[None].astype(np.float32)
    with no_grad():
        change = scaler.inverse_transform(model(last_year).data)
    return float(past[-1] * np.exp(change.item()))


def mean_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute error, in thousands of passengers."""
    return float(np.mean(np.abs(found - truth)))


def main(seed: int = 0) -> dict[str, float]:
    """Learn from ten years, forecast each month of two more from all months before it, and compare."""
    model, scaler = learn(PASSENGERS[:TRAINING], seed)
    months = range(TRAINING, len(PASSENGERS))
    truth = PASSENGERS[TRAINING:]
    last, year_ago = PASSENGERS[TRAINING - 1 : -1], PASSENGERS[TRAINING - YEAR : -YEAR]
    month_before_that = PASSENGERS[TRAINING - YEAR - 1 : -YEAR - 1]
    result = {
        "same_as_last_month": mean_error(last, truth),
        "same_as_a_year_ago": mean_error(year_ago, truth),
        "network": mean_error(np.array([forecast(model, scaler, PASSENGERS[:t]) for t in months]), truth),
        "growth_of_a_year_ago": mean_error(last * year_ago / month_before_that, truth),
    }
    for name, error in result.items():
        print(f"{name.replace('_', ' '):22}{error:6.1f} thousand passengers off, on average")
    print("The network beats the naive forecast, and loses to a rule that knows that a year has twelve months.")
    return result


if __name__ == "__main__":
    main()
