"""What every export begins with: the model as it predicts, and inputs in the dtype that it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..graph import mode
from ..nn.module import Module
from ..value import Value

__all__ = ["module_of", "predicting", "suiting"]


def module_of(model: Any) -> Module | None:
    """Return the module that a model is, or is a method of."""
    owner = getattr(model, "__self__", model)
    return owner if isinstance(owner, Module) else None


@contextmanager
def predicting(model: Any) -> Iterator[None]:
    """Let a module predict, with its recurrences unrolled, and record it; then put every part back as it was."""
    module = module_of(model)
    changed = {"training": False, "scan": False}
    before: list[tuple[Module, dict[str, Any]]] = []
    for part in module.modules() if module is not None else ():
        before.append((part, {name: vars(part).get(name) for name in changed}))
        part.training = False
        if vars(part).get("scan") is True:
            vars(part)["scan"] = False
    try:
        with mode(recording=True):
            yield
    finally:
        for part, kept in before:
            for name, setting in kept.items():
                if setting is not None:
                    vars(part)[name] = setting
                elif name == "training":
                    vars(part).pop(name, None)  # it was the class's


def suiting(model: Callable[[Any], Any], examples: np.ndarray) -> np.ndarray:
    """Return examples in the dtype that the model wants: that of its parameters; integers stay if it refuses floats.

    Raises:
        TypeError: if they hold no real numbers, or the model takes them in neither form.
    """
    if examples.dtype.kind not in "biuf":
        raise TypeError(f"an export wanted examples of real numbers, got dtype {examples.dtype}.")
    module = module_of(model)
    parameters = module.parameters() if module is not None else []
    kind = getattr(module, "dtype", None) or (parameters[0].dtype if parameters else None)
    if kind is None or examples.dtype == kind:
        return examples
    floats = examples.astype(kind)
    if examples.dtype.kind == "f":
        return floats
    try:
        model(Value(floats[:1], dtype=kind))
    except TypeError:  # such as an embedding, which takes integers only
        return examples
    return floats
