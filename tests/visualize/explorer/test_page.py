"""The page stands by itself; its JavaScript runs without a page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re

import numpy as np
import pytest

from autograd_nn import Graph, Value, explain, nn
from autograd_nn.visualize.explorer.page import assets, to_html
from autograd_nn.visualize.explorer.payload import payload

PURE = ("layout.js", "timeline.js", "formula.js")


def unpacked(html: str, id: str) -> str:
    (packed,) = re.findall(rf'id="{id}">([A-Za-z0-9+/=]*)<', html)
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_page_names_the_hash_of_all_that_it_runs(neuron):
    html = to_html(neuron)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    (loader,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    for text in (style, loader, unpacked(html, "ag-code")):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_page_mentions_no_other_page(neuron):
    html = to_html(neuron)
    everything = html + unpacked(html, "ag-code") + unpacked(html, "ag-data")
    found = set(re.findall(r"https?://[^\s'\"<>)]+", everything))
    assert found <= {"http://www.w3.org/2000/svg"}  # a name, not an address that is asked
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|Function)\(", everything)
    assert "innerHTML" not in everything


def test_the_same_graph_gives_the_same_page(neuron):
    assert to_html(neuron) == to_html(neuron)


def test_title(neuron):
    assert "<title>graph of o</title>" in to_html(neuron)
    assert "<title>a &amp; b</title>" in to_html(neuron, title="a & b")
    assert json.loads(unpacked(to_html(neuron, title="a & b"), "ag-data"))["title"] == "a & b"


def test_outline_stands_where_scripts_do_not_run(neuron):
    (text,) = re.findall(r"<noscript><pre>(.*?)</pre></noscript>", to_html(neuron), re.DOTALL)
    assert "#1 x1: parameter, data 2" in text


def test_assets_are_those_of_the_package():
    style, script, code = assets()
    assert "#ag-root" in style
    assert gzip.decompress(base64.b64decode(code)).decode() == script


# --- JavaScript without a page --------------------------------------------------------------------------------------

RUN = """
const Timeline = require('./timeline.js'), Layout = require('./layout.js'), Formula = require('./formula.js');
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const say = x => console.log(JSON.stringify(x));
"""


def test_25_no_page_is_needed(node, neuron):
    code = "say([typeof document, typeof window, ...[Timeline, Layout, Formula].map(m => typeof m)])"
    assert json.loads(node(RUN + code, "{}")) == ["undefined", "undefined", "object", "object", "object"]


def test_25_timeline(node, neuron):
    code = """
    const record = Timeline.decode(given), time = Timeline.timeline(record);
    const name = n => record.nodes.find(node => node.name === n).id;
    say({kinds: time.steps.map(s => s.kind),
      grads: ['x1', 'w1', 'x2', 'w2', 'b', 'o'].map(n => time.grad(name(n), time.last).v),
      early: [time.data(name('o'), 1), time.grad(name('x1'), 3)],
      said: time.steps.map((_, i) => Timeline.describe(time, i).sentence),
      paths: Timeline.paths(time, name('x1')).paths.map(p => p.factors)})"""
    told = json.loads(node(RUN + code, json.dumps(payload(neuron))))
    assert told["kinds"] == ["start", *["forward"] * 5, "seed", *["backward"] * 5, "done"]
    assert told["grads"] == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5, 1.0])
    assert told["early"] == [None, None]
    assert all(told["said"])
    assert told["said"][5] == "Forward: o = tanh(add #9) = tanh(0.8814) = 0.7071."
    ((*factors,),) = told["paths"]
    assert math.prod(factors) == pytest.approx(-1.5)


PATHS = """
const time = Timeline.timeline(Timeline.decode(given.p));
say(given.leaves.map(i => { const all = Timeline.paths(time, i, given.most);
  return all && {...all, count: String(all.count)} }))"""


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most", [3, 50])
def test_paths_are_those_of_explain(node, random_graph, seed, most):
    root = random_graph(seed)
    nodes = Graph.of(root).nodes
    leaves = [i for i, n in enumerate(nodes[:-1]) if n.requires_grad]
    given = {"p": payload(root), "leaves": leaves, "most": most}
    shared = 0
    for i, told in zip(leaves, json.loads(node(RUN + PATHS, json.dumps(given))), strict=True):
        known = explain(root, nodes[i], paths=most)
        assert int(told["count"]) == known.count
        assert told["total"] == pytest.approx(known.total, rel=1e-9, abs=1e-12)
        assert len(told["paths"]) == len(known.paths)
        products = [path["product"] for path in told["paths"]]
        assert [abs(x) for x in products] == pytest.approx([abs(p.product) for p in known.paths], rel=1e-9, abs=1e-12)
        for path in told["paths"]:
            assert math.prod(path["factors"]) == pytest.approx(path["product"], rel=1e-9, abs=1e-300)
            assert path["via"][0] == len(nodes) - 1
            assert path["via"][-1] == i
        if known.complete:
            assert math.fsum(products) == pytest.approx(known.total, rel=1e-9, abs=1e-9)
        shared += known.count > 1
    assert shared


def test_more_paths_than_can_be_listed(node):
    y = x = Value(1.0, name="x")
    for i in range(60):
        y = y + y * 0.5 if i % 2 else y + y
    (told,) = json.loads(node(RUN + PATHS, json.dumps({"p": payload(y), "leaves": [0], "most": 4})))
    known = explain(y, x, paths=4)
    assert int(told["count"]) == known.count == 2**60
    assert told["total"] == pytest.approx(known.total)
    assert [p["product"] for p in told["paths"]] == pytest.approx([p.product for p in known.paths])


def test_paths_of_arrays_are_told_without_factors(node, mlp):
    loss = mlp(2, 3, 1)
    nodes = Graph.of(loss).nodes
    i = next(i for i, n in enumerate(nodes) if n.name == "weight")
    (told,) = json.loads(node(RUN + PATHS, json.dumps({"p": payload(loss), "leaves": [i], "most": 4})))
    assert int(told["count"]) == explain(loss, nodes[i]).count == 2  # the error is squared: e · e
    assert told["total"] is None
    assert all(path["factors"] is None and path["via"][-1] == i for path in told["paths"])


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_25_layout(node, mlp, direction):
    graphs = [payload(mlp(3, 4, 5, 1)), payload(mlp(2, *[3] * 12, 1))]
    code = """
    const sizes = {w: 136, h: 56, inlet: 17};
    say(given.graphs.map(p => {
      const {nodes, scopes} = Timeline.decode(p), results = [];
      for (const folded of [new Set(), new Set([1]), new Set(scopes.keys())]) {
        const drawn = Layout.layout(nodes, scopes, folded, () => sizes, {direction: given.direction, limit: 1400});
        const plain = v => ({x: v.x, y: v.y, w: v.w, h: v.h, scope: v.scope, home: v.home});
        results.push({cards: [...drawn.cards.values()].map(plain), boxes: [...drawn.boxes.values()].map(plain),
          paths: [...drawn.edges.values()].map(e => e.d), parents: scopes.map(s => s.parent)});
      }
      return results;
    }))"""
    for results in json.loads(node(RUN + code, json.dumps({"graphs": graphs, "direction": direction}))):
        assert len(results[0]["cards"]) > len(results[1]["cards"]) > len(results[2]["cards"])
        for drawn in results:
            cards, boxes = drawn["cards"], {b["scope"]: b for b in drawn["boxes"]}
            assert not [1 for i, a in enumerate(cards) for b in cards[:i] if apart(a, b) < 0]
            for card in cards:  # inside its module, and the module inside its own
                assert card["home"] < 0 or within(card, boxes[card["home"]])
            for scope, box in boxes.items():
                parent = drawn["parents"][scope]
                assert parent < 0 or within(box, boxes[parent])
                assert not [
                    s for s, b in boxes.items() if s != scope and drawn["parents"][s] == parent and apart(b, box) < 0
                ]
            assert all(path.startswith("M") and "NaN" not in path for path in drawn["paths"])


def apart(a, b) -> float:
    return max(a["x"] - b["x"] - b["w"], b["x"] - a["x"] - a["w"], a["y"] - b["y"] - b["h"], b["y"] - a["y"] - a["h"])


def within(inner, outer) -> bool:
    return (
        outer["x"] <= inner["x"]
        and outer["y"] <= inner["y"]
        and inner["x"] + inner["w"] <= outer["x"] + outer["w"]
        and inner["y"] + inner["h"] <= outer["y"] + outer["h"]
    )


def test_25_labels_find_free_places(node):
    code = """
    const labels = Array.from({length: 6}, () => ({x: 50, y: 20, w: 80, h: 20}));
    say(Layout.place(labels, [{x: 0, y: 0, w: 100, h: 40}]).map(p => ({x: p.x - 40, y: p.y - 10, w: 80, h: 20})))"""
    spots = [*json.loads(node(RUN + code, "{}")), {"x": 0, "y": 0, "w": 100, "h": 40}]
    assert not [1 for i, a in enumerate(spots) for b in spots[:i] if apart(a, b) < 0]


def test_25_folding_that_makes_a_cycle(node):
    """A module whose results come back to it through the outside: folded, it feeds what feeds it."""
    code = """
    const nodes = [[0, []], [-1, [0]], [0, [1]], [-1, [2]]].map(([scope, parents]) => ({scope, parents}));
    const drawn = Layout.layout(nodes, [{name: 'cell', parent: -1}], new Set([0]), () => ({w: 100, h: 50}), {});
    say([...drawn.edges.values()].map(e => e.d))"""
    paths = json.loads(node(RUN + code, "{}"))
    assert len(paths) == 3
    assert not any("NaN" in path for path in paths)


def test_numbers_are_short_and_exact_enough(node):
    numbers = [1.4999999999999996, -1.5, 0.0, 1.0, 12345.678, 1e-5, 99999.9, 0.012345, 3e20, -0.000999, 1 / 3]
    wanted = ["1.5", "−1.5", "0.0", "1.0", "12345.7", "1e−5", "1e5", "0.01235", "3e20", "−9.99e−4", "0.3333"]
    assert json.loads(node(RUN + "say(given.map(x => Timeline.format(x)))", json.dumps(numbers))) == wanted
    others = "say([NaN, Infinity, -Infinity, null, true].map(x => Timeline.format(x)))"
    assert json.loads(node(RUN + others, "{}")) == ["NaN", "∞", "−∞", "·", "true"]
    rng = np.random.default_rng(0)
    many = (rng.normal(size=500) * 10.0 ** rng.integers(-9, 9, size=500)).tolist()
    for x, text in zip(
        many, json.loads(node(RUN + "say(given.map(x => Timeline.format(x)))", json.dumps(many))), strict=True
    ):
        assert float(text.replace("−", "-")) == pytest.approx(x, rel=5.1e-4), text


def test_scalar_network_is_playable_up_to_a_size():
    small = nn.scalar.MLP(2, [3, 1])([1.0, 2.0])
    assert payload(small[0] if isinstance(small, list) else small)["live"]
    assert not payload(Value(np.ones(3)).sum())["live"]
