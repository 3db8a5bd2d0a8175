"""Peak memory of a training step in its steady state, in a fresh process each: inputs, parameters, buffers, everything.

Three steps are taken first, which record, compile and allocate; then the mark is reset, and three more are measured.
"allocated" is what Python's tracemalloc saw at the peak, NumPy's arrays and all objects of the plan among it; it does
not see torch. "process" is how much the private memory of the process grew from before there were data to the peak,
as Linux counts it (VmHWM after a reset, without pages of files); a small network was trained before, so that all
libraries are loaded.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from .harness import BY_HAND, EAGER, NATIVE, NUMPY_PLAN, TORCH, AbsentError, Result, Row, judge

MEASURED = ("wide_mlp", "deep_mlp", "cnn", "RNN", "LSTM", "elementwise_chain 1e+07", "logistic")
CONTESTANTS = (NUMPY_PLAN, NATIVE, BY_HAND, EAGER, TORCH)
COMPILED_LIMIT, EAGER_LIMIT = 1.2, 2.0
MB = 1e6


def step_of(workload: str, name: str) -> Any:
    """Set a contestant up."""
    from autograd_nn.compiler import BACKENDS

    from .workloads import WORKLOADS

    chosen = WORKLOADS[workload]
    if name == BY_HAND:
        return chosen.by_hand()
    if name == TORCH:
        return chosen.torch()
    if name == NATIVE and "native" not in BACKENDS:
        raise AbsentError("there is no back end 'native' yet")
    return chosen.ours({NUMPY_PLAN: "numpy", NATIVE: "native", EAGER: None}[name])


def status(name: str) -> int:
    """Return a line of what Linux says of this process, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise AbsentError(f"this system does not say {name}")
    return 1024 * int(found[1])


def load(name: str) -> None:
    """Load all that a contestant needs: it multiplies matrices, and trains a small network."""
    square = np.ones((512, 512), np.float32)
    square @ square
    step = step_of("small_mlp", name)
    for _ in range(3):
        step()


def child(workload: str, name: str, how: str) -> None:
    """Print the peak as JSON, or why there is none."""
    try:
        load(name)
        gc.collect()
        if how == "allocated":
            tracemalloc.start()
        before = status("RssAnon") if how == "process" else 0
        step = step_of(workload, name)
        for _ in range(3):
            step()
        gc.collect()
        if how == "allocated":
            tracemalloc.reset_peak()
        else:
            Path("/proc/self/clear_refs").write_text("5")
        for _ in range(3):
            step()
        if how == "allocated":
            peak = tracemalloc.get_traced_memory()[1]
        else:
            peak = status("VmHWM") - status("RssFile") - status("RssShmem") - before
        print(json.dumps(peak))
    except (AbsentError, ImportError, OSError) as reason:
        print(json.dumps(str(reason)))


def measure(workload: str, name: str, how: str) -> float | str:
    """Return the bytes that a fresh process measures, or why there are none."""
    command = [sys.executable, "-m", "benchmarks.memory", workload, name, how]
    done = subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ), cwd=Path(__file__).parent.parent
    )
    if done.returncode:
        raise RuntimeError(f"{name}, {workload}:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(*, quick: bool) -> Result:
    """Measure."""
    lines = ["| | | allocated | process |", "|---|---|---:|---:|"]
    verdicts, absent = [], set()
    for workload in MEASURED[:1] + MEASURED[2:3] if quick else MEASURED:
        found: dict[tuple[str, str], float] = {}
        for name in CONTESTANTS:
            cells = []
            for how in ("allocated", "process"):
                peak = measure(workload, name, how) if (name, how) != (TORCH, "allocated") else ""
                if isinstance(peak, str):
                    if peak and name not in absent:
                        print(f"  {name}: skipped: {peak}", flush=True)
                        absent.add(name)
                    cells.append(f"skipped: {peak}" if peak and how == "allocated" else "")
                else:
                    found[name, how] = peak
                    cells.append(f"{peak / MB:.1f} MB")
            lines.append(f"| {workload} | {name} | {' | '.join(cells)} |")
        for ours, peer, how, limit in (
            (NUMPY_PLAN, BY_HAND, "allocated", COMPILED_LIMIT),
            (NATIVE, BY_HAND, "allocated", COMPILED_LIMIT),
            (EAGER, TORCH, "process", EAGER_LIMIT),
        ):
            with contextlib.suppress(KeyError):
                ratio = found[ours, how] / found[peer, how]
                said = f"at most {limit:g} × {peer}, {how}; measured {ratio:.2f} ×: {judge(ratio, limit)}"
                verdicts.append(f"{workload}: bar for {ours}: {said}")
    title = "Peak memory of a step, inputs and parameters included."
    return Result(title, list[Row](), verdicts, text="\n".join(lines))


if __name__ == "__main__":
    child(*sys.argv[1:])
