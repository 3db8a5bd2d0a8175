"""A graph as a short list of steps: it can be evaluated, checked, and printed as a script that runs by itself.

`autograd_nn.testing.strategies.random_graphs` draws them; this module knows nothing of Hypothesis.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backward import cotangents
from ..op import OPS, Op
from ..value import Value
from .check_grads import GradientError, check_grads
from .differences import derivative, one_sided
from .discrepancy import data_of, kind, random_like, shifted

__all__ = ["RandomGraph", "Step", "check_graph"]


@dataclass(frozen=True)
class Step:
    """One op applied to operands.

    Attributes:
        op: the op.
        operands: for each argument the number of a value (leaves first, then the results of steps), or a constant.
        attrs: keyword arguments.
        result: which result is used, for an op that returns a tuple; else None.
    """

    op: Op
    operands: tuple[Any, ...]
    attrs: dict[str, Any]
    result: int | None = None


@dataclass(frozen=True)
class RandomGraph:
    """Leaves, and steps that compute from them; its value is the sum over everything that no step uses.

    Attributes:
        leaves: arrays and Python floats.
        steps: in the order in which they are computed.
    """

    leaves: tuple[Any, ...]
    steps: tuple[Step, ...]

    def values(self, *leaves: Any) -> list[Any]:
        """Return all values: the leaves, then the result of each step."""
        values = list(leaves or self.leaves)
        for step in self.steps:
            out = step.op(*[values[x] if type(x) is int else x for x in step.operands], **step.attrs)
            values.append(out if step.result is None else out[step.result])
        return values

    @property
    def sinks(self) -> list[int]:
        """Numbers of the values that no step uses."""
        used = {x for step in self.steps for x in step.operands if type(x) is int}
        return [i for i in range(len(self.leaves) + len(self.steps)) if i not in used]

    def __call__(self, *leaves: Any) -> Any:
        """Return the sum over all sinks, computed from other leaves."""
        values = self.values(*leaves)
        total = total_of(values[self.sinks[0]])
        for i in self.sinks[1:]:
            total = total + total_of(values[i])
        return total

    def pruned(self, keep: int) -> RandomGraph:
        """Return the part of the graph on which value number `keep` depends."""
        count = len(self.leaves)
        needed, stack = set(), [keep]
        while stack:
            i = stack.pop()
            if i not in needed:
                needed.add(i)
                stack += [x for x in self.steps[i - count].operands if type(x) is int] if i >= count else []
        number = {old: new for new, old in enumerate(sorted(needed))}
        steps = [
            Step(s.op, tuple(number[x] if type(x) is int else x for x in s.operands), s.attrs, s.result)
            for i, s in enumerate(self.steps)
            if i + count in needed
        ]
        return RandomGraph(tuple(x for i, x in enumerate(self.leaves) if i in needed), tuple(steps))

    def alone(self, i: int) -> RandomGraph:
        """Return step number i by itself: the values of its operands are its leaves."""
        step, values = self.steps[i], self.values()
        needed = sorted({x for x in step.operands if type(x) is int})
        operands = tuple(needed.index(x) if type(x) is int else x for x in step.operands)
        return RandomGraph(tuple(values[x] for x in needed), (Step(step.op, operands, step.attrs, step.result),))

    def is_smooth(self) -> bool:
        """Are the slopes on both sides equal, and sure, along a random line for each operand of each step?

        A step at a tie is not smooth even where the whole graph is: ``maximum(x, x)``.
        """
        rng = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            parts = [self.alone(i) for i in range(len(self.steps))]
            return all(
                part.is_smooth_along(i, random_like(x, rng)) for part in parts for i, x in enumerate(part.leaves)
            )

    def is_smooth_along(self, i: int, direction: Any) -> bool:
        """Is the sum over the sinks smooth when leaf number i moves along a direction?"""

        def along(t: float) -> float:
            return float(self(*[shifted(x, t, direction) if j == i else x for j, x in enumerate(self.leaves)]))

        (left, right), (slope, error) = one_sided(along), derivative(along)
        scale = max(1.0, abs(left), abs(right), abs(slope))
        return bool(abs(left - right) <= 1e-4 * scale and error <= 1e-5 * scale)  # nan is not smooth

    def check(self) -> None:
        """Run `check_graph` on it.

        Raises:
            GradientError: with a script that reproduces the failure on the smallest part of the graph that fails.
        """
        first = self.failure()
        if first is None:
            return
        parts = [self.alone(i) for i, step in enumerate(self.steps) if step.op is first.op]
        parts += sorted(
            [self.pruned(len(self.leaves) + i) for i in range(len(self.steps))], key=lambda part: len(part.steps)
        )
        for part in [*parts, self]:
            error = part.failure()
            if error is not None:
                message = f"{error}\n\nThis script reproduces it:\n\n{part.script()}"
                raise GradientError(message, error.discrepancy, error.op)

    def failure(self) -> GradientError | None:
        """Return the error of `check_graph` on it, or None."""
        try:
            check_graph(self, *self.leaves)
        except GradientError as error:
            return error
        return None

    def script(self) -> str:
        """Return a Python program that builds this graph and checks it."""
        count = len(self.leaves)
        names = [f"x{i}" for i in range(count)] + [f"v{i}" for i in range(len(self.steps))]
        lines = [
            "import numpy as np",
            "",
            "from autograd_nn import OPS",
            "from autograd_nn.testing import check_graph",
            *origins(self.steps),
            "",
            "",
        ]
        lines.append(f"def f({', '.join(names[:count])}):")
        for name, step in zip(names[count:], self.steps, strict=True):
            operands = [names[x] if type(x) is int else literal(x) for x in step.operands]
            operands += [f"{k}={literal(v)}" for k, v in step.attrs.items()]
            pick = "" if step.result is None else f"[{step.result}]"
            lines.append(f"    {name} = OPS[{step.op.name!r}]({', '.join(operands)}){pick}")
        sums = [f"OPS['sum_to']({names[i]}, shape=())" for i in self.sinks]
        lines += [f"    return {' + '.join(sums)}", "", "", "check_graph("]
        return "\n".join([*lines, *[f"    {x}," for x in ("f", *map(literal, self.leaves))], ")", ""])


def origins(steps: Sequence[Step]) -> list[str]:
    """Return the lines that bring the ops which are not the library's into `OPS`: imports, or what is left to do."""
    lines = {}
    for op in (step.op for step in steps if step.op.module.partition(".")[0] != __name__.partition(".")[0]):
        module = sys.modules.get(op.module)
        if OPS.get(op.name) is op and op.module != "__main__" and module is not None:
            lines[f"import {op.module}  # makes op {op.name!r}"] = None
        else:
            lines[f"# Define op {op.name!r} here, with @op: it was made in {op.module}."] = None
    return ["", *lines] if lines else []


def total_of(x: Any) -> Any:
    """Return the sum of all elements."""
    return OPS["sum_to"](x, shape=())


def literal(x: Any) -> str:
    """Return Python code for an array, a number or an attribute."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = np.asarray(x)
        text = f"np.array({x.tolist()!r}"
        if not x.size:
            text = f"np.zeros({x.shape}"
        text = text.replace("nan", "np.nan").replace("inf", "np.inf")
        plain = x.size and x.dtype in (np.dtype(float), np.dtype(int), np.dtype(bool), np.dtype(complex))
        return f"{text})" if plain else f"{text}, dtype={x.dtype.name!r})"
    return repr(x)


def check_graph(f: Callable[..., Any], *args: Any, order: int = 2) -> None:
    """Check everything that must hold for any graph.

    Derivatives equal central differences; gradients as a graph (``create_graph=True``) are the plain ones; a second
    backward pass doubles every ``.grad``.

    Args:
        f: returns a scalar.
        *args: arrays and Python floats.
        order: highest derivative to compare.

    Raises:
        GradientError: naming what does not hold.

    >>> check_graph(lambda x: OPS["exp"](x) * x, 0.5)
    """
    check_grads(f, *args, order=order)
    leaves = [Value(x) for x in args]
    output = f(*leaves)
    if not isinstance(output, Value) or not output.requires_grad:
        return  # independent of everything: check_grads has compared that with zero
    plain = cotangents([output], leaves)
    recorded = cotangents([output], leaves, create_graph=True)
    for i, (a, b) in enumerate(zip(plain, recorded, strict=True)):
        if not same(a, data_of(b)):
            raise GradientError(
                f"check_graph: the gradient of argument {i} is {a} computed on arrays, {b} recorded as a graph."
            )
    output.backward()
    once = [leaf.grad if leaf.grad is None else np.array(leaf.grad) for leaf in leaves]
    output.backward()
    for i, (leaf, a, b) in enumerate(zip(leaves, plain, once, strict=True)):
        if not same(a, b):
            raise GradientError(f"check_graph: backward gives argument {i} the gradient {b}, cotangents {a}.")
        if b is not None and not same(2 * b, leaf.grad):
            raise GradientError(
                f"check_graph: a second backward makes the gradient of argument {i} {leaf.grad}, not twice {b}."
            )


def same(a: Any, b: Any) -> bool:
    """Are two gradients equal to rounding? None equals None."""
    if a is None or b is None:
        return a is b
    return (
        np.shape(a) == np.shape(b)
        and kind(a) == kind(b)
        and bool(np.allclose(a, b, rtol=1e-10, atol=1e-12, equal_nan=True))
    )
