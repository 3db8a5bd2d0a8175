import datetime as dt
import decimal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.data.frame import Column, as_kind, columns_of, read_csv, read_frame, typed

CELLS = {
    "age": [31, None, 45],
    "color": ["red", None, "blue"],
    "member": [True, False, True],
    "since": [dt.date(2024, 1, 31), None, dt.date(2023, 5, 1)],
}


def dicts():
    return CELLS


def rows():
    names = list(CELLS)
    return [
        {n: CELLS[n][r] for n in names if CELLS[n][r] is not None} | {"member": CELLS["member"][r]} for r in range(3)
    ]


def pandas():
    return pytest.importorskip("pandas").DataFrame(CELLS, index=["x", "y", "z"])


def pandas_extension():
    frame = pytest.importorskip("pandas").DataFrame(CELLS)
    frame["since"] = frame["since"].astype("datetime64[ns]")
    return frame.astype({"age": "Int64", "color": "category", "member": "boolean"})


def polars():
    return pytest.importorskip("polars").DataFrame(CELLS)


def polars_categorical():
    polars = pytest.importorskip("polars")
    return polars.DataFrame(CELLS).with_columns(polars.col("color").cast(polars.Categorical))


def pyarrow():
    return pytest.importorskip("pyarrow").table(CELLS)


def structured():
    kinds = [("age", "f4"), ("color", "O"), ("member", "?"), ("since", "M8[D]")]
    return np.array(list(zip(*CELLS.values(), strict=True)), dtype=kinds)


def series():
    library = pytest.importorskip("polars")
    return {name: library.Series(cells) for name, cells in CELLS.items()}


FRAMES = (dicts, rows, pandas, pandas_extension, polars, polars_categorical, pyarrow, structured, series)


@pytest.mark.parametrize("frame", FRAMES)
def test_every_kind_of_table_gives_the_same_columns(frame):
    columns = columns_of(frame())
    assert {name: column.kind for name, column in columns.items()} == {
        "age": "number",
        "color": "text",
        "member": "flag",
        "since": "date",
    }
    np.testing.assert_array_equal(columns["age"].values, [31, np.nan, 45])
    assert columns["color"].values.tolist() == ["red", None, "blue"]
    assert columns["member"].values.tolist() == [1, 0, 1]
    assert columns["since"].values.astype("M8[D]").astype(str).tolist() == ["2024-01-31", "NaT", "2023-05-01"]
    assert columns["age"].missing.tolist() == columns["since"].missing.tolist() == [False, True, False]


def test_a_csv_file_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("age,color,member,since\n31,red,True,2024-01-31\n,NA,false,?\n45.0, blue ,TRUE,2023-05-01\n")
    columns = columns_of(path)
    test_every_kind_of_table_gives_the_same_columns(lambda: path)
    assert list(columns) == ["age", "color", "member", "since"]


def test_no_data_frame_library_is_imported(tmp_path):
    code = """
import sys
from autograd_nn import data
data.report({"a": [1, 2]}); data.clean({"a": [1.0, 2.5]})
print(*(name for name in ("pandas", "polars", "pyarrow", "sklearn") if name in sys.modules))
"""
    assert not subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-1e3", " 4 "], "number"),
        ([decimal.Decimal("1.5"), 2], "number"),
        (["inf", "1"], "number"),
        (["1_000", "a"], "text"),
        (["true", "FALSE"], "flag"),
        ([True, None], "flag"),
        ([0, 1], "number"),
        (["", "  ", None, "NaN", "<NA>"], "empty"),
        (np.array([np.nan, np.nan]), "empty"),
        (np.array(["NaT"], dtype="M8[D]"), "empty"),
        (["1", "2", "3", "unknown"], "mixed"),
        ([1, "a", "b", "c"], "mixed"),
        (["3", "a", "b", "c"], "text"),
        (["2024-01-31T10:00:00+02:00", "2024-02-01"], "date"),
        (["31.01.2024", "01.02.2024"], "text"),
        (["a", "b"], "text"),
        (np.array(["a", "b"]), "text"),
        ([[1, 2], [3]], "mixed"),
    ],
)
def test_the_type_of_a_column(cells, kind):
    (column,) = columns_of({"c": cells}).values()
    assert column.kind == kind
    assert column.numeric == (kind in ("number", "flag"))


def test_time_zones_become_utc():
    (column,) = columns_of({"t": ["2024-01-31T10:00:00+02:00"]}).values()
    assert column.values[0] == np.datetime64("2024-01-31T08:00:00")


def test_what_is_strange_in_a_mixed_column():
    column = columns_of({"c": ["1", "2", "3", "x", "x"]})["c"]
    assert column.strange == ("x",)
    assert columns_of({"c": ["1", "2", "3", "x", "x"]}, missing=["X"])["c"].kind == "number"


def test_numbers_can_stand_for_missing_cells():
    for cells in ([1.5, 999.0], ["1.5", "999"], np.array([1.5, 999])):
        assert columns_of({"c": cells}, missing=["999"])["c"].missing.tolist() == [False, True]
    with pytest.raises(TypeError, match=r"missing=\['999'\]"):
        columns_of({"c": [1]}, missing="999")


def test_text_that_python_alone_reads_as_a_number_is_none():
    assert columns_of({"c": ["1_000", "2_000"]})["c"].kind == "text"
    assert columns_of({"c": np.array(["1", "2"])})["c"].values.tolist() == [1, 2]
    assert columns_of({"c": ["999", "999"]}, missing=["999"])["c"].kind == "empty"


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1))
def test_numbers_are_read_back_from_their_text(numbers):
    cells = np.array([None if n is None else repr(n) for n in numbers], dtype=object)
    column = typed("c", cells)
    np.testing.assert_array_equal(column.values, [np.nan if n is None else n for n in numbers])
    np.testing.assert_array_equal(column.missing, [n is None for n in numbers])


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (np.zeros((2, 2)), TypeError, r"array of shape \(2, 2\)"),
        (3, TypeError, "got int"),
        ([1, 2], TypeError, "got list"),
        ({}, ValueError, "at least one column"),
        ({"a": []}, ValueError, "at least one row, got none"),
        ({"a": [1], "b": [1, 2]}, ValueError, "one length, got"),
        ({1: [1], "1": [2]}, ValueError, "two columns are called '1'"),
        ({"a": 3.0}, TypeError, "one row is a list of one dict"),
        ({"a": "text"}, TypeError, "wanted a list of cells"),
        ({"a": np.zeros((2, 2))}, ValueError, "one dimension"),
        ({"a": np.zeros(2, complex)}, TypeError, "complex"),
    ],
)
def test_what_is_no_table_is_refused(frame, error, said):
    with pytest.raises(error, match=said):
        read_frame(frame)


def test_lazy_and_ambiguous_frames_are_refused():
    library = pytest.importorskip("polars")
    with pytest.raises(TypeError, match="collect"):
        read_frame(library.LazyFrame({"a": [1]}))
    other = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="two columns are called 'a'"):
        read_frame(other.DataFrame([[1, 2]], columns=["a", "a"]))
    assert read_frame({"a": other.Series([1, 2], index=[5, 6])})["a"].tolist() == [1, 2]


def test_reading_as_a_known_type():
    def read(cells, kind):
        return as_kind("c", read_frame({"c": cells})["c"], kind)

    assert read(["1", None], "number").values[0] == 1
    assert read([True, False], "number").values.tolist() == [1, 0]
    assert read([0, 1], "flag").values.tolist() == [1, 0][::-1]
    assert read([3.0, None], "text").values.tolist() == ["3", None]
    assert read([None, None], "text").values.tolist() == [None, None]
    assert np.isnat(read([None], "date").values).all()
    assert isinstance(read([None], "number"), Column)
    for cells, kind, said in [
        (["1", "x"], "number", "got 'x' in row 1"),
        ([0, 2], "flag", "got 2 in row 1"),
        (np.array([0.0, 2.5]), "flag", "got 2.5 in row 1"),
        (["true", "maybe"], "flag", "got 'maybe' in row 1"),
        (["2024-01-01", "soon"], "date", "got 'soon' in row 1"),
        ([5.0], "date", "got 5.0 in row 0"),
        (["2024-01-01"], "number", "wanted a number in each row, as in the training data, got '2024-01-01' in row 0"),
    ]:
        with pytest.raises(ValueError, match=said):
            read(cells, kind)


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_csv_finds_the_delimiter(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    cells = [["name", "text"], ["a", "one, two; three"], ["b", "four | five, six"]]
    path.write_text("\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in cells), encoding="utf-8")
    assert read_csv(path) == {"name": ["a", "b"], "text": ["one, two; three", "four | five, six"]}


def test_csv_reads_marks_quotes_and_other_encodings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffname,n\r\n"two\r\nlines",1\r\n\r\nä,2\r\n'.encode())
    assert read_csv(path) == {"name": ["two\r\nlines", "ä"], "n": ["1", "2"]}
    path.write_bytes("name;n\nä;1\n".encode("utf-16"))
    assert read_csv(str(path)) == {"name": ["ä"], "n": ["1"]}
    path.write_bytes("name;n\nä;1\n".encode("cp1252"))
    assert read_csv(path, encoding="cp1252") == {"name": ["ä"], "n": ["1"]}
    path.write_text("1,2\n3,4\n")
    assert read_csv(path, columns=["a", "b"]) == {"a": ["1", "3"], "b": ["2", "4"]}
    path.write_text("single\n1\n2\n")
    assert read_csv(path) == {"single": ["1", "2"]}
    path.write_text(",a\n0,5\n1,6\n")
    assert read_csv(path) == {"index": ["0", "1"], "a": ["5", "6"]}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a,b\n", "names but no rows"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: wanted 2 cells, as there are names, got 3"),
        (b"a,b\n1,2\n1\n", "line 3: wanted 2 cells, as there are names, got 1"),
        (b"a,a\n1,2\n", "two columns are called 'a'"),
        (b"a,\n1,2\n", "column 2 has no name"),
        (b"1,2\n3,4\n", "no line of names"),
        (b"a\n1\n\xe4\n", "not in utf-8-sig .byte 0xe4 in line 3.*cp1252"),
        (b"PK\x03\x04", "spreadsheet"),
        (b"a,b\n\0,1\n", "zero bytes"),
        (b'a,b\n"open,1\n', "quotation mark left open"),
    ],
)
def test_csv_says_what_is_wrong(tmp_path, raw, said):
    path = tmp_path / "a.csv"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=said):
        read_csv(path)


def test_csv_says_where_there_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="is a folder"):
        read_csv(tmp_path)
    (tmp_path / "a.csv").write_text("a\nb\n")
    with pytest.raises(ValueError, match="no encoding called 'klingon'"):
        read_csv(tmp_path / "a.csv", encoding="klingon")
