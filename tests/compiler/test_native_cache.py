"""Machine code is kept on disk, found again by other processes, and nothing in its folder can do harm."""

from __future__ import annotations

import gc
import linecache
import logging
import os
import subprocess
import sys
import weakref
from collections import deque
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="native code needs Numba")
pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

from autograd_nn import compile
from autograd_nn.compiler import native_cache
from autograd_nn.compiler.native_cache import cache_folder, load, write

SOURCE = """
from autograd_nn.compiler.native_library import *

def main(first, last, arrays):
    a0 = address(arrays, 0)
    p0 = at(a0, "float64", 1, 0, 1)
    for i in range({n}):
        p0[i] = p0[i] * 2.0
    return 0
"""
ROOT = Path(native_cache.__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, and nothing loaded yet."""
    monkeypatch.setenv("AUTOGRAD_NN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(native_cache, "loaded", weakref.WeakValueDictionary())
    monkeypatch.setattr(native_cache, "recent", deque(maxlen=1))
    return tmp_path / "cache"


def doubled(n=3):
    x = np.ones(n)
    assert load(SOURCE.format(n=n))(0, 0, (x,)) == 0
    assert np.array_equal(x, np.full(n, 2.0))


def again():
    """As another process does: nothing is in memory."""
    native_cache.loaded.clear()
    doubled()


PROGRAM = """
import sys, numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from autograd_nn import compile
found = []
before = Dispatcher.compile
def watched(self, signature):
    result = before(self, signature)
    found.append((sum(self.stats.cache_hits.values()), sum(self.stats.cache_misses.values())))
    return result
Dispatcher.compile = watched
def f(x, w):
    for _ in range(5):
        x = np.tanh(x @ w)
    return x
x, w = np.ones((2, 3)), np.eye(3)
compiled = compile(f, backend="native")
assert np.allclose(compiled(x, w), f(x, w)) and "kernel_1" in compiled.source
print(*found[-1])
"""


def process(folder, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOGRAD_NN_CACHE": str(folder), **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ended(p):
    out, error = p.communicate(timeout=120)
    assert p.returncode == 0, error
    return tuple(map(int, out.split()))


def test_two_processes_at_once_and_a_third_that_compiles_nothing(folder):
    for hits, misses in map(ended, [process(folder), process(folder)]):
        assert hits + misses == 1
    assert len(list(folder.glob("*.py"))) == 1 and not list(folder.glob("*.tmp"))
    assert ended(process(folder)) == (1, 0)


def test_one_function_is_loaded_once_and_other_sources_are_other_files(folder):
    doubled()
    files = sorted(folder.glob("*.py"))
    assert len(files) == 1 and files[0].read_text() == SOURCE.format(n=3)
    first = load(SOURCE.format(n=3))
    assert load(SOURCE.format(n=3)) is first
    doubled(4)
    assert len(sorted(folder.glob("*.py"))) == 2
    assert load(SOURCE.format(n=4)) is not first


def test_a_function_is_forgotten_with_the_last_plan_that_uses_it(folder):
    def doubles(n):
        return load(SOURCE.format(n=n))

    first = weakref.ref(doubles(3))
    assert doubles(3) is first()  # the last one stays loaded, whoever uses it
    compiled = compile(lambda x: np.tanh(x) * 3.0, backend="native")
    compiled(np.ones(2))
    gc.collect()
    assert first() is None and len(native_cache.loaded) == 1
    main = weakref.ref(compiled.plan()._names["main"])
    doubles(4)
    gc.collect()
    assert main() is not None and compiled(np.ones(2)).shape == (2,)
    del compiled
    gc.collect()
    assert main() is None and len(native_cache.loaded) == 1
    assert not [name for name in sys.modules if name.startswith("autograd_nn_native_")]
    assert not [name for name in linecache.cache if name.startswith(str(folder))]


def test_long_compilations_are_told_to_everybody(folder, monkeypatch, caplog):
    """As a warning: it is printed without anybody setting up a logger."""
    doubled()
    assert not caplog.records
    monkeypatch.setattr(native_cache, "LONG", -1.0)
    doubled(4)
    monkeypatch.setenv("AUTOGRAD_NN_CACHE", os.devnull)
    doubled(5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    kept, not_kept = [record.getMessage() for record in caplog.records]
    assert kept.startswith("compiled native code in ") and kept.endswith(f" s; it is kept in {folder}")
    assert "it is not kept" in not_kept


def test_what_the_key_depends_on(folder, monkeypatch):
    """Another library or another version is another file: old machine code is never found."""
    doubled()
    (before,) = folder.glob("*.py")
    other = folder.parent / "library.py"
    first, *others = native_cache.LIBRARY
    other.write_text(first.read_text() + "\n# another one\n")
    monkeypatch.setattr(native_cache, "LIBRARY", [other, *others])
    again()
    assert len(list(folder.glob("*.py"))) == 2
    monkeypatch.setattr(sys, "version", "3.99")
    again()
    assert len(list(folder.glob("*.py"))) == 3 and before.exists()


@pytest.mark.parametrize("damage", ["*.nbc", "*.nbi", "*.py"])
@pytest.mark.parametrize("by", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"not what it was\n"])
def test_damaged_files_are_no_error(folder, damage, by):
    doubled()
    files = [f for f in folder.rglob("*") if f.match(damage)]
    assert files
    for f in files:
        f.write_bytes(by(f.read_bytes()))
    again()
    again()  # and now it is whole


def test_a_file_or_a_folder_in_the_way(folder):
    doubled()
    (path,) = folder.glob("*.py")
    path.unlink()
    path.mkdir()
    again()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users and permissions")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_to_is_not_used(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    assert cache_folder() is None
    doubled()
    assert not list(folder.iterdir())
    folder.chmod(0o700)
    assert cache_folder() == folder


def test_a_folder_of_its_own_is_made_for_this_user_alone(folder):
    assert cache_folder() == folder
    if hasattr(os, "getuid"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_no_folder_at_all(folder):
    """A file where the folder would be, or above it: everything works, and is compiled anew."""
    folder.write_text("a file")
    assert cache_folder() is None
    doubled()
    os.environ["AUTOGRAD_NN_CACHE"] = str(folder / "below")
    assert cache_folder() is None
    assert compile(lambda x: x * 4.0, backend="native")(np.ones(2)).tolist() == [4.0, 4.0]


def test_a_disk_that_is_full_or_read_only(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(native_cache, "write", refuse)
    doubled()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cache_folder() is None
    again()


def test_where_the_folder_is(monkeypatch, tmp_path):
    monkeypatch.delenv("AUTOGRAD_NN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for platform, wanted in (("linux", "xdg"), ("darwin", "home/Library/Caches"), ("win32", "local")):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == tmp_path / wanted / "autograd_nn"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "autograd_nn"


def test_files_are_written_whole(tmp_path):
    write(tmp_path / "a.py", "text\n")
    write(tmp_path / "a.py", "another\n")
    assert [f.name for f in tmp_path.iterdir()] == ["a.py"] and (tmp_path / "a.py").read_text() == "another\n"
