"""`Trainer`: a network that `fit` trains in a thread of its own, step by step as one wishes.

Only that thread touches the network. Others ask it between two steps: a job is done at once whether training runs or
rests, so pause, and every picture, waits for one step at most.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np

from ..nn import MLP
from ..optim import OPTIMIZERS, Optimizer
from ..training import Callback, fit
from ..training.callback import State
from ..training.feed import Batch
from ..training.objective import Objective
from ..value import Value
from .problem import Problem
from .settings import Settings

__all__ = ["Trainer"]

PATIENCE = 20.0  # seconds that anybody waits for an answer
FOREVER = 10**9
T = TypeVar("T")


class Ended(BaseException):
    """Ends the thread, from the middle of `fit`."""


class Trainer(Callback):
    """Train as `fit` does, but only when asked to.

    Args:
        settings: of the network and of its training.
        problem: the data.

    Attributes:
        model: belongs to the thread: see `call`.
        optimizer: likewise.
        step_count: steps so far.
        epoch_steps: steps of an epoch.
        playing: are steps being taken?
        message: why training is over; "" as long as it is not.
        rates: learning rates, each with the number of steps before it: [(0, 0.01), (120, 0.1)].

    >>> from autograd_nn.playground.problem import problem
    >>> from autograd_nn.playground.settings import Settings
    >>> trainer = Trainer(Settings(), problem(Settings()))
    >>> trainer.run(steps=3)
    >>> trainer.wait(), trainer.close()
    (3, None)
    """

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self.settings, self.problem = settings, problem
        self.model = MLP(
            [len(problem.features), *settings.hidden, problem.outputs],
            activation=settings.activation,
            init=None if settings.init == "auto" else settings.init,
            rng=settings.seed,
        )
        make: Callable[..., Optimizer] = OPTIMIZERS[settings.optimizer]
        self.optimizer = make(self.model.named_parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        rows = len(problem.train[0])
        self.epoch_steps = -(-rows // (settings.batch_size or rows))
        self.rates = [(0, settings.learning_rate)]
        self.message = ""
        self.playing = False
        self.step_count = 0
        self.speed = math.inf
        self.watched = time.monotonic()  # when somebody last asked
        self.unwatched = math.inf  # seconds without a question after which it rests, if it has no goal
        self._goal: int | None = None
        self._due = 0.0
        self._state: State | None = None
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._closing = False
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="playground", daemon=True)
        self._thread.start()

    # asked by others

    def call(self, f: Callable[[], T]) -> T:
        """Return what f returns, called in the thread of the network.

        Raises:
            RuntimeError: if the thread has ended.
            TimeoutError: if there is no answer for long.
        """
        future: Future[T] = Future()
        with self._turn:
            if self._closing:
                raise RuntimeError("this run has ended.")
            self.watched = time.monotonic()
            self._jobs.append((future, f))
            self._turn.notify_all()
        return future.result(PATIENCE)

    def run(self, *, steps: int | None = None, epochs: int | None = None) -> None:
        """Take steps: so many, or to the end of so many epochs, or until `pause`."""
        with self._turn:
            if self.message or self._closing:
                return
            goal = None if steps is None else self.step_count + steps
            if epochs is not None:
                goal = (self.step_count // self.epoch_steps + epochs) * self.epoch_steps
            self._goal, self.playing, self._due = goal, True, time.monotonic()
            self.watched = time.monotonic()
            self._turn.notify_all()

    def pause(self) -> None:
        """Rest after the step that is under way."""
        with self._turn:
            self.playing, self._goal = False, None
            self._turn.notify_all()

    def wait(self) -> int:
        """Return the number of steps, as soon as none is to be taken."""
        with self._turn:
            self._turn.wait_for(lambda: not self.playing or self._closing, PATIENCE)
        return self.call(lambda: self.step_count)

    def set_speed(self, speed: float) -> None:
        """Take so many steps in a second, at most."""
        with self._turn:
            self.speed, self._due = speed, time.monotonic()
            self._turn.notify_all()

    def set_rate(self, rate: float) -> None:
        """Change the learning rate from the next step on."""

        def change() -> None:
            self.optimizer.learning_rate = rate
            if self.rates[-1][0] == self.step_count:
                self.rates.pop()
            self.rates.append((self.step_count, rate))

        self.call(change)

    def close(self) -> None:
        """End the thread."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._thread.join(PATIENCE)

    @property
    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    # in the thread

    def loss_of(self, rows: int) -> Value:
        """Return the loss of the first training rows, with its graph."""
        x, y = (part[:rows] for part in self.problem.train)
        inputs = Value(x.astype(self.model.dtype), name="x", requires_grad=False)
        target: Any = y
        if self.problem.kind != "classes":
            target = Value(y.astype(self.model.dtype), name="y", requires_grad=False)
        _, loss = Objective(self.model, self.problem.loss)(Batch(inputs, target, None, len(y)))
        loss.name = "loss"
        return loss

    def _work(self) -> None:
        with np.errstate(all="ignore"):  # what overflows is said in words
            try:
                try:
                    history = fit(
                        self.model,
                        self.problem.train,
                        self.problem.loss,
                        self.optimizer,
                        epochs=FOREVER,
                        batch_size=self.settings.batch_size,
                        callbacks=self,
                        seed=self.settings.seed,
                        progress=False,
                    )
                    self._over(history.stopped)
                except Exception as error:  # noqa: BLE001 whatever it was is said on the page
                    self._over(f"{type(error).__name__}: {error}")
                self._attend()
            except Ended:
                pass
            finally:
                with self._turn:
                    self._closing, self.playing = True, False
                    for future, _ in self._jobs:
                        future.set_exception(RuntimeError("this run has ended."))
                    self._jobs.clear()
                    self._turn.notify_all()

    def _over(self, message: str) -> None:
        with self._turn:
            self.message, self.playing, self._goal = message, False, None
            self._turn.notify_all()

    def begin(self, state: State) -> None:
        """Wait for the first step."""
        self._state = state
        self._attend()

    def step(self, state: State) -> None:
        """Wait for the next one."""
        self.step_count = state.step
        self._attend()

    def epoch(self, state: State) -> None:
        """Keep one row of the history: a run may go on for hours."""
        del state.history.rows[:-1]

    def _attend(self) -> None:
        """Do what was asked, and return when the next step is due."""
        while True:
            with self._turn:
                if self._closing:
                    raise Ended
                if not self._jobs:
                    rest = self._rest()
                    if rest == 0:
                        return
                    self._turn.wait(rest)
                    continue
                future, job = self._jobs.popleft()
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 it is raised where it was asked
                future.set_exception(error)

    def _rest(self) -> float | None:
        """Return seconds until the next step; None: until somebody says so."""
        if self._goal is not None and self.step_count >= self._goal:
            self.playing, self._goal = False, None
            self._turn.notify_all()
        if not self.playing:
            return None
        now = time.monotonic()
        if self._goal is None:
            if now - self.watched > self.unwatched:
                self.playing = False
                return None
            if now < self._due:
                return self._due - now
        self._due = max(self._due + 1 / self.speed, now - 0.1)  # a pause is not caught up with
        return 0
