"""np.f(value) is what np.f(array) is, for every op; what cannot be is refused, with what to write instead."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import OPS, Value, op
from autograd_nn.graph import Node
from autograd_nn.numpy_protocol import (
    FUNCTIONS,
    IN_PLACE,
    SIGNATURES,
    adapt,
    compositions,
    find,
    holds_node,
    implements,
    supported,
)

VERSION = tuple(map(int, np.__version__.split(".")[:2]))
WITH_NUMPY = [(o, f) for o in OPS.values() for f in o.numpy]
IDS = [f"{o.name}-{f.__name__}" for o, f in WITH_NUMPY]


def numbers(x):
    """The data of a result, whatever it is: a Value, a tuple of them, an array."""
    if isinstance(x, (tuple, list)):
        return [numbers(item) for item in x]
    return np.asarray(x._data if isinstance(x, Node) else x)


def same(came, wanted):
    came, wanted = numbers(came), numbers(wanted)
    if isinstance(wanted, list):
        assert len(came) == len(wanted)
        for c, w in zip(came, wanted, strict=True):
            same(c, w)
        return
    assert came.shape == wanted.shape
    assert came.dtype == wanted.dtype
    assert came.dtype != object
    np.testing.assert_allclose(came, wanted, rtol=1e-12, atol=1e-12)


def call(function, args, attrs):
    """Call a NumPy function in its own way on an op's arguments."""
    if function is np.einsum:
        return function(attrs["subscripts"], *args)
    if isinstance(function, np.ufunc) or find(function) is None:
        return function(*args, **attrs)
    kinds = {p.kind for p in signature(function).parameters.values()}
    op = next(op for op in OPS.values() if function in op.numpy)
    if op.variadic and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return function(list(args), **attrs)
    return function(*args, **attrs)


def signature(function):
    """A NumPy function's signature, where NumPy tells it."""
    return inspect.signature(SIGNATURES.get(function, function))


def takes(function, attrs):
    """Has this NumPy function all the attributes? np.linalg.cross has fewer than np.cross."""
    if isinstance(function, np.ufunc) or function is np.einsum:
        return True
    parameters = signature(function).parameters
    return set(attrs) <= set(parameters) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def wrap(x):
    """A Value of what a case made; index arrays and masks are Values that want no gradient."""
    if type(x) is float:
        return Value(x)
    return Value(x, dtype=x.dtype, requires_grad=x.dtype.kind in "fc")


@pytest.mark.parametrize(("op", "function"), WITH_NUMPY, ids=IDS)
def test_numpy_function_of_values_equals_that_of_arrays(op, function):
    rng = np.random.default_rng(0)
    for case in op.cases:
        if not takes(function, case.attrs):
            continue
        args = case.make(op.domain, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                wanted = call(function, args, case.attrs)
            except TypeError:
                if VERSION < (2, 4):
                    continue  # the parameter had another name, or no default
                raise
        values = [wrap(x) for x in args]
        came = call(function, values, case.attrs)
        for part in came if isinstance(came, (tuple, list)) else [came]:
            assert isinstance(part, Value), f"{function.__name__} of {case.name} gave {type(part).__name__}"
        same(came, wanted)
        same(call(getattr_of(function), values, case.attrs) if function is not np.einsum else came, wanted)
        for i, x in enumerate(values):  # arrays among Values
            mixed = [x if i == j else a for j, a in enumerate(args)]
            same(call(function, mixed, case.attrs), wanted)


def getattr_of(function):
    """The function of this name in our namespace, called as NumPy's is."""
    module = getattr(function, "__module__", None) or "numpy"
    space = {"numpy.linalg": anp.linalg, "numpy.fft": anp.fft}.get(module, anp)
    ours = getattr(space, function.__name__)
    kinds = {p.kind for p in signature(function).parameters.values()} if not isinstance(function, np.ufunc) else set()
    op = next(op for op in OPS.values() if function in op.numpy)
    if op.variadic and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return lambda *args, **attrs: ours(list(args), **attrs)
    return ours


def test_every_stand_in_is_either_an_op_or_a_composition_that_has_more_to_say():
    """Where NumPy's signature or result differs from an op's in kind, a function stands between; nowhere else."""
    between = {
        f.__name__
        for op in OPS.values()
        for f in op.numpy
        if "autograd_nn.numpy." in getattr(find(f), "__module__", "")
    }
    assert between <= {"clip", "einsum", "eig", "eigh", "qr", "slogdet", "svd"}


def test_no_numpy_function_has_two_ops():
    functions = [f for op in OPS.values() for f in set(op.numpy)]
    twice = {f.__name__ for f in functions if functions.count(f) > 1}
    assert not twice


# --- the checked list: everything that NumPy dispatches -------------------------------------------------------------

A = np.array([[0.6, 0.2, 0.9], [0.4, 0.8, 0.3]])
S = np.array([[2.0, 0.3], [0.3, 1.0]])
V = np.array([0.3, 0.9, 0.5])
BOOLS = np.array([True, False, True])
INDEX = np.array([2, 0])

BINARY_UFUNC = {f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nin == 2}
ARGUMENTS = {
    "append": (A, V),
    "apply_along_axis": (lambda row: row * 2, 0, A),
    "array_equal": (A, A + 1),
    "array_equiv": (A, A + 1),
    "array_split": (A, 2),
    "arccosh": (A + 1,),
    "acosh": (A + 1,),
    "allclose": (A, A),
    "astype": (A, np.float32),
    "block": ([A, A],),
    "broadcast_to": (V, (2, 3)),
    "choose": (np.array([0, 1, 0]), [V, V + 1]),
    "clip": (A, 0.3, 0.7),
    "column_stack": ([V, V],),
    "compress": (BOOLS, A, 1),
    "concat": ([A, A],),
    "concatenate": ([A, A],),
    "convolve": (V, V),
    "correlate": (V, V),
    "cross": (V, V[::-1].copy()),
    "cumulative_prod": (V,),
    "cumulative_sum": (V,),
    "delete": (V, 1),
    "diag_indices_from": (S,),
    "diagonal": (A,),
    "dot": (A, V),
    "dsplit": (A[None], 3),
    "dstack": ([A, A],),
    "einsum": ("ij,j->i", A, V),
    "expand_dims": (A, 0),
    "extract": (BOOLS, V),
    "full_like": (A, 2.0),
    "geomspace": (V, 2.0, 3),
    "gradient": (V,),
    "hsplit": (A, 3),
    "hstack": ([A, A],),
    "inner": (A, V),
    "insert": (V, 1, 2.0),
    "interp": (V, [0.0, 0.4, 1.0], [1.0, 3.0, 2.0]),
    "isclose": (A, A + 1),
    "isin": (A, [0.6]),
    "kron": (S, V),
    "linspace": (V, 2.0, 3),
    "logspace": (V, 2.0, 3),
    "matmul": (A, V),
    "matvec": (A, V),
    "meshgrid": (V, V),
    "moveaxis": (A, 0, 1),
    "outer": (V, V),
    "pad": (A, 1),
    "argpartition": (V, 1),
    "partition": (V, 1),
    "percentile": (A, 40.0),
    "piecewise": (V, [V > 0.4], [lambda t: t * t, 1.0]),
    "polyval": (V, 2.0),
    "polyadd": (V, V),
    "polyder": (V,),
    "polyint": (V,),
    "save": ("never.npy", A),
    "savez": ("never.npz", A),
    "savez_compressed": ("never.npz", A),
    "polysub": (V, V),
    "polymul": (V, V),
    "quantile": (A, 0.4),
    "repeat": (V, 2),
    "reshape": (A, (3, 2)),
    "resize": (A, (2, 2)),
    "roll": (A, 1),
    "rollaxis": (A, 1),
    "searchsorted": (np.sort(V), 0.4),
    "select": ([BOOLS], [V], 0.5),
    "split": (V, 3),
    "stack": ([A, A],),
    "swapaxes": (A, 0, 1),
    "take": (V, INDEX),
    "take_along_axis": (V, INDEX, 0),
    "tensordot": (S, S),
    "tile": (V, 2),
    "unstack": (A,),
    "vander": (V,),
    "vdot": (V, V),
    "vecdot": (V, V),
    "vecmat": (V[:2], A),
    "vsplit": (A, 2),
    "vstack": ([A, A],),
    "where": (BOOLS, V, 0.0),
    "matrix_power": (S, 2),
    "multi_dot": ([A, A.T],),
    "solve": (S, V[:2]),
    "lstsq": (A.T, V),
    "tensorinv": (S, 1),
    "tensorsolve": (S, V[:2]),
    "cholesky": (S,),
    "cond": (S,),
    "det": (S,),
    "eigh": (S,),
    "eigvalsh": (S,),
    "inv": (S,),
    "slogdet": (S,),
    "eig": (S + [[0, 1], [0, 0]],),
    "eigvals": (S + [[0, 1], [0, 0]],),
    "unwrap": (9 * V,),
    "array2string": (A,),
    "array_repr": (A,),
    "array_str": (A,),
    "average": (A,),
    "bitwise_and": (BOOLS, BOOLS),
    "bitwise_or": (BOOLS, BOOLS),
    "bitwise_xor": (BOOLS, BOOLS),
    "bitwise_not": (BOOLS,),
    "bitwise_invert": (BOOLS,),
    "invert": (BOOLS,),
    "ldexp": (V, 2),
    "can_cast": (A, np.float64),
    "qr": (A.T,),
    "svd": (S,),
    "broadcast_arrays": (A, V),
    "may_share_memory": (A, V),
    "shares_memory": (A, V),
    "fft2": (A,),
    "ifft2": (A,),
    "rfft2": (A,),
    "irfft2": (A,),
    "fftn": (A,),
    "ifftn": (A,),
    "rfftn": (A,),
    "irfftn": (A,),
}
"""Arguments of functions that take other than one array of any shape."""

PLAIN_RESULT = {
    "array2string",
    "array_repr",
    "array_str",
    "can_cast",
    "common_type",
    "diag_indices_from",
    "empty_like",
    "iscomplexobj",
    "isrealobj",
    "may_share_memory",
    "ndim",
    "ones_like",
    "result_type",
    "shape",
    "shares_memory",
    "size",
    "tril_indices_from",
    "triu_indices_from",
    "zeros_like",
    "full_like",
}
"""Functions whose result does not depend on data, or is text; and constants of a shape."""

NO_NUMBERS = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "full", "arange", "empty_like"}
"""Functions that NumPy dispatches with like=… only, or whose numbers mean nothing."""


def dispatched(module):
    """Everything that NumPy sends through its protocols."""
    return {
        name: f
        for name, f in vars(module).items()
        if name[0] != "_"
        and (isinstance(f, np.ufunc) or type(f).__name__ == "_ArrayFunctionDispatcher" or hasattr(f, "_implementation"))
    }


EVERYTHING = [(m, n, f) for m in (np, np.linalg, np.fft) for n, f in dispatched(m).items() if n not in NO_NUMBERS]
NAMES = [f"{module.__name__}.{name}" for module, name, _ in EVERYTHING]


def test_numpy_dispatches_what_we_think():
    assert len(EVERYTHING) > 350


def arguments_of(module, name, function):
    """Arguments on which a function is tried; one array, or two for a ufunc of two, if none are listed."""
    args = ARGUMENTS.get(name) if module is not np.linalg or name not in ("diagonal", "trace") else None
    return args or ((V, V) if function in BINARY_UFUNC else (A,))


def single(x):
    """The arguments, floating point arrays among them in float32."""
    if isinstance(x, (list, tuple)):
        return type(x)(single(item) for item in x)
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def wrapped(x):
    """The arguments, floating point arrays among them as Values."""
    if isinstance(x, list):
        return [wrapped(item) for item in x]
    return (
        Value(x)
        if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        else Value(x, dtype=bool, requires_grad=False)
        if x is BOOLS
        else x
    )


@pytest.mark.parametrize(("module", "name", "function"), EVERYTHING, ids=NAMES)
def test_supported_with_the_same_result_or_refused(module, name, function):
    """Nothing that NumPy dispatches returns an object array, or silently a constant."""
    args = arguments_of(module, name, function)
    values = [wrapped(x) for x in args]
    if function not in supported():
        with pytest.raises(TypeError, match=r"has no derivative|writes in place|takes \d|missing|argument"):
            function(*values)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = function(*args)
        came = function(*values)
    if name not in PLAIN_RESULT:
        for part in came if isinstance(came, (tuple, list)) else [came]:
            assert isinstance(part, (Value, int) if name == "lstsq" else Value)
        same(came[:2] if name == "lstsq" else came, wanted[:2] if name == "lstsq" else wanted)
    elif name != "empty_like":
        assert np.all(np.asarray(came) == np.asarray(wanted))


# --- the protocols --------------------------------------------------------------------------------------------------


def test_positional_attributes():
    v, w = Value(A), Value(A)
    same(np.sum(v, 0), A.sum(0))
    same(np.sum(v, -1, None, None, True), A.sum(-1, keepdims=True))
    same(np.concatenate([v, A], 1), np.concatenate([A, A], 1))
    same(np.transpose(v, (1, 0)), A.T)
    same(np.roll(v, 1, 0), np.roll(A, 1, 0))
    same(np.take(v, [0, 1], 1), A[:, :2])
    same(np.tensordot(v, w, ([0, 1], [0, 1])), np.tensordot(A, A, ([0, 1], [0, 1])))
    same(np.max(a=v, axis=np.int64(1)), A.max(1))
    same(np.swapaxes(v, axis1=0, axis2=1), A.T)
    same(np.reshape(v, np.array([3, 2])), A.reshape(3, 2))
    same(np.broadcast_to(v, [2, 2, 3]), np.broadcast_to(A, (2, 2, 3)))


def test_python_numbers_stay_python_numbers():
    v = Value(0.5)
    for f in (np.exp, np.sum, np.sin, np.square, np.max, np.mean):
        assert type(f(v)._data) is float, f.__name__
    assert type(np.multiply(v, 2)._data) is float
    assert type(np.add(2.0, v)._data) is float


def test_arrays_on_the_left():
    v = Value(V)
    for came, wanted in (
        (V + v, V + V),
        (V - v, 0 * V),
        (V * v, V * V),
        (V / v, V / V),
        (V**v, V**V),
        (A @ v, A @ V),
        (v < V, V > V),
    ):
        assert isinstance(came, Value)
        same(came, wanted)
    assert isinstance(np.float64(2.0) * v, Value)


def test_reduce_and_accumulate():
    v = Value(A)
    same(np.add.reduce(v), A.sum(0))
    same(np.add.reduce(v, axis=None), A.sum())
    same(np.add.reduce(v, -1, keepdims=True), A.sum(-1, keepdims=True))
    same(np.multiply.reduce(v, 1), A.prod(1))
    same(np.maximum.reduce(v), A.max(0))
    same(np.minimum.reduce(v, axis=(0, 1)), A.min())
    same(np.logical_and.reduce(v > 0.5), (A > 0.5).all(0))
    same(np.logical_or.reduce(v > 0.5), (A > 0.5).any(0))
    same(np.add.accumulate(v), A.cumsum(0))
    same(np.multiply.accumulate(v, 1), A.cumprod(1))
    same(np.add.reduce(v, 0, np.float32), A.astype(np.float32).sum(0))


def test_outer():
    v, w = Value(V), Value(A)
    for f in (np.add, np.multiply, np.subtract, np.divide, np.maximum, np.greater, np.hypot):
        same(f.outer(v, w), f.outer(V, A))
        same(f.outer(V, w), f.outer(V, A))
        same(f.outer(w, V), f.outer(A, V))
    same(np.multiply.outer(Value(2.0), V), np.multiply.outer(2.0, V))


def test_ufunc_methods_that_make_no_sense():
    v = Value(V)
    with pytest.raises(TypeError, match=r"np\.add\.at writes in place.*x\.at\[index\]\.add"):
        np.add.at(v, [0], 1.0)
    with pytest.raises(TypeError, match=r"np\.add\.reduceat has no derivative"):
        np.add.reduceat(v, [0, 1])
    with pytest.raises(TypeError, match=r"np\.arctan2\.reduce has no derivative"):
        np.arctan2.reduce(v)


def refusals():
    v, out = Value(V), np.zeros(3)
    return {
        "ufunc out": lambda: np.exp(v, out=out),
        "ufunc out, positional": lambda: np.exp(v, out),
        "out of a value": lambda: np.exp(V, out=v),
        "namespace, positional": lambda: anp.exp(v, out),
        "namespace": lambda: anp.exp(v, out=out),
        "in-place operator": lambda: out.__iadd__(v),
        "reduction": lambda: np.sum(v, 0, None, np.array(0.0)),
        "reduction, keyword": lambda: np.mean(v, out=np.array(0.0)),
        "reduction of an array into a value": lambda: np.sum(V, out=Value(np.array(0.0))),
        "concatenate": lambda: np.concatenate([v, v], out=np.zeros(6)),
        "composition": lambda: np.nansum(v, out=out),
        "clip, positional": lambda: np.clip(v, 0.0, 1.0, out),
        "isposinf, positional": lambda: np.isposinf(v, out),
        "nancumsum, positional": lambda: np.nancumsum(v, 0, None, out),
        "where of a ufunc": lambda: np.exp(v, where=BOOLS),
        "where of a reduction": lambda: np.sum(v, where=BOOLS),
        "method": lambda: np.add.reduce(v, out=np.array(0.0)),
    }


def test_an_array_does_not_become_a_value_in_place():
    array = np.ones(3)
    with pytest.raises(TypeError, match=r"for `a \+= v` write `a = a \+ v`"):
        array += Value(2.0)


@pytest.mark.parametrize("which", refusals())
def test_out_and_where_name_what_to_write(which):
    with pytest.raises(TypeError, match=r"never written in place.*x\.at\[index\]\.set\(y\)"):
        refusals()[which]()


@pytest.mark.parametrize("function", IN_PLACE, ids=lambda f: f.__name__)
def test_functions_that_write_in_place(function):
    arguments = {
        "copyto": (np.zeros(3), Value(V)),
        "fill_diagonal": (Value(S), 1.0),
        "put_along_axis": (Value(V), INDEX, 1.0, 0),
        "put": (Value(V), INDEX, 1.0),
    }.get(function.__name__, (Value(V), BOOLS, V))
    with pytest.raises(TypeError, match=r"writes in place.*x\.at\[index\]\.set"):
        function(*arguments)


def test_dtype_computes_in_that_dtype():
    v = Value(A)
    same(np.sum(v, dtype=np.float32), A.astype(np.float32).sum())
    same(np.add(v, v, dtype="float32"), A.astype(np.float32) * 2)
    assert np.concatenate([v, v], dtype=np.float32).dtype == np.float32
    y = np.sum(v, dtype=np.float32)
    y.backward()
    assert v.grad.dtype == np.float64
    with pytest.raises(TypeError, match=r"np\.sum\(…, dtype=int64\).*astype"):
        np.sum(v, dtype=np.int64)


def test_unknown_arguments_are_named():
    with pytest.raises(TypeError, match=r"np\.sum of a Value does not take initial=3.0; .*axis, keepdims"):
        np.sum(Value(A), initial=3.0)
    with pytest.raises(TypeError, match=r"np\.add of a Value does not take signature"):
        np.add(Value(A), A, signature="dd->d")
    with pytest.raises(TypeError, match=r"'axis' twice"):
        anp.sum(Value(A), 0, axis=0)
    with pytest.raises(TypeError, match=r"at most"):
        anp.transpose(Value(A), (0, 1), 3)


def test_attributes_are_no_values():
    with pytest.raises(TypeError, match=r"np\.roll: shift is no array argument.*\.item\(\)"):
        np.roll(Value(V), Value(1.0))


def test_arguments_that_say_nothing_are_accepted():
    v = Value(A)
    same(np.sum(v, axis=None, dtype=None, out=None), A.sum())
    same(np.add(v, 1.0, order="F", casting="unsafe", subok=False, where=True), A + 1)
    same(np.copy(v, order="F"), A)
    same(np.concatenate([v, v], casting="same_kind"), np.concatenate([A, A]))


def test_refusal_says_how_to_go_on():
    with pytest.raises(
        TypeError, match=r"np\.histogram has no derivative here.*shape \(3,\).*autograd_nn\.op.*v\.detach\(\)"
    ):
        np.histogram(Value(V))
    with pytest.raises(TypeError, match=r"np\.frexp has no derivative"):
        np.frexp(Value(V))
    with pytest.raises(TypeError, match=r"np\.spacing has no derivative"):
        np.spacing(Value(V))


def test_holds_node_looks_into_lists():
    v = Value(1.0)
    assert holds_node((1, [2, (3, v)]))
    assert not holds_node((1, [2, (3, 4.0)], "text", A))


def test_a_new_op_is_dispatched_at_once():
    name = "hypothetical"
    try:

        @op(name, numpy=np.nextafter, name=name)
        def nextafter(x, y):
            """The next number towards y."""
            return np.nextafter(x, y)

        nextafter.defvjp(lambda g, ans, x, y: g, None)
        assert isinstance(np.nextafter(Value(V), A[0]), Value)
        assert isinstance(anp.nextafter(Value(V), A[0]), Value)
    finally:
        OPS.pop(name, None)
        FUNCTIONS.pop(np.nextafter, None)


def test_implements_enters_a_function():
    try:

        @implements(np.spacing, None)
        def spacing(x):
            return "spaced"

        assert np.spacing(Value(V)) == "spaced"
    finally:
        FUNCTIONS.pop(np.spacing, None)


def test_adapt_reads_the_signature_at_the_first_call_only(monkeypatch):
    read = []
    original = inspect.signature
    adapted = adapt(OPS["sum"], np.sum)
    monkeypatch.setattr(inspect, "signature", lambda f: read.append(f) or original(f))
    adapted(A, 0)
    adapted(A, axis=1)
    assert read == [np.sum]


@pytest.mark.skipif(VERSION < (2, 4), reason="NumPy tells them since 2.4")
def test_signatures_that_old_numpys_do_not_tell():
    for function, stated in SIGNATURES.items():
        real = [n for n, p in inspect.signature(function).parameters.items() if p.kind is not p.VAR_KEYWORD]
        assert list(inspect.signature(stated).parameters) == real, function.__name__


KEPT = {"corrcoef", "cov", "geomspace", "polyder", "polyint", "polyval"}
"""Where NumPy makes float64 of float32, and we keep float32."""


@pytest.mark.parametrize(("module", "name", "function"), EVERYTHING, ids=NAMES)
def test_float32_stays_float32(module, name, function):
    if function not in supported() or name in PLAIN_RESULT or name == "lstsq":
        return
    args = single(arguments_of(module, name, function))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, came = function(*args), function(*wrapped(list(args)))
    many = isinstance(came, (tuple, list))
    for c, w in zip(came if many else [came], wanted if many else [wanted], strict=True):
        assert c.dtype == (np.float32 if name in KEPT else np.asarray(w).dtype)


def test_no_composition_stands_in_two_places():
    """What stands beside the ops is not written again in the namespace; `clip` has a signature of its own."""
    again = {f.__name__ for f in compositions() if "autograd_nn.numpy." in FUNCTIONS[f].__module__}
    assert again <= {"clip"}
