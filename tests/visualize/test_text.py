from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import Graph, Value
from autograd_nn.visualize.text import (
    array_lines,
    as_graph,
    attrs_text,
    counted,
    finite,
    number,
    plain,
    plural,
    shape_text,
    summary,
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("w1", "w1"),
        ("a|b", "a|b"),
        ("∂L/∂w₁", "∂L/∂w₁"),
        ("神经", "神经"),
        ("two\nlines", r"two\nlines"),
        ("nul\0", r"nul\x00"),
        ("lone\udc80", r"lone\udc80"),
        ("right\u202eleft", r"right\u202eleft"),  # would turn the text around it
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),  # Persian needs its joiner
        ("x" * 5000, "x" * 39 + "…"),
    ],
)
def test_plain(name, shown):
    assert plain(name) == shown


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (2.0, "2"),
        (-0.5, "-0.5"),
        (1.0001, "1.0001"),
        (6.8813735870195432, "6.88137"),
        (1e300, "1e+300"),
        (-3e-12, "-3e-12"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
        (True, "True"),
        (1 + 2j, "1+2j"),
    ],
)
def test_number(x, shown):
    assert number(x) == shown


def test_small_arrays_are_shown_in_full_and_large_ones_summarized():
    assert array_lines(1.5) == ["1.5"]
    assert array_lines(np.array([1.0, 2.0, 3.0])) == ["[1 2 3]"]
    assert array_lines(np.array([[1.0, 2.0], [3.0, 4.0]])) == ["[1 2]", "[3 4]"]
    assert array_lines(np.arange(101.0)) == ["mean 50, 0 … 100"]
    assert array_lines(np.zeros((0, 3))) == ["empty"]
    assert array_lines((np.zeros(2), np.zeros(2))) == ["2 results"]
    assert array_lines(np.ones((1, 1, 1))) == ["mean 1, 1 … 1"]


def test_summary_counts_what_is_not_finite():
    x = np.array([np.nan, np.inf, -np.inf, 1.0, 3.0])
    assert summary(x) == "mean 2, 1 … 3, 1 nan, 2 inf"
    assert summary(np.array([np.nan, np.nan])) == "2 nan"
    assert summary(np.array([True, False, True])) == "2 of 3 true"
    assert summary(np.arange(5)) == "mean 2, 0 … 4"
    assert summary(np.array([3 + 4j, 0])) == "mean 1.5+2j, |x| 0 … 5"
    assert summary(np.full(9, 3e38, np.float32)) == "mean 3e+38, 3e+38 … 3e+38"


def test_shape_text():
    assert shape_text(1.0) == ""
    assert shape_text(np.zeros((3,))) == "(3,)"
    assert shape_text(np.zeros((2, 3), np.float32)) == "(2, 3) float32"
    assert shape_text(np.float32(1)) == "float32"
    assert shape_text((np.zeros(2),)) == ""


def test_finite():
    assert finite(1.0)
    assert finite(None)
    assert finite(np.array([1, 2]))
    assert finite((np.array(np.nan),))
    assert not finite(float("inf"))
    assert not finite(np.array([1.0, np.nan]))


def test_attrs_text_leaves_out_defaults():
    x = Value(np.ones((2, 3)))
    assert attrs_text(x) == ""
    assert attrs_text(x.sum()) == ""
    assert attrs_text(x.sum(axis=1)) == "axis=1"
    assert attrs_text(x.sum(axis=1, keepdims=True)) == "axis=1, keepdims=True"


def test_counted_and_plural():
    assert counted(["mul", "add", "mul"]) == "mul ×2, add"
    assert counted("abcd") == "a, b, c, …"
    assert plural(1, "node") == "1 node"
    assert plural(2000, "box", "boxes") == "2,000 boxes"


def test_as_graph():
    x = Value(1.0)
    graph = Graph.of(x)
    assert as_graph(graph) is graph
    assert as_graph(x).outputs == (x,)
    assert as_graph([x, x * 2]).outputs[0] is x
    for wrong in (np.ones(3), 2.0, [], [1.0], "x", None):
        with pytest.raises(TypeError, match=r"wanted a Value, a list of Values or a Graph, got"):
            as_graph(wrong)


def test_names_that_are_no_strings_are_shown():
    assert plain(3) == "3"
    v = Value(1.0, name=3)
    assert 'label="3|' in v.to_dot().replace("{", "")
    assert "3: parameter" in str(Graph.of(v + 1.0))
