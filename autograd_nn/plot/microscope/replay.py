"""`Replay`: steps of a training run that are kept, and a page on which they can be gone through."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...graph import Graph, Node
from ...training import Callback, State
from ...visualize.explorer.notebook import HEIGHT, NotebookPage
from ...visualize.explorer.page import packed_json
from ...visualize.explorer.payload import payload
from ...visualize.text import plain as printable
from ...visualize.text import plural
from ..boundary import whole
from ..canvas import plain
from .network import name_of
from .page import scene_of
from .run import Run, RunPage
from .step import Change, Step, check_model, compare, gradients_of, references, size_of, weights_of

__all__ = ["Replay"]

LIMIT = 60
MOST_BYTES = 256_000_000  # of weights and gradients that are kept in all
MOST_LOSSES = 1000
MOST_ROWS = 500  # of a run's data that are kept for the picture
MOST_NODES = 150  # of a step's graph that is kept
MOST_WORK = 10_000_000  # weights times rows, to compute it once more


class Replay(Callback, Sequence[Step]):
    """Keep steps of a training run, and show them on a page: a slider over time, and at each step what there was.

    The page shows the loss, all weights and gradients with their norms, the decision boundary or the curve of a model
    of one or two features, and for chains of linear layers the neurons, as the `Microscope` does. Two steps can be
    compared, and the graph of a step's loss opens in the explorer.

    As a callback of `fit` it keeps weights together with the loss and the gradients that were computed with them, from
    the first step on. However long it trains, no more than `limit` steps are kept: when they become too many, every
    other one is dropped. It changes nothing about the run, and goes on with it when it is resumed from a checkpoint.

    Args:
        X: data of one or two features, over whose range the model is drawn; in `fit`, by default, the first rows that
            it trains on.
        y: their targets.
        every: steps from one that is kept to the next.
        limit: how many are kept; of large models fewer, so that they take no more than 256 MB.
        graphs: keep the graphs of losses, if they are small? In `fit` the loss is computed once more for that.
        labels: names of the classes.
        title: shown above.
        height: of the frame in a notebook, in pixels.

    >>> from autograd_nn import data, nn, plot
    >>> from autograd_nn.training import fit
    >>> x, y = data.moons(64, rng=0)
    >>> replay = plot.Replay()
    >>> run = fit(nn.SoftmaxClassifier([2, 8, 2], rng=0), (x, y), "cross_entropy", callbacks=replay, progress=False)
    >>> replay
    Replay(21 steps, 0 to 20, loss 0.5... to 0.4...)
    >>> path = replay.save("run.html")  # doctest: +SKIP

    In a loop of one's own, between `backward` and the step:

    >>> replay = plot.Replay(x, y)
    >>> replay.record(model, loss)  # doctest: +SKIP

    Keys: → and ← go to the next and the previous step, Home and End to the first and the last one, Space plays, m
    compares with the step that is shown, g opens its graph, t turns to the neurons and back, where . and , add one
    contribution more or less.
    """

    def __init__(
        self,
        X: Any = None,
        y: Any = None,
        *,
        every: int = 1,
        limit: int = LIMIT,
        graphs: bool = True,
        labels: Sequence[Any] | None = None,
        title: str | None = None,
        height: int = HEIGHT,
    ) -> None:
        self.every, self.limit = whole("every", every, 1), whole("limit", limit, 2)
        if X is None and y is not None:
            raise ValueError("Replay wanted X together with y: Replay(X, y).")
        if X is not None:
            scene_of(X, None, "Replay", 1)
            if y is not None and len(plain(y)) != len(plain(X)):
                raise ValueError(f"Replay wanted y with a row for each of the {len(plain(X))} rows of X.")
        self._data, self._given = (X, y), X is not None
        self._graphs, self._labels, self._title, self._height = bool(graphs), labels, title, int(height)
        self._every = self.every  # becomes larger as the run becomes longer
        self._kept: list[Step] = []
        self._drawn: dict[int, str] = {}  # packed graphs, by step
        self._losses: list[tuple[int, float]] = []
        self._sparse = 1  # losses that are kept: of each so-many-th step
        self._validation: list[tuple[int, float]] = []
        self._model: Any = None  # for its structure; of fit the model itself, else a copy
        self._now: dict[str, np.ndarray] | None = None  # the weights at which the coming step begins
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0
        self._small = True  # was the graph of the loss so far?
        self._page: NotebookPage | None = None

    # --- keeping ----------------------------------------------------------------------------------------------------

    def record(self, model: Any, loss: Any = None, *, epoch: int = 0) -> None:
        """Keep the weights as they are, with their gradients and the loss, in a training loop of one's own.

        Call it after ``loss.backward()`` and before ``optimizer.step()``, once for each step, and after the last step
        once more without a loss. It keeps only some of the steps, see `Replay`.

        Args:
            model: a module.
            loss: the loss, a Value or a number.
            epoch: which it is, if there are epochs.

        Raises:
            TypeError: if the model is no module.
        """
        check_model(model)
        number = math.nan if loss is None else float(plain(loss))
        step, self._count = self._count, self._count + 1
        self._see(step, number)
        if step % self._every == 0 or loss is None:
            gradients = gradients_of(model) if loss is not None else {}
            graph = loss if self._graphs and isinstance(loss, Node) else None
            self._keep(Step(step, epoch, number, weights_of(model), gradients), graph, last=loss is None)
            self._model = model

    def begin(self, state: State) -> None:
        """Forget an earlier run."""
        check_model(state.model)
        self._kept, self._drawn, self._losses, self._validation = [], {}, [], []
        self._every, self._sparse, self._count, self._page = self.every, 1, 0, None
        self._model, self._now, self._small = state.model, None, True
        if not self._given:
            self._data, self._rows = (None, None), []

    def epoch_begin(self, state: State) -> None:
        """Look at the weights before the first step."""
        self._now = references(state.model)

    def step(self, state: State) -> None:
        """Keep what the step began with, if it is time."""
        before, self._now = self._now, references(state.model)
        done = state.step - 1
        self._see(done, state.loss)
        if not self._given:
            self._collect(state)
        if before is None or done % self._every:
            return
        graph = None
        if self._graphs and self._small:
            graph = graph_of(state, before)
            self._small = graph is not None
        weights = {path: np.array(array) for path, array in before.items()}
        self._keep(Step(done, state.epoch, float(state.loss), weights, gradients_of(state.model)), graph)

    def epoch(self, state: State) -> None:
        """Note the validation loss."""
        if "validation_loss" in state.row:
            self._validation.append((state.step, float(state.row["validation_loss"])))
            if len(self._validation) > MOST_LOSSES:
                self._validation = self._validation[1::2]

    def end(self, state: State) -> None:
        """Keep the last weights."""
        if not self._kept or self._kept[-1].step < state.step:
            self._keep(Step(state.step, state.epoch, math.nan, weights_of(state.model), {}), None, last=True)
        self._now = None

    def _see(self, step: int, loss: float) -> None:
        self._page = None
        if step % self._sparse == 0 and not math.isnan(loss):
            self._losses.append((step, loss))
            if len(self._losses) > MOST_LOSSES:
                self._sparse *= 2
                self._losses = [(at, value) for at, value in self._losses if at % self._sparse == 0]

    def _keep(self, step: Step, graph: Any, last: bool = False) -> None:
        """Keep a step; if there are too many, only every other one."""
        self._page = None
        if self._kept and self._kept[-1].step == step.step:
            self._kept.pop()
        self._kept.append(step)
        if graph is not None and len(Graph.of(graph).nodes) <= MOST_NODES:
            self._drawn[step.step] = packed_json(payload(graph, title=f"loss at {step.label}"))
        most = max(2, min(self.limit, MOST_BYTES // max(1, size_of(self._kept[0]))))
        while len(self._kept) > most:
            self._every *= 2
            self._kept = [kept for kept in self._kept if kept.step % self._every == 0 or (last and kept is step)]
        self._drawn = {at: drawn for at, drawn in self._drawn.items() if any(at == kept.step for kept in self._kept)}

    def _collect(self, state: State) -> None:
        """Take rows of the first epoch for the picture, if they have one or two features."""
        x, y = state.current.x, plain(state.current.y)
        have = sum(len(rows) for rows, _ in self._rows)
        if state.epoch > 1 or have >= MOST_ROWS or not isinstance(x, np.ndarray):
            return
        if x.ndim == 2 and x.shape[1] in (1, 2) and x.dtype.kind in "biuf":
            self._rows.append((np.array(x[: MOST_ROWS - have]), np.array(y[: MOST_ROWS - have])))

    # --- what was kept ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, position: Any) -> Any:
        return self._kept[position]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._kept)

    def compare(self, before: int = 0, after: int = -1) -> list[Change]:
        """Return how much each parameter changed from one step that was kept to another, most changed first.

        Args:
            before: position among the steps, as in ``replay[before]``.
            after: another one.

        >>> from autograd_nn import nn, plot
        >>> model = nn.Linear(1, 1, dtype=float, rng=0)
        >>> replay = plot.Replay()
        >>> replay.record(model)
        >>> model.weight.data = model.weight.data + 1.0
        >>> replay.record(model)
        >>> replay.compare()[0].path, replay.compare()[0].change
        ('weight', 1.0)
        """
        return compare(self[before], self[after])

    def state_dict(self) -> dict[str, Any]:
        """Return what was kept, for a checkpoint."""
        return {
            "steps": [
                {"step": s.step, "epoch": s.epoch, "loss": s.loss, "weights": s.weights, "gradients": s.gradients}
                for s in self._kept
            ],
            "drawn": [[at, drawn] for at, drawn in self._drawn.items()],
            "losses": [list(row) for row in self._losses],
            "validation": [list(row) for row in self._validation],
            "every": self._every,
            "sparse": self._sparse,
            "rows": [list(rows) for rows in self._rows],
            "now": {path: np.array(array) for path, array in references(self._model).items()} if self._model else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with what was kept."""
        self._kept = [
            Step(int(s["step"]), int(s["epoch"]), float(s["loss"]), dict(s["weights"]), dict(s["gradients"]))
            for s in state["steps"]
        ]
        self._drawn = {int(at): drawn for at, drawn in state["drawn"]}
        self._losses = [(int(at), float(loss)) for at, loss in state["losses"]]
        self._validation = [(int(at), float(loss)) for at, loss in state["validation"]]
        self._every, self._sparse = int(state["every"]), int(state["sparse"])
        self._rows = [(np.asarray(x), np.asarray(y)) for x, y in state["rows"]]
        self._now = None if state["now"] is None else dict(state["now"])
        self._page = None
        if self._kept and not self._kept[-1].gradients:  # the last weights of a run that goes on
            self._kept.pop()

    # --- the page ---------------------------------------------------------------------------------------------------

    @property
    def html(self) -> str:
        """The page.

        Raises:
            ValueError: if nothing was recorded.
        """
        return self._made().html

    def to_html(self) -> str:
        """Return the page."""
        return self.html

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file, all of it or nothing, and return its path.

        Args:
            path: ends in .html.

        Raises:
            ValueError: for another ending, or if nothing was recorded.
        """
        return self._made().save(path)

    def __repr__(self) -> str:
        if not self._kept:
            return "Replay(nothing recorded yet)"
        known = [loss for _, loss in self._losses]
        losses = f", loss {known[0]:.4g} to {known[-1]:.4g}" if known else ""
        return f"Replay({plural(len(self), 'step')}, {self[0].step:,} to {self[-1].step:,}{losses})"

    def __str__(self) -> str:
        return str(self._made()) if self._kept else repr(self)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return self._made()._repr_mimebundle_() if self._kept else {"text/plain": repr(self)}

    def _mime_(self) -> tuple[str, str]:
        return self._made()._mime_()

    def _made(self) -> NotebookPage:
        if not self._kept:
            raise ValueError(
                "Replay has nothing to show: pass it to fit(…, callbacks=replay), or call replay.record(model, loss) "
                "after each loss.backward()."
            )
        if self._page is None:
            X, y = self._data
            if X is None and self._rows:
                X, y = (np.concatenate(part) for part in zip(*self._rows, strict=True))
            title = printable(self._title or f"training of {name_of(self._model)}", 80)
            run = Run(self._kept, self._losses, self._validation, self._drawn, self._model, X, y, self._given)
            self._page = RunPage(run, title, self._labels, self._height)
        return self._page


def graph_of(state: State, weights: Mapping[str, np.ndarray]) -> Any:
    """Return the loss of the last batch with the weights that the step began with; None if its graph is too large."""
    if state.current.rows * sum(array.size for array in weights.values()) > MOST_WORK:
        return None
    objective = copy.copy(state.objective)
    objective.model = copy.deepcopy(state.model)
    objective.model.load_state_dict(weights, strict=False)
    objective.model.label()
    _, loss = objective(state.current)
    if not isinstance(loss, Node) or len(Graph.of(loss).nodes) > MOST_NODES:
        return None
    loss.name = loss.name or "loss"
    for node in Graph.of(loss).nodes:
        for name, data in (("x", state.current.x), ("y", state.current.y)):
            if node.op is None and not node.name and isinstance(data, np.ndarray) and node.shape == data.shape:
                if np.array_equal(plain(node), data.astype(node.dtype)):
                    node.name = name
    return loss
