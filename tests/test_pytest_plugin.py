"""The plugin in pytest runs of its own, with nothing else loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SUITE = """
import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from autograd_nn import OPS, Op
from autograd_nn.domain import POSITIVE, UNARY
from autograd_nn.testing import strategies

seen = []


def test_fixtures(check_grads, check_op, autograd_strategies):
    check_grads(OPS["exp"], np.ones(3))
    check_op(OPS["exp"])
    assert autograd_strategies is strategies


@given(st.data())
def test_counted(autograd_strategies, data):
    seen.append(data.draw(autograd_strategies.arrays((2,), POSITIVE)))


@given(strategies.random_graphs(max_steps=2))
def test_graphs(graph):
    graph.check()


@settings(max_examples=3)
@given(st.integers())
def test_fixed(n):
    pass


def test_number():
    import os
    assert len(seen) == int(os.environ["WANTED"])
"""


def run(tmp_path, *arguments, suite=SUITE, wanted=0, **environment):
    (tmp_path / "test_suite.py").write_text(suite, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # it may be installed: pytest must not load it twice
        "PYTHONPATH": str(ROOT),
        "WANTED": str(wanted),
        **environment,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "autograd_nn.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_fixtures_and_number_of_examples(tmp_path):
    done = run(tmp_path, "--gradcheck-examples", "7", wanted=7)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.parametrize(("given", "says"), [("0", "above 0, got '0'"), ("many", "above 0, got 'many'")])
def test_a_bad_number_is_a_usage_error(tmp_path, given, says):
    done = run(tmp_path, "--gradcheck-examples", given, suite="")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert says in done.stderr


def test_without_hypothesis(tmp_path):
    """The plugin and the checks work; the option and the strategies say in one sentence what to install."""
    (tmp_path / "hypothesis.py").write_text("raise ImportError('not installed')", encoding="utf-8")
    suite = """
import pytest
from autograd_nn import OPS

def test_check(check_grads, autograd_strategies):
    check_grads(OPS["exp"], 1.0)
    with pytest.raises(ImportError, match="pip install"):
        autograd_strategies.shapes()
"""
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run(tmp_path, suite=suite, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(tmp_path, "--gradcheck-examples", "5", suite=suite, PYTHONPATH=path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "needs Hypothesis: pip install" in done.stderr


def test_loading_it_does_not_load_hypothesis():
    code = "import sys, autograd_nn.pytest_plugin; print('hypothesis' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
