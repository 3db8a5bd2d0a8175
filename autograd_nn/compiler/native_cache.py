"""Native code on disk: the source of each function in a file of its own, beside which Numba keeps the machine code.

A file is named by what it was made of (source, library, versions), so that no other code is ever found under its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import linecache
import logging
import os
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["cache_folder", "load"]

LIBRARY = [Path(__file__).with_name(name) for name in ("native_library.py", "native_windows.py")]
LONG = 1.0
"""Seconds of a compilation that is told."""
KEPT = 32
"""Functions that stay loaded though no plan uses them: a network that is built again has equal ones."""
logger = logging.getLogger(__name__.partition(".")[0])
lock = threading.RLock()
loaded: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
recent: deque[Any] = deque(maxlen=KEPT)

if hasattr(os, "register_at_fork"):  # a child has only one thread: what another one holds would never be released
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def load(source: str, *, integers: int = 2) -> Any:
    """Return the function `main` of a source as machine code, from the disk if it was compiled before.

    Args:
        source: of a module.
        integers: that `main` takes before the tuple of arrays.

    Raises:
        ImportError: if Numba or SciPy is not installed.
    """
    numba = needed()
    key = hashlib.sha256(
        "\0".join(
            [
                source,
                *(x.read_text(encoding="utf-8") for x in LIBRARY),
                numba.__version__,
                sys.version,
                sys.platform,
            ]
        ).encode()
    ).hexdigest()[:32]
    with lock:
        found = loaded.get(key)
        if found is None:
            found = loaded[key] = build(source, integers, key, numba)
        if found in recent:
            recent.remove(found)
        recent.append(found)
        return found


def needed() -> Any:
    """Return Numba.

    Raises:
        ImportError: if it is not installed, with what to write.
    """
    try:
        importlib.import_module("scipy.linalg.cython_blas")
        return importlib.import_module("numba")
    except ImportError as error:
        raise ImportError(
            'compile(backend="native") wanted Numba and SciPy, which are not installed: write `pip install '
            '"autograd-nn[jit]"`, or compile(backend="numpy").'
        ) from error


def build(source: str, integers: int, key: str, numba: Any) -> Any:
    """Compile a source, or find its machine code."""
    folder = cache_folder()
    module = ModuleType(f"autograd_nn_native_{key}")
    sys.modules[module.__name__] = module  # machine code from the disk looks for the module that it belongs to
    names = vars(module)
    path = folder / f"{key}.py" if folder else None
    if path is not None:
        try:
            if not path.exists() or path.read_text(encoding="utf-8") != source:
                write(path, source)
        except OSError:
            path = None
    exec(compile(source, str(path or "<native>"), "exec"), names)  # noqa: S102  (our own source)
    arguments = (*[numba.types.intp] * integers, names["Arrays"]())  # (the source imports it)
    start = time.perf_counter()
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        try:
            with beside_source(numba):
                main = numba.njit(cache=path is not None, **options)(names["main"])
            main.compile(arguments)
        except Exception:
            if path is None:
                raise
            path = None
            main = numba.njit(**options)(names["main"])  # something in the folder is in the way
            main.compile(arguments)
    finally:
        del sys.modules[module.__name__]
        linecache.cache.pop(module.__dict__["main"].__code__.co_filename, None)
    seconds = time.perf_counter() - start
    if seconds > LONG:
        where = f"it is kept in {folder}" if path else "it is not kept: no folder of this user's own can be written to"
        logger.warning("compiled native code in %.1f s; %s", seconds, where)
    return next(iter(main.overloads.values())).entry_point


@contextlib.contextmanager
def beside_source(numba: Any) -> Iterator[None]:
    """Have Numba keep machine code beside its source, which is in a folder that nobody else can write to."""
    elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, ""
    try:
        yield
    finally:
        numba.config.CACHE_DIR = elsewhere


def write(path: Path, source: str) -> None:
    """Write a file whole, or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source)
    os.utime(name, (0, 0))  # Numba asks for it: the same, whoever of several processes wrote the file last
    os.replace(name, path)


def cache_folder() -> Path | None:
    """Return the folder for native code, or None if there is none that only this user can write to.

    It is ``$AUTOGRAD_NN_CACHE``, else ``autograd_nn`` in the user's folder for caches.
    """
    given = os.environ.get("AUTOGRAD_NN_CACHE")
    if given:
        folder = Path(given)
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "autograd_nn"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "autograd_nn"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autograd_nn"
    try:
        for made in (folder, folder / "__pycache__"):  # in which Numba keeps machine code
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = made.stat()
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                return None
        return folder if os.access(folder, os.W_OK) else None
    except OSError:
        return None
