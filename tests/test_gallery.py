"""The pictures of the gallery are what its code makes today, README.md shows some of them, and they are small."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from autograd_nn.visualize import engine

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "gallery"
PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
LARGEST = 600_000  # bytes, all together


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(path):
    return ["".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def pixels(path):
    """A picture on white, small, so that neither fonts nor the edges of lines count."""
    image = pytest.importorskip("PIL.Image").open(path).convert("RGBA")
    white = pytest.importorskip("PIL.Image").new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return np.asarray(white.convert("RGB").resize((40, 30)), float) / 255


def test_pictures_are_those_that_the_code_makes(gallery, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pytest.importorskip("numba")
    if engine() is None:
        pytest.skip("no renderer here")
    monkeypatch.chdir(tmp_path)
    written = gallery.write(tmp_path / "made")
    assert len(written) >= 6
    for path in written:
        kept = FOLDER / path.name
        if path.suffix == ".svg":
            assert words(path) == words(kept), f"python docs/gallery.py makes {path.name} again"
        else:
            assert np.abs(pixels(path) - pixels(kept)).mean() < 0.02, f"python docs/gallery.py makes {path.name} again"


def test_pages_are_photographed(gallery, browser, tmp_path):
    html = "<!doctype html><title>t</title><body style='background: #fff'><p style='color: #c00'>words"
    picture = gallery.photograph(browser, html, "light", (300, 200), ["End"])
    (tmp_path / "page.png").write_bytes(picture)
    assert pixels(tmp_path / "page.png").mean() > 0.9


def test_every_picture_is_on_the_page_and_there(gallery):
    shown = set(re.findall(r"gallery/([\w.-]+)", PAGE))
    named = {
        name for what in re.findall(r"<!-- gallery: ([^\n]+?) -->", PAGE) for name in re.findall(r"[\w-]+\.\w+", what)
    }
    assert shown - {"gallery.py"} == named == {path.name for path in FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LARGEST


def test_the_readme_shows_pictures_that_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"docs/gallery/([\w.-]+)", readme))
    assert len(shown) >= 3
    assert shown <= {path.name for path in FOLDER.iterdir()}
