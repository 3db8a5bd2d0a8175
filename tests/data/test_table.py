import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import Value
from autograd_nn.data import Passport, Table, clean, split_rows
from autograd_nn.data.table import Input

COLORS = ["red", "blue", None, "red", "green", "red"]
FRAME = {
    "income": [10.0, None, 30.0, 20.0, 40.0, float("inf")],
    "color": COLORS,
    "member": [True, False, None, True, True, False],
    "since": ["2024-01-03", "2024-01-01", None, "2024-01-05", "2024-01-11", "2024-01-01"],
    "planet": ["Earth"] * 6,
    "copy": [10.0, None, 30.0, 20.0, 40.0, float("inf")],
    "none": [None] * 6,
    "buys": ["no", "yes", "no", "no", "yes", "yes"],
}


def test_a_table_becomes_arrays():
    table = clean(FRAME, "buys", standardize=False)
    assert table.columns == ["income", "color=blue", "color=green", "color=red", "member", "since"]
    # medians: income of 10, 20, 30, 40 is 25; days of 2, 0, 4, 10, 0 is 2. Most frequent: red, True.
    expected = [
        [10, 0, 0, 1, 1, 2],
        [25, 1, 0, 0, 0, 0],
        [30, 0, 0, 1, 1, 2],
        [20, 0, 0, 1, 1, 4],
        [40, 0, 1, 0, 1, 10],
        [25, 0, 0, 1, 0, 0],
    ]
    np.testing.assert_array_equal(table.x, expected)
    assert table.x.dtype == np.float32 and table.y.dtype == np.int64
    assert table.y.tolist() == [0, 1, 0, 0, 1, 1] and table.classes == ("no", "yes")
    assert table.passport.dropped == {
        "planet": "it is the same in every row",
        "none": "it has no value",
        "copy": "it equals 'income'",
    }
    assert len(table) == 6 and table.task == "classification" and len(table.notes) == 3
    x, y = table
    assert x is table.x and y is table.y


def test_numbers_and_dates_are_standardized_flags_and_categories_are_not():
    table = clean(FRAME, "buys", dtype=np.float64)
    scaled = table.passport.scaled
    assert scaled.tolist() == [True, False, False, False, False, True]
    np.testing.assert_allclose(table.x[:, scaled].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(table.x[:, scaled].std(0), 1)
    assert set(np.unique(table.x[:, ~scaled])) == {0, 1}
    assert table.passport.scaler.columns == ["income", "since"]


def test_apply_does_to_new_rows_what_was_done_to_the_old_ones():
    table = clean(FRAME, "buys", dtype=np.float64)
    np.testing.assert_array_equal(table.apply(FRAME), table.x)
    row = [{"since": "2024-01-03", "member": "false", "income": "40", "color": None, "unheard of": 3}]
    np.testing.assert_allclose(table.apply(row)[0], [*table.x[4, :1], 0, 0, 1, 0, *table.x[0, 5:]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_too(library):
    frames = pytest.importorskip(library)
    data = {"a": [1.5, 2.5, None, 4.0], "c": ["x", "y", "x", None], "y": [0, 1, 0, 1]}
    table, wanted = clean(frames.DataFrame(data), "y"), clean(data, "y")
    np.testing.assert_array_equal(table.x, wanted.x)
    assert table.columns == wanted.columns
    np.testing.assert_array_equal(table.apply(frames.DataFrame(data)), wanted.x)


cells = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([0, 1]),
    ),
    min_size=3,
    max_size=12,
)


@given(train=cells, one=cells, other=cells)
@settings(deadline=None)
def test_what_is_fitted_does_not_know_the_test_rows(train, one, other):
    """The law of honest tests: other test rows, or none, give the same passport and the same training arrays."""

    def cleaned(test):
        rows = train + test
        frame = {name: [row[place] for row in rows] for place, name in enumerate(["x", "c", "y"])}
        frame["always"] = np.arange(len(rows)) % 7 + 0.5  # so that some input is left
        table = clean(frame, "y", fit_on=np.arange(len(train)), task="regression")
        return table.passport.to_dict(), table.part(np.arange(len(train)))

    wanted, (x, y) = cleaned([])
    for test in (one, other):
        passport, part = cleaned(test)
        assert passport == wanted
        np.testing.assert_array_equal(part[0], x)
        np.testing.assert_array_equal(part[1], y)


def test_what_is_dropped_does_not_depend_on_the_test_rows():
    frame = {"same": [1, 1, 1, 2], "empty": [None] * 3 + [5], "x": [1.5, 2, 4, 3], "copy": [1.5, 2, 4, 9]}
    table = clean(frame, fit_on=[0, 1, 2])
    assert table.columns == ["x"] and set(table.passport.dropped) == {"same", "empty", "copy"}


def test_a_test_cell_of_another_type_is_an_error_not_another_type_of_column():
    frame = {"x": ["1.5", "2", "4", "many"]}
    with pytest.raises(ValueError, match="column 'x' wanted a number .* got 'many' in row 3"):
        clean(frame, fit_on=[0, 1, 2])


def test_fit_on_equals_splitting_first():
    rng = np.random.default_rng(0)
    frame = {"x": rng.normal(5, 3, 50), "c": rng.choice(["a", "b"], 50), "y": rng.normal(size=50)}
    train, test = split_rows(50, rng=0)
    together = clean(frame, "y", fit_on=train)
    first = clean({name: cells[train] for name, cells in frame.items()}, "y")
    assert together.passport == first.passport or together.passport.to_dict() == first.passport.to_dict()
    np.testing.assert_array_equal(together.part(test)[0], first.apply({n: c[test] for n, c in frame.items()}))
    np.testing.assert_allclose(together.part(train)[0][:, 0].mean(), 0, atol=1e-6)
    assert abs(together.part(test)[0][:, 0].mean()) > 1e-3
    mask = np.isin(np.arange(50), train)
    assert clean(frame, "y", fit_on=mask).passport.to_dict() == first.passport.to_dict()


def test_categories_of_test_rows_are_zeros_and_classes_are_refused():
    frame = {"c": ["a", "b", "a", "z"], "x": [1.5, 2, 3, 4], "y": ["n", "y", "y", "n"]}
    table = clean(frame, "y", fit_on=[0, 1, 2])
    assert table.columns == ["c=a", "c=b", "x"] and table.x[3, :2].tolist() == [0, 0]
    with pytest.raises(ValueError, match="classes 'y' only outside of the training rows"):
        clean(frame, "y", fit_on=[0, 3])


def test_rows_without_target_and_repeated_rows_are_left_out():
    frame = {"x": [1.25, 2.5, 1.25, 4.75, 5.5] * 4, "z": np.arange(20) * 1.5, "y": [0.5, 1.5, 0.5, None, 2.5] * 4}
    frame["z"][5:10] = frame["z"][:5]
    table = clean(frame, "y", task="regression")
    assert table.rows.tolist() == [0, 1, 2, 4, 10, 11, 12, 14, 15, 16, 17, 19]
    assert "4 rows without 'y' were left out" in table.notes
    assert "4 rows that repeat an earlier one were left out" in table.notes
    assert len(clean(frame, "y", task="regression", duplicates="keep")) == 16
    x, y = table.part([3, 4, 0, 5])  # 3 lacks the target, 5 repeats 0
    np.testing.assert_array_equal(x, table.x[[3, 0]])
    assert y.tolist() == [2.5, 0.5]
    # A training row never yields to a test row.
    assert 5 in clean(frame, "y", task="regression", fit_on=np.arange(5, 20)).rows


def test_repeated_rows_of_few_values_are_information():
    frame = {"a": [0, 0, 1, 1] * 10, "b": [0, 1] * 20, "y": [0, 1, 1, 0] * 10}
    assert len(clean(frame, "y")) == 40
    assert len(clean(frame, "y", duplicates="drop")) == 4


@pytest.mark.parametrize(
    ("target", "classes", "y"),
    [
        ([True, False, True, False], (False, True), [1, 0, 1, 0]),
        ([3, 1, 3, 1], (1, 3), [1, 0, 1, 0]),
        ([0.5, 1.0, 0.5, 1.0], (0.5, 1), [0, 1, 0, 1]),
        (["b", "a", "b", "c"], ("a", "b", "c"), [1, 0, 1, 2]),
    ],
)
def test_classes_keep_their_type(target, classes, y):
    table = clean({"x": [1.5, 2, 3, 4], "y": target}, "y")
    assert table.classes == classes and [type(c) for c in table.classes] == [type(c) for c in classes]
    assert table.y.tolist() == y
    assert table.passport.labels(table.y).tolist() == target
    with pytest.raises(ValueError, match=f"0 to {len(classes) - 1}, got 9"):
        table.passport.labels([9])


def test_regression_and_no_target():
    table = clean({"x": [1.5, 2, 3], "y": [0.1, 0.2, 0.3]}, "y")
    assert table.task == "regression" and table.y.dtype == np.float32 and table.classes is None
    np.testing.assert_allclose(table.y, [0.1, 0.2, 0.3], rtol=1e-6)
    assert repr(table) == "Table(3 rows: x → y)"
    with pytest.raises(ValueError, match="no classes"):
        table.passport.labels([0])
    table = clean({"x": [1.5, 2, 3]})
    assert table.y is None and table.task is None and table.part([0])[1] is None
    assert repr(table) == "Table(3 rows: x)"


def test_inputs_are_called_by_their_columns():
    table = clean(FRAME, "buys")
    values = table.values(1)
    assert [v.name for v in values] == table.columns
    assert all(isinstance(v, Value) and type(v.data) is float for v in values)
    assert [float(v) for v in values] == table.x[1].tolist()


@pytest.mark.parametrize("standardize", [True, False])
def test_the_passport_survives_json(standardize):
    table = clean(FRAME, "buys", standardize=standardize, missing=["-"], drop=["member"], max_categories=2)
    passport = Passport.from_dict(json.loads(json.dumps(table.passport.to_dict())))
    assert passport.to_dict() == table.passport.to_dict()
    assert passport.columns == table.columns == ["income", "color=blue", "color=red", "color=other", "since"]
    np.testing.assert_array_equal(passport.apply(FRAME), table.x)
    assert passport.labels([1]).tolist() == ["yes"]


def test_a_damaged_passport_is_refused():
    stored = clean(FRAME, "buys").passport.to_dict()

    def damaged(**changes):
        with pytest.raises(ValueError, match="damaged|stored|dtype|other|columns"):
            Passport.from_dict({**stored, **changes})

    damaged(more=1)
    damaged(inputs=stored["inputs"][:1])  # the scaler has other columns
    damaged(inputs=3)
    damaged(dtype="int64")
    damaged(dtype="no such")
    damaged(dropped=3)
    damaged(inputs=[{**stored["inputs"][0], "kind": "code"}])
    damaged(inputs=[{**stored["inputs"][0], "kind": "text"}])
    damaged(scaler={"mean": [1.0], "scale": [0.0], "columns": None})
    with pytest.raises(ValueError, match="stored dict"):
        Input.from_dict({})


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"income": [1.0]}, "the table lacks 'color', 'member', 'since'"),
        ({**FRAME, "incom": FRAME["income"], "income": None}, r"'income' \(renamed to 'incom'\?\)"),
        ({**FRAME, "income": ["a lot"] * 6}, "column 'income' wanted a number .* got 'a lot' in row 0"),
        ({**FRAME, "color": ["mauve"] * 6}, "column 'color': the Encoder knows 'blue', 'green', 'red', got 'mauve'"),
        ({**FRAME, "since": ["soon"] * 6}, "column 'since' wanted a date"),
    ],
)
def test_apply_names_what_is_missing_renamed_or_of_another_type(frame, said):
    frame = {name: column for name, column in frame.items() if column is not None}
    with pytest.raises(ValueError, match=said):
        clean(FRAME, "buys").apply(frame)


def test_unknown_categories_can_be_zeros():
    table = clean(FRAME, "buys")
    assert table.apply({**FRAME, "color": ["mauve"] * 6}, unknown="zeros")[0, 1:4].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="got 'guess'"):
        table.apply(FRAME, unknown="guess")


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        ({"a": ["1", "2", "3", "x"]}, {}, "mixes 3 numbers with 1 .*missing="),
        ({"a": ["1,5", "2,5"]}, {}, "decimal comma"),
        ({"a": ["31.01.2024", "01.02.2024"]}, {}, "ISO 8601"),
        ({"a": [1, 1]}, {}, "no column is left"),
        ({"a": [1, 2], "y": [None, None]}, {"target": "y"}, "missing in every row"),
        ({"a": [1, 2], "y": ["2024-01-01"] * 2}, {"target": "y"}, "holds dates"),
        ({"a": [1, 2], "y": [1.5, np.inf]}, {"target": "y"}, "infinite"),
        ({"a": [1, 2]}, {"target": "b"}, "target names 'b'"),
        ({"a": [1, 2]}, {"duplicates": "maybe"}, "got 'maybe'"),
        ({"a": [1, 2]}, {"fit_on": []}, "at least one"),
        ({"a": [1, 2]}, {"fit_on": [2]}, "from 0 to 1, got 2 to 2"),
        ({"a": [1, 2]}, {"fit_on": [True]}, "each of 2 rows"),
        ({"a": [1, 2]}, {"dtype": int}, "got int64"),
        ({"a": ["x", "y"], "a=x": [1.5, 2]}, {}, "one name"),
    ],
)
def test_what_cannot_be_cleaned_is_refused(frame, options, said):
    with pytest.raises(ValueError, match=said):
        clean(frame, **options)


def test_identifiers_and_copies_stay_if_wanted():
    x = np.random.default_rng(0).normal(size=30)
    frame = {"id": range(30), "x": x, "again": x}
    assert clean(frame).columns == ["x"]
    assert clean(frame, keep=["id", "again"]).columns == ["id", "x", "again"]
    assert isinstance(clean(frame, drop=["id"]), Table)


def test_the_table_shows_classes_as_they_are():
    assert repr(clean({"x": [1.0, 2.5, 3.0, 4.5], "y": [0, 1, 0, 1]}, "y")).endswith("→ y (0, 1))")
    assert repr(clean({"x": [1.0, 2.5, 3.0, 4.5], "y": ["0", "a", "0", "a"]}, "y")).endswith("→ y ('0', 'a'))")
