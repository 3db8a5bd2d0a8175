"""Use an installed autograd_nn away from the source tree.

Run by the wheel test, and by the gate in an environment that has the core dependencies only.
"""

import importlib.metadata
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

import autograd_nn
from autograd_nn import Graph, Value

installed = Path(autograd_nn.__file__).resolve().parent
if Path(sys.prefix).resolve() not in installed.parents:
    raise SystemExit(f"imported from {installed}, not from the environment {sys.prefix}")

version = importlib.metadata.version("autograd-nn")
if version != autograd_nn.__version__:
    raise SystemExit(f"metadata says {version}, the package says {autograd_nn.__version__}")
if not files("autograd_nn").joinpath("py.typed").is_file():
    raise SystemExit("py.typed is missing: type checkers would ignore the package")

x = Value(np.array([1.0, 2.0, 3.0]), name="x")
loss = (np.exp(x) * x).sum()
loss.backward()
np.testing.assert_allclose(x.grad, np.exp(x.data) * (x.data + 1), rtol=1e-12)
if len(Graph.of(loss)) != 4:
    raise SystemExit(f"x, exp, mul, sum are four nodes; the graph has {len(Graph.of(loss))}")
print(f"autograd_nn {version} works from {installed}")
