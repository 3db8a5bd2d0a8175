"""Elementary functions against mpmath and NumPy over their whole range; products against NumPy."""

from __future__ import annotations

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

pytest.importorskip("numba", reason="native code needs Numba")
pytest.importorskip("scipy.linalg.cython_blas", reason="native code needs SciPy")

import numba

from autograd_nn.compiler import native_library as library

FUNCTIONS = sorted(library.ULPS)
OTHERS = ("sqrt", "rint", "floor", "ceil", "trunc", "absolute")
TYPES = {"f32": np.float32, "f64": np.float64}


def compiled(f, *signature):
    """Return a function as machine code, without Numba's look at the types of arguments."""
    made = numba.njit(signature, nogil=True, error_model="numpy")(f)
    return next(iter(made.overloads.values())).entry_point


def array(kind):
    return numba.types.Array(getattr(numba.types, f"float{kind[1:]}"), 1, "C")


@pytest.fixture(scope="module")
def apply():
    """Return a function that applies all functions of a float type at once: (functions, elements)."""
    made = {}
    for kind in TYPES:
        mine = [name for name in FUNCTIONS if name.endswith(kind)]
        names = {name: getattr(library, name) for name in (*mine, *OTHERS, "at", "address")}
        lines = ["def run(arrays, n):", f'    p = at(address(arrays, 0), "float{kind[1:]}", 1, 0, 2)']
        for k, name in enumerate([*mine, *OTHERS]):
            lines += [
                f'    q = at(address(arrays, 1) + {k} * n * {kind[1:]} // 8, "float{kind[1:]}", 1, 1, 2)',
                f"    for i in range(n): q[i] = {name}(p[i])",
            ]
        exec("\n".join(lines), names)
        run = compiled(names["run"], library.Arrays(), numba.types.intp)

        def call(x, run=run, kind=kind, mine=mine):
            x = np.ascontiguousarray(x, TYPES[kind])
            y = np.empty((len(mine) + len(OTHERS), len(x)), x.dtype)
            run((x, y), len(x))
            return {name.removesuffix("_" + kind): row for name, row in zip([*mine, *OTHERS], y, strict=True)}

        made[kind] = call
    return made


def every_exponent(kind, each):
    """Numbers of all signs and exponents, the first and the last of each among them, and where functions turn."""
    rng = np.random.default_rng(0)
    dtype, whole, bits = (np.float32, np.uint32, 23) if kind == "f32" else (np.float64, np.uint64, 52)
    exponents = np.arange(0, 2 ** (8 if kind == "f32" else 11) - 1, dtype=np.uint64)
    mantissas = np.concatenate([[0, 1, 2**bits - 1, 2 ** (bits - 1)], rng.integers(0, 2**bits, each)]).astype(np.uint64)
    x = ((exponents[:, None] << np.uint64(bits)) | mantissas).ravel().astype(whole).view(dtype)
    halves = (np.arange(-160, 160) + 0.5) * math.log(2)  # where the power of two changes
    edges = [
        -745.2,
        -745.13,
        -708.4,
        -104.0,
        -103.97,
        -87.4,
        88.72,
        88.73,
        709.78,
        709.79,
        9.0,
        10.0,
        22.0,
        0.7,
        1.4143,
    ]
    near = np.concatenate(
        [halves, edges, np.exp(halves / 4), 1 + rng.normal(size=each) * 0.01, np.linspace(-120, 120, 999)]
    )
    near = near.astype(dtype)
    around = [near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))]
    return np.unique(np.concatenate([x, -x, *around]))


def distance(found, exact, dtype):
    """How many units in the last place is it off? Infinite where only one overflows by more than rounding."""
    exact = np.asarray(exact)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max)).astype(exact.dtype)
        off = np.abs(found.astype(exact.dtype) - exact) / unit
    right = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    return np.where(right, 0.0, np.nan_to_num(off, nan=np.inf))  # (correctly rounded: at most half a unit)


@pytest.mark.parametrize("name", [n.removesuffix("_f32") for n in FUNCTIONS if n.endswith("f32")])
def test_float32_over_all_exponents(apply, name):
    x = every_exponent("f32", 200)
    found = apply["f32"](x)[name]
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.float64))
    off = distance(found, exact, np.float32)
    worst = np.argmax(off)
    assert off[worst] <= library.ULPS[f"{name}_f32"], (x[worst], found[worst], exact[worst])


@pytest.mark.parametrize("name", [n.removesuffix("_f64") for n in FUNCTIONS if n.endswith("f64")])
def test_float64_over_all_exponents(apply, name):
    """Against NumPy's longer floats where they are longer; NumPy's own functions are off by up to 1 ulp."""
    x = every_exponent("f64", 12)
    found = apply["f64"](x)[name]
    longer = np.longdouble if np.finfo(np.longdouble).nmant > 60 else np.float64
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(longer))
    off = distance(found, exact, np.float64)
    worst = np.argmax(off)
    spare = 0.0 if longer is np.longdouble else 1.0
    assert off[worst] <= library.ULPS[f"{name}_f64"] + spare, (x[worst], found[worst], exact[worst])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
def test_against_mpmath(apply, kind, name):
    x = every_exponent(kind, 3)
    x = np.random.default_rng(1).choice(x[np.isfinite(x)], 2000, replace=False)
    if name in ("log", "log1p"):
        x = x[x > (0 if name == "log" else -1)]
    if name in ("exp", "expm1"):
        x = x[np.abs(x) < 720]
    dtype, bound = TYPES[kind], library.ULPS[f"{name}_{kind}"]
    found = apply[kind](x)[name]
    largest = float(np.finfo(dtype).max)
    with mpmath.workprec(200):
        for a, b in zip(x, found, strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(float(a)))
            if abs(exact) > largest:
                assert abs(float(b)) >= largest
                continue
            unit = float(np.spacing(dtype(abs(float(exact)))))
            assert abs(mpmath.mpf(float(b)) - exact) <= bound * unit, (a, b)


@pytest.mark.parametrize("kind", TYPES)
def test_what_ieee_754_says(apply, kind):
    inf, nan = math.inf, math.nan
    given = np.array([0.0, -0.0, inf, -inf, nan, -1.0, 1.0, -2.0])
    found = apply[kind](given)
    wanted = {
        "exp": [1, 1, inf, 0, nan, None, None, None],
        "expm1": [0.0, -0.0, inf, -1, nan, None, None, None],
        "log": [-inf, -inf, inf, nan, nan, nan, 0.0, nan],
        "log1p": [0.0, -0.0, inf, nan, nan, -inf, None, nan],
        "tanh": [0.0, -0.0, 1, -1, nan, None, None, None],
        "sqrt": [0.0, -0.0, inf, nan, nan, nan, 1, nan],
        "rint": [0.0, -0.0, inf, -inf, nan, -1, 1, -2],
        "absolute": [0.0, 0.0, inf, inf, nan, 1, 1, 2],
    }
    for name, numbers in wanted.items():
        for x, a, b in zip(given, found[name], numbers, strict=True):
            if b is not None:
                assert np.array_equal(a, b, equal_nan=True), (name, x, a)
                assert b != 0 or name == "exp" or math.copysign(1, a) == math.copysign(1, b), (name, x, a)


@pytest.mark.parametrize("kind", TYPES)
def test_rounding_is_numpys(apply, kind):
    x = every_exponent(kind, 5)
    x = np.concatenate([x, np.arange(-20, 20) / 2]).astype(TYPES[kind])
    found = apply[kind](x)
    for name in OTHERS:
        with np.errstate(all="ignore"):
            assert np.array_equal(found[name], getattr(np, name)(x), equal_nan=True), name


@pytest.fixture(scope="module")
def pairs():
    """Return a function of two arrays: the greater, the smaller, signs, a choice, and the sum of the first."""
    names = {n: getattr(library, n) for n in ("maximum", "minimum", "copysign", "select", "add_up")}
    source = """
def run(x, y, out, total):
    s = total[0]
    for i in range(len(x)):
        out[0, i] = maximum(x[i], y[i])
        out[1, i] = minimum(x[i], y[i])
        out[2, i] = copysign(x[i], y[i])
        out[3, i] = select(x[i] < y[i], x[i], y[i])
        s = add_up(s, x[i])
    total[0] = s
"""
    exec(source, names)
    return numba.njit(error_model="numpy")(names["run"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_two_numbers_and_sums(pairs, dtype):
    special = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e-40, 3e38], dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(special, special))
    out, total = np.empty((4, len(x)), dtype), np.zeros(1, dtype)
    pairs(x, y, out, total)
    wanted = np.maximum(x, y), np.minimum(x, y), np.copysign(x, y), np.where(x < y, x, y)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(out, wanted, strict=True))
    assert np.isnan(out[0][np.isnan(x) | np.isnan(y)]).all() and np.isnan(total[0])
    x = np.random.default_rng(0).normal(size=1000).astype(dtype)
    out, total = np.empty((4, 1000), dtype), np.ones(1, dtype)
    pairs(x, x, out, total)
    assert np.isclose(total[0], 1 + math.fsum(x), rtol=0, atol=1e-3 if dtype == np.float32 else 1e-12)


def test_another_layout_of_arrays_is_an_error_and_no_crash(monkeypatch):
    library.check_layout()
    elsewhere = SimpleNamespace(from_address=lambda place: SimpleNamespace(value=0))
    monkeypatch.setattr(library, "ctypes", SimpleNamespace(c_void_p=elsewhere))
    with pytest.raises(ImportError, match=r'write compile\(backend="numpy"\)'):
        library.check_layout()


@pytest.mark.parametrize("kind", TYPES)
def test_products_of_matrices(kind):
    """All ways in which the two lie, with larger leading dimensions, added to what was there."""
    letter = "s" if kind == "f32" else "d"
    names = {"gemm": library.gemm, "address": library.address}
    lines = ["def run(which, m, n, k, arrays, lda, ldb, beta, ldc):"]
    for i, (ta, tb) in enumerate(("nn", "nt", "tn", "tt")):
        lines += [
            f"    if which == {i}:",
            "        x, y, z = address(arrays, 0), address(arrays, 1), address(arrays, 2)",
            f'        gemm("{letter}", "{ta}", "{tb}", m, n, k, x, lda, y, ldb, beta, z, ldc)',
        ]
    exec("\n".join(lines), names)
    word = numba.types.intp
    signature = (word, word, word, word, library.Arrays(), word, word, numba.types.float64, word)
    run, rng, dtype = compiled(names["run"], *signature), np.random.default_rng(0), TYPES[kind]
    for m, n, k in ((3, 4, 5), (1, 1, 1), (1, 7, 2), (8, 1, 3)):
        for which, (ta, tb) in enumerate(("nn", "nt", "tn", "tt")):
            for beta, extra in ((0.0, 0), (1.0, 3), (-0.5, 1)):

                def matrix(rows, columns, extra=extra):
                    return np.asfortranarray(rng.normal(size=(rows + extra, columns)).astype(dtype))

                a = matrix(*((m, k) if ta == "n" else (k, m)))
                b = matrix(*((k, n) if tb == "n" else (n, k)))
                c = matrix(m, n)
                before = c.copy()
                run(which, m, n, k, (a, b, c), len(a), len(b), beta, len(c))
                x, y = (a[: m if ta == "n" else k], b[: k if tb == "n" else n])
                wanted = (x if ta == "n" else x.T) @ (y if tb == "n" else y.T) + dtype(beta) * before[:m]
                assert np.allclose(c[:m], wanted, rtol=1e-5, atol=1e-5) and np.array_equal(c[m:], before[m:])


@pytest.mark.parametrize("kind", TYPES)
def test_the_bounded_exponential_is_right_where_one_plus_it_matters(kind):
    """From the least normal number on, up to where the reciprocal is about that small."""
    low, high = (-87.0, 88.3) if kind == "f32" else (-708.0, 709.4)
    names = {"f": getattr(library, f"exp_bounded_{kind}")}
    exec("def run(x, y):\n    for i in range(len(x)): y[i] = f(x[i])", names)
    run, dtype = numba.njit((array(kind), array(kind)), error_model="numpy")(names["run"]), TYPES[kind]
    x = np.concatenate([np.linspace(low, high, 20_000), [-np.inf, np.inf, np.nan, -1e30, 1e30, 0.0]]).astype(dtype)
    y = np.empty_like(x)
    run(x, y)
    exact = np.exp(x[:-6].astype(np.longdouble))
    assert distance(y[:-6], exact, dtype).max() <= library.ULPS[f"exp_{kind}"]
    tiny = np.finfo(dtype).tiny
    assert 0 <= y[-6] < 2 * tiny and 0 <= y[-3] < 2 * tiny and y[-1] == 1.0
    assert np.isposinf(y[[-5, -2]]).all() and np.isnan(y[-4])


def test_every_function_has_a_bound_and_every_name_is_there():
    functions = {n for n in library.__all__ if n.endswith(("_f32", "_f64")) and not n.startswith("exp_bounded")}
    assert functions == set(library.ULPS)
    assert all(hasattr(library, name) for name in library.__all__) and max(library.ULPS.values()) <= 3.0
