"""`fit`: gradient descent on mini-batches until the epochs are over, a callback or the user stops it, or it fails.

One step is ``zero_grad, forward, backward, step``. Everything else here keeps what was learnt: a step is either done
or not done when training stops, weights whose loss is not finite are taken back, and a checkpoint holds all that the
next step depends on.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from ..compiler import BACKENDS, native_cache, xla_plan
from ..compiler.device import held, put_back
from ..compiler.mesh import Mesh, mesh_of
from ..data import check_finite
from ..graph import describe, shape, topological_order
from ..losses import Loss, binary_cross_entropy, cross_entropy
from ..nn import MLP, Linear, LogisticRegression, Module
from ..optim import OPTIMIZERS, Optimizer, Plateau
from ..value import Value
from .callback import Callback, Checkpoint, CSVLog, Schedule, State, TrainingWarning, callback
from .checkpoint import differences, load_checkpoint, save_checkpoint
from .feed import Batch, Feed, call, checksum
from .history import History, environment
from .metric import Metric, Tally, measured, metrics_of, plain, predicting
from .objective import Objective, check_loss
from .progress import Progress
from .step import MANY_STEPS, CompiledStep, Snapshot, all_ours, backend_for

__all__ = ["fit"]

Path = str | os.PathLike[str]
EAGER_STEPS = 2  # before a step is compiled: they find weights that nobody trains
NEEDED = {"xla": xla_plan.needed, "native": native_cache.needed}  # they raise ImportError, with what to install
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)  # what a state that was made up can lead to


def fit(
    model: Module,
    data: Any,
    loss: str | Loss,
    optimizer: str | Optimizer = "adam",
    *,
    epochs: int = 10,
    batch_size: int | None = 32,
    validation: Any = None,
    metrics: Any = (),
    callbacks: Callback | Callable[[State], Any] | Iterable[Callback | Callable[[State], Any]] = (),
    seed: int | None = 0,
    shuffle: bool = True,
    progress: bool = True,
    checkpoint: Path | Checkpoint | None = None,
    resume: Path | bool | None = None,
    compile: bool | str = False,
    backend: str | None = None,
    mesh: Any = None,
) -> History:
    """Train a model, and return what happened.

    Args:
        model: is changed; `train()` and `eval()` modes of its parts are afterwards what they were.
        data: ``(x, y)`` or ``(x, y, sample_weight)``; x is an array, or a tuple of arrays (the model's arguments) or a
            dict (its keyword arguments), and may be mapped from a file that is larger than memory. Or a source such as
            `data.Batches`; or a function, or an iterable, of such batches, in each epoch a fresh one.
        loss: name, or function ``loss(prediction, target)`` that returns one number.
        optimizer: such as ``Adam(model.parameters(), 1e-3)``, or a name, for its defaults.
        epochs: how often all data are gone through; with `resume` in all, those before included.
        batch_size: rows of a step; None for all (gradient descent without "stochastic").
        validation: data of your own that are measured after each epoch and never trained on, in the forms of `data`.
        metrics: names (accuracy, balanced_accuracy, f1, mse, rmse, mae, r2) or functions of (prediction, target),
            measured while training on the predictions of each batch, and on the validation data after the epoch.
        callbacks: functions ``f(state)``, called after each epoch, or `Callback` objects.
        seed: of everything random here: the order of rows, and dropout. The same seed gives the same weights, bit for
            bit, in the same `history.environment`. None: another one each time, told by ``history.seed``.
        shuffle: mix the rows anew in each epoch?
        progress: a bar if tqdm is installed, or some lines, and a last line; False for nothing.
        checkpoint: file to write the run into after each epoch, or a `Checkpoint` for other times.
        resume: checkpoint to go on from, as if the run had never ended; model, optimizer and data have to be made in
            the same way. True: the file of `checkpoint`, if it is there.
        compile: True to compile the whole step, forward, backward and update, see `autograd_nn.compile`; "auto" to do
            so where model, loss and optimizer are the library's own, whose steps are known to be the same from call to
            call, and where it pays: from 200 steps on as calls of NumPy, bit for bit the same, and from 20,000 on as
            machine code, if Numba is installed. `history.environment` says what was picked. The first two steps are
            not compiled.
        backend: compile the step for this back end: "numpy"; "native", with Numba; or "xla", through JAX, on the CPU,
            GPU or TPU that it finds. There weights and the state of the optimizer stay between steps; whoever looks at
            them has them fetched.
        mesh: the devices over which the rows of each batch are divided: True for all, of all processes of the job; a
            number of them; or a `cluster.Mesh`. The back end is "xla", and every step is compiled. With several
            processes each runs the same call on the same data; the first one writes checkpoints.

    Returns:
        A row for each epoch, and in `stopped` why it ended: all epochs done, a callback, Ctrl-C (after the step that
        is under way), or a loss that was not finite, in which case the weights are the last good ones.

    Raises:
        TypeError, ValueError: if something does not fit together: see the message. Weights that were learnt up to then
            stay in the model.
        ImportError, cluster.MeshError: if JAX is missing, devices or the batch do not suit, or a process of the job
            has ended.

    >>> from autograd_nn import nn, optim
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> model = nn.Linear(1, 1, dtype=float, rng=0)
    >>> history = fit(model, (x, 2 * x + 1), "mse", optim.SGD(model.parameters(), 0.1), epochs=200, progress=False)
    >>> round(model.weight.item(), 4), round(model.bias.item(), 4), history.stopped
    (2.0, 1.0, 'finished: 200 epochs')
    """
    run = Run(
        model,
        data,
        loss,
        optimizer,
        epochs,
        batch_size,
        validation,
        metrics,
        callbacks,
        seed,
        shuffle,
        checkpoint,
        compile,
        backend,
        mesh,
    )
    return run.run(progress, resume)


class Run:
    """What `fit` does, with what it needs in attributes."""

    def __init__(
        self,
        model: Module,
        data: Any,
        loss: str | Loss,
        optimizer: str | Optimizer,
        epochs: int,
        batch_size: int | None,
        validation: Any,
        metrics: Any,
        callbacks: Any,
        seed: int | None,
        shuffle: bool,
        checkpoint: Path | Checkpoint | None,
        compile: bool | str = False,
        backend: str | None = None,
        mesh: Any = None,
    ) -> None:
        if compile not in (True, False, *BACKENDS):
            raise ValueError(f"compile wanted True, False or one of {', '.join(BACKENDS)}, got {compile!r}.")
        self.mesh = mesh_of(mesh)
        compile = engine(compile, backend, self.mesh)
        if compile in NEEDED:  # now: when the first step is compiled, others have been taken
            NEEDED[compile]()
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise ValueError(f"epochs wanted a whole number, 0 or more, got {epochs!r}.")
        self.objective = Objective(model, loss)
        self.model = model
        self.optimizer = optimizer_of(optimizer, model)
        self.metrics: list[Metric] = metrics_of(metrics)
        self.sequence = np.random.SeedSequence(seed)
        _, order, dropout = self.sequence.spawn(3)  # the first one is that of initialization
        self.feed = Feed(data, batch_size=batch_size, shuffle=shuffle, rng=np.random.default_rng(order))
        self.validation = None
        if validation is not None:
            size = None if batch_size is None else max(batch_size, 256)
            self.validation = Feed(validation, batch_size=size, shuffle=False, what="validation")
        self.random = {path: m for path, m in model.named_modules() if "rng" in vars(m)}
        self.generators = {
            path: np.random.default_rng(stream)
            for path, stream in zip(self.random, dropout.spawn(len(self.random)), strict=True)
        }
        self.callbacks = ready_callbacks(callbacks, checkpoint, self.optimizer)
        if self.mesh is not None and self.mesh.process:  # one process writes
            self.callbacks = [c for c in self.callbacks if not isinstance(c, CSVLog)]
        self.file = checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint
        self.modules, parameters = model.modules(), model.parameters()
        self.leaves = [*parameters, *model.buffers()]
        self.others = not set(parameters) <= set(self.optimizer.parameters)  # some are not trained
        self.good: list[Any] | None = None  # the last weights whose loss was finite
        self.before: list[Any] | None = list(map(held, self.leaves))  # None: there is nothing to take back
        self.in_step = False
        self.state = State(model, self.optimizer, self.objective, int(epochs))
        self.state._save = self.save
        self.state.history.seed = self.sequence.entropy
        self.compiled: CompiledStep | None = None
        steps = self.state.epochs * (len(self.feed) or MANY_STEPS)
        if compile == "auto":
            self.backend = backend_for(steps) if all_ours(model, self.objective, self.optimizer) else None
        else:
            self.backend = "auto" if compile is True else compile or None
        self.state.history.environment = environment()
        self.look = held if self.backend == "xla" else attrgetter("_data")
        self.snapshot = Snapshot(self.leaves)
        if self.mesh is not None:
            if self.feed.arrays is not None:
                self.mesh.check_batch(batch_size, self.feed.source.rows)
            self.state.history.environment["mesh"] = repr(self.mesh)
        if self.backend is not None:
            self.state.history.environment["backend"] = f"compiled: {self.backend}"
        self.in_place = self.backend != "xla"  # whose steps put new arrays in the place of the old ones
        self.unnamed = self.backend == "auto"  # is it to be seen yet what "auto" picks?
        self.resumed_from: str | None = None
        self.strays: set[Any] | None = None  # leaves that want a gradient and that nobody trains
        self.watching = True
        self.tally = Tally(self.metrics)
        self.done = True  # is the epoch `state.epoch` over?

    # the course of training

    def run(self, progress: bool, resume: Path | bool | None) -> History:
        """Train."""
        state, start = self.state, time.perf_counter()
        several = self.mesh is not None and self.mesh.processes > 1
        progress = progress and (self.mesh is None or self.mesh.process == 0)
        before = [(m, m.training) for m in self.modules], [(m, vars(m)["rng"]) for m in self.random.values()]
        report = Progress(progress, state.epochs, len(self.feed))
        with contextlib.ExitStack() as stack:
            stack.callback(restore_modules, *before)
            interrupt = stack.enter_context(Interrupt(graceful=not several))
            for path, module in self.random.items():
                module.rng = self.generators[path]  # type: ignore[attr-defined]
            for c in self.callbacks:
                c.begin(state)
            self.agree()
            self.resume(self.file if resume is True else resume, missing_ok=resume is True)
            self.agree_on_start()
            report.resumed(state)
            try:
                self.epochs(interrupt, report)
            except KeyboardInterrupt:
                if several:  # the others may be in another step
                    state.resumable = False
                elif self.in_step:  # parameters may be half old, half new
                    self.take_back(self.before)
                    state.resumable = False
                state.stopping = self.interrupted()
            state.finished = state.stopping or f"finished: {len(state.history)} epochs"
            state.history.stopped = state.finished
            for c in self.callbacks:
                c.end(state)
            self.warn_if_separable()
        state._save = None
        report.end(state, time.perf_counter() - start)
        return state.history

    def epochs(self, interrupt: Interrupt, report: Progress) -> None:
        """Go through the epochs that are left."""
        state = self.state
        batches: Iterator[Batch] | None = None
        if not self.done:  # resumed in the middle of an epoch
            source_epoch = getattr(self.feed.source, "epoch", None)
            batches = iter(self.feed)
            first = next(batches, None) if self.left() else None
            if first is None or getattr(self.feed.source, "epoch", None) != source_epoch:
                # it had given all its batches; if the source found out by beginning the next epoch, that goes on
                self.close_epoch(0.0, report)
                batches = None if first is None else chained(first, batches)
            else:
                batches = chained(first, batches)
        while not state.stopping and not (self.done and state.epoch >= state.epochs):
            if interrupt.requested:
                state.stopping = self.interrupted()
                return
            start = time.perf_counter()
            for module in self.modules:
                module.training = True  # what `model.train()` does; a callback may have predicted
            if self.done:
                state.epoch, state.batch, self.done = state.epoch + 1, 0, False
                self.tally = Tally(self.metrics)
                for c in self.callbacks:
                    c.epoch_begin(state)
                if state.stopping:
                    state.epoch, self.done = state.epoch - 1, True
                    return
            with np.errstate(all="ignore"):  # a loss that is not finite ends training, with a reason
                self.steps(iter(self.feed) if batches is None else batches, interrupt, report)
            batches = None
            if not state.stopping:
                self.close_epoch(time.perf_counter() - start, report)

    def left(self) -> bool:
        """May the interrupted epoch have batches left?"""
        total = len(self.feed)
        return not total or self.state.batch < total

    def steps(self, batches: Iterator[Batch], interrupt: Interrupt, report: Progress) -> None:
        """Take a step for each batch that is left of an epoch."""
        state, optimizer, objective, tally, leaves = (
            self.state, self.optimizer, self.objective, self.tally, self.leaves
        )  # fmt: skip
        after_step = [c.step for c in self.callbacks if type(c).step is not Callback.step]
        looked_at = bool(after_step)
        if report.bar is not None and report.by_step:
            after_step.append(report.step)
        zero_grad = both(optimizer.zero_grad, self.model.zero_grad) if self.others else optimizer.zero_grad
        if self.backend is not None and self.compiled is None:
            self.compiled = CompiledStep(
                objective,
                optimizer,
                zero_grad,
                self.backend,
                gradients=looked_at,
                predictions=bool(self.metrics),
                keep=self.keep if self.in_place else None,
                mesh=self.mesh,
            )
        for batch in batches:
            if batch.weight is not None and not batch.weight.any():  # its rows are left out
                state.batch += 1
                continue
            if self.mesh is not None and not state.step:
                self.mesh.check_batch(batch.rows, None if self.feed.arrays is None else self.feed.source.rows)
            compiled = self.compiled if state.step >= EAGER_STEPS or self.mesh is not None else None
            self.before = None if compiled is not None and self.in_place else list(map(self.look, leaves))
            self.in_step = True
            try:
                if compiled is not None:
                    prediction, number = compiled(batch)
                    if self.unnamed:
                        self.name_backend()
                else:
                    prediction, number = self.eager_step(batch, zero_grad)
                if not math.isfinite(number):
                    self.failed(batch, number)
                    return
            except Exception as error:
                error.add_note(f"in epoch {state.epoch}, batch {state.batch + 1}: {described(batch)}")
                raise
            self.good = self.before
            self.in_step = False
            tally.add(batch, prediction, number)
            state.batch += 1
            state.step += 1
            if after_step:
                state.loss, state.current = number, batch
                for f in after_step:
                    f(state)
                if state.stopping:
                    return
            if interrupt.requested:
                state.stopping = self.interrupted()
                return
        if not state.batch:
            raise ValueError("data gave no batches in this epoch.")

    def keep(self) -> None:
        """Keep the weights, whose loss is finite, before a compiled step moves them in their own arrays."""
        self.before = self.snapshot.take()

    def name_backend(self) -> None:
        """Write down which back end "auto" has picked."""
        plan = self.compiled.plan if self.compiled is not None else None
        if plan is None:
            return
        self.unnamed = False
        self.state.history.environment["backend"] = f"compiled: {plan}"
        if self.resumed_from not in (None, f"compiled: {plan}", "compiled: auto"):
            self.warn_of_changes([f"environment: backend wanted {self.resumed_from!r}, got 'compiled: {plan}'"])

    def eager_step(self, batch: Batch, zero_grad: Callable[[], None]) -> tuple[Any, float]:
        """Take one step, unless the loss is not finite; returns prediction and loss."""
        zero_grad()
        prediction, loss = self.objective(batch)
        if not isinstance(loss, Value) or not loss.requires_grad or loss.size != 1:
            check_loss(loss, self.objective.name)
        number: float = loss.item()
        if math.isfinite(number):
            if self.watching:
                self.warn_of_strays(loss)
            loss.backward(retain="leaves")
            self.optimizer.step()
        return prediction, number

    def close_epoch(self, seconds: float, report: Progress) -> None:
        """Validate, add a row to the history, and tell the callbacks."""
        state = self.state
        if not all(np.isfinite(leaf._data).all() for leaf in self.leaves if leaf.dtype.kind == "f"):
            self.not_finite("weights were not finite after the last step")
            return
        row: dict[str, Any] = {"epoch": state.epoch, **self.tally.results()}
        if self.validation is not None:
            with np.errstate(all="ignore"):
                row |= measured(self.objective, self.validation, self.metrics, "validation_")
        for name, number in row.items():
            if np.size(number) != 1 or isinstance(number, str):
                raise TypeError(
                    f"metrics wanted functions that return a number, {name} returned {type(number).__name__} "
                    f"of shape {np.shape(number)}. evaluate(model, data, metrics=…) takes any."
                )
        row["learning_rate"] = self.optimizer.learning_rates(max(self.optimizer.steps, 1))[0]
        row["seconds"] = seconds
        state.row, self.done = row, True
        state.history.rows.append(row)
        for c in self.callbacks:
            c.epoch(state)
        report.epoch(state)

    # how it ends

    def interrupted(self) -> str:
        return f"interrupted by the user in epoch {self.state.epoch}, after {self.state.step} steps"

    def failed(self, batch: Batch, number: float) -> None:
        """Find out why a loss is not finite: the data are to blame, or the weights.

        Raises:
            ValueError: if it is the data; the weights are those before this batch.
        """
        state = self.state
        try:
            check_finite(*(part for part in (batch.x, batch.y) if not isinstance(part, tuple)))
            if isinstance(batch.x, tuple):
                check_finite(*batch.x)
        except ValueError:
            self.take_back(self.before)
            self.in_step = False
            raise
        self.not_finite(f"the loss was {number} in epoch {state.epoch}, batch {state.batch + 1}")

    def not_finite(self, what: str) -> None:
        """Take the weights back, and stop."""
        self.take_back(self.before if self.good is None else self.good)
        self.in_step, self.state.resumable = False, False
        rate = self.optimizer.learning_rates(max(self.optimizer.steps, 1))[0]
        if self.good is None:
            advice = "No step was taken. Look at the initialization and at the scale of the data; debug() finds the op."
        else:
            advice = (
                f"The weights are the last ones whose loss was finite. Try a learning rate below {rate:g}, such as "
                f"{rate / 10:g}, clip_norm=1.0 or another initialization, with a new optimizer; "
                "diagnose(model, data, loss) names the layer."
            )
        self.state.stopping = f"not finite: {what}. {advice}"

    def take_back(self, arrays: list[Any] | None) -> None:
        if arrays is None:  # nothing has changed
            return
        for leaf, array in zip(self.leaves, arrays, strict=True):
            if held(leaf) is not array:
                put_back(leaf, array)

    def warn_of_strays(self, loss: Any) -> None:
        """Warn of weights that are not found: leaves that two steps share, and that neither model nor optimizer has."""
        known = {*self.leaves, *self.optimizer.parameters}
        found = {n for n in topological_order([loss]) if n.op is None and n.requires_grad and n not in known}
        if self.strays is None:  # what a step makes for itself is gone in the next one
            self.strays = found
            self.watching = bool(found)
            return
        self.watching = False
        if lost := sorted(describe(n) for n in found & self.strays):
            warnings.warn(
                f"{', '.join(lost)}: used in {type(self.model).__name__} or its loss, but no parameter of model or "
                "optimizer, so it is not trained. Keep it as an attribute of a module, without an underscore in "
                "front (in lists and dicts, not in sets or functions), and make the optimizer afterwards; a constant "
                "is Value(…, requires_grad=False).",
                TrainingWarning,
                stacklevel=7,
            )

    def warn_if_separable(self) -> None:
        """Warn where a loss has no minimum: a linear classifier that separates its training data, without decay."""
        o = self.optimizer
        decay = any(o.weight_decay if group.weight_decay is None else group.weight_decay for group in o.groups)
        if decay or not self.state.step or not self.feed.arrays or not self.feed.in_memory or not is_linear(self.model):
            return
        loss = self.objective.loss
        if loss not in (binary_cross_entropy, cross_entropy):
            return
        x, y = self.feed.arrays[:2]
        with predicting(self.model):
            z = plain(call(self.model, x))
        if loss is binary_cross_entropy:
            apart = z.shape == y.shape and bool((np.where(y > 0.5, z, -z) > 0).all())
        elif y.ndim == z.ndim - 1:
            true = np.take_along_axis(z, y[..., None].astype(int), axis=-1)
            others = np.where(np.arange(z.shape[-1]) == y[..., None], -np.inf, z)
            apart = bool((true > others.max(axis=-1, keepdims=True)).all())
        else:
            apart = False
        if apart:
            size = math.sqrt(sum(float(np.sum(np.square(p._data, dtype=float))) for p in self.model.parameters()))
            warnings.warn(
                f"the classes can be separated by a plane, so {self.objective.name} has no minimum: the longer one "
                f"trains, the larger the weights (now of norm {size:.3g}), without bound, and the more certain the "
                "predictions. Give the optimizer weight_decay=0.01, or stop early.",
                TrainingWarning,
                stacklevel=4,
            )

    # checkpoints

    def save(self, path: Path) -> None:
        """Write all that the next step depends on, and what is known so far."""
        state = self.state
        whole = {
            "run": {"epoch": state.epoch, "batch": state.batch, "step": state.step, "done": self.done},
            "settings": self.settings(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": {path: rng.bit_generator.state for path, rng in self.generators.items()},
            "data": self.feed.source.state_dict(),
            "tally": None if self.done else self.tally.state_dict(),
            "callbacks": [[name, c.state_dict()] for name, c in self.named_callbacks()],
            "history": state.history.rows,
            "seed": state.history.seed,
            "environment": state.history.environment,
        }
        if self.mesh is None or self.mesh.process == 0:  # the others have done their part: arrays are gathered by all
            save_checkpoint(path, whole)
        if self.mesh is not None:
            self.mesh.wait("checkpoint")

    def settings(self) -> dict[str, Any]:
        """Return what has to be the same when a run goes on."""
        return {
            "model": type(self.model).__name__,
            "loss": self.objective.name,
            "metrics": [m.name for m in self.metrics],
            "data": self.feed.fingerprint(),
        }

    def agree(self) -> None:
        """See that all processes of the job are about to do the same.

        Raises:
            MeshError: naming what differs.
        """
        if self.mesh is None or self.mesh.processes == 1:
            return
        self.mesh.agree(
            {
                "models": repr([(path, type(m).__name__) for path, m in self.model.named_modules()]),
                "initial weights": repr(summed(self.model.state_dict())),
                "optimizers": repr(self.optimizer),
                "data": repr(self.feed.fingerprint(whole=True)),
                "settings": repr((self.settings(), self.state.epochs, len(self.feed), self.state.history.seed)),
                "versions": repr(self.state.history.environment),
            }
        )

    def agree_on_start(self) -> None:
        """See that all processes go on from the same place: one that finds no checkpoint would begin anew.

        Raises:
            MeshError: naming what differs.
        """
        if self.mesh is None or self.mesh.processes == 1:
            return
        state = self.state
        place = state.epoch, state.batch, state.step, self.done, state.history.seed
        advice = "The checkpoint has to be where every process can read it, under the same path, as in a shared folder."
        self.mesh.agree({"places to go on from": repr(place)}, advice)
        told = {"weights": self.model.state_dict(), "states of the optimizers": self.optimizer.state_dict()}
        self.mesh.agree({name: repr(summed(x)) for name, x in told.items()}, advice)

    def named_callbacks(self) -> list[tuple[str, Callback]]:
        """Return callbacks by class and number within the class."""
        seen: dict[str, int] = {}
        found = []
        for c in self.callbacks:
            name = type(c).__name__
            seen[name] = seen.get(name, 0) + 1
            found.append((f"{name} {seen[name]}", c))
        return found

    def resume(self, path: Any, *, missing_ok: bool) -> None:
        """Continue from a checkpoint; all or nothing.

        Raises:
            ValueError: listing everything that differs from the run that wrote it.
        """
        if path is None or path is False:
            if missing_ok:
                raise ValueError("resume=True wanted checkpoint=path, the file to go on from.")
            return
        if missing_ok and not os.path.exists(path):
            return
        saved = load_checkpoint(path)
        keys = "run settings model optimizer generators data tally callbacks history seed environment".split()
        if missing := [key for key in keys if key not in saved]:
            raise ValueError(f"{os.fspath(path)} is no checkpoint of fit: it lacks {', '.join(missing)}.")
        wrong = differences("settings", self.settings(), saved["settings"])
        wrong += differences("model", self.model.state_dict(), saved["model"])
        came = saved["generators"]
        came = dict.fromkeys(came) if isinstance(came, dict) else came
        wrong += differences("generators", dict.fromkeys(self.generators), came)
        parts = {"data": self.feed.source, "optimizer": self.optimizer}
        backups = {entry: copy.deepcopy(part.state_dict()) for entry, part in parts.items()}
        for entry, part in parts.items():
            try:
                part.load_state_dict(saved[entry])
            except MALFORMED as error:
                wrong.append(f"{entry}: {error}")
                del backups[entry]  # it has changed nothing
        if not wrong:
            try:
                self.restore(saved)
            except MALFORMED as error:
                wrong.append(f"damaged: {type(error).__name__} {error}")
        if wrong:
            self.take_back(self.before)
            for entry, backup in backups.items():
                parts[entry].load_state_dict(backup)
            lines = "\n".join("  " + line.replace("\n", "\n  ") for line in wrong)
            raise ValueError(
                f"{os.fspath(path)} does not fit this run; make model, optimizer and data in the same way:\n{lines}"
            )
        self.before = list(map(self.look, self.leaves))
        came, now = saved["environment"], self.state.history.environment
        ran = str(came.get("backend")) if isinstance(came, dict) else ""
        if ran.startswith("compiled") and (self.unnamed or ran == "compiled: auto"):  # compared when both are known
            self.resumed_from, came = ran, {**came, "backend": now["backend"]}
        if changed := differences("environment", came, now):
            self.warn_of_changes(changed)

    def warn_of_changes(self, changed: list[str]) -> None:
        """Warn of what is no longer as it was in the run that is resumed."""
        warnings.warn(
            "resumed under other conditions, so the last bits may differ from those of one run: " + "; ".join(changed),
            TrainingWarning,
            stacklevel=5,
        )

    def restore(self, saved: dict[str, Any]) -> None:
        """Take everything but optimizer and data from a checkpoint."""
        state, place = self.state, saved["run"]
        state.epoch, state.batch, state.step = (int(place[key]) for key in ("epoch", "batch", "step"))
        self.done = bool(place["done"])
        state.history.rows, state.history.seed = [dict(row) for row in saved["history"]], saved["seed"]
        if state.history.rows:
            state.row = state.history.rows[-1]
        if saved["tally"] is not None:
            self.tally.load_state_dict(saved["tally"])
        for name, rng in self.generators.items():
            rng.bit_generator.state = saved["generators"][name]
        states = dict(map(tuple, saved["callbacks"]))
        for name, c in self.named_callbacks():
            if name in states:
                c.load_state_dict(states[name])
        self.model.load_state_dict(saved["model"])


class Interrupt:
    """In this ``with`` block the first Ctrl-C is a request, so that a step is finished; the second one raises.

    Args:
        graceful: if not, the first one raises.
    """

    def __init__(self, *, graceful: bool = True) -> None:
        self.graceful = graceful
        self.requested = False
        self.installed = False

    def __enter__(self) -> Interrupt:
        if self.graceful and threading.current_thread() is threading.main_thread():  # signals are handled there alone
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self.handle)
                self.installed = True
        return self

    def handle(self, number: int, frame: Any) -> None:
        """Take note, or raise."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *error: object) -> None:
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def restore_modules(training: list[tuple[Module, bool]], rngs: list[tuple[Any, Any]]) -> None:
    """Give every part its mode and its generator back."""
    for m, was in training:
        m.training = was
    for m, rng in rngs:
        m.rng = rng


def chained(first: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from rest


def both(f: Callable[[], None], g: Callable[[], None]) -> Callable[[], None]:
    def called() -> None:
        f()
        g()

    return called


def described(batch: Batch) -> str:
    """Return the shapes of a batch, for an error."""
    if isinstance(batch.x, tuple):
        x = "(" + ", ".join(str(shape(part)) for part in batch.x) + ")"
    elif isinstance(batch.x, dict):
        x = ", ".join(f"{key} {shape(part)}" for key, part in batch.x.items())
    else:
        x = str(shape(batch.x))
    return f"x {x}, y {shape(batch.y)}"


def summed(x: Any) -> Any:
    """Return a state with checksums in the place of its arrays."""
    if isinstance(x, dict):
        return {key: summed(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return [summed(part) for part in x]
    return checksum(np.atleast_1d(x), whole=True) if isinstance(x, (np.ndarray, np.generic)) else x


def is_linear(model: Module) -> bool:
    """Is the model one linear map?"""
    return isinstance(model, (LogisticRegression, Linear)) or (
        isinstance(model, MLP) and len(model.layers) == 1 and model.output_activation is None
    )


def engine(compile: bool | str, backend: str | None, mesh: Mesh | None) -> bool | str:
    """Return what to compile for.

    Raises:
        ValueError: if compile, backend and mesh contradict each other.
    """
    if backend is not None:
        if backend not in BACKENDS:
            raise ValueError(f"backend wanted one of {', '.join(BACKENDS)}, got {backend!r}.")
        if isinstance(compile, str) and compile not in (backend, "auto"):
            raise ValueError(f"compile={compile!r} and backend={backend!r} contradict each other: leave out compile.")
        compile = backend
    if mesh is not None:
        if compile not in (True, False, "auto", "xla"):
            raise ValueError(f"a mesh of devices needs backend='xla', got {compile!r}: leave it out.")
        return "xla"
    return compile


def optimizer_of(optimizer: Any, model: Module) -> Optimizer:
    """Return an optimizer of the model's parameters, from a name or as it is.

    Raises:
        ValueError, TypeError: if there is none of that name, it is none, or it holds other parameters.
    """
    if not model.parameters():
        raise ValueError(f"{type(model).__name__} has no parameters, so there is nothing to train.")
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(
                f"there is no optimizer {optimizer!r}: wanted one of {', '.join(OPTIMIZERS)}, or an instance."
            )
        make: Any = OPTIMIZERS[optimizer]
        return make(model.named_parameters())
    if not isinstance(optimizer, Optimizer):
        hint = f" Write {optimizer.__name__}(model.parameters(), …)." if isinstance(optimizer, type) else ""
        raise TypeError(f"optimizer wanted a name or an Optimizer, got {type(optimizer).__name__}.{hint}")
    if not set(optimizer.parameters) & set(model.parameters()):
        raise ValueError(
            f"the optimizer holds no parameter of this {type(model).__name__}, so training would change nothing: "
            "make it from model.parameters(), after the model."
        )
    return optimizer


def ready_callbacks(callbacks: Any, checkpoint: Path | Checkpoint | None, optimizer: Optimizer) -> list[Callback]:
    """Return callbacks in the order of their calls: checkpoints come last, when the others have done their part."""
    given = [callbacks] if isinstance(callbacks, Callback) or callable(callbacks) else list(callbacks)
    found = [callback(f) for f in given]
    if checkpoint is not None:
        found.append(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint))
    if isinstance(optimizer.learning_rate, Plateau):
        if not any(isinstance(c, Schedule) and c.rate is optimizer.learning_rate for c in found):
            found.insert(0, Schedule(optimizer.learning_rate))
    return sorted(found, key=lambda c: isinstance(c, Checkpoint))
