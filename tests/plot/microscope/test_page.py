"""The user's data, and the page that holds them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

import numpy as np
import pytest

from autograd_nn.plot.microscope.page import html, listed, own_assets, scene_of, short


def unpacked(page: str, id: str) -> str:
    (packed,) = re.findall(rf'id="{id}">([A-Za-z0-9+/=]*)<', page)
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_scene_of_one_feature():
    scene = scene_of([1.0, 2.0, 4.0], [0, 1, 0], "Microscope", 1)
    assert scene.x.shape == (3, 1)
    assert scene.classes is None  # over one feature they are heights
    assert scene.features == ["x"]
    assert scene.span == [[pytest.approx(0.64), pytest.approx(4.36)]]
    assert scene.data()["points"] == {"x": [[1, 2, 4]], "y": [[0], [1], [0]], "kind": "numbers"}
    assert scene_of([1.0, 2.0, 4.0], [0, 1, 0], "Microscope", 2).classes == ["0", "1"]  # an output for each


def test_scene_of_classes():
    pd = pytest.importorskip("pandas")
    x = np.arange(8.0).reshape(4, 2)
    assert scene_of(x, [0.0, 1.0, 1.0, 0.0], "Microscope", 1).classes == ["0", "1"]
    named = scene_of(pd.DataFrame(x, columns=["a<b", "c"]), ["yes", "no", "no", "yes"], "Microscope", 1)
    assert named.features == ["a<b", "c"]
    assert named.classes == ["no", "yes"]
    assert named.y.tolist() == [1, 0, 0, 1]
    assert scene_of(x, [0, 1, 0, 1], "Microscope", 1, ["cat", "dog"]).classes == ["cat", "dog"]
    assert scene_of(x, [0.5, 1.0, 2.0, 3.0], "Microscope", 1).classes is None


def test_a_constant_feature_has_room():
    assert scene_of(np.ones((3, 1)), None, "Microscope", 1).span == [[0, 2]]


def test_of_many_rows_some_are_drawn():
    scene = scene_of(np.arange(10_000.0), np.arange(10_000.0), "Microscope", 1)
    assert len(scene.data()["points"]["x"][0]) == 500


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 3)), None, r"one or two features.*\(4, 3\)"),
        (np.zeros((2, 2, 2)), None, r"got \(2, 2, 2\)"),
        (np.zeros((0, 2)), None, r"at least one row.*\(0, 2\)"),
        ([1.0, np.nan], None, "row 1 holds NaN or infinity"),
        (["a", "b"], None, "real numbers"),
        (np.zeros(3), [1.0, 2.0], "each of the 3 rows"),
        (np.zeros(2), [1.0, np.inf], "finite y"),
        (np.zeros(20), [str(i) for i in range(20)], "at most 8 classes"),
    ],
)
def test_data_that_do_not_fit(x, y, message):
    with pytest.raises(ValueError, match=f"Microscope .*{message}"):
        scene_of(x, y, "Microscope", 1)


def test_numbers_as_json_has_them():
    assert [short(x) for x in (1.0, -0.5, float("nan"), float("inf"), 1e9)] == [1, -0.5, "NaN", "Infinity", 1e9]
    assert listed(np.array([[1 / 3, 2.0]]), 3) == [0.333, 2]
    assert json.dumps(short(-0.0)) == "-0.0"


def test_page_names_the_hash_of_all_that_it_runs():
    for graphs in ({}, {"graph": "x"}):
        page = html("a <b>", {"steps": [graphs]}, "text & so on")
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        (loader,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        for text in (style, loader, unpacked(page, "ag-code")):
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
        assert "<title>a &lt;b&gt;</title>" in page
        assert "<pre>text &amp; so on</pre>" in page
        assert policy.count("sha256-") == 3 + 2 * len(graphs)
        assert ("shell" in json.loads(unpacked(page, "ag-data"))) == bool(graphs)


def test_page_asks_nothing_of_others():
    everything = own_assets().style + own_assets().script
    assert set(re.findall(r"https?://[^\s'\"<>)]+", everything)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|Function)\(", everything)
    assert "innerHTML" not in everything
    assert len(html("", {"steps": []}, "").encode()) < 70_000  # the code of a page
