"""The forecast beats doing nothing, loses to the calendar, and sees nothing of the future."""

import numpy as np

from examples import sales_forecast
from examples.sales_forecast import PASSENGERS, TRAINING, forecast, learn, windows


def test_coverage_sales_forecast(capsys):
    assert PASSENGERS.sum() == 40363  # nothing mistyped: R's AirPassengers has the mean 280.2986
    result = sales_forecast.main()
    assert round(result["same_as_last_month"], 1) == 44.2
    assert round(result["growth_of_a_year_ago"], 1) == 15.0
    assert result["growth_of_a_year_ago"] < result["network"] < 0.75 * result["same_as_last_month"]
    assert capsys.readouterr().out.splitlines()[-1].startswith("The network beats the naive forecast")


def test_nothing_is_learnt_from_the_future():
    x, y = windows(np.arange(30.0))
    assert (x.max(axis=1) < y).all()
    model, scaler = learn(PASSENGERS[:TRAINING], 0)
    again, other = learn(PASSENGERS[:TRAINING].copy(), 0)
    changed = PASSENGERS.copy()
    changed[TRAINING:] = 1.0
    assert forecast(model, scaler, PASSENGERS[:TRAINING]) == forecast(again, other, changed[:TRAINING])
    growth = np.diff(np.log(PASSENGERS[:TRAINING]))
    assert np.isclose(scaler.transform(growth[:, None]).mean(), 0) and len(growth) == TRAINING - 1
