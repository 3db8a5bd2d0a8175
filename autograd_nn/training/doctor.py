"""The gradient-flow doctor: what is wrong with a network before time is spent on training it, and the cure.

`diagnose` looks at one batch going forward and backward, layer by layer, and takes a few trial steps, which it takes
back. As a callback, `Doctor` does the same in the first steps of `fit` and warns once. Signals and gradients should
keep their size from layer to layer: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward
neural networks", 2010, section 4; K. He et al., "Delving deep into rectifiers", 2015, section 2.2.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backward import backward
from ..graph import Node, topological_order
from ..losses import Loss, cross_entropy
from ..nn import Module
from ..optim import Optimizer
from .callback import Callback, State, TrainingWarning
from .feed import Batch, Feed
from .history import shown
from .metric import plain
from .objective import Objective, check_loss

__all__ = ["Diagnosis", "Doctor", "Finding", "Layer", "diagnose"]

# Limits, as far from what healthy networks show as from what they are to catch; see the tests for both sides.
GROWTH = 30.0  # of the signal, or of the gradient, through all layers
PER_LAYER = 1.6  # and at each of them, in the mean
VANISHED = 1e-3  # of a gradient, through all layers
FADING = 0.5  # and at each of them, in the mean
MANY = 0.5  # share of units that are dead, or of outputs that are saturated
SATURATED = {"tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99), "softsign": (-0.99, 0.99)}
RECTIFIED = ("relu",)
ACTIVATIONS = (*RECTIFIED, *SATURATED, "leaky_relu", "elu", "gelu", "silu", "softplus")
FLAT = 1e-3  # relative change of the loss in the trial steps
STEPS = 20


class Layer(NamedTuple):
    """What one layer does to signals and gradients.

    Attributes:
        path: of the module, such as ``layers.0``.
        kind: its class.
        activation: the op that its outputs go through, "" for none.
        signal: root mean square of its outputs, before the activation.
        gradient: root mean square of the loss's derivative by these outputs, times the rows.
        weight: root mean square of its parameters.
        update: gradient of its parameters in proportion to the parameters: norm by norm.
        dead: share of units that are 0 for every row, if they are rectified.
        saturated: share of outputs at the flat ends, if the activation has such.
    """

    path: str
    kind: str
    activation: str
    signal: float
    gradient: float
    weight: float
    update: float
    dead: float
    saturated: float


class Finding(NamedTuple):
    """Something that is wrong.

    Attributes:
        problem: "not finite", "exploding signal", "exploding gradient", "vanishing gradient", "dead relu",
            "saturation", "no gradient", "learning rate too large" or "not learning".
        layer: path of the layer where it is worst; "" for the whole.
        evidence: what was measured.
        cure: what to do, in one sentence.
    """

    problem: str
    layer: str
    evidence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.problem}{' at ' + self.layer if self.layer else ''}: {self.evidence}. {self.cure}"


class Diagnosis:
    """Layers with their statistics, and what is wrong with them.

    Attributes:
        layers: in the order of their calls.
        findings: the causes first.
        losses: of the batch before each trial step, and after the last; one number if there was no optimizer.
        healthy: is nothing wrong?
    """

    def __init__(self, layers: list[Layer], findings: list[Finding], losses: list[float]) -> None:
        self.layers, self.findings, self.losses = layers, findings, losses

    @property
    def healthy(self) -> bool:
        """Is nothing wrong?"""
        return not self.findings

    @property
    def problems(self) -> list[str]:
        """Return the names of the problems, the causes first."""
        return [finding.problem for finding in self.findings]

    def table(self) -> list[list[str]]:
        """Return the cells that are shown: a line of names, then one for each layer."""
        head = ["layer", "kind", "activation", "signal", "gradient", "weight", "update", "dead", "saturated"]
        return [head, *[[cell(part) for part in layer] for layer in self.layers]]

    def __repr__(self) -> str:
        table = self.table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = []
        for row in table:
            left = [word.ljust(width) for word, width in zip(row[:3], widths[:3], strict=True)]
            right = [word.rjust(width) for word, width in zip(row[3:], widths[3:], strict=True)]
            lines.append("  ".join(left + right).rstrip())
        return "\n".join([*lines, self.trend(), *(map(str, self.findings) if self.findings else ["healthy"])])

    def trend(self) -> str:
        """Return what the loss did, as text."""
        if len(self.losses) == 1:
            return f"loss {self.losses[0]:.4g}"
        return f"loss {self.losses[0]:.4g}, after {len(self.losses) - 1} trial steps {self.losses[-1]:.4g}"

    def _repr_html_(self) -> str:
        head, *rows = ([html.escape(word) for word in row] for row in self.table())
        marked = {finding.layer for finding in self.findings}
        body = "".join(
            ('<tr style="background:#fdd">' if layer.path in marked else "<tr>")
            + "".join(f"<td>{word}</td>" for word in row)
            + "</tr>"
            for layer, row in zip(self.layers, rows, strict=True)
        )
        top = "".join(f"<th>{word}</th>" for word in head)
        said = "".join(f"<li>{html.escape(str(f))}</li>" for f in self.findings) or "<li>healthy</li>"
        return (
            f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{html.escape(self.trend())}</p><ul>{said}</ul>"
        )


def cell(part: Any) -> str:
    """Return a cell as text; NaN, for "does not apply", stays empty."""
    return part if isinstance(part, str) else "" if math.isnan(part) else shown(float(part))


def diagnose(
    model: Module,
    data: Any,
    loss: str | Loss,
    optimizer: Optimizer | None = None,
    *,
    batch_size: int | None = 256,
    steps: int = STEPS,
) -> Diagnosis:
    """Look for dead units, saturation, and signals and gradients that vanish or explode; nothing is changed.

    Args:
        model: is looked at in training mode, on the first batch of the data.
        data: as for `fit`.
        loss: a name or a function.
        optimizer: if there is one, some trial steps show whether the loss falls; they are taken back.
        batch_size: rows that are looked at; None for all.
        steps: how many trial steps.

    >>> import numpy as np
    >>> from autograd_nn import data, nn
    >>> sizes = [2, 16, 16, 16, 16, 16, 2]
    >>> bad = nn.MLP(sizes, init="standard_normal", rng=0)
    >>> diagnose(bad, data.moons(100, rng=0), "cross_entropy").problems
    ['exploding signal']
    >>> diagnose(nn.MLP(sizes, init="he_normal", rng=0), data.moons(100, rng=0), "cross_entropy").healthy
    True
    """
    feed = Feed(data, batch_size=batch_size, shuffle=False)
    batch = next(iter(feed))
    objective = Objective(model, loss)
    with undone(model, optimizer), np.errstate(all="ignore"):  # what overflows is among the findings
        model.train()
        layers, first, unreached = examined(objective, batch)
        losses = [first]
        if optimizer is not None and math.isfinite(first):
            losses += trial(objective, batch, optimizer, steps)
    findings = look(layers, losses, objective, optimizer, unreached)
    return Diagnosis(layers, findings, losses)


@contextlib.contextmanager
def undone(model: Module, optimizer: Optimizer | None = None) -> Iterator[None]:
    """Take back everything that happens to model and optimizer in the block: weights, gradients, modes, generators."""
    leaves = [*model.parameters(), *model.buffers()]
    arrays, grads = [leaf._data for leaf in leaves], [leaf._grad for leaf in leaves]
    training = [(m, m.training) for m in model.modules()]
    rngs = [(m, vars(m)["rng"]) for m in model.modules() if isinstance(vars(m).get("rng"), np.random.Generator)]
    states = [rng.bit_generator.state for _, rng in rngs]
    saved = None if optimizer is None else optimizer.state_dict()
    for leaf in leaves:
        leaf._grad = None
    try:
        yield
    finally:
        for leaf, array, grad in zip(leaves, arrays, grads, strict=True):
            if leaf._data is not array:
                leaf.assign(array)
            leaf._grad = grad
        for m, was in training:
            m.training = was
        for (_, rng), state in zip(rngs, states, strict=True):
            rng.bit_generator.state = state
        if optimizer is not None and saved is not None:
            optimizer.load_state_dict(saved)


def examined(objective: Objective, batch: Batch) -> tuple[list[Layer], float, list[str]]:
    """Run one batch both ways; return statistics of each layer, the loss, and parameters that it does not reach."""
    model = objective.model
    seen: list[tuple[str, Module, Any]] = []
    watched = []
    for path, module in model.named_modules():
        if any(p.requires_grad for p in module.parameters()):
            watched.append((module, module.forward))
            module.forward = watcher(module.forward, path, module, seen)  # type: ignore[method-assign]
    try:
        _, loss = objective(batch)
    finally:
        for module, _ in watched:
            del module.forward  # the one of the class is back
    check_loss(loss, objective.name)
    backward(loss)
    children: dict[Node, list[Node]] = {}
    order = topological_order([loss])
    for node in order:
        for p in node.parents:
            children.setdefault(p, []).append(node)
    # What a scan calls is not in the graph: then the module around it stands for its parts.
    among = set(order)
    found = [(path, module, out) for path, module, out in seen if isinstance(out, Node) and out in among]
    layers = [
        described(path or type(model).__name__, module, out, children, batch.rows)
        for path, module, out in found
        if not any(part is not module and (not path or inner.startswith(path + ".")) for inner, part, _ in found)
    ]
    unreached = [path for path, p in model.named_parameters() if p.requires_grad and p._grad is None]
    return layers, float(plain(loss).reshape(())), unreached


def watcher(forward: Any, path: str, module: Module, seen: list[tuple[str, Module, Any]]) -> Any:
    """Return the function, so that its results are seen."""

    def watched(*args: Any, **kwargs: Any) -> Any:
        out = forward(*args, **kwargs)
        seen.append((path, module, out[0] if type(out) is tuple and out else out))  # recurrent: outputs, state
        return out

    return watched


def rms(x: Any) -> float:
    """Return the root of the mean square, computed so that it overflows only if it has to."""
    x = np.asarray(x, float)
    size = float(np.abs(x).max(initial=0.0))
    return size * math.sqrt(float(np.mean(np.square(x / size)))) if 0 < size < math.inf else size


def described(path: str, module: Module, out: Node, children: dict[Node, list[Node]], rows: int) -> Layer:
    """Return the statistics of one layer."""
    z, activation = plain(out), next((c for c in children.get(out, ()) if c.op and c.op.name in ACTIVATIONS), None)
    name = activation.op.name if activation is not None and activation.op is not None else ""
    dead = saturated = math.nan
    if activation is not None and name in RECTIFIED:
        # a unit is a feature of rows (…, features), or a channel of images (batch, channels, height, width)
        others = tuple(i for i in range(z.ndim) if i != (1 if z.ndim == 4 else z.ndim - 1))
        dead = float(np.mean((z <= 0).all(axis=others)))
    if activation is not None and name in SATURATED:
        low, high = SATURATED[name]
        a = plain(activation)
        saturated = float(np.mean((a < low) | (a > high)))
    own = [p for p in module.parameters() if p.requires_grad]
    weight = max((rms(p._data) for p in own), default=math.nan)
    norms = [
        math.hypot(*(rms(part) * math.sqrt(part.size) for part in parts if part is not None))
        for parts in ([p._grad for p in own], [p._data for p in own])
    ]
    update = norms[0] / norms[1] if norms[1] else math.nan
    gradient = math.nan if out._grad is None else rms(plain(out._grad)) * rows
    return Layer(path, type(module).__name__, name, rms(z), gradient, weight, update, dead, saturated)


def trial(objective: Objective, batch: Batch, optimizer: Optimizer, steps: int) -> list[float]:
    """Take steps on one batch, and return the loss after each."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        _, loss = objective(batch)
        loss.backward(retain="leaves")
        optimizer.step()
        _, after = objective(batch)
        losses.append(float(plain(after).reshape(())))
        if not math.isfinite(losses[-1]):
            break
    return losses


# findings


def look(
    layers: list[Layer], losses: list[float], objective: Objective, optimizer: Optimizer | None, unreached: list[str]
) -> list[Finding]:
    """Return what is wrong, the causes first."""
    findings = [*broken(layers, losses), *cut_off(unreached), *signals(layers), *gradients(layers), *units(layers)]
    if not math.isfinite(losses[0]):
        return findings
    start = losses[0]
    if optimizer is not None and len(losses) > 1:
        findings += trend(losses, optimizer)
    if objective.loss is cross_entropy and not any(f.problem.startswith("exploding") for f in findings):
        classes = layers[-1].signal if layers else 0.0
        if start > 20 and classes > 20:  # a guess costs log(classes): 7 for a thousand of them
            findings.insert(0, Finding(
                "exploding signal", layers[-1].path, f"the first loss is {start:.3g}, logits are of size {classes:.3g}",
                'Initialize with weights that keep signals in size, init="he_normal" for relu; standardize the inputs.',
            ))  # fmt: skip
    return findings


def broken(layers: list[Layer], losses: list[float]) -> list[Finding]:
    """Find the first layer whose numbers are not finite."""
    for layer in layers:
        if not math.isfinite(layer.signal):
            return [Finding(
                "not finite", layer.path, f"its outputs are of size {layer.signal}",
                "Look at the inputs with data.check_finite, and at the op with debug().",
            )]  # fmt: skip
    if not math.isfinite(losses[0]):
        return [Finding(
            "not finite", "", f"the loss is {losses[0]}, though all layers give finite numbers",
            "Use a loss that is computed from logits, such as cross_entropy, and look at the op with debug().",
        )]  # fmt: skip
    return []


def cut_off(unreached: list[str]) -> list[Finding]:
    """Find parameters on which the loss does not depend."""
    if not unreached:
        return []
    more = f" and {len(unreached) - 3} more" if len(unreached) > 3 else ""
    return [Finding(
        "no gradient", unreached[0].rpartition(".")[0], f"the loss does not depend on {', '.join(unreached[:3])}{more}",
        "Use the layer in forward, with no detach(), .data or no_grad() behind it; freeze() what is not to learn.",
    )]  # fmt: skip


def signals(layers: list[Layer]) -> list[Finding]:
    """Find signals that grow from layer to layer."""
    sizes = [(layer.path, layer.signal) for layer in layers if math.isfinite(layer.signal) and layer.signal > 0]
    if len(sizes) < 3:
        return []
    total = sizes[-1][1] / sizes[0][1]
    if total < GROWTH or total ** (1 / (len(sizes) - 1)) < PER_LAYER:
        return []
    worst, factor = max(
        ((path, size / before) for (_, before), (path, size) in itertools.pairwise(sizes)), key=lambda p: p[1]
    )
    return [Finding(
        "exploding signal", worst,
        f"signals grow {total:.3g} times from {sizes[0][0]} to {sizes[-1][0]}, {factor:.2g} times at this layer",
        'Initialize with weights whose variance is divided by the number of inputs: init="he_normal" for relu, '
        'init="glorot_normal" for tanh; or put nn.LayerNorm or nn.BatchNorm between the layers.',
    )]  # fmt: skip


def gradients(layers: list[Layer]) -> list[Finding]:
    """Find gradients that vanish or explode on their way to the first layer."""
    flow = [layer for layer in layers if math.isfinite(layer.gradient)]
    if not flow:
        return []
    lost = [layer for layer in flow if layer.gradient == 0]
    if lost and flow[-1].gradient > 0:
        where = lost[-1]
        if where.dead == 1.0 or any(layer.dead == 1.0 for layer in flow[flow.index(where) :]):
            return []  # said by `units`
        return [Finding(
            "vanishing gradient", where.path, "its outputs get a gradient of exactly 0",
            'Use relu in place of sigmoid or tanh, init="he_normal", or residual connections.',
        )]  # fmt: skip
    if len(flow) < 3 or flow[-1].gradient == 0:
        return []
    ratio = flow[0].gradient / flow[-1].gradient
    each = ratio ** (1 / (len(flow) - 1))
    evidence = f"the gradient at {flow[0].path} is {ratio:.2g} times that at {flow[-1].path}, over {len(flow)} layers"
    if ratio < VANISHED and each < FADING:
        return [Finding(
            "vanishing gradient", flow[0].path, evidence,
            'Use relu in place of sigmoid or tanh with init="he_normal", normalization, or residual connections.',
        )]  # fmt: skip
    if ratio > GROWTH and each > PER_LAYER and not signals(layers):
        return [Finding(
            "exploding gradient", flow[0].path, evidence,
            'Use smaller weights, init="he_normal" or "glorot_normal", and clip_norm=1.0 in the optimizer.',
        )]  # fmt: skip
    return []


def units(layers: list[Layer]) -> list[Finding]:
    """Find layers most of whose units are dead or saturated."""
    findings = []
    for layer in layers:
        if layer.dead > MANY:
            findings.append(Finding(
                "dead relu", layer.path, f"{layer.dead:.0%} of its units are 0 for every row, and get no gradient",
                'Use a smaller learning rate and init="he_normal" with biases of 0, or activation="leaky_relu".',
            ))  # fmt: skip
        if layer.saturated > MANY:
            findings.append(Finding(
                "saturation", layer.path,
                f"{layer.saturated:.0%} of its outputs are at the flat ends of {layer.activation}: no gradient passes",
                'Use smaller weights, init="glorot_normal", and inputs that are standardized: data.Standardizer.',
            ))  # fmt: skip
    return findings


def trend(losses: list[float], optimizer: Optimizer) -> list[Finding]:
    """Find a loss that does not fall, or rises, in the trial steps."""
    rate = optimizer.learning_rates()[0]
    start, end = losses[0], losses[-1]
    text = f"the loss goes from {start:.4g} to {end:.4g} in {len(losses) - 1} steps on one batch"
    if not math.isfinite(end) or end > 1.05 * start + 1e-12 or max(losses) > 10 * start + 1e-3:
        largest = max(x for x in losses if math.isfinite(x))
        return [Finding(
            "learning rate too large", "", f"{text}, at most {largest:.4g}, with learning rate {rate:g}",
            f"Use a smaller learning rate, such as {rate / 10:g}.",
        )]  # fmt: skip
    if start > 1e-6 and abs(start - end) < FLAT * abs(start):
        return [Finding(
            "not learning", "", f"{text}, with learning rate {rate:g}",
            f"Use a larger learning rate, such as {rate * 10:g}; standardize the inputs; look at the layers above.",
        )]  # fmt: skip
    return []


class Doctor(Callback):
    """Look at the network in the first steps of `fit`, and warn once, with the layer and the cure.

    Args:
        steps: how long to watch; the layers are looked at after the first step and after the last of these.

    Attributes:
        diagnosis: the last one; None before the first step.
    """

    def __init__(self, steps: int = STEPS) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.diagnosis: Diagnosis | None = None
        self.done = False

    def begin(self, state: State) -> None:
        """Forget an earlier run."""
        self.losses, self.diagnosis, self.done = [], None, False

    def step(self, state: State) -> None:
        """Look, in the first steps."""
        if self.done:
            return
        self.losses.append(state.loss)
        if len(self.losses) not in (1, self.steps):
            return
        with undone(state.model), np.errstate(all="ignore"):
            layers, _, unreached = examined(state.objective, state.current)
        first = len(self.losses) == 1
        losses = self.losses if first else smoothed(self.losses)
        self.diagnosis = Diagnosis(
            layers, look(layers, losses, state.objective, None if first else state.optimizer, unreached), losses
        )
        if self.diagnosis.findings or not first:
            self.done = True
        if self.diagnosis.findings:
            self.warn()

    def end(self, state: State) -> None:
        """If the loss was not finite before anything was found, say that."""
        if not self.done and state.finished.startswith("not finite"):
            rate = state.optimizer.learning_rates()[0]
            finding = Finding(
                "learning rate too large", "", f"after {state.step} steps the numbers were not finite any more",
                f"Use a smaller learning rate, such as {rate / 10:g}.",
            )  # fmt: skip
            layers = self.diagnosis.layers if self.diagnosis else []
            self.diagnosis, self.done = Diagnosis(layers, [finding], self.losses or [math.nan]), True
            self.warn()

    def warn(self) -> None:
        """Say what was found."""
        if self.diagnosis is not None:
            said = " ".join(map(str, self.diagnosis.findings))
            warnings.warn(f"the gradient-flow doctor found: {said}", TrainingWarning, stacklevel=2)


def smoothed(losses: list[float]) -> list[float]:
    """Return the means of the first and of the last quarter: losses of different batches vary."""
    quarter = max(1, len(losses) // 4)
    return [float(np.mean(losses[:quarter])), float(np.mean(losses[-quarter:]))]
