"""`compile`: a function is recorded once for each kind of arguments, and from then on its plan is run."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import math
import operator
import os
import sys
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from operator import call
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from .. import nested
from ..closure import FunctionOp
from ..graph import Graph, Node, all_or_nothing, clock, mode, modes, put_back
from ..op import UNMASK
from ..value import Value
from .crew import as_a_whole
from .device import DeviceState
from .mesh import Mesh, MeshError
from .native_plan import NativePlan, fits_native
from .numpy_plan import NumpyPlan
from .passes import simplify
from .program import Instruction, Program
from .quick import FAILED, MISS, Names, quick_call, states_of
from .recorder import Recorded, RecordedArray, Recorder, attention
from .tape import TapePlan, fits_tape
from .xla_plan import XlaPlan

__all__ = ["BACKENDS", "CompileWarning", "Compiled", "compile"]

MOST = 16
"""Recordings that one compiled function keeps; the one that was not used for longest makes room."""
OF_KIND = 4
"""Of these, recordings for the same kinds of arguments, such as one for training and one for prediction."""
WARN_AT = 8
QUICKENS = 100
"""How often the call of a recording is written out anew at most."""

writing = threading.RLock()
"""Held by calls that assign to something: two of them, which may share it, take turns."""
functions: weakref.WeakSet[Compiled] = weakref.WeakSet()


def after_fork() -> None:
    """In a child: release what this thread took before; other threads, which may have been recording, are gone."""
    writing.release()
    for compiled in list(functions):
        compiled._lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # and no other thread is in the middle of assigning
    os.register_at_fork(before=writing.acquire, after_in_parent=writing.release, after_in_child=after_fork)


class CompileWarning(UserWarning):
    """A compiled function does more than it needs to."""


def compile(
    f: Callable[..., Any] | None = None,
    *,
    static: str | Sequence[str] = (),
    backend: str = "auto",
    threads: int | None = None,
) -> Any:
    """Return a function that does what `f` does, faster: it is recorded once, and then runs as a plan.

    It is recorded anew for other shapes, dtypes or static arguments. Numbers passed as arguments are read at each call,
    and so are the data of Values that `f` uses without being given them, such as a model's parameters. What `f` assigns
    (`p.data = …`, `optimizer.step()`, running statistics) is assigned at each call, all at the end: a call that raises,
    or is interrupted, has changed nothing. Parameters are updated in their own arrays. Gradients of parameters are not
    kept: return those that you want.

    Args:
        f: takes and returns nested tuples, lists and dicts of arrays, numbers and Values; other arguments are static.
        static: names of arguments that are fixed when the function is recorded; it is recorded anew for other values.
        backend: "numpy", calls of NumPy; "native", machine code, with Numba of the extra ``jit``; "tape", for graphs of
            single numbers; "xla", through JAX, of the extra ``xla``; or "auto", which picks by a fixed rule: the tape
            for 500 instructions or more on single numbers, native code where Numba is installed for programs that are
            neither very short nor very long, else NumPy.
        threads: for large matrix products (in every BLAS that is loaded, by threadpoolctl, of the extra ``jit``) and,
            in native code, large loops, images of convolutions and pooling, and products with vectors; small work
            stays on one. None leaves BLAS as it is, and the rest on one thread.

    Raises:
        TypeError: while recording, if `f` branches on data, or asks for a plain number, text or array of it, of one of
            the arguments, or of a Value that it uses; with the line, and what to write.
        ValueError: if there is no such back end.
        ImportError, NotImplementedError: if Numba or JAX is wanted and not installed, or JAX has no form of an op.

    Arrays that `f` uses without being given them count as constants. A mask in brackets, `x[x > 0]`, has to select as
    many elements as when it was recorded; where it selects another number, `f` itself is called. Under `debug()`,
    inside `grad` and its relatives, and for a Value that was computed from others, `f` itself is called, so that
    everything can be seen, and differentiated.

    >>> import numpy as np
    >>> from autograd_nn import Value, compile
    >>> w = Value([1.0, 2.0])
    >>> @compile
    ... def step(x, y, rate):
    ...     w.zero_grad()
    ...     loss = ((x @ w - y) ** 2).mean()
    ...     loss.backward()
    ...     w.data = w.data - rate * w.grad
    ...     return loss
    >>> x, y = np.eye(2), np.zeros(2)
    >>> [round(step(x, y, 0.5).item(), 4) for _ in range(3)], w.data.tolist()
    ([2.5, 0.625, 0.1562], [0.125, 0.25])
    """
    if f is None:
        return lambda f: Compiled(f, static=static, backend=backend, threads=threads)
    return Compiled(f, static=static, backend=backend, threads=threads)


class Compiled:
    """A function that runs as a plan; made by `compile`.

    Args:
        f: the function.
        static: names of arguments that are fixed when it is recorded.
        backend: see `compile`.
        accepts: looks at the computed results, and decides whether what the function assigns is assigned.
        threads: see `compile`.
        mesh: of the back end "xla": the devices over which the rows of all arguments are divided.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        *,
        static: str | Sequence[str] = (),
        backend: str = "auto",
        accepts: Callable[[Sequence[Any]], bool] | None = None,
        threads: int | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        if not callable(f):
            raise TypeError(f"compile wanted a function, got {type(f).__name__}: write compile(f), not compile(f(x)).")
        if backend not in BACKENDS:
            raise ValueError(f"compile: there is no backend {backend!r}: wanted one of {', '.join(BACKENDS)}.")
        if threads is not None and (type(threads) is not int or threads < 1):
            raise ValueError(f"compile: threads wanted an integer of at least 1, or None, got {threads!r}.")
        self.function, self.threads = f, threads
        self.__name__: str = getattr(f, "__name__", type(f).__name__)
        self.backend = backend
        self.accepts, self.mesh = accepts, mesh
        self.static = (static,) if isinstance(static, str) else tuple(static)
        self._parameters, self._static_positions = parameters_of(f, self.static)
        self._recordings: dict[Any, list[Recording]] = {}
        self._lock = threading.RLock()
        self._last: Recording | None = None
        self._names = Names()
        self._quickened: list[Recording] = []
        self._crowded = False  # was a recording forgotten, which the written-out calls may hold?
        self._count = 0
        self._drawing = False
        functions.add(self)
        functools.update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the plan for these arguments, recording it first if there is none."""
        last = self._last
        if last is not None and last.quick is not None and not kwargs:
            result = last.quick(args)
            if result is FAILED:
                return last.fall_back(self.function, args, kwargs)
            if result is not MISS:
                return result
            for recording in self._quickened:  # the turn of a batch of another size
                if recording is not last and recording.quick is not None:
                    result = recording.quick(args)
                    if result is not MISS:
                        self._use(recording, recording.key)
                        return recording.fall_back(self.function, args, kwargs) if result is FAILED else result
        current = modes.current
        if current is not None and (
            current.trace or current.again or not (current.observer is current.recorder is current.journal is None)
        ):
            if current.recorder is not None:
                return self.function(*args, **kwargs)
            return all_or_nothing(self.function, args, kwargs)
        leaves, key = self._signature(args, kwargs)
        if key is None:
            return all_or_nothing(self.function, args, kwargs)
        found = None
        for recording in self._recordings.get(key, ()):
            if recording.fits(leaves):
                found = recording
                break
        if found is not last or found is None:
            found = self._use(found, key) or self._record(args, kwargs, leaves, key)
        if self._crowded or (found.quick is not None and not kwargs):
            self._missed()
        result = found.run(leaves, self.function, args, kwargs)
        if found.quick is None and found.quickens and current is None and not kwargs and not self.static:
            if len(leaves) == len(args) and all(map(operator.is_, leaves, args)):  # nothing is nested
                with writing:
                    found.quicken(leaves, key)
                    if found.quick is not None:
                        self._quickened = [*[r for r in self._quickened if r is not found], found]
        return result

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        try:
            kept = vars(instance)
        except TypeError:  # it has slots
            return functools.partial(self, instance)
        methods = kept.get("_compiled_methods")
        if methods is None or methods.owner is not instance:  # (a copy begins with those of the original)
            methods = kept["_compiled_methods"] = Methods(instance)
        if self not in methods:
            made = Compiled(
                MethodType(self.function, instance),
                static=[name for name in self.static if name not in self._parameters[:1]],
                backend=self.backend,
                accepts=self.accepts,
                threads=self.threads,
                mesh=self.mesh,
            )
            return methods.setdefault(self, made)
        return methods[self]

    def _signature(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any]:
        """Return the arguments' leaves, and what a recording depends on; None if they are to be called as they are."""
        for x in args:
            if type(x) is not np.ndarray:
                break
        else:
            if not kwargs and not self.static:  # the usual case
                current = modes.current
                recording = current is None or current.recording
                return list(args), (recording, *[(x.shape, x.dtype) for x in args])
        fixed: list[Any] = []
        leaves, structure = self._flatten(args, kwargs)
        current = modes.current
        parts: list[Any] = [current is None or current.recording, structure]
        for x in leaves:
            kind = type(x)
            if kind is np.ndarray:
                parts.append((x.shape, x.dtype))
            elif isinstance(x, Node):
                if x.op is not None and x.requires_grad:
                    return leaves, None
                hooks = x.hooks and tuple([hook if hashable(hook) else id(hook) for hook in x.hooks])
                parts.append((Node, x.shape, x.dtype, type(x._data), x.requires_grad, x.op is None, hooks))
            elif kind is float or kind is int or kind is complex:
                parts.append(kind)
            elif isinstance(x, (np.generic, np.ndarray)):
                parts.append((kind, x.shape, x.dtype))
            else:
                fixed.append(x)
                parts.append((kind, x))
        key = tuple(parts)
        try:
            hash(key)
        except TypeError as error:
            wrong = next(x.value if isinstance(x, Fixed) else x for x in fixed if not hashable(x))
            raise TypeError(
                f"compile: {self.__name__} wanted arrays, numbers, Values, nested in tuples, lists and dicts, or "
                f"static arguments that can be looked up (hashable); got {type(wrong).__name__}. Pass its arrays "
                "instead."
            ) from error
        return leaves, key

    def _flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any]:
        """Return the leaves of the arguments and their structure; static ones are leaves as they are."""
        if self.static:
            args = tuple([Fixed(x) if i in self._static_positions else x for i, x in enumerate(args)])
            kwargs = {k: Fixed(x) if k in self.static else x for k, x in kwargs.items()}
        return nested.flatten((args, kwargs), none_is_leaf=True)

    def _use(self, found: Recording | None, key: Any) -> Recording | None:
        """Take note that a recording is used, so that others make room first."""
        if found is not None:
            with self._lock:
                others = [r for r in self._recordings.pop(key, ()) if r is not found]
                self._recordings[key] = [found, *others[: OF_KIND - 1]]
                self._last = found
                self._crowded |= len(others) >= OF_KIND
        return found

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], key: Any) -> Recording:
        with self._lock:
            for recording in self._recordings.get(key, ()):
                if recording.fits(leaves):  # another thread was faster
                    return recording
            made = Recording(self, args, kwargs)
            self._use(made, key)
            self._count += 1
            if self._count == WARN_AT:
                self._warn()
            while len(self._recordings) > MOST:
                del self._recordings[next(iter(self._recordings))]
                self._crowded = True
            return made

    def _warn(self) -> None:
        changing = what_changes(list(self._recordings), self._parameters)
        warnings.warn(
            f"{self.__name__} was recorded {self._count} times, each time for other arguments: {changing} Give it "
            "arguments of the same shape (drop a last batch that is smaller), pass changing numbers as they are and "
            "not as static arguments, or call the function itself where they keep changing.",
            CompileWarning,
            stacklevel=4,
        )

    def _missed(self) -> None:
        """Forget the calls that were written out, and what they hold: something is not as it was before."""
        with writing:  # in which references are counted
            for recording in self._quickened:
                recording.quick = None
            self._quickened, self._crowded = [], False
            self._names.clear()

    def clear(self) -> None:
        """Forget all recordings."""
        with self._lock:
            self._recordings, self._last, self._count = {}, None, 0
        self._missed()

    def __len__(self) -> int:
        """Return the number of recordings."""
        return sum(map(len, self._recordings.values()))

    @property
    def fallbacks(self) -> int:
        """How often a plan could not be run to its end, and the function itself was called."""
        return sum(r.fallbacks for of_key in self._recordings.values() for r in of_key)

    @property
    def source(self) -> str:
        """The code of the plan that ran last.

        Raises:
            ValueError: if it was not called yet.
        """
        return self._latest().plan.source

    def plan(self, *args: Any, **kwargs: Any) -> Any:
        """Return the plan for some arguments, recording it if there is none; of the last call if there are none."""
        if args or kwargs:
            leaves, key = self._signature(args, kwargs)
            if key is None:
                raise ValueError(f"{self.__name__}: there is no plan for Values that were computed from others.")
            found = next((r for r in self._recordings.get(key, ()) if r.fits(leaves)), None)
            if self._use(found, key) is None:
                self._last = self._record(args, kwargs, leaves, key)
                self._last.undraw()
        return self._latest().plan

    def profile(self, *args: Any, repeat: int = 20, **kwargs: Any) -> str:
        """Return a table of the plan's lines, the slowest first: time, share, bytes written, line, op.

        Nothing is assigned: parameters stay as they are, and so do generators of random numbers.
        """
        self.plan(*args, **kwargs)
        leaves, _ = self._signature(args, kwargs)
        return self._latest().profile(leaves, repeat)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Record the function for some arguments, and return the graph, with gradients and what is assigned."""
        self._drawing = True
        try:
            made = Recording(self, args, kwargs)
        finally:
            self._drawing = False
        made.undraw()
        found: Any = made.graph
        return found

    def draw(self, *args: Any, **options: Any) -> Any:
        """Draw what the plan computes for some arguments: a frame around the ops of each fused loop.

        Args:
            *args: those of the function.
            **options: see `autograd_nn.draw`.

        Nothing is assigned, and generators of random numbers stay where they are.
        """
        self.plan(*args)
        leaves, _ = self._signature(args, {})
        return self._latest().computed(leaves).draw(**options)

    def _latest(self) -> Recording:
        if self._last is None:
            raise ValueError(f"{self.__name__} has no plan yet: call it, or write compiled.plan(*arguments).")
        return self._last

    def __str__(self) -> str:
        if self._last is None:
            return f"{self!r}: no plan yet; it is made by the first call"
        return f"{self!r}\n{self._last.plan}"

    def __repr__(self) -> str:
        return f"compile({self.__name__}, backend={self.backend!r})"


class Methods(dict[Compiled, Compiled]):
    """The compiled methods of an object, which keeps them itself: they live as long as it does. A copy has none."""

    def __init__(self, owner: Any = None) -> None:
        super().__init__()
        self.owner = owner

    def __reduce__(self) -> Any:
        return Methods, ()


BACKENDS = ("auto", "numpy", "native", "tape", "xla")
"""Names of the back ends; "auto" is one of the others, chosen by a fixed rule."""


def plan_of(program: Program, backend: str, threads: int = 1) -> Any:
    """Return a program as the plan of a back end.

    "auto" is the tape for many single numbers, native code for programs that are not too short, too long or full of ops
    without a native form, and NumPy's calls for all others, or where Numba is not installed.
    """
    if backend == "xla":
        return XlaPlan(program)
    if backend == "tape" or (backend == "auto" and fits_tape(program)):
        return TapePlan(program)
    if backend == "native":
        return NativePlan(program, threads=threads)
    if backend == "auto":
        try:
            source = fits_native(program, threads)
            if source is not None:
                return NativePlan(program, source, threads=threads)
        except Exception as error:  # noqa: BLE001  (whatever it is, there is a plan that needs no compiler)
            warnings.warn(
                f"no native code could be made, and the numpy plan is used instead: {type(error).__name__}: {error} "
                'Write compile(f, backend="numpy") for that plan at once.',
                CompileWarning,
                stacklevel=6,
            )
    return NumpyPlan(program)


LEAST_FLOPS, LARGE_FLOPS = 500_000, 16_000_000
"""Floating-point operations of the smallest product that BLAS shares among threads, and of one for which that pays."""


def blas_limits(program: Program, threads: int | None, native: bool) -> Callable[[], Any] | None:
    """Return what makes a context in which every BLAS uses so many threads, or one; None if it is left as it is.

    Raises:
        ImportError: if threadpoolctl is not installed.
    """
    if threads is None:
        return None
    flops = [flops_of(instruction) for instruction in program.instructions]
    if max(flops, default=0) < LEAST_FLOPS:
        return None
    # What threads share in native code, calling BLAS for parts of it, BLAS should not share again.
    parts = [n if native and n and is_parted(i) else 0 for n, i in zip(flops, program.instructions, strict=True)]
    large = sum(n for n, part in zip(flops, parts, strict=True) if n >= LARGE_FLOPS and not part)
    try:
        package = importlib.import_module("threadpoolctl")
    except ImportError as error:
        raise ImportError(
            'compile(threads=…) wanted threadpoolctl, which is not installed: write `pip install "autograd-nn[jit]"`.'
        ) from error
    controller, limit = package.ThreadpoolController(), threads if large > sum(parts) else 1
    return lambda: controller.limit(limits=limit, user_api="blas")


def flops_of(instruction: Instruction) -> int:
    """Return the floating-point operations of a product of matrices, or a convolution; 0 for other ops."""
    name, out, args = instruction.op.name, instruction.out, instruction.args
    if name in ("matmul", "linear") and args[0].shape:
        return 2 * math.prod(out.shape) * args[0].shape[-1]
    if name == "conv":
        return 2 * math.prod(out.shape) * math.prod(args[1].shape[1:])
    if name in ("conv_image", "conv_filters"):
        windows, filters = (args[0], args[1]) if name == "conv_image" else (args[1], out)
        return 2 * math.prod(windows.shape) * math.prod(filters.shape[1:])
    return 0


def is_parted(instruction: Instruction) -> bool:
    """Is it a convolution, or a product with a vector, the parts of which native code can compute apart?"""
    if "conv" in instruction.op.name:
        return True
    x, y = (a.shape for a in instruction.args[:2])
    return len(x) == 1 or len(y) == 1 or 1 in (x[-2], y[-1])


class Fixed:
    """A static argument: a leaf, whatever it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and identical(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def identical(x: Any, y: Any) -> bool:
    """Are two static arguments the same? 1, 1.0 and True are not, nor are 0.0 and -0.0."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(identical, x, y))
    return bool(x == y) and (type(x) is not float or math.copysign(1.0, x) == math.copysign(1.0, y))


def hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


KEYWORD_ONLY, VAR_KEYWORD = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD


def parameters_of(f: Callable[..., Any], static: tuple[str, ...]) -> tuple[list[str], set[int]]:
    """Return the names of a function's parameters, and the positions of the static ones.

    Raises:
        ValueError: if there is no parameter of that name.
    """
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        if static:
            raise
        return [], set()
    names = list(parameters)
    open_ended = any(p.kind is VAR_KEYWORD for p in parameters.values())
    if not open_ended and (unknown := [name for name in static if name not in parameters]):
        raise ValueError(f"compile: {f.__name__} has no argument {unknown[0]!r}; it has {', '.join(names) or 'none'}.")
    positional = [name for name in names if parameters[name].kind not in (KEYWORD_ONLY, VAR_KEYWORD)]
    return positional, {i for i, name in enumerate(positional) if name in static}


def what_changes(keys: list[Any], names: list[str]) -> str:
    """Say in which arguments the kinds of arguments differ."""
    first = keys[0]
    # Arrays alone have no structure, nor have no arguments at all.
    structures = {None if len(key) == 1 or isinstance(key[1], tuple) else key[1] for key in keys}
    if len({len(key) for key in keys}) > 1 or len(structures) > 1:
        return "the structure of the arguments keeps changing."
    said = []
    called = dict(enumerate(names, start=1)) if None in structures else leaf_names(first[1], names)
    for i in range(1, len(first)):
        seen = list(dict.fromkeys(kind_name(key[i]) for key in keys))
        if len(seen) > 1:
            name = called.get(i, f"number {i}")
            said.append(f"argument {name} was {', '.join(seen[:3])}{' …' if len(seen) > 3 else ''}.")
    return " ".join(said) or "what the function looks at (modules' modes, optimizers' settings) keeps changing."


def leaf_names(structure: Any, names: list[str]) -> dict[int, str]:
    """Return the names of the leaves of arguments, by their place in what a recording depends on."""
    found = {}
    for i, (kind, which, *inside) in enumerate(structure.paths(), start=2):
        name = which if kind == 1 else names[which] if which < len(names) else f"number {which + 1}"
        found[i] = "".join([str(name), *(f"[{part!r}]" for part in inside)])
    return found


def kind_name(part: Any) -> str:
    """Name a kind of argument: shape and dtype, a type, or a static argument."""
    if isinstance(part, type):
        return part.__name__
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], np.dtype):
        return f"{part[1]} of shape {part[0]}"
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], Fixed):
        return repr(part[1].value)
    return repr(part[-1]) if isinstance(part, tuple) and len(part) == 2 else str(part)


# --- one recording --------------------------------------------------------------------------------------------------


def refuse_derivative(*_: Any) -> Any:
    raise TypeError(
        "backward: this Value was returned by a compiled function, which keeps no graph. Compute the gradient inside: "
        "compile(grad(f)), or loss.backward() in the compiled function."
    )


ENDED = FunctionOp("compiled", "compiled", lambda x: x, refuse_derivative)
"""What made the Values that a compiled function returns."""
ANCHOR = Value.leaf(0.0, requires_grad=True, name="compiled")


def count_references(arrays: list[Any]) -> list[int]:
    """Return how often arrays are referred to."""
    return [sys.getrefcount(array) for array in arrays]


def unshared() -> int:
    """Return what `count_references` gives for the array of a leaf that nobody else holds."""
    leaf = Value.leaf(np.empty(1))
    read = lambda: leaf._data  # noqa: E731
    return count_references([read()])[0]


UNSHARED = unshared()


class Output(NamedTuple):
    """How an output is returned: as an array or number, or in a Value."""

    as_value: bool
    requires_grad: bool
    scalar: bool  # a NumPy scalar


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Let the garbage collector rest: most of what is made stays, and it would look at it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


NUMBERS = (float, int, complex, np.generic)


def kinds_of(states: list[Any]) -> list[Any]:
    """Return what a plan takes for granted of states: shapes and dtypes of arrays, wherever they lie; number types."""
    if set(map(type, states)) == {float}:  # the tape has many
        return []
    own = [type(x) for x in states if isinstance(x, np.ndarray) and type(x) is not np.ndarray]  # of the user's
    return [type(x) if isinstance(x, NUMBERS) else (x.shape, x.dtype) for x in states] + own


class Instances(threading.local):
    """Of each thread: the instance of a plan, whose memory is its own; None in its place while it runs."""

    def __init__(self) -> None:
        self.free: list[Any] = [None]


class Recording:
    """One recording of a function: what it depends on, and its plan."""

    @without_collector()
    def __init__(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder = Recorder()
        try:
            program = self._record(recorder, compiled, args, kwargs)
            self.plan = plan_of(program, compiled.backend, compiled.threads or 1)
            self.limited = blas_limits(program, compiled.threads, self.plan.name == "native")
            if isinstance(self.plan, XlaPlan):
                self.states = self.plan.settle(self.states, compiled.mesh)
        except BaseException:
            put_back(recorder.journal)
            raise
        self.looks = [s.look if isinstance(s, DeviceState) else s.read for s in self.states]
        self.kinds = kinds_of([look() for look in self.looks])
        self.fallbacks = 0
        self.failure = ""
        self.accepts = compiled.accepts
        self.written = [i for i, _ in program.writes]
        self.returned = any(c is not COMPUTED for c in self.constants)
        self.threads = Instances()
        self.quick: Callable[..., Any] | None = None
        self.quickens = QUICKENS
        self.names = compiled._names
        self.key: Any = None

    def _record(self, recorder: Recorder, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program:
        """Run the function, take note of what it depends on, and return what it computes."""
        leaves, structure = compiled._flatten(args, kwargs)
        given = [stand_in(x, recorder) for x in leaves]
        as_in_later_calls = mode(recorder=recorder, observer=None, trace=0, since=0)
        with attention, as_in_later_calls, np.errstate(all="ignore"):
            new_args, new_kwargs = nested.unflatten(structure, given)
            result = compiled.function(*new_args, **new_kwargs)
            results, self.structure = nested.flatten(result, none_is_leaf=True)
            results = [recorder.now(y) if isinstance(y, Recorded) else y for y in results]
            recorder.finish()
        for y in results:
            if isinstance(y, Node):
                recorder.standing_for(y)
        bound = recorder.touched()
        self.identities = [(i, leaves[i]) for i, x in enumerate(given) if isinstance(x, Node) and x in bound]
        self.positions = [i for i, x in enumerate(given) if isinstance(x, Node) and x not in bound]
        arguments = [given[i] for i in self.positions]
        self.states = [state for node, state in recorder.states.items() if node not in set(arguments)]
        number = {state: i for i, state in enumerate(self.states)}
        place = {id(x): i for i, x in enumerate(given) if isinstance(x, Node) and x in recorder.originals}
        # Leaves that are passed, and those that the function knows: if two of them are one, it does other things.
        self.apart = [i for i in self.positions if isinstance(leaves[i], Node) and leaves[i].op is None]
        self.apart_from = {x for _, x in self.identities if isinstance(x, Node)} | recorder.leaves()
        self.hooks = [x.hooks for x in leaves if isinstance(x, Node)]  # kept, as signatures name some by id
        self.constants = [
            COMPUTED if isinstance(y, Recorded) else Same(place[id(y)]) if id(y) in place else y for y in results
        ]
        computed = [y for y in results if isinstance(y, Recorded)]
        self.outputs = [Output(type(y) is Recorded, y.requires_grad, isinstance(y._data, np.generic)) for y in computed]
        self.graph = Graph.of(*computed, *recorder.assigned.values()) if compiled._drawing else None
        self.guards = recorder.guards
        self.commits = recorder.commits
        self.zeroed = [recorder.originals.get(n, n) for n in recorder.zeroed if n.serial <= recorder.start]
        program = Program(
            arguments,
            [state.node for state in self.states],
            [host.node for host in recorder.hosts],
            list[Node](computed),
            [(number[state], node) for state, node in recorder.assigned.items()],
            recorder.checks,
        )
        for state in self.states:
            state.forget()
        simplify(program)
        first = dict(zip(program.outputs[::-1], computed[::-1], strict=True))
        outputs = zip(program.outputs, computed, strict=True)
        self.copied = [k for k, (v, node) in enumerate(outputs) if first[v] is not node and not v.python]
        used = zip(program.used_hosts(), recorder.hosts, strict=True)
        needed = [v is not None or host.generator is not None for v, host in used]  # a generator moves on, at any rate
        program.hosts = [v for v, need in zip(program.hosts, needed, strict=True) if need]
        hosts = [host for host, need in zip(recorder.hosts, needed, strict=True) if need]
        self.hosts = [host.compute for host in hosts]
        self.generators = list({id(g): g for host in hosts if (g := host.generator) is not None}.values())
        # What was drawn while recording belongs to the first call: generators have moved on.
        drawn = [host.compute if host.generator is None else Drawn(host.node._data) for host in hosts]
        self.drawn = [(drawn, recorder.journal)]
        self.values = any(isinstance(leaves[i], Node) for i in self.positions)
        self.writes = bool(program.writes or self.commits or self.zeroed)
        self.single = len(results) == 1 and result is results[0] or (len(results) == 1 and isinstance(result, Node))
        return program

    def quicken(self, leaves: list[Any], key: Any) -> None:
        """Write out the call, as it was this time; `key` is what the recording depends on."""
        self.key = key
        self.quickens -= 1
        self.quick = quick_call(self, self.names, leaves, ENDED, ANCHOR, writing)
        if self.quick is None:
            self.quickens = 0

    def undraw(self) -> None:
        """Put generators back: this was recorded to be looked at, and the first call will draw by itself."""
        for _, drawn_from in self.drawn:
            put_back(drawn_from)
        self.drawn.clear()

    def fits(self, leaves: list[Any]) -> bool:
        """Is everything that was looked at while recording still the same?"""
        if not all(leaves[i] is x for i, x in self.identities):
            return False
        if self.apart:
            given = {leaves[i] for i in self.apart}
            if len(given) < len(self.apart) or not given.isdisjoint(self.apart_from):
                return False
        return self.fits_state()

    def fits_state(self) -> bool:
        """The same, of what is not an argument; states have the shapes and dtypes that the plan was made for."""
        if not all(look() == seen for look, seen in self.guards):
            return False
        try:
            return kinds_of([look() for look in self.looks]) == self.kinds
        except LookupError:  # an entry of an optimizer's state is gone
            return False

    def run(self, leaves: list[Any], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run the plan; where a condition on data fails, or an op, the function itself, which explains it."""
        if not self.writes:
            found = self._run(leaves)
        else:
            with writing:
                found = self._run(leaves)
        if found is not FAILED:
            return found
        return self.fall_back(function, args, kwargs)

    def failed(self, error: Exception) -> None:
        """Take note of why the plan could not be run."""
        self.failure = f"{type(error).__name__}: {error}"

    def fall_back(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function itself, after the plan failed; if it fails, too, it explains why, and changes nothing."""
        self.fallbacks += 1
        with writing if self.writes else contextlib.nullcontext():
            return all_or_nothing(self._called, (function, *args), kwargs)

    def _called(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, and tell the first time, if it has an answer where the plan had none."""
        result = function(*args, **kwargs)
        if self.failure and self.fallbacks == 1:
            warnings.warn(
                f"the {self.plan.name} plan of {getattr(function, '__name__', 'a function')} failed, and the function "
                f"itself was called: {self.failure}",
                CompileWarning,
                stacklevel=5,
            )
        return result

    def _run(self, leaves: list[Any]) -> Any:
        free = self.threads.free
        run, free[0] = free[0] or self.plan.instance(), None  # a call from inside this one makes another
        try:
            if self.limited is None:
                return self._run_now(run, leaves)
            with self.limited():
                return self._run_now(run, leaves)
        finally:
            free[0] = run

    def _run_now(self, run: Callable[..., Any], leaves: list[Any]) -> Any:
        try:
            hosts, drawn_from = self.drawn.pop()
        except IndexError:
            hosts, drawn_from = self.hosts, states_of(self.generators)
        try:
            result = self._results(run, leaves, hosts, drawn_from)
            if result is FAILED:
                put_back(drawn_from)
        except BaseException:
            put_back(drawn_from)
            raise
        return result

    def _results(self, run: Callable[..., Any], leaves: list[Any], hosts: Any, drawn_from: list[Any]) -> Any:
        passed = leaves
        if self.values:
            leaves = [x._data if isinstance(x, Node) else x for x in leaves]
        states = [state.read() for state in self.states]
        references: Sequence[int] = count_references(states) if self.writes else ()
        if self.names:  # written-out calls hold arrays, too
            references = [n - (x in self.names) for n, x in zip(references, states, strict=False)]
        reads = states
        if self.plan.contiguous:
            reads = [np.require(x, requirements=["C", "A"]) if type(x) is np.ndarray else x for x in states]
        try:
            with np.errstate(all="ignore"):
                given = [leaves[i] for i in self.positions]
                results, assigned, checked, *direct = run(given, reads, [compute() for compute in hosts])
        except MeshError:  # the other processes would wait for this one
            raise
        except Exception as error:  # noqa: BLE001  (what an op has to say, it says better in the function itself)
            self.failed(error)
            return FAILED
        if not all(checked):
            return FAILED
        if self.writes and (self.accepts is None or self.accepts(results)):
            self._commit(states, references, assigned, direct, drawn_from)
        if self.copied:
            results = [x.copy() if k in self.copied else x for k, x in enumerate(results)]
        gave = iter([give(x, how) for x, how in zip(results, self.outputs, strict=True)])
        return nested.unflatten(
            self.structure,
            [next(gave) if c is COMPUTED else constant(c, passed) for c in self.constants],
        )

    def _commit(
        self, states: list[Any], references: Sequence[int], assigned: Any, direct: list[Any], drawn_from: list[Any]
    ) -> None:
        """Assign everything at once: no signal is looked at before all is done, and then nothing is put back."""
        calls: list[tuple[Any, ...]] = []
        if direct and self.plan.direct:
            function, arrays = direct
            into = [self._into(states[i], references[i]) for i in self.plan.direct]
            new = [(x, states[i]) for i, x in zip(self.plan.direct, into, strict=True) if x is not states[i]]
            calls += [(operator.setitem, x, ..., old) for x, old in new]  # a plan reads the old elements there
            given = list(arrays)
            given[self.plan.targets] = into
            calls.append((*function, tuple(given)))
            for i, x in zip(self.plan.direct, into, strict=True):
                state = self.states[i]
                if x is not states[i]:
                    calls.append(state.write(x))
                if state.leaf is not None:
                    calls.append((setattr, state.leaf, "serial", next(clock)))
        for i, ufunc, x in assigned:
            state, before = self.states[i], states[i]
            if type(before) is not np.ndarray:
                calls.append(state.write(x[()] if isinstance(x, np.ndarray) else x))
            else:
                into = self._into(before, references[i])
                # (np.copyto asks a function in Python, where Ctrl-C would be heard)
                calls.append((operator.setitem, into, ..., x) if ufunc is None else (ufunc, *x, into))
                if into is not before:
                    calls.append(state.write(into))
            if state.leaf is not None:
                calls.append((setattr, state.leaf, "serial", next(clock)))
        calls += [(setattr, leaf, "_grad", None) for leaf in self.zeroed]
        calls += [commit() for commit in self.commits]
        calls.append((drawn_from.clear,))
        if self.plan.shares:
            as_a_whole(functools.partial(in_turn, calls))
        else:
            in_turn(calls)

    def _into(self, before: np.ndarray, references: int) -> np.ndarray:
        """Return the array to write a state into: the old one if nobody else holds it, else a new one."""
        alone = references <= UNSHARED and before.base is None and before.flags.carray
        return before if alone else np.array(before, order="C")

    def profile(self, leaves: list[Any], repeat: int) -> str:
        """Return a table of the plan's lines and their times."""
        leaves = [x._data if isinstance(x, Node) else x for x in leaves]
        drawn_from = states_of(self.generators)
        given = [leaves[i] for i in self.positions], [s.read() for s in self.states], [h() for h in self.hosts]
        put_back(drawn_from)
        return self.plan.profile(*given, repeat=repeat)

    def computed(self, leaves: list[Any]) -> Graph:
        """Compute the program op by op, and return the graph, each node in the scope of its loop."""
        program, fused = self.plan.program, self.plan.fused()
        leaves = [x._data if isinstance(x, Node) else x for x in leaves]
        nodes: dict[Any, Any] = {}
        drawn_from = states_of(self.generators)
        for variables, read in (
            (program.arguments, lambda k: leaves[self.positions[k]]),
            (program.states, lambda k: self.states[k].read()),
            (program.hosts, lambda k: self.hosts[k]()),
        ):
            for k, v in enumerate(variables):
                if v is not None:
                    nodes[v] = Value.leaf(read(k), name=v.name)
        put_back(drawn_from)
        with np.errstate(all="ignore"):
            for instruction in program.instructions:
                for v in instruction.args:
                    if v not in nodes:
                        nodes[v] = Value.leaf(v.data, name=v.name)
                parents = tuple(nodes[v] for v in instruction.args)
                data = instruction.op.compute(*[p._data for p in parents], **instruction.attrs)
                node: Any = Value.leaf(data)
                node.op, node.parents, node.attrs = instruction.op, parents, instruction.attrs
                node.scope = fused.get(instruction.out)
                nodes[instruction.out] = node
        return Graph.of(*[nodes[v] for v in program.wanted() if v in nodes])


def in_turn(calls: list[tuple[Any, ...]]) -> None:
    """Make calls, one after the other, without a line of Python between them."""
    with np.errstate(all="ignore"):
        deque(starmap(call, calls), maxlen=0)


class Drawn:
    """A host computation whose result is there already."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __call__(self) -> Any:
        return self.data


COMPUTED = object()


class Same(NamedTuple):
    """An output that is an argument, as it came."""

    position: int


def constant(x: Any, leaves: list[Any]) -> Any:
    """Return an output that is not computed: arrays as copies."""
    if type(x) is Same:
        return leaves[x.position]
    return x.copy() if type(x) is np.ndarray else x


def give(x: Any, how: Output) -> Any:
    """Return a result as the function itself would."""
    if how.scalar:
        x = x[()] if isinstance(x, np.ndarray) else x
    elif isinstance(x, np.generic):
        x = np.asarray(x)
    if not how.as_value:
        return x
    made = Value.leaf(x)
    if how.requires_grad:
        made.op, made.parents, made.requires_grad = ENDED, (ANCHOR,), True
    return made


def stand_in(x: Any, recorder: Recorder) -> Any:
    """Return what an argument is while the function is recorded.

    Raises:
        TypeError: for an array that does not hold plain numbers.
    """
    if isinstance(x, Fixed):
        return x.value
    if isinstance(x, Node):
        return recorder.argument(x) if x.op is None else Recorded.leaf(x._data, name=x.name)
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype.kind not in "biufc":
            raise TypeError(f"compile: wanted arrays of numbers, got one of dtype {x.dtype}. Use it outside.")
        if hasattr(x, "mask"):
            raise TypeError(f"compile: wanted an array without a mask, got {type(x).__name__}. {UNMASK}")
        return RecordedArray.leaf(x)
    return RecordedArray.leaf(x) if type(x) in (float, int, complex) else x
