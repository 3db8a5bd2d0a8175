"""The XLA back end gives what eager gives: every op that it has, with derivatives; and training. Needs JAX."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from autograd_nn import Value, checkpoint, compile, grad, nn, optim, scan
from autograd_nn.losses import cross_entropy
from autograd_nn.training import fit


def test_without_jax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[xla\]"'):
        compile(np.sin, backend="xla")(1.0)


@pytest.mark.parametrize(("missing", "how"), [
    ("jax", {"backend": "xla"}), ("jax", {"compile": "xla"}), ("numba", {"backend": "native"}),
])  # fmt: skip
def test_fit_says_so_before_anything_is_trained(monkeypatch, missing, how):
    monkeypatch.setitem(sys.modules, missing, None)
    model = nn.MLP([2, 2], rng=0)
    before = [np.array(p.data) for p in model.parameters()]
    with pytest.raises(ImportError, match="pip install"):
        fit(model, (np.ones((8, 2)), np.arange(8) % 2), "cross_entropy", batch_size=2, progress=False, **how)
    assert all(np.array_equal(x, p.data) for x, p in zip(before, model.parameters(), strict=True))


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    @pytest.mark.parametrize("make_model", [
        lambda: nn.MLP([6, 8, 3], rng=0),
        lambda: nn.Sequential(nn.BatchNorm(6), nn.Linear(6, 8, rng=0), nn.Dropout(0.3, rng=1), nn.Linear(8, 3, rng=2)),
    ])  # fmt: skip
    def test_the_same_model_code_trains_on_both_engines(self, make_model):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(12, 6)).astype(np.float32), rng.integers(0, 3, 12)

        def training(backend):
            model = make_model()
            optimizer = optim.Adam(model.parameters(), 0.05)

            def step(x, y):
                optimizer.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                return loss

            run = step if backend is None else compile(step, backend=backend)
            return [float(run(x, y)) for _ in range(20)], model

        wanted, eager = training(None)
        found, model = training("xla")
        assert found == pytest.approx(wanted, rel=1e-4)
        assert found[-1] < found[0] / 2
        for p, q in zip([*eager.parameters(), *eager.buffers()], [*model.parameters(), *model.buffers()], strict=True):
            assert q.data == pytest.approx(p.data, abs=1e-3)

    def test_double_precision_and_the_users_setting(self, jax):
        before = jax.config.jax_enable_x64
        x = np.linspace(0, 1, 5)
        found = compile(grad(lambda x: (np.exp(np.sin(x)) * x).sum()), backend="xla")(x)
        assert found.dtype == np.float64
        assert found == pytest.approx(np.exp(np.sin(x)) * (1 + x * np.cos(x)), rel=1e-14)
        assert jax.config.jax_enable_x64 == before

    def test_what_depends_on_data_is_the_same_error_as_elsewhere(self):
        for f, says in (
            (lambda x: x if x.sum() > 0 else -x, r"where\(condition, a, b\)"),
            (lambda x: x * float(x.sum()), "static"),
            (lambda x: [0] * int(x.sum()), "fixed when the function is recorded|static"),
        ):
            errors = []
            for backend in ("numpy", "xla"):
                with pytest.raises(TypeError, match=says) as caught:
                    compile(f, backend=backend)(np.ones(3))
                errors.append(str(caught.value))
            assert errors[0] == errors[1]

    def test_fit_trains_on_this_back_end(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
        curves = []
        for how in ({}, {"backend": "xla"}, {"compile": "xla"}, {"mesh": 1}, {"backend": "xla", "validation": (x, y)}):
            model = nn.MLP([4, 8, 3], rng=0)
            optimizer = optim.Adam(model.parameters(), 0.05)
            history = fit(model, (x, y), "cross_entropy", optimizer, epochs=3, batch_size=16, progress=False, **how)
            curves.append(history["loss"])
            if how:
                assert history.environment["backend"] == "compiled: xla"
        assert history["validation_loss"][-1] < history["validation_loss"][0]
        for curve in curves[1:]:
            assert curve == pytest.approx(curves[0], rel=1e-4)

    def test_loops_checkpoints_and_recurrent_layers_inside(self):
        x = np.linspace(0, 1, 5)
        running = lambda x: scan(lambda total, x: (total + x, total * x), 0.0, x)[1]  # noqa: E731
        assert np.allclose(np.asarray(compile(running, backend="xla")(x)), np.asarray(running(x)))
        slope = grad(lambda x: checkpoint(lambda x: np.sin(x) * x)(x).sum())
        assert compile(slope, backend="xla")(x) == pytest.approx(slope(x))
        for scanned in (True, False):
            layer = nn.LSTM(2, 3, layers=2, bidirectional=True, scan=scanned, returns="last", rng=0)
            sequences = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
            slope = grad(lambda x, layer=layer: (layer(x) ** 2).sum())
            found = compile(slope, backend="xla")(Value(sequences))
            assert found.data == pytest.approx(slope(sequences), abs=1e-5)

    def test_fit_takes_back_weights_that_lead_to_nan(self):
        x, y = np.ones((8, 1)), np.full((8, 1), 1e200)
        model = nn.Linear(1, 1, dtype=float, rng=0)
        optimizer = optim.SGD(model.parameters(), 1e100)
        history = fit(model, (x, y), "mse", optimizer, epochs=9, batch_size=4, progress=False, backend="xla")
        assert history.stopped.startswith("not finite")
        assert all(np.isfinite(p.data).all() for p in model.parameters())

    def test_what_xla_cannot_run_is_refused_with_its_reason(self):
        with pytest.raises(NotImplementedError, match=r"'eigvals': XLA has it on the CPU only.*backend='numpy'"):
            compile(np.linalg.eigvals, backend="xla")(np.eye(2))
        with pytest.raises(NotImplementedError, match="a mask selects a number of elements"):
            compile(lambda x: x[x > 0], backend="xla")(np.arange(3.0))
