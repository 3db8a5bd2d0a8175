"""The benchmark for GPUs: it says so where there is none, and its code runs on the CPU."""

from __future__ import annotations

import sys

import pytest

from benchmarks import gpu


def test_without_jax_it_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert gpu.main([]) == 0
    assert "skipped: no JAX here" in capsys.readouterr().out


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    def test_without_a_gpu_it_says_so(self, jax, capsys):
        if jax.devices()[0].platform != "cpu":
            pytest.skip("there is one")
        assert gpu.main([]) == 0
        assert "finds no GPU here" in capsys.readouterr().out

    def test_its_code_runs_and_losses_are_those_of_numpy(self, capsys):
        assert gpu.main(["--quick"]) == 0
        rows = [line for line in capsys.readouterr().out.splitlines() if "backend='xla' |" in line]
        assert len(rows) == 4  # two networks, two precisions
        for row in rows:
            precision, error = row.split("|")[2].strip(), float(row.split("|")[5])
            assert error <= gpu.TOLERANCE[precision]

    def test_wrong_losses_are_not_timed(self, monkeypatch):
        layers, shape = gpu.networks(True)["large MLP"]
        wrong = {"autograd_nn": lambda: lambda: 1.0}
        monkeypatch.setattr(gpu, "contestants", lambda *_: wrong)
        with pytest.raises(SystemExit, match="losses of autograd_nn differ"):
            gpu.compare("large MLP", layers, shape, "float32", 1, reference=True)
