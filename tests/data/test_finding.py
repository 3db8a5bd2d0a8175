"""Each check is shown a table with its trouble, and one without."""

import numpy as np
import pytest

from autograd_nn.data.finding import CHECKS, Finding
from autograd_nn.data.report import report
from autograd_nn.data.table import clean

N = 100
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
Y = RNG.integers(0, 2, N)
GOOD = {"x": X, "y": Y}


def found(columns, target="y", **options):
    return report({**GOOD, **columns}, target, **options).findings


def put(array, rows, value):
    changed = np.array(array, dtype=object)
    changed[rows] = value
    return changed


CASES = [
    ({"x": put(X, [0, 1], None)}, "warning", "missing", ("x",), "missing in 2 of 100 rows (2 %)"),
    ({"x": put(X, slice(60), None)}, "warning", "missing", ("x",), "60 of 100"),
    ({"a": [None] * N}, "warning", "empty", ("a",), "no value at all"),
    ({"y": put(Y, [3], None)}, "warning", "missing", ("y",), "the target 'y' is missing in 1"),
    ({"y": [None] * N}, "error", "missing", ("y",), "in every row"),
    ({"x": put(X, [5], np.inf)}, "warning", "infinite", ("x",), "infinite in 1 row"),
    ({"y": put(X, [5], -np.inf)}, "error", "infinite", ("y",), "infinite in 1 row"),
    ({"a": put(X, [1, 2], "unknown")}, "error", "mixed", ("a",), "98 numbers with 2 of another type: 'unknown'"),
    ({"a": put(X, [1, 2], "1,5")}, "error", "decimal comma", ("a",), "such as '1,5'"),
    ({"a": ["1,5", "1.000,25"] * 50}, "error", "decimal comma", ("a",), "such as '1,5'"),
    ({"a": [f"{v:.4f}".replace(".", ",") for v in X]}, "error", "decimal comma", ("a",), "such as '0,1257'"),
    ({"y": [f"{v:.4f}".replace(".", ",") for v in X]}, "error", "decimal comma", ("y",), "such as '0,1257'"),
    ({"a": [f"{1000 + i:,}" for i in range(N)]}, "error", "number as text", ("a",), "commas, such as '1,000'"),
    ({"a": [f"{1000.5 + i:,}" for i in range(N)]}, "error", "number as text", ("a",), "signs in them, such as '1,0"),
    ({"a": [f"{i} %" for i in range(N)]}, "error", "number as text", ("a",), "such as '0 %'"),
    ({"a": [f"${i}.50" for i in range(N)]}, "error", "number as text", ("a",), "such as '$0.50'"),
    ({"a": RNG.choice(["red", "blue"], N)}, "warning", "text", ("a",), "2 different: 'blue', 'red'"),
    ({"a": [f"town {i % 60}" for i in range(N)]}, "warning", "many categories", ("a",), "60 different texts"),
    ({"a": RNG.choice(["red", "Red ", "blue"], N)}, "note", "spelling", ("a",), "'Red', 'red'"),
    ({"a": np.arange(N) % 30 + np.datetime64("2024-01-01")}, "warning", "date", ("a",), "2024-01-01"),
    (
        {"a": [f"{i % 28 + 1}.01.2024" for i in range(N)]},
        "error",
        "date",
        ("a",),
        "form of its own, such as '1.01.2024'",
    ),
    ({"a": ["Earth"] * N}, "warning", "constant", ("a",), "'Earth' in every row"),
    ({"a": [3] * N}, "warning", "constant", ("a",), "is 3 in every row"),
    ({"a": X}, "warning", "duplicate column", ("x", "a"), "'a' equals 'x'"),
    ({"customer_id": RNG.permutation(N)}, "warning", "identifier", ("customer_id",), "only names its row"),
    ({"name": [f"n{i}" for i in range(N)]}, "warning", "identifier", ("name",), "100 different texts in 100 rows"),
    ({"x": put(X, [1], X[0]), "y": put(Y, [1], Y[0])}, "warning", "duplicate rows", (), "1 of 100 rows repeats"),
    ({"x": Y * X.round() // 1 % 2}, "note", "duplicate rows", (), "rows repeat"),
    ({"a": 1 - Y}, "error", "leak", ("a",), "'a' gives the target away"),
    ({"y": X * 3}, "error", "leak", ("x",), "a straight line"),
    ({"y": [1] * N}, "error", "target", ("y",), "always 1"),
    ({"y": [f"c{i % 40}" for i in range(N)]}, "error", "target", ("y",), "40 classes in 100 rows"),
    ({"y": np.arange(N) + np.datetime64("2024-01-01")}, "error", "target", ("y",), "holds dates"),
    ({"y": (np.arange(N) < 4).astype(int)}, "note", "imbalance", ("y",), "right in 96 %"),
    ({"y": (np.arange(N) == 4).astype(int)}, "error", "imbalance", ("y",), "class 1 of 'y' has a single row"),
    ({f"a{i}": RNG.normal(size=N) for i in range(20)}, "note", "few rows", (), "100 rows for 21 inputs"),
    ({f"a{i}": RNG.normal(size=N) for i in range(120)}, "error", "few rows", (), "fewer rows, 100, than inputs, 121"),
    ({"x": put(X, [1], 500.0)}, "note", "outlier", ("x",), "1 value far from the others, such as 500"),
    ({"x": put(X, [1, 2], -999)}, "note", "outlier", ("x",), "such as -999"),
    ({"x": [2.0] * N}, "error", "no inputs", (), "no column is left"),
]


@pytest.mark.parametrize(("columns", "severity", "kind", "names", "said"), CASES)
def test_trouble_is_found_and_named(columns, severity, kind, names, said):
    matches = [f for f in found(columns) if (f.severity, f.kind, f.columns) == (severity, kind, names)]
    assert len(matches) == 1, found(columns)
    assert said in matches[0].message
    assert matches[0].cure


def test_a_good_table_has_none():
    assert found({}) == ()
    assert found({"y": X + RNG.normal(size=N)}) == ()  # regression


def test_every_kind_of_trouble_that_is_tested_has_its_check():
    assert len(CHECKS) == len({check.__name__ for check in CHECKS})
    seen = set()
    for columns, *_ in CASES:
        seen |= {finding.kind for finding in found(columns)}
    assert {case[2] for case in CASES} == seen


def test_too_few_rows():
    few = report({"x": X[:10], "y": Y[:10]}, "y").of("few rows")
    assert [f.severity for f in few] == ["error"] and "only 10 rows" in few[0].message


def test_codes_for_missing_are_suspected():
    (finding,) = found({"x": put(X, [1, 2], -999)})
    assert "missing=['-999']" in finding.cure
    assert [f.kind for f in found({"x": put(X, [1, 2], -999)}, missing=["-999"])] == ["missing"]


def test_columns_that_the_user_vouches_for():
    assert found({"a": 1 - Y}, keep=["a"]) == ()
    assert found({"customer_id": RNG.permutation(N)}, keep=["customer_id"]) == ()
    assert found({"a": X}, keep=["a"]) == ()
    assert found({"a": 1 - Y}, drop=["a"]) == ()


def test_numbers_that_are_text_are_neither_names_nor_thrown_away():
    """Nearly every cell of a measured column is different, so it must not pass for the name of its row."""
    commas = [f"{v:.4f}".replace(".", ",") for v in X]
    assert [f.kind for f in found({"x": commas})] == ["decimal comma"]
    with pytest.raises(ValueError, match="'x' holds numbers with a decimal comma.*replace the commas by points"):
        clean({"x": commas, "y": Y}, "y")
    thousands = report({"x": [f"{1000 + i:,}" for i in range(N)], "y": Y}, "y").of("number as text")
    assert "if they separate thousands, remove" in thousands[0].cure
    thirds = [f"{v:.3f}".replace(".", ",") for v in RNG.uniform(0, 9, N)]  # "0,126" is no thousand
    assert [f.kind for f in found({"a": thirds})] == ["decimal comma"]
    assert [f.kind for f in found({"a": [f"1.2.{i}.9" for i in range(N)]})] == ["identifier"]


def test_a_finding_reads_as_a_sentence():
    assert str(Finding("note", "k", ("a",), "this was found", "do that")) == "this was found → do that"


def test_every_cell_of_the_table_may_be_text_missing_or_odd():
    """No check stumbles over what another one reports."""
    odd = {
        "empty": [None] * N,
        "mixed": put(X, [0], "x"),
        "flag": RNG.choice([True, False], N),
        "lists": [[1]] * N,
        "date": np.full(N, "NaT", dtype="M8[s]"),
        "infinite": np.full(N, np.inf),
        "huge": X * 1e300,
    }
    for target in [*odd, None]:
        assert report({**odd, "x": X}, target).findings
