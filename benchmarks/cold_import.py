"""What ``import`` costs: the seconds that a package adds to ``import numpy``, in a fresh process each time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from .harness import OURS, Result, Row, row

PACKAGES = (OURS, "micrograd.engine", "autograd", "torch", "jax")
LIMIT = 0.060
CODE = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
NUMPY = "import time; start = time.perf_counter(); import numpy; print(time.perf_counter() - start)"


def seconds(code: str) -> float:
    """Return what a fresh process measures."""
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def run(*, quick: bool) -> Result:
    """Measure. Files are in the cache of the disk: the first round is not counted."""
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
    for i in range(4 if quick else 16):
        for name, code in codes.items():
            taken = seconds(code)
            if i:
                samples[name].append(taken)
    rows = [row(name, taken) for name, taken in samples.items()]
    ours = next(row.seconds for row in rows if row.name == OURS)
    verdict = f"bar: at most {LIMIT * 1e3:.0f} ms; measured {ours * 1e3:.0f} ms: {'met' if ours <= LIMIT else 'MISSED'}"
    return Result("Cold import: seconds added to `import numpy`, in a fresh process.", rows + absent, [verdict])
