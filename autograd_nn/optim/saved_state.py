"""What an optimizer saves, and whether it fits another one: every difference by name, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import dtype, shape
from .schedule import check_rate, describe_rate

__all__ = ["compare_rates", "compare_states", "copied", "mismatches", "restored_rate", "saved_rate"]

State = dict[str, Any]


def mismatches(mine: Mapping[str, Any], state: Mapping[str, Any], fresh: Sequence[State]) -> list[str]:
    """List everything in a saved state that does not fit an optimizer.

    Args:
        mine: the optimizer's own `state_dict()`.
        state: the saved one.
        fresh: the state that each parameter of the optimizer starts with.
    """
    if missing := sorted(set(mine) - set(state)):
        return [f"the entries {', '.join(missing)} are missing"]
    wrong = []
    if unknown := sorted(set(state) - set(mine)):
        wrong.append(f"the entries {', '.join(map(str, unknown))} are unknown")
    if state["algorithm"] != mine["algorithm"]:
        return [*wrong, f"algorithm: wanted {mine['algorithm']}, got {state['algorithm']}"]
    if set(state["options"]) != set(mine["options"]):
        wrong.append(f"options: wanted {sorted(mine['options'])}, got {sorted(state['options'])}")
    wrong += compare_rates("learning_rate", mine["learning_rate"], state["learning_rate"])
    wanted, came = ([group["parameters"] for group in s["groups"]] for s in (mine, state))
    if wanted != came:
        return [*wrong, f"groups: wanted {wanted} parameters, got {came}"]
    for i, (ours, theirs) in enumerate(zip(mine["groups"], state["groups"], strict=True)):
        wrong += compare_rates(f"groups[{i}].learning_rate", ours["learning_rate"], theirs["learning_rate"])
    if len(mine["parameters"]) != len(state["parameters"]):
        return [*wrong, f"parameters: wanted {len(mine['parameters'])}, got {len(state['parameters'])}"]
    for start, ours, theirs in zip(fresh, mine["parameters"], state["parameters"], strict=True):
        what = f"parameter {ours['name']}"
        if ours["name"] != theirs["name"]:
            what += f" (saved as {theirs['name']})"
        if list(theirs["shape"]) != ours["shape"]:
            wrong.append(f"{what}: wanted shape {tuple(ours['shape'])}, got {tuple(theirs['shape'])}")
        elif theirs["steps"]:
            wrong += [f"{what}: {line}" for line in compare_states(start, theirs["state"])]
    return wrong


def compare_rates(what: str, ours: Any, theirs: Any) -> list[str]:
    """Say what keeps a saved rate from being restored; numbers are simply taken over."""
    schedules = [rate["schedule"] if isinstance(rate, Mapping) else None for rate in (ours, theirs)]
    if schedules[0] != schedules[1]:
        shown = [rate["schedule"] if isinstance(rate, Mapping) else rate for rate in (ours, theirs)]
        return [f"{what}: wanted {shown[0]}, got {shown[1]}"]
    if schedules[0] is None and theirs is not None:
        try:
            check_rate(theirs, what)
        except (TypeError, ValueError) as error:
            return [str(error)]
    return []


def compare_states(ours: State, theirs: Mapping[str, Any]) -> list[str]:
    """Say what keeps the saved state of a parameter from being restored."""
    if set(ours) != set(theirs):
        return [f"state wanted {sorted(ours)}, got {sorted(theirs)}"]
    wrong = []
    for key, x in ours.items():
        if shape(theirs[key]) != shape(x):
            wrong.append(f"{key} wanted shape {shape(x)}, got {shape(theirs[key])}")
        elif dtype(theirs[key]) != dtype(x):
            wrong.append(f"{key} wanted dtype {dtype(x)}, got {dtype(theirs[key])}")
    return wrong


def copied(state: Mapping[str, Any]) -> State:
    """Return a state with arrays of its own."""
    return {key: np.array(x) if isinstance(x, (np.ndarray, np.generic)) else x for key, x in state.items()}


def saved_rate(rate: Any) -> Any:
    """Return what is saved of a rate: a number, or the text of a schedule, with the state of one that has any."""
    if not callable(rate):
        return rate
    saved: dict[str, Any] = {"schedule": describe_rate(rate)}
    state_dict = getattr(rate, "state_dict", None)
    if callable(state_dict):
        saved["state"] = state_dict()
    return saved


def restored_rate(rate: Any, saved: Any) -> Any:
    """Return the rate to continue with."""
    if not isinstance(saved, Mapping):
        return saved
    if "state" in saved:
        rate.load_state_dict(saved["state"])
    return rate
