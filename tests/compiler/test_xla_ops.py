"""Every op in JAX: it is in the table or refused with a reason; and gives, with its derivatives, what eager gives."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn import OPS, Value, compile, grad
from autograd_nn.compiler.xla_ops import LOWERINGS, REFUSED, demanding, lowering
from autograd_nn.graph import Node
from autograd_nn.testing.laws import floats, make, results, variants

# Equal to a sign or a phase of vectors, which eager and XLA choose differently: what does not depend on them.
INVARIANT = {
    "eigh": lambda w, v: (w, abs(v), v @ (w[..., None] * transposed(v))),
    "svd": lambda u, s, vh: (s, u[..., : s.shape[-1]] @ (s[..., None] * vh[..., : s.shape[-1], :])),
    "qr": lambda q, r: (q @ r, abs(r)),
}
VALUE = Value(np.arange(3.0))
LOOSE = {"float64": 1e-9, "float32": 1e-3, "complex128": 1e-9}  # relative to the largest number, or to 1
NOISE = {("matrix_rank", "float32")}  # a case counts singular values that rounding alone makes


UFUNCS = (
    "add subtract multiply divide floor_divide remainder fmod power maximum minimum arctan2 hypot equal less "
    "greater_equal logical_and logical_or logical_xor bitwise_and bitwise_xor"
).split()
OTHERS = {
    "isclose": np.isclose,
    "where": lambda x, y: np.where(np.arange(len(x)) % 2 == 0, x, y),
    "concatenate": lambda x, y: np.concatenate([x, y]),
    "matmul": np.matmul,
    "kron": np.kron,
    "convolve": np.convolve,
    "correlate": lambda x, y: np.correlate(x, y, "same"),
    "searchsorted": lambda x, y: np.searchsorted(np.sort(x), y),
}
REAL = ("maximum", "minimum", "less", "greater_equal", "searchsorted")  # complex numbers have no order here
DTYPES = ("bool", "int8", "uint8", "int32", "int64", "uint64", "float32", "float64", "complex64")
SMALL = {dtype: np.array([0, 1, 3, 2, 100, 0], dtype) for dtype in DTYPES}
with np.errstate(invalid="ignore"):
    LARGE = {dtype: np.array([16777217, 0, 3, -1, 16777219, 0]).astype(dtype) for dtype in DTYPES}


def transposed(v):
    return (v.conj() if v.dtype.kind == "c" else v).swapaxes(-1, -2)


def test_tables_speak_of_ops():
    assert set(LOWERINGS) | set(REFUSED) <= set(OPS)
    assert not set(LOWERINGS) & set(REFUSED)
    assert all(len(reason) > 20 for reason in REFUSED.values())


def jobs(op):
    """What an op is compared in: functions of arrays, and arguments. Values, gradients, second derivatives."""
    for case in op.cases:
        for dtype in variants(op, case):
            args = make(op, case, dtype)
            if (op.name, dtype) in NOISE:
                continue
            masks = [isinstance(a, np.ndarray) and a.dtype == bool and "key" in case.attrs for a in args]

            def values(*xs, case=case, args=args, masks=masks):  # masks that select elements have to be constants
                out = op(*[a if m else x for x, a, m in zip(xs, args, masks, strict=True)], **case.attrs)
                return INVARIANT[op.name](*out) if op.name in INVARIANT else out

            yield f"{case.name}, {dtype}", values, args, dtype
            at = [i for i in floats(args) if op.joint is not None or op.rule(i) is not None]
            if not op.differentiable or dtype not in ("float64", "float32") or not at:
                continue
            if any(np.asarray(args[i]).dtype.kind not in "fc" for i in at):
                continue

            def loss(*xs, values=values, args=args, at=at):
                full = list(args)
                for i, x in zip(at, xs, strict=True):
                    full[i] = x
                total = 0.0
                for k, y in enumerate(results(values(*full))):
                    if isinstance(y, Node) and y.requires_grad:
                        kind = y.dtype.name.replace("complex", "float")
                        y = y * np.random.default_rng(k).uniform(0.5, 1.5, y.shape).astype(kind)
                        total = total + (y.real if y.dtype.kind == "c" else y).sum()
                return total

            everything = tuple(range(len(at)))
            first = grad(loss, everything)
            given = [args[i] for i in at]
            yield f"{case.name}, {dtype}, gradient", first, given, dtype
            if case.order < 2 or (dtype == "float32" and case is not op.cases[0]):
                continue  # compiling takes long, and in single precision the first case says what there is to say

            def norm(*xs, first=first):
                return sum(((g * g).sum() if g.dtype.kind == "f" else (g * g.conj()).real.sum()) for g in first(*xs))

            yield f"{case.name}, {dtype}, second", grad(norm, everything), given, dtype


def alike(found, wanted, dtype):
    found, wanted = results(found), results(wanted)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        if np.asarray(a).dtype.kind not in "fc":
            assert np.array_equal(a, b)
        else:
            scale = max(1.0, np.abs(np.nan_to_num(b)).max(initial=0.0))
            assert np.allclose(a, b, rtol=LOOSE[dtype], atol=LOOSE[dtype] * scale, equal_nan=True), (a, b)


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    def test_every_op_has_a_form_or_is_refused_with_a_reason(self):
        assert {name for name, op in OPS.items() if lowering(op) is None} == set(REFUSED)

    @pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.cases and name not in REFUSED])
    def test_compiled_equals_eager_in_every_case_and_dtype_with_derivatives(self, name):
        """All at once, in one compiled function: XLA takes longer to compile than to run."""
        wanted, kept = [], []
        for label, f, args, dtype in jobs(OPS[name]):
            try:
                wanted.append(f(*args))
            except ImportError as error:
                pytest.skip(f"needs a package that is not installed: {error}")
            except (TypeError, ValueError):
                assert "gradient" in label or "second" in label, label
                continue  # nothing depends on the arguments
            kept.append((label, f, args, dtype))
        every = lambda groups: [f(*xs) for (_, f, _, _), xs in zip(kept, groups, strict=True)]  # noqa: E731
        compiled = compile(every, backend="xla")
        found = compiled([args for _, _, args, _ in kept])
        assert compiled.fallbacks == 0
        for (label, _, _, dtype), a, b in zip(kept, found, wanted, strict=True):
            try:
                alike(a, b, dtype)
            except AssertionError as error:
                raise AssertionError(f"{name}: {label}: {error}") from error

    @pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "float32"])
    def test_integers_and_mixed_dtypes_are_computed_as_numpy_does(self, dtype):
        x, y = np.array([100, 3, 0]).astype(dtype), np.array([1.5, -2.0, 7.25], np.float32)
        z, whole = np.array([[2, 0, 5]], "int32"), dtype != "bool"

        def f(x, y, z):
            alone = [np.exp(x), np.sqrt(x), x**2.0, x**0.5, x + 1.5, x / 2, np.mean(x), np.linalg.norm(x), np.tanh(x)]
            alone += [np.cumsum(x), np.cumprod(x), np.sum(x), np.reciprocal(x) if whole else x, x // z, x % z]
            if whole:
                alone += [np.var(x), np.fft.fft(x), np.median(x), x ** float("inf"), np.clip(x, 0, 1)]
            mixed = [x + y, x * y, x / y, x @ y, np.arctan2(x, y), np.where(y > 0, x, y), np.concatenate([x, y]), x < y]
            return [*alone, *mixed, x + z, z * y, np.maximum(x, z), np.einsum("i,i->", x, y)]

        with np.errstate(all="ignore"):
            wanted = f(x, y, z)
        compiled = compile(f, backend="xla")
        for i, (a, b) in enumerate(zip(compiled(x, y, z), wanted, strict=True)):
            a, b = np.asarray(a), np.asarray(b)
            assert a.dtype == b.dtype and a.shape == b.shape, i
            assert np.allclose(a, b, rtol=8 * np.finfo(b.dtype).eps if b.dtype.kind in "fc" else 0, equal_nan=True), i
        assert compiled.fallbacks == 0

    @pytest.mark.parametrize("name", [*UFUNCS, *OTHERS])
    def test_two_dtypes_are_computed_as_numpy_does(self, name):
        """Every pair that NumPy takes, with numbers that overflow, that float32 rounds, and zeros."""
        f = OTHERS.get(name) or getattr(np, name)
        pairs, wanted = [], []
        for x in map(SMALL.__getitem__, DTYPES):
            for y in map(LARGE.__getitem__, DTYPES):
                for a, b in ((x, y), (y, x)):
                    if "c" in a.dtype.kind + b.dtype.kind and name in REAL:
                        continue
                    try:
                        with np.errstate(all="ignore"):
                            wanted.append(f(a, b))
                    except (TypeError, ValueError):  # NumPy refuses
                        continue
                    pairs.append((a, b))
        compiled = compile(lambda pairs: [f(a, b) for a, b in pairs], backend="xla")
        for (a, b), found, w in zip(pairs, compiled(pairs), wanted, strict=True):
            found, w = np.asarray(found), np.asarray(w)
            assert found.dtype == w.dtype and found.shape == w.shape, (a.dtype, b.dtype)
            if w.dtype.kind == "c":  # of infinities the other part is XLA's own
                found, w = found[~np.isinf(w)], w[~np.isinf(w)]
            if w.dtype.kind in "fc":
                assert np.allclose(found, w, rtol=64 * np.finfo(w.dtype).eps, equal_nan=True), (a.dtype, b.dtype)
            else:
                assert np.array_equal(found, w), (a.dtype, b.dtype)
        assert compiled.fallbacks == 0

    def test_complex_powers_of_zero(self):
        x, y = np.array([0, 0, 0, 0, 1j]), np.array([0j, 1j, 2, -1, 0])
        with np.errstate(all="ignore"):
            wanted = np.power(x, y)
        assert np.array_equal(compile(np.power, backend="xla")(x, y), wanted, equal_nan=True)

    def test_integers_to_negative_powers_are_the_error_of_eager_code(self):
        compiled = compile(lambda x, y: x**y, backend="xla")
        assert compiled(np.array([3]), np.array([41])).tolist() == [3**41 - 2**64 * ((3**41 + 2**63) // 2**64)]
        with pytest.raises(ValueError, match="negative integer powers"):
            compiled(np.array([3]), np.array([-1]))

    @pytest.mark.parametrize("f", [np.convolve, np.correlate])
    @pytest.mark.parametrize("mode", ["full", "same", "valid"])
    def test_windows_of_any_two_lengths(self, f, mode):
        rng = np.random.default_rng(0)
        for n, m in ((6, 3), (3, 6), (2, 5), (5, 2), (4, 4), (1, 3)):
            x, y = rng.integers(0, 120, n).astype("int8"), rng.integers(0, 120, m).astype("int8")
            assert np.array_equal(compile(lambda x, y: f(x, y, mode), backend="xla")(x, y), f(x, y, mode)), (n, m)

    @pytest.mark.parametrize("dtype", ["uint8", "uint64", "int8"])
    def test_indices_of_any_integers(self, dtype):
        z, labels = np.linspace(0, 1, 600).reshape(3, 200), np.array([0, 120, 100], dtype)
        slope = grad(lambda z, i: OPS["cross_entropy"](z, i, reduction="mean"))
        fixed = Value(np.arange(3.0), requires_grad=False)
        for f in (lambda i: fixed[i % 3], lambda i: OPS["cross_entropy"](z, i), lambda i: slope(z, i)):
            compiled = compile(f, backend="xla")
            found, wanted = (y.detach() if isinstance(y, Node) else y for y in (compiled(labels), f(labels)))
            assert np.allclose(found, wanted)
            assert compiled.fallbacks == 0
        compiled = compile(lambda i: fixed[i], backend="xla")
        compiled(np.array([1, 2], dtype))
        with pytest.raises(IndexError):
            compiled(np.array([1, 3], dtype))

    def test_demands_are_collected_innermost(self, jax):
        with demanding() as outer:
            with demanding() as inner:
                lowering(OPS["take"])(jax.numpy, np.arange(3.0), np.array([5]), axis=0)
            assert [bool(x) for x in inner] == [False] and not outer

    @pytest.mark.parametrize(
        ("f", "good", "bad", "error", "says"),
        [
            (lambda x, i: x[i], np.array([-3, 2]), np.array([3]), IndexError, "index 3"),
            (lambda x, i: np.take(x, i), np.array([-3, 2]), np.array([-4]), IndexError, "index -4"),
            (lambda x, i: x.at[i].set(0.0), np.array([0, 0]), np.array([7, 0]), IndexError, "index 7"),
        ],
    )
    def test_an_index_out_of_range_is_the_error_of_eager_code(self, f, good, bad, error, says):
        compiled = compile(lambda i: f(VALUE, i), backend="xla")
        assert np.array_equal(np.asarray(compiled(good).data), np.asarray(f(VALUE, good).data))
        with pytest.raises(error, match=says):
            compiled(np.resize(bad, good.shape))

    @pytest.mark.parametrize("f", [np.linalg.inv, np.linalg.cholesky, lambda x: np.linalg.solve(x, x[0])])
    def test_a_singular_matrix_is_the_error_of_eager_code(self, f):
        compiled = compile(f, backend="xla")
        assert compiled(np.eye(2)) == pytest.approx(f(np.eye(2)))
        with pytest.raises(np.linalg.LinAlgError):
            compiled(np.array([[0.0, 0.0], [0.0, 1.0]]))
        assert np.isnan(compiled(np.full((2, 2), np.nan))).any()  # what was not finite before raises nothing

    @pytest.mark.parametrize("order", [0, 1, 2, 5, 11])
    def test_bessel_functions_far_out(self, order):
        special = pytest.importorskip("scipy.special")
        x = np.array([-700.0, -60.0, -3.0, 0.0, 1e-5, 0.5, 9.0, 80.0, 650.0, 1e4, 1e6])
        found = compile(lambda x: OPS["ive"](x, order=order), backend="xla")(x)
        assert found == pytest.approx(special.ive(order, x), rel=1e-8, abs=1e-300)
