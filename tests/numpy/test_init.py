"""Programs written for autograd.numpy, jax.numpy and the Array API run, and differentiate, after one changed import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import OPS, Value
from autograd_nn.numpy_protocol import supported
from autograd_nn.transforms import grad

AUTOGRAD = {
    "logistic regression": """
        import autograd.numpy as np
        from autograd import grad

        def sigmoid(x):
            return 0.5 * (np.tanh(x / 2.) + 1)

        inputs = np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]])
        targets = np.array([True, True, False, True])

        def loss(weights):
            preds = sigmoid(np.dot(inputs, weights))
            label_probabilities = preds * targets + (1 - preds) * (1 - targets)
            return -np.sum(np.log(label_probabilities))

        result = grad(loss)(np.array([0.1, -0.4, 0.3]))
    """,
    "neural network": """
        import autograd.numpy as np
        import autograd.numpy.random as npr
        from autograd import grad

        rs = npr.RandomState(0)
        sizes = [4, 8, 3]
        params = [(rs.randn(m, n), rs.randn(n)) for m, n in zip(sizes[:-1], sizes[1:])]
        x = rs.randn(5, 4)
        y = np.eye(3)[rs.randint(3, size=5)]

        def logsumexp(x, axis):
            m = np.max(x, axis=axis, keepdims=True)
            return m + np.log(np.sum(np.exp(x - m), axis=axis, keepdims=True))

        def predict(params, inputs):
            for W, b in params:
                outputs = np.dot(inputs, W) + b
                inputs = np.tanh(outputs)
            return outputs - logsumexp(outputs, 1)

        def objective(params):
            penalty = sum(np.sum(W ** 2) + np.sum(b ** 2) for W, b in params)
            return -np.sum(predict(params, x) * y) + 0.1 * penalty

        result = [part for layer in grad(objective)(params) for part in layer]
    """,
    "gaussian process": """
        import autograd.numpy as np
        from autograd import grad

        xs = np.linspace(-1, 1, 6)[:, None]
        ys = np.sin(3 * xs[:, 0])

        def kernel(params, a, b):
            scale, lengths = np.exp(params[0]), np.exp(params[1:-1])
            difference = np.expand_dims(a / lengths, 1) - np.expand_dims(b / lengths, 0)
            return scale * np.exp(-0.5 * np.sum(difference ** 2, axis=2))

        def negative_log_likelihood(params):
            K = kernel(params, xs, xs) + np.exp(params[-1]) * np.eye(len(ys))
            sign, logdet = np.linalg.slogdet(K)
            return 0.5 * np.dot(ys, np.linalg.solve(K, ys)) + 0.5 * logdet

        result = grad(negative_log_likelihood)(np.array([0.1, -0.3, -2.0]))
    """,
    "recurrent network": """
        import autograd.numpy as np
        import autograd.numpy.random as npr
        from autograd import grad

        rs = npr.RandomState(1)
        sequence = rs.randn(7, 2, 3)

        def step(W, x, h):
            return np.tanh(np.dot(np.hstack((x, h, np.ones((x.shape[0], 1)))), W))

        def loss(W):
            h = np.repeat(np.zeros((1, 4)), 2, axis=0)
            outputs = []
            for x in sequence:
                h = step(W, x, h)
                outputs.append(h)
            return np.mean(np.stack(outputs) ** 3) + np.sum(np.concatenate(outputs, axis=1)[:, ::2])

        result = grad(loss)(0.5 * rs.randn(8, 4))
    """,
    "arrays of numbers": """
        import autograd.numpy as np
        from autograd import grad

        def rotate(angle, v):
            R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            return np.dot(R, v)

        def loss(angle):
            p = rotate(angle, np.array([1.0, 2.0]))
            return np.sum(p * np.array([0.3, -0.8])) + np.array([p[0], angle])[1] ** 2

        result = grad(loss)(0.7)
    """,
    "mixture": """
        import autograd.numpy as np
        from autograd import grad

        data = np.array([[0.1, 0.4], [1.2, -0.3], [-0.7, 0.8], [0.3, 0.3]])

        def logsumexp(x, axis=None):
            m = np.max(x, axis=axis, keepdims=True)
            return np.squeeze(m, axis=axis) + np.log(np.sum(np.exp(x - m), axis=axis))

        def loss(params):
            logits, means, roots = params[:2], np.reshape(params[2:6], (2, 2)), np.reshape(params[6:], (2, 2, 2))
            covariances = np.einsum('kij,klj->kil', roots, roots) + 0.5 * np.eye(2)
            columns = []
            for mean, covariance in zip(means, covariances):
                centered = data - mean
                maha = np.einsum('ni,ij,nj->n', centered, np.linalg.inv(covariance), centered)
                columns.append(-0.5 * maha - 0.5 * np.linalg.slogdet(covariance)[1])
            return -np.sum(logsumexp(np.vstack(columns).T + logits - logsumexp(logits), axis=1))

        result = grad(loss)(np.linspace(-1.0, 1.2, 14))
    """,
    "higher order": """
        import autograd.numpy as np
        from autograd import elementwise_grad as egrad

        def taylor_sine(x):
            ans = currterm = x
            i = 0
            while np.abs(currterm) > 0.001:
                currterm = -currterm * x**2 / ((2 * i + 3) * (2 * i + 2))
                ans = ans + currterm
                i += 1
            return ans

        result = [egrad(egrad(np.tanh))(np.linspace(-2, 2, 5)), egrad(egrad(taylor_sine))(1.3)]
    """,
    "spectra and selections": """
        import autograd.numpy as np
        from autograd import grad

        signal = np.cos(np.arange(8.0))

        def loss(x):
            spectrum = np.fft.fft(x * signal)
            power = np.real(spectrum * np.conj(spectrum))
            clipped = np.where(power > 2.0, np.log(power + 1.0), np.sqrt(power + 0.1))
            top = np.sort(clipped)[-3:]
            return np.prod(top) + np.std(clipped) + np.linalg.norm(np.roll(x, 2) - x[::-1]) + np.maximum(x, 0.1).mean()

        result = grad(loss)(np.sin(np.arange(8.0) * 1.7) + 0.3)
    """,
}


def run(program, changed):
    """Run a program and return its results; with our import in place of autograd's, if so wanted."""
    source = re.sub(r"^ {8}", "", program, flags=re.M)
    if changed:
        source = source.replace("autograd.numpy", "autograd_nn.numpy").replace(
            "from autograd import", "from autograd_nn.transforms import"
        )
    scope = {}
    exec(source, scope)
    result = scope["result"]
    return [np.asarray(x) for x in (result if isinstance(result, list) else [result])], scope


@pytest.mark.parametrize("name", AUTOGRAD)
def test_programs_written_for_autograd(name):
    pytest.importorskip("autograd")
    theirs, _ = run(AUTOGRAD[name], changed=False)
    ours, _ = run(AUTOGRAD[name], changed=True)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def central(f, x, step=1e-6):
    """Central differences of a function of one array."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = step
        g[i] = (float(f(x + e)) - float(f(x - e))) / (2 * step)
    return g


def test_a_program_written_for_jax():
    import autograd_nn.numpy as jnp

    def selu(x, alpha=1.67, scale=1.05):
        return scale * jnp.where(x > 0, x, alpha * jnp.exp(jnp.where(x > 0, 0.0, x)) - alpha)

    def loss(w):
        h = selu(jnp.matmul(jnp.linspace(-1.0, 1.0, 12).reshape(4, 3), w))
        h = h / jnp.linalg.norm(h, axis=-1, keepdims=True)
        h = jnp.concatenate([h, jnp.zeros_like(h[:, :1]), jnp.ones((4, 1))], axis=1)
        c = jnp.cov(h, rowvar=False) + jnp.eye(h.shape[1])
        return (
            jnp.trace(jnp.linalg.inv(c)) + jnp.sum(jnp.clip(h, -0.4, 0.4) ** 2) + jnp.average(h, weights=jnp.abs(h) + 1)
        )

    w = np.random.default_rng(0).standard_normal((3, 2))
    np.testing.assert_allclose(grad(loss)(w), central(loss, w), rtol=1e-5, atol=1e-7)


def test_jax_style_updates():
    import autograd_nn.numpy as jnp

    def loss(x):
        y = jnp.zeros(5) + 0.0 * x[0]
        y = y.at[1:4].add(x)
        y = y.at[jnp.array([0, 4])].set(x[:2] ** 2)
        return jnp.dot(y, jnp.arange(5.0))

    # y = (x0², x0, x1, x2, x1²) against (0, 1, 2, 3, 4)
    x = np.array([0.5, 2.0, -1.0])
    np.testing.assert_allclose(grad(loss)(x), [1.0, 2 + 8 * 2.0, 3.0])


# --- the Array API standard -----------------------------------------------------------------------------------------


def softmax(x, axis=-1):
    xp = x.__array_namespace__()
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)


def whiten(x):
    xp = x.__array_namespace__()
    centered = x - xp.mean(x, axis=0, keepdims=True)
    c = xp.matmul(xp.matrix_transpose(centered), centered) / (x.shape[0] - 1) + xp.eye(x.shape[1], dtype=x.dtype)
    w, v = xp.linalg.eigh(c)
    return xp.linalg.vector_norm(xp.matmul(centered, v) / xp.sqrt(xp.expand_dims(w, axis=0)), axis=1)


def angles(x):
    xp = x.__array_namespace__()
    y = xp.clip(x, min=-0.9, max=0.9)
    rows = xp.unstack(
        xp.stack([xp.asin(y), xp.acos(y), xp.atan(x), xp.atan2(x, y + 2.0), xp.asinh(x), xp.atanh(y)]), axis=0
    )
    return xp.concat([xp.pow(r + 3.0, 2.0) for r in rows], axis=0)


def bookkeeping(x):
    xp = x.__array_namespace__()
    if not xp.isdtype(x.dtype, "real floating"):
        raise TypeError(x.dtype)
    x = xp.astype(x, xp.result_type(x, xp.float64))
    y = xp.permute_dims(xp.broadcast_to(x, (2, *x.shape)), (1, 0, 2))
    y = xp.cumulative_sum(xp.reshape(y, (-1,)), axis=0, include_initial=True)
    z = xp.take_along_axis(xp.sort(x, axis=1), xp.argsort(-x, axis=1), axis=1)
    counted = xp.count_nonzero(x > 0)
    return (
        xp.vecdot(z, xp.diff(xp.concat([z, z[:, :1]], axis=1), axis=1))
        + xp.mean(y)
        + xp.astype(counted, xp.float64) * xp.std(x, correction=1)
    )


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="the oracle, NumPy itself, lacks names")
@pytest.mark.parametrize("f", [softmax, whiten, angles, bookkeeping])
def test_generic_functions_of_the_array_api(f):
    x = np.random.default_rng(4).standard_normal((4, 3)) * 0.6
    wanted = f(x)
    v = Value(x)
    came = f(v)
    assert isinstance(came, Value)
    np.testing.assert_allclose(came.data, wanted, rtol=1e-10)
    weights = np.random.default_rng(5).standard_normal(wanted.shape)
    (came * weights).sum().backward()
    np.testing.assert_allclose(v.grad, central(lambda x: np.sum(f(x) * weights), x), rtol=2e-5, atol=1e-7)


def test_the_namespace_of_a_value():
    assert Value(1.0).__array_namespace__() is anp
    assert Value(1.0).__array_namespace__(api_version="2024.12") is anp
    if hasattr(np, "__array_namespace_info__"):  # since NumPy 2.1
        assert "float32" in anp.__array_namespace_info__().dtypes()


STANDARD = """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and
    bitwise_invert bitwise_or bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip complex128 complex64
    concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal
    exp expand_dims expm1 eye fft finfo flip float32 float64 floor floor_divide full full_like greater greater_equal
    hypot iinfo imag inf int16 int32 int64 int8 isdtype isfinite isinf isnan less less_equal linalg linspace log
    log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum
    mean meshgrid min minimum moveaxis multiply nan negative newaxis not_equal ones ones_like permute_dims pi
    positive pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin
    sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu
    trunc uint16 uint32 uint64 uint8 unstack var vecdot where zeros zeros_like
"""


def test_names_of_the_standard():
    assert set(STANDARD.split()) - set(anp.__all__) == set()
    # Only these refuse Values: their results are bits, or have a shape that depends on data.
    for name in (
        "bitwise_left_shift",
        "bitwise_right_shift",
        "nonzero",
        "unique_all",
        "unique_counts",
        "unique_values",
    ):
        with pytest.raises(TypeError, match="has no derivative"):
            getattr(anp, name)(*([Value([1.0])] * (2 if name.endswith("_shift") else 1)))


def test_names_that_numpy_2_0_lacks(monkeypatch):
    names = ("astype", "cumulative_prod", "cumulative_sum", "matvec", "unstack", "vecmat")
    for name in names:
        monkeypatch.delattr(np, name, raising=False)
        vars(anp).pop(name, None)
    v = Value([1.0, 2.0])
    assert anp.astype(v, "float32").dtype == np.float32
    assert anp.cumulative_sum(v, axis=0).tolist() == [1.0, 3.0]
    assert anp.cumulative_prod(np.array([2.0, 3.0]), axis=0).tolist() == [2.0, 6.0]
    assert len(anp.unstack(v)) == 2
    assert anp.matvec(np.eye(2), v).tolist() == anp.vecmat(v, np.eye(2)).tolist() == [1.0, 2.0]


# --- the names ------------------------------------------------------------------------------------------------------


def test_every_op_with_a_numpy_name_is_public():
    for op in OPS.values():
        for f in op.numpy:
            module = {"numpy.linalg": anp.linalg, "numpy.fft": anp.fft}.get(
                getattr(f, "__module__", None) or "numpy", anp
            )
            assert f.__name__ in module.__all__


def test_public_names_exist_and_are_documented():
    for name in anp.__all__:
        thing = getattr(anp, name)
        if callable(thing):
            assert thing.__doc__, name
    assert dir(anp) == anp.__all__


def printed(code):
    """What a program prints in a fresh interpreter."""
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    ).stdout.split()


def test_star_import():
    code = "from autograd_nn.numpy import *; print(sum(exp(zeros(3))), pi, linalg.det(eye(2)))"
    assert printed(code) == ["3.0", str(np.pi), "1.0"]


def test_compositions_work_without_importing_the_namespace():
    code = "import numpy as np; from autograd_nn import Value; print(type(np.cov(Value([[1.0, 2.0], [3.0, 5.0]]))))"
    assert printed(code) == ["<class", "'autograd_nn.value.Value'>"]


def test_every_stand_in_is_known_to_numpy():
    assert all(callable(f) for f in supported())
