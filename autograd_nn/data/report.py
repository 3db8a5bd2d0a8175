"""The data report: is a table ready to train on? If not, why, and what is to be done."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import trait
from .finding import CHECKS, Examined, Finding
from .frame import columns_of
from .transform import short

__all__ = ["Report", "report"]

SEVERITIES = {"error": "✗", "warning": "!", "note": "·"}
LEFT = "text-align:left"  # notebooks would align cells to the right


@dataclass(frozen=True)
class Report:
    """What `report` found out about a table. Print it, or let a notebook show it.

    Attributes:
        rows: the number of rows.
        columns: a dict for each column: name, kind, missing (cells), distinct (values).
        target: the name of the target, or None.
        task: "classification", "regression", or None.
        findings: what was found, errors first.
    """

    rows: int
    columns: tuple[dict[str, Any], ...]
    target: str | None
    task: str | None
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Can one train on the table as it is? Then there is no error and no warning."""
        return not any(finding.severity in ("error", "warning") for finding in self.findings)

    @property
    def cleanable(self) -> bool:
        """Does `clean` cure all that is in the way? Then there is no error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence: "ready", or "not ready, because …"."""
        if self.ready:
            return "ready"
        reasons = self.of("error") or self.of("warning")
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        because = "; ".join(finding.message for finding in reasons[:3]) + more
        then = "data.clean cures this." if self.cleanable else "This is for you to decide, see below."
        return f"not ready, because {because}. {then}"

    def of(self, name: str) -> tuple[Finding, ...]:
        """Return the findings of a severity or kind, such as "error" or "leak"."""
        return tuple(finding for finding in self.findings if name in (finding.severity, finding.kind))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists, for JSON."""
        return {
            "ready": self.ready,
            "cleanable": self.cleanable,
            "verdict": self.verdict,
            "rows": self.rows,
            "columns": [dict(column) for column in self.columns],
            "target": self.target,
            "task": self.task,
            "findings": [{**vars(finding), "columns": list(finding.columns)} for finding in self.findings],
        }

    @property
    def heading(self) -> str:
        """The size of the table, and the task."""
        what = "" if self.target is None else f", target {self.target!r} ({self.task})"
        return f"{self.rows} rows, {len(self.columns)} columns{what}"

    def __str__(self) -> str:
        lines = [self.heading, self.verdict]
        for finding in self.findings:
            lines += [f"  {SEVERITIES[finding.severity]} {finding.message}", f"      → {finding.cure}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='{LEFT};white-space:nowrap'>{SEVERITIES[f.severity]} {f.severity}</td>"
            f"<td style='{LEFT}'>{html.escape(f.message)}</td><td style='{LEFT}'>{html.escape(f.cure)}</td></tr>"
            for f in self.findings
        )
        names = "".join(f"<th style='{LEFT}'>{name}</th>" for name in ("severity", "finding", "what to do"))
        head = f"<thead><tr>{names}</tr></thead>"
        table = f"<table>{head}<tbody>{rows}</tbody></table>" if rows else ""
        return (
            f"<div><p>{html.escape(self.heading)}</p><p><strong>{html.escape(self.verdict)}</strong></p>{table}</div>"
        )


def report(
    frame: Any,
    target: str | None = None,
    *,
    task: str | None = None,
    keep: Iterable[str] = (),
    drop: Iterable[str] = (),
    missing: Iterable[str] = (),
) -> Report:
    """Look at a table before training on it.

    Args:
        frame: a pandas, polars or pyarrow table, a dict of columns, a list of dicts, a structured array, or the path of
            a CSV file.
        target: the name of the column to predict.
        task: "classification" or "regression"; found out from the target if left out.
        keep: columns that you vouch for: they are not called leaks or identifiers.
        drop: columns to leave out.
        missing: more texts that stand for a missing cell, such as "unknown".

    Raises:
        TypeError: if the frame is nothing of that kind.
        ValueError: if it has no rows, columns of one name, or lacks a column that is named.

    >>> ages = [20.5 + 0.7 * row for row in range(40)]
    >>> looked = report({"age": ages, "planet": ["Earth"] * 40, "buys": [0, 1] * 20}, "buys")
    >>> print(looked)
    40 rows, 3 columns, target 'buys' (classification)
    not ready, because 'planet' is 'Earth' in every row. data.clean cures this.
      ! 'planet' is 'Earth' in every row
          → clean drops it
    """
    columns = columns_of(frame, missing=missing)
    table = examined(columns, target, task, keep, drop)
    order = list(SEVERITIES)
    findings = [finding for check in CHECKS for finding in check(table)]
    findings.sort(key=lambda finding: order.index(finding.severity))
    summary = tuple(
        {"name": c.name, "kind": c.kind, "missing": int(c.missing.sum()), "distinct": trait.distinct(c)}
        for c in table.all.values()
    )
    return Report(table.rows, summary, target, table.task, tuple(findings))


def examined(
    columns: dict[str, Any], target: str | None, task: str | None, keep: Iterable[str], drop: Iterable[str]
) -> Examined:
    """Sort columns into inputs and target."""
    keep, drop = names_in("keep", keep, columns), names_in("drop", drop, columns)
    if target is not None:
        names_in("target", [target], columns)
        if target in drop:
            raise ValueError(f"the target {target!r} cannot be dropped.")
    if both := keep & drop:
        raise ValueError(f"{short(sorted(both))} cannot be both kept and dropped.")
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task wanted 'classification' or 'regression', got {task!r}.")
    rows = len(next(iter(columns.values())).values)
    aim = None if target is None else columns[target]
    inputs = {name: column for name, column in columns.items() if name != target and name not in drop}
    if aim is not None and task == "regression" and not aim.numeric:
        raise ValueError(f"regression wanted numbers in {target!r}, got {aim.kind}: write task='classification'.")
    return Examined(inputs, aim, None if aim is None else task or trait.task_of(aim), rows, keep)


def names_in(what: str, names: Iterable[str], columns: dict[str, Any]) -> frozenset[str]:
    """Refuse names that no column has."""
    if isinstance(names, str):
        raise TypeError(f"{what} wanted a list of names, got {names!r}: write {what}=[{names!r}].")
    names = [str(name) for name in names]
    if lacking := [name for name in names if name not in columns]:
        raise ValueError(f"{what} names {short(lacking)}, but the columns are {short(columns, 20)}.")
    return frozenset(names)
