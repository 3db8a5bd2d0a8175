import itertools
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_nn.data.split import fold_rows, folds, split, split_rows, take_rows

sizes = st.one_of(st.floats(0.05, 0.45), st.integers(1, 10))


def parts_or_none(make):
    """None where there are too few rows, or times, for the parts that are wanted."""
    try:
        return make()
    except ValueError as error:
        if "each part needs at least 1" not in str(error):
            raise
        return None


@given(n=st.integers(4, 80), test=sizes, validation=st.one_of(st.just(0.0), sizes), seed=st.integers(0, 99))
def test_each_row_is_in_exactly_one_part(n, test, validation, seed):
    parts = parts_or_none(lambda: split_rows(n, test=test, validation=validation, rng=seed))
    if parts is None:
        return
    assert len(parts) == (3 if validation else 2)
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert len(parts[-1]) == (test if test >= 1 else round(test * n))
    again = split_rows(n, test=test, validation=validation, rng=seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


@given(times=st.lists(st.integers(0, 30), min_size=4, max_size=60), test=sizes, validation=st.sampled_from([0, 0.2]))
def test_by_time_everything_later_is_later(times, test, validation):
    times = np.array(times)
    parts = parts_or_none(lambda: split_rows(len(times), test=test, validation=validation, time=times))
    if parts is None:
        return
    assert sorted(np.concatenate(parts)) == list(range(len(times)))
    for earlier, later in itertools.pairwise(parts):
        assert times[earlier].max() < times[later].min()


def test_by_time_with_gap_dates_and_text():
    train, validation, test = split_rows(10, test=2, validation=2, time=True, gap=1)
    assert [p.tolist() for p in (train, validation, test)] == [[0, 1, 2, 3, 4], [6], [8, 9]]
    days = np.array(["2024-03-01", "2024-01-01", "2024-02-01"])
    for times in (days, days.astype("datetime64[D]")):
        train, test = split_rows(3, test=1, time=times)
        assert (train.tolist(), test.tolist()) == ([1, 2], [0])


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=30, max_size=120),
    test=st.floats(0.2, 0.4),
    seed=st.integers(0, 99),
)
def test_stratified_parts_have_the_proportions_of_the_whole(labels, test, seed):
    y = np.array(labels)
    _, counts = np.unique(y, return_counts=True)
    assume(counts.min() >= 5)
    parts = split_rows(len(y), test=test, validation=0.2, stratify=y, rng=seed)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    for part in parts:
        for label in np.unique(y):
            expected = np.mean(y == label) * len(part)
            assert abs(np.sum(y[part] == label) - expected) <= 2  # rounded twice


@given(groups=st.lists(st.integers(0, 8), min_size=10, max_size=60), seed=st.integers(0, 99))
def test_no_group_is_in_two_parts(groups, seed):
    groups = np.array(groups)
    assume(len(np.unique(groups)) >= 5)
    parts = split_rows(len(groups), test=0.2, validation=0.2, groups=groups, rng=seed)
    assert sorted(np.concatenate(parts)) == list(range(len(groups)))
    seen = [set(groups[part]) for part in parts]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@given(n=st.integers(6, 40), k=st.integers(2, 6), seed=st.integers(0, 99))
def test_each_row_is_tested_once_in_k_folds(n, k, seed):
    pairs = fold_rows(n, k=k, rng=seed)
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(n))
    for train, test in pairs:
        assert sorted([*train, *test]) == list(range(n))


def test_folds_by_class_group_and_both():
    y = np.repeat([0, 1], [20, 10])
    for train, test in fold_rows(30, k=5, stratify=y, rng=0):
        assert np.bincount(y[test]).tolist() == [4, 2] and len(train) == 24
    groups = np.arange(30) // 3
    for options in ({}, {"stratify": y}):
        pairs = fold_rows(30, k=5, groups=groups, rng=0, **options)
        assert sorted(np.concatenate([test for _, test in pairs])) == list(range(30))
        for train, test in pairs:
            assert not set(groups[train]) & set(groups[test])
    orders = [fold_rows(30, k=5, groups=groups, rng=seed)[0][1].tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@given(times=st.lists(st.integers(0, 100), min_size=12, max_size=40), k=st.integers(2, 4))
def test_time_folds_test_with_what_is_later(times, k):
    times = np.array(times)
    for train, test in parts_or_none(lambda: fold_rows(len(times), k=k, time=times)) or ():
        assert times[train].max() < times[test].min()


def test_time_folds_with_gap():
    pairs = fold_rows(9, k=2, time=True, gap=1)
    assert [(a.tolist(), b.tolist()) for a, b in pairs] == [([0, 1], [3, 4, 5]), ([0, 1, 2, 3, 4], [6, 7, 8])]


def test_arrays_in_arrays_out():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    (x_train, y_train), (x_test, y_test) = split(x, y, test=0.3, rng=0)
    assert (x_train[:, 0] == 2 * y_train).all() and (x_test[:, 0] == 2 * y_test).all()
    assert len(x_test) == 3
    only_train, only_test = split(x, rng=0)
    assert only_train.shape == (8, 2) and only_test.shape == (2, 2)
    train, validation = split(x, y, test=0, validation=4, rng=0)
    assert len(train[1]) == 6 and len(validation[1]) == 4
    assert len(list(folds(x, y, k=5, rng=0))) == 5


def test_tables_in_tables_out():
    rows = np.array([2, 0])
    assert take_rows({"a": [1, 2, 3]}, rows) == {"a": [3, 1]}
    pandas = pytest.importorskip("pandas")
    assert take_rows(pandas.DataFrame({"a": [1, 2, 3]}, index=[7, 8, 9]), rows)["a"].tolist() == [3, 1]
    polars = pytest.importorskip("polars")
    assert take_rows(polars.DataFrame({"a": [1, 2, 3]}), rows)["a"].to_list() == [3, 1]
    train, test = split(polars.DataFrame({"a": range(10)}), test=0.2, rng=0)
    assert (train.height, test.height) == (8, 2)
    train, test = split({"a": [1, 2, 3, 4]}, test=0.25, time=True)
    assert (train, test) == ({"a": [1, 2, 3]}, {"a": [4]})


@pytest.mark.parametrize(
    ("n", "options", "said"),
    [
        (3, {"test": 0.1}, r"test=0.1 and validation=0 of 3 rows leave 3 for train, 0 for test"),
        (3, {"test": 3}, "leave 0 for train, 3 for test"),
        (3, {"test": 9}, "leave -6 for train, 9 for test"),
        (5, {"test": 0}, "got 0 for both"),
        (5, {"test": -0.5}, "got -0.5"),
        (5, {"test": 1.5}, "got 1.5"),
        (5, {"test": float("nan")}, "got nan"),
        (0, {}, "1 or more, got 0"),
        (5, {"gap": 2}, "gap=2 needs time="),
        (5, {"time": True, "groups": [1] * 5}, "got groups and time"),
        (5, {"time": [1, 1, 1, 1, 1]}, "leaves 0 rows for train, 5 rows for test"),
        (5, {"time": [1, 2, 3, 4, float("nan")]}, "got 1 missing"),
        (5, {"time": ["x"] * 5}, "got 'x'"),
        (5, {"time": True, "gap": 4}, "0 rows for train"),
        (5, {"stratify": [0, 0, 0, 0, 1]}, "got 1 of class 1"),
        (5, {"stratify": [0, 0]}, "each of 5 rows, got shape"),
        (9, {"stratify": list("aaabbbccc"), "test": 2}, "3 rows or more in each part"),
        (6, {"groups": [1] * 6}, "of 1 groups leave"),
    ],
)
def test_parts_without_rows_and_other_mistakes_are_refused(n, options, said):
    with pytest.raises(ValueError, match=said):
        split_rows(n, **options)


@pytest.mark.parametrize(
    ("n", "options", "said"),
    [
        (3, {"k": 4}, "k=4 .* there are 3 rows"),
        (3, {"k": 1}, "k=1"),
        (6, {"k": 3, "stratify": [0, 0, 0, 0, 1, 1]}, "3 folds wanted 3 rows or more of each class, got 2"),
        (6, {"k": 3, "groups": [0, 0, 0, 0, 1, 1]}, "3 groups or more, got 2"),
        (6, {"k": 3, "gap": 1}, "needs time"),
        (6, {"k": 2, "time": True, "gap": 5}, "0 rows for train"),
    ],
)
def test_folds_that_cannot_be_are_refused(n, options, said):
    with pytest.raises(ValueError, match=said):
        fold_rows(n, **options)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"got \[3, 4\]"):
        split(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="got none"):
        split([])


def test_scikit_learn_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[sklearn\]"'):
        split_rows(10, stratify=[0, 1] * 5)
    assert len(split_rows(10, rng=0)) == 2  # needs nothing


@pytest.mark.parametrize("size", [1.0, 3.0, np.float64(1.0)])
def test_a_fraction_of_one_is_no_row(size):
    """Whoever writes test=1.0 means all rows, not one."""
    with pytest.raises(ValueError, match="test wanted a fraction below 1 or a whole number of rows"):
        split(np.arange(10), test=size)
    assert len(split(np.arange(10), test=1)[1]) == 1
