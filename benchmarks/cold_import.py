"""What ``import`` costs: the seconds that a package adds to ``import numpy``, in a fresh process each time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile

from .harness import OURS, Result, Row, row

PACKAGES = (OURS, "micrograd.engine", "autograd", "torch", "jax")
LIMIT = 0.060
CODE = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
NUMPY = "import time; start = time.perf_counter(); import numpy; print(time.perf_counter() - start)"


def seconds(code: str, cache: str) -> float:
    """Return what a fresh process measures, with bytecode in a folder of ours, whatever the environment says of it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": cache
    }
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def run(*, quick: bool) -> Result:
    """Measure. The first round, which compiles to bytecode and reads from disk, is not counted."""
    codes = {"numpy itself": NUMPY}
    absent = []
    for package in PACKAGES:
        top = package.partition(".")[0]
        if importlib.util.find_spec(top) is None:
            absent.append(Row(top, None, 0.0, "skipped: not installed"))
            print(f"  {top}: skipped: not installed", flush=True)
        else:
            codes[top] = CODE.format(package)
    samples: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory() as cache:
        for i in range(4 if quick else 16):
            for name, code in codes.items():
                taken = seconds(code, cache)
                if i:
                    samples[name].append(taken)
    rows = [row(name, taken) for name, taken in samples.items()]
    ours = next(row.seconds for row in rows if row.name == OURS)
    verdict = f"bar: at most {LIMIT * 1e3:.0f} ms; measured {ours * 1e3:.0f} ms: {'met' if ours <= LIMIT else 'MISSED'}"
    return Result("Cold import: seconds added to `import numpy`, in a fresh process.", rows + absent, [verdict])
