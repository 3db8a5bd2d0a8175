"""A run of `fit` in one file: model, optimizer, generators, place in the data, history, versions.

The file is in the safetensors format (`autograd_nn.saving`): arrays by path, everything else as JSON in the metadata.
So the weights of a checkpoint can be read by any tool that knows the format, and nothing in it is executed. It is
written beside the old one and put in its place at once: a kill at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..saving import load_arrays, save_arrays

__all__ = ["differences", "load_checkpoint", "save_checkpoint"]

FORMAT = "autograd_nn checkpoint 1"
ARRAY, TUPLE = "array:", "tuple:"  # keys that no state uses
DEPTH = 50


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a state, nested dicts and lists of arrays, numbers and texts, into one file, atomically.

    Raises:
        TypeError: if something else is in it, naming the place.
        OSError: if the file cannot be written; an old one stays as it is.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = packed(state, "", arrays)
    save_arrays(path, arrays, {"format": FORMAT, "state": json.dumps(tree, separators=(",", ":"))})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the state in a checkpoint: nested dicts with the entries model, optimizer, history, and more.

    ``model.load_state_dict(load_checkpoint(path)["model"])`` takes the weights alone.

    Raises:
        ValueError: if the file is damaged, or no checkpoint.
        OSError: if it cannot be read.
    """
    arrays, metadata = load_arrays(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{os.fspath(path)} is no checkpoint of a run: wanted the format {FORMAT!r}, got "
            f"{metadata.get('format', 'a file of arrays')!r}."
        )
    try:
        state = unpacked(json.loads(metadata["state"]), arrays)
        if not isinstance(state, dict):
            raise TypeError("it holds no dict")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} is a damaged checkpoint: {type(error).__name__} {error}.") from None
    return state


def packed(tree: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a tree that JSON can hold, and collect its arrays under their paths."""
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return float(tree) if isinstance(tree, np.floating) else tree  # np.float64 is a float
    if isinstance(tree, (np.ndarray, np.generic)):
        name = path or "array"
        arrays[name] = np.array(tree, subok=False)
        return {ARRAY: name, "scalar": isinstance(tree, np.generic)}
    if isinstance(tree, Mapping):
        if wrong := [key for key in tree if not isinstance(key, str) or key in (ARRAY, TUPLE)]:
            raise TypeError(f"a checkpoint wanted texts as keys at {path or 'the top'}, got {wrong[0]!r}.")
        return {key: packed(part, f"{path}/{key}" if path else key, arrays) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        parts = [packed(part, f"{path}/{i}", arrays) for i, part in enumerate(tree)]
        return {TUPLE: parts} if isinstance(tree, tuple) else parts
    raise TypeError(f"a checkpoint holds arrays, numbers and texts; at {path or 'the top'} is a {type(tree).__name__}.")


def unpacked(tree: Any, arrays: Mapping[str, np.ndarray], depth: int = 0) -> Any:
    """Put the arrays back."""
    if depth > DEPTH:
        raise ValueError(f"it is nested more than {DEPTH} deep")
    if isinstance(tree, dict):
        if ARRAY in tree:
            array = arrays[tree[ARRAY]]
            return array[()] if tree["scalar"] else array
        if TUPLE in tree:
            return tuple(unpacked(part, arrays, depth + 1) for part in tree[TUPLE])
        return {key: unpacked(part, arrays, depth + 1) for key, part in tree.items()}
    if isinstance(tree, list):
        return [unpacked(part, arrays, depth + 1) for part in tree]
    return tree


def differences(what: str, wanted: Any, came: Any) -> list[str]:
    """List where two trees differ in keys, in shape and dtype of arrays, or in other entries."""
    if isinstance(wanted, Mapping) and isinstance(came, Mapping):
        lines = [f"{what}: {key} is missing" for key in wanted if key not in came]
        lines += [f"{what}: {key} is not expected" for key in came if key not in wanted]
        for key in wanted:
            if key in came:
                lines += differences(f"{what}: {key}", wanted[key], came[key])
        return lines
    if isinstance(wanted, (list, tuple)) and type(wanted) is type(came) and len(wanted) == len(came):
        pairs = enumerate(zip(wanted, came, strict=True))
        return [line for i, (one, other) in pairs for line in differences(f"{what}: {i}", one, other)]
    if isinstance(wanted, np.ndarray) and isinstance(came, np.ndarray):
        if (wanted.shape, wanted.dtype) == (came.shape, came.dtype):
            return []
        return [f"{what} wanted {wanted.shape} {wanted.dtype}, got {came.shape} {came.dtype}"]
    if type(wanted) is type(came) and wanted == came:
        return []
    return [f"{what} wanted {wanted!r:.60}, got {came!r:.60}"]
