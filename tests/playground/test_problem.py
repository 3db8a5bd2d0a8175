"""Points become what a network learns from; a table is used or refused with its reason."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn.playground.problem import Table, inputs_of, problem, sines
from autograd_nn.playground.settings import DATA, FEATURES, Settings

GENERATED = [name for name in DATA if name != "csv"]


def table(text, name="t.csv"):
    return Table.of_text(name, text)


def rows(n, target=lambda i: "ab"[i % 2], names="u,v,kind"):
    return names + "\n" + "".join(f"{i},{i * i % 7},{target(i)}\n" for i in range(n))


@pytest.mark.parametrize("name", GENERATED)
def test_sets(name):
    found = problem(Settings(data=name, points=120, test=0.25))
    assert [len(part[0]) for part in (found.train, found.test)] == [90, 30]
    assert np.allclose(found.z[0].mean(axis=0), 0) and np.allclose(found.z[0].std(axis=0), 1)
    assert found.train[1].shape == ((90,) if found.kind == "classes" else (90, 1))
    again = problem(Settings(data=name, points=120, test=0.25))
    assert np.array_equal(found.train[0], again.train[0])
    other = problem(Settings(data=name, points=120, test=0.25, seed=1))
    assert not np.array_equal(found.train[0], other.train[0])


def test_targets_are_as_the_loss_wants_them():
    assert set(problem(Settings(loss="hinge")).train[1].ravel()) == {-1, 1}
    assert set(problem(Settings(loss="mse")).train[1].ravel()) == {0, 1}
    assert problem(Settings(data="blobs", loss="mse")).loss == "cross_entropy"  # mse is none for classes
    assert problem(Settings(data="sines", loss="hinge")).loss == "mse"


def test_features_are_what_python_says():
    z = np.random.default_rng(0).normal(size=(50, 2))
    for name, (_, expression) in FEATURES.items():
        place = {"np": np}
        place["x1"], place["x2"] = z.T
        exec(f"found = {expression}", place)
        assert np.array_equal(inputs_of(z, (name,))[:, 0], place["found"]), name
    assert problem(Settings(data="sines", features=("x2", "product"))).features == ("x1",)


def test_sines_are_the_curve_that_is_said():
    x, y = sines(500, noise=0.0, rng=0)
    assert np.allclose(y, np.sin(2 * x[:, 0]) + 0.4 * np.sin(5 * x[:, 0]))
    assert sines(500, noise=0.3, rng=0)[1].std() > y.std()


def test_coordinates_in_the_unit_of_the_data():
    found = problem(Settings(data="blobs"))
    low, high = found.domain()
    raw = found.in_unit(np.stack([low, high]))
    assert raw[0].min() > -30 and raw[1].max() < 30 and (raw[1] - raw[0] > 5).all()


# --- tables


def test_a_table_of_classes():
    t = table(rows(40))
    assert t.usual() == ("u", "v", "kind")
    found = problem(Settings(data="csv", columns=t.usual()), t)
    assert (found.kind, found.classes, found.axes) == ("two classes", ("a", "b"), ("u", "v"))
    assert sorted(np.concatenate(found.y)) == [0] * 20 + [1] * 20


def test_a_table_of_numbers_is_standardized_and_shown_in_its_unit():
    t = table(rows(60, target=lambda i: 1000 + i))
    found = problem(Settings(data="csv", columns=t.usual()), t)
    assert found.kind == "numbers" and abs(found.train[1].mean()) < 1e-12
    assert np.concatenate(found.y).min() == 1000


def test_few_whole_numbers_are_classes():
    t = table(rows(30, target=lambda i: i % 3))
    assert problem(Settings(data="csv", columns=t.usual()), t).classes == ("0", "1", "2")


def test_rows_that_cannot_be_used_are_left_out_and_counted():
    text = rows(40) + ",1,a\n2,,b\n3,3,\ninf,1,a\n"
    t = table(text)
    found = problem(Settings(data="csv", columns=t.usual()), t)
    assert sum(len(y) for y in found.y) == 40
    assert found.notes[0] == "4 of 44 rows are left out: a cell is missing or not finite."
    assert found.notes[-1] == "x₁ is 'u', x₂ is 'v', both standardized."
    many = problem(Settings(data="csv", columns=t.usual(), points=20), t)
    assert "20 of 40 rows are used" in many.notes[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "t.csv is empty"),
        ("1,2,3\n4,5,6\n", "no line of names"),
        ("u,v,kind\n1,2\n", "line 2: wanted 3 cells"),
        ("u,kind\n1,a\n", "two columns of numbers and a target"),
        ("u,v,kind\nx,y,a\nz,w,b\n", "two columns of numbers and a target"),
        ("PK\x03\x04", "zip archive"),
        ("u,v,kind\n\0,1,2\n", "zero bytes"),
        ('u,v,kind\n"1,2,3\n', "quotation mark"),
        (rows(5), "5 rows with these three cells"),
        (rows(40, target=lambda i: "same"), "in every row"),
        (rows(40, target=lambda i: f"name{i}"), "40 classes"),
        (rows(40).replace("7,", "1e300,"), "up to 1e100"),
    ],
)
def test_tables_that_cannot_be_used(text, fault):
    def use():
        t = table(text)
        problem(Settings(data="csv", columns=t.usual()), t)

    with pytest.raises(ValueError, match=".") as caught:
        use()
    assert fault in str(caught.value)
    assert "/tmp" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ((), "choose two columns"),
        (("u", "u", "kind"), "three different"),
        (("u", "kind", "v"), "no column of numbers 'kind'"),
        (("u", "v", "when"), "no target 'when'"),
    ],
)
def test_columns_that_cannot_be_used(columns, fault):
    with pytest.raises(ValueError, match=fault):
        problem(Settings(data="csv", columns=columns), table(rows(40)))


def test_without_a_table():
    with pytest.raises(ValueError, match="no CSV file yet"):
        problem(Settings(data="csv"))
    with pytest.raises(ValueError, match="no target 'x'"):
        table(rows(20)).usual("x")
    with pytest.raises(ValueError, match="fewer than two columns of numbers beside"):
        table("u,v,w\n" + "1,2,a\n" * 20).usual("u")


def test_a_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(rows(20), encoding="utf-8")
    assert Table.of_file(path).path == path.resolve()
    with pytest.raises(OSError, match="nothing"):
        Table.of_file(tmp_path / "nothing.csv")
