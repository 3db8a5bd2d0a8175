"""`NotebookPage`: an HTML page that shows itself at the end of a notebook cell, in a frame, or is saved as a file."""

from __future__ import annotations

import base64
import re
import secrets
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

from ..drawing import write

__all__ = ["NotebookPage"]

HEIGHT = 560

# Tells frames the theme of the page around them, which they cannot see: JupyterLab, VS Code, Colab, Sphinx themes; else
# whether the page's background is dark. Installed once per page, whatever the number of outputs.
BRIDGE = """(()=>{if(window.autogradTheme)return;window.autogradTheme=1;const d=document,h=d.documentElement,b=d.body;
const dark=()=>{const j=b.dataset.jpThemeLight,k=b.dataset.vscodeThemeKind,
t=h.dataset.theme||h.getAttribute('theme')||b.dataset.theme;
if(j)return j==='false';if(k)return/dark|^vscode-high-contrast$/.test(k);if(t==='dark'||t==='light')return t==='dark';
const c=(getComputedStyle(b).backgroundColor.match(/[\\d.]+/g)||[]).map(Number);
if(c.length<3||c[3]===0)return matchMedia('(prefers-color-scheme: dark)').matches;return c[0]*.3+c[1]*.6+c[2]*.1<128};
const tell=w=>w&&w.postMessage({autogradTheme:dark()?'dark':'light'},'*');
const all=()=>d.querySelectorAll('iframe[data-autograd]').forEach(f=>tell(f.contentWindow));
addEventListener('message',e=>{if(e.data&&e.data.autogradReady)tell(e.source)});
const o=new MutationObserver(all),a={attributes:true};o.observe(h,a);o.observe(b,a);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change',all);all()})()"""


class NotebookPage:
    """A page, and what stands in its place where it cannot be: a picture, or text.

    In a notebook that is not trusted scripts do not run, and frames are stripped: the picture below shows. A subclass
    says how it is made.

    Args:
        html: the page.
        title: what it shows, in words.
        text: what it shows, for terminals and screen readers.
        kind: what such a page is called, such as "explorer".
        height: of the frame in a notebook, in pixels.

    Attributes:
        html: the page.
        title: what it shows, in words.
    """

    def __init__(self, html: str, title: str, text: str, kind: str, height: int = HEIGHT) -> None:
        self.html, self.title = html, title
        self._outline, self._kind, self._height = text, kind, int(height)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file, all of it or nothing, and return its path.

        Args:
            path: ends in .html.

        Raises:
            ValueError: for another ending.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(
                f"{type(self).__name__}.save wanted a name that ends in .html, got {path.name!r}: write "
                f"'{self._kind}.html'."
            )
        write(path, self.html.encode())
        return path

    def _picture(self) -> tuple[str, bytes] | None:
        """Return a picture, its media type first; None if there is nothing here to make it with."""
        return None

    def __str__(self) -> str:
        return self._outline

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        """Return a picture with the page in a frame on top: what is not trusted is stripped, and the picture shows."""
        bundle = {"text/plain": self._outline}
        height, picture = self._height, self._picture()
        if picture is not None:
            kind, content = picture
            encoded = base64.b64encode(content).decode()
            if kind == "image/svg+xml":
                prefix = rf"\g<1>g{secrets.token_hex(4)}-"  # ids of two outputs of a notebook differ
                bundle[kind] = re.sub(r'(<[^<>]*? id=")', prefix, content.decode())
            else:
                bundle[kind] = encoded
            below = (
                f'<img alt="{escape(self.title)}" style="grid-area:1/1;max-width:100%;max-height:{height}px" '
                f'src="data:{kind};base64,{encoded}">'
            )
        else:
            below = (
                f'<pre style="grid-area:1/1;margin:0;max-height:{height}px;overflow:auto">{escape(self._outline)}</pre>'
            )
        bundle["text/html"] = f'<div style="display:grid">{below}{self._frame()}</div><script>{BRIDGE}</script>'
        return bundle

    def _mime_(self) -> tuple[str, str]:
        """Show the frame alone in marimo, which always runs it."""
        return "text/html", f"{self._frame()}<script>{BRIDGE}</script>"

    def _frame(self) -> str:
        return (
            f'<iframe data-autograd title="{escape(self.title)}: {self._kind}" '
            'sandbox="allow-scripts allow-downloads" '
            f'style="grid-area:1/1;width:100%;height:{self._height}px;border:1px solid #8884;border-radius:8px" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )
