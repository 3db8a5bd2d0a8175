"""The command line: train on a CSV file, predict, inspect, export. ``autograd-nn --help`` says how.

Exit codes: 0 good; 1 failed, with a sentence on the error output that says what to do; 2 wrong usage; 130 interrupted
by Ctrl-C, where `train` writes what was learnt so far; 141 nobody reads the output any more, as of ``… | head``.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import math
import os
import re
import secrets
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import autograd_nn  # of which the playground is imported when it is opened

from . import __version__, data
from .data.frame import Column, columns_of
from .data.transform import short
from .export import to_onnx, to_python
from .functions import sigmoid, softmax
from .nn import MLP, Module, SoftmaxClassifier, architecture
from .optim import AdamW
from .report import Result, page, score, visible
from .report.run import described
from .saving import Saved, load, save, write_atomically
from .training import METRICS, EarlyStopping, History, confusion_matrix, fit
from .training import predict as outputs_of

__all__ = ["main"]

INTERRUPTED = 130
NOBODY_READS = 141

# What the library says in Python, said for the command line.
SPOKEN = (
    (r"\b(drop|keep|missing)=\[('[^']*'|\"[^\"]*\")\]", r"--\1 \2"),
    (r"\bduplicates='keep'", "--duplicates keep"),
    (r"\btask='(\w+)'", r"--task \1"),
    (r"\bunknown='zeros'", "--unknown zeros"),
    (r"read_csv\(path, encoding='(\w+)'\)", r"--encoding \1"),
    (r"Write read_csv\(path, columns=\[…\]\)", "Write one above it."),
    (r"\bsplit\(…, time=…\)", "--time"),
    (r"split with stratify=, weight the classes, and look at", "look at balanced accuracy and"),
    (r"\bsplit with stratify=, or leave these rows out", "leave these rows out, or split without --time"),
    (r"Give the optimizer weight_decay=0\.01, or stop early", "Write --weight-decay 0.01"),
    (r"\bdata\.clean cures this\.", "Cleaning cures this."),
    (r"\bclean (drops|keeps|leaves|fills|treats|makes|counts)\b", r"cleaning \1"),
    (r", clip_norm=1\.0 or another initialization, with a new optimizer; diagnose\(.*?\) names the layer", ""),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the words behind ``autograd-nn``; those of this process if left out.

    >>> main(["--version"])
    autograd-nn 0...
    0
    """
    try:
        arguments = parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = lambda message, *_, **__: complain(f"warning: {message}")
            code = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as ended:  # of argparse: --help, --version, wrong usage
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        silence()
        return NOBODY_READS
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except OSError as error:
        silence()
        complain(f"error: {error.filename}: {error.strerror}" if error.filename is not None else f"error: {error}")
        return 1
    except MemoryError:
        complain("error: there is not enough memory for this.")
        return 1
    except (ValueError, TypeError, ImportError, NotImplementedError) as error:
        complain(f"error: {error}")
        return 1
    return code


def say(words: Any = "") -> None:
    """Print, whatever letters the terminal knows."""
    kind = sys.stdout.encoding or "utf-8"
    print(visible(words).encode(kind, "backslashreplace").decode(kind), flush=True)


def complain(words: str) -> None:
    """Print a line on the error output."""
    with contextlib.suppress(OSError, ValueError):  # it may be closed
        print(f"autograd-nn: {visible(spoken(words))}", file=sys.stderr, flush=True)


def spoken(words: str) -> str:
    """Return what the library says in Python, as one says it on the command line.

    >>> spoken("is it known before? If not, drop=['id']; if so, keep=['id']")
    "is it known before? If not, --drop 'id'; if so, --keep 'id'"
    """
    for pattern, instead in SPOKEN:
        words = re.sub(pattern, instead, words)
    return words


def silence() -> None:
    """Let what is left in the buffer of an output that cannot be written go nowhere, without a complaint at the end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# the words of the command line


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="autograd-nn",
        description="Train a neural network on a CSV file, and use it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"autograd-nn {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str, epilog: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help[0].lower() + help[1:].partition(".")[0],
            description=help,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(run=run, usage=made)
        return made

    add_train(command("train", train, TRAIN, TRAIN_EXAMPLES))

    p = command("predict", predict, PREDICT, PREDICT_EXAMPLES)
    p.add_argument("model", help="file that train wrote")
    p.add_argument("data", help="CSV file with the columns that the model was trained on")
    p.add_argument("-o", "--output", default="-", metavar="FILE", help="CSV file to write; - is the screen (default)")
    p.add_argument("--proba", action="store_true", help="add the probability of each class")
    p.add_argument(
        "--unknown",
        choices=("error", "zeros"),
        default="error",
        help="a text that the training data had not: refuse it (default), or let none of the known ones apply",
    )
    add_reading(p)

    p = command("inspect", inspect, INSPECT, INSPECT_EXAMPLES)
    p.add_argument("model", help="file that train wrote")
    p.add_argument("--json", action="store_true", help="print everything as JSON")

    p = command("export", export, EXPORT, EXPORT_EXAMPLES)
    p.add_argument("model", help="file that train wrote")
    p.add_argument("--to", required=True, metavar="FILE", help="file to write: its name ends in .onnx or in .py")

    p = command("playground", playground, PLAYGROUND, PLAYGROUND_EXAMPLES)
    p.add_argument("--data", metavar="FILE", help="CSV file with two columns of numbers and a target")
    p.add_argument("--target", metavar="COLUMN", help="its column to predict (the last one that can be, if left out)")
    p.add_argument("--port", type=port, help="of the page's address (default 8642, or any that is free)")
    p.add_argument("--no-browser", action="store_true", help="do not open the page, only print its address")
    return top


def add_train(p: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    p.add_argument("data", help="CSV file; its first line holds the names of the columns")
    p.add_argument("--target", required=True, metavar="COLUMN", help="column to predict")
    p.add_argument("--model", metavar="FILE", help="where to save (default: name of the data + .safetensors)")
    p.add_argument("--report", metavar="FILE", help="page to write (default: name of the model + .html)")
    table = p.add_argument_group("the table")
    table.add_argument("--task", choices=("classification", "regression"), help="found out if left out")
    table.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN", help="leave these out")
    table.add_argument("--keep", nargs="+", action="extend", default=[], metavar="COLUMN", help="you vouch for these")
    table.add_argument(
        "--missing", nargs="+", action="extend", default=[], metavar="TEXT", help="texts that stand for a missing cell"
    )
    table.add_argument("--duplicates", choices=("keep", "drop"), help="rows that repeat an earlier one")
    table.add_argument(
        "--force", "--yes", action="store_true", help="train although the data report says that the table is not ready"
    )
    add_reading(table)
    parts = p.add_argument_group("the rows")
    parts.add_argument("--test", type=share, default=0.2, help="part of the rows that is only tested on (default 0.2)")
    parts.add_argument(
        "--validation", type=share_or_none, default=0.15, help="part that says when to stop (default 0.15; 0: none)"
    )
    parts.add_argument("--time", metavar="COLUMN", help="split by time, so that the test is later than the training")
    network = p.add_argument_group("the network")
    network.add_argument(
        "--hidden",
        type=sizes,
        default=[32],
        metavar="64,32",
        help="units of the hidden layers (default 32); none: a linear model",
    )
    network.add_argument("--epochs", type=count, default=300, help="at most (default 300)")
    network.add_argument("--patience", type=count, default=50, help="epochs without improvement (default 50)")
    network.add_argument("--batch-size", type=count, default=32, help="rows of a step (default 32)")
    network.add_argument("--learning-rate", type=positive, default=0.003, help="default 0.003")
    network.add_argument("--weight-decay", type=not_negative, default=0.01, help="of AdamW (default 0.01)")
    network.add_argument("--seed", type=seed, default=0, help="of everything random (default 0)")


def add_reading(p: Any) -> None:
    """Add what has to be known about a CSV file."""
    p.add_argument("--encoding", default="utf-8-sig", help="of the file (default UTF-8)")
    p.add_argument("--delimiter", type=delimiter, help="between cells (found out if left out)")


def checked(kind: type, wanted: str, good: Callable[[Any], bool]) -> Callable[[str], Any]:
    """Return what argparse calls to make a number of a word, and to refuse others."""

    def convert(word: str) -> Any:
        try:
            number = kind(word)
        except ValueError:
            number = None
        if number is None or not good(number):
            raise argparse.ArgumentTypeError(f"wanted {wanted}, got {word!r}")
        return number

    return convert


share = checked(float, "a number between 0 and 1, such as 0.2", lambda n: 0 < n < 1)
share_or_none = checked(float, "0, or a number between 0 and 1, such as 0.15", lambda n: 0 <= n < 1)
count = checked(int, "a whole number, 1 or more", lambda n: n >= 1)
seed = checked(int, "a whole number, 0 or more", lambda n: n >= 0)
positive = checked(float, "a number above 0", lambda n: 0 < n < math.inf)
not_negative = checked(float, "a number, 0 or more", lambda n: 0 <= n < math.inf)
port = checked(int, "a number from 1 to 65535, or 0 for any that is free", lambda n: 0 <= n <= 65535)
delimiter = checked(str, "one character", lambda word: len(word) == 1)


def sizes(word: str) -> list[int]:
    """Make the sizes of hidden layers of a word such as "64,32"."""
    return [] if word in ("none", "") else [count(part) for part in word.split(",")]


# train


@dataclass
class Parts:
    """The rows for each purpose, by their number in the table."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def train(args: argparse.Namespace) -> int:
    """Report, clean, split, train, test, save."""
    name = Path(args.data).name
    model_path = Path(args.model or f"{Path(name).stem}.safetensors")
    report_path = Path(args.report or model_path.parent / f"{model_path.stem}.html")
    check_outputs({"--model": model_path, "--report": report_path}, {"the data": args.data})
    cells = data.read_csv(args.data, encoding=args.encoding, delimiter=args.delimiter)
    how: dict[str, Any] = {"task": args.task, "keep": args.keep, "drop": args.drop, "missing": args.missing}
    report = data.report(cells, args.target, **how)
    say(f"{name}: {spoken(str(report))}\n")
    if not report.cleanable and not args.force:
        raise ValueError(
            f"{name} is not ready to train on: see the lines marked ✗ above. Cure them, or train nevertheless with "
            "--force."
        )
    columns = columns_of(cells, missing=args.missing)
    parts = split(columns[args.target], report.task, columns, args)
    table = data.clean(
        cells, args.target, fit_on=parts.train, **{**how, "task": report.task}, duplicates=args.duplicates
    )
    for note in table.notes:
        say(spoken(note))
    run = Training(table, parts, args)
    rows = {"training": len(run.train[0]), "validation": len(run.held[0]), "test": len(run.test[0])}
    say("rows: " + ", ".join(f"{n} for {what}" for what, n in rows.items()))
    history = run.fit()
    if history.stopped.startswith("not finite"):
        raise ValueError(f"training failed, nothing was saved: {history.stopped} Write --learning-rate.")
    scores, baseline = run.scores()
    say(f"\n{rows['test']} test rows")
    say(lined_up([["", "model", baseline], *([name, *map(score, both)] for name, *both in scores)]))
    better, naive = scores[0][1:]
    if not better > naive:
        say(f"The model is no better than {baseline}: {scores[0][0]} {score(better)}, against {score(naive)}.")

    settings = {key: value for key, value in vars(args).items() if key not in ("run", "usage", "model", "report")}
    settings |= {"data": visible(name), "task": report.task, "hidden": list(args.hidden)}
    notes = {
        "settings": settings,
        "rows": rows,
        "test": {name: model for name, model, _ in scores},
        "baseline": {"what": baseline, **{name: naive for name, _, naive in scores}},
        "epochs": len(history),
        "best_epoch": run.best_epoch,
        "stopped": history.stopped,
        "environment": history.environment,
    }
    save(run.model, model_path, passport=table.passport, notes=notes)
    findings = [(f.severity, spoken(f.message), spoken(f.cure)) for f in report.findings]
    shown = {name: value for name, value in settings.items() if value not in (None, [], False)} | history.environment
    result = Result(
        f"{args.target}, predicted from {name}",
        f"{report.heading}; {rows['training']} rows for training, {rows['validation']} for validation, "
        f"{rows['test']} for the test",
        spoken(report.verdict),
        findings,
        [*map(spoken, table.notes), *run.notes()],
        history,
        run.best_epoch,
        scores,
        baseline,
        settings={key: ", ".join(map(str, v)) if isinstance(v, list) else v for key, v in shown.items()},
        **run.outcome(),
    )
    write_atomically(report_path, [page(result).encode("utf-8", "backslashreplace")])
    say(f"\nwrote {model_path} ({model_path.stat().st_size:,} bytes) and {report_path}")
    if history.stopped.startswith("interrupted"):
        complain("interrupted: the files hold what was learnt up to then")
        return INTERRUPTED
    return 0


def split(target: Column, task: str | None, columns: dict[str, Column], args: argparse.Namespace) -> Parts:
    """Share out the rows of which the target is known.

    Raises:
        ValueError: if a part would be empty, or the column of times is none.
    """
    known = np.flatnonzero(~target.missing)
    if args.time is not None:
        if args.time not in columns:
            raise ValueError(f"--time names {args.time!r}, but the columns are {short(columns, 20)}.")
        when = columns[args.time]
        if when.kind not in ("number", "date"):
            raise ValueError(
                f"--time wanted a column of numbers or dates such as 2024-01-31, {args.time!r} is {when.kind}."
            )
        found = data.split_rows(len(known), test=args.test, validation=args.validation, time=when.values[known])
        train, *validation, test = (known[part] for part in found)
        return Parts(train, validation[0] if validation else known[:0], test)
    test = max(1, round(args.test * len(known)))
    validation = round(args.validation * len(known))
    labels = np.zeros(len(known)) if task == "regression" else np.unique(target.values[known], return_inverse=True)[1]
    left = len(known) - test - validation
    if left < max(2, len(np.unique(labels))):
        raise ValueError(
            f"{len(known)} rows with --test {args.test:g} and --validation {args.validation:g} leave {max(left, 0)} to "
            "train on, too few: take smaller parts, or find more rows."
        )
    # The rows of each class stand at equal distances between 0 and 1, so any stretch has the classes in their
    # proportions; and the last one of each stands at 1, which is in the training part.
    order = np.random.default_rng(args.seed).permutation(len(known))
    place = np.empty(len(known))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        place[rows[-1]] = 1
    sorted_rows = known[order[np.argsort(place[order], kind="stable")]]
    return Parts(
        np.sort(sorted_rows[test + validation :]),
        np.sort(sorted_rows[test : test + validation]),
        np.sort(sorted_rows[:test]),
    )


class Training:
    """A network, and the rows that it is trained, stopped and tested with."""

    def __init__(self, table: data.Table, parts: Parts, args: argparse.Namespace) -> None:
        self.table, self.args = table, args
        self.train, self.held, self.test = map(self.rows, (parts.train, parts.validation, parts.test))
        if not len(self.test[0]):
            raise ValueError("no row is left for the test: all of them repeat rows of the training part.")
        self.classes = table.classes
        self.best_epoch: int | None = None
        self.mean, self.scale = 0.0, 1.0
        inputs = len(table.columns)
        if self.classes is not None:
            self.model: MLP = SoftmaxClassifier([inputs, *args.hidden, len(self.classes)], rng=args.seed)
        else:
            self.model = MLP([inputs, *args.hidden, 1], rng=args.seed)
            y = self.train[1].astype(float)
            self.mean, self.scale = float(y.mean()), float(y.std()) or 1.0

    def rows(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets of rows, by their number in the table."""
        if not len(chosen):
            return self.table.x[:0], np.asarray(self.table.y)[:0]
        x, y = self.table.part(chosen)
        return x, np.asarray(y)

    def aim(self, part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return what is learnt: class numbers, or standardized targets, so that the rate suits any unit."""
        x, y = part
        return (x, y) if self.classes is not None else (x, ((y - self.mean) / self.scale)[:, None].astype(x.dtype))

    def fit(self) -> History:
        """Train, and keep the weights of the best epoch."""
        args = self.args
        stopping = EarlyStopping(patience=args.patience)
        history = fit(
            self.model,
            self.aim(self.train),
            "mse" if self.classes is None else "cross_entropy",
            AdamW(self.model.named_parameters(), args.learning_rate, weight_decay=args.weight_decay),
            epochs=args.epochs,
            batch_size=args.batch_size,
            validation=self.aim(self.held) if len(self.held[0]) else None,
            metrics=["r2" if self.classes is None else "accuracy"],
            callbacks=[stopping] if len(self.held[0]) else [],
            seed=args.seed,
        )
        self.best_epoch = stopping.best_epoch or None
        if self.classes is None:
            # The last layer is linear, so it takes the unit of the target: the saved model answers in that unit.
            last = self.model.layers[-1]
            last.weight.data = last.weight.data * self.scale
            last.bias.data = last.bias.data * self.scale + self.mean  # type: ignore[union-attr]
        return history

    def scores(self) -> tuple[list[tuple[str, float, float]], str]:
        """Return scores of the model and of a baseline on the test rows, and what the baseline says."""
        x, y = self.test
        outputs = outputs_of(self.model, x)
        if self.classes is None:
            names, naive = ["r2", "rmse", "mae"], np.full(len(y), self.mean)
            baseline = f"always {score(self.mean)}, the mean"
        else:
            usual = int(np.bincount(self.train[1]).argmax())
            names, naive = ["accuracy", "balanced_accuracy", "f1"], np.full(len(y), usual)
            baseline = f"always {str(self.classes[usual])!r}"
        found = [(name, float(METRICS[name](outputs, y)), float(METRICS[name](naive, y))) for name in names]
        if self.classes is not None and len(self.classes) == 2:
            found[-1] = (f"f1 of {str(self.classes[1])!r}", *found[-1][1:])
        return found, baseline

    def notes(self) -> list[str]:
        """Return what one has to know to read the curves."""
        if self.classes is not None:
            return []
        return ["the target was standardized for training: a loss of 1 is that of always saying the mean"]

    def outcome(self) -> dict[str, Any]:
        """Return what a `Result` shows of the test."""
        x, y = self.test
        outputs = outputs_of(self.model, x)
        shown = described(self.model, x[:1])
        if self.classes is None:
            return {**shown, "observed": y, "predicted": outputs[:, 0], "unit": str(self.args.target)}
        return {**shown, "confusion": confusion_matrix(outputs, y), "labels": [str(label) for label in self.classes]}


def lined_up(rows: list[list[str]]) -> str:
    """Return rows of cells as lines, with the cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(w) if place == 0 else cell.rjust(w)
            for place, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


# predict


def predict(args: argparse.Namespace) -> int:
    """Write predictions as CSV."""
    to_file = args.output != "-"
    if to_file:
        check_outputs({"--output": Path(args.output)}, {"the model": args.model, "the data": args.data})
    saved = load(args.model)
    passport = passport_of(saved, args.model)
    if args.proba and passport.classes is None:
        args.usage.error(f"--proba is for classes; {passport.target!r} is a number.")
    cells = data.read_csv(args.data, encoding=args.encoding, delimiter=args.delimiter)
    x = passport.apply(cells, unknown=args.unknown)
    inputs = {part.name: cells[part.name] for part in passport.inputs}
    gaps = {name: int(c.missing.sum()) for name, c in columns_of(inputs, missing=passport.missing).items()}
    if any(gaps.values()):
        where = ", ".join(f"{n} in {name!r}" for name, n in gaps.items() if n)
        complain(f"note: missing cells were filled in as in the training data: {where}")
    lines = predictions(outputs_of(saved.model, x), passport, args.proba)
    if to_file:
        write_atomically(args.output, [written(lines).encode("utf-8", "backslashreplace")])
        complain(f"wrote {len(x)} predictions to {args.output}")
    else:
        kind = sys.stdout.encoding or "utf-8"
        sys.stdout.write(written(lines).encode(kind, "backslashreplace").decode(kind))
    return 0


def predictions(outputs: np.ndarray, passport: data.Passport, proba: bool) -> Iterator[list[Any]]:
    """Yield the lines of the predictions: names, then a line for each row.

    Raises:
        ValueError: if the model's outputs do not fit its passport.
    """
    if passport.classes is None:
        if outputs.size != len(outputs):
            raise ValueError(f"the model gives outputs of shape {outputs.shape[1:]}, wanted one number for each row.")
        yield ["prediction"]
        yield from ([str(number)] for number in outputs.reshape(-1))  # of float32: as short as it can be read back
        return
    classes, p = passport.classes, probabilities(outputs.astype(float))
    if p.ndim != 2 or p.shape[1] != len(classes):
        raise ValueError(
            f"the model gives outputs of shape {outputs.shape[1:]}, wanted one for {len(classes)} classes."
        )
    yield ["prediction", *(f"probability {label}" for label in classes if proba)]
    for row in p:
        yield [classes[int(row.argmax())], *(f"{share:.6g}" for share in row if proba)]


def probabilities(logits: Any) -> Any:
    """Return the probability of each class, of one logit (two classes) or a logit for each class."""
    if logits.ndim == 2 and logits.shape[1] > 1:
        return softmax(logits, axis=-1)
    p = sigmoid(logits.reshape(-1))
    return np.stack([1 - p, p], axis=-1)


def written(lines: Iterator[list[Any]]) -> str:
    """Return lines as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def passport_of(saved: Saved, path: str) -> data.Passport:
    """Return the passport of a model.

    Raises:
        ValueError: if there is none.
    """
    if saved.passport is None:
        raise ValueError(
            f"{path} holds a model without the passport of its data (columns, scaling, classes): only Python can use "
            "it, with autograd_nn.saving.load. save(model, path, passport=table.passport) keeps both."
        )
    return saved.passport


# inspect


def inspect(args: argparse.Namespace) -> int:
    """Say what a file holds."""
    saved = load(args.model)
    passport, parameters = saved.passport, dict(saved.model.named_parameters())
    total = sum(p.size for p in parameters.values())
    if args.json:
        everything = {
            "architecture": architecture(saved.model),
            "parameters": {path: {"shape": list(p.shape), "dtype": p.dtype.name} for path, p in parameters.items()},
            "parameter_count": total,
            "columns": None if passport is None else passport.columns,
            "classes": None if passport is None or passport.classes is None else list(passport.classes),
            "passport": None if passport is None else passport.to_dict(),
            "notes": saved.notes,
        }
        print(json.dumps(strict(everything), indent=2))
        return 0
    say(saved.model)
    say(f"parameters: {total:,}")
    if passport is None:
        say("no passport: the file does not say what the inputs mean")
    else:
        if passport.target is not None:
            say(f"predicts: {passport.target} ({passport.task})")
        if passport.classes is not None:
            say(f"classes: {', '.join(map(str, passport.classes))}")
        say(f"inputs: {len(passport.columns)}, of {len(passport.inputs)} columns")
        for line in encoding(passport):
            say(f"  {line}")
        for name, reason in passport.dropped.items():
            say(f"left out: {name!r}, {reason}")
    if saved.notes:
        say("notes:")
        say(textwrap.indent(outline(saved.notes), "  "))
    return 0


def strict(thing: Any) -> Any:
    """Return what strict JSON can hold: null for numbers that are not finite."""
    if isinstance(thing, dict):
        return {str(key): strict(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [strict(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing


def outline(notes: dict[str, Any]) -> str:
    """Return notes as lines, inner ones indented."""
    lines = []
    for key, value in notes.items():
        if isinstance(value, dict) and value:
            lines += [f"{key}:", textwrap.indent(outline(value), "  ")]
        else:
            lines.append(f"{key}: {f'{value:.6g}' if isinstance(value, float) else value}")
    return "\n".join(lines)


def encoding(passport: data.Passport) -> list[str]:
    """Say what each input is, one line each, in their order."""
    lines = []
    for part in passport.inputs:
        gap = f"; where it is missing, {part.imputer.value!r:.60}"
        if part.encoder is not None:
            known = part.encoder.categories or []
            others = [f"1 if {part.name!r} is none of these, else 0"] if part.encoder.other else []
            meanings = [f"1 if {part.name!r} is {text!r}, else 0" for text in known] + others
            lines += [f"{name!r}: {meaning}" for name, meaning in zip(part.columns, meanings, strict=True)]
            lines[-1] += gap
        else:
            meaning = {"flag": "1 for true, 0 for false", "date": f"days since {part.origin}"}.get(part.kind, "number")
            gap = f"; where it is missing, {part.imputer.value:g}"
            lines.append(f"{part.name!r}: {meaning}{gap}")
    return lines


# export


class Unscaled(Module):
    """A model of columns as they are before they are standardized: that is done first, in double precision.

    Args:
        model: of standardized columns.
        passport: which knows how they were standardized.
        proba: give probabilities in place of logits?
    """

    def __init__(self, model: Module, passport: data.Passport, proba: bool) -> None:
        self.model, self.proba, self.dtype = model, proba, np.dtype(np.float64)
        self.mean, self.scale = scaling(passport)

    def forward(self, x: Any) -> Any:
        """Return the model's outputs, or probabilities."""
        first = next(iter(self.model.parameters()))
        y = self.model(((x - self.mean) / self.scale).astype(first.dtype))
        return probabilities(y) if self.proba else y


def scaling(passport: data.Passport) -> tuple[np.ndarray, np.ndarray]:
    """Return what is subtracted from each column, and then divided by: 0 and 1 for those that stay as they are."""
    mean, scale = np.zeros(len(passport.columns)), np.ones(len(passport.columns))
    if passport.scaler is not None and passport.scaler.mean is not None and passport.scaler.scale is not None:
        mean[passport.scaled], scale[passport.scaled] = passport.scaler.mean, passport.scaler.scale
    return mean, scale


def typical(passport: data.Passport, rows: int = 10) -> np.ndarray:
    """Make up rows like those of the training data, so that no row of anybody's data leaves with the model."""
    rng = np.random.default_rng(0)
    mean, scale = scaling(passport)
    parts, start = [], 0
    for part in passport.inputs:
        width = len(part.columns)
        if part.encoder is not None:
            parts.append(np.eye(width)[rng.integers(width, size=rows)])
        elif part.kind == "flag":
            parts.append(rng.integers(2, size=(rows, 1)).astype(float))
        else:
            parts.append(mean[start] + scale[start] * rng.normal(size=(rows, 1)))
        start += width
    return np.concatenate(parts, axis=1)


def export(args: argparse.Namespace) -> int:
    """Write a model in another form."""
    path = Path(args.to)
    if path.suffix not in (".onnx", ".py"):
        args.usage.error(f"--to wanted a name that ends in .onnx or in .py, got {args.to!r}")
    check_outputs({"--to": path}, {"the model": args.model})
    saved = load(args.model)
    passport = passport_of(saved, args.model)
    examples = typical(passport)
    classes = passport.classes
    about = [f"Predicts {passport.target!r}." if passport.target is not None else "A model of:"]
    about += ["Columns, in this order, before any scaling (the model scales them itself):", *encoding(passport)]
    if path.suffix == ".py":
        model = Unscaled(saved.model.astype(np.float64), passport, proba=False)
        columns = passport.columns
        text = to_python(model, examples, columns=columns, classes=None if classes is None else list(classes))
        header = "".join(f"# {visible(line)}\n" for line in about)
        write_atomically(path, [(header + text).encode("utf-8", "backslashreplace")])
    else:
        name = "prediction" if classes is None else "probabilities"
        proto = to_onnx(Unscaled(saved.model, passport, proba=classes is not None), examples, output_name=name)
        proto.doc_string = "\n".join(map(visible, about))
        facts = {"columns": passport.columns, "target": passport.target, "task": passport.task, "classes": classes}
        for key, value in facts.items():
            entry = proto.metadata_props.add()
            entry.key, entry.value = key, json.dumps(value)
        write_atomically(path, [proto.SerializeToString()])
    say(f"wrote {path} ({path.stat().st_size:,} bytes)")
    return 0


# playground


def playground(args: argparse.Namespace) -> int:
    """Serve the page until it, or Ctrl-C, ends it: which is how it is meant to end, hence code 0."""
    autograd_nn.playground.serve(
        port=args.port, browser=not args.no_browser, data=args.data, target=args.target, say=say
    )
    return 0


# files


def check_outputs(outputs: dict[str, Path], inputs: dict[str, str]) -> None:
    """Refuse files that cannot be written, or would replace what is read, before work is lost.

    Raises:
        ValueError: saying what to write instead.
        OSError: if a file cannot be made there.
    """
    taken = {os.path.realpath(path): what for what, path in inputs.items()}
    for option, path in outputs.items():
        target = Path(os.path.realpath(path))
        if (what := taken.get(str(target))) is not None:
            raise ValueError(f"{option} {path} is the file of {what}, which would be lost: give another name.")
        taken[str(target)] = option
        if target.is_dir():
            raise ValueError(f"{option} {path} is a folder: name a file in it.")
        if target.exists() and not target.is_file():
            raise ValueError(f"{option} {path} is no file that can be replaced.")
        if not target.parent.is_dir():
            raise ValueError(f"{option} {path}: there is no folder {target.parent}: make it first.")
        probe = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            os.unlink(probe)
        except OSError as error:
            raise ValueError(f"{option} {path} cannot be written: {error.strerror}.") from None


# texts

EXAMPLES = """\
examples:
  autograd-nn train flowers.csv --target kind
  autograd-nn predict flowers.safetensors new.csv
  autograd-nn inspect flowers.safetensors
  autograd-nn export flowers.safetensors --to flowers.py
  autograd-nn playground

autograd-nn COMMAND --help says more about each. Exit codes: 0 good; 1 failed, with a
sentence that says what to do; 2 wrong usage; 130 interrupted; 141 the output was closed.
"""
TRAIN = """\
Train a network on a CSV file. The table is looked at first, and refused if it is not
ready; it is cleaned by what the training rows tell, and split into rows for training,
for stopping early (validation) and for the test. The model is saved with all that new
rows need, and a page tells what happened. Ctrl-C ends training early: what was learnt
is tested and saved as well, and the exit code is 130."""
TRAIN_EXAMPLES = """\
examples:
  autograd-nn train flowers.csv --target kind
  autograd-nn train flowers.csv --target kind --hidden 16 --epochs 50 --seed 1 --model small.safetensors
  autograd-nn train flowers.csv --target length --drop kind --report length.html --model length.safetensors
"""
PREDICT = """\
Predict the target of the rows of a CSV file, one line for each row, in their order.
The file needs the columns of the training data, in any order; others are ignored."""
PREDICT_EXAMPLES = """\
examples:
  autograd-nn predict flowers.safetensors new.csv
  autograd-nn predict flowers.safetensors new.csv --proba --output predictions.csv
"""
INSPECT = "Say what a model is made of, what it wants, and how it was trained."
INSPECT_EXAMPLES = """\
examples:
  autograd-nn inspect flowers.safetensors
  autograd-nn inspect flowers.safetensors --json
"""
EXPORT = """\
Write a model as ONNX, or as one Python file that needs nothing but Python and checks
itself. Both take the columns as `inspect` lists them, before any scaling, which the
model does itself; text has to be made into columns of 0 and 1 as it says there. ONNX
gives probabilities of the classes, in their order, or the number that is predicted."""
EXPORT_EXAMPLES = """\
examples:
  autograd-nn export flowers.safetensors --to flowers.py
  autograd-nn export flowers.safetensors --to flowers.onnx
"""
PLAYGROUND = """\
Open a page on which a network learns while you watch: choose data (or your CSV file),
features, layers, initialization and optimizer, and see the boundary, every neuron, the
gradients and the losses. The page gives the Python program that comes to the same
numbers. It is served to this computer only; Ctrl-C, or the page's End, ends it."""
PLAYGROUND_EXAMPLES = """\
examples:
  autograd-nn playground
  autograd-nn playground --data flowers.csv --target kind
  autograd-nn playground --no-browser
"""
