"""Functions and models as plain functions of JAX; StableHLO; arrays that are shared."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from autograd_nn import Value, compile, grad, nn
from autograd_nn import numpy as anp
from autograd_nn.compiler.device import held, is_device_array
from autograd_nn.export import as_jax, from_jax, to_jax, to_stablehlo
from autograd_nn.functions import dropout
from autograd_nn.losses import cross_entropy


def test_without_jax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    for call in (lambda: to_jax(np.sin), lambda: to_stablehlo(np.sin, 1.0), lambda: as_jax(np.ones(2))):
        with pytest.raises(ImportError, match=r'pip install "autograd_nn\[xla\]"'):
            call()


@pytest.mark.parametrize("version", [(1, 0), (2, 1)])
def test_dlpack_shares_memory_where_it_can_say_that_it_is_read_only(version):
    v = Value(np.arange(4.0), requires_grad=False)

    class Newer:
        def __dlpack__(self, **kwargs):
            return v.__dlpack__(**{**kwargs, "max_version": version})

        def __dlpack_device__(self):
            return v.__dlpack_device__()

    found = np.from_dlpack(Newer())
    assert np.shares_memory(found, v._data) and not found.flags.writeable


def test_dlpack_of_the_older_protocol_is_a_copy():
    v = Value(np.arange(4.0), requires_grad=False)

    class Older:
        def __dlpack__(self, **kwargs):
            return v.__dlpack__()

        def __dlpack_device__(self):
            return v.__dlpack_device__()

    assert not np.shares_memory(np.from_dlpack(Older()), v._data)


def aligned(n):
    """The numbers up to n, at a multiple of 64 bytes."""
    x = np.empty(n + 16)
    x = x[(-x.ctypes.data % 64) // 8 :][:n]
    x[:] = np.arange(n)
    return x


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    def test_a_function(self, jax):
        f = to_jax(lambda x, y: (np.sin(x) * y).sum())
        x, y = np.arange(3, dtype=np.float32), np.float32(2)
        assert float(f(x, y)) == pytest.approx(2 * np.sin(x).sum(), rel=1e-6)
        assert float(jax.jit(f)(x, y)) == pytest.approx(2 * np.sin(x).sum(), rel=1e-6)
        assert jax.grad(f)(x, y) == pytest.approx(2 * np.cos(x), rel=1e-6)
        assert jax.vmap(f, (0, None))(np.ones((4, 3), np.float32), y).shape == (4,)
        assert jax.hessian(f)(x, y) == pytest.approx(np.diag(-2 * np.sin(x)), abs=1e-6)

    def test_a_gradient_of_ours_in_a_function_of_theirs(self, jax):
        f = lambda x: (x**3).sum()  # noqa: E731
        x = np.array([1.0, 2.0], np.float32)
        assert jax.jit(to_jax(grad(f)))(x) == pytest.approx(3 * x**2)
        assert jax.jacfwd(to_jax(grad(f)))(x) == pytest.approx(np.diag(6 * x))

    def test_a_model_is_a_function_of_its_parameters(self, jax):
        model = nn.Sequential(
            nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5, rng=1),
            nn.Linear(8, 3, rng=2),
        )  # fmt: skip
        x = np.random.default_rng(0).normal(size=(5, 1, 4, 4)).astype(np.float32)
        labels = np.array([0, 1, 2, 0, 1])
        f = to_jax(model)
        parameters = f.parameters
        assert set(parameters) == set(model.state_dict())
        wanted = model.eval()(x).data
        assert jax.jit(f)(parameters, x) == pytest.approx(wanted, abs=1e-5)
        half = jax.tree.map(lambda p: 0.5 * p, parameters)
        assert not np.allclose(f(half, x), wanted)
        loss = lambda p: -jax.nn.log_softmax(f(p, x))[np.arange(5), labels].mean()  # noqa: E731
        found = jax.grad(loss)(parameters)
        cross_entropy(model(x), labels).backward()
        for path, leaf in model.named_parameters():
            assert found[path] == pytest.approx(leaf.grad, abs=1e-5)
        model.train()
        assert to_jax(model)(parameters, x) == pytest.approx(wanted, abs=1e-5)  # it predicts
        assert model.training

    def test_nested_arguments_and_results_and_what_is_not_computed(self):
        f = to_jax(lambda pair, scale: {"sum": pair[0] + pair[1], "same": "text", "scaled": pair[0] * scale})
        found = f((np.ones(2, np.float32), np.ones(2, np.float32)), 3.0)
        assert found["sum"].tolist() == [2, 2] and found["same"] == "text" and found["scaled"].tolist() == [3, 3]

    def test_arguments_by_name_and_what_is_no_array(self, jax):
        def f(x, mode="sum", y=None, *, twice=False, how=np.sin):
            out = x.sum() if mode == "sum" else x.mean()
            out = out if y is None else out + how(y).sum()
            return 2.0 * out if twice else out

        made, x = to_jax(f), np.arange(3, dtype=np.float32)
        assert float(made(x)) == 3 and float(made(x, "mean")) == float(made(x, mode="mean")) == 1
        assert float(made(x, "sum", None)) == 3 and float(made(x, twice=True)) == 6 and float(made(x, twice=False)) == 3
        assert float(made(x=x, y=x)) == pytest.approx(3 + np.sin(x).sum(), rel=1e-6)
        assert float(made(y=x, x=x, how=np.cos)) == pytest.approx(3 + np.cos(x).sum(), rel=1e-6)
        assert jax.grad(made)(x, y=x).tolist() == [1, 1, 1]
        jitted = jax.jit(made, static_argnames=("mode", "twice"))
        assert float(jitted(x, "mean")) == 1 and float(jitted(x, mode="mean", twice=True)) == 2
        with pytest.raises(TypeError, match="wanted arrays, numbers, and None, texts.*got object"):
            made(x, object())
        attention = nn.MultiHeadAttention(4, 2, rng=0)
        tokens = np.ones((1, 3, 4), np.float32)
        g = to_jax(attention)
        assert g(g.parameters, tokens, mask=None) == pytest.approx(attention(tokens).data, abs=1e-6)

    def test_what_is_closed_over_is_a_constant(self):
        w = Value([1.0, 2.0])
        f = to_jax(lambda x: x @ w)
        x = np.ones(2, np.float32)
        assert float(f(x)) == 3.0
        w.data = np.zeros(2)
        assert float(f(x)) == 3.0

    def test_precision_is_the_users(self, jax):
        x = np.linspace(0, 1, 3)
        f = to_jax(lambda x: anp.special.erfcx(x) if hasattr(anp, "special") else np.exp(x))
        assert f(jax.numpy.asarray(x)).dtype == np.float32
        with jax.enable_x64(True):
            assert f(jax.numpy.asarray(x)).dtype == np.float64

    def test_what_is_not_pure_is_refused(self):
        w, rng = Value([1.0, 2.0]), np.random.default_rng(0)

        def step(x):
            w.zero_grad()
            (w * x).sum().backward()
            w.data = w.data - w.grad
            return w.data

        x = np.ones(2, np.float32)
        with pytest.raises(TypeError, match="assigns to something, and a pure function does not"):
            to_jax(step)(x)
        with pytest.raises(TypeError, match="draws random numbers"):
            to_jax(lambda x: dropout(x, 0.5, rng=rng))(x)
        with pytest.raises(NotImplementedError, match="'eigvals'"):
            to_jax(np.linalg.eigvals)(np.eye(2, dtype=np.float32))
        with pytest.raises(TypeError, match="where"):
            to_jax(lambda x: x if x.sum() > 0 else -x)(x)
        with pytest.raises(TypeError, match="to_jax wanted a function or a module, got ndarray"):
            to_jax(x)

    def test_parameters_come_first_and_all_of_them(self):
        f = to_jax(nn.Linear(2, 1, rng=0))
        assert repr(f) == "to_jax(Linear)"
        x = np.ones((1, 2), np.float32)
        with pytest.raises(TypeError, match=r"wanted the parameters first, f\(f.parameters, x\); got ndarray"):
            f(x)
        with pytest.raises(TypeError, match="the parameters lack 'bias'"):
            f({"weight": f.parameters["weight"]}, x)

    def test_stablehlo_text(self, jax):
        text = to_stablehlo(nn.Linear(2, 1, rng=0), np.ones((4, 2), np.float32))
        assert "stablehlo.dot_general" in text and "tensor<4x2xf32>" in text and "tensor<4x1xf32>" in text
        assert "stablehlo.sine" in to_stablehlo(np.sin, jax.ShapeDtypeStruct((3,), np.float64))
        assert "tensor<3xf64>" in to_stablehlo(np.sin, jax.ShapeDtypeStruct((3,), np.float64))

    def test_arrays_of_jax_become_values_without_a_copy(self, jax):
        array = jax.numpy.arange(3.0)
        v = from_jax(array, name="x")
        assert held(v) is array and as_jax(v) is array
        (v * v).sum().backward()
        assert v.grad.tolist() == [0, 2, 4] and v.name == "x" and type(held(v)) is np.ndarray
        constant = from_jax(array, requires_grad=False)
        shared = np.from_dlpack(constant)
        assert shared.ctypes.data == array.unsafe_buffer_pointer() and held(constant) is array
        with pytest.raises(BufferError, match="detach"):
            np.from_dlpack(from_jax(array))
        for wrong, says in ((np.ones(2), "wanted an array of JAX"), (jax.numpy.ones(2, "bfloat16"), "astype")):
            with pytest.raises(TypeError, match=says):
                from_jax(wrong)
        with pytest.raises(TypeError, match="has no derivatives"):
            from_jax(jax.numpy.arange(3))

    def test_values_become_arrays_of_jax(self, jax):
        x = aligned(64)
        v = Value(x, copy=False)
        found = as_jax(v)
        assert found.dtype == np.float64 and np.array_equal(found, v.data)
        if jax.default_backend() == "cpu":
            assert found.unsafe_buffer_pointer() == v._data.ctypes.data
        assert as_jax(np.ones(3)).tolist() == [1, 1, 1] and as_jax(v + 1.0).tolist()[0] == 1

    def test_dlpack_both_ways(self, jax):
        x = aligned(64)
        with jax.enable_x64(True):
            there = jax.numpy.from_dlpack(x)
            v = Value(x, copy=False, requires_grad=False)
            assert as_jax(v).unsafe_buffer_pointer() == there.unsafe_buffer_pointer() == x.ctypes.data
            asked = jax.numpy.from_dlpack(v)  # JAX asks by the protocol that cannot say "read-only": a copy
            assert asked.dtype == np.float64 and np.array_equal(asked, x)
            assert asked.unsafe_buffer_pointer() != x.ctypes.data
            back = np.from_dlpack(from_jax(there, requires_grad=False))
        assert back.ctypes.data == x.ctypes.data and not back.flags.writeable

    def test_arrays_that_do_not_lie_as_jax_wants_them_are_copied(self):
        x = np.arange(6.0)
        for y in (x[::2], x[::-1], x.astype(">f8"), x.reshape(2, 3).T, np.array(2.0), np.empty((0, 2)), np.float32(1)):
            found = as_jax(y)
            assert found.shape == y.shape and np.array_equal(found, y) and found.dtype == y.dtype.newbyteorder("=")
        with pytest.raises(TypeError, match=r"write x[.]astype\(float\)"):
            as_jax(x.astype(np.longdouble))

    def test_weights_on_the_device_are_given_as_they_are(self):
        w = Value([1.0, 2.0])

        @compile(backend="xla")
        def step():
            w.zero_grad()
            (w * w).sum().backward()
            w.data = w.data - 0.25 * w.grad

        step()
        assert as_jax(w) is held(w) and is_device_array(held(w)) and as_jax(w).tolist() == [0.5, 1.0]
        array = held(w)
        w.data = np.zeros(2)
        assert array.tolist() == [0.5, 1.0]
