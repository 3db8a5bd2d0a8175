"""Step time on 1 to 10,000 devices, on paper and measured: ``python -m benchmarks.scaling`` rewrites scaling.md.

On paper: compute falls with the number of devices, the sum of gradients over all of them does not. The same sum of
parts is compared with steps on 1, 2 and 8 virtual devices of this machine, whose cores they share.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PAGE = Path(__file__).with_name("scaling.md")
DEVICES = (1, 8, 64, 512, 1000, 4096, 10_000)


# --- on paper -------------------------------------------------------------------------------------------------------


class Machine(NamedTuple):
    """What a device can do, and the network between devices."""

    flops: float  # per second that matrix products reach, not the peak
    bandwidth: float  # bytes per second in and out of a device
    latency: float  # seconds from one device to the next
    overhead: float  # seconds to start a step


class Model(NamedTuple):
    """What a step costs."""

    name: str
    parameters: float
    flops: float  # per row, forward and backward
    batch: int  # rows over all devices
    bytes: int = 4  # of a gradient's number


GPU = Machine(flops=150e12, bandwidth=25e9, latency=5e-6, overhead=20e-6)  # an A100-class GPU, 200 Gbit/s each
MODELS = (
    Model("MLP, 64-32-10", 2_410, 6 * 2_410, 4_096),
    Model("ResNet-50", 25.6e6, 3 * 8.2e9, 32_768),
    Model("GPT-2 XL, rows of 1,024 tokens", 1.56e9, 6 * 1.56e9 * 1024, 8_192),
)


def all_reduce(size: float, devices: int, machine: Machine) -> float:
    """Seconds to add up arrays of so many bytes over devices: the faster of a ring and a tree.

    A ring sends 2 (n - 1) / n of the bytes, which is as few as can be, in 2 (n - 1) hops (Patarasuk and Yuan, 2009); a
    tree sends all of them twice, in 2 log n hops.
    """
    if devices == 1:
        return 0.0
    ring = 2 * (devices - 1) * (size / devices / machine.bandwidth + machine.latency)
    tree = 2 * math.ceil(math.log2(devices)) * machine.latency + 2 * size / machine.bandwidth
    return min(ring, tree)


def compute(model: Model, devices: int, machine: Machine) -> float:
    """Seconds of arithmetic: rows are whole, so a device has at least one."""
    return machine.overhead + math.ceil(model.batch / devices) * model.flops / machine.flops


def step(model: Model, devices: int, machine: Machine, *, overlap: float = 0.0) -> float:
    """Seconds of a step; a part of the communication may hide behind the backward pass, two thirds of the compute."""
    work = compute(model, devices, machine)
    talk = all_reduce(model.parameters * model.bytes, devices, machine)
    return work + max(talk * (1 - overlap), talk - work * 2 / 3 if overlap else 0.0)


def efficiency(model: Model, devices: int, machine: Machine) -> float:
    """How much of n devices' work is useful: 1 if n of them are n times as fast."""
    return step(model, 1, machine) / (devices * step(model, devices, machine))


def last_useful(model: Model, machine: Machine, least: float = 0.5) -> int:
    """The largest number of devices, a power of 2 up to 65,536, that are used to this part."""
    return max(2**k for k in range(17) if efficiency(model, 2**k, machine) >= least)


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.2g} µs"


def paper(machine: Machine = GPU) -> str:
    """The table of the page."""
    lines = []
    for model in MODELS:
        lines += [
            f"**{model.name}**: {model.parameters:.3g} parameters, {model.batch:,} rows a step.",
            "",
            "| devices | compute | all-reduce | step | used | step, overlapped |",
            "|---:|---:|---:|---:|---:|---:|",
        ]
        for n in DEVICES:
            talk = all_reduce(model.parameters * model.bytes, n, machine)
            lines.append(
                f"| {n:,} | {duration(compute(model, n, machine))} | {duration(talk) if talk else '–'} | "
                f"{duration(step(model, n, machine))} | {efficiency(model, n, machine):.0%} | "
                f"{duration(step(model, n, machine, overlap=1.0))} |"
            )
        lines += ["", f"Half of the devices' work is wasted beyond {last_useful(model, machine):,} of them.", ""]
    return "\n".join(lines)


# --- measured -------------------------------------------------------------------------------------------------------

WIDTHS = {
    "small": ((64, 32, 10), 512),
    "medium": ((256, 1024, 1024, 10), 512),
    "large": ((512, 2048, 2048, 512), 256),
}
NOTHING = ((8, 2), 8)  # what a step costs that computes nothing


def medians(contestants: dict[str, Any], rounds: int) -> dict[str, float]:
    """Seconds of each, taking turns: a machine that slows down slows all of them."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for f in contestants.values():
        f()
    for _ in range(rounds):
        for name, f in contestants.items():
            start = time.perf_counter()
            f()
            samples[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in samples.items()}


def worker(rounds: int) -> None:
    """Measure in a process that has so many devices, a core for each as long as there are some; print JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["SCALING_DEVICES"])])
    import jax

    from autograd_nn import nn, optim
    from autograd_nn.cluster import Mesh
    from autograd_nn.training.feed import Batch
    from autograd_nn.training.objective import Objective
    from autograd_nn.training.step import CompiledStep

    mesh, rng, found = Mesh(), np.random.default_rng(0), {}
    alone = jax.device_put(np.ones((256 * mesh.batch, 1024), np.float32), mesh.sharding("batch"))
    same = jax.device_put(np.ones((1024, 1024), np.float32), mesh.sharding())
    multiply = jax.jit(lambda x, w: x @ w, out_shardings=mesh.sharding("batch"))
    for name, (widths, batch) in {"nothing": NOTHING, **WIDTHS}.items():
        x = rng.normal(size=(batch, widths[0])).astype(np.float32)
        y = rng.integers(0, widths[-1], batch)
        model = nn.MLP(list(widths), rng=0)
        optimizer = optim.SGD(model.parameters(), 0.01)
        run = CompiledStep(Objective(model, "cross_entropy"), optimizer, optimizer.zero_grad, "xla", predictions=False,
                           mesh=mesh)  # fmt: skip
        rows = Batch(x, y, None, batch)
        few = Batch(x[: mesh.batch], y[: mesh.batch], None, mesh.batch)  # a row each: what does not depend on rows
        size = sum(p.size for p in model.parameters())
        parts = jax.device_put(np.ones((mesh.batch, size), np.float32), mesh.sharding("batch"))
        add = jax.jit(lambda g: g.sum(axis=0), out_shardings=mesh.sharding())
        contestants = {
            "step": lambda run=run, rows=rows: run(rows),
            "fixed": lambda run=run, few=few: run(few),
            "all-reduce": lambda add=add, parts=parts: add(parts).block_until_ready(),
            "product": lambda: multiply(alone, same).block_until_ready(),
        }
        found[name] = {**medians(contestants, rounds), "parameters": size}
    print(json.dumps(found))


def measured(devices: int, rounds: int) -> dict[str, Any]:
    """Measure a number of virtual devices."""
    flags = f"--xla_force_host_platform_device_count={devices} --xla_cpu_multi_thread_eigen=false"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", "--worker", str(rounds)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "SCALING_DEVICES": str(devices)},
        capture_output=True,
        text=True,
        check=True,
        cwd=PAGE.parent.parent,
    )
    return json.loads(done.stdout.splitlines()[-1])


def parts_of(runs: dict[int, Any], name: str, n: int) -> dict[str, float]:
    """The parts of a step on n devices: from steps on one, from the all-reduce alone, and a step that computes nothing.

    The work on rows is divided over the devices. The update is not: each device updates its own copy of the weights,
    and here all copies share the cores and the memory. How many devices' worth these are is measured, with a product
    of matrices on each device at once.
    """
    one, many = runs[1], runs[n]
    used = speedup(runs, n, name)
    start = one["nothing"]["fixed"]
    return {
        "rows": max(0.0, one[name]["step"] - one[name]["fixed"]) / used,
        "update": max(0.0, one[name]["fixed"] - start) * n / used,
        "all-reduce": max(0.0, many[name]["all-reduce"] - many["nothing"]["all-reduce"]),
        "nothing": many["nothing"]["step"],
    }


def speedup(runs: dict[int, Any], n: int, name: str) -> float:
    """How many products of matrices on n devices at once take as long as one after the other."""
    return min(float(n), max(1.0, n * runs[1][name]["product"] / runs[n][name]["product"]))


def check(rounds: int) -> tuple[str, list[float]]:
    """Compare parts and whole on 1, 2 and 8 devices; return the table, and ratios of measured to explained."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    runs = {n: measured(n, rounds) for n in (1, 2, 8)}
    lines = [
        f"{cores} cores, of which one device gets one. An MLP of each size, SGD, float32.",
        "",
        "| network | parameters | devices | worth | rows | update | all-reduce | of nothing | sum | measured | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ratios = []
    for name in WIDTHS:
        for n in (1, 2, 8):
            parts = parts_of(runs, name, n)
            whole, came = sum(parts.values()), runs[n][name]["step"]
            if n > 1:  # of one it is the sum by construction
                ratios.append(came / whole)
            shown = " | ".join(map(duration, (*parts.values(), whole, came)))
            size, worth = f"{runs[1][name]['parameters']:,}", f"{speedup(runs, n, name):.2f}"
            lines.append(f"| {name} | {size} | {n} | {worth} | {shown} | {came / whole:.2f} |")
    lines += ["", f"Measured over the sum, on 2 and 8 devices: {min(ratios):.2f} to {max(ratios):.2f}."]
    return "\n".join(lines), ratios


def store(name: str, text: str) -> None:
    """Put a text between its marks on the page."""
    page = PAGE.read_text(encoding="utf-8")
    mark = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    page = re.sub(f"{mark[0]}.*?{mark[1]}", lambda _: f"{mark[0]}{text}\n{mark[1]}", page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; prints only")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        worker(given.worker)
        return
    derived = paper()
    print(derived)
    try:
        import jax  # noqa: F401
    except ImportError:
        print('not measured: pip install "autograd_nn[xla]"')
        return
    compared, _ = check(5 if given.quick else 40)
    print(compared)
    if not given.quick:
        store("paper", derived)
        store("measured", compared)


if __name__ == "__main__":
    main()
