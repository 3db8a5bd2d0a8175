import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.data import trait
from autograd_nn.data.frame import columns_of


def column(cells, name="c"):
    return columns_of({name: cells})[name]


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1))
def test_codes_are_equal_where_values_are(cells):
    codes = trait.codes(column(cells))
    for i, first in enumerate(cells):
        for j, second in enumerate(cells):
            assert (codes[i] == codes[j]) == (first == second)
        assert (codes[i] == -1) == (first is None)


def test_constant():
    assert trait.constant(column([2, 2])) and trait.constant(column(["a", "a"]))
    assert not trait.constant(column([2, None]))  # the gap may tell something
    assert not trait.constant(column([1, 2]))


@pytest.mark.parametrize(
    ("name", "cells", "others", "found"),
    [
        ("name", [f"person {i}" for i in range(30)], 1, True),
        ("color", ["red", "blue"] * 15, 1, False),
        ("customer_id", [(7 * i) % 31 for i in range(30)], 1, True),
        ("customerId", [(7 * i) % 31 for i in range(30)], 1, True),
        ("id", [1, 1] * 15, 1, False),
        ("row", list(range(30)), 1, True),
        ("row", [i for i in range(40) if i % 4 != 2], 1, True),  # what a split left of it
        ("x", list(range(30)), 0, False),  # the only input of a line fit
        ("x", list(range(0, 60, 2)), 1, False),  # a grid
        ("hour", list(range(5, 17)), 1, False),
        ("year", list(range(1990, 2020)), 1, False),
        ("income", [(7 * i) % 31 for i in range(30)], 1, False),
        ("income", [i + 0.5 for i in range(30)], 1, False),
        ("id", list(range(5)), 1, False),
        ("humid", [(7 * i) % 31 for i in range(30)], 1, False),
    ],
)
def test_identifiers(name, cells, others, found):
    assert bool(trait.identifier(column(cells, name), others)) is found


def test_copies():
    nan = float("nan")
    table = columns_of(
        {"a": [1, nan], "b": ["1", ""], "c": [1, 2], "d": ["x", "y"], "e": ["x", "y"], "f": [0.0, 1], "g": [-0.0, 1]}
    )
    assert trait.copies(table) == {"b": "a", "e": "d", "g": "f"}


def test_repeated_rows():
    table = columns_of({"a": [1, 1, 1, None, None], "b": ["x", "x", "y", None, None]})
    assert trait.repeated_rows(table).tolist() == [False, True, False, False, True]
    assert trait.expected_repeats(columns_of({"a": [0, 1] * 10, "b": [0, 0, 1, 1] * 5}))
    assert not trait.expected_repeats(columns_of({"a": range(100), "b": np.arange(100) % 50}))


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([-1.5, 2.5], "classification"),
        ([0, 1, 2] * 10, "classification"),
        ([0.5, 1.5, 2.5] * 10, "regression"),
        ([0, 1, 2], "regression"),
        (list(range(100)), "regression"),
    ],
)
def test_the_task_follows_from_the_target(cells, task):
    assert trait.task_of(column(cells)) == task


RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 200)
Z = RNG.normal(size=200)
NOISE = RNG.normal(size=200)


@pytest.mark.parametrize(
    ("cells", "target", "leaks"),
    [
        (["abc"[y] for y in Y], Y, True),  # another name for the class
        ([("a", "a2", "b", "b2", "c", "c2")[2 * y + (z > 0)] for y, z in zip(Y, Z, strict=True)], Y, True),
        (Y * 10 + NOISE * 0.5, Y, True),  # thresholds separate
        ([1.0 if y else None for y in Y], (Y > 0), True),  # filled in only afterwards
        (np.where(np.arange(200) == 7, 1 - (Y > 0), Y > 0), Y > 0, True),  # nearly equal
        (Y + NOISE, Y, False),  # useful
        (NOISE, Y, False),
        ([f"name {i}" for i in range(200)], Y, False),  # unique: knows each row, means nothing
        ((np.arange(200) * 7) % 200, Y, False),
        (Z, Z, True),
        (2 * Z - 5, Z, True),
        (np.exp(Z), Z, True),
        (-Z + 1e-4 * NOISE, Z, True),
        (Z + NOISE, Z, False),
        (["abc"[y] for y in Y], Y * 10.0, True),
        (["abc"[y] for y in Y], Y * 10.5 * 1e300 / 1e299, True),
        (["abc"[y] for y in Y], Y * 1.5e300, True),
        (["abc"[y] for y in Y], Y * 10.0 + NOISE, False),
        ([1.0 if i < 10 else None for i in range(200)], Y, False),  # too few cells to tell
        ([3.0 if i % 2 else None for i in range(200)], Y, False),
        (NOISE, Z, False),
        (np.full(200, 3.0), Z, False),
    ],
)
def test_what_gives_the_target_away(cells, target, leaks):
    target = column(target)
    assert bool(trait.gives_away(column(cells), target, trait.task_of(target))) is leaks


def test_few_rows_give_nothing_away():
    assert trait.gives_away(column([0, 1] * 4), column([0, 1] * 4), "classification") is None
    assert trait.gives_away(column([1.0, 2, 3]), column([1.0, 2, 3]), "regression") is None


@given(st.integers(0, 1000))
def test_noise_is_no_leak(seed):
    rng = np.random.default_rng(seed)
    y = column(rng.integers(0, 2, 30))
    assert trait.gives_away(column(rng.normal(size=30)), y, "classification") is None


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_real_data_sets_leak_nothing(name):
    datasets = pytest.importorskip("sklearn.datasets")
    loaded = getattr(datasets, f"load_{name}")()
    target = column(loaded.target)
    task = trait.task_of(target)
    assert task == ("regression" if name == "diabetes" else "classification")
    for x in loaded.data.T:
        assert trait.gives_away(column(x), target, task) is None


@given(st.integers(0, 1000))
def test_a_rare_class_at_the_edge_is_no_leak(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=40), np.zeros(40, int)
    y[np.argsort(x)[-2:]] = 1
    assert trait.gives_away(column(x), column(y), "classification") is None
