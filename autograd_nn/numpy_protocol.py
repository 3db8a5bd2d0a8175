"""NumPy's protocols: `np.exp(value)` and `np.concatenate([value, array])` work, and record.

Which function stands for which of NumPy's is read from `OPS`, from the compositions beside them in `ops`, and from
`FUNCTIONS`, where the differentiable namespace enters more. Nothing here knows a single op. What is known here is
NumPy: how its signatures are bound, that `np.add.reduce` is a sum, and which arguments make no sense for data that is
never written in place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import ops as _ops
from .graph import Node, describe, modes, shape
from .op import OPS, Op

__all__ = ["FUNCTIONS", "adapt", "apply", "find", "holds_node", "implements", "refusal", "refuse_in_place", "supported"]

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function → the function that takes its place, with NumPy's signature."""

METHODS: dict[tuple[np.ufunc, str], Any] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}
"""Methods of ufuncs that NumPy also has as functions; these differ in the default axis only, which is 0 here."""

SIGNATURES: dict[Any, Callable[..., Any]] = {
    np.concatenate: lambda arrays, axis=0, out=None, *, dtype=None, casting="same_kind": None,
    np.dot: lambda a, b, out=None: None,
    np.inner: lambda a, b: None,
    np.reshape: lambda a, shape, order="C", *, copy=None: None,
    np.vdot: lambda a, b: None,
    np.where: lambda condition, x, y: None,
}
"""Signatures that depend on NumPy's version: those of functions in C, told since 2.4 only, and a new parameter name."""

SYNONYMS = {"correction": "ddof", "newshape": "shape"}
"""The Array API's and an older NumPy's words for parameters."""

IN_PLACE = (np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask)
"""Functions that write into their first argument, which a Value never allows."""

NO_MEANING = ("casting", "order", "subok")
"""Arguments about memory and subclasses. (`reshape` and `ravel` have another `order`, an attribute of the op.)"""

PLAIN = frozenset((bool, int, float))

NO_VALUE: Any = getattr(np, "_NoValue", None)


def compositions() -> dict[Any, Callable[..., Any]]:
    """Collect the public functions beside the ops, made of ops, that are called as functions of NumPy's are."""
    found: dict[Any, Callable[..., Any]] = {}
    for module in map(vars(_ops).__getitem__, _ops.__all__):
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            if inspect.isfunction(function):
                for place in (np, np.linalg, np.fft):
                    numpy_function = getattr(place, name, None)
                    if numpy_function is not None and numpy_function not in IN_PLACE:
                        found[numpy_function] = adapt(function, numpy_function)
    return found


def implements(*numpy_functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function, which has NumPy's signature, in `FUNCTIONS`. None stands for what an older NumPy lacks."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for f in numpy_functions:
            if f is not None:
                FUNCTIONS[f] = function
        return function

    return register


def find(function: Any) -> Callable[..., Any] | None:
    """Return what takes the place of a NumPy function, or None."""
    found = FUNCTIONS.get(function)
    if found is None:
        for op in OPS.values():
            if function in op.numpy:
                found = FUNCTIONS[function] = adapt(op, function)
                break
    return found


def supported() -> set[Any]:
    """Return every NumPy function that takes Values."""
    return {function for op in OPS.values() for function in op.numpy}.union(FUNCTIONS)


def adapt(op: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give an op the signature of a NumPy function: attributes may be positional, and `out` and the like are refused.

    Parameters are matched by name; the first ones are the op's array arguments. A variadic op takes NumPy's sequence
    of arrays as its first argument. The signature is read at the first call: reading hundreds at import takes long.
    Any function whose arrays are positional and whose other parameters are keyword-only will do as an op.
    """
    binding: Binding | None = None

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal binding
        if binding is None:
            binding = Binding(op, function)
        return binding(args, kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = op.__doc__
    return call


class Binding:
    """How the arguments of a NumPy function become operands and attributes of an op."""

    def __init__(self, op: Callable[..., Any], function: Any) -> None:
        read = op if isinstance(op, Op) else Op(op)  # to read the parameters only
        parameters = (
            {} if isinstance(function, np.ufunc) else inspect.signature(SIGNATURES.get(function) or function).parameters
        )
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.op = op
        self.called = name_of(function)
        self.ufunc = isinstance(function, np.ufunc)
        self.count = function.nin if isinstance(function, np.ufunc) else len(read.args)
        self.variadic = read.variadic
        any_number = inspect.Parameter.VAR_POSITIONAL in {p.kind for p in parameters.values()}
        self.sequence = self.variadic and not any_number
        self.each = any_number and not self.variadic  # np.atleast_1d(x, y): one after the other
        self.known = read._attr_names
        self.names = [n for n, p in parameters.items() if p.kind in positional]
        self.defaults = {n: p.default for n, p in parameters.items() if p.default not in (p.empty, NO_VALUE)}
        # NumPy's defaults, where the op has others or none
        self.fixed = {
            n: d
            for n, d in self.defaults.items()
            if n in self.known and (n not in read.defaults or read.defaults[n] != d)
        }

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rest = len(args) - self.count
        if rest >= 0 and not self.variadic and not self.each:  # the usual case, without further questions
            given = dict(zip(self.names[self.count :], args[self.count :], strict=False)) | kwargs if rest else kwargs
            if len(given) == rest + len(kwargs) and self.known.issuperset(given):
                return self.op(*args[: self.count], **self.attributes(given))
        if self.each:
            results = tuple(self.op(x, **kwargs) for x in args)
            return results[0] if len(results) == 1 else results
        arrays, given = self.split(args, dict(kwargs))
        refuse_in_place(self.called, given, self.known)
        for word, ours in SYNONYMS.items():
            if word in given and ours in self.known:
                given[ours] = given.pop(word)
        dtype = given.pop("dtype", None) if "dtype" not in self.known else None
        attrs = self.attributes({n: value for n, value in given.items() if self.wanted(n, value)})
        if dtype is not None:
            arrays = tuple(converted(self.called, a, dtype) for a in arrays)
        return self.op(*arrays, **attrs)

    def attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes of the op: those given, as plain data, and NumPy's defaults where they differ."""
        if not given:
            return self.fixed
        given = {n: value for n, value in given.items() if value is not NO_VALUE}
        if isinstance(self.op, Op):
            given = {n: plain(self.called, n, value) for n, value in given.items()}
        return self.fixed | given

    def split(self, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the operands, and everything else by name."""
        if self.ufunc:
            if len(args) > self.count:
                given["out"] = args[self.count :]
            return args[: self.count], given
        if self.variadic and not self.sequence:
            return args, given
        if len(args) > len(self.names):
            raise TypeError(f"{self.called} takes at most {len(self.names)} positional arguments, got {len(args)}.")
        for n, value in zip(self.names, args, strict=False):
            if n in given:
                raise TypeError(f"{self.called} got {n!r} twice.")
            given[n] = value
        arrays = [given.pop(n) for n in self.names[: self.count] if n in given]
        return tuple(arrays[0]) if self.sequence and arrays else tuple(arrays), given

    def wanted(self, name: str, value: Any) -> bool:
        """Is this argument an attribute of the op? Arguments that say nothing are passed over.

        Raises:
            TypeError: if it would change the result and the op does not know it.
        """
        if name in self.known:
            return True
        if value is None or value is False or value is NO_VALUE or name in NO_MEANING:
            return False
        if type(value) in (bool, str, int) and value == self.defaults.get(name):
            return False
        known = ", ".join(sorted(self.known)) or "none"
        raise TypeError(
            f"{self.called} of a Value does not take {name}={value!r}; keyword arguments it takes: {known}."
        )


def refuse_in_place(called: str, given: dict[str, Any], known: Iterable[str] = ()) -> None:
    """Drop empty `out` and `where`; refuse others.

    Raises:
        TypeError: with what to write instead.
    """
    for n in ("out", "where"):
        if n not in given or n in known:
            continue
        value = given.pop(n)
        if value is None or value is True or value is NO_VALUE:
            continue
        if type(value) is tuple and all(v is None for v in value):
            continue
        raise TypeError(
            f"{called}(…, {n}=…) cannot take a Value: a Value is never written in place, and an array that is "
            f"forgets where its numbers came from. Drop {n}= and use the result (for `a += v` write `a = a + v`); to "
            "replace some elements write x.at[index].set(y) or where(mask, y, x)."
        )


def plain(called: str, name: str, value: Any) -> Any:
    """Return an attribute as plain data: NumPy's integers, arrays and dtypes as Python has them."""
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Node):
        wrong = f"{called}: {name} is no array argument: wanted a plain number or tuple, got {describe(value)}; "
        if modes.current is not None and modes.current.recorder is not None:
            raise TypeError(f"{wrong}it is fixed when a function is compiled: compile(f, static=('{name}',)).")
        raise TypeError(f"{wrong}write {name}=….item().")
    if name == "dtype":
        return np.dtype(value).name
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return tuple(plain(called, name, v) for v in value) if isinstance(value, (list, tuple)) else value


def converted(called: str, x: Any, dtype: Any) -> Any:
    """Return an operand in the dtype that a NumPy function was asked to compute in."""
    wanted = np.dtype(dtype)
    if wanted.kind not in "fc":
        raise TypeError(
            f"{called}(…, dtype={wanted}): {wanted} has no derivative. Leave dtype out, then v.astype({wanted})."
        )
    return OPS["cast"](x, dtype=wanted.name)


def name_of(function: Any) -> str:
    """Return the name under which users know a NumPy function."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def holds_node(arguments: Iterable[Any]) -> bool:
    """Is there a Value among the arguments, or in lists and tuples among them?"""
    for a in arguments:
        if isinstance(a, Node) or (type(a) in (list, tuple) and holds_node(a)):
            return True
    return False


def apply(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply what takes the place of a NumPy function.

    Raises:
        TypeError: if nothing does.
    """
    found = find(function)
    if function in IN_PLACE:
        raise TypeError(
            f"{name_of(function)} writes in place, which cannot be differentiated: write y = x.at[index].set(value), "
            "a new Value."
        )
    if found is None:
        raise refusal(name_of(function), (*args, *kwargs.values()))
    if "out" in kwargs and kwargs["out"] is not None:
        refuse_in_place(name_of(function), kwargs)
    return found(*args, **kwargs)


def array_ufunc(self: Node, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer ``np.exp(value)``, ``array * value``, ``np.add.reduce(value)`` and ``np.multiply.outer(value, array)``."""
    if method == "__call__" and not kwargs and (found := find(ufunc)) is not None:
        return found(*inputs)
    called = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    refuse_in_place(called, kwargs)
    if method == "__call__":
        if find(ufunc) is None and find(getattr(np, ufunc.__name__, None)) is not None:
            ufunc = getattr(np, ufunc.__name__)  # array.clip(value) calls a ufunc behind np.clip
        return apply(ufunc, inputs, kwargs)
    if method == "outer" and find(ufunc) is not None and len(inputs) == 2:
        x, y = inputs
        return apply(ufunc, (np.reshape(x, shape(x) + (1,) * len(shape(y))), y), kwargs)
    if (ufunc, method) in METHODS:
        array, axis, *rest = (*inputs, kwargs.pop("axis", 0))[:2] if len(inputs) < 2 else inputs
        if rest:
            kwargs["dtype"] = rest[0]
        return apply(METHODS[ufunc, method], (array,), {"axis": axis, **kwargs})
    if method == "at":
        raise TypeError(
            f"{called} writes in place, which a Value never allows: write x.at[index].add(y), .multiply, .min, .max "
            "or .set."
        )
    raise refusal(called, inputs)


def array_function(self: Node, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Answer ``np.concatenate([value, array])`` and the rest of NumPy's functions."""
    return apply(function, args, kwargs)


def refusal(called: str, args: Iterable[Any]) -> TypeError:
    """Say that there is no rule for a NumPy function, and how to go on."""
    value = next((x for x in args if isinstance(x, Node)), None)
    what = describe(value) if value is not None else "a Value"
    return TypeError(
        f"{called} has no derivative here, so it cannot take {what}. Write it with functions of autograd_nn.numpy, "
        "add it as an op of your own (autograd_nn.op), or, outside the graph, use v.data or v.detach()."
    )


FUNCTIONS.update(compositions())
