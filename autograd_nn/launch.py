"""Start a job of several processes on this machine: ``python -m autograd_nn.launch -n 2 train.py``.

A thin wrapper: it picks a free port, starts the same script n times with the coordinator's address, the number of
processes and that of each one in its environment (see `autograd_nn.cluster.join`), and waits. When one of them fails
the others are stopped, within 5 seconds, and the exit status is that of the one that failed first.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO, Any, NoReturn

from .compiler.mesh import COORDINATOR, COUNT, RANK
from .compiler.peers import FAILED, JOB, JOINED

__all__ = ["launch", "main"]

POLL = 0.1
"""Seconds between looks at the processes."""
GRACE = 3.0
"""Seconds that the others have to stop by themselves when one has failed; then they are killed."""


def launch(command: Sequence[str], processes: int, *, threads: int | None = None) -> int:
    """Run a command as several processes that know of each other; return the exit status of the job.

    Their output is passed on line by line, with the number of the process in front.

    Args:
        command: such as ``[sys.executable, "train.py"]``.
        processes: how many.
        threads: of each for BLAS; by default the cores are shared out.

    Raises:
        ValueError: if there is to be no process.
    """
    if processes < 1:
        raise ValueError(f"launch wanted at least 1 process, got {processes}.")
    share = threads or max(1, (os.cpu_count() or 1) // processes)
    shared = {COORDINATOR: f"127.0.0.1:{free_port()}", COUNT: str(processes), "PYTHONUNBUFFERED": "1"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        shared[name] = os.environ.get(name, str(share))
    started: list[subprocess.Popen[bytes]] = []
    folder = tempfile.TemporaryDirectory(prefix="autograd_nn-")
    readers: list[threading.Thread] = []
    before = handle_signals()
    try:
        for rank in range(processes):
            process = subprocess.Popen(
                command,
                env={**os.environ, **shared, JOB: folder.name, RANK: str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            started.append(process)
            readers.append(threading.Thread(target=pass_on, args=(rank, process.stdout), daemon=True))
            readers[-1].start()
        return wait(started, folder.name)
    finally:
        stop(started)
        folder.cleanup()
        for reader in readers:
            reader.join(1)
        for number, handler in before.items():
            signal.signal(number, handler)


def handle_signals() -> dict[int, Any]:
    """Let signals that would end this process alone end the job; return the handlers that were there before.

    What is ignored, as SIGHUP under nohup, stays so; and only the main thread may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no HUP
    return {n: signal.signal(n, leave) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}


def leave(number: int, frame: Any) -> NoReturn:
    """End this process, with the exit status that a shell gives; on the way out the others are stopped."""
    signal.signal(number, signal.SIG_IGN)  # a second one would leave them behind
    raise SystemExit(128 + number)


def free_port() -> int:
    """Return the number of a port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pass_on(rank: int, stream: IO[bytes]) -> None:
    """Print what a process prints."""
    with stream:
        for line in stream:
            if line.startswith(b"[Gloo] Rank "):  # how the collectives of CPUs greet each other
                continue
            sys.stdout.write(f"[{rank}] {line.decode(errors='replace').rstrip()}\n")
            sys.stdout.flush()


def wait(started: Sequence[subprocess.Popen[bytes]], folder: str) -> int:
    """Wait for all processes, or for the first that fails, or that ends while another one waits for it to come."""
    first = None  # when it was seen that one fails
    try:
        while True:
            codes = [process.poll() for process in started]
            marks = set(os.listdir(folder))
            blamed = [rank for rank in range(len(started)) if f"{FAILED}-{rank}" in marks]  # it says so itself
            ended = [rank for rank, code in enumerate(codes) if code]
            if blamed or ended:
                first = first or time.monotonic()
                failed = (blamed or ended)[0]
                if codes[failed] is not None or time.monotonic() - first > GRACE:
                    return report(failed, codes[failed], len(started))
            elif all(code == 0 for code in codes):
                return 0
            elif absent := [r for r, code in enumerate(codes) if code == 0 and f"{JOINED}-{r}" not in marks]:
                if waiting := [r for r, code in enumerate(codes) if code is None and f"{JOINED}-{r}" in marks]:
                    return report_absent(absent[0], waiting[0], len(started))
            time.sleep(POLL)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def report(rank: int, code: int | None, count: int) -> int:
    """Say which process failed, and return the exit status."""
    how = "has raised an exception" if code is None else f"ended with exit status {code}"
    if code is not None and code < 0:
        how = f"was killed by signal {-code} ({signal_name(-code)})"
    sys.stderr.write(
        f"launch: process {rank} of {count} {how}; the others are stopped. Its last lines are above, after [{rank}]. "
        "Start the same command again: with checkpoint= and resume=True fit goes on from the last checkpoint.\n"
    )
    return 128 - code if code is not None and code < 0 else code or 1


def report_absent(absent: int, waiting: int, count: int) -> int:
    """Say who does not come, and return the exit status."""
    sys.stderr.write(
        f"launch: process {absent} of {count} has come to the end of its script without fit(…, mesh=…) or "
        f"cluster.join(), where process {waiting} waits for it; the others are stopped. All have to call fit.\n"
    )
    return 1


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def stop(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the processes that still run to stop; kill those that do not."""
    for process in started:
        if process.poll() is None:
            process.terminate()
    end = time.monotonic() + GRACE
    for process in started:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m autograd_nn.launch",
        description="Start a Python script as several processes on this machine that train together.",
    )
    parser.add_argument("-n", "--processes", type=int, required=True, metavar="N", help="number of processes")
    parser.add_argument("--threads", type=int, metavar="N", help="BLAS threads of each (default: cores / processes)")
    parser.add_argument("script", help="Python script that calls fit(…, mesh=True)")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="its arguments")
    given = parser.parse_args(arguments)
    if given.processes < 1:
        parser.error(f"-n wanted at least 1 process, got {given.processes}")
    if not os.path.isfile(given.script):
        parser.error(f"there is no script {given.script}")
    return launch([sys.executable, given.script, *given.args], given.processes, threads=given.threads)


if __name__ == "__main__":
    sys.exit(main())
