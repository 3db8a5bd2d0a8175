"""What a model is made of, and what it costs: a table of layers, output shapes, parameters, FLOPs and memory.

The model runs forward once, on zeros or an example, and the recorded graph is read: each node belongs to the module
whose scope it has. So the table shows what is computed, whoever wrote the module.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..flops import FREE, flops
from ..graph import Graph, Node, dtype, mode, shape
from ..value import Value

__all__ = ["Row", "Summary", "summarize"]


@dataclass
class Row:
    """One layer, or what a module computes between its layers.

    Attributes:
        path: of the module; "" for the model itself.
        kind: its class, or the ops between layers, such as "relu".
        shape: of what it computed last.
        weights: parameters that are no biases.
        biases: parameters that are named so.
        frozen: how many of these are not trained.
        flops: of one forward pass.
        memory: bytes of what it computed, kept until the backward pass.
        calls: how often it was called.
    """

    path: str
    kind: str
    shape: Any = ()
    weights: int = 0
    biases: int = 0
    frozen: int = 0
    flops: int = 0
    memory: int = 0
    calls: int = 0

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    def count(self, path: str | None, p: Node) -> None:
        """Add a parameter; None stands for one that is counted already."""
        if path is None:
            return
        if path.rpartition(".")[2].endswith("bias"):
            self.biases += p.size
        else:
            self.weights += p.size
        if not p.requires_grad:
            self.frozen += p.size


@dataclass
class Summary:
    """A model in numbers; printed, or shown in a notebook, it is a table.

    Attributes:
        name: class of the model.
        rows: in the order in which things are computed.
        input_shapes: what the model was run on.
        parameters: how many numbers are learned or frozen.
        trainable: how many of them are trained.
        flops: floating point operations of a forward pass; a training step takes about three times as many.
        parameter_memory: bytes.
        gradient_memory: bytes of the gradients of trained parameters.
        activation_memory: bytes of inputs and results that are kept until the backward pass.
    """

    name: str
    rows: list[Row]
    input_shapes: list[tuple[int, ...]]
    parameters: int = 0
    trainable: int = 0
    flops: int = 0
    parameter_memory: int = 0
    gradient_memory: int = 0
    activation_memory: int = 0
    buffer_memory: int = field(default=0, repr=False)

    @property
    def memory(self) -> int:
        """Bytes of a training step: parameters, gradients, activations, and state that is not trained."""
        return self.parameter_memory + self.gradient_memory + self.activation_memory + self.buffer_memory

    def cells(self) -> list[list[str]]:
        """Return the lines of the table."""
        lines = []
        for row in self.rows:
            weights = f"{row.weights:,}" + (f" (+{row.biases:,} bias)" if row.biases else "") if row.parameters else ""
            frozen = "" if not row.frozen else " frozen" if row.frozen == row.parameters else " partly frozen"
            lines.append(
                [
                    row.path,
                    row.kind + (f" ×{row.calls}" if row.calls > 1 else ""),
                    shown(row.shape),
                    weights,
                    f"{row.parameters:,}{frozen}" if row.parameters else "",
                    f"{row.flops:,}" if row.flops else "",
                    size_of(row.memory) if row.memory else "",
                ]
            )
        return lines

    def totals(self) -> list[tuple[str, str]]:
        """Return the lines under the table."""
        frozen = self.parameters - self.trainable
        memory = [
            f"{size_of(self.parameter_memory)} parameters",
            f"{size_of(self.gradient_memory)} gradients",
            f"{size_of(self.activation_memory)} activations",
        ]
        if self.buffer_memory:
            memory.append(f"{size_of(self.buffer_memory)} buffers")
        return [
            ("input", ", ".join(map(shown, self.input_shapes))),
            ("parameters", f"{self.parameters:,}: {self.trainable:,} trainable, {frozen:,} frozen"),
            ("FLOPs", f"{self.flops:,} forward, about three times that for a training step"),
            ("memory", f"{size_of(self.memory)}: " + ", ".join(memory)),
        ]

    def __str__(self) -> str:
        table = [list(HEAD), *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEAD))]
        left = (True, True, True, False, False, False, False)
        lines = [
            "  ".join(
                cell.ljust(w) if to_left else cell.rjust(w) for cell, w, to_left in zip(line, widths, left, strict=True)
            )
            for line in table
        ]
        rule = "─" * max(map(len, lines))
        totals = [f"{what:<12}{text}" for what, text in self.totals()]
        return "\n".join([self.name, rule, lines[0], rule, *lines[1:], rule, *totals]).replace(" \n", "\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            aligned = ["left"] * 3 + ["right"] * 4
            return "<tr>" + "".join(
                f'<{tag} style="text-align: {a}">{html.escape(c)}</{tag}>' for c, a in zip(cells, aligned, strict=True)
            ) + "</tr>"  # fmt: skip

        totals = "<br>".join(f"{html.escape(what)}: {html.escape(text)}" for what, text in self.totals())
        body = "".join(line(cells, "td") for cells in self.cells())
        return (
            f"<table><caption>{html.escape(self.name)}</caption><thead>{line(list(HEAD), 'th')}</thead>"
            f"<tbody>{body}</tbody></table><p>{totals}</p>"
        )


HEAD = ("layer", "kind", "output", "weights", "parameters", "FLOPs", "activations")


def shown(lengths: Any) -> str:
    """Return a shape as text."""
    return "×".join(map(str, lengths)) if lengths else "scalar"


def size_of(count: float) -> str:
    """Return bytes as text.

    >>> size_of(999), size_of(40_960), size_of(5e6)
    ('999 B', '41.0 kB', '5.0 MB')
    """
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def summarize(model: Any, *inputs: Any) -> Summary:
    """Run a model once and return what it is made of; see `Module.summary`.

    Raises:
        TypeError: if there is no input, or nothing that depends on a parameter was recorded.
    """
    parameters = dict(model.named_parameters())
    given = examples("summary", model, inputs)
    outputs = recorded("summary", model, given)
    own, buffers = list(parameters.values()), model.buffers()
    graph = Graph.of(*outputs)
    held = {id(memory_of(p._data)) for p in (*own, *buffers)}
    rows = table(model, graph, held)
    return Summary(
        name=type(model).__name__,
        rows=rows,
        input_shapes=[shape(x) for x in given],
        parameters=sum(p.size for p in own),
        trainable=sum(p.size for p in own if p.requires_grad),
        flops=sum(row.flops for row in rows),
        parameter_memory=sum(nbytes(p._data) for p in own),
        gradient_memory=sum(nbytes(p._data) for p in own if p.requires_grad),
        activation_memory=kept(graph.nodes, set(held)),
        buffer_memory=sum(nbytes(b._data) for b in buffers),
    )


def examples(what: str, model: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """Return what to run the model on.

    Raises:
        TypeError: if nothing was given.
    """
    if not inputs:
        raise TypeError(
            f"{type(model).__name__}.{what} wanted the shape of a batch, such as (32, 64), or an example: an array."
        )
    kind = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    return [example(x, kind) for x in inputs]


def recorded(what: str, model: Any, given: Any) -> list[Node]:
    """Run the model and return its outputs; buffers and random generators are put back.

    Raises:
        TypeError: if none of them is a Value.
    """
    with untouched(model), mode(recording=True, scope=None):
        outputs = [out for out in flat(model(*given)) if isinstance(out, Node)]
    if not outputs:
        raise TypeError(f"{what}: {type(model).__name__} returned nothing that was recorded as a Value.")
    return outputs


def example(x: Any, kind: np.dtype) -> Any:
    """Return what to run on: zeros of a shape, one row of so many features for a number, or an array as it is."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        x = (1, int(x))
    if isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x):
        return Value(np.zeros(x, kind), requires_grad=False, name="input")
    if isinstance(x, Node) or dtype(np.asarray(x)).kind not in "f":
        return x if isinstance(x, Node) else np.asarray(x)
    return Value(np.asarray(x, kind), requires_grad=False, name="input")


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put buffers and random generators back to where they were."""
    buffers = [(b, b._data, b.serial) for b in model.buffers()]
    generators = [
        (thing, thing.bit_generator.state)
        for module in model.modules()
        for thing in vars(module).values()
        if isinstance(thing, np.random.Generator)
    ]
    try:
        yield
    finally:
        for buffer, data, serial in buffers:
            buffer._data, buffer.serial = data, serial
        for generator, state in generators:
            generator.bit_generator.state = state


def flat(out: Any) -> Iterator[Any]:
    """Yield what is in nested tuples, lists and dicts."""
    if isinstance(out, dict):
        out = list(out.values())
    if isinstance(out, (list, tuple)):
        for part in out:
            yield from flat(part)
    else:
        yield out


def scopes(model: Any) -> dict[str, tuple[str, Any]]:
    """Return (path, module) by the scope in which a module's nodes are recorded."""
    scope_of: dict[str, str] = {}
    found: dict[str, tuple[str, Any]] = {}
    for path, module in model.named_modules():  # outer ones first
        outer = path
        while outer and outer not in scope_of:
            outer = outer.rpartition(".")[0]
        label = module._label or type(module).__name__.lower()
        scope_of[path] = f"{scope_of[outer]}/{label}" if path else label
        found[scope_of[path]] = path, module
    return found


def table(model: Any, graph: Graph, held: set[int]) -> list[Row]:
    """Return a row for each layer, and for what modules compute between their layers."""
    found = scopes(model)
    names = {id(p): path for path, p in model.named_parameters()}
    rows: dict[tuple[str, str], Row] = {}
    seen = set(held)
    ran = list(runs(graph))
    outer = {scope.rpartition("/")[0] for scope, _ in ran}  # they leave some of the work to their parts
    for scope, nodes in ran:
        path, module = place(scope, found)
        is_layer = module is not None and scope not in outer
        kind = type(module).__name__ if is_layer else ops_of(nodes)
        row = rows.setdefault((path, kind), Row(path, kind))
        row.calls += 1
        row.shape = next(shape(x) for x in arrays(nodes[-1]._data))
        row.flops += sum(map(flops, nodes))
        row.memory += kept(nodes, seen)
        for p in (p for node in nodes for p in node.parents):
            row.count(names.pop(id(p), None), p)
    for path, p in model.named_parameters():
        if id(p) in names:
            owner = path.rpartition(".")[0]
            rows.setdefault((owner, "unused"), Row(owner, "unused")).count(path, p)
    return list(rows.values())


def runs(graph: Graph) -> Iterator[tuple[str, list[Node]]]:
    """Yield ops in the order in which they ran, as long as they stay in one scope together."""
    ops = sorted((node for node in graph.nodes if node.op is not None), key=lambda node: node.serial)
    for scope, nodes in itertools.groupby(ops, key=lambda node: node.scope or ""):
        yield scope, list(nodes)


def place(scope: str, found: dict[str, tuple[str, Any]]) -> tuple[str, Any]:
    """Return the path to show for a scope, and its module; None for a scope that is not a module's own."""
    if scope in found:
        return found[scope]
    outer, rest = scope, ""
    while outer and outer not in found:
        outer, _, last = outer.rpartition("/")
        rest = f"{last}/{rest}" if rest else last
    path = found[outer][0] if outer else ""
    return (f"{path}/{rest}" if path else rest), None


def ops_of(nodes: list[Node]) -> str:
    """Return the names of ops, of those that compute if there are any."""
    names = list(dict.fromkeys(node.op.name for node in nodes if node.op is not None))
    names = [name for name in names if name not in FREE] or names
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def arrays(data: Any) -> tuple[Any, ...]:
    """Return what a node holds: one array, or several."""
    return data if type(data) is tuple else (data,)


def memory_of(array: Any) -> Any:
    """Return the array that owns the memory of one."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def kept(nodes: Iterable[Node], seen: set[int]) -> int:
    """Return the bytes that nodes keep, each array once, whoever looks at it; `seen` are those not to count."""
    total = 0
    for node in nodes:
        for array in map(memory_of, arrays(node._data)):
            if id(array) not in seen:
                seen.add(id(array))
                total += nbytes(array)
    return total


def nbytes(array: Any) -> int:
    """Bytes of an array's elements; those of a Python number."""
    return array.nbytes if isinstance(array, (np.ndarray, np.generic)) else 8
