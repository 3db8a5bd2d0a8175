"""The tutorials' statements about data: knowing it, batches of it, images and time series."""

import csv

import numpy as np
import pytest

from autograd_nn import Value, functions
from autograd_nn.data import POSITIONS, Batches, clean, report, sines, split, split_rows, x_and_o

RNG = np.random.default_rng(7)


@pytest.fixture
def dirty(tmp_path):
    """A CSV file with every trouble of the row: a leak, gaps, text, a constant column and repeated rows."""
    path = tmp_path / "customers.csv"
    rows = []
    for number in range(120):
        age, income = int(RNG.integers(18, 80)), round(float(RNG.normal(3000, 800)), 2)
        buys = "yes" if income + RNG.normal(0, 900) > 3000 else "no"
        invoice = f"{RNG.uniform(5, 90):.2f}" if buys == "yes" else "0.00"  # written after the purchase
        color = str(RNG.choice(["red", "green", "blue"]))
        rows.append([age, "" if number % 20 == 3 else income, color, "Earth", invoice, buys])
    rows += [rows[0], rows[1]]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["age", "income", "color", "planet", "invoice", "buys"], *rows])
    return path


def test_coverage_knowing_your_data_each_trouble_is_found_and_named(dirty):
    looked = report(dirty, "buys")
    found = {(finding.kind, finding.columns) for finding in looked.findings}
    assert found >= {
        ("missing", ("income",)),
        ("text", ("color",)),
        ("constant", ("planet",)),
        ("duplicate rows", ()),
        ("leak", ("invoice",)),
    }
    assert "missing in 6 of 122 rows" in looked.of("missing")[0].message
    assert "2 of 122 rows repeat" in looked.of("duplicate rows")[0].message


def test_coverage_knowing_your_data_verdict(dirty):
    looked = report(dirty, "buys")
    assert looked.verdict.startswith("not ready, because 'invoice' gives the target away")
    assert not looked.ready and not looked.cleanable  # "or if they even can be": the leak is for a person to judge
    honest = report(dirty, "buys", drop=["invoice"])
    assert not honest.ready and honest.cleanable
    table = clean(dirty, "buys", drop=["invoice"])
    cleaned = dict(zip(table.columns, table.x.T, strict=True)) | {"buys": table.y}
    assert report(cleaned, "buys").ready
    assert report(cleaned, "buys").verdict == "ready"


def test_coverage_knowing_your_data_scaler_fitted_on_training_rows_only(dirty):
    train, test = split_rows(122, test=0.25, rng=0)
    table = clean(dirty, "buys", drop=["invoice"], fit_on=train, dtype=np.float64)
    x_train, x_test = table.part(train)[0], table.part(test)[0]
    scaled = table.passport.scaled
    np.testing.assert_allclose(x_train[:, scaled].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(x_train[:, scaled].std(0), 1, rtol=1e-12)
    assert np.abs(x_test[:, scaled].mean(0)).min() > 1e-3  # the test rows were not centered

    # Nonsense in the test rows changes nothing of what was fitted.
    rows = list(csv.DictReader(dirty.read_text(encoding="utf-8").splitlines()))
    for row in test:
        rows[row] |= {"age": "1e6", "income": "-5", "color": "mauve"}
    again = clean(rows, "buys", drop=["invoice"], fit_on=train, dtype=np.float64)
    assert again.passport.to_dict() == table.passport.to_dict()
    np.testing.assert_array_equal(again.part(train)[0], x_train)


def test_coverage_knowing_your_data_inputs_keep_their_names(dirty):
    table = clean(dirty, "buys", drop=["invoice"])
    assert table.columns == ["age", "income", "color=blue", "color=green", "color=red"]
    assert [value.name for value in table.values(0)] == table.columns


def slope(weights, x, y):
    """The gradient of the mean squared error of a linear map, by the engine."""
    w = Value(weights)
    functions.mse(np.asarray(x) @ w, y).backward()
    return w.grad


@pytest.mark.parametrize("size", [1, 7, 16, 64])
def test_coverage_mini_batch_every_row_used_once_per_epoch_seeded(size):
    def orders(seed):
        batches = Batches(np.arange(64), batch_size=size, rng=seed)
        return [np.concatenate([rows for (rows,) in batches]).tolist() for _ in range(3)]

    for epoch in orders(0):
        assert sorted(epoch) == list(range(64))
    assert orders(0) == orders(0) != orders(1)


def test_coverage_mini_batch_of_all_rows_equals_full_gradient_descent():
    x, y = RNG.normal(size=(64, 3)), RNG.normal(size=64)
    full = batched = np.zeros(3)
    batches = Batches(x, y, batch_size=64, rng=0)
    for _ in range(20):
        full = full - 0.1 * slope(full, x, y)
        for inputs, targets in batches:
            batched = batched - 0.1 * slope(batched, inputs, targets)
    np.testing.assert_allclose(batched, full, rtol=0, atol=1e-12)
    np.testing.assert_allclose(full, np.linalg.lstsq(x, y)[0], atol=0.05)  # and it did descend


@pytest.mark.parametrize("size", [1, 4, 16, 32])
def test_coverage_mini_batch_mean_of_gradients_equals_the_full_gradient(size):
    x, y, w = RNG.normal(size=(64, 3)), RNG.normal(size=64), RNG.normal(size=3)
    gradients = [slope(w, *batch) for batch in Batches(x, y, batch_size=size, rng=0)]
    np.testing.assert_allclose(np.mean(gradients, axis=0), 2 * x.T @ (x @ w - y) / 64, rtol=0, atol=1e-12)


def test_coverage_images_of_x_and_o_give_the_tutorial_feature_maps():
    (x_image, o_image), labels = x_and_o(size=6)
    np.testing.assert_array_equal(x_image[0], np.maximum(np.eye(6), np.eye(6)[::-1]))  # both diagonals
    assert labels.tolist() == [0, 1]
    filters, bias = np.eye(3)[None, None], np.array([-2.0])
    maps = functions.conv2d(np.stack([x_image, o_image]), filters, bias)
    wanted = [[1, -1, -2, -1], [-1, 1, -1, -2], [-2, -1, 1, -1], [-1, -2, -1, 1]]
    np.testing.assert_array_equal(maps[0, 0], wanted)
    pooled = functions.max_pool2d(np.maximum(maps, 0))
    np.testing.assert_array_equal(pooled[0, 0], np.eye(2))
    np.testing.assert_array_equal(pooled[1, 0], np.zeros((2, 2)))  # the circle


def test_coverage_images_of_x_and_o_shifted_by_one_pixel():
    assert set(POSITIONS) == {(1 + down, 1 + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
    (center, *_), _ = x_and_o()
    for row, column in POSITIONS:
        (shifted, *_), _ = x_and_o(positions=[(row, column)])
        np.testing.assert_array_equal(shifted[0], np.roll(center[0], (row - 1, column - 1), axis=(0, 1)))


def test_coverage_forecasting_time_ordered_split_no_leakage():
    window, step = 20, 0.2
    x, y = sines(200, window=window, step=step)
    (x_train, y_train), (x_test, y_test) = split(x, y, test=0.25, time=True, gap=window)
    seen = {round(float(v), 12) for v in [*x_train.ravel(), *y_train.ravel()]}
    assert len(x_test) == 50 and len(x_train) == 130
    # Sines of step 0.2 never repeat a value (0.2 is no rational multiple of pi): a value that is seen again would leak.
    assert not seen & {round(float(v), 12) for v in [*x_test.ravel(), *y_test.ravel()]}
    without_gap = split(x, y, test=0.25, time=True)[0][1]
    assert {round(float(v), 12) for v in without_gap.ravel()} & {round(float(v), 12) for v in x_test.ravel()}
