"""Files in the safetensors format: named arrays, and whole models. Written whole or not at all, read with suspicion.

A file is 8 bytes with the length of the header (little-endian), the header (JSON: for each name dtype, shape and the
range of its bytes), and the bytes of the arrays. Nothing in it is executed. The format is described at
https://github.com/huggingface/safetensors; this module needs NumPy only.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from .data import Passport
from .nn import Module, architecture, from_architecture

__all__ = ["Saved", "load", "load_arrays", "save", "save_arrays", "write_atomically"]

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "C64": np.dtype("<c8"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
READABLE = DTYPES | {"BF16": np.dtype("<u2")}
"""bfloat16, which NumPy does not have, is the upper half of a float32."""
METADATA = "__metadata__"
HEADER_LIMIT = 25_000_000  # bytes; parsed JSON takes several times the memory of its text
MANY = 64  # axes: NumPy's limit


def save_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays, and texts about them, into one file in the safetensors format, atomically.

    Whatever happens, a kill included, the path holds the old file or the new one, never a part.

    Args:
        path: of the file; it is replaced if it exists.
        arrays: by name.
        metadata: texts by name.

    Raises:
        TypeError: if an array has a dtype that the format does not know, or metadata are not texts.
        OSError: if the file cannot be written; an old file stays as it is.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "weights.safetensors"
    ...     save_arrays(path, {"w": np.array([1.0, 2.0])}, {"made by": "me"})
    ...     load_arrays(path)
    ({'w': array([1., 2.])}, {'made by': 'me'})
    """
    write_atomically(path, encoded(arrays, metadata or {}))


def encoded(arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> Iterator[Any]:
    """Yield the parts of a file, after checking everything."""
    ready: list[tuple[str, str, np.ndarray]] = []
    for name, given in arrays.items():
        array = np.asarray(given)
        kind = array.dtype.newbyteorder("<") if array.dtype.byteorder == ">" else array.dtype
        if not isinstance(name, str) or name == METADATA:
            raise TypeError(f"save_arrays wanted names that are texts other than {METADATA!r}, got {name!r}.")
        if kind not in NAMES:
            raise TypeError(f"save_arrays: {name!r} is of dtype {array.dtype}; the format knows {known()}.")
        # ascontiguousarray would turn shape () into (1,)
        ready.append((name, NAMES[kind], np.asarray(array, kind, order="C")))
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"save_arrays wanted metadata of texts by name, got {key!r}: {type(text).__name__}.")
    ready.sort(key=lambda entry: -entry[2].itemsize)  # so that every array begins at a multiple of its item's size
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name, kind, array in ready:
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, end]}
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"save_arrays wanted names and texts that UTF-8 can hold: {error}.") from None
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise TypeError(f"save_arrays: names and metadata take {len(text)} bytes, at most {HEADER_LIMIT} are read.")
    return iter([len(text).to_bytes(8, "little"), text, *(array.reshape(-1).view(np.uint8) for *_, array in ready)])


def write_atomically(path: str | os.PathLike[str], parts: Iterable[Any]) -> None:
    """Write bytes into a new file beside the path, force them to the disk, and put the file in the path's place.

    A kill on the way leaves a file ``.name.….tmp`` beside the path, which can be deleted.

    Args:
        path: of the file; a link is followed.
        parts: bytes, or arrays of bytes.

    Raises:
        OSError: if that is not possible; an old file stays as it is.
    """
    target = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
        with open(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    if sys.platform != "win32":  # where folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the new name, too, is on the disk
        finally:
            os.close(descriptor)


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a file in the safetensors format: arrays by name, and metadata. Numbers of bfloat16 become float32, exactly.

    The whole file is checked before the first array is made, and memory is bounded by the size of the file.

    Raises:
        ValueError: if the file is damaged, truncated or forged, saying where.
        OSError: if it cannot be read.
    """
    shown = os.fspath(path)
    with open(path, "rb") as file:
        try:
            header, metadata, start = checked_header(file)
            arrays: dict[str, np.ndarray] = {}
            for name, (kind, shape, begin, end) in header.items():
                file.seek(start + begin)
                raw = bytearray(end - begin)
                if file.readinto(raw) != end - begin:
                    damaged(f"it ends inside array {name!r}")
                array = np.frombuffer(raw, np.uint8 if kind == "BOOL" else READABLE[kind])
                if kind == "BOOL":
                    if array.size and array.max() > 1:
                        damaged(f"array {name!r} of BOOL holds bytes other than 0 and 1")
                    array = array.view(bool)
                elif kind == "BF16":
                    array = (array.astype(np.uint32) << 16).view(np.float32)
                arrays[name] = array.reshape(shape).astype(array.dtype.newbyteorder("="), copy=False)
        except ValueError as error:
            raise ValueError(f"{shown} is no valid file of arrays (safetensors): {error}.") from None
    return arrays, metadata


def damaged(what: str) -> NoReturn:
    raise ValueError(what)


Entry = tuple[str, tuple[int, ...], int, int]


def checked_header(file: BinaryIO) -> tuple[dict[str, Entry], dict[str, str], int]:
    """Return the entries by name, the metadata, and where the bytes of the arrays begin."""
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        damaged(f"it has {size} bytes, less than the 8 of the header's length")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        damaged(f"its header is said to have {length} bytes, the file has {size}: truncated, or another kind of file")
    if length > HEADER_LIMIT:
        damaged(f"its header is said to have {length} bytes, at most {HEADER_LIMIT} are read")
    text = file.read(length)
    if not text.startswith(b"{"):
        damaged("its header is no JSON object")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=no_duplicates)
    except RecursionError:
        damaged("its header is nested too deeply")
    except UnicodeDecodeError as error:
        damaged(f"its header is no UTF-8 ({error.reason} at byte {error.start})")
    except json.JSONDecodeError as error:
        damaged(f"its header is no JSON ({error})")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        damaged(f"{METADATA} must hold texts by name")
    entries = {name: checked_entry(name, entry) for name, entry in header.items()}
    end, before = 0, "the header"
    for name, (_, _, begin, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != end:
            what = "overlaps" if begin < end else "leaves a gap after"
            damaged(f"array {name!r} begins at byte {begin} and {what} {before}, which ends at {end}")
        end, before = stop, f"array {name!r}"
    if end != size - 8 - length:
        what = "truncated" if end > size - 8 - length else "something was added"
        damaged(f"its arrays take {end} bytes, the file has {size - 8 - length} for them: {what}")
    return entries, metadata, 8 + length


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        damaged(f"{next(n for n in names if names.count(n) > 1)!r} stands twice in its header")
    return found


def checked_entry(name: str, entry: Any) -> Entry:
    """Return (dtype, shape, begin, end) of an array, or raise."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        damaged(f"array {name!r} wanted the entries dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in READABLE:
        damaged(f"array {name!r} is of dtype {kind!r:.40}; known are {', '.join(READABLE)}")
    if not isinstance(shape, list) or len(shape) > MANY or not all(is_count(n) for n in shape):
        damaged(f"array {name!r} wanted a shape of integers that are not negative, got {shape!r:.80}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(is_count(n) for n in offsets):
        damaged(f"array {name!r} wanted data_offsets of two integers that are not negative, got {offsets!r:.80}")
    begin, end = offsets
    wanted = math.prod(shape) * READABLE[kind].itemsize
    if end - begin != wanted:
        damaged(f"array {name!r} of shape {tuple(shape)} and {kind} takes {wanted} bytes, got the range {begin}–{end}")
    return kind, tuple(shape), begin, end


def is_count(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**62


def known() -> str:
    return ", ".join(DTYPES)


# whole models

MODEL = "autograd_nn.model"  # the key of the metadata under which a model is described
VERSION = 1


class Saved(NamedTuple):
    """What `load` finds in a file.

    Attributes:
        model: ready to predict: ``eval()`` has been called.
        passport: what turns a table into its inputs, and its outputs into classes; None if none was saved.
        notes: what the user kept beside them.
    """

    model: Module
    passport: Passport | None
    notes: dict[str, Any]


def save(
    model: Module,
    path: str | os.PathLike[str],
    *,
    passport: Passport | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model into one file: architecture, weights, and what belongs to them. Atomic, as `save_arrays`.

    Weights are in the safetensors format, readable by other libraries; the rest is JSON in the file's metadata.

    Args:
        model: made of modules of `autograd_nn.nn`, or of one's own whose class is given to `load`.
        path: of the file; it is replaced if it exists.
        passport: of the data, as `data.clean` makes it: column names, scaler, classes.
        notes: what else to keep, such as metrics; anything that JSON can hold.

    Raises:
        TypeError: if the architecture or the notes cannot be written as JSON, or the model cannot be made again from
            its constructor arguments; nothing is written then.
        OSError: if the file cannot be written.

    >>> import tempfile, pathlib
    >>> from autograd_nn import nn
    >>> model = nn.MLP([2, 3, 1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, pathlib.Path(folder) / "model.safetensors", notes={"r2": 0.9})
    ...     found = load(pathlib.Path(folder) / "model.safetensors")
    >>> bool(np.all(found.model([[1.0, 2.0]]).data == model([[1.0, 2.0]]).data)), found.notes
    (True, {'r2': 0.9})
    """
    if not isinstance(model, Module):
        raise TypeError(f"save wanted an nn.Module, got {type(model).__name__}; save_arrays keeps arrays.")
    if passport is not None and not isinstance(passport, Passport):
        raise TypeError(f"save wanted passport=data.Passport, such as table.passport, got {type(passport).__name__}.")
    described = {
        "version": VERSION,
        "architecture": architecture(model),
        "passport": None if passport is None else passport.to_dict(),
        "notes": dict(notes or {}),
    }
    try:
        text = json.dumps(described, allow_nan=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"save wanted notes that JSON can hold: {error}.") from error
    check_rebuilt(model, described["architecture"])
    save_arrays(path, model.state_dict(), {MODEL: text})


def check_rebuilt(model: Module, described: Any) -> None:
    """Refuse a model whose weights would find no place in the one that `load` makes.

    Raises:
        TypeError: naming the first of them.
    """
    wanted = {path: p.shape for path, p in model.state_leaves().items()}
    why = "its weights have other names or shapes"
    try:
        again = from_architecture(described, {type(part) for part in model.modules()})
        made = {path: p.shape for path, p in again.state_leaves().items()}
    except ValueError as error:
        made, why = {}, str(error)
    if made != wanted:
        which = next((path for path in (*wanted, *made) if wanted.get(path) != made.get(path)), "its parts")
        raise TypeError(
            f"save: {type(model).__name__} cannot be made again from its constructor arguments ({which}): {why}. What "
            "was changed after a part was made, such as weights that are shared, belongs into __init__ of a Module of "
            "your own; save_arrays(path, model.state_dict()) keeps the weights alone."
        )


def load(path: str | os.PathLike[str], *, classes: Iterable[type[Module]] = ()) -> Saved:
    """Read a trained model. Nothing in the file is executed.

    Args:
        path: of a file that `save` wrote.
        classes: modules of one's own that the model contains.

    Raises:
        ValueError: if the file is damaged, forged, holds no model, or its weights do not fit its architecture.
        OSError: if it cannot be read.
    """
    shown = os.fspath(path)
    arrays, metadata = load_arrays(path)
    if MODEL not in metadata:
        raise ValueError(
            f"{shown} holds arrays ({', '.join(list(arrays)[:5])}, …) and no architecture: make the model, then "
            "model.load_state_dict(load_arrays(path)[0])."
        )
    try:
        described = json.loads(metadata[MODEL])
        if not isinstance(described, dict) or described.get("version") != VERSION:
            came = described.get("version") if isinstance(described, dict) else type(described).__name__
            damaged(f"its description is of version {came!r:.40}, wanted {VERSION}")
        count = sum(array.size for array in arrays.values())
        model = from_architecture(described.get("architecture"), classes, numbers=count)
        kinds = {array.dtype for array in arrays.values() if array.dtype.kind == "f"}
        if len(kinds) == 1 and any(p.dtype.kind == "f" and p.dtype not in kinds for p in model.parameters()):
            model.astype(*kinds)  # of a module whose arguments do not hold it
        model.load_state_dict(arrays)
        stored, notes = described.get("passport"), described.get("notes")
        passport = None if stored is None else Passport.from_dict(stored)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{shown} holds no model that can be used: {error}") from error
    return Saved(model.eval(), passport, notes if isinstance(notes, dict) else {})
