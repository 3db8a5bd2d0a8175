"""`Module`: parameters and the function that uses them, found by attribute.

A module is an ordinary Python object. Its parameters are leaf Values and its parts are modules, kept as attributes or
in lists, tuples and dicts of attributes; nothing is registered behind its back. Paths are made of the names of
attributes, positions and keys: ``layers.0.weight``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..compiler.recorder import attention
from ..graph import Graph, Mode, Node, describe, modes, nested_scope
from ..ops.shape import cast
from ..value import Value
from .summary import Summary, examples, recorded, summarize

__all__ = ["Module"]

Path = tuple[str, ...]


class Module:
    """A part of a network: subclass it, keep parameters as attributes, and write `forward`.

    Attributes whose names begin with an underscore are private: parameters and parts are not looked for there.
    Constructor arguments are kept as attributes of the same name (a flag such as `bias` may become the parameter that
    it asks for); `repr` and saving read them there.

    Attributes:
        training: True while training; dropout and batch normalization look at it. `train()` and `eval()` set it.

    >>> import numpy as np
    >>> from autograd_nn import Value, nn
    >>> class Line(nn.Module):
    ...     def __init__(self):
    ...         self.slope = Value(2.0)
    ...         self.intercept = Value(1.0)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.intercept
    >>> line = Line()
    >>> line(np.array([0.0, 1.0])).tolist()
    [1.0, 3.0]
    >>> [path for path, _ in line.named_parameters()]
    ['slope', 'intercept']
    """

    training: bool = True
    # Private, with defaults on the class, so that a subclass need not call super().__init__().
    _buffers: frozenset[str] = frozenset()
    _label: str | None = None  # the name of the attribute that holds it; None until a model was called
    _is_root: bool = False  # has it labelled its parts?
    _modes: tuple[Mode | None, Mode] | None = None  # the mode around the last call, and the one inside

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Calling the module, ``model(x)``, does it inside the module's scope.

        Raises:
            NotImplementedError: if the subclass has none.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: write `def forward(self, x): return …` in the class."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return `forward` of the arguments; what it records has the module's scope."""
        outer = modes.current
        if not self._is_root and (outer is None or not outer.inside):
            self.label()
        cached = self._modes  # one read: another thread may set it
        if cached is None or cached[0] is not outer:
            scope = nested_scope(outer, self._label or type(self).__name__.lower())
            cached = outer, (outer or Mode())._replace(scope=scope, inside=True)
            if outer is None or (outer.observer is outer.recorder is outer.journal is None and not outer.trace):
                self._modes = cached  # the others live for a while only
        modes.current = cached[1]
        try:
            return self.forward(*args, **kwargs)
        finally:
            modes.current = outer

    def label(self) -> Self:
        """Give parts and parameters the names and scopes that pictures and errors show, and return the module.

        It is done when a model is called for the first time; call it again after adding parts to the model.
        """
        self._label = type(self).__name__.lower()
        labelled = {id(self)}
        scopes: list[tuple[Module, str]] = [(self, self._label)]
        for module, scope in scopes:  # grows while it is read
            for path, part in walk(module, deep=False):
                if id(part) in labelled:
                    continue  # shared: its first path names it
                labelled.add(id(part))
                if isinstance(part, Module):
                    part._label, part._modes = ".".join(path), None
                    scopes.append((part, f"{scope}/{part._label}"))
                else:
                    part.scope, part.name = scope, ".".join(path)
        self._modes = None
        self._is_root = True
        return self

    # parameters

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield (path, parameter) of the module and its parts; one that is shared comes once, under its first path."""
        buffers = set(map(id, self.buffers()))
        for path, part in walk(self):
            if isinstance(part, Value) and id(part) not in buffers:
                yield ".".join(path), part

    def parameters(self) -> list[Value]:
        """Return the parameters, frozen ones among them, each once."""
        return [p for _, p in self.named_parameters()]

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield (path, module): the module itself under the empty path, then its parts, outer ones first."""
        for path, part in walk(self):
            if isinstance(part, Module):
                yield ".".join(path), part

    def modules(self) -> list[Module]:
        """Return the module and its parts, each once."""
        return [m for _, m in self.named_modules()]

    def register_buffer(self, name: str, data: Any) -> Value:
        """Keep state that is not trained, such as running statistics, as an attribute; it is saved with the rest.

        Args:
            name: of the attribute.
            data: an array.

        Returns:
            The leaf that holds it, which requires no gradient.

        Raises:
            ValueError: if no public attribute can have the name.
        """
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"register_buffer wanted the name of an attribute without an underscore in front, got {name!r}."
            )
        buffer = Value(data, requires_grad=False, name=name, dtype=getattr(data, "dtype", None))
        setattr(self, name, buffer)
        self._buffers = self._buffers | {name}
        return buffer

    def named_buffers(self) -> Iterator[tuple[str, Value]]:
        """Yield (path, leaf) of the state that is not trained."""
        for path, part in walk(self):
            if isinstance(part, Module):
                for name in vars(part):
                    if name in part._buffers:
                        yield ".".join((*path, name)), getattr(part, name)

    def buffers(self) -> list[Value]:
        """Return the state that is not trained."""
        return [b for _, b in self.named_buffers()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.zero_grad()

    def freeze(self) -> Self:
        """Make every parameter a constant: no gradient, left alone by optimizers. Return the module."""
        for p in self.parameters():
            p.requires_grad_(False)
        return self

    def unfreeze(self) -> Self:
        """Undo `freeze`."""
        for p in self.parameters():
            if p.dtype.kind in "fc":  # integers have no gradient
                p.requires_grad_()
        return self

    def astype(self, dtype: Any) -> Self:
        """Turn parameters and buffers of floating point into another dtype; forget gradients; return the module.

        Raises:
            TypeError: if it is no dtype of floating point.
        """
        kind = np.dtype(dtype)
        if kind.kind != "f":
            raise TypeError(f"{type(self).__name__}.astype wanted a floating point dtype, got {kind}.")
        for _, part in walk(self):
            if isinstance(part, Value):
                part.zero_grad()
                if part.dtype.kind == "f":
                    part.assign(np.array(part.data, kind, subok=False))
            elif isinstance(getattr(part, "dtype", None), np.dtype):
                part.dtype = kind  # type: ignore[union-attr]
        return self

    def initialize(self, rng: int | np.random.Generator) -> Self:
        """Draw every parameter afresh, from one generator, and return the module.

        Each part that draws its own parameters has a method `reset(rng)`; they are called in the order of
        `modules()`. The same seed gives the same model.
        """
        rng = np.random.default_rng(rng)
        for module in self.modules():
            reset = getattr(module, "reset", None)
            if reset is not None:
                reset(rng)
        return self

    # modes

    def train(self, training: bool = True) -> Self:
        """Set `training` of the module and its parts, and return it."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Self:
        """Make the module predict: `train(False)`."""
        return self.train(False)

    def apply(self, f: Callable[[Module], Any]) -> Self:
        """Call f on the module and every part, parts first, and return the module."""
        for module in reversed(self.modules()):
            f(module)
        return self

    # state

    def state_leaves(self) -> dict[str, Any]:
        """Return parameters and buffers by path: what `state_dict` reads and `load_state_dict` writes.

        Raises:
            ValueError: if two have the same path, as keys of dicts such as "a.b" can bring about.
        """
        found: dict[str, Any] = {}
        for path, p in walk(self):
            if isinstance(p, Value):
                name = ".".join(path)
                if name in found:
                    raise ValueError(
                        f"two parameters of {type(self).__name__} have the path {name!r}: give the keys of its dicts "
                        "other names, as texts and without dots."
                    )
                found[name] = p
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters and buffers, by path."""
        return {path: np.array(p.data, subok=False) for path, p in self.state_leaves().items()}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Take parameters and buffers from arrays by path. All or nothing: an error changes nothing.

        Args:
            state: arrays by path, as `state_dict` returns.
            strict: if False, paths that only one side has are passed over.

        Raises:
            TypeError: if it is no dict.
            ValueError: listing every path that is missing, is not expected, has another shape, or holds no numbers or
                such that the parameter's dtype does not hold.
        """
        if not isinstance(state, Mapping):
            came = type(state).__name__
            raise TypeError(f"load_state_dict wanted arrays by path, as state_dict() returns, got {came}.")
        own = self.state_leaves()
        problems = [f"missing: {path} {p.shape}" for path, p in own.items() if path not in state] if strict else []
        new: dict[str, np.ndarray] = {}
        for path, array in state.items():
            array = np.asarray(array.data if isinstance(array, Node) else array)
            if path not in own:
                if strict:
                    problems.append(f"not expected: {path} {array.shape}")
            elif array.shape != own[path].shape:
                problems.append(f"other shape: {path} wanted {own[path].shape}, got {array.shape}")
            else:
                new[path], problem = fitted(array, own[path].dtype)
                problems += [f"{problem}: {path} wanted {own[path].dtype}, got {array.dtype}"] if problem else []
        if problems:
            raise ValueError(
                f"load_state_dict: the state does not fit {type(self).__name__}:\n  " + "\n  ".join(problems)
            )
        for path, array in new.items():
            own[path].data = array

    # what it is

    def summary(self, *inputs: Any) -> Summary:
        """Return a table of layers, output shapes, parameters, FLOPs and memory, found by running the model once.

        It runs in the mode that it is in; buffers and random generators are put back, and no gradient is touched.

        Args:
            *inputs: for each input the shape of a batch, which is filled with zeros (a number of features stands for
                a batch of one row); or an example (an array; needed where integers are wanted).

        Raises:
            TypeError: if there is no input.

        >>> from autograd_nn import nn
        >>> print(nn.MLP([64, 32, 10], rng=0).summary((8, 64)))
        MLP
        ───────────────────────────────────────────────────────────────────────────
        layer     kind    output           weights  parameters   FLOPs  activations
        ───────────────────────────────────────────────────────────────────────────
        layers.0  Linear  8×32    2,048 (+32 bias)       2,080  32,768       1.0 kB
                  relu    8×32                                     256       1.0 kB
        layers.1  Linear  8×10      320 (+10 bias)         330   5,120        320 B
        ───────────────────────────────────────────────────────────────────────────
        input       8×64
        parameters  2,410: 2,410 trainable, 0 frozen
        FLOPs       38,144 forward, about three times that for a training step
        memory      23.7 kB: 9.6 kB parameters, 9.6 kB gradients, 4.4 kB activations
        """
        return summarize(self, *inputs)

    def draw(self, *inputs: Any, **options: Any) -> Any:
        """Draw the graph of what the model computes, found by running it once: its modules are the frames.

        It runs in the mode that it is in; buffers and random generators are put back, and no gradient is touched.

        Args:
            *inputs: for each input an example, or the shape of a batch: see `summary`.
            **options: see `autograd_nn.visualize.draw`; ``depth=1`` shows each layer as one box.

        Raises:
            TypeError: if there is no input, or nothing that depends on a parameter was recorded.

        >>> from autograd_nn import nn
        >>> nn.MLP([4, 8, 2], rng=0).draw((1, 4), depth=1)
        Drawing(graph of #8: 8 nodes, 5 of them leaves)
        """
        return Graph.of(*recorded("draw", self, examples("draw", self, inputs))).draw(**options)

    def zoom(self) -> Any:
        """Return the scalar twin: a copy in which every weight, product and sum is a `Value` of one number.

        See `autograd_nn.nn.scalar`. There are twins of MLP, Linear, LogisticRegression, and of Sequential of these.

        Raises:
            TypeError: for other modules; `autograd_nn.expand` opens what they compute.
        """
        for cls in type(self).__mro__:
            if cls in TWINS and type(self).forward is cls.forward:  # type: ignore[attr-defined]
                return TWINS[cls](self)
        raise TypeError(
            f"{type(self).__name__} has no scalar twin: {', '.join(cls.__name__ for cls in TWINS)} have one. Any small "
            "graph opens into scalars: y = model(x); autograd_nn.expand(y)."
        )

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, read from the attributes of the same name; `rng` is left out.

        Raises:
            AttributeError: if the class does not keep an argument.
        """
        found: dict[str, Any] = {}
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if name == "rng" or parameter.kind is parameter.VAR_KEYWORD:
                continue
            if not hasattr(self, name):
                raise AttributeError(
                    f"{type(self).__name__} does not keep its argument {name!r}: write `self.{name} = {name}` in "
                    "__init__, so that it can be shown and saved."
                )
            kept = getattr(self, name)
            if isinstance(parameter.default, bool) and not isinstance(kept, bool):
                kept = kept is not None
            found[name] = kept
        return found

    def __repr__(self) -> str:
        signature = inspect.signature(type(self)).parameters
        words: list[str] = []
        inside = [(".".join(path), part) for path, part in walk(self, deep=False) if path and isinstance(part, Module)]
        try:
            arguments = self.config()
        except AttributeError:
            arguments = {}
        for name, kept in arguments.items():
            parameter = signature[name]
            if holds_modules(kept) or (parameter.default is not parameter.empty and same(kept, parameter.default)):
                continue
            text = shown(kept)
            positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            words.append(text if positional and parameter.default is parameter.empty else f"{name}={text}")
        head = f"{type(self).__name__}({', '.join(words)}"
        if not inside:
            return head + ")"
        lines = [f"  ({path}): " + repr(part).replace("\n", "\n  ") for path, part in inside]
        return head + ("\n" if not words else ",\n") + "\n".join(lines) + "\n)"

    def __getstate__(self) -> dict[str, Any]:
        return {name: kept for name, kept in vars(self).items() if name != "_modes"}

    # inputs

    def operand(self, x: Any) -> Any:
        """Return an input in the dtype of the module's parameters: constants are cast, Values have to fit.

        Raises:
            TypeError: if a Value has another dtype, or x holds no numbers.
        """
        wanted = self.dtype  # type: ignore[attr-defined]  # of every layer that calls this
        if isinstance(x, Node):
            if x.dtype != wanted:
                if x.is_array and x.dtype.kind in "biuf":
                    return cast(x, dtype=wanted.name)
                raise TypeError(
                    f"{type(self).__name__} has parameters of {wanted}, and its input is a {describe(x)} of {x.dtype}: "
                    f"write x.astype(np.{wanted}), or model.astype(np.{x.dtype}) for a model of that precision."
                )
            return x
        if type(x) is np.ndarray and x.dtype == wanted:
            return x
        array = np.asarray(x)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{type(self).__name__} wanted an array of real numbers, got dtype {array.dtype}.")
        return array.astype(wanted)


attention.on(Module)  # a compiled function depends on the modules that it looks at

TWINS: dict[type[Module], Callable[[Any], Module]] = {}
"""How to make the scalar twin of a module, by its class; `autograd_nn.nn.scalar` enters them."""


def walk(module: Module, *, deep: bool = True) -> Iterator[tuple[Path, Any]]:
    """Yield (path, module or leaf Value), each once, outer ones first, in the order of assignment.

    Args:
        module: where to begin.
        deep: if False, what is inside its parts is left out.
    """
    seen: set[int] = set()
    stack: list[tuple[Path, Any]] = [((), module)]
    while stack:
        path, thing = stack.pop()
        if isinstance(thing, Module):
            inside = vars(thing).items()
        elif isinstance(thing, (list, tuple)):
            inside = enumerate(thing)
        elif isinstance(thing, dict):
            inside = thing.items()
        elif isinstance(thing, Value) and thing.op is None:
            inside = ()
        else:
            continue
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (Module, Value)):
            yield path, thing
            if path and not deep:
                continue
        private = "_" if isinstance(thing, Module) else ()  # names of attributes; keys of dicts are data
        stack.extend(
            ((*path, str(key)), part) for key, part in reversed(list(inside)) if not str(key).startswith(private)
        )


def fitted(array: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, str]:
    """Return numbers in a dtype, and what is wrong with them there, or an empty text."""
    if array.dtype.kind not in "biufc" or (
        array.dtype.kind in "fc" and not np.can_cast(array.dtype, wanted, "same_kind")
    ):
        return array, "other kind of numbers"
    with np.errstate(all="ignore"):
        new = array.astype(wanted)
    if wanted.kind in "biu" and not np.array_equal(new, array):
        return array, "numbers that do not fit"
    if wanted.kind == "f" and np.any(np.isinf(new) & np.isfinite(array)):
        return array, "numbers that are too large"
    return new, ""


def holds_modules(thing: Any) -> bool:
    """Is it a module, or a list or dict with modules inside?"""
    if isinstance(thing, dict):
        thing = list(thing.values())
    return isinstance(thing, Module) or (isinstance(thing, (list, tuple)) and any(map(holds_modules, thing)))


def same(x: Any, y: Any) -> bool:
    """Are two settings equal? Arrays are compared as a whole."""
    return x is y or (type(x) is type(y) and bool(np.array_equal(x, y)) if isinstance(x, np.ndarray) else x == y)


def shown(setting: Any) -> str:
    """Return a constructor argument as a user would write it."""
    if isinstance(setting, np.dtype):
        return setting.name
    if callable(setting):
        return getattr(setting, "__name__", None) or getattr(setting, "name", None) or repr(setting)
    return repr(setting)
