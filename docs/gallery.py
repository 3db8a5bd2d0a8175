"""Makes the pictures of gallery.md, which README.md shows too, from the code on that page: ``python docs/gallery.py``.

Above a block of code stands what it makes: ``<!-- gallery: name.svg -->``. The block leaves a `drawing`, an `ax`, or a
`page`, of which Chromium takes a picture: the first name is for a light page, the second one for a dark page, then
comes the size, and ``keys`` are pressed before.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PAGE = HERE / "gallery.md"
FOLDER = HERE / "gallery"
BLOCK = re.compile(r"(?:<!-- gallery: (?P<what>[^\n]+?) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
COLORS = 96  # of a picture of a page: few are used


class Made(NamedTuple):
    """What a block of code left, and the names of the files that show it."""

    thing: Any
    names: list[str]
    size: tuple[int, int]
    keys: list[str]


def made() -> Iterator[Made]:
    """Run the blocks of the page, which share their names."""
    names: dict[str, Any] = {}
    for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        for name in ("drawing", "ax", "page"):
            names.pop(name, None)
        exec(found["code"], names)  # noqa: S102  (our own page)
        if found["what"]:
            what, _, keys = found["what"].partition(", keys ")
            *files, size = what.split(", ") if re.search(r" \d+x\d+$", what) else (*what.split(", "), "1x1")
            width, height = map(int, size.split("x"))
            thing = next(names[name] for name in ("drawing", "ax", "page") if name in names)
            yield Made(thing, files, (width, height), keys.split())


def write(folder: Path, browser: Any = None) -> list[Path]:
    """Make the pictures, those of pages only with a browser."""
    folder.mkdir(exist_ok=True)
    written = []
    for thing, names, size, keys in made():
        paths = [folder / name for name in names]
        if hasattr(thing, "html"):
            if browser is None:
                continue
            for path, scheme in zip(paths, ("light", "dark"), strict=False):
                path.write_bytes(photograph(browser, thing.html, scheme, size, keys))
        elif hasattr(thing, "source"):
            thing.save(paths[0])
        else:
            thing.figure.savefig(paths[0], dpi=110, pil_kwargs={"optimize": True})
        written += paths
    return written


def photograph(browser: Any, html: str, scheme: str, size: tuple[int, int], keys: list[str]) -> bytes:
    """Return a picture of a page as the browser shows it, as PNG of few colors."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        path.write_text(html, encoding="utf-8")
        viewport = {"width": size[0], "height": size[1]}
        page = browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        page.goto(path.as_uri())
        page.wait_for_timeout(500)
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        page.close()
    file = io.BytesIO()
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    os.environ.setdefault("MPLBACKEND", "Agg")
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = os.environ.get("AUTOGRAD_NN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch), sync_playwright() as playwright:
        write(FOLDER, playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]))
