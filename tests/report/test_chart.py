"""Pictures of a report show the numbers, on axes that fit them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from autograd_nn.report.chart import POINTS, Axes, logarithmic, powers_between, ratios, residuals


def rows(**columns):
    return [dict(zip(("step", *columns), row, strict=True)) for row in zip(range(1, 4), *columns.values(), strict=True)]


def points(picture, kind):
    found = re.findall(rf'<polyline class="{kind}" points="([^"]+)"/>', picture)
    return [tuple(map(float, pair.split(","))) for pair in found[-1].split()]


def test_ratios_stand_on_a_logarithmic_axis():
    picture = ratios(rows(**{"layers.0.weight": [1e-3, 1e-2, 1e-1], "layers.1.weight": [1e-1, 1e-3, 1e-5]}))
    (_, y1), (_, y2), (_, y3) = points(picture, "l0")
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)  # a decade each
    (_, z1), (_, z2), _ = points(picture, "l1")
    assert z1 == pytest.approx(y3, abs=0.1)
    assert z2 - z1 == pytest.approx(2 * (y1 - y2), abs=0.2)
    assert re.findall(r">(1e-\d)</text>", picture) == ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1"]
    assert "layers.0.weight" in picture
    assert picture.count('class="healthy"') == 1


def test_ratios_of_many_arrays_show_some_from_the_first_to_the_last():
    picture = ratios(rows(**{f"layers.{i}.weight": [0.1, 0.1, 0.1] for i in range(40)}))
    assert "8 of 40 arrays" in picture
    assert "layers.0.weight" in picture and "layers.39.weight" in picture


def test_what_has_no_logarithm_is_left_out():
    assert ratios([]) == ratios(rows(w=[0.0, math.nan, math.inf])) == ""
    picture = ratios(rows(w=[0.1, 0.0, 0.1]))
    assert picture.count('<circle class="l0"') == 2
    assert np.isnan(logarithmic([0.0, -1.0, math.nan, math.inf])).all()


def test_many_numbers_are_smoothed_without_bias():
    steady = logarithmic(np.full(1000, 0.01))
    assert np.allclose(steady, -2)
    rng = np.random.default_rng(0)
    noisy = logarithmic(10 ** rng.normal(-2, 0.5, 5000))
    assert noisy.std() < 0.1 and abs(noisy.mean() + 2) < 0.02
    picture = ratios([{"step": i, "w": 0.01} for i in range(5 * POINTS)])
    assert len(points(picture, "l0")) == POINTS


def test_exponents_on_the_axis_are_few():
    assert powers_between(-4, 1) == [-4, -3, -2, -1, 0, 1]
    assert powers_between(-300, 300) == [-300, -200, -100, 0, 100, 200, 300]
    assert max(len(powers_between(-n, 5)) for n in range(300)) <= 10


def test_residuals_stand_around_zero():
    observed, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.5])
    picture = residuals(observed, predicted, "kg")
    dots = [(float(x), float(y)) for x, y in re.findall(r'class="dot" cx="([\d.]+)" cy="([\d.]+)"', picture)]
    (_, zero), _ = points(picture, "equal")
    assert [np.sign(round(zero - y, 1)) for _, y in sorted(dots)] == [-1, 0, 1]
    assert "predicted kg" in picture
    assert residuals(np.array([np.nan]), np.array([1.0]), "") == ""
    assert "<svg" in residuals(np.ones(3), np.ones(3), "")  # all are right
    assert residuals(np.array([1e308]), np.array([-1e308]), "") == ""  # beyond all numbers


def test_axes_of_powers_are_not_widened():
    axes = Axes((0, 1), (-3, 2), ("x", "y"), powers=True)
    assert axes.y == (-3, 2)
    assert axes.number(-3.0) == "1e-3"
