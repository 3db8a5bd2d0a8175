"""To JAX and from it: a function or model as a plain function of JAX, its StableHLO text, and arrays without copies.

f = to_jax(model)
jax.jit(f)(f.parameters, x)
jax.grad(lambda p: loss(f(p, x), y))(f.parameters)
"""

from __future__ import annotations

import contextlib
import enum
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nested
from ..compiler.device import held, is_device_array, send_away
from ..compiler.mesh import jax_package
from ..compiler.passes import simplify
from ..compiler.program import Program
from ..compiler.recorder import RecordedArray, Recorder
from ..compiler.xla_ops import package
from ..compiler.xla_plan import double_precision, refuse_missing, traced
from ..graph import Node, mode
from ..value import Value
from .record import module_of, predicting

__all__ = ["JaxFunction", "as_jax", "from_jax", "to_jax", "to_stablehlo"]


def to_jax(f: Callable[..., Any]) -> JaxFunction:
    """Return a plain, pure function of JAX that computes what `f` computes: for `jax.jit`, `jax.grad`, `jax.vmap`.

    Args:
        f: a module, which predicts (dropout is off): the function takes its parameters first, as a dict of arrays by
            path, which ``.parameters`` returns as they are now. Or a function of arrays; what it uses without being
            given it is a constant. Arguments may be given by name. None, texts, True and False, dtypes and functions
            are no arrays: they are fixed when the function is recorded, anew for each that comes; ``jax.jit`` takes
            them where its ``static_argnames`` names them.

    Raises:
        ImportError: if JAX is not installed.
        TypeError: if `f` is no function; and, when it is called, if it assigns to something or draws random numbers:
            a pure function returns what it computes, and is given what it needs.
        NotImplementedError: when it is called, for an op that has no form in JAX.

    It computes in the dtypes that it is given: single precision, unless JAX was told otherwise.
    """
    jax_package("to_jax")
    if not callable(f):
        raise TypeError(
            f"to_jax wanted a function or a module, got {type(f).__name__}: write to_jax(f), not to_jax(f(x))."
        )
    return JaxFunction(f)


class JaxFunction:
    """A pure function on arrays of JAX; made by `to_jax`. It is recorded once for each kind of arguments.

    Args:
        f: the function, or module.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.function, self.module = f, module_of(f)
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        if self.module is None:
            with contextlib.suppress(TypeError, ValueError):  # functions of C may have none
                self.__signature__ = inspect.signature(f)
        self._recordings: dict[Any, tuple[Program, list[str], Any, list[Any]]] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters and buffers of the module, by path, as arrays of JAX; an empty dict for a function."""
        jax = package()
        with double_precision(jax):
            leaves = self.module.state_leaves() if self.module is not None else {}
            return {path: jax.numpy.array(held(leaf)) for path, leaf in leaves.items()}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Compute; of a module with its parameters first."""
        given: dict[str, Any] = {}
        if self.module is not None:
            if not args or not isinstance(args[0], dict):
                came = type(args[0]).__name__ if args else "nothing"
                raise TypeError(f"{self.__name__}: wanted the parameters first, f(f.parameters, x); got {came}.")
            given, args = args[0], args[1:]
        leaves, structure = nested.flatten((args, keywords), none_is_leaf=True)
        leaves = [x._data if isinstance(x, Node) else x for x in leaves]
        kinds = tuple(map(self._kind, leaves))
        if (structure, kinds) not in self._recordings:
            self._recordings[structure, kinds] = self._record(leaves, structure)
        program, names, result, constants = self._recordings[structure, kinds]
        if missing := [name for name in names if name and name not in given]:
            raise TypeError(f"{self.__name__}: the parameters lack {missing[0]!r}; f.parameters has all of them.")
        states = [given[name] if name else constant for name, constant in zip(names, constants, strict=True)]
        used = [[i for i, v in enumerate(part) if v is not None] for part in (program.arguments, program.states, [])]
        leaves = [x for x in leaves if not isinstance(x, FIXED)]
        outputs, _, _ = traced(program, [leaves[i] for i in used[0]], [states[i] for i in used[1]], [], used)
        computed = iter(outputs)
        return nested.unflatten(result[0], [next(computed) if c is None else c for c in result[1]])

    def _kind(self, x: Any) -> Any:
        """Return what has to be the same for a recording to fit an argument."""
        if isinstance(x, FIXED):
            return type(x), x
        if isinstance(x, NUMBERS):
            return type(x)
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(
                f"{self.__name__}: wanted arrays, numbers, and None, texts, True or False, dtypes or functions, which "
                f"are fixed; got {type(x).__name__}. Let the function use it without being given it, as in "
                "to_jax(lambda x: f(x, it))."
            )
        return np.shape(x), str(x.dtype)

    def _record(self, leaves: list[Any], structure: Any) -> tuple[Program, list[str], Any, list[Any]]:
        """Return the program, for each state its path or "", how results are put together, and the states' data."""
        recorder = Recorder()
        given = [x if isinstance(x, FIXED) else RecordedArray.leaf(example(x)) for x in leaves]
        examples = [x for x in given if isinstance(x, RecordedArray)]
        quiet = np.errstate(all="ignore")
        with predicting(self.function), mode(recorder=recorder, observer=None, trace=0, since=0), quiet:
            args, keywords = nested.unflatten(structure, given)
            result = self.function(*args, **keywords)
            results, shape = nested.flatten(result, none_is_leaf=True)
            results = [recorder.now(y) if isinstance(y, Node) else y for y in results]
        computed: list[Node] = [y for y in results if isinstance(y, Node)]
        if recorder.assigned or recorder.commits:
            raise TypeError(
                f"to_jax: {self.__name__} assigns to something, and a pure function does not: return the new value. A "
                "training step in JAX is jax.grad of to_jax(model), and an update of the parameters that it is given."
            )
        if recorder.hosts:
            raise TypeError(
                f"to_jax: {self.__name__} draws random numbers, or reads some that Python computes at each call: pass "
                "them as arguments."
            )
        paths = {} if self.module is None else {leaf: path for path, leaf in self.module.state_leaves().items()}
        states = list(recorder.states.values())
        program = Program(list[Node](examples), [s.node for s in states], [], computed, [], [])
        simplify(program)
        refuse_missing(program)
        names = [paths.get(state.leaf, "") for state in states]
        constants = [None if name else np.array(state.read()) for name, state in zip(names, states, strict=True)]
        fixed = [None if isinstance(y, Node) else y for y in results]
        return program, names, (shape, fixed), constants

    def __repr__(self) -> str:
        return f"to_jax({self.__name__})"


NUMBERS = (int, float, complex)
FIXED = (
    type(None),
    bool,
    str,
    bytes,
    type,
    np.dtype,
    enum.Enum,
    types.FunctionType,
    types.BuiltinFunctionType,
    np.ufunc,
)
"""What is no array, and is part of a recording."""


def example(x: Any) -> Any:
    """Return something like an argument to record with: numbers as they are, ones for arrays."""
    return x if isinstance(x, NUMBERS) else np.ones(np.shape(x), str(x.dtype))


def to_stablehlo(f: Callable[..., Any], *examples: Any) -> str:
    """Return the StableHLO text of a function or model, the portable form that XLA and other compilers read.

    Args:
        f: as for `to_jax`; a model's parameters become arguments, in the order of their names.
        *examples: arrays (or `jax.ShapeDtypeStruct`) of the shapes and dtypes that it is for.

    Raises:
        ImportError, TypeError, NotImplementedError: as `to_jax`.
    """
    jax, made = jax_package("to_stablehlo"), to_jax(f)
    with double_precision(jax):
        first = () if made.module is None else (made.parameters,)
        return jax.jit(made.__call__).lower(*first, *examples).as_text()


def as_jax(x: Any) -> Any:
    """Return the data of a Value, or an array, as an array of JAX; without a copy where that is possible.

    Data that a compiled step keeps on a device are returned as they are. Those of NumPy are shared on the CPU, if they
    lie as XLA wants them (in C order, at a multiple of 64 bytes), and copied to other devices.

    Raises:
        ImportError: if JAX is not installed.
        TypeError: for `numpy.longdouble`, which JAX does not have.
    """
    jax = jax_package("as_jax")
    data = held(x) if isinstance(x, Node) else x
    if is_device_array(data):
        return data
    with double_precision(jax):
        if isinstance(data, np.ndarray):
            if data.dtype.char in "gG":
                raise TypeError(f"as_jax: JAX has no {data.dtype}: write x.astype(float), or x.astype(complex).")
            whole = data.flags.c_contiguous and data.flags.aligned and data.dtype.isnative
            if whole and data.flags.writeable and jax.default_backend() == "cpu":
                return jax.numpy.from_dlpack(data)
            data = np.ascontiguousarray(data, data.dtype.newbyteorder("=")).reshape(data.shape)
        return jax.numpy.array(data)


def from_jax(array: Any, *, requires_grad: bool = True, name: str | None = None) -> Value:
    """Return a Value whose data are an array of JAX, which stays where it is until somebody looks.

    Raises:
        TypeError: if it is none, or holds no numbers that NumPy has.
    """
    if not is_device_array(array):
        raise TypeError(f"from_jax wanted an array of JAX, got {type(array).__name__}: write Value(x).")
    if np.dtype(array.dtype).kind not in "biufc":
        raise TypeError(f"from_jax wanted numbers that NumPy has, got {array.dtype}: write array.astype('float32').")
    if requires_grad and np.dtype(array.dtype).kind not in "fc":
        raise TypeError(f"from_jax: {array.dtype} has no derivatives: write from_jax(array, requires_grad=False).")
    made = Value.leaf(None, requires_grad=requires_grad, name=name)
    send_away(made, array)
    return made
