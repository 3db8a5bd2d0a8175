"""What a model is made of, as JSON: classes and constructor arguments. Nothing in it is code, and nothing is executed.

Of functions only the names are kept: activations, initializers, and NumPy's elementwise functions.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .activation import ACTIVATIONS
from .initializer import INITIALIZERS, blank
from .module import Module

__all__ = ["architecture", "from_architecture"]

DEEPEST = 100
"""Modules inside modules; a file with more is no model."""


def architecture(model: Module) -> dict[str, Any]:
    """Return the class and the constructor arguments of a model and its parts, as `json.dumps` takes them.

    Raises:
        TypeError: if an argument cannot be written, such as a function without a name; it says which.

    >>> from autograd_nn import nn
    >>> architecture(nn.Sequential(nn.Linear(2, 1, bias=False), np.tanh))["arguments"]["layers"][1]
    {'function': 'numpy.tanh'}
    """
    return write(model, type(model).__name__)


def write(thing: Any, where: str) -> Any:
    """Turn an argument into JSON."""
    if isinstance(thing, Module):
        arguments = {name: write(kept, f"{where}.{name}") for name, kept in thing.config().items()}
        return {"module": type(thing).__name__, "arguments": arguments}
    if isinstance(thing, np.dtype) or (isinstance(thing, type) and issubclass(thing, np.generic)):
        return {"dtype": np.dtype(thing).name}
    if isinstance(thing, (list, tuple)):
        return [write(item, f"{where}[{i}]") for i, item in enumerate(thing)]
    if isinstance(thing, dict) and all(isinstance(key, str) for key in thing):
        return {"dict": {key: write(item, f"{where}[{key!r}]") for key, item in thing.items()}}
    if isinstance(thing, np.generic):
        return thing.item()
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    for prefix, table in (("", ACTIVATIONS), ("init.", INITIALIZERS)):
        for name, f in table.items():
            if f is thing:
                return {"function": prefix + name}
    if isinstance(thing, np.ufunc) and getattr(np, thing.__name__, None) is thing:
        return {"function": f"numpy.{thing.__name__}"}
    raise TypeError(
        f"the model cannot be saved with {where} = {thing!r:.80}: arguments are numbers, strings, lists, modules, and "
        f"functions by name ({', '.join(ACTIVATIONS)}). Put a function of your own into a Module with a forward."
    )


def from_architecture(description: Any, classes: Iterable[type[Module]] = ()) -> Module:
    """Make a model from its `architecture`, with parameters of zero.

    Args:
        description: what `architecture` returned.
        classes: modules of one's own; those of `autograd_nn.nn` are known.

    Raises:
        ValueError: if it does not describe a model of known classes.
    """
    known = {found.__name__: found for found in (*layers(), *classes)}
    if not isinstance(description, dict) or "module" not in description:
        raise ValueError("this describes no model: wanted {'module': …, 'arguments': …} at the top.")
    with blank():
        return read(description, known, 0)


def layers() -> list[type[Module]]:
    """Return the modules that `autograd_nn.nn` exports."""
    package = sys.modules[Module.__module__.rpartition(".")[0]]
    found = (getattr(package, name, None) for name in package.__all__)
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, Module)]


def read(thing: Any, known: dict[str, type[Module]], depth: int) -> Any:
    """Turn JSON into an argument."""
    if depth > DEEPEST:
        raise ValueError(f"this describes no model: modules more than {DEEPEST} deep.")
    if isinstance(thing, list):
        return [read(item, known, depth + 1) for item in thing]
    if not isinstance(thing, dict):
        return thing
    match thing:
        case {"module": str(name), "arguments": dict(arguments)} if len(thing) == 2:
            return make(name, {key: read(item, known, depth + 1) for key, item in arguments.items()}, known)
        case {"dtype": str(name)} if name in ("float16", "float32", "float64"):
            return np.dtype(name)
        case {"dict": dict(items)}:
            return {key: read(item, known, depth + 1) for key, item in items.items()}
        case {"function": str(name)}:
            return function(name)
    raise ValueError(f"this describes no model: {str(thing)[:80]} is no module, dtype, dict or function.")


def function(name: str) -> Any:
    """Find a function by the name under which it was written."""
    prefix, _, last = name.rpartition(".")
    table: Any = {"": ACTIVATIONS, "init": INITIALIZERS}.get(prefix)
    found = table.get(last) if table is not None else getattr(np, last, None) if prefix == "numpy" else None
    if found is None or (prefix == "numpy" and not isinstance(found, np.ufunc)):
        raise ValueError(f"this describes no model: there is no function {name!r:.80}.")
    return found


def make(name: str, arguments: dict[str, Any], known: dict[str, type[Module]]) -> Module:
    """Call a class of modules with its arguments."""
    if name not in known:
        raise ValueError(
            f"the model has a part of class {name!r:.80}, which is not one of autograd_nn.nn: if it is yours and you "
            f"trust the file, pass classes=[{name:.40}]."
        )
    signature = inspect.signature(known[name])
    positional: list[Any] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL and isinstance(arguments.get(parameter.name), list):
            positional = arguments.pop(parameter.name)
    try:
        signature.bind(*positional, **arguments)
        return known[name](*positional, **arguments)
    except (TypeError, ValueError, MemoryError, OverflowError) as error:
        raise ValueError(f"the arguments of {name} do not fit: {error}") from error
