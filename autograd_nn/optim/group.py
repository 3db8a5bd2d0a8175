"""The parameters of an optimizer in groups, checked; and the checks of the numbers that optimizers take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import Node, describe
from ..value import Value
from .schedule import check_rate, describe_rate

__all__ = ["Group", "check_betas", "check_number", "check_parameter", "make_groups"]

Rate = float | Callable[[Any], Any]


class Group:
    """Parameters that share a learning rate and a weight decay.

    Attributes:
        parameters: the leaves.
        learning_rate: their own rate or schedule; None: that of the optimizer.
        weight_decay: their own decay; None: that of the optimizer.
    """

    def __init__(
        self, parameters: Sequence[Value], learning_rate: Rate | None = None, weight_decay: float | None = None
    ) -> None:
        self.parameters = tuple(parameters)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    @property
    def learning_rate(self) -> Rate | None:
        """The group's own rate or schedule; None: that of the optimizer."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, new: Any) -> None:
        self._learning_rate = None if new is None else check_rate(new)

    @property
    def weight_decay(self) -> float | None:
        """The group's own decay; None: that of the optimizer."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, new: Any) -> None:
        self._weight_decay = None if new is None else check_number("weight_decay", new, 0, math.inf)

    def __repr__(self) -> str:
        own = [f"{len(self.parameters)} parameters"]
        if self.learning_rate is not None:
            own.append(f"learning_rate={describe_rate(self.learning_rate)}")
        if self.weight_decay is not None:
            own.append(f"weight_decay={self.weight_decay}")
        return f"Group({', '.join(own)})"


def make_groups(what: str, parameters: Any) -> tuple[list[Group], list[str]]:
    """Return checked groups, and a name for each parameter in them."""
    if callable(getattr(parameters, "parameters", None)):
        raise TypeError(f"{what} wanted parameters, got a {type(parameters).__name__}: write model.parameters().")
    if isinstance(parameters, (Node, Mapping)) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"{what} wanted a list of parameters or of groups, got {type(parameters).__name__}: write [parameter], or "
            '[{"parameters": [...], "learning_rate": 0.1}].'
        )
    given = list(parameters)
    if not given:
        raise ValueError(
            f"{what} wanted at least one parameter, got none. Does the model keep them as attributes? A generator "
            "gives its items once only: write list(…)."
        )
    are_groups = isinstance(given[0], Mapping)
    entries: list[Any] = given if are_groups else [{"parameters": given}]
    groups: list[Group] = []
    names: list[str] = []
    for i, entry in enumerate(entries):
        where = f"group {i}: " if are_groups else ""
        if not isinstance(entry, Mapping) or "parameters" not in entry:
            raise TypeError(f'{what}: {where}wanted a dict with the key "parameters", got {entry!r:.80}.')
        if unknown := set(entry) - {"parameters", "learning_rate", "weight_decay"}:
            raise ValueError(
                f"{what}: {where}wanted the keys parameters, learning_rate and weight_decay, got {sorted(unknown)}. "
                "What differs otherwise wants an optimizer of its own."
            )
        inside: Any = entry["parameters"]
        inside = [inside] if isinstance(inside, Node) else list(inside)
        if not inside:
            raise ValueError(f"{what}: {where}wanted at least one parameter, got none.")
        members: list[Value] = []
        for item in inside:
            pair: Any = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
            name, p = pair
            check_parameter(p, f"{what}: {where}parameter {name or len(names)}")
            names.append(str(name or p.name or len(names)))
            members.append(p)
        groups.append(Group(members, entry.get("learning_rate"), entry.get("weight_decay")))
    seen: dict[int, str] = {}
    for p, name in zip((p for group in groups for p in group.parameters), names, strict=True):
        if id(p) in seen:
            raise ValueError(
                f"{what}: {describe(p)} comes twice, as parameter {seen[id(p)]} and as {name}: it would move twice in "
                "each step. List it once."
            )
        seen[id(p)] = name
    return groups, names


def check_parameter(p: Any, what: str) -> None:
    """Raise unless p is a leaf Value of real numbers."""
    if not isinstance(p, Value):
        raise TypeError(
            f"{what} wanted a Value, got {type(p).__name__} {p!r:.50}. Only Values have gradients: make it one once, "
            "w = Value(array), and use w in the model."
        )
    if not p.is_leaf:
        raise ValueError(
            f"{what} wanted a leaf, got {describe(p)}: a step would not change what it is computed from. "
            "Pass the leaves that it is computed from, or start a new leaf: Value(v.data)."
        )
    if p.dtype.kind == "c":
        raise TypeError(f"{what} wanted real numbers, got {p.dtype}: use two parameters, for real and imaginary part.")


def check_number(what: str, number: Any, low: float, high: float) -> float:
    """Return a number in [low, high) as a float, or raise."""
    if isinstance(number, (int, float, np.number)) and low <= float(number) < high:
        return float(number)
    limit = "a finite number that is not negative" if high == math.inf else f"a number in [{low}, {high})"
    raise ValueError(f"{what} wanted {limit}, got {number!r}.")


def check_betas(betas: Any) -> tuple[float, float]:
    """Return a pair of numbers in [0, 1), or raise."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas wanted two numbers, as (0.9, 0.999), got {betas!r}.")
    return check_number("betas[0]", betas[0], 0, 1), check_number("betas[1]", betas[1], 0, 1)
