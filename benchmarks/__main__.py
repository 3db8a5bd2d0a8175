"""``python -m benchmarks [--quick] [workload …]``: measure, print, and keep the tables in benchmarks/README.md."""

from __future__ import annotations

import os

# One thread each: before anything loads a BLAS or XLA.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse  # noqa: E402  (the variables have to be set first)
import contextlib  # noqa: E402
import importlib  # noqa: E402
import importlib.metadata  # noqa: E402

from threadpoolctl import threadpool_limits  # noqa: E402

from .table import conditions, store, table  # noqa: E402

WORKLOADS = (
    "scalar_graph",
    "growth",
    "small_mlp",
    "wide_mlp",
    "deep_mlp",
    "cnn",
    "recurrent",
    "elementwise_chain",
    "logistic",
    "second_order",
    "estimator_fit",
    "elementwise",
    "estimators",
    "cold_import",
    "first_call",
    "threads",
    "memory",
)
PEERS = ("micrograd", "autograd", "torch", "jax")


def main(arguments: list[str] | None = None) -> None:
    """Run the workloads that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure workloads beside their peers.")
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"{', '.join(WORKLOADS)}; all if left out")
    parser.add_argument("--quick", action="store_true", help="fewer samples, a few minutes; README.md stays as it is")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.workloads) - set(WORKLOADS):
        parser.error(f"unknown workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    pin_to_one_core()
    with threadpool_limits(1):
        for name in chosen.workloads or WORKLOADS:
            print(f"{name} …", flush=True)
            results = importlib.import_module(f".{name}", __package__).run(quick=chosen.quick)
            text = "\n".join(table(result) for result in (results if isinstance(results, list) else [results]))
            print(text, flush=True)
            if not chosen.quick:
                store(name, text)
    if not chosen.quick:
        store("conditions", conditions(installed()) + "\n")


def pin_to_one_core() -> None:
    """Keep worker threads that a peer starts nevertheless on the same core. Linux only."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def installed() -> dict[str, str]:
    versions = {}
    for name in PEERS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


if __name__ == "__main__":
    main()
