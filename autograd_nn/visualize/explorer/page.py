"""The explorer's page: one HTML file that asks nothing of the network.

It allows itself nothing but its own script and style (Content-Security-Policy), and shows names as text only. Its code
is in `layout.js` (where things stand), `timeline.js` (what each step says), `formula.js` (values that are changed in
the page), `elements.js` (what pages are built of) and `view.js` (the page itself). The first three know no page and run
under node, where they are tested. Other pages are built in the same way, with `assembled`.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from ..outline import outline
from ..text import as_graph, plain
from .payload import payload

__all__ = ["to_html"]

SCRIPTS = ("layout.js", "timeline.js", "formula.js", "elements.js", "view.js")

# Unpacks code and data, which stand in the page compressed: a notebook repeats them with every output. (The page's
# policy names the hashes of both scripts, this one and the one that it unpacks.)
LOADER = """(async()=>{const d=document,
bytes=id=>Uint8Array.from(atob(d.getElementById(id).textContent),c=>c.charCodeAt(0)),
get=id=>new Response(new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream('gzip'))).text(),
e=d.createElement('script');window.autogradData=await get('ag-data');e.textContent=await get('ag-code');
d.body.append(e)})()"""


def to_html(source: Any, *, title: str | None = None) -> str:
    """Return the explorer of a graph as one HTML page that needs nothing else.

    Args:
        source: a Value, a Graph, or a list of Values.
        title: shown above the graph; "graph of loss" if left out.

    >>> from autograd_nn import Value
    >>> x = Value(3.0, name="x")
    >>> to_html(x * x).startswith("<!doctype html>")
    True
    """
    graph = as_graph(source)
    data = payload(graph, title=None if title is None else plain(title, 80))
    return assembled(data["title"], packed_json(data), outline(graph), assets())


def assembled(title: str, data: str, text: str, own: Assets, framed: Sequence[Assets] = ()) -> str:
    """Return a page with data for its script, which finds them in `window.autogradData`.

    Args:
        title: of the page.
        data: JSON, packed.
        text: stands in the page where scripts do not run.
        own: style and script of the page.
        framed: those of pages that it opens in frames: its policy holds for them too.
    """
    return template("page.html").substitute(
        title=escape(title),
        style=own.style,
        style_hash="' '".join(content_hash(each.style) for each in (own, *framed)),
        loader=LOADER,
        loader_hash=content_hash(LOADER),
        code=own.code,
        code_hash="' '".join(content_hash(each.script) for each in (own, *framed)),
        data=data,
        outline=f"<pre>{escape(text)}</pre>",
    )


class Assets(NamedTuple):
    """Style and script of a page, and the script packed."""

    style: str
    script: str
    code: str


@functools.cache
def template(name: str) -> Template:
    return Template((Path(__file__).parent / name).read_text(encoding="utf-8"))


@functools.cache
def assets() -> Assets:
    """Return style and script of the explorer."""
    return read_assets(["explorer.css"], SCRIPTS)


def read_assets(styles: Iterable[str | Path], scripts: Iterable[str | Path]) -> Assets:
    """Return files, those of the explorer or others, as style and script of a page."""
    style, script = (
        "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in names)
        for names in (styles, scripts)
    )
    return Assets(style, script, packed(script))


def packed_json(data: Any) -> str:
    """Return data as JSON, packed."""
    return packed(json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def packed(text: str) -> str:
    """Return text compressed, in characters that HTML leaves alone."""
    level = 9 if len(text) < 1_000_000 else 6  # which takes half as long
    return base64.b64encode(gzip.compress(text.encode(), level, mtime=0)).decode()


def content_hash(text: str) -> str:
    """Return a hash of inline content as Content-Security-Policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
