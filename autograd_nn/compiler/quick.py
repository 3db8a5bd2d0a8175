"""The usual call of a compiled function, written out: a few lines of Python around the plan.

The general way through `Recording.run` treats every kind of argument, state and result; most calls are like the one
before. For those, what would be looked up and looped over is written as source, once for each recording.
"""

from __future__ import annotations

import operator
import sys
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, repeat, starmap
from operator import call
from typing import Any

import numpy as np

from .. import nested
from ..graph import NO_ATTRS, clock, modes, put_back
from ..value import Value

__all__ = ["FAILED", "MISS", "Names", "quick_call"]

MOST_STATES = 2000
"""More are read in loops: the source would be long."""

MISS = object()
"""What a quick call returns if anything is not as usual."""
FAILED = object()
"""What it returns if the plan could not be run to its end."""


PLAIN: dict[str, Any] = {
    "ndarray": np.ndarray,
    "array": np.asarray,
    "errstate": np.errstate,
    "modes": modes,
    "clock": clock,
    "put_back": put_back,
    "FAILED": FAILED,
    "MISS": MISS,
    "LOST": (ValueError, KeyError, AttributeError, IndexError),
    "count": sys.getrefcount,
    "call": call,
    "chain": chain,
    "deque": deque,
    "repeat": repeat,
    "setitem": operator.setitem,
    "starmap": starmap,
}
"""What every source refers to."""


class Names:
    """Objects that sources refer to, by name.

    The written-out calls of a compiled function share them, so that there is one reference to each array, however many.
    """

    def __init__(self, **bound: Any) -> None:
        self.bound = bound
        self._names = {id(x): name for name, x in bound.items()}

    def clear(self) -> None:
        """Let go of everything; sources that were written before keep theirs."""
        self.bound, self._names = {}, {}

    def add(self, **bound: Any) -> None:
        """Refer to objects by names of their own."""
        self.bound |= bound
        self._names |= {id(x): name for name, x in bound.items()}

    def __len__(self) -> int:
        return len(self.bound)

    def __contains__(self, thing: Any) -> bool:
        return id(thing) in self._names

    def __call__(self, thing: Any, wanted: str) -> str:
        """Return the name of an object; a number after `wanted` makes it one of its own."""
        if thing is None or thing is True or thing is False:
            return repr(thing)
        if id(thing) not in self._names:
            name = f"{wanted}_{len(self.bound)}"
            self.bound[name] = thing
            self._names[id(thing)] = name
        return self._names[id(thing)]


def states_of(generators: Sequence[Any]) -> list[tuple[Any, str, Any]]:
    """Return what puts bit generators back to where they are now, as a journal."""
    return [(g, "state", g.state) for g in generators]


def ended(x: Any, op: Any, parents: tuple[Any, ...], requires_grad: bool) -> Value:
    """Return a Value that a compiled function returns: `Value.leaf`, written out for the usual mode."""
    made = Value.__new__(Value)
    made._data = x
    made._grad = made.hooks = made.source = made.name = made.scope = None
    made.attrs = NO_ATTRS
    made.requires_grad = requires_grad
    made.serial = next(clock)
    if requires_grad:
        made.op, made.parents = op, parents
    else:
        made.op, made.parents = None, ()
    return made


def unshared() -> int:
    """Return how often the array of a state is referred to where a quick call asks, if nobody else holds it."""
    leaf = Value.leaf(np.empty(1))
    names: dict[str, Any] = {"leaf": leaf, "count": sys.getrefcount, "known": leaf._data}
    exec("def ask():\n    s0 = leaf._data\n    return count(s0)", names)  # noqa: S102  (our own source)
    return names["ask"]()


UNSHARED = unshared()


def quick_call(
    recording: Any, names: Names, leaves: Sequence[Any], op: Any, anchor: Any, lock: Any
) -> Callable[..., Any] | None:
    """Return a function of the positional arguments, as a tuple, that does what `recording` does; it may return `MISS`.

    None if arguments are nested or Values, or results are.
    """
    arrays = all(type(x) in (np.ndarray, float, int) for x in leaves)
    if not arrays or recording.identities or recording.returned or not recording.plan.quick:
        return None
    if len(recording.states) > MOST_STATES or recording.limited is not None or recording.plan.shares:
        return None
    plan, writes = recording.plan, recording.writes
    if not names:
        names.add(**PLAIN, lock=lock, op=op, parents=(anchor,), number=number, ended=ended, unflatten=nested.unflatten)
    threads, failed = names(recording.threads, "threads"), names(recording.failed, "failed")
    conditions = ["modes.current is None"]
    for i, x in enumerate(leaves):
        conditions.append(f"type(a{i}) is {type(x).__name__}")
        if type(x) is np.ndarray:
            conditions += [f"a{i}.shape == {x.shape}", f"a{i}.dtype is {names(x.dtype, 'dtype')}"]
    for look, seen in recording.guards:
        known = (
            look.conditions(names)
            if hasattr(look, "conditions")
            else [f"{names(look, 'look')}() == {names(seen, 'seen')}"]
        )
        conditions += known
    states = [state.read() for state in recording.states]
    body = [f"    s{i} = {names(s.where[0], 'owner')}{s.where[1]}" for i, s in enumerate(recording.states)]
    body = ["try:", f"    free = {threads}.free", "    run = free[0]", *body, "except LOST:", "    return MISS"]
    usual = ["run"]
    for i, x in enumerate(states):
        if type(x) is not np.ndarray:
            usual.append(f"type(s{i}) is {names(type(x), 'kind')}")
            continue
        if plan.contiguous and not (x.flags.c_contiguous and x.flags.aligned):
            return None
        usual.append(f"s{i} is {names(x, 'state')}")
        if i in recording.written:
            if not (x.base is None and x.flags.carray):
                return None
            usual.append(f"count(s{i}) <= {UNSHARED}")
    body += [f"if not ({' and '.join(usual)}):", "    return MISS"]
    given = "".join(f"a{i}, " for i in recording.positions)
    hosts = "".join(f"{names(compute, 'host')}(), " for compute in recording.hosts)
    reads = "".join(f"s{i}, " for i in range(len(states)))
    last = "function, arrays" if plan.direct else "*_"
    draws = bool(recording.generators)
    undone = ["    put_back(drawn_from)"] if draws else []
    running = [
        "try:",
        f"    results, assigned, checked, {last} = run(({given}), ({reads}), ({hosts}))",
        "except Exception as error:",
        f"    {failed}(error)",
        *undone,
        "    free[0] = run",
        "    return FAILED",
    ]
    if plan.program.checks:
        running += ["if not all(checked):", *undone, "    free[0] = run", "    return FAILED"]
    if writes:
        running += commit_lines(recording, names, states)
    if draws:
        before = f"drawn_from = {names(states_of, 'states_of')}({names(recording.generators, 'generators')})"
        running = [before, "try:", *(f"    {line}" for line in running), "except BaseException:", *undone, "    raise"]
    body += ["free[0] = None", *running, "free[0] = run"]  # a call from inside this one finds None
    outputs = [
        output(f"results[{k}]{'.copy()' if k in recording.copied else ''}", how, v)
        for k, (how, v) in enumerate(zip(recording.outputs, plan.program.outputs, strict=True))
    ]
    if recording.single:
        answer = outputs[0]
    else:
        answer = written(recording.structure, outputs)
        if answer is None:
            answer = f"unflatten({names(recording.structure, 'structure')}, [{', '.join(outputs)}])"
    if plan.ignores:
        body = ["with errstate(all='ignore'):", *(f"    {line}" for line in body)]
    if writes:
        body = ["with lock:", *(f"    {line}" for line in body)]
    lines = [
        "def quick(args):",
        "    try:",
        f"        {''.join(f'a{i}, ' for i in range(len(leaves))) or '()'} = args".replace(",  =", ", ="),
        f"        if not ({' and '.join(conditions)}):",
        "            return MISS",
        "    except LOST:",
        "        return MISS",
        *(f"    {line}" for line in body),
        f"    return {answer}",
    ]
    source = "\n".join(lines)
    exec(compile(source, "<call of a compiled function>", "exec"), names.bound)  # noqa: S102  (our own source)
    return names.bound.pop("quick")


def commit_lines(recording: Any, names: Names, states: Sequence[Any]) -> list[str]:
    """Return the lines that assign everything at once: no signal is looked at before all is done."""
    plan = recording.plan
    calls = []
    if plan.direct:
        calls.append("(*function, arrays)")
    for k, i in enumerate(i for i in recording.written if i not in plan.direct):
        if type(states[i]) is not np.ndarray:
            calls.append(f"{names(recording.states[i].write, 'write')}(number(assigned[{k}][2]))")
        elif k in plan.sunk:
            calls.append(f"(assigned[{k}][1], *assigned[{k}][2], s{i})")
        else:
            calls.append(f"(setitem, s{i}, ..., assigned[{k}][2])")
    calls += [f"{names(commit, 'commit')}()" for commit in recording.commits]
    if recording.generators:
        calls.append("(drawn_from.clear,)")  # from now on nothing is put back
    leaves = [recording.states[i].leaf for i in recording.written if recording.states[i].leaf is not None]
    lines = [
        f"deque(chain(starmap(call, ({''.join(c + ', ' for c in calls)})), "
        f"map(setattr, {names(leaves, 'leaves')}, repeat('serial'), clock), "
        f"map(setattr, {names(recording.zeroed, 'zeroed')}, repeat('_grad'), repeat(None))), 0)"
    ]
    if recording.accepts is not None:
        return [f"if {names(recording.accepts, 'accepts')}(results):", *(f"    {line}" for line in lines)]
    return lines


def number(x: Any) -> Any:
    """Return a single number out of an array without axes."""
    return x[()] if isinstance(x, np.ndarray) else x


def output(text: str, how: Any, v: Any) -> str:
    """Return the expression of a result as the function itself would return it."""
    if v.shape == () and not v.python:
        text = f"number({text})" if how.scalar else f"array({text})"
    return f"ended({text}, op, parents, {how.requires_grad})" if how.as_value else text


class Leaf:
    """The text of a leaf."""

    def __init__(self, text: str) -> None:
        self.text = text


def written(structure: Any, texts: list[str]) -> str | None:
    """Return the expression that puts texts of leaves into a structure; None if it is not of tuples, lists and dicts.

    >>> written(nested.flatten((1.0, [2.0], {"a": 3.0}))[1], ["x", "y", "z"])
    "(x, [y, ], {'a': z, }, )"
    """

    def expression(tree: Any) -> str:
        if type(tree) is Leaf:
            return tree.text
        if type(tree) in (tuple, list):
            inside = "".join(f"{expression(x)}, " for x in tree)
            return f"({inside})" if type(tree) is tuple else f"[{inside}]"
        if type(tree) is dict and all(type(key) is str for key in tree):
            return "{" + "".join(f"{key!r}: {expression(x)}, " for key, x in tree.items()) + "}"
        raise TypeError

    try:
        return expression(nested.unflatten(structure, [Leaf(text) for text in texts]))
    except TypeError:
        return None
