"""What an operation is: `Op`, the `@op` decorator that makes one, and `OPS`, all of them by name.

An op is one object: a forward function on arrays, one derivative rule per array argument, a label, its NumPy
counterpart, its domain and its test cases. Positional arguments are arrays (the edges of the graph), keyword-only
arguments are attributes. Applied to arrays an op computes. Applied to nodes it computes *and* records a node.

A rule is ``vjp(g, ans, *args, **attrs)``: the vector-Jacobian product of the cotangent ``g`` with the op's Jacobian.
It is written once, in ops and operators; on arrays it yields arrays, on nodes it yields nodes, hence derivatives of
any order. No rule mentions broadcasting or dtypes: the walk in `autograd_nn.backward` fits each result to its operand.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .domain import REAL, Case, Interval
from .graph import NO_ATTRS, Node, clock, describe, dtype, modes, shape

__all__ = ["OPS", "Op", "op"]

OPS: dict[str, Op] = {}
"""Every op of the library by name. Laws, the NumPy protocols, pictures and the op table read it."""

Rule = Callable[..., Any]


class Op:
    """An operation on arrays with its derivative. Made by `op`; calling it applies it.

    Attributes:
        name: the name under which graphs show it.
        label: a glyph or short text for pictures, such as "×".
        forward: the function on arrays.
        args: names of the array arguments; a single name that starts with "*" if the op takes any number.
        defaults: the attributes with their default values.
        vjps: the rules, one for each array argument (one for all, told the position, if `variadic`); None where an
            argument has no derivative (masks, indices).
        joint: one rule for all operands, see `defvjp_all`; None if there is one for each.
        accumulate: adds the cotangent of the only operand to an array in place, see `defaccumulate`; or None.
        differentiable: False for ops such as comparisons, whose results require no gradient.
        linear: linear in each of its array arguments taken alone, so that second derivatives in one of them vanish.
        numpy: the NumPy functions for which it stands in.
        scalar: the same function on Python floats, with the same attributes, faster than NumPy; it may raise
            ArithmeticError or ValueError where IEEE has inf or nan, and NumPy is asked instead.
        domain: where it is smooth, one `Interval` for each argument.
        kinks: what the rule returns at kinks and ties, in words; "" if it has none.
        cases: arguments on which the laws test it.
        formula: for an elementwise op, an expression in its argument names; "" otherwise.
        elementwise: each element of the result depends on one element of each operand, after broadcasting.
        complex: accepts complex arguments; if not, they are refused.
        instead: for an op without derivative, what to write instead; part of the error of `backward`.
        results: names of the results if it returns a tuple, else ().
        batch: how it applies to operands with an extra leading axis, for `vmap`; None where vmap works it out.
        module: where it is written.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str = "",
        label: str = "",
        numpy: Any = (),
        scalar: Callable[..., Any] | None = None,
        domain: Sequence[Interval] = (REAL,),
        kinks: str = "",
        cases: Sequence[Case] = (),
        formula: str = "",
        elementwise: bool = False,
        differentiable: bool = True,
        linear: bool = False,
        complex: bool = False,
        instead: str = "",
        results: Sequence[str] = (),
    ) -> None:
        signature = inspect.signature(forward)
        self.forward = forward
        self.name = name or forward.__name__
        self.label = label or self.name
        self.numpy = numpy if isinstance(numpy, tuple) else (numpy,)
        self.scalar = scalar
        self.domain = tuple(domain)
        self.kinks = kinks
        self.cases = tuple(cases)
        self.formula = formula
        self.elementwise = elementwise
        self.differentiable = differentiable
        self.linear = linear
        self.complex = complex
        self.instead = instead
        self.results = tuple(results)
        self.variadic = False
        self.batch: Callable[..., Any] | None = None
        self.vjps: tuple[Rule | None, ...] = ()
        self.joint: Rule | None = None
        self.accumulate: Rule | None = None
        self.module = forward.__module__
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = forward.__module__
        self.__signature__ = signature
        self.__wrapped__ = forward
        args, defaults = [], {}
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                defaults[parameter.name] = parameter.default
            elif parameter.kind is parameter.VAR_POSITIONAL:
                self.variadic = True
                args.append("*" + parameter.name)
            elif parameter.kind is parameter.VAR_KEYWORD:
                raise TypeError(f"op {self.name!r} wanted attributes by name (keyword-only), got **{parameter.name}.")
            else:
                args.append(parameter.name)
        self.args = tuple(args)
        self.defaults = {k: v for k, v in defaults.items() if v is not inspect.Parameter.empty}
        self._attr_names = frozenset(defaults)
        self._shared_attrs = self.defaults or NO_ATTRS

    def defvjp(self, *rules: Rule | None) -> Op:
        """State the derivative: one rule ``vjp(g, ans, *args, **attrs)`` for each array argument.

        For a variadic op a single rule is called as ``vjp(position, g, ans, *args, **attrs)``. A rule may branch on
        shapes and attributes, never on data (that is what `where` is for), and is linear in ``g``. It may return a
        result that is broadcast with respect to its argument; the walk sums it. None means: no derivative.

        Raises:
            TypeError: if the number of rules is not the number of array arguments.
        """
        if len(rules) != (wanted := len(self.args)):
            raise TypeError(
                f"op {self.name!r} has {wanted} array arguments {self.args}, so defvjp wanted {wanted} rules "
                f"(None for an argument without derivative), got {len(rules)}."
            )
        self.vjps = rules
        return self

    def defbatch(self, rule: Rule) -> Op:
        """State how the op applies to operands with a leading batch axis; used by `vmap`.

        ``rule(args, batched, **attrs)`` gets the operands and, for each, whether axis 0 is the batch axis; it returns
        the result with the batch axis first.
        """
        self.batch = rule
        return self

    def defvjp_all(self, rule: Rule) -> Op:
        """State the derivative of a variadic op by one rule for all operands, where they share work.

        ``rule(wanted, g, ans, *args, **attrs)`` returns a cotangent for each operand marked in ``wanted``; what it
        returns for the others is not looked at.
        """
        self.joint = rule
        return self

    def defaccumulate(self, rule: Rule) -> Op:
        """State how to add the cotangent of the only operand to an array in place, where that is less than the whole.

        ``rule(total, g, *args, **attrs)``; equal to ``total += vjp(g, ans, *args, **attrs)``. The walk uses it on
        arrays, so that n pieces of an array cost n pieces, and not n arrays of zeros.
        """
        self.accumulate = rule
        return self

    def rule(self, position: int) -> Rule | None:
        """Return the rule for operand number `position`, called as ``vjp(g, ans, *args, **attrs)``."""
        joint = self.joint
        if joint is not None:
            return lambda g, ans, *args, **attrs: joint(
                [i == position for i in range(len(args))], g, ans, *args, **attrs
            )[position]
        if not self.variadic:
            return self.vjps[position] if self.vjps else None
        vjp = self.vjps[0] if self.vjps else None
        return None if vjp is None else lambda *args, **attrs: vjp(position, *args, **attrs)

    def compute(self, *args: Any, **attrs: Any) -> Any:
        """Apply to arrays and numbers, recording nothing. Python numbers alone give a Python number.

        Raises:
            TypeError, ValueError, IndexError: if the arguments do not suit, with their shapes.
        """
        if self.scalar is not None:
            for a in args:
                if type(a) is not float and type(a) is not int and type(a) is not bool:
                    break
            else:
                try:
                    return self.scalar(*args, **attrs) if attrs else self.scalar(*args)
                except (ArithmeticError, ValueError, TypeError):
                    pass  # IEEE has an answer, or NumPy an error to explain: ask it below
        try:
            out = self.forward(*args, **attrs)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            if not self.complex:
                self._refuse_complex(args)  # whatever else is said about a Hermitian matrix would mislead
            raise self._explain(error, args, attrs) from error
        if not self.complex and (not self.elementwise or type(out) is not np.ndarray or out.dtype.kind != "f"):
            self._refuse_complex(args)  # (elementwise and real: so were the operands; a norm is real of complex ones)
        if (type(out) is not np.ndarray or not out.ndim) and isinstance(out, (np.generic, np.ndarray)):
            if out.dtype.kind != "c" and all(type(a) in PYTHON_NUMBERS for a in args):
                return out.item()
        return out

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """Apply the op: arrays in, array out; any Value in, Value out.

        Raises:
            TypeError, ValueError, IndexError: with the op's name and the operands' shapes.
        """
        cls: Any = None
        wanted = False
        every = True
        for a in args:
            if isinstance(a, Node):
                kind = type(a)
                if kind is not cls and (cls is None or kind.level > cls.level):
                    cls = kind
                if a.requires_grad:
                    wanted = True
            else:
                every = False
        if cls is None:
            return self.compute(*args, **attrs)
        if cls.interpreter is not None:
            return cls.interpreter(self, args, attrs)
        mode = modes.current
        if mode is not None and mode.recorder is not None:
            return mode.recorder.apply(self, args, attrs)
        for key, value in attrs.items():
            if type(value) not in PLAIN:
                if isinstance(value, Node):
                    raise TypeError(
                        f"{self.name}: {key} wanted a plain Python value, since no gradient flows to it; got "
                        f"{describe(value)}. Write {key}=int(v), float(v) or v.data."
                    )
                attrs[key] = plain(value)
        if mode is not None and not mode.recording:
            out = self.compute(*[a._data if isinstance(a, Node) else constant_data(self, a) for a in args], **attrs)
            return tuple(map(cls.leaf, out)) if self.results else cls.leaf(out)

        if every:
            parents: Any = args
        else:
            parents = tuple([a if isinstance(a, Node) else cls.leaf(constant_data(self, a)) for a in args])
        serial = next(clock)  # before the data is read: see Node.assign
        if attrs:
            data = self.compute(*[p._data for p in parents], **attrs)
            attrs = {**self.defaults, **attrs}
        else:
            data = self.compute(*[p._data for p in parents])
            attrs = self._shared_attrs

        node = cls.__new__(cls)
        node._data = data
        node.op = self
        node.parents = parents
        node.attrs = attrs
        node.requires_grad = wanted and self.differentiable
        node._grad = node.name = node.hooks = node.source = None
        node.serial = serial
        if mode is None:
            node.scope = None
        else:
            node.scope = mode.scope
            if mode.observer is not None:
                mode.observer.created(node)
        if self.results:
            items = tuple([ITEM(node, index=i) for i in range(len(data))])
            for selected in items:  # an index or a rank among the results has no derivative
                selected.requires_grad = node.requires_grad and dtype(selected._data).kind in "fc"
            return items
        return node

    def pair(self, x: Any, y: Any) -> Any:
        """Apply to a node and another operand, which is what operators do; twice as fast as a call on Python floats.

        Graphs of single numbers consist of little else (figures in benchmarks/README.md).
        """
        cls: Any = type(x)
        mode = modes.current
        plain = mode is None or (mode.observer is None and mode.recording and mode.recorder is None)
        if plain and type(x._data) is float and cls.interpreter is None:
            if type(y) is cls:
                parents = (x, y)
                wanted = x.requires_grad or y.requires_grad
            elif type(y) is float or type(y) is int:
                parents = (x, cls.leaf(y))
                wanted = x.requires_grad
            else:
                return self(x, y)
            serial = next(clock)  # before the data is read: see Node.assign
            a, b = x._data, parents[1]._data
            if type(b) is float or type(b) is int:
                try:
                    data = self.scalar(a, b)  # type: ignore[misc]  # the operators' ops have one
                except (ArithmeticError, ValueError):
                    return self(x, y)
                node = cls.__new__(cls)
                node._data = data
                node.op = self
                node.parents = parents
                node.attrs = self._shared_attrs
                node.requires_grad = wanted and self.differentiable
                node._grad = node.name = node.hooks = node.source = None
                node.scope = None if mode is None else mode.scope
                node.serial = serial
                return node
        return self(x, y)

    def _refuse_complex(self, args: tuple[Any, ...]) -> None:
        for a in args:
            if type(a) is not float and dtype(a).kind == "c":
                came = ", ".join(str(dtype(a)) for a in args)
                raise TypeError(
                    f"{self.name}: wanted real numbers, since its derivative is written for them; got {came}. "
                    "Use .real or abs(…) first."
                )

    def _explain(self, error: Exception, args: tuple[Any, ...], attrs: dict[str, Any]) -> Exception:
        """Return the error to raise instead of NumPy's: it names the op, what came and what to write."""
        unknown = sorted(set(attrs) - self._attr_names)
        if unknown:
            known = ", ".join(sorted(self._attr_names)) or "no keyword arguments"
            return TypeError(f"{self.name}: wanted {known}; got {', '.join(unknown)}.")
        if not self.variadic and len(args) != len(self.args):
            return TypeError(
                f"{self.name}: wanted {len(self.args)} array argument(s) ({', '.join(self.args)}), got {len(args)}. "
                f"Arrays are positional, everything else goes by keyword: {self.name}{self.__signature__}."
            )
        names = [self.args[0][1:] + str(i) for i in range(len(args))] if self.variadic else self.args
        came = ", ".join([f"{n}: {shape(a) or 'scalar'}" for n, a in zip(names, args[:8], strict=False)])
        came += f" and {len(args) - 8} more" if len(args) > 8 else ""
        given = "".join(f", {k}={v!r}" for k, v in attrs.items())
        text = str(error).rstrip(". ").removeprefix(f"{self.name}: ")
        hint = next((advice for part, advice in ADVICE if part in text), "")
        if hint is MATMUL and self.name not in ("matmul", "linear", "dot", "multi_dot"):
            hint = " Axes that belong together must have the same length."
        text = NO_ROOM.sub(r"\1", CORE.sub(r"has an axis of length \1 where \2 was wanted", text))
        text = OPERAND.sub(lambda found: names[int(found[1])] if int(found[1]) < len(names) else found[0], text)
        kind = TypeError if isinstance(error, TypeError) else IndexError if type(error) is IndexError else ValueError
        if isinstance(error, np.linalg.LinAlgError):
            kind = np.linalg.LinAlgError
        return kind(f"{self.name}: {text}. Got {came}{given}.{hint}")

    @property
    def is_named_well(self) -> bool:
        """Does nobody else have its name? A function of a user, made an op, may be called as one of `OPS` is."""
        return OPS.get(self.name, self) is self

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> Any:
        return (_lookup, (self.name,)) if OPS.get(self.name) is self else super().__reduce__()


PYTHON_NUMBERS = frozenset((float, int, bool, complex))

# NumPy's words for what generalized ufuncs such as matmul refuse, in which a beginner finds no sense.
CORE = re.compile(
    r"has a mismatch in its core dimension \d+, with gufunc signature .*\(size (\d+) is different from (\d+)\)"
)
NO_ROOM = re.compile(r"(does not have enough dimensions \(has \d+), gufunc core with signature .* requires \d+")
OPERAND = re.compile(r"(?:\w+: )?Input operand (\d+)")

MATMUL = " The last axis of the first must equal the second-last of the other: transpose one with .T?"
ADVICE = (
    (
        "broadcast",
        " Axes are matched from the right and must be equal or 1: insert an axis with x[:, np.newaxis], or reshape.",
    ),
    ("mismatch in its core dimension", MATMUL),
    ("not aligned", MATMUL),
    ("cannot reshape", " The number of elements must stay the same; one length may be -1."),
    ("zero-dimensional", " np.stack joins numbers; elements of one array are joined already."),
    ("out of bounds", " Axes and indices count from 0, or backwards from -1."),
    ("enough dimensions", " A product with a single number is x * y; insert an axis with x[np.newaxis]."),
    ("could not be safely coerced", " Integers or masks are wanted: x.astype(int), or a comparison such as x > 0."),
    ("object too deep", " One axis is wanted: x.ravel(), or a loop over rows."),
    ("must be 2-dimensional", " Add axes with x[np.newaxis] or reshape."),
)


def constant_data(op: Op, x: Any) -> Any:
    """Return what a constant operand holds: numbers as they are, arrays as copies that nobody can write to later.

    A copy, because an array that its owner overwrites between forward and backward would make a wrong gradient
    without a word. Wrap a large constant once, `Value(x, requires_grad=False)`, and it is copied once.

    Raises:
        TypeError: if it does not hold numbers.
    """
    if type(x) in PYTHON_NUMBERS:
        return x
    if type(x) is np.ndarray and x.dtype.kind in "biufc":
        return x.copy()
    if isinstance(x, np.generic) and x.dtype.kind in "biufc":
        return x
    if isinstance(x, (str, bytes)) or x is None:
        raise TypeError(f"{op.name}: wanted a Value, an array or a number, got {type(x).__name__} {x!r}.")
    if isinstance(x, (list, tuple)) and any(isinstance(item, Node) for item in x):
        raise TypeError(
            f"{op.name}: wanted a Value, an array or a number, got a {type(x).__name__} of Values: np.stack joins them."
        )
    if isinstance(x, np.ndarray) and hasattr(x, "mask"):
        raise TypeError(f"{op.name}: wanted an array without a mask, got {type(x).__name__}. {UNMASK}")
    try:
        array = np.array(x)
    except ValueError as error:
        raise TypeError(f"{op.name}: wanted an array of numbers, got a ragged {type(x).__name__}: {error}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{op.name}: wanted an array of numbers, got dtype {array.dtype} from {type(x).__name__}: convert "
            "it first, as in np.array(x, dtype=float)."
        )
    return array


UNMASK = "Write x.filled(0.0), and keep the mask for where(mask, …)."

PLAIN = frozenset((int, float, bool, str, complex, type(None)))


def plain(attr: Any) -> Any:
    """Return an attribute as numbers, strings and tuples: JSON-able, and nobody can change it later."""
    kind = type(attr)
    if kind in PLAIN:
        return attr
    if kind is tuple or kind is list:
        return tuple(map(plain, attr))
    if isinstance(attr, (np.ndarray, np.generic)):
        return plain(attr.tolist())
    return attr


def op(label: str = "", **properties: Any) -> Callable[[Callable[..., Any]], Op]:
    """Make an `Op` of a function of arrays, and enter it in `OPS` under its name.

    Positional parameters are arrays, keyword-only parameters are attributes. Then state its derivative with `defvjp`
    (or pass ``differentiable=False``).

    >>> from autograd_nn import Value, op
    >>> @op("cube")
    ... def cube(x):
    ...     "x to the third."
    ...     return x * x * x
    >>> cube.defvjp(lambda g, ans, x: g * 3 * x * x)
    <op cube>
    >>> x = Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    >>> from autograd_nn import OPS
    >>> _ = OPS.pop("cube")  # (tidy up after the example)

    Args:
        label: glyph or short text for pictures; the name if left out.
        **properties: see `Op`.

    Raises:
        ValueError: if an op of another module has the name.
    """

    def register(forward: Callable[..., Any]) -> Op:
        made = Op(forward, label=label, **properties)
        other = OPS.get(made.name)
        if other is not None and other.module != made.module:  # running a notebook's cell again defines it anew
            raise ValueError(
                f"an op named {made.name!r} exists already (in {other.module}); pass name=… for another name."
            )
        OPS[made.name] = made
        return made

    return register


def _lookup(name: str) -> Op:
    return OPS[name]


@op("item", complex=True)
def item(results, *, index):
    """Select one result of an op that returns a tuple. The only op whose operand holds a tuple."""
    return results[index]


item.defvjp(lambda g, ans, results, index: g)  # the walk puts g in its place in the tuple
ITEM = item
