"""Results as tables, printed and kept in README.md."""

from __future__ import annotations

import datetime as dt
import platform
import re
from pathlib import Path

import numpy as np

from .harness import Result, Row

README = Path(__file__).with_name("README.md")


def table(result: Result) -> str:
    """Return a Markdown table: time of each contestant, and as a multiple of ours."""
    ours = next((row.seconds for row in result.rows if row.name == result.ours), None)
    lines = [f"{result.title}", "", "| | time | ± | × ours |", "|---|---:|---:|---:|"]
    rows = sorted(result.rows, key=lambda row: row.seconds or float("inf"))
    lines += [line(row, ours, result.ours) for row in rows]
    if result.text:
        lines = [result.title, "", result.text]
    return "\n".join([*lines, "", *(f"{verdict}  " for verdict in result.verdicts)]).rstrip() + "\n"


def line(row: Row, ours: float | None, bold: str) -> str:
    name = f"**{row.name}**" if row.name == bold else row.name
    if row.seconds is None:
        return f"| {name} | {row.note} | | |"
    ratio = f"{row.seconds / ours:.2f}" if ours else ""
    spread = duration(row.spread) if row.spread else ""
    return f"| {name} | {duration(row.seconds)} | {spread} | {ratio} |"


def duration(seconds: float) -> str:
    """Return seconds with three significant digits and a unit.

    >>> duration(1.5e-5), duration(0.25)
    ('15.0 µs', '250 ms')
    """
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= factor or unit == "ns":
            value = seconds / factor
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:#.3g} {unit}"
    raise ValueError(seconds)


def conditions(packages: dict[str, str]) -> str:
    """Return on what the numbers were measured."""
    day = dt.datetime.now(dt.UTC).date().isoformat()
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"Measured {day}: {processor()}, {platform.system()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, {versions}; one thread."
    )


def processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def store(name: str, text: str, readme: Path = README) -> None:
    """Put a text between the marks of a workload in README.md.

    Raises:
        ValueError: if the marks are not there.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    content = readme.read_text(encoding="utf-8")
    before, mark, rest = content.partition(begin)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"{readme} has no {begin.strip()} … {end}")
    readme.write_text(before + begin + text + end + after, encoding="utf-8")
