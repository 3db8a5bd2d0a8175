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

SMALL = 65_536
"""Sizes up to this are tried whatever the number of parameters: windows of pooling, lengths of positional encodings."""
DEEPEST = 200
"""Modules and lists inside each other: a hundred times Sequential in Sequential; a file with more is no model."""


def architecture(model: Module) -> dict[str, Any]:
    """Return the class and the constructor arguments of a model and its parts, as `json.dumps` takes them.

    A module that stands at several places is written once; the other places say ``{"again": number}``, the number of
    the module in the order in which they are finished, parts first.

    Raises:
        TypeError: if an argument cannot be written, such as a function without a name; it says which.

    >>> from autograd_nn import nn
    >>> architecture(nn.Sequential(nn.Linear(2, 1, bias=False), np.tanh))["arguments"]["layers"][1]
    {'function': 'numpy.tanh'}
    """
    return write(model, (type(model).__name__,), {})


def write(thing: Any, at: tuple[str, ...], numbers: dict[int, int | None]) -> Any:
    """Turn an argument into JSON.

    Args:
        thing: the argument.
        at: how it is reached, piece by piece.
        numbers: of the modules that are written, by id; None while one is being written.
    """
    if len(at) > DEEPEST:
        raise TypeError(f"the model cannot be saved: parts of parts, more than {DEEPEST} deep.")
    if isinstance(thing, Module):
        return write_module(thing, at, numbers)
    if isinstance(thing, np.dtype) or (isinstance(thing, type) and issubclass(thing, np.generic)):
        return {"dtype": np.dtype(thing).name}
    if isinstance(thing, (list, tuple)):
        return [write(item, (*at, f"[{i}]"), numbers) for i, item in enumerate(thing)]
    if isinstance(thing, dict) and all(isinstance(key, str) for key in thing):
        return {"dict": {key: write(item, (*at, f"[{key!r}]"), numbers) for key, item in thing.items()}}
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
        f"the model cannot be saved with {''.join(at)} = {thing!r:.80}: arguments are numbers, texts, lists, modules, "
        f"and functions by name ({', '.join(ACTIVATIONS)}). Put a function of your own into a Module with a forward."
    )


def write_module(module: Module, at: tuple[str, ...], numbers: dict[int, int | None]) -> dict[str, Any]:
    """Write a class and its arguments, or which module it is if it has been written.

    Raises:
        TypeError: if it is inside of itself, or its class could be taken for another one.
    """
    name = type(module).__name__
    if id(module) in numbers:
        if numbers[id(module)] is None:
            raise TypeError(f"the model cannot be saved: {''.join(at)} is a part of itself.")
        return {"again": numbers[id(module)]}
    if any(cls.__name__ == name and cls is not type(module) for cls in layers()):
        raise TypeError(
            f"the model cannot be saved: {''.join(at)} is of a class {name} of your own, and autograd_nn.nn has "
            "another one of that name. Rename yours."
        )
    numbers[id(module)] = None
    arguments = {key: write(kept, (*at, f".{key}"), numbers) for key, kept in module.config().items()}
    numbers[id(module)] = sum(number is not None for number in numbers.values())
    return {"module": name, "arguments": arguments}


def from_architecture(description: Any, classes: Iterable[type[Module]] = (), *, numbers: int | None = None) -> Module:
    """Make a model from its `architecture`, with parameters of zero.

    Args:
        description: what `architecture` returned.
        classes: modules of one's own; those of `autograd_nn.nn` are known.
        numbers: how many its parameters hold, if that is known: a forged size that is larger is refused before anything
            of that size is made.

    Raises:
        ValueError: if it does not describe a model of known classes.
    """
    if numbers is not None:
        check_sizes(description, max(numbers, SMALL))
    known = {found.__name__: found for found in (*layers(), *classes)}
    if not isinstance(description, dict) or "module" not in description:
        raise ValueError("this describes no model: wanted {'module': …, 'arguments': …} at the top.")
    with blank():
        return read(description, known, 0, [])


def check_sizes(description: Any, limit: int) -> None:
    """Refuse integers that no layer with so many numbers can have as a size."""
    stack = [description]
    while stack:
        thing = stack.pop()
        if isinstance(thing, dict):
            stack.extend(thing.values())
        elif isinstance(thing, list):
            stack.extend(thing)
        elif isinstance(thing, int) and abs(thing) > limit:
            raise ValueError(
                f"this describes no model of these weights: a size of {thing}, with at most {limit} numbers."
            )


def layers() -> list[type[Module]]:
    """Return the modules that `autograd_nn.nn` exports."""
    package = sys.modules[Module.__module__.rpartition(".")[0]]
    found = (getattr(package, name, None) for name in package.__all__)
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, Module)]


def read(thing: Any, known: dict[str, type[Module]], depth: int, made: list[Module]) -> Any:
    """Turn JSON into an argument; `made` are the modules so far."""
    if depth > DEEPEST:
        raise ValueError(f"this describes no model: parts of parts, more than {DEEPEST} deep.")
    if isinstance(thing, list):
        return [read(item, known, depth + 1, made) for item in thing]
    if not isinstance(thing, dict):
        return thing
    match thing:
        case {"module": str(name), "arguments": dict(arguments)} if len(thing) == 2:
            module = make(name, {key: read(item, known, depth + 1, made) for key, item in arguments.items()}, known)
            made.append(module)
            return module
        case {"again": int(number)} if len(thing) == 1 and 0 <= number < len(made):
            return made[number]
        case {"dtype": str(name)} if name in ("float16", "float32", "float64"):
            return np.dtype(name)
        case {"dict": dict(items)}:
            return {key: read(item, known, depth + 1, made) for key, item in items.items()}
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
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise ValueError(f"the arguments of {name} do not fit: {error}") from error
