import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from autograd_nn.data.report import report

RNG = np.random.default_rng(0)


def table(n=60, **more):
    return {"income": RNG.normal(size=n), "age": RNG.integers(18, 80, n), **more, "buys": RNG.integers(0, 2, n)}


def test_ready():
    looked = report(table(), "buys")
    assert looked.ready and looked.cleanable and looked.verdict == "ready"
    assert str(looked) == "60 rows, 3 columns, target 'buys' (classification)\nready"
    assert looked.columns[0] == {"name": "income", "kind": "number", "missing": 0, "distinct": 60}


def test_not_ready_but_cleaning_helps():
    looked = report(table(color=["red", "blue"] * 30), "buys")
    assert not looked.ready and looked.cleanable
    assert looked.verdict == (
        "not ready, because 'color' holds text, 2 different: 'blue', 'red'. data.clean cures this."
    )


def test_not_ready_and_the_user_must_decide():
    data = table(color=["red", "blue"] * 30)
    data["sold"] = data["buys"] * 2
    looked = report(data, "buys")
    assert not looked.ready and not looked.cleanable
    assert looked.verdict.startswith("not ready, because 'sold' gives the target away")
    assert "for you to decide" in looked.verdict
    assert [f.severity for f in looked.findings] == ["error", "warning"]
    assert "  ✗ 'sold' gives" in str(looked) and "      → is it known before" in str(looked)
    assert looked.of("leak") == looked.of("error") == looked.findings[:1]


def test_many_reasons_are_counted():
    looked = report(table(**{f"c{i}": [i] * 60 for i in range(7)}), "buys")
    assert "; and 4 more. data.clean" in looked.verdict


def test_without_a_target():
    looked = report(table())
    assert looked.ready and looked.target is None and looked.task is None
    assert looked.heading == "60 rows, 3 columns"


def test_it_can_be_stored_and_shown():
    looked = report(table(**{"<b>": ["a&b", "c"] * 30}), "buys")
    stored = json.loads(json.dumps(looked.to_dict()))
    assert stored["ready"] is False and stored["findings"][0]["columns"] == ["<b>"]
    page = looked._repr_html_()
    ET.fromstring(page)  # well-formed: names are escaped
    assert "&lt;b&gt;" in page and "a&amp;b" in page


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"target": "bys"}, ValueError, "target names 'bys', but the columns are 'income', 'age', 'buys'"),
        ({"keep": ["a", "age"]}, ValueError, "keep names 'a', but"),
        ({"drop": "age"}, TypeError, r"write drop=\['age'\]"),
        ({"target": "age", "drop": ["age"]}, ValueError, "cannot be dropped"),
        ({"keep": ["age"], "drop": ["age"]}, ValueError, "both kept and dropped"),
        ({"target": "age", "task": "guess"}, ValueError, "got 'guess'"),
    ],
)
def test_mistakes_are_named(options, error, said):
    with pytest.raises(error, match=said):
        report(table(), **options)


def test_regression_wants_numbers():
    with pytest.raises(ValueError, match="wanted numbers in 'c', got text"):
        report(table(c=["a", "b"] * 30), "c", task="regression")


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_real_data_sets_need_no_decision(name):
    datasets = pytest.importorskip("sklearn.datasets")
    loaded = getattr(datasets, f"load_{name}")()
    data = dict(zip(loaded.feature_names, loaded.data.T, strict=True)) | {"target": loaded.target}
    looked = report(data, "target")
    assert looked.cleanable, str(looked)
    # Iris is known to hold one flower twice; it is the only thing to clean in the four.
    assert [f.kind for f in looked.of("warning")] == (["duplicate rows"] if name == "iris" else []), str(looked)


def test_frames_of_pandas_and_polars_give_the_same_report():
    data = table(color=["red", None] * 30)
    wanted = report(data, "buys")
    for library in ("pandas", "polars"):
        frame = pytest.importorskip(library).DataFrame(data)
        assert report(frame, "buys") == wanted
