"""One thread or two: every workload, compiled; the pools of BLAS and our own loops.

Small work may not become slower (more than 5 %), large work has to become 1.5 times faster. In a process of its own,
which may use all cores; the two take turns.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .harness import Result, Row, calibrate, clock, judge
from .table import duration

COUNTS = (1, 2)
SLOWER, FASTER = 1.05, 1.5
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def child(quick: bool) -> None:
    """Print a line of JSON for each workload: name, is it large, seconds with one thread and with two."""
    from threadpoolctl import threadpool_limits

    from autograd_nn import compile

    from .workloads import WORKLOADS

    ours = "threads" in inspect.signature(compile).parameters  # then compiled functions set the pools themselves
    print(json.dumps("compile(threads=…)" if ours else "pools of BLAS only"), flush=True)

    def pools(count: int) -> Any:
        return contextlib.nullcontext() if ours else threadpool_limits(count)

    for name, workload in WORKLOADS.items():
        steps = {count: workload.ours("auto", **({"threads": count} if ours else {})) for count in COUNTS}
        loops = {}
        for count, step in steps.items():
            with pools(count):
                for _ in range(5):  # record, compile, write the call out
                    step()
                loops[count] = calibrate(step, 0.01 if quick else 0.05)
        samples: dict[int, list[float]] = {count: [] for count in COUNTS}
        for i in range(5 if quick else 15):
            for count in COUNTS[:: 1 if i % 2 else -1]:
                gc.collect()
                with pools(count):
                    steps[count]()  # wakes threads up
                    samples[count].append(clock(steps[count], loops[count]))
        medians = [statistics.median(samples[count]) for count in COUNTS]
        print(json.dumps([name, workload.large, medians]), flush=True)


@contextlib.contextmanager
def all_cores() -> Iterator[None]:
    """Let processes that are started use all cores again. Linux only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(*, quick: bool) -> Result:
    """Measure."""
    title = "Threads: steps compiled by autograd_nn, with one thread and with two"
    environment = os.environ | dict.fromkeys(VARIABLES, str(max(COUNTS)))
    command = [sys.executable, "-m", "benchmarks.threads", *(["quick"] if quick else [])]
    with all_cores():
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if cores < max(COUNTS):
            return Result(f"{title}.", list[Row](), ["not measured: there is one core"], text="skipped")
        root = Path(__file__).parent.parent
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    if done.returncode:
        raise RuntimeError(done.stderr)
    means, *found = map(json.loads, done.stdout.splitlines())
    lines = ["| | one thread | two threads | times faster | bar |", "|---|---:|---:|---:|---|"]
    for name, large, (one, two) in found:
        limit = 1 / FASTER if large else SLOWER
        said = f"{f'{FASTER:g} times faster' if large else 'not slower'}: {judge(two / one, limit)}"
        lines.append(f"| {name} | {duration(one)} | {duration(two)} | {one / two:.2f} | {said} |")
    return Result(f"{title}: {means}.", list[Row](), [], text="\n".join(lines))


if __name__ == "__main__":
    child("quick" in sys.argv)
