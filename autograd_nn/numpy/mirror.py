"""How a module of NumPy is mirrored: the same names, the same signatures, and Values welcome.

Nothing is listed by hand. A function that an op or a composition stands in for is found through
`autograd_nn.numpy_protocol`; every other function of NumPy is there for plain arrays and refuses Values.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from ..numpy_protocol import FUNCTIONS, apply, holds_node, supported
from ..op import OPS, PYTHON_NUMBERS

__all__ = ["Mirror", "differentiable"]


def differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function that also takes Values: arrays in, array out; any Value in, Value out.

    Plain arrays go to NumPy itself, with all its arguments. Python numbers alone give a Python number, which does not
    turn float32 into float64 later on.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        if holds_node(args) or (kwargs and holds_node(kwargs.values())):
            return apply(function, args, kwargs)
        out = function(*args, **kwargs)
        if isinstance(out, np.generic) and not kwargs and all(type(a) in PYTHON_NUMBERS for a in args):
            return out.item()
        return out

    functools.update_wrapper(call, function, assigned=("__name__", "__qualname__"), updated=())
    call.__doc__ = documentation(function)
    if isinstance(function, np.ufunc):
        vars(call).update(
            {method: getattr(function, method) for method in ("accumulate", "at", "outer", "reduce", "reduceat")}
        )
    return call


def documentation(function: Any) -> str:
    """Return what the op or the composition that stands in says of itself; NumPy's words if nothing stands in."""
    found = FUNCTIONS.get(function)
    described = found or next((op for op in OPS.values() if function in op.numpy), None)
    if described is None:
        return function.__doc__ or ""
    return f"{described.__doc__}\n\nArguments as for NumPy's function of this name."


class Mirror:
    """The names of a NumPy module, as a namespace of ours offers them.

    Args:
        source: NumPy's module.
        here: the globals of our module, which has functions of its own and keeps what was looked up.
        constants: names of NumPy's that are passed on as they are.
    """

    def __init__(self, source: ModuleType, here: dict[str, Any], constants: Iterable[str] = ()) -> None:
        self.source = source
        self.here = here
        self.constants = tuple(constants)

    def names(self) -> list[str]:
        """Return what is public: functions that take Values, constants, and what our module adds."""
        known = supported()
        functions = [n for n, f in vars(self.source).items() if n[0] != "_" and callable(f) and f in known]
        return sorted({*functions, *self.constants})

    def get(self, name: str) -> Any:
        """Return what NumPy has under a name, ready for Values; for a module's `__getattr__`.

        Raises:
            AttributeError: with the nearest names that exist.
        """
        if name.startswith("__") or not hasattr(self.source, name):
            raise AttributeError(self.missing(name))
        thing = getattr(self.source, name)
        if callable(thing) and not isinstance(thing, type):
            thing = differentiable(thing)
        self.here[name] = thing
        return thing

    def missing(self, name: str) -> str:
        """Say that there is no such name, and which are near."""
        module = self.here["__name__"]
        near = difflib.get_close_matches(name, self.here["__dir__"](), n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        return f"module {module!r} has no attribute {name!r}; neither has NumPy.{hint}"
