"""How contestants are compared: same numbers first, then interleaved samples, medians and ratios.

Contestants take turns in every round, so that a machine that slows down slows all of them. One thread each. The cyclic
garbage collector is left on, as it is in users' programs, and runs between rounds.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

OURS = "autograd_nn"
COMPILED = "autograd_nn, compile"
NUMPY_PLAN = "autograd_nn, compile, NumPy plan"
NATIVE = "autograd_nn, compile, native"
EAGER = "autograd_nn, eager"
JAX = "JAX jit"
TORCH = "torch eager"
TORCH_FUSED = "torch eager, fused optimizer"
TORCH_COMPILED = "torch.compile"
BY_HAND = "NumPy by hand, out="
Step = Callable[[], Any]


class AbsentError(Exception):
    """A contestant that cannot take part says why."""


class Row(NamedTuple):
    name: str
    seconds: float | None  # median; None if it did not take part
    spread: float  # half the distance between the quartiles
    note: str = ""


class Bar(NamedTuple):
    """What was promised: our time is at most `factor` times that of the fastest of these peers."""

    factor: float
    peers: tuple[str, ...]
    ours: str = ""  # another row of ours than the bold one


class Result(NamedTuple):
    title: str
    rows: list[Row]
    verdicts: list[str]
    ours: str = OURS  # the row in bold, with which the others are compared
    text: str = ""  # a table of its own, in place of the rows


def compare(
    title: str,
    contestants: Mapping[str, Callable[[], Step]],
    *,
    quick: bool,
    rtol: float,
    bars: Sequence[Bar] = (),
    sample: float = 0.05,
    rounds: int = 21,
    ours: str = OURS,
    checked: int = 1,
) -> Result:
    """Measure contestants against each other.

    Args:
        title: of the workload.
        contestants: for each name a function that sets up, and returns the step to measure. What a step returns
            (nested lists of arrays and numbers) has to agree with what the first contestant's returned.
        quick: fewer and shorter samples.
        rtol: how exactly results agree, relative to the largest element.
        bars: what was promised.
        sample: seconds that a sample takes at least.
        rounds: samples of each contestant.
        ours: the contestant that the bars are about.
        checked: so many steps are taken before their last results are compared.
    """
    steps: dict[str, Step] = {}
    notes: dict[str, str] = {}
    reference: Any = None
    for name, make in contestants.items():
        result: Any = None
        try:
            step = make()
            for _ in range(checked):
                result = step()
        except (ImportError, AbsentError) as reason:
            notes[name] = f"skipped: {reason}"
            print(f"  {name}: {notes[name]}", flush=True)
            continue
        if reference is None:
            reference = result
        agree(name, result, reference, rtol)
        steps[name] = step
    loops = {name: calibrate(step, sample / 5 if quick else sample) for name, step in steps.items()}
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(5 if quick else rounds):
        names = list(steps)
        gc.collect()  # a tenth of a second, with all libraries loaded
        for name in names[i % len(names) :] + names[: i % len(names)]:
            samples[name].append(clock(steps[name], loops[name]))
    rows = [row(name, samples[name]) if name in samples else Row(name, None, 0.0, notes[name]) for name in contestants]
    return Result(title, rows, verdicts(rows, bars, ours), ours)


def ours_compiled(make: Callable[[str | None], Step], *, eager: bool = True) -> dict[str, Callable[[], Step]]:
    """Return our contestants: compiled as "auto" chooses, by each back end of our own, and eager.

    Args:
        make: takes the name of a back end, or None for eager, and returns the step.
        eager: with the eager one?
    """

    def by(backend: str) -> Step:
        from autograd_nn.compiler import BACKENDS

        if backend not in BACKENDS:
            raise AbsentError(f"there is no back end {backend!r} yet")
        return make(backend)

    found = {
        COMPILED: lambda: by("auto"),
        NUMPY_PLAN: lambda: by("numpy"),
        NATIVE: lambda: by("native"),
    }
    return found | {EAGER: lambda: make(None)} if eager else found


def row(name: str, samples: list[float]) -> Row:
    low, middle, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    return Row(name, middle, (high - low) / 2)


def calibrate(step: Step, seconds: float) -> int:
    """Return how often to repeat a step so that a sample takes about so many seconds. Warms it up."""
    loops = 1
    while (taken := clock(step, loops) * loops) < seconds:
        loops = max(loops + 1, min(10 * loops, int(loops * seconds / max(taken, 1e-9)) + 1))
    return loops


def clock(step: Step, loops: int) -> float:
    """Return the seconds of one step, as the mean over some."""
    start = time.perf_counter()
    for _ in range(loops):
        step()
    return (time.perf_counter() - start) / loops


def agree(name: str, result: Any, reference: Any, rtol: float) -> None:
    """Refuse to time what computes something else.

    Raises:
        ValueError: with both numbers.
    """
    came, wanted = flat(result), flat(reference)
    if len(came) != len(wanted):
        raise ValueError(f"{name} returned {len(came)} arrays, wanted {len(wanted)}")
    for i, (a, b) in enumerate(zip(came, wanted, strict=True)):
        scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
        if a.shape != b.shape or not np.allclose(a / scale, b / scale, rtol=0, atol=rtol):
            raise ValueError(f"{name} disagrees in result {i}:\n{a}\nwanted\n{b}")


def flat(result: Any) -> list[np.ndarray]:
    if isinstance(result, (list, tuple)):
        return [array for item in result for array in flat(item)]
    if hasattr(result, "detach"):  # torch's tensors and our Values, which may need gradients
        result = result.detach()
    return [np.asarray(result, dtype=float)]


def verdicts(rows: Sequence[Row], bars: Sequence[Bar], ours: str = OURS) -> list[str]:
    seconds = {row.name: row.seconds for row in rows if row.seconds is not None}
    lines = []
    for bar in bars:
        present = {name: seconds[name] for name in bar.peers if name in seconds}
        if not present:
            lines.append(f"bar: {bar.factor:g} × {' or '.join(bar.peers)}: not measured, no such peer here")
            continue
        fastest = min(present, key=present.__getitem__)
        ratio = seconds[bar.ours or ours] / present[fastest]
        which = f" for {bar.ours}" if bar.ours else ""
        lines.append(
            f"bar{which}: at most {bar.factor:g} × {fastest}; measured {ratio:.2f} ×: {judge(ratio, bar.factor)}"
        )
    return lines


def judge(came: float, limit: float) -> str:
    """Return the verdict on a number that is to be small."""
    return "met" if came <= limit else "MISSED"


def import_jax() -> Any:
    """Return JAX, told to compute at once: on one core this is faster, since no thread has to be woken up."""
    import jax

    with contextlib.suppress(AttributeError):  # no such setting before 0.4.31
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    return jax


def torch_compile() -> Any:
    """Return torch.compile.

    Raises:
        AbsentError: if there is no C++ compiler.
    """
    import torch

    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++", "cl"))):
        raise AbsentError("it needs a C++ compiler")
    torch.set_num_threads(1)
    return torch.compile


def version(package: str) -> str:
    """Return "package 1.2"."""
    return f"{package} {importlib.metadata.version(package)}"
