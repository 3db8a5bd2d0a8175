"""What the first call costs: recording and compiling a training step, in a fresh process each, imports not counted.

Cold means empty caches on disk; the second time those that the first has filled are there.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .harness import (
    COMPILED,
    EAGER,
    JAX,
    NATIVE,
    NUMPY_PLAN,
    TORCH_COMPILED,
    AbsentError,
    Result,
    Row,
    import_jax,
    judge,
)
from .table import duration

NETWORKS = ("small_mlp", "wide_mlp", "deep_mlp")
LIMITS = {(NUMPY_PLAN, "cold"): 0.1, (NATIVE, "cold"): 3.0, (NATIVE, "cached"): 0.3}
CACHES = ("XDG_CACHE_HOME", "LOCALAPPDATA", "AUTOGRAD_NN_CACHE", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
ABSENT = "absent:"


def makers(network: str) -> dict[str, Callable[[], Any]]:
    """Return what sets up the steps."""
    from . import training
    from .harness import ours_compiled

    module = importlib.import_module(f".{network}", __package__)
    return ours_compiled(module.contestant) | {
        JAX: lambda: training.jax(module.make()),
        TORCH_COMPILED: lambda: training.torch_compiled(module.make()),
    }


def child(network: str, name: str) -> None:
    """Print the seconds of the first call, or why there are none."""
    import contextlib

    with contextlib.suppress(ImportError, AbsentError):  # what each needs is loaded before
        if name == JAX:
            import_jax().numpy.zeros(3).block_until_ready()
        elif name == TORCH_COMPILED:
            importlib.import_module("torch._inductor.compile_fx")
        elif name in (COMPILED, NATIVE):
            importlib.import_module("numba")
            importlib.import_module("scipy.linalg.cython_blas")
    try:
        step = makers(network)[name]()
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start)
    except (AbsentError, ImportError) as reason:
        print(ABSENT, reason)


def measure(network: str, name: str, cache: str) -> float | str:
    """Return the seconds that a fresh process measures, or why there are none."""
    environment = os.environ | dict.fromkeys(CACHES, cache)
    command = [sys.executable, "-m", "benchmarks.first_call", network, name]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    if done.returncode:
        raise RuntimeError(f"{name}, {network}:\n{done.stderr}")
    last = done.stdout.strip().splitlines()[-1]
    return last.removeprefix(ABSENT).strip() if last.startswith(ABSENT) else float(last)


def run(*, quick: bool) -> Result:
    """Measure. Peers are measured once, ours three times."""
    names = [COMPILED, NUMPY_PLAN, NATIVE, EAGER, JAX, TORCH_COMPILED]
    found: dict[tuple[str, str, str], float | str] = {}
    for network in NETWORKS[:1] if quick else NETWORKS:
        for name in names:
            times: dict[str, list[float]] = {"cold": [], "cached": []}
            for _ in range(3 if name in (COMPILED, NUMPY_PLAN, NATIVE) and not quick else 1):
                with tempfile.TemporaryDirectory() as cache:
                    for state in times:
                        seconds = measure(network, name, cache)
                        if isinstance(seconds, str):
                            found[network, name, state] = f"skipped: {seconds}"
                            break
                        times[state].append(seconds)
                        found[network, name, state] = sorted(times[state])[len(times[state]) // 2]
                    else:
                        continue
                    print(f"  {name}: skipped: {seconds}", flush=True)
                    break
    lines = ["| | | cold | caches filled |", "|---|---|---:|---:|"]
    for network in dict.fromkeys(key[0] for key in found):
        for name in names:
            cells = [found.get((network, name, state), "") for state in ("cold", "cached")]
            texts = [cell if isinstance(cell, str) else duration(cell) for cell in cells]
            lines.append(f"| {network} | {f'**{name}**' if name == COMPILED else name} | {' | '.join(texts)} |")
    verdicts = []
    for (name, state), limit in LIMITS.items():
        came = [s for (_, n, c), s in found.items() if (n, c) == (name, state) and not isinstance(s, str)]
        said = f"measured {duration(max(came))}: {judge(max(came), limit)}" if came else "not measured"
        verdicts.append(f"bar for {name}, {state}: at most {limit:g} s; {said}")
    return Result("First call of a compiled training step.", list[Row](), verdicts, text="\n".join(lines))


if __name__ == "__main__":
    child(*sys.argv[1:])
