"""The XLA back end gives what eager gives: every op that it has, with derivatives; and training. Needs JAX."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from autograd_nn import compile, grad, nn, optim
from autograd_nn.losses import cross_entropy


def test_without_jax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[xla\]"'):
        compile(np.sin, backend="xla")(1.0)


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

    def test_what_xla_cannot_run_is_refused_with_its_reason(self):
        with pytest.raises(NotImplementedError, match=r"'eigvals': XLA has it on the CPU only.*backend='numpy'"):
            compile(np.linalg.eigvals, backend="xla")(np.eye(2))
        with pytest.raises(NotImplementedError, match="a mask selects a number of elements"):
            compile(lambda x: x[x > 0], backend="xla")(np.arange(3.0))
