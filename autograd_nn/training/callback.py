"""Callbacks of `fit`: called at the beginning, after each epoch (and step, if they want), and at the end.

A function ``f(state)`` is called after each epoch. A class derives from `Callback` when it has a state of its own to be
saved in checkpoints, or wants to be called at other times.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optim import Plateau
from .history import History, larger_is_better

if TYPE_CHECKING:
    from ..nn import Module
    from ..optim import Optimizer
    from .feed import Batch
    from .objective import Objective

__all__ = [
    "CSVLog",
    "Call",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Schedule",
    "State",
    "TrainingWarning",
    "callback",
]


class TrainingWarning(UserWarning):
    """Training runs, but probably not towards what was meant; the message says what to do."""


class State:
    """What callbacks see of a run.

    Attributes:
        model: in training mode.
        optimizer: holds the learning rate and the number of steps.
        history: rows of the epochs so far.
        epoch: number of the epoch, from 1.
        epochs: how many there will be.
        batch: number of batches of this epoch that were used.
        step: number of steps so far, in all epochs.
        loss: of the last batch.
        row: the last row of the history; entries can be added after an epoch.
        current: the last batch: inputs, targets, weights.
        objective: model and loss as a function of a batch.
        stopping: the reason for which training is about to end, or "".
        finished: why it ended; "" before.
    """

    model: Module
    optimizer: Optimizer
    objective: Objective
    current: Batch

    def __init__(self, model: Module, optimizer: Optimizer, objective: Objective, epochs: int) -> None:
        self.model, self.optimizer, self.objective, self.epochs = model, optimizer, objective, epochs
        self.history = History()
        self.epoch = self.batch = self.step = 0
        self.loss = math.nan
        self.row: dict[str, Any] = {}
        self.stopping = self.finished = ""
        self.resumable = True  # False once the weights are no longer those of the run, such as after a NaN
        self._save: Callable[[str | os.PathLike[str]], None] | None = None

    def stop(self, reason: str = "a callback asked for it") -> None:
        """End training after this step, or epoch, for a reason that the history will tell."""
        self.stopping = self.stopping or str(reason)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint of the run as it is now; see `Checkpoint`.

        Raises:
            ValueError: outside of a run.
        """
        if self._save is None:
            raise ValueError("only a run of fit can be saved: this state belongs to none.")
        self._save(path)

    def monitored(self, monitor: str | None, who: str) -> tuple[str, float]:
        """Return name and number of an entry of the row; by default the validation loss, or the loss.

        Raises:
            ValueError: if there is no such entry, naming those there are.
        """
        name = monitor or ("validation_loss" if "validation_loss" in self.row else "loss")
        if name not in self.row:
            hint = " Pass validation=(x, y) to fit." if name.startswith("validation_") else ""
            raise ValueError(f"{who} monitors {name!r}, but an epoch has only {', '.join(self.row)}.{hint}")
        return name, float(self.row[name])


class Callback:
    """Something that happens during training: subclass it and define the methods that you need."""

    def begin(self, state: State) -> None:
        """Before the first step; before a checkpoint is restored."""

    def epoch_begin(self, state: State) -> None:
        """Before the first step of each epoch."""

    def step(self, state: State) -> None:
        """After each step. One that leaves it as it is costs nothing."""

    def epoch(self, state: State) -> None:
        """After each epoch, with validation."""

    def end(self, state: State) -> None:
        """After the last step, whyever it was the last."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: nested dicts and lists of arrays, numbers and texts."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""


class Call(Callback):
    """A function of the state, called after each epoch."""

    def __init__(self, f: Callable[[State], Any]) -> None:
        self.f = f

    def epoch(self, state: State) -> None:
        """Call it."""
        self.f(state)


def callback(f: Callback | Callable[[State], Any]) -> Callback:
    """Return a callback; a function is called after each epoch.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(f, type) and issubclass(f, Callback):
        raise TypeError(f"callbacks wanted an instance, got the class {f.__name__}: write {f.__name__}(…).")
    if isinstance(f, Callback):
        return f
    if not callable(f):
        raise TypeError(f"callbacks wanted functions f(state) or Callback objects, got {type(f).__name__}.")
    return Call(f)


def better(new: float, old: float, mode: str, change: float = 0.0) -> bool:
    """Is a number better than the best so far by more than `change`? NaN never is."""
    return new > old + change if mode == "max" else new < old - change


def mode_of(mode: str | None, who: str) -> str | None:
    if mode not in (None, "min", "max"):
        raise ValueError(f"{who} wanted mode='min' or mode='max', got {mode!r}.")
    return mode


def whole(name: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ValueError(f"{name} wanted a whole number, at least 1, got {number!r}.")
    return int(number)


class EarlyStopping(Callback):
    """Stop when a number has not improved for some epochs, and go back to the weights of the best one.

    Prechelt, "Early stopping, but when?", 1998.

    Args:
        monitor: name of an entry of the history; by default the validation loss, or the loss where there is none.
        patience: how many epochs without improvement are put up with; training stops at the next one.
        minimum_change: an improvement is one by more than this.
        mode: "min" if smaller is better, "max" if larger is; read off the name if left out.
        restore_best: at the end, however it came, take the weights of the best epoch.

    Attributes:
        best: the best number so far.
        best_epoch: its epoch.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 10,
        *,
        minimum_change: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, (int, np.integer)) or patience < 0:
            raise ValueError(f"EarlyStopping wanted patience as a whole number of epochs, 0 or more, got {patience!r}.")
        if not minimum_change >= 0:
            raise ValueError(f"EarlyStopping wanted minimum_change of 0 or more, got {minimum_change!r}.")
        self.monitor, self.patience, self.minimum_change = monitor, int(patience), float(minimum_change)
        self.mode, self.restore_best = mode_of(mode, "EarlyStopping"), restore_best
        self.name, self.best, self.best_epoch, self.bad = "", math.nan, 0, 0
        self.weights: dict[str, np.ndarray] | None = None

    def begin(self, state: State) -> None:
        """Forget an earlier run."""
        self.best, self.best_epoch, self.bad, self.weights = math.nan, 0, 0, None

    def epoch_begin(self, state: State) -> None:
        """Stop at once if the run that goes on had been stopped here."""
        if self.bad > self.patience:
            self.ask(state)

    def ask(self, state: State) -> None:
        """Ask for the end, with the reason."""
        state.stop(
            f"early stopping: {self.name} was best in epoch {self.best_epoch}, {self.best:.6g}, and has "
            f"not improved for {self.bad} epochs"
        )

    def epoch(self, state: State) -> None:
        """Compare, keep the best weights, and stop if patience has run out."""
        self.name, number = state.monitored(self.monitor, "EarlyStopping")
        mode = self.mode or ("max" if larger_is_better(self.name) else "min")
        if math.isnan(self.best) or better(number, self.best, mode, self.minimum_change):
            self.best, self.best_epoch, self.bad = number, state.epoch, 0
            self.weights = state.model.state_dict() if self.restore_best else None
            return
        self.bad += 1
        if self.bad > self.patience:
            self.ask(state)

    def end(self, state: State) -> None:
        """Restore the best weights."""
        if self.weights is not None:
            state.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, weights included."""
        counted = {"best": self.best, "best_epoch": self.best_epoch, "bad": self.bad}
        return {"name": self.name, **counted, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.name, self.best, self.best_epoch = state["name"], state["best"], state["best_epoch"]
        self.bad, self.weights = state["bad"], state["weights"]


class Checkpoint(Callback):
    """Write the run into a file, from which ``fit(…, resume=path)`` goes on bit for bit.

    Args:
        path: of the file; ``{epoch}`` and ``{step}`` in it are filled in. Each write replaces the whole file at once.
        epochs: write after every so many epochs; None: not after epochs.
        steps: write after every so many steps, also in the middle of an epoch.
        best: name of an entry of the history: write only if it improved.

    When training is interrupted by Ctrl-C it is written once more, unless `best` is given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        epochs: int | None = 1,
        steps: int | None = None,
        best: str | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.epochs = None if epochs is None else whole("Checkpoint: epochs", epochs)
        self.steps = None if steps is None else whole("Checkpoint: steps", steps)
        self.best = best
        self.number = math.nan

    def begin(self, state: State) -> None:
        """Forget an earlier run; refuse a folder that does not exist before an hour's training is lost.

        Raises:
            FileNotFoundError: naming it.
        """
        self.number = math.nan
        folder = os.path.dirname(os.path.abspath(self.path))
        if "{" not in folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"Checkpoint: there is no folder {folder}: make it first.")

    def write(self, state: State) -> None:
        """Write the run as it is now."""
        state.save(self.path.replace("{epoch}", str(state.epoch)).replace("{step}", str(state.step)))

    def step(self, state: State) -> None:
        """Write, if it is time."""
        if self.steps is not None and state.step % self.steps == 0:
            self.write(state)

    def epoch(self, state: State) -> None:
        """Write, if it is time, or if the epoch was the best one."""
        if self.best is not None:
            name, number = state.monitored(self.best, "Checkpoint")
            if not (math.isnan(self.number) or better(number, self.number, "max" if larger_is_better(name) else "min")):
                return
            self.number = number
        elif self.epochs is None or (state.epoch % self.epochs and state.epoch != state.epochs):
            return
        self.write(state)

    def end(self, state: State) -> None:
        """Write what an interruption would lose."""
        if state.finished.startswith("interrupted") and self.best is None and state.resumable and state.step:
            self.write(state)

    def state_dict(self) -> dict[str, Any]:
        """Return the best number so far."""
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.number = state["number"]


class Schedule(Callback):
    """Set the learning rate at the beginning of each epoch; or let it shrink when a number stops improving.

    Rates that change with every step belong to the optimizer: ``Adam(…, learning_rate=optim.CosineDecay(…))``. An
    optimizer whose learning rate is an `optim.Plateau` needs no callback.

    Args:
        rate: a function of the number of the epoch, from 1, such as ``optim.StepDecay(0.1, every=10)``; or an
            `optim.Plateau`.
        monitor: what a plateau looks at; by default the validation loss, or the loss where there is none.
    """

    def __init__(self, rate: Callable[[Any], Any], monitor: str | None = None) -> None:
        if not callable(rate):
            raise TypeError(
                f"Schedule wanted a function of the epoch's number or an optim.Plateau, got {rate!r:.50}: a constant "
                "rate belongs to the optimizer."
            )
        self.rate, self.monitor = rate, monitor

    def begin(self, state: State) -> None:
        """Hand a plateau to the optimizer, which saves its state."""
        if isinstance(self.rate, Plateau):
            state.optimizer.learning_rate = self.rate

    def epoch_begin(self, state: State) -> None:
        """Set the rate of the epoch."""
        if not isinstance(self.rate, Plateau):
            state.optimizer.learning_rate = float(self.rate(state.epoch))

    def epoch(self, state: State) -> None:
        """Show a plateau its number."""
        if isinstance(self.rate, Plateau):
            name, number = state.monitored(self.monitor, "Schedule")
            if larger_is_better(name) != (self.rate.mode == "max"):
                wanted = "max" if larger_is_better(name) else "min"
                raise ValueError(f"Schedule: a plateau of {name} wanted mode={wanted!r}, got {self.rate.mode!r}.")
            self.rate.update(number)


class CSVLog(Callback):
    """Write the rows of the history into a file of comma-separated values, each as soon as it is there.

    A run that is resumed writes the rows of the checkpoint again, so that none stands twice.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.columns: list[str] = []

    def begin(self, state: State) -> None:
        """Refuse a file that cannot be written; a new run replaces an old file at its first epoch."""
        self.columns = []
        with open(self.path, "a", encoding="utf-8"):
            pass

    def epoch(self, state: State) -> None:
        """Add a row; all of them anew if it has other columns."""
        if not self.columns or list(state.row) != self.columns:
            self.columns, rows, how = state.history.columns, state.history.rows, "w"
        else:
            rows, how = [state.row], "a"
        with open(self.path, how, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            if how == "w":
                writer.writeheader()
            writer.writerows(rows)
