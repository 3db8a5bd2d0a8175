"""The optimizers, in order of complexity; each a pure function of parameter, gradient and state.

    SGD → Momentum → Nesterov → Adagrad → RMSprop → Adam → AdamW → Lion

An algorithm is two functions. `start(param)` returns its state, a dict of arrays, empty for plain gradient descent;
`rule(param, grad, state, learning_rate, step)` returns the new parameter and the new state. A rule consists of
operators and NumPy's functions and never looks at data, so it runs on arrays (`step()`), on Values (to differentiate
through training) and in a compiled step alike. `Optimizer` does what they share: groups, rates, decay, clipping,
checks, and the state of each parameter.

A gradient step on ∑ loss + ½ λ p² is one with the gradient + λ p: "L2". Where the gradient is divided by its size, that
decay would be divided too, so AdamW and Lion subtract learning_rate · λ p from the parameter itself: "decoupled".
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..compiler.device import bring_home
from ..graph import Node, dtype, modes, shape
from ..value import Value
from .clip import check_limit, clip_by_norm, clip_by_value
from .group import Rate, check_betas, check_number, make_groups
from .saved_state import copied, mismatches, restored_rate, saved_rate
from .schedule import check_rate, describe_rate

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSprop",
]

State = dict[str, Any]


class Optimizer:
    """What all optimizers share. To write one, subclass it and define `rule`, and `start` if it keeps a state.

    Args:
        parameters: leaf Values, such as ``model.parameters()``; pairs (name, Value), such as
            ``model.named_parameters()``; or a list of groups, dicts with the keys parameters, learning_rate and
            weight_decay, where what is left out is the optimizer's. Frozen ones are skipped as long as they are frozen.
        learning_rate: a number, or a function of the step number, which counts from 1, such as those in
            `autograd_nn.optim.schedule`.
        weight_decay: λ, in the sense that the algorithm names: "L2" or "decoupled".
        clip_value: limit every number of the gradients to [-clip_value, clip_value]; first of all.
        clip_norm: scale all gradients so that their common Euclidean norm is at most this. Decay comes after clipping.

    Attributes:
        groups: the parameters in groups, as `Group` objects.
        parameters: all parameters, in the order of the groups.
        steps: how many steps were taken.

    Raises:
        TypeError: if parameters are no Values, or complex.
        ValueError: if there are none, one comes twice or was computed from others, or a rate is negative or not finite.

    >>> from autograd_nn import Value
    >>> from autograd_nn.optim import SGD
    >>> w = Value(0.0)
    >>> optimizer = SGD([w], learning_rate=0.1)
    >>> for _ in range(30):
    ...     optimizer.zero_grad()
    ...     ((w - 3) ** 2).backward()
    ...     optimizer.step()
    >>> round(w.item(), 5)
    2.99629

    The same as a pure function, here of numbers:

    >>> optimizer.update(0.0, -6.0, {}, learning_rate=0.1, step=1)
    (0.6000000000000001, {})
    """

    decoupled: ClassVar[bool] = False
    """Is weight decay subtracted from the parameter itself? If not, it is L2: added to the gradient."""
    options: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers that an algorithm has besides the rate: attributes, printed and saved."""

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate,
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ) -> None:
        self._learning_rate: Rate = check_rate(learning_rate)
        self._weight_decay = check_number("weight_decay", weight_decay, 0, math.inf)
        self.clip_value = None if clip_value is None else check_limit(clip_value, "clip_value")
        self.clip_norm = None if clip_norm is None else check_limit(clip_norm, "clip_norm")
        self.groups, self._names = make_groups(type(self).__name__, parameters)
        self.parameters: tuple[Value, ...] = tuple(p for group in self.groups for p in group.parameters)
        self.steps = 0
        # Per parameter: its state, None before its first step, and the steps taken with it. One that is unfrozen late,
        # or is reached late, starts afresh: Adam's bias correction counts the gradients that went into its means.
        self._held: list[State | None] = [None] * len(self.parameters)
        self._away = False  # may some of it lie on a device?
        self._counts = [0] * len(self.parameters)

    # the algorithm

    def start(self, param: Any) -> State:
        """Return the state before the first step: arrays by name."""
        return {}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return the new parameter and the new state; pure, without decay and clipping.

        Args:
            param: an array, a number or a Value.
            grad: its gradient.
            state: as `start` or the last call returned it.
            learning_rate: a number or a scalar Value.
            step: number of this step with this parameter, from 1.
        """
        raise NotImplementedError(
            f"{type(self).__name__} wanted a method rule(self, param, grad, state, learning_rate, step) that returns "
            "the new parameter and the new state."
        )

    def update(
        self,
        param: Any,
        grad: Any,
        state: State,
        *,
        learning_rate: Any,
        step: Any,
        weight_decay: float | None = None,
    ) -> tuple[Any, State]:
        """Return the new parameter and the new state: weight decay and the algorithm, as a pure function.

        Args:
            param: an array, a number or a Value.
            grad: its gradient.
            state: as `start(param)` or the last call returned it.
            learning_rate: a number or a scalar Value.
            step: number of this step, from 1.
            weight_decay: that of the optimizer if left out.
        """
        decay = self._weight_decay if weight_decay is None else weight_decay
        if decay:
            if self.decoupled:
                param = param - (learning_rate * decay) * param
            else:
                grad = grad + decay * param
        return self.rule(param, grad, state, learning_rate, step)

    def updates(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[State],
        *,
        learning_rates: Sequence[Any],
        steps: Sequence[Any],
    ) -> tuple[list[Any], list[State]]:
        """Return all new parameters and states: a whole step, clipping included, as a pure function.

        Args:
            params: arrays or Values, in the order of `parameters`.
            grads: their gradients; None leaves a parameter as it is.
            states: the states of the parameters.
            learning_rates: for each group, see `learning_rates`.
            steps: for each parameter, the number of its step, from 1.
        """
        if self.clip_value is not None:
            grads = [None if g is None else clip_by_value(g, self.clip_value) for g in grads]
        if self.clip_norm is not None:
            clipped = iter(clip_by_norm([g for g in grads if g is not None], self.clip_norm))
            grads = [None if g is None else next(clipped) for g in grads]
        new_params, new_states = [], []
        i = 0
        rule = self.rule
        for group, rate in zip(self.groups, learning_rates, strict=True):
            decay = self._weight_decay if group._weight_decay is None else group._weight_decay
            for _ in group.parameters:
                param, grad, state = params[i], grads[i], states[i]
                if grad is not None:
                    if decay:
                        param, state = self.update(
                            param, grad, state, learning_rate=rate, step=steps[i], weight_decay=decay
                        )
                    else:
                        param, state = rule(param, grad, state, rate, steps[i])
                new_params.append(param)
                new_states.append(state)
                i += 1
        return new_params, new_states

    # training

    def step(self) -> None:
        """Move each parameter that has a gradient. New arrays are computed first, for all, and assigned last.

        Raises:
            ValueError: if no parameter has a gradient, or a schedule gives a rate that is negative or not finite.
        """
        recorder = None if modes.current is None else modes.current.recorder
        if recorder is not None:
            self._record_step(recorder)
            return
        parameters, states, counts = self.parameters, self._states, self._counts
        if modes.current is not None and modes.current.journal is not None:
            was = {"_held": list(states), "_counts": list(counts), "steps": self.steps}
            modes.current.journal.extend([(self, name, x) for name, x in was.items()])
        rates = self.learning_rates(self.steps + 1)
        grads, steps, before = [], [], []
        some = False
        for p, state, count in zip(parameters, states, counts, strict=True):
            g = p.grad if p.requires_grad else None
            if g is None:
                before.append(state)
            else:
                some = True
                before.append(self.start(p._data) if state is None else state)
            grads.append(g)
            steps.append(count + 1)
        if not some:
            raise ValueError(self._why_no_gradient())
        arrays: Any = [p._data for p in parameters]
        with np.errstate(all="ignore"):  # inf and nan show in the parameters; debug() finds where they began
            new, after = self.updates(arrays, grads, before, learning_rates=rates, steps=steps)  # type: ignore[arg-type]
            for i, data in enumerate(arrays):
                x = new[i]
                if not (type(x) is type(data) is np.ndarray and x.dtype == data.dtype and x.shape == data.shape):
                    new[i] = fitted(x, data, self)
                    if after[i]:
                        after[i] = {name: as_before(y, before[i].get(name)) for name, y in after[i].items()}
        for i, g in enumerate(grads):
            if g is not None:
                parameters[i].assign(new[i])
                states[i] = after[i]
                counts[i] = steps[i]
        self.steps += 1

    def _record_step(self, recorder: Any) -> None:
        """Take a step that is recorded, to be compiled: rates, numbers of steps and states are read at each call."""
        done = recorder.steps_of(id(self))
        params = self.parameters
        moved = [i for i, p in enumerate(params) if p.requires_grad and p.grad is not None]
        if not moved:
            raise ValueError(self._why_no_gradient())

        def rate(i: int) -> float:
            own = self.groups[i]._learning_rate
            now = self._learning_rate if own is None else own
            return now if isinstance(now, float) else self.learning_rates(self.steps + 1 + done)[i]

        rates = [recorder.host(lambda i=i: rate(i)) for i in range(len(self.groups))]
        ahead = {i: recorder.steps_of((id(self), i)) for i in moved}  # steps taken with it earlier in this function
        alike: dict[int, int] = {}  # numbers of steps, and a parameter of which they are read
        like = [alike.setdefault(self._counts[i] + ahead[i], i) for i in moved]
        pairs = [(i, j) for i, j in zip(moved, like, strict=True) if i != j]
        if pairs:
            recorder.watch(lambda: [self._counts[i] - self._counts[j] for i, j in pairs])
        if not done:
            recorder.watch_settings([self], apart=("steps", "_learning_rate", "_away"))
            recorder.watch_attribute(self.groups, "_weight_decay")
        step_of = {j: recorder.host(lambda j=j: self._counts[j] + 1 + ahead[j]) for j in alike.values()}
        steps: list[Any] = [None] * len(params)
        grads: list[Any] = [None] * len(params)
        entries: list[dict[str, Any]] = [{} for _ in params]
        for i, j in zip(moved, like, strict=True):
            read = functools.partial(self._state, i)
            steps[i], grads[i] = step_of[j], params[i].grad
            raw = functools.partial(self._entries_of, i)
            entries[i] = {name: recorder.entry(read, name, (id(self), i, name), raw) for name in read()}
        new, after = self.updates(
            [p.data for p in params],
            grads,
            [{name: state.now for name, state in kept.items()} for kept in entries],
            learning_rates=rates,
            steps=steps,
        )
        for i in moved:
            params[i].data = new[i]
            for name, state in entries[i].items():
                recorder.put(state, after[i][name])
        recorder.commits.append(lambda: (setattr, self, "steps", self.steps + 1 + done))
        taken = [recorder.steps_of((id(self), i), count=False) for i in range(len(params))]
        recorder.commits.append(
            lambda: (operator.setitem, self._counts, slice(None), list(map(operator.add, self._counts, taken)))
        )

    def _state(self, i: int) -> dict[str, Any]:
        """Return the state of a parameter, which begins with its first step."""
        held = self._states if self._away else self._held  # (a compiled step asks for each of them)
        state = held[i]
        if state is None:
            state = held[i] = self.start(self.parameters[i]._data)
        return state

    @property
    def _states(self) -> list[State | None]:
        """The state of each parameter; what compiled steps keep on a device is fetched."""
        if self._away:
            for state in self._held:
                bring_home(state or {})
            self._away = False
        return self._held

    @_states.setter
    def _states(self, new: list[State | None]) -> None:
        self._held, self._away = new, False

    def _entries_of(self, i: int) -> dict[str, Any]:
        """Return the state of a parameter for a compiled step, which may keep arrays on a device in it."""
        if self._held[i] is None:
            self._state(i)
        self._away = True
        return self._held[i]  # type: ignore[return-value]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` is None again."""
        for p in self.parameters:
            p.grad = None

    @property
    def learning_rate(self) -> Rate:
        """The rate, or the schedule, of all groups that have none of their own.

        Raises:
            ValueError: on assignment, if it is negative or not finite, or if every group has its own.
        """
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, new: Rate) -> None:
        new = check_rate(new)
        if all(group.learning_rate is not None for group in self.groups):
            raise ValueError(
                "learning_rate would change nothing: every group has its own. Write "
                "`optimizer.groups[0].learning_rate = …`."
            )
        self._learning_rate = new

    @property
    def weight_decay(self) -> float:
        """The weight decay of all groups that have none of their own."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, new: float) -> None:
        self._weight_decay = check_number("weight_decay", new, 0, math.inf)

    def learning_rates(self, step: Any = None) -> list[Any]:
        """Return the rate of each group at a step; at the next one if left out. With a Value, Values.

        Raises:
            ValueError: if a schedule gives a rate that is negative or not finite.
        """
        step = self.steps + 1 if step is None else step
        rates = []
        for group in self.groups:
            rate: Any = self._learning_rate if group._learning_rate is None else group._learning_rate
            if type(rate) is not float:
                schedule, rate = rate, rate(step)
                if not isinstance(rate, Node):  # a float: an np.float64 would turn single precision into double
                    rate = check_rate(rate, f"{describe_rate(schedule)}({step}), the learning rate of this step,")
            rates.append(rate)
        return rates

    def _why_no_gradient(self) -> str:
        n = len(self.parameters)
        if not any(p.requires_grad for p in self.parameters):
            return f"step() found all {n} parameters frozen (requires_grad=False): unfreeze those that should learn."
        return (
            f"step() found no gradient on any of its {n} parameters. Either backward() was not called since the last "
            "zero_grad(), or it was called on a loss that does not depend on the parameters: they were detached, or "
            "used through .data or float(), or this optimizer was given the parameters of another model.\n"
            "  write:  optimizer.zero_grad(); loss = loss_function(model(x), y); loss.backward(); optimizer.step()"
        )

    # saving

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened: numbers, text and copies of arrays in dicts.

        Schedules are saved as text, for comparison; a `Plateau` with its state.
        """
        return {
            "algorithm": type(self).__name__,
            "steps": self.steps,
            "options": {name: getattr(self, name) for name in ("clip_value", "clip_norm", *self.options)},
            "learning_rate": saved_rate(self._learning_rate),
            "weight_decay": self._weight_decay,
            "groups": [
                {
                    "learning_rate": saved_rate(group.learning_rate),
                    "weight_decay": group.weight_decay,
                    "parameters": len(group.parameters),
                }
                for group in self.groups
            ],
            "parameters": [
                {"name": name, "shape": list(p.shape), "steps": count, "state": copied((count and state) or {})}
                for name, p, state, count in zip(self._names, self.parameters, self._states, self._counts, strict=True)
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was called: with its states, step numbers, learning rates, decays and options.

        A schedule cannot be made from its text, so this optimizer must have been given the same one.

        Raises:
            TypeError: if it is no dict.
            ValueError: if algorithm, groups, shapes or schedules differ, with a list of all differences. Nothing
                changes then.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict wanted a dict made by state_dict(), got {type(state).__name__}.")
        fresh = [self.start(p._data) for p in self.parameters]
        wrong = mismatches(self.state_dict(), state, fresh)
        if wrong:
            raise ValueError(
                f"load_state_dict: the state does not fit this {type(self).__name__}:\n"
                + "\n".join(f"  {line}" for line in wrong)
                + "\nNothing was changed. Make the optimizer with the same algorithm, parameters, groups and schedules."
            )
        self.steps = int(state["steps"])
        for name, value in state["options"].items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)  # JSON has lists only
        self._learning_rate = restored_rate(self._learning_rate, state["learning_rate"])
        self._weight_decay = float(state["weight_decay"])
        for group, saved in zip(self.groups, state["groups"], strict=True):
            group.learning_rate = restored_rate(group.learning_rate, saved["learning_rate"])
            group.weight_decay = saved["weight_decay"]
        self._counts = [int(saved["steps"]) for saved in state["parameters"]]
        self._states = [copied(saved["state"]) if saved["steps"] else None for saved in state["parameters"]]

    def __repr__(self) -> str:
        shown = {"learning_rate": describe_rate(self._learning_rate)}
        shown |= {name: getattr(self, name) for name in self.options}
        if self._weight_decay:
            shown["weight_decay"] = self._weight_decay
        shown |= {name: limit for name in ("clip_value", "clip_norm") if (limit := getattr(self, name)) is not None}
        text = ", ".join(f"{name}={value}" for name, value in shown.items())
        groups = f" in {len(self.groups)} groups" if len(self.groups) > 1 else ""
        return f"{type(self).__name__}({text}; {len(self.parameters)} parameters{groups}, {self.steps} steps)"


# The algorithms. p: parameter, g: gradient, η: learning rate, t: number of the step.


class SGD(Optimizer):
    """Gradient descent: new = old - learning rate · gradient. Stochastic, if the gradient is that of a mini-batch.

    Robbins and Monro, "A stochastic approximation method", 1951, equation 6; the method itself is Cauchy's, 1847. With
    `momentum` and `nesterov` it is what PyTorch's users know by this name: see `Momentum` and `Nesterov`, which are
    the same algorithm with other defaults. Weight decay is L2.

    Args:
        parameters: see `Optimizer`.
        learning_rate: a number or a schedule.
        momentum: the part of the velocity that is kept, in [0, 1).
        nesterov: look ahead along the velocity.
        **shared: weight_decay, clip_value, clip_norm: see `Optimizer`.

    >>> from autograd_nn import Value
    >>> SGD([Value(1.0)], 0.1, momentum=0.9, nesterov=True)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=True; 1 parameters, 0 steps)
    """

    options = ("momentum", "nesterov")

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **shared)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True looks ahead along the velocity, so it wanted a momentum above 0, as 0.9.")

    def start(self, param: Any) -> State:
        """Return a velocity of zero; nothing without momentum."""
        return {"velocity": zeros(param)} if self.momentum else {}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return p - ηg; with momentum μ: v ← μv + g and p - ηv, or p - η(g + μv) if it looks ahead."""
        if not self.momentum:
            return param - learning_rate * grad, state
        velocity = self.momentum * state["velocity"] + grad
        along = grad + self.momentum * velocity if self.nesterov else velocity
        return param - learning_rate * along, {"velocity": velocity}


class Momentum(SGD):
    """The heavy ball: velocity ← momentum · velocity + gradient; new = old - learning rate · velocity.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, equation 9, with the learning
    rate outside of the velocity, as in Sutskever et al., 2013, and PyTorch: so a schedule acts at once. Directions in
    which gradients agree gain speed, up to 1 / (1 - momentum) times; those in which they alternate cancel. Weight
    decay is L2.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.01,
        momentum: float = 0.9,
        nesterov: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, momentum, nesterov, **shared)


class Nesterov(SGD):
    """Nesterov's accelerated gradient: the step is taken from where the velocity will have led.

    Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k²)", 1983, in the form of
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning", 2013,
    equations 3 and 4, in terms of the point that the gradient was taken at: velocity ← momentum · velocity + gradient;
    new = old - learning rate · (gradient + momentum · velocity). Weight decay is L2.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.01,
        momentum: float = 0.9,
        nesterov: bool = True,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, momentum, nesterov, **shared)


class Adagrad(Optimizer):
    """A rate for each number, divided by the root of the sum of its squared gradients: rare features learn faster.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011,
    section 1.1, diagonal form. Rates only ever shrink. Weight decay is L2.

    Args:
        parameters: see `Optimizer`.
        learning_rate: a number or a schedule.
        eps: added to the root, against division by zero.
        **shared: weight_decay, clip_value, clip_norm: see `Optimizer`.
    """

    options = ("eps",)

    def __init__(
        self, parameters: Iterable[Any], learning_rate: Rate = 0.01, eps: float = 1e-10, **shared: Any
    ) -> None:
        super().__init__(parameters, learning_rate, **shared)
        self.eps = check_number("eps", eps, 0, math.inf)

    def start(self, param: Any) -> State:
        """Return a sum of squares of zero."""
        return {"sum_of_squares": zeros(param)}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return s ← s + g² and p - ηg / (√s + ε)."""
        total = state["sum_of_squares"] + grad * grad
        return param - learning_rate * grad / (root(total) + self.eps), {"sum_of_squares": total}


class RMSprop(Optimizer):
    """Adagrad that forgets: the gradient divided by the root of a running mean of its square.

    Hinton, Srivastava and Swersky, "Neural networks for machine learning", lecture 6e, 2012, slide 29. Weight decay is
    L2.

    Args:
        parameters: see `Optimizer`.
        learning_rate: a number or a schedule.
        decay: the part of the running mean that is kept, in [0, 1). PyTorch's default (alpha) is 0.99.
        eps: added to the root, against division by zero.
        **shared: weight_decay, clip_value, clip_norm: see `Optimizer`.
    """

    options = ("decay", "eps")

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.01,
        decay: float = 0.9,
        eps: float = 1e-8,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **shared)
        self.decay = check_number("decay", decay, 0, 1)
        self.eps = check_number("eps", eps, 0, math.inf)

    def start(self, param: Any) -> State:
        """Return a mean square of zero."""
        return {"mean_square": zeros(param)}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return s ← ρs + (1 - ρ) g² and p - ηg / (√s + ε)."""
        mean_square = self.decay * state["mean_square"] + (1 - self.decay) * (grad * grad)
        return param - learning_rate * grad / (root(mean_square) + self.eps), {"mean_square": mean_square}


class Adam(Optimizer):
    """A running mean of the gradient, divided by the root of one of its square; both corrected for their start at zero.

    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1. The first step is of size
    learning_rate for every number, whatever its gradient. Weight decay is L2, and so divided with the gradient: prefer
    `AdamW` for decay.

    Args:
        parameters: see `Optimizer`.
        learning_rate: a number or a schedule.
        betas: β₁ and β₂, the parts of the two running means that are kept, in [0, 1).
        eps: added to the root, against division by zero.
        **shared: weight_decay, clip_value, clip_norm: see `Optimizer`.
    """

    options = ("betas", "eps")

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **shared)
        self.betas = check_betas(betas)
        self.eps = check_number("eps", eps, 0, math.inf)

    def start(self, param: Any) -> State:
        """Return a mean and a mean square of zero."""
        return {"mean": zeros(param), "mean_square": zeros(param)}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return m ← β₁m + (1 - β₁) g, v ← β₂v + (1 - β₂) g² and p - η m̂ / (√v̂ + ε).

        m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ). As at the end of the paper's section 2, both corrections are done on
        scalars; there ε is multiplied by the same root as the rate.
        """
        beta1, beta2 = self.betas
        mean = beta1 * state["mean"] + (1 - beta1) * grad
        mean_square = beta2 * state["mean_square"] + (1 - beta2) * (grad * grad)
        correction = (1 - beta2**step) ** 0.5
        rate = learning_rate * correction / (1 - beta1**step)
        direction = mean / (root(mean_square) + self.eps * correction)
        return param - rate * direction, {"mean": mean, "mean_square": mean_square}


class AdamW(Adam):
    """Adam with decoupled weight decay: new = old - learning rate · (Adam's direction + weight_decay · old).

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2, line 12, where the learning rate
    is written as a product. Without decay it is `Adam`.
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        weight_decay: float = 0.01,
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, betas, eps, weight_decay=weight_decay, **shared)


class Lion(Optimizer):
    """The sign of a mean of gradients: every number moves by exactly the learning rate, with one array of state.

    Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2. Rates are 3 to 10 times smaller
    than Adam's, and decay as much larger. Weight decay is decoupled.

    Args:
        parameters: see `Optimizer`.
        learning_rate: a number or a schedule.
        betas: β₁ for the direction and β₂ for the mean that is kept, in [0, 1).
        **shared: weight_decay, clip_value, clip_norm: see `Optimizer`.
    """

    decoupled = True
    options = ("betas",)

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        **shared: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **shared)
        self.betas = check_betas(betas)

    def start(self, param: Any) -> State:
        """Return a mean of zero."""
        return {"mean": zeros(param)}

    def rule(self, param: Any, grad: Any, state: State, learning_rate: Any, step: Any) -> tuple[Any, State]:
        """Return p - η sign(β₁m + (1 - β₁) g) and m ← β₂m + (1 - β₂) g."""
        beta1, beta2 = self.betas
        direction = np.sign(beta1 * state["mean"] + (1 - beta1) * grad)
        return param - learning_rate * direction, {"mean": beta2 * state["mean"] + (1 - beta2) * grad}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient_descent": SGD,
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "lion": Lion,
}
"""The optimizers by the names under which `fit` and the command line know them."""


def zeros(param: Any) -> Any:
    """Return zeros like a parameter: an array, or a Python float for a Python float."""
    data = param._data if isinstance(param, Node) else param
    return 0.0 if type(data) is float else np.zeros(shape(data), dtype(data))


def root(x: Any) -> Any:
    """Return the square root, whose derivative at 0 is 0 here, so that one can differentiate through a step."""
    if getattr(x, "requires_grad", False):
        zero = x == 0.0
        return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, x)))
    return np.sqrt(x)


def as_before(new: Any, old: Any) -> Any:
    """Return an entry of a state in its old dtype: an np.float64 among options makes double out of single."""
    return new if not isinstance(old, np.ndarray) or dtype(new) == old.dtype else np.asarray(new, old.dtype)


def fitted(new: Any, data: Any, optimizer: Optimizer) -> Any:
    """Give a new parameter the type of the old one."""
    if shape(new) != shape(data):
        raise ValueError(
            f"{type(optimizer).__name__}.rule wanted to return a parameter of shape {shape(data)}, got {shape(new)}."
        )
    if type(data) is float:
        return float(new)
    return np.asarray(new, dtype(data))
