from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, name_scope
from autograd_nn.visualize import engine, render, to_dot
from autograd_nn.visualize.dot import escape

NAMES = {
    "a|b": "a|b",
    "{x}": "{x}",
    "<w>": "<w>",
    '"q"': '"q"',
    "\\": "\\",
    "\\N \\l": "\\N \\l",
    "two\nlines": "two\\nlines",
    "∂L/∂w₁": "∂L/∂w₁",
    "神经": "神经",
    "nul\0byte": "nul\\x00byte",
    "lone\ud800": "lone\\ud800",
    "&lt;&amp;&#945;": "&lt;&amp;&#945;",
    "x" * 5000: "x" * 39 + "…",
    "]; } digraph {": "]; } digraph {",
    "</script><img src=x onerror=alert(1)>": "</script><img src=x onerror=alert(1)>",
}


def test_nodes_have_ids_kinds_and_colours(neuron):
    dot = to_dot(neuron)
    assert re.search(r'n1 \[id="n1" class="parameter" .*label="\{x1\|data 2\|grad ·\}"', dot)
    assert re.search(r'n10 \[id="n10" class="output"', dot)
    assert re.search(r'n10op \[id="n10op" class="op" label="tanh"', dot)
    assert 'rankdir="LR"' in dot
    assert 'bgcolor="transparent"' in dot
    assert 'shape="record"' in dot
    assert "label=<" not in dot
    colour = {kind: re.search(f'class="{kind}".* color="(#[0-9a-f]+)"', dot)[1] for kind in ("parameter", "output")}
    assert colour == {"parameter": "#0f766e", "output": "#7c3aed"}  # teal, violet


def test_edges_go_from_operand_to_op_to_result(neuron):
    dot = to_dot(neuron)
    for edge in ("n1 -> n3op", "n2 -> n3op", "n3op -> n3 ", "n3 -> n7op", "n9 -> n10op", "n10op -> n10 "):
        assert f"  {edge}" in dot


def test_an_operand_used_twice_has_two_edges():
    x = Value(2.0)
    assert to_dot(x * x).count("n1 -> n2op") == 2


@pytest.mark.parametrize(("rankdir", "first", "last"), [("LR", "nw", "sw"), ("TB", "nw", "ne")])
def test_operands_whose_order_matters_enter_in_their_order(rankdir, first, last):
    a, b = Value(1.0), Value(2.0)
    dot = to_dot(a - b, rankdir=rankdir)
    assert f"n1 -> n3op:{first}" in dot
    assert f"n2 -> n3op:{last}" in dot
    dot = to_dot(b - a, rankdir=rankdir)
    assert f"n1 -> n3op:{first}" in dot  # b comes first now
    assert ":nw" not in to_dot(a * b)


def test_values_and_gradients_are_shown(neuron):
    assert "grad ·" in to_dot(neuron)
    assert "call backward() first" in to_dot(neuron)
    neuron.backward()
    dot = to_dot(neuron)
    assert "{x1|data 2|grad -1.5}" in dot
    assert "{w2|data 1|grad 0}" in dot
    assert "·" not in dot
    assert "backward()" not in dot


def test_tensors_show_shape_rows_or_summary():
    x = Value(np.array([[1.0, 2.0], [3.0, 4.0]]), name="x", requires_grad=False)
    w = Value(np.arange(200.0).reshape(2, 100), dtype=np.float32, name="w")
    loss = (x @ w).sum(axis=0)
    dot = to_dot(loss)
    assert r"x \ (2, 2)\l|data\l[1 2]\l[3 4]\l" in dot
    assert r"w \ (2, 100) float32\l|data mean 99.5, 0 … 199\l|grad ·\l" in dot
    assert re.search(r'n1 \[id="n1" class="input"', dot)
    assert r'label="Σ\naxis=0"' in dot


def test_constants_are_small(neuron):
    dot = to_dot(Value(3.0, name="x") * 2.5)
    assert re.search(r'class="constant" label="\{2.5\}"', dot)


def test_results_of_an_op_that_returns_several():
    q, r = np.linalg.qr(Value(np.eye(2) * 3.0, name="A"))
    dot = to_dot([q, r])
    assert '"2 results' in dot or "data 2 results" in dot
    assert 'label="Q"' in dot or 'label="q"' in dot


def test_what_is_not_finite_is_marked():
    x = Value(0.0, name="x")
    with np.errstate(all="ignore"):
        dot = to_dot(np.log(x * np.array([1.0])))
    assert re.search(r'class="output nonfinite".*color="#dc2626"', dot)
    assert 'class="parameter nonfinite"' not in dot


def test_scopes_are_nested_frames():
    x = Value(1.0, name="x")
    with name_scope("net"), name_scope("layer|0"):
        y = x.tanh()
    z = y * x
    lines = to_dot(z).splitlines()
    opened = [line.strip() for line in lines if "subgraph" in line]
    assert opened == ["subgraph cluster_1 {", "subgraph cluster_2 {"]
    inner = lines[lines.index("    subgraph cluster_2 {") : lines.index("    }")]
    assert any("n2op [" in line for line in inner)
    assert not any("n1 [" in line or "n3 [" in line for line in inner)
    assert to_dot(z).count("{") == to_dot(z).count("}")


def test_the_same_graph_gives_the_same_bytes(renderer, tmp_path):
    code = """
import sys, numpy as np
from autograd_nn import Value, name_scope
x = Value(np.arange(6.0).reshape(2, 3), name="x"); w = Value(np.ones((3, 2)), name="w")
with name_scope("net"):
    y = np.tanh(x @ w) + x.sum()
loss = (y * y).sum(); loss.backward()
sys.stdout.buffer.write((loss.to_dot() + loss.draw(engine=sys.argv[1]).svg).encode())
"""
    command = [sys.executable, "-c", code, renderer]
    runs = [subprocess.run(command, check=True, capture_output=True, env=environment(seed)).stdout for seed in "12"]
    assert runs[0] == runs[1]
    assert b"<svg" in runs[0]


def environment(seed):
    import os

    return os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=range(len(NAMES)))
def test_any_name_reaches_the_picture(renderer, read, name, shown):
    x = Value(2.0, name=name)
    with name_scope(name.replace("/", "")):
        y = x * 3.0
    y.name = name
    drawing = y.draw(engine=renderer, caption=name)
    assert "label=<" not in drawing.source
    fields = [text.replace("\xa0", " ") for text in read.texts_of(drawing.svg, "n1")]
    assert fields == [shown, "data 2", "grad ·"]
    assert read.texts_of(drawing.svg, "n3")[0].replace("\xa0", " ") == shown


@given(st.text(min_size=1, max_size=30))
def test_any_text_is_escaped_for_dot(name):
    label = escape(name, record=True)
    bare = re.sub(r"\\.", "", label)
    assert not set(bare) & set("{}|<>\\")
    assert label.isprintable() or set(label) & set("\u200c\u200d")
    source = to_dot(Value(1.0, name=name) * 2.0)
    assert len(re.findall(r'(?<!\\)(?:\\\\)*"', source)) % 2 == 0


def test_large_graphs_are_folded_and_say_so(any_renderer, read):
    y = Value(1.0, name="x")
    for _ in range(20_000):
        y = y * 1.0001
    drawing = y.draw()
    assert "40,001 nodes folded to 4 boxes" in drawing.caption
    shown = read.texts(drawing.svg)
    assert any("19,999 ops in a row" in text for text in shown)
    assert any("folded to 4 boxes" in text for text in shown)
    assert "mul ×19,999" in drawing.source


def test_max_nodes():
    y = Value(1.0, name="x")
    for _ in range(600):
        y = y.tanh()
    assert 'class="folded"' in to_dot(y)
    assert to_dot(y, max_nodes=None).count('class="op"') == 600
    assert 'class="folded"' not in to_dot(y, max_nodes=601)
    assert 'class="folded"' in to_dot(y, max_nodes=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rankdir": "RL"}, "rankdir wanted 'LR'"),
        ({"max_nodes": 3}, "max_nodes wanted a whole number from 10"),
        ({"max_nodes": "all"}, "max_nodes wanted"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        to_dot(Value(1.0), **options)


def test_a_thousand_nested_scopes_do_not_trap(any_renderer):
    y = Value(1.0, name="x")
    with name_scope("/".join(f"s{i}" for i in range(3000))):
        y = y.tanh()
    source = to_dot(y)
    assert source.count("subgraph") <= 8
    assert b"<svg" in render(source)


def test_boxes_are_wide_enough_for_their_text(read):
    """Given a font that it does not know, the WASM build takes the narrow widths of Times, and text sticks out."""
    if engine("wasi") is None:
        pytest.skip("no wasi here")
    drawing = Value(np.full(4, 8888.0), name="x").draw(engine="wasi")
    assert read.width(drawing.svg) > 16 * 0.63 * 11  # Verdana's digits are 0.636 of the font size wide, 11 points


def test_folding_to_a_depth():
    y = Value(1.0, name="x")
    for i in range(4):
        with name_scope(f"net/layer{i}"):
            y = (y * 2.0).tanh()
    shown = to_dot(y, depth=1)
    assert "layer × 3" in shown, "the last one holds the output"
    assert "draw(depth=2) shows more" in shown
    assert "layer" not in to_dot(y * 1.0, depth=0)
    assert to_dot(y, depth=5).count("label") == to_dot(y).count("label")
    with pytest.raises(ValueError, match="depth wanted a whole number"):
        to_dot(y, depth=-1)
