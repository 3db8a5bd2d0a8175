from __future__ import annotations

import re

import numpy as np
import pytest

from autograd_nn import Graph, Value, name_scope
from autograd_nn.visualize import to_mermaid

HOSTILE = [
    "end",
    '"]; click n1 "javascript:alert(1)"',
    "a --> b",
    "%%{init: {}}%%",
    "#quot;",
    "`**markdown**`",
    "1. list",
    "- list",
    "</script><img src=x onerror=alert(1)>",
    "subgraph x",
    "n1@{ shape: rect }",
    "x:::op",
    "\u202eabc",
    "\ud800",
    "\0",
    "a\nend",
    "{x}",
    "[(x)]",
    "direction TB",
    "$x$ $$y$$",
    "fa:fa-car",
    "\\n",
    "神经 ∂L/∂w₁",
    "x" * 10_000,
]

NODE = re.compile(r'^(n\d+|f\d+)\["([^"]*)"\]$|^(n\d+op)\(\("([^"]*)"\)\)$')
EDGE = re.compile(r"^(n\d+|f\d+|n\d+op) --> (n\d+|f\d+|n\d+op)$")
FRAME = re.compile(r'^subgraph scope\d+\["([^"]*)"\]$')
STYLE = re.compile(
    r"^classDef \w+ fill:#\w{6,8},stroke:#\w{6},color:#\w{6}$|^class [nf\dop,]+ \w+$|^class scope\d+(,scope\d+)* frame$"
    r"|^classDef frame fill:#\w{8},stroke:#\w{6},stroke-dasharray:4 3$"
)
LABEL = re.compile(r"(?:[^\x00-\x7f]|[A-Za-z0-9 ]|#\d+;|<br/>)*")


def parse(text):
    """Read the part of Mermaid's grammar that we write, and nothing else: labels by node, edges, frames."""
    lines = text.split("\n")
    assert lines[0] in ("flowchart LR", "flowchart TB")
    labels, edges, frames, depth = {}, [], [], 0
    for line in (line.strip() for line in lines[1:]):
        if line.startswith(("accTitle: ", "accDescr: ")):
            assert re.fullmatch(r"acc\w+: [^\"#;:<>{}\[\]|&%`]*", line), line
        elif found := NODE.match(line):
            name, label = (found[1], found[2]) if found[1] else (found[3], found[4])
            assert LABEL.fullmatch(label), label
            labels[name] = unescape(label)
        elif found := EDGE.match(line):
            edges.append((found[1], found[2]))
        elif found := FRAME.match(line):
            assert LABEL.fullmatch(found[1])
            frames.append(unescape(found[1]))
            depth += 1
        elif line == "end":
            depth -= 1
        else:
            assert STYLE.match(line), line
    assert depth == 0
    assert {name for edge in edges for name in edge} <= set(labels)
    return labels, edges, frames


def unescape(label):
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label.replace("<br/>", "\n")).replace("\u200c", "")


def test_the_neuron(neuron):
    labels, edges, frames = parse(to_mermaid(neuron))
    assert labels["n1"] == "x1\ndata 2\ngrad ·"
    assert labels["n3op"] == "×"
    assert ("n1", "n3op") in edges
    assert ("n3op", "n3") in edges
    assert frames == ["neuron"]
    neuron.backward()
    assert parse(neuron.to_mermaid(rankdir="TB"))[0]["n1"] == "x1\ndata 2\ngrad -1.5"
    assert Graph.of(neuron).to_mermaid() == to_mermaid(neuron)
    assert "accDescr: my caption" in to_mermaid(neuron, caption="my caption")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name):
    x = Value(2.0, name=name)
    with name_scope(name.replace("/", "∕")):
        y = x * 3.0
    y.name = name
    text = to_mermaid(y)
    labels, _, frames = parse(text)
    assert len(text) < 3000
    assert all(c.isprintable() or c in "\n\u200c" for c in text)
    assert not re.search(r"direction\s|\$\$|#36;#36;|#92;n|fa#58;f", text)
    shown = labels["n1"].split("\n")[0]
    assert len(frames) == 1
    if name.isprintable() and len(name) <= 40:
        assert shown == name
    else:
        assert shown.isprintable()
    assert "click" not in re.sub(r'"[^"]*"', "", "\n".join(line for line in text.split("\n") if "acc" not in line))


def test_arrays_and_attributes():
    labels, _, _ = parse(to_mermaid(Value(np.eye(2), name="x").sum(axis=0)))
    assert labels["n1"] == "x  (2, 2)\ndata\n[1 0]\n[0 1]\ngrad ·"
    assert labels["n2op"] == "Σ axis=0"


def test_large_graphs_are_folded():
    y = Value(1.0, name="x")
    for i in range(400):
        with name_scope(f"net/layer{i % 7}"):
            y = y.tanh()
    labels, edges, _ = parse(to_mermaid(y))
    assert len(labels) <= 300
    assert len(edges) < 500
    assert any(label.startswith("layer × 7\neach: tanh ×57") for label in labels.values())
    assert len(parse(to_mermaid(y, max_nodes=None))[0]) == 801


def test_options_are_checked(neuron):
    with pytest.raises(ValueError, match="rankdir wanted"):
        to_mermaid(neuron, rankdir="RL")
    with pytest.raises(TypeError, match="wanted a Value"):
        to_mermaid(3.0)


def test_it_is_saved(neuron, tmp_path):
    path = neuron.save(tmp_path / "g.mmd", caption="seen")
    assert path.read_text(encoding="utf-8") == to_mermaid(neuron, caption="seen") + "\n"
