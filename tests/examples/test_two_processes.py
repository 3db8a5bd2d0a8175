"""Two processes learn digits, as well as one; and go on where they were stopped."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples import two_processes


def test_one_process_learns_with_numpy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = two_processes.train(mesh=False, epochs=4)
    assert found["accuracy"] > 0.92
    assert "NumPy" in capsys.readouterr().out
    assert two_processes.train(mesh=False, epochs=4) == found  # it was over: nothing is trained again


@pytest.mark.xla
def test_two_processes_learn_together(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip('no JAX: pip install "autograd_nn[xla]"')
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "OMPI", "JAX", "AUTOGRAD_NN_"))}
    done = subprocess.run(
        [sys.executable, str(Path(two_processes.__file__).resolve())],
        env={**kept, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "test accuracy" in line]
    assert {line[:3] for line in lines} == {"[0]", "[1]"} and len({line[4:] for line in lines}) == 1
    assert "Mesh(2 × cpu, batch 2, model 1, 2 processes)" in lines[0]
    assert float(lines[0].split()[3]) > 0.95
    assert [path.name for path in tmp_path.iterdir()] == ["two_processes.safetensors"]
