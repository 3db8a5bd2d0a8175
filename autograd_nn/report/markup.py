"""Words and tables as HTML. Whatever comes from strangers goes through `text`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["SCROLL", "clipped", "section", "table", "text", "visible"]

SCROLL = '<div class="scroll" tabindex="0" role="group" aria-label='
"""Opens a box for what may be wider than the page: it can be reached, and scrolled, with keys."""


def visible(text: Any) -> str:
    r"""Return a text in which control characters are written out, so that none can move the cursor or turn the line.

    >>> visible("red\x1b[2J")
    'red\\x1b[2J'
    """
    kept = ("\n", "\t", "\xa0")
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in str(text))


def text(thing: Any) -> str:
    """Return anything as text that is safe inside of HTML, in quotation marks too."""
    return html.escape(visible(thing))


def section(heading: str, body: str) -> str:
    """Return a part of the page; nothing if there is nothing in it."""
    return f"<section><h2>{text(heading)}</h2>\n{body}</section>" if body else ""


def table(head: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Return a table; the first cell of a row is its heading. Cells are HTML, headings are texts."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    lines = []
    for first, *rest in rows:
        heading = f'<th scope="row">{text(first)}</th>' if first else "<td></td>"
        lines.append(f"<tr>{heading}{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>")
    body = "\n".join(lines)
    return f'{SCROLL}"table"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>'


def clipped(label: str, most: int = 40) -> str:
    """Return a label that is not longer than a cell of the matrix may be."""
    return label if len(label) <= most else label[: most - 1] + "…"
