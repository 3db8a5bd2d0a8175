"""What the package adds to its classes: display methods that load `visualize` on first use."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import autograd_nn
from autograd_nn import Graph, Value

METHODS = [
    (Graph, "draw"),
    (Graph, "to_dot"),
    (Graph, "save"),
    (Graph, "__str__"),
    (Graph, "_repr_mimebundle_"),
    (Value, "draw"),
    (Value, "to_dot"),
    (Value, "_repr_mimebundle_"),
]


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_display_methods_are_documented(cls, name):
    assert inspect.getdoc(getattr(cls, name))


def test_display_methods_are_those_of_visualize():
    from autograd_nn import visualize

    y = Value(2.0, name="x") * 3.0
    graph = Graph.of(y)
    assert graph.to_dot() == y.to_dot() == visualize.to_dot(y)
    assert y.to_dot(rankdir="TB") == visualize.to_dot(y, rankdir="TB") != y.to_dot()
    assert str(graph) == visualize.outline(graph)
    assert isinstance(graph.draw(), visualize.Drawing)


def test_str_of_a_value_is_its_repr():
    assert str(Value(2.0)) == "Value(2.0)"


def test_parts_are_imported_on_first_use():
    code = (
        "import sys, autograd_nn as ag\n"
        "assert 'autograd_nn.nn' not in sys.modules and 'nn' in dir(ag)\n"
        "assert ag.nn.MLP is sys.modules['autograd_nn.nn'].MLP\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="module 'autograd_nn' has no attribute 'neural'"):
        autograd_nn.neural  # noqa: B018  (the access is the test)
