"""Each code of a tape is one function, whether on a Python float, on arrays, or in the native loop."""

from __future__ import annotations

import math
import pickle
import types

import numpy as np
import pytest

from autograd_nn import OPS
from autograd_nn.compiler import interpreter
from autograd_nn.compiler.interpreter import CODES, MIXED, OF_OP, available, interpret, native

needs_numba = pytest.mark.skipif(not available(), reason='no Numba: pip install "autograd_nn[jit]"')
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 3.0, 1e-310, 710.0, -745.5, 1e200, math.inf, -math.inf, math.nan)
NAMES = [code.name for code in CODES]
UNSIGNED_ZERO = ("maximum", "minimum")  # which of two zeros NumPy takes depends on the machine


def grid(arity):
    """All combinations of the numbers, and some at random."""
    axes = np.meshgrid(*[NUMBERS] * arity, indexing="ij")
    rng = np.random.default_rng(arity)
    return [np.concatenate([a.ravel(), rng.normal(0, 3, 500), rng.uniform(0, 1, 100)]) for a in axes]


def one_by_one(code, columns):
    """The code on Python floats; where that raises, on NumPy's."""
    found = []
    with np.errstate(all="ignore"):
        for given in zip(*[c.tolist() for c in columns], strict=True):
            try:
                found.append(float(code.number(*given)))
            except (ArithmeticError, ValueError):
                found.append(float(code.array(*given)))
    return np.array(found)


def run(executor, number, columns):
    n, arity = len(columns[0]), len(columns)
    v = np.concatenate([*columns, np.full(n, 7.0)])
    places = [np.arange(n, dtype=np.uint32) + np.uint32(k * n) for k in range(arity)]
    places += [np.zeros(n, np.uint32)] * (3 - arity)
    starts = np.array([0, n // 3, n], np.uint64)  # two groups
    codes = np.array([number, number], np.uint8)
    executor(codes, starts, *places, np.uint64(arity * n), np.uint64(0), np.uint64(2), v)
    return v[arity * n :]


def assert_equal(found, wanted, exact):
    """Are they equal to 2 units in the last place, or exactly?"""
    nan = np.isnan(wanted)
    assert np.array_equal(np.isnan(found), nan)
    found, wanted = found[~nan], wanted[~nan]
    same = (found == wanted) & (np.signbit(found) == np.signbit(wanted))
    if not exact:
        with np.errstate(all="ignore"):
            same |= np.abs(found - wanted) <= 2 * np.spacing(np.abs(wanted))
    assert same.all(), (found[~same], wanted[~same])


def on_arrays(code, columns):
    out = np.empty(len(columns[0]))
    room = (np.empty(len(out), bool), np.empty(len(out))) if code.room else ()
    with np.errstate(all="ignore"):
        code.array(*columns, out, *room)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_arrays_give_what_python_floats_give(name):
    code = CODES[NAMES.index(name)]
    columns = grid(code.arity)
    numbers, arrays = one_by_one(code, columns), on_arrays(code, columns)
    if name in UNSIGNED_ZERO:
        numbers, arrays = numbers + 0.0, arrays + 0.0
    assert_equal(arrays, numbers, code.exact)


@needs_numba
@pytest.mark.parametrize("name", NAMES)
def test_the_native_loop_gives_what_python_floats_give(name):
    code = CODES[number := NAMES.index(name)]
    columns = grid(code.arity)
    assert_equal(run(native(), number, columns), one_by_one(code, columns), code.exact)


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_is_what_it_says_without_numba(name):
    code = CODES[number := NAMES.index(name)]
    columns = [np.random.default_rng(k).uniform(0.1, 0.9, 20) for k in range(code.arity)]
    assert_equal(run(interpret, number, columns), one_by_one(code, columns), code.exact)


@pytest.mark.parametrize("executor", [interpret, pytest.param(native, marks=needs_numba)])
def test_sums_differences_and_products_in_one_chain(executor):
    kinds = np.random.default_rng(0).integers(0, 3, 200).astype(np.uint32)
    v = np.append(0.75, np.zeros(200))
    before, first = np.arange(200, dtype=np.uint32), np.zeros(200, np.uint32)
    wanted = [0.75]
    for kind in kinds:
        x = wanted[-1]
        wanted.append((x + 0.75, x - 0.75, x * 0.75)[kind])
    run = native() if executor is native else executor
    tape = np.array([MIXED], np.uint8), np.array([0, 200], np.uint64), before, first, kinds
    run(*tape, np.uint64(1), np.uint64(0), np.uint64(1), v)
    assert v.tolist() == wanted


def test_codes_are_ops():
    assert set(OF_OP) <= set(OPS)
    assert len(set(NAMES)) == len(NAMES) < 255


def test_without_numba_the_error_names_the_extra(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(interpreter.importlib, "import_module", missing)
    assert not available.__wrapped__()
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[jit\]"'):
        native.__wrapped__()


@pytest.mark.parametrize("error", [RuntimeError("no locator available"), pickle.UnpicklingError("truncated")])
def test_without_a_folder_to_write_to_it_is_compiled_for_this_process(monkeypatch, caplog, error):
    asked = []
    clock = iter([0.0, 2.5])

    def njit(signature, **options):
        asked.append(options)
        if options.get("cache"):
            raise error
        return lambda f: f

    numba = types.SimpleNamespace(
        njit=njit, extending=types.SimpleNamespace(register_jitable=lambda **options: lambda f: f)
    )
    monkeypatch.setattr(interpreter.importlib, "import_module", lambda name: numba)
    monkeypatch.setattr(interpreter, "time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
    assert native.__wrapped__() is interpret
    assert "compiled in 2.5 s" in caplog.text
    assert [options.get("cache", False) for options in asked] == [True, False]
