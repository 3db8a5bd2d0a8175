"""Recurrent networks: cells that do one step, and layers that run them along (batch, time, features).

A layer multiplies the inputs of all steps by the input weights at once; what is left for a step is the product with the
last state. By default the steps are unrolled: ordinary ops, one after the other, that share the weight nodes, so that
the gradient of a weight is the sum over the steps. With ``scan=True`` they are one op that keeps the states only and
runs each step again in the backward pass: the same numbers from less memory, in more time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..functions import linear
from ..graph import Node, dtype, shape
from ..losses import holds, span
from ..ops.comparison import less, where
from ..ops.indexing import index
from ..ops.recurrence import gru_gates, lstm_gates
from ..ops.shape import concatenate, expand_dims, reshape, stack, swapaxes
from ..scan import scan as scan_steps
from ..value import Value
from .activation import Activation, activation
from .dropout import Dropout
from .initializer import Initializer, initializer
from .linear import float_dtype, positive
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "Cell", "GRUCell", "LSTMCell", "RNNCell", "Recurrent"]

State = tuple[Any, ...]
"""What a cell remembers: (h,), or (h, c) of an LSTM; each (batch, hidden_features)."""


class Cell(Module):
    """One step of a recurrence: what `RNNCell`, `LSTMCell` and `GRUCell` have in common.

    Args:
        in_features: numbers that come in at a step.
        hidden_features: numbers in the state, the units of the cell.
        bias: add biases?
        init: initializer of the input weights, drawn for each gate by itself.
        hidden_init: initializer of the weights from state to state; orthogonal ones keep the length of a state (Saxe
            et al., 2014).
        dtype: of the parameters.
        rng: seed or generator of the weights.

    Attributes:
        input_weight: (in_features, gates · hidden_features).
        hidden_weight: (hidden_features, gates · hidden_features).
        bias: (gates · hidden_features,), or None.
    """

    gates = 1
    states = 1
    biases = 1
    hidden_bias: Value | None = None

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        hidden_init: str | Initializer = "orthogonal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive(type(self).__name__, in_features=in_features, hidden_features=hidden_features)
        self.in_features, self.hidden_features = in_features, hidden_features
        self.init, self.hidden_init, self.dtype = init, hidden_init, float_dtype(dtype)
        width = self.gates * hidden_features
        self.input_weight = Value(np.zeros((in_features, width), dtype), name="input_weight")
        self.hidden_weight = Value(np.zeros((hidden_features, width), dtype), name="hidden_weight")
        self.bias = Value(np.zeros(width, dtype), name="bias") if bias else None
        if self.biases == 2:
            self.hidden_bias = Value(np.zeros(width, dtype), name="hidden_bias") if bias else None
        self.reset(np.random.default_rng(rng))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the weights afresh; biases are 0 again."""
        for weight, init in ((self.input_weight, self.init), (self.hidden_weight, self.hidden_init)):
            block = (weight.shape[0], self.hidden_features)
            draw = initializer(init)
            weight.assign(np.concatenate([draw(block, rng, dtype=self.dtype) for _ in range(self.gates)], axis=1))
        for bias in (self.bias, self.hidden_bias):
            if bias is not None:
                bias.assign(np.zeros(bias.shape, self.dtype))

    def forward(self, x: Any, state: Any = None) -> Any:
        """Return the state after one step.

        Args:
            x: (batch, in_features).
            state: the state before, (batch, hidden_features), for an `LSTMCell` a pair (h, c) of them; None for zeros.

        Raises:
            TypeError, ValueError: if shapes or dtypes do not fit.
        """
        x = self.operand(x)
        came = shape(x)
        if len(came) != 2 or came[1] != self.in_features:
            raise ValueError(
                f"{type(self).__name__} wanted x of shape (batch, {self.in_features}), the input of one step, got "
                f"{came}."
            )
        wanted = (came[0], self.hidden_features)
        new = self.step(self.project(x), self.start(state, wanted, "(batch, hidden_features)"))
        return new if self.states > 1 else new[0]

    def project(self, x: Any) -> Any:
        """Return what the inputs (…, in_features) of any number of steps contribute to the gates."""
        *lead, features = shape(x)
        if len(lead) > 1:  # one product of matrices
            x = reshape(x, shape=(int(np.prod(lead)), features))
        y = linear(x, self.input_weight, self.bias)
        return reshape(y, shape=(*lead, shape(y)[-1])) if len(lead) > 1 else y

    def step(self, projected: Any, state: State) -> State:
        """Return the state after a step, from what `project` made of its input and the state before."""
        raise NotImplementedError(f"{type(self).__name__} has no step: write `def step(self, projected, state): …`.")

    def start(self, state: Any, wanted: tuple[int, ...], axes: str) -> State:
        """Return a first state as a tuple: zeros, or what came, checked."""
        called = type(self).__name__
        if state is None:
            return (np.zeros(wanted, self.dtype),) * self.states
        if self.states == 1:
            state = (state,)
        elif not isinstance(state, (tuple, list)) or len(state) != self.states:
            raise TypeError(
                f"{called} wanted its state as a pair (h, c), each of shape {wanted} {axes}, got "
                f"{type(state).__name__}."
            )
        state = tuple(map(self.operand, state))
        for s in state:
            if shape(s) != wanted:
                raise ValueError(f"{called} wanted a state of shape {wanted} {axes}, got {shape(s)}.")
        return state


class RNNCell(Cell):
    """One step of a simple recurrent network: h' = tanh(x W + h U + b).

    J. Elman: Finding structure in time, Cognitive Science 14 (1990). PyTorch's `RNNCell` has two biases, whose sum is
    the bias here.

    Args:
        in_features: numbers that come in at a step.
        hidden_features: numbers in the state, the units of the cell.
        activation: by name or any function of an array.
        **options: as for `Cell`.

    >>> cell = RNNCell(1, 8, rng=0)
    >>> h = cell(np.ones((5, 1)))
    >>> cell(np.ones((5, 1)), h).shape
    (5, 8)
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: str | Activation = "tanh",
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        hidden_init: str | Initializer = "orthogonal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.activation = activation
        self.check_activation()
        super().__init__(
            in_features, hidden_features, bias=bias, init=init, hidden_init=hidden_init, dtype=dtype, rng=rng
        )

    def check_activation(self) -> Activation:
        """Return the activation as a function.

        Raises:
            ValueError, TypeError: if it is none.
        """
        return activation(self.activation)

    def step(self, projected: Any, state: State) -> State:
        """Return (h',)."""
        return (self.check_activation()(projected + state[0] @ self.hidden_weight),)


class LSTMCell(Cell):
    """One step of a long short-term memory, whose cell state c is changed by addition, so that gradients live on.

    i, f, g, o = σ, σ, tanh, σ of the quarters of x W + h U + b; c' = f c + i g; h' = o tanh(c'). The order of the gates
    (input, forget, candidate, output) is PyTorch's, whose two biases add up to the one here. Biases begin at 0, those
    of the forget gate at 1 (Jozefowicz, Zaremba, Sutskever, ICML 2015, section 5).

    S. Hochreiter, J. Schmidhuber: Long short-term memory, Neural Computation 9 (1997); with the forget gate of F. Gers,
    J. Schmidhuber, F. Cummins (2000).

    Arguments as for `Cell`.

    >>> cell = LSTMCell(3, 8, rng=0)
    >>> h, c = cell(np.ones((5, 3)))
    >>> h, c = cell(np.ones((5, 3)), (h, c))
    >>> h.shape, c.shape
    ((5, 8), (5, 8))
    """

    gates = 4
    states = 2

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the weights afresh; biases are 0 again, those of the forget gate 1."""
        super().reset(rng)
        if self.bias is not None:
            self.bias.assign(np.repeat(np.array([0, 1, 0, 0], self.dtype), self.hidden_features))

    def step(self, projected: Any, state: State) -> State:
        """Return (h', c')."""
        h, c = state
        return lstm_gates(projected + h @ self.hidden_weight, c)[:2]


class GRUCell(Cell):
    """One step of a gated recurrent unit.

    r, z = σ(x W + b + h U + d) for two thirds of the columns; n = tanh(x W + b + r (h U + d)) for the last third;
    h' = (1 - z) n + z h. These are PyTorch's equations and its order (reset, update, candidate), with its two biases:
    b is `bias`, d is `hidden_bias`.

    K. Cho et al.: Learning phrase representations using RNN encoder-decoder, EMNLP 2014, with the reset gate after the
    product, which is one product for all gates.

    Arguments as for `Cell`.

    Attributes:
        hidden_bias: (3 · hidden_features,), or None.
    """

    gates = 3
    biases = 2

    def step(self, projected: Any, state: State) -> State:
        """Return (h',)."""
        (h,) = state
        return gru_gates(projected, linear(h, self.hidden_weight, self.hidden_bias), h)[:1]


class Recurrent(Module):
    """A recurrent layer, or several on top of each other: what `RNN`, `LSTM` and `GRU` have in common.

    Args:
        in_features: numbers that come in at a step.
        hidden_features: units of each cell.
        layers: so many layers, each of which reads the outputs of the one below.
        bidirectional: also read each sequence from its end? Outputs of both directions stand side by side.
        dropout: probability with which outputs of a layer are set to 0 on the way to the next one, in training.
        returns: "all" for (outputs, state) as the call describes, "outputs", or "last": the last layer's h after the
            last step, (batch, directions · hidden_features), for a `Sequential` that classifies or forecasts.
        scan: run the steps as one op, see the module's text.
        bias, init, hidden_init, dtype: as for `Cell`.
        rng: seed or generator of the weights, and of dropout.

    Attributes:
        cells: one for each layer.
        reverse_cells: those that read from the end.
    """

    cell: type[Cell] = Cell
    settings: tuple[str, ...] = ("bias", "init", "hidden_init", "dtype")  # what its cells are told

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        returns: str = "all",
        scan: bool = False,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        hidden_init: str | Initializer = "orthogonal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        called = type(self).__name__
        positive(called, in_features=in_features, hidden_features=hidden_features, layers=layers)
        if returns not in RETURNS:
            raise ValueError(f"{called} wanted returns={' or '.join(map(repr, RETURNS))}, got {returns!r}.")
        if dropout and layers == 1:
            raise ValueError(
                f"{called} has dropout between its layers, and wanted layers=2 or more with dropout={dropout}, got 1. "
                "Put nn.Dropout(p) behind it for dropout of its outputs."
            )
        self.in_features, self.hidden_features, self.layers = in_features, hidden_features, layers
        self.bidirectional, self.dropout, self.returns, self.scan = bidirectional, dropout, returns, scan
        self.bias, self.init, self.hidden_init, self.dtype = bias, init, hidden_init, float_dtype(dtype)
        rng = np.random.default_rng(rng)
        directions = 2 if bidirectional else 1
        self.cells: list[Cell] = []
        self.reverse_cells: list[Cell] = []
        for layer in range(layers):
            for cells in (self.cells, self.reverse_cells)[:directions]:
                cells.append(self.make_cell(in_features if layer == 0 else directions * hidden_features, rng))
        self.drop = Dropout(dropout, rng=rng) if dropout else None

    def make_cell(self, in_features: int, rng: np.random.Generator) -> Cell:
        """Return a new cell of the layer's kind."""
        settings = {name: getattr(self, name) for name in self.settings}
        return self.cell(in_features, self.hidden_features, **settings, rng=rng)

    def forward(self, x: Any, state: Any = None, *, mask: Any = None, lengths: Any = None) -> Any:
        """Run sequences through the cells.

        Where a sequence has ended nothing happens: its state is carried over, its outputs are 0, and what stands in
        the padding (it may be nan) gets a gradient of exactly 0.

        Args:
            x: (batch, time, in_features).
            state: before the first step, (layers · directions, batch, hidden_features), layer by layer, forward
                before reverse; for an `LSTM` a pair (h, c) of them; None for zeros.
            mask: (batch, time), True where there is a step, False where there is padding.
            lengths: (batch,), how many steps each sequence has, in place of a mask.

        Returns:
            Outputs of the last layer, (batch, time, directions · hidden_features), and the state after the last step,
            shaped as the one before the first; one of them only if `returns` says so.

        Raises:
            TypeError, ValueError: if shapes, dtypes, mask or lengths do not fit.
        """
        x = self.operand(x)
        came = shape(x)
        if len(came) != 3 or came[2] != self.in_features or not came[1]:
            hint = " One sequence alone is x[None], (1, time, features)." if len(came) == 2 else ""
            raise ValueError(
                f"{type(self).__name__} wanted x of shape (batch, time, {self.in_features}) with at least one step, "
                f"got {came}.{hint}"
            )
        first = self.first_states(state, came[0])
        x = swapaxes(x, axis1=0, axis2=1)  # steps first, so that each is one block of memory
        real = steps_mask(type(self).__name__, mask, lengths, *came[:2])
        if real is not None:
            x = where(real, x, 0.0)
        final: list[State] = []
        for layer, cell in enumerate(self.cells):
            if layer and self.drop is not None:
                x = self.drop(x)
            y, last = self.run(cell, x, first[len(final)], real, reverse=False)
            final.append(last)
            if self.bidirectional:
                back, last = self.run(self.reverse_cells[layer], x, first[len(final)], real, reverse=True)
                final.append(last)
                y = concatenate(y, back, axis=-1)
            x = y
        if self.returns == "last":
            *_, h = ends = [last[0] for last in final]
            return concatenate(*ends[-2:], axis=-1) if self.bidirectional else h
        outputs = swapaxes(x, axis1=0, axis2=1)
        if self.returns == "outputs":
            return outputs
        states = tuple([stack(*column, axis=0) for column in zip(*final, strict=True)])
        return outputs, states if self.cell.states > 1 else states[0]

    def first_states(self, state: Any, batch: int) -> list[State]:
        """Return the state before the first step of each cell, layer by layer."""
        count = len(self.cells) + len(self.reverse_cells)
        cell = self.cells[0]
        if state is None:
            return [cell.start(None, (batch, self.hidden_features), "")] * count
        wanted = (count, batch, self.hidden_features)
        states = cell.start(state, wanted, "(layers · directions, batch, hidden_features)")
        return [tuple([s[i] for s in states]) for i in range(count)]

    def run(self, cell: Cell, x: Any, state: State, real: Any, *, reverse: bool) -> tuple[Any, State]:
        """Run one cell over x (time, batch, features); return its outputs and its last state."""
        projected = cell.project(x)

        def step(state: State, at: Sequence[Any]) -> tuple[State, Any]:
            new = cell.step(at[0], state)
            if len(at) > 1 and at[1] is not None:
                new = tuple([where(at[1], n, s) for n, s in zip(new, state, strict=True)])
            return new, new[0]

        if self.scan:
            state, outputs = scan_steps(
                step, state, [projected] if real is None else [projected, real], reverse=reverse
            )
        else:
            time = shape(x)[0]
            some = padded_steps(real, time)
            hs: list[Any] = [None] * time
            for t in range(time)[:: -1 if reverse else 1]:
                state, hs[t] = step(state, (projected[t], some[t]))
            outputs = stack(*hs, axis=0)
        return outputs if real is None else where(real, outputs, 0.0), tuple(state)


RETURNS = ("all", "outputs", "last")


class RNN(Recurrent):
    """A simple recurrent network, see `RNNCell`. The same weights serve every step.

    Over long times its gradients vanish or explode, as powers of the weights from state to state: `LSTM` and `GRU`
    remember for longer.

    Args:
        in_features: numbers that come in at a step.
        hidden_features: units of each cell.
        activation: by name or any function of an array.
        **options: layers, bidirectional, dropout, returns, scan, bias, init, hidden_init, dtype, rng as for
            `Recurrent`.

    >>> x = np.zeros((5, 20, 1))  # 5 sequences of 20 steps of 1 number
    >>> outputs, state = RNN(1, 8, rng=0)(x)
    >>> outputs.shape, state.shape
    ((5, 20, 8), (1, 5, 8))
    >>> from autograd_nn import nn
    >>> forecast = nn.Sequential(nn.RNN(1, 8, returns="last", rng=0), nn.Linear(8, 1, rng=1))
    >>> forecast(x).shape
    (5, 1)
    """

    cell = RNNCell
    settings = ("activation", *Recurrent.settings)

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: str | Activation = "tanh",
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        returns: str = "all",
        scan: bool = False,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        hidden_init: str | Initializer = "orthogonal",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.activation = activation
        super().__init__(
            in_features,
            hidden_features,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            returns=returns,
            scan=scan,
            bias=bias,
            init=init,
            hidden_init=hidden_init,
            dtype=dtype,
            rng=rng,
        )


class LSTM(Recurrent):
    """A long short-term memory, see `LSTMCell`. Its state is a pair (h, c). Arguments as for `Recurrent`.

    >>> x = np.zeros((2, 6, 3))
    >>> outputs, (h, c) = LSTM(3, 8, layers=2, bidirectional=True, rng=0)(x, lengths=[6, 4])
    >>> outputs.shape, h.shape, c.shape
    ((2, 6, 16), (4, 2, 8), (4, 2, 8))
    """

    cell = LSTMCell


class GRU(Recurrent):
    """A layer of gated recurrent units, see `GRUCell`. Arguments as for `Recurrent`.

    >>> GRU(3, 8, returns="last", rng=0)(np.zeros((2, 6, 3))).shape
    (2, 8)
    """

    cell = GRUCell


def steps_mask(called: str, mask: Any, lengths: Any, batch: int, time: int) -> Any:
    """Return where there are steps, as booleans (time, batch, 1), or None for everywhere.

    Raises:
        TypeError, ValueError: if mask or lengths do not fit.
    """
    if mask is not None and lengths is not None:
        raise ValueError(f"{called} wanted mask or lengths, got both.")
    if lengths is not None:
        mask = mask_of_lengths(called, lengths, batch, time)
    if mask is None:
        return None
    mask = mask if isinstance(mask, Node) else np.asarray(mask)
    if dtype(mask).kind != "b":
        raise TypeError(
            f"{called} wanted a mask of booleans, True where there is a step, got {dtype(mask)}: mask.astype(bool)."
        )
    if shape(mask) != (batch, time):
        raise ValueError(f"{called} wanted a mask of shape (batch, time), {(batch, time)}, got {shape(mask)}.")
    return expand_dims(swapaxes(mask, axis1=0, axis2=1), axis=-1)


def mask_of_lengths(called: str, lengths: Any, batch: int, time: int) -> Any:
    """Return where sequences of these lengths have steps: (batch, time)."""
    lengths = lengths if isinstance(lengths, Node) else np.asarray(lengths)
    if dtype(lengths).kind not in "iu":
        raise TypeError(f"{called} wanted lengths as integers, got {dtype(lengths)}.")
    if shape(lengths) != (batch,):
        raise ValueError(f"{called} wanted one length for each sequence, of shape {(batch,)}, got {shape(lengths)}.")
    if not holds(lambda n: (n >= 1) & (n <= time), lengths):
        raise ValueError(
            f"{called} wanted lengths from 1 to {time}, the steps in x, got {span(lengths)}. Leave "
            "out sequences without steps; or give a mask, where they keep the first state."
        )
    return less(np.arange(time), index(lengths, (slice(None), None)))


def padded_steps(real: Any, time: int) -> list[Any]:
    """Return for each step where sequences go on, (batch, 1); None where all do, since then nothing is carried over."""
    if real is None:
        return [None] * time
    columns = [real[t] for t in range(time)]
    return columns if isinstance(real, Node) else [None if column.all() else column for column in columns]
