"""Weights from PyTorch and to it, through arrays by name, as safetensors files hold them. PyTorch is not needed.

Names are those of PyTorch's modules: a `Sequential` counts its layers, "0.weight"; everything else goes by the name of
the attribute. Weights of linear maps are transposed on the way, since PyTorch keeps (out, in).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..nn import BatchNorm, Linear, Module, MultiHeadAttention, Sequential, TransformerEncoderBlock
from ..nn.recurrent import Cell, Recurrent
from ..saving import load_arrays, save_arrays

__all__ = ["from_torch_state_dict", "to_torch_state_dict"]

Arrays = list[np.ndarray]


class Piece(NamedTuple):
    """Arrays of ours that correspond to some of PyTorch's.

    Attributes:
        ours: names here.
        theirs: names there.
        give: from ours to theirs.
        take: from theirs to ours.
    """

    ours: Sequence[str]
    theirs: Sequence[str]
    give: Callable[[Arrays], Arrays]
    take: Callable[[Arrays], Arrays]


def from_torch_state_dict(
    model: Module, state: str | os.PathLike[str] | Mapping[str, Any], *, names: Mapping[str, str] | None = None
) -> None:
    """Take the weights of the same network in PyTorch. All or nothing: an error changes nothing.

    In PyTorch: ``safetensors.torch.save_file(net.state_dict(), "net.safetensors")``.

    Args:
        model: made of the same layers, in the same order.
        state: a safetensors file, or arrays by name, such as ``{k: v.numpy() for k, v in net.state_dict().items()}``.
            Numbers of bfloat16 become float32.
        names: of parts that are called something else there: from paths here to names there, as in
            ``{"layers.0": "fc1", "layers.1": "fc2"}`` for an `MLP`.

    Raises:
        ValueError: listing every array that is missing, is not expected, or has another shape; or for a damaged file.
        OSError: if it cannot be read.

    >>> from autograd_nn import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), np.tanh)
    >>> from_torch_state_dict(model, {"0.weight": np.ones((2, 3), "f4"), "0.bias": np.zeros(2, "f4")})
    >>> round(model(np.ones((1, 3), "f4")).data[0, 1].item(), 3)  # tanh(3)
    0.995
    """
    check_module("from_torch_state_dict", model)
    given = dict(load_arrays(state)[0]) if isinstance(state, (str, os.PathLike)) else dict(state)
    theirs = {name: known(np.asarray(x)) for name, x in given.items() if not name.endswith("num_batches_tracked")}
    found: dict[str, np.ndarray] = {}
    problems = []
    expected: set[str] = set()
    for piece in pieces(model, names or {}):
        expected |= set(piece.theirs)
        missing = [name for name in piece.theirs if name not in theirs]
        if missing:
            problems += [f"missing: {name}" for name in missing]
            continue
        try:
            taken = piece.take([theirs[name] for name in piece.theirs])
        except (ValueError, IndexError) as error:
            problems.append(f"other shapes: {', '.join(piece.theirs)}: {error}")
            continue
        found |= dict(zip(piece.ours, taken, strict=True))
    own = model.state_leaves()
    problems += [f"not expected: {name} {x.shape}" for name, x in theirs.items() if name not in expected]
    problems += [
        f"other shape: {name} wanted {own[name].shape} here, got {x.shape}"
        for name, x in found.items()
        if own[name].shape != x.shape
    ]
    if problems:
        raise ValueError(
            f"from_torch_state_dict: the state does not fit {type(model).__name__}:\n  "
            + "\n  ".join(problems)
            + "\nParts that have other names there are told by names={'path here': 'name there'}."
        )
    model.load_state_dict(found)


def to_torch_state_dict(
    model: Module, path: str | os.PathLike[str] | None = None, *, names: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Return the weights under the names, and in the layout, of the same network in PyTorch.

    In PyTorch: ``net.load_state_dict(safetensors.torch.load_file(path))``.

    Args:
        model: whose weights.
        path: also write them into this safetensors file.
        names: see `from_torch_state_dict`.

    Raises:
        OSError: if the file cannot be written.

    >>> from autograd_nn import nn
    >>> {name: x.shape for name, x in to_torch_state_dict(nn.Sequential(nn.Linear(3, 2))).items()}
    {'0.weight': (2, 3), '0.bias': (2,)}
    """
    check_module("to_torch_state_dict", model)
    own = model.state_dict()
    found: dict[str, np.ndarray] = {}
    for piece in pieces(model, names or {}):
        given = piece.give([own[name] for name in piece.ours])
        found |= dict(zip(piece.theirs, [np.ascontiguousarray(x) for x in given], strict=True))
    for name, part in prefixes(model, names or {}):
        if isinstance(part, BatchNorm):
            found[joined(name, "num_batches_tracked")] = np.array(0, np.int64)
    if path is not None:
        save_arrays(path, found, {"format": "pt"})
    return found


def check_module(called: str, model: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"{called} wanted an nn.Module, got {type(model).__name__}.")


def known(x: np.ndarray) -> np.ndarray:
    """Return an array of bfloat16, which is a guest in NumPy, as float32."""
    return x.astype(np.float32) if x.dtype.name == "bfloat16" else x


def joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix and name else prefix or name


RENAMED = {
    TransformerEncoderBlock: {
        "attention": "self_attn",
        "expand": "linear1",
        "contract": "linear2",
        "attention_norm": "norm1",
        "feed_forward_norm": "norm2",
    },
    MultiHeadAttention: {"output": "out_proj"},
}
"""What parts of a module are called in PyTorch."""


def named_parts(model: Module, names: Mapping[str, str]) -> Iterator[tuple[str, str, Module]]:
    """Yield path, name in PyTorch, and module, of a model and all its parts."""
    theirs: dict[str, str] = {}
    modules = dict(model.named_modules())
    if unknown := [path for path in names if path not in modules]:
        raise ValueError(f"names wanted paths of parts, such as {', '.join(list(modules)[1:4])}; got {unknown[0]!r}.")
    for path, part in modules.items():
        if not path:
            theirs[path] = names.get("", "")
        else:
            cuts = [i for i, c in enumerate(path) if c == "."]
            parent = next((path[:i] for i in reversed(cuts) if path[:i] in theirs), "")
            rest = path[len(parent) + 1 if parent else 0 :]
            owner = modules[parent]
            if isinstance(owner, Sequential):
                rest = rest.removeprefix("layers.")
            rest = next((renamed.get(rest, rest) for kind, renamed in RENAMED.items() if isinstance(owner, kind)), rest)
            theirs[path] = names.get(path, joined(theirs[parent], rest))
        yield path, theirs[path], part


def prefixes(model: Module, names: Mapping[str, str]) -> Iterator[tuple[str, Module]]:
    """Yield name in PyTorch, and module."""
    for _, name, part in named_parts(model, names):
        yield name, part


def pieces(model: Module, names: Mapping[str, str]) -> Iterator[Piece]:
    """Yield what corresponds to what."""
    done: list[str] = []  # paths whose parts have been dealt with
    own = model.state_leaves()
    for path, name, part in named_parts(model, names):
        if any(path != above and path.startswith(above and f"{above}.") for above in done):
            continue
        if isinstance(part, Recurrent):
            done.append(path)
            yield from of_recurrent(path, name, part)
        elif isinstance(part, Cell):
            done.append(path)
            yield from of_cell(path, name, part, "")
        elif isinstance(part, MultiHeadAttention):
            done += [joined(path, kind) for kind in ("query", "key", "value")]
            yield from of_attention(path, name, part)
        if path in done:
            continue
        for leaf in [joined(path, attribute) for attribute in vars(part) if joined(path, attribute) in own]:
            turn = transposed if isinstance(part, Linear) and leaf.endswith("weight") else unchanged
            yield Piece([leaf], [joined(name, leaf[len(path) + 1 if path else 0 :])], turn, turn)


def unchanged(xs: Arrays) -> Arrays:
    return xs


def transposed(xs: Arrays) -> Arrays:
    return [x.T for x in xs]


def of_recurrent(path: str, name: str, part: Recurrent) -> Iterator[Piece]:
    """Names of weights end in the layer and the direction: _l0, _l0_reverse, _l1 and so on."""
    for cells, direction in (("cells", ""), ("reverse_cells", "_reverse")):
        for i, cell in enumerate(getattr(part, cells)):
            yield from of_cell(joined(path, f"{cells}.{i}"), name, cell, f"_l{i}{direction}")


def of_cell(path: str, name: str, cell: Cell, ending: str) -> Iterator[Piece]:
    """PyTorch adds two biases; where one is enough here it is their sum, and goes there as the first of them."""
    for ours, theirs in (("input_weight", "weight_ih"), ("hidden_weight", "weight_hh")):
        yield Piece([joined(path, ours)], [joined(name, theirs + ending)], transposed, transposed)
    if cell.bias is None:
        return
    biases = [joined(name, f"bias_ih{ending}"), joined(name, f"bias_hh{ending}")]
    if cell.hidden_bias is None:
        yield Piece(
            [joined(path, "bias")], biases, lambda xs: [xs[0], np.zeros_like(xs[0])], lambda xs: [xs[0] + xs[1]]
        )
    else:
        yield Piece([joined(path, "bias"), joined(path, "hidden_bias")], biases, unchanged, unchanged)


def of_attention(path: str, name: str, part: MultiHeadAttention) -> Iterator[Piece]:
    """The three projections are one array there, if queries, keys and values are equally long."""
    three = ("query", "key", "value")
    weights = [joined(path, f"{kind}.weight") for kind in three]
    if len({getattr(part, kind).in_features for kind in three}) == 1:
        yield Piece(
            weights,
            [joined(name, "in_proj_weight")],
            lambda xs: [np.concatenate([x.T for x in xs])],
            lambda xs: [x.T for x in np.split(xs[0], 3)],
        )
    else:
        there = [joined(name, f"{kind}_proj_weight") for kind in ("q", "k", "v")]
        yield Piece(weights, there, transposed, transposed)
    if part.bias:
        yield Piece(
            [joined(path, f"{kind}.bias") for kind in three],
            [joined(name, "in_proj_bias")],
            lambda xs: [np.concatenate(xs)],
            lambda xs: np.split(xs[0], 3),
        )
