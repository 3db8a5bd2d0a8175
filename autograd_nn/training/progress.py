"""What `fit` says while it works: a bar on a terminal or in a notebook, if tqdm is installed; lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from .callback import State
from .history import shown

__all__ = ["Progress"]

SILENT = ("epoch", "seconds", "learning_rate")


class Progress:
    """Tell how training goes.

    Args:
        show: False for nothing at all.
        epochs: how many there will be.
        steps: of an epoch; 0 if not known.
    """

    def __init__(self, show: bool, epochs: int, steps: int) -> None:
        self.show = bool(show)
        self.every = max(1, -(-epochs // 10))
        self.epochs = epochs
        self.bar: Any = make_bar(epochs, steps) if show else None
        self.by_step = bool(steps)

    def resumed(self, state: State) -> None:
        """Begin where a checkpoint was written."""
        if self.bar is not None:
            self.bar.update(state.step if self.by_step else state.epoch)

    def step(self, state: State) -> None:
        """After a step; called only if there is a bar of steps."""
        self.bar.update(1)

    def epoch(self, state: State) -> None:
        """After an epoch."""
        if self.bar is not None:
            if not self.by_step:
                self.bar.update(1)
            self.bar.set_postfix_str(numbers(state.row))
        elif self.show and state.epoch % self.every == 0 and state.epoch < self.epochs:
            self.write(f"epoch {state.epoch}/{self.epochs}: {numbers(state.row)}")

    def end(self, state: State, seconds: float) -> None:
        """Take the bar away, and leave one line, whatever happened."""
        if self.bar is not None:
            self.bar.close()
        if self.show:
            row = state.history.rows[-1] if state.history.rows else {}
            done = f"{len(state.history)} epochs, {state.step} steps in {seconds:.3g} s"
            self.write(f"{done}: {numbers(row)} ({state.finished})" if row else f"{done} ({state.finished})")

    def write(self, line: str) -> None:
        """Write a line."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def numbers(row: dict[str, Any]) -> str:
    """Return the numbers of a row in one line."""
    return ", ".join(f"{name} {shown(number)}" for name, number in row.items() if name not in SILENT)


def make_bar(epochs: int, steps: int) -> Any:
    """Return a bar of tqdm where it is installed and somebody looks at it; else None."""
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        return None
    try:
        from tqdm.auto import tqdm  # pyright: ignore[reportMissingModuleSource]
    except ImportError:
        return None
    return tqdm(total=epochs * (steps or 1), unit="step" if steps else "epoch", leave=False)
