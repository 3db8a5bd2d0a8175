"""The checks of the data report: each looks at a table for one kind of trouble, and says what it found and the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import trait
from .frame import DATE_LIKE, DECIMAL_COMMA, THOUSANDS, WRITTEN_NUMBER, Column
from .transform import short

__all__ = ["CHECKS", "MAX_CATEGORIES", "Examined", "Finding"]

MAX_CATEGORIES = 50  # of a text column; `clean` pools the others


@dataclass(frozen=True)
class Finding:
    """Something about a table that one should know before training.

    Attributes:
        severity: "error": you must decide; "warning": in the way, but `clean` cures it; "note": worth knowing.
        kind: one word: "missing", "constant", "leak", …
        columns: the names of the columns concerned.
        message: what was found, with numbers.
        cure: what to do.
    """

    severity: str
    kind: str
    columns: tuple[str, ...]
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.message} → {self.cure}"


@dataclass(frozen=True)
class Examined:
    """A table as the checks see it.

    Attributes:
        inputs: the columns but for the target.
        target: the target, or None.
        task: "classification", "regression", or None without a target.
        rows: the number of rows.
        keep: columns that the user vouches for.
    """

    inputs: dict[str, Column]
    target: Column | None
    task: str | None
    rows: int
    keep: frozenset[str] = frozenset()

    @property
    def all(self) -> dict[str, Column]:
        """Inputs and target."""
        return self.inputs if self.target is None else {**self.inputs, self.target.name: self.target}


def missing_target(table: Examined) -> Iterator[Finding]:
    """Rows of which the target is not known teach nothing."""
    if table.target is not None and (count := int(table.target.missing.sum())):
        name = table.target.name
        if count == table.rows:
            yield Finding("error", "missing", (name,), f"the target {name!r} is missing in every row", "fill it in")
        else:
            message = f"the target {name!r} is missing in {count} of {table.rows} rows"
            yield Finding("warning", "missing", (name,), message, "clean leaves these rows out")


def missing_cells(table: Examined) -> Iterator[Finding]:
    """A gap is no number."""
    for name, column in table.inputs.items():
        count = int(column.missing.sum())
        if column.kind == "empty":
            yield Finding("warning", "empty", (name,), f"{name!r} has no value at all", "clean drops it")
        elif count:
            value = "the most frequent value" if column.kind in ("text", "flag") else "the median"
            message = f"{name!r} is missing in {count} of {table.rows} rows ({percent(count / table.rows)})"
            often = "; ask why so many are missing" if count > table.rows / 2 else ""
            yield Finding("warning", "missing", (name,), message, f"clean fills in {value} of the training rows{often}")


def infinite_cells(table: Examined) -> Iterator[Finding]:
    """Infinity is a division by zero, or a mark for something."""
    for name, column in table.all.items():
        if column.numeric and (count := int(np.isinf(column.values).sum())):
            message = f"{name!r} is infinite in {count} {plural(count, 'row')}"
            if table.target is not None and name == table.target.name:
                yield Finding("error", "infinite", (name,), message, "correct or remove these rows")
            else:
                yield Finding("warning", "infinite", (name,), message, "clean treats infinity as missing")


def mixed_types(table: Examined) -> Iterator[Finding]:
    """Numbers with a few words among them are a number column with mistakes."""
    for name, column in table.all.items():
        if column.kind != "mixed":
            continue
        known = [cell for cell in column.values if cell is not None]
        if all(WRITTEN_NUMBER.fullmatch(text) for text in column.strange):
            yield number_as_text(name, column.strange)
            continue
        words = sum(cell in set(column.strange) for cell in known)
        message = (
            f"{name!r} mixes {len(known) - words} numbers with {words} of another type: {short(column.strange, 3)}"
        )
        cure = f"correct these cells; if they mean that it is not known, say missing=[{column.strange[0]!r}]"
        yield Finding("error", "mixed", (name,), message, cure)


def written_numbers(table: Examined) -> Iterator[Finding]:
    """A column of numbers that are text to Python would be lost as names, or as categories."""
    for name, column in table.all.items():
        if trait.written_numbers(column):
            yield number_as_text(name, [cell for cell in column.values if cell is not None])


def number_as_text(name: str, texts: Sequence[str]) -> Finding:
    """Say which signs are in the way: only who knows the table knows whether 1,000 is one or a thousand."""
    example = repr(texts[0])
    if all(THOUSANDS.fullmatch(text) for text in texts):
        message = f"{name!r} holds numbers with commas, such as {example}"
        cure = "if they separate thousands, remove the commas; if they are decimal commas, replace them by points"
        return Finding("error", "number as text", (name,), message, cure)
    if all(DECIMAL_COMMA.fullmatch(text) for text in texts):
        message = f"{name!r} holds numbers with a decimal comma, such as {example}"
        return Finding("error", "decimal comma", (name,), message, "replace the commas by points")
    message = f"{name!r} holds numbers with signs in them, such as {example}"
    cure = "write plain numbers, such as 1234.5, without separators, currency or percent signs"
    return Finding("error", "number as text", (name,), message, cure)


def text_columns(table: Examined) -> Iterator[Finding]:
    """Text must become numbers."""
    for name, column in table.inputs.items():
        if column.kind != "text" or trait.constant(column) or is_identifier(table, column):
            continue
        if trait.written_numbers(column):
            continue  # reported as such
        texts = [cell for cell in column.values if cell is not None]
        count = trait.distinct(column)
        if count > MAX_CATEGORIES:
            message = f"{name!r} holds {count} different texts, about {len(texts) / count:.1f} rows for each"
            cure = f"clean keeps the {MAX_CATEGORIES} most frequent, the others become 'other'"
            yield Finding("warning", "many categories", (name,), message, cure)
        else:
            message = f"{name!r} holds text, {count} different: {short(sorted(set(texts)), 4)}"
            cure = f"clean makes a column of 0 and 1 for each, such as {name + '=' + min(texts)!r}"
            yield Finding("warning", "text", (name,), message, cure)


def spellings(table: Examined) -> Iterator[Finding]:
    """'Red' and 'red' would be two categories."""
    for name, column in table.all.items():
        if column.kind != "text":
            continue
        forms: dict[str, set[str]] = {}
        for text in {cell for cell in column.values if cell is not None}:
            forms.setdefault(" ".join(text.casefold().split()), set()).add(text)
        if twins := sorted(min(spelt) for spelt in forms.values() if len(spelt) > 1):
            spelt = sorted(forms[" ".join(twins[0].casefold().split())])
            message = (
                f"{name!r} spells {len(twins)} {plural(len(twins), 'text')} in several ways, such as {short(spelt, 3)}"
            )
            yield Finding("note", "spelling", (name,), message, "make them one, if they mean the same")


def dates(table: Examined) -> Iterator[Finding]:
    """A date is a number of days; and data with dates is mostly to be split by time."""
    for name, column in table.inputs.items():
        if column.kind == "date":
            message = f"{name!r} holds dates, {column.values[~column.missing].min()} and later"
            cure = "clean counts days; to forecast, split(…, time=…) so that the test is later than the training"
            yield Finding("warning", "date", (name,), message, cure)
        elif column.kind == "text":
            texts = [cell for cell in column.values if cell is not None]
            if all(DATE_LIKE.fullmatch(text) for text in texts):
                message = f"{name!r} looks like dates in a form of its own, such as {texts[0]!r}"
                yield Finding("error", "date", (name,), message, "write them as 2024-01-31 (ISO 8601)")


def constant_columns(table: Examined) -> Iterator[Finding]:
    """What is the same in every row tells nothing."""
    for name, column in table.inputs.items():
        if trait.constant(column):
            message = f"{name!r} is {shown(column.values[0])} in every row"
            yield Finding("warning", "constant", (name,), message, "clean drops it")


def duplicate_columns(table: Examined) -> Iterator[Finding]:
    """The same column twice adds nothing."""
    told = {name: c for name, c in table.inputs.items() if not trait.constant(c) and c.kind != "empty"}
    for name, original in trait.copies(told).items():
        if name not in table.keep:
            yield Finding(
                "warning", "duplicate column", (original, name), f"{name!r} equals {original!r}", "clean drops it"
            )


def identifiers(table: Examined) -> Iterator[Finding]:
    """A network can learn rows by heart from their numbers."""
    for name, column in table.inputs.items():
        if reason := is_identifier(table, column):
            message = f"{name!r} only names its row ({reason})"
            yield Finding("warning", "identifier", (name,), message, f"clean drops it, unless keep=[{name!r}]")


def duplicate_rows(table: Examined) -> Iterator[Finding]:
    """A row that is in the training and in the test is no test."""
    # A number that names the row makes each row different, and tells nothing.
    columns = {name: column for name, column in table.all.items() if not is_identifier(table, column)}
    if not columns or not (count := int(trait.repeated_rows(columns).sum())):
        return
    message = f"{count} of {table.rows} rows {'repeats' if count == 1 else 'repeat'} an earlier one"
    if trait.expected_repeats(columns):
        cure = "nothing: with so few different values that is to be expected"
        yield Finding("note", "duplicate rows", (), message, cure)
    else:
        cure = "clean keeps the first of each, or all with duplicates='keep'"
        yield Finding("warning", "duplicate rows", (), message, cure)


def leaks(table: Examined) -> Iterator[Finding]:
    """A column that says the target is mostly one that is not known when a prediction is wanted."""
    if table.target is None or table.task is None or table.target.kind in ("empty", "mixed"):
        return
    for name, column in table.inputs.items():
        if name in table.keep or column.kind in ("empty", "mixed") or trait.constant(column):
            continue
        if how := trait.gives_away(column, table.target, table.task):
            message = f"{name!r} gives the target away: {how}"
            cure = f"is it known before the target is? If not, drop=[{name!r}]; if so, keep=[{name!r}]"
            yield Finding("error", "leak", (name,), message, cure)


def target_itself(table: Examined) -> Iterator[Finding]:
    """The target must be something that can be learnt."""
    target = table.target
    if target is None or target.kind in ("empty", "mixed") or trait.written_numbers(target):
        return
    name, count = target.name, trait.distinct(target)
    if target.kind == "date":
        yield Finding("error", "target", (name,), f"the target {name!r} holds dates", "make it a number, such as days")
    elif count == 1:
        value = shown(target.values[~target.missing][0])
        yield Finding("error", "target", (name,), f"the target {name!r} is always {value}", "there is nothing to learn")
    elif table.task == "classification" and count > max(2, table.rows / 5):
        message = f"the target {name!r} has {count} classes in {table.rows} rows"
        yield Finding("error", "target", (name,), message, "is it the right column? Pool classes, or find more rows")


def imbalance(table: Examined) -> Iterator[Finding]:
    """Who always says the frequent class is often right, and useless."""
    target = table.target
    if target is None or table.task != "classification" or (classes := trait.distinct(target)) < 2:
        return
    present = target.values[~target.missing]
    labels, counts = np.unique(present, return_counts=True)
    if classes > max(2, table.rows / 5):
        return  # reported as a target of too many classes
    rare, usual = labels[counts.argmin()], labels[counts.argmax()]
    if counts.min() < 2:
        message = f"class {shown(rare)} of {target.name!r} has a single row"
        cure = "find more rows, pool it with another class, or remove it: it cannot be both learnt and tested"
        yield Finding("error", "imbalance", (target.name,), message, cure)
    elif counts.min() < 0.2 * len(present) / classes:
        share = counts.max() / len(present)
        message = (
            f"class {shown(rare)} of {target.name!r} has only {counts.min()} of {len(present)} rows; always saying "
            f"{shown(usual)} would be right in {percent(share)}"
        )
        cure = "split with stratify=, weight the classes, and look at the confusion matrix, not at accuracy alone"
        yield Finding("note", "imbalance", (target.name,), message, cure)


def few_rows(table: Examined) -> Iterator[Finding]:
    """A network has many weights, and a test needs rows of its own."""
    width = sum(inputs_made(table, column) for column in table.inputs.values())
    if table.rows < trait.ENOUGH:
        message = f"there are only {table.rows} rows"
        yield Finding("error", "few rows", (), message, f"find {trait.ENOUGH} or more: some must be left for the test")
    elif table.rows < width:
        message = f"there are fewer rows, {table.rows}, than inputs, {width}"
        yield Finding("error", "few rows", (), message, "find more rows, or choose fewer columns")
    elif table.rows < 10 * width:
        message = f"there are {table.rows} rows for {width} inputs, fewer than 10 for each"
        yield Finding("note", "few rows", (), message, "use a small network, weight decay, and cross-validation")


def outliers(table: Examined) -> Iterator[Finding]:
    """Values far from all others are mistakes, codes, or the interesting rows."""
    for name, column in table.all.items():
        if column.kind != "number":
            continue
        values = column.values[np.isfinite(column.values)]
        if len(values) < trait.ENOUGH:
            continue
        low, high = np.percentile(values, [25, 75])
        reach = 3 * (high - low)  # Tukey's outer fences
        far = values[(values < low - reach) | (values > high + reach)]
        if not len(far) or reach == 0 or len(far) > 0.05 * len(values):
            continue
        extreme = far[np.abs(far - np.median(values)).argmax()]
        message = f"{name!r} has {len(far)} {plural(len(far), 'value')} far from the others, such as {extreme:g}"
        if len(np.unique(far)) == 1 and len(far) > 1:
            cure = f"does {extreme:g} stand for missing? Then say missing=['{extreme:g}']"
        else:
            cure = "look whether they are mistakes; if not, take the logarithm, or a robust loss such as huber"
        yield Finding("note", "outlier", (name,), message, cure)


def no_inputs(table: Examined) -> Iterator[Finding]:
    """Something must be left to learn from."""
    if not any(inputs_made(table, column) for column in table.inputs.values()):
        yield Finding(
            "error", "no inputs", (), "no column is left to learn from", "add columns that vary with the target"
        )


CHECKS: tuple[Callable[[Examined], Iterator[Finding]], ...] = (
    leaks,
    missing_target,
    target_itself,
    few_rows,
    no_inputs,
    mixed_types,
    written_numbers,
    missing_cells,
    infinite_cells,
    text_columns,
    dates,
    constant_columns,
    duplicate_columns,
    identifiers,
    duplicate_rows,
    imbalance,
    outliers,
    spellings,
)


def is_identifier(table: Examined, column: Column) -> str | None:
    """Say why a column only names its row, unless the user vouches for it."""
    return None if column.name in table.keep else trait.identifier(column, len(table.inputs) - 1)


def inputs_made(table: Examined, column: Column) -> int:
    """Return the number of inputs that `clean` makes of a column."""
    if column.kind == "empty" or trait.constant(column) or is_identifier(table, column):
        return 0
    if column.kind not in ("text", "mixed") or trait.written_numbers(column):
        return 1
    count = trait.distinct(column)
    return count if count <= MAX_CATEGORIES else MAX_CATEGORIES + 1


def percent(share: float) -> str:
    """Return a share as text, without calling 99.9 % all."""
    return f"{100 * share:.1f} %" if share > 0.99 or share < 0.01 else f"{100 * share:.0f} %"


def plural(count: int, noun: str) -> str:
    return noun if count == 1 else noun + "s"


def shown(value: Any) -> str:
    """Return a cell as it would be written: 1, not np.float64(1.0)."""
    value = value.item() if isinstance(value, np.generic) else value
    return f"{value:g}" if isinstance(value, float) else repr(value)
