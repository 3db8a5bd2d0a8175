"""The other processes of a job: each leaves a note when it ends, so that those that wait for it can stop, and name it.

Notes lie in the key-value store that `jax.distributed` keeps beside its coordinator. There are two: of the first
process that failed, with its exception, and of the first that came to the end of its script. Others look for them, and
stop if they wait for somebody who does not come any more.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["Peers", "announced", "leave_mark", "meet", "waiting"]

JOB = "AUTOGRAD_NN_JOB"
"""Of the launcher: a folder for marks of who has come, and who has failed."""
NOTES = "autograd_nn/notes/"
FAILED, ENDED, JOINED = "failed", "ended", "joined"
LOOK = 0.5
"""Seconds between looks at the notes; more where thousands of processes look."""
DAY = 24 * 3600 * 1000
PATIENCE = {FAILED: 3.0, ENDED: 5.0}
"""Seconds that a process may still wait for another one that has failed, or has ended its script."""

peers: Peers | None = None


class Peers:
    """The notes of the processes of a job.

    Args:
        client: of the coordinator, as JAX has it.
        process: the number of this one.
        count: how many there are.
    """

    def __init__(self, client: Any, process: int, count: int) -> None:
        self.client, self.process, self.count = client, process, count
        self.look = max(LOOK, count / 1000)
        self.since: float | None = None  # when this process began to wait for the others
        self.ending = False  # has this process come to the end of its script?
        self.told: dict[str, float] = {}  # notes of others, and when they were found
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="autograd_nn peers", daemon=True)

    def start(self) -> None:
        """Begin to look for notes, and leave one when this process ends."""
        self._thread.start()
        before = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
            before(kind, error, trace)
            if not hasattr(sys, "ps1") and not sys.flags.interactive:  # there a process goes on
                self.fail(error)

        sys.excepthook = hook
        atexit.register(self.end)  # before JAX, whose last act is to wait for all

    def notes(self) -> dict[str, tuple[int, str]]:
        """Return the notes of others, at most one of each kind: the number of the process, and what it says."""
        try:
            found = {key.removeprefix(NOTES): note for key, note in self.client.key_value_dir_get(NOTES)}
        except Exception:  # noqa: BLE001  (the coordinator is gone, of which JAX speaks)
            return {}
        read = {kind: (int(note.partition(" ")[0]), f"process {note}") for kind, note in found.items()}
        return {kind: note for kind, note in read.items() if note[0] != self.process}

    def leave(self, kind: str, text: str) -> None:
        """Leave a note; the first one of its kind stays."""
        with contextlib.suppress(Exception):
            self.client.key_value_set(NOTES + kind, f"{self.process} of {self.count} {text}")

    def fail(self, error: BaseException) -> NoReturn:
        """Tell the others of an exception, unless it follows from one of theirs, and end; JAX would wait for them."""
        if not getattr(error, "follows", False):
            text = " ".join(str(error).split())
            leave_mark(FAILED, self.process)
            self.leave(FAILED, f"has raised {type(error).__name__}{text and ': '}{text:.300}".rstrip("."))
        self._stop.set()
        time.sleep(2 * self.look + (PATIENCE[FAILED] if self.process == 0 else 0))  # which has the notes
        atexit.unregister(self.end)
        with contextlib.suppress(Exception):
            atexit.unregister(importlib.import_module("jax._src.api").clean_up)
            atexit._run_exitfuncs()
        leave_now(130 if isinstance(error, KeyboardInterrupt) else 1)

    def end(self) -> None:
        """Wait for the others after the last line of the script: one of them may have a report to draw."""
        self.leave(ENDED, "has come to the end of its script")
        self.ending = True
        with contextlib.suppress(Exception):
            self.client.wait_at_barrier("autograd_nn/end", DAY)
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.look):
            notes, now = self.notes(), time.monotonic()
            for kind in notes:
                self.told.setdefault(kind, now)
            if self.ending and FAILED in notes:
                self.stop(notes[FAILED][1])
            since = self.since
            if since is None:
                continue
            for kind in notes:
                if now - max(since, self.told[kind]) > PATIENCE[kind]:
                    process, text = notes[kind]
                    leave_mark(FAILED, process)
                    self.stop(f"{text}, and process {self.process} waits for it")

    def stop(self, why: str) -> NoReturn:
        """End this process because of another one, from beside: it waits in XLA, where no exception reaches it."""
        say(f"{why}. {AGAIN}")
        self.leave(FAILED, f"could not go on: {why}")
        if self.process == 0:
            time.sleep(2 * self.look)
        leave_now(1)


def leave_now(status: int) -> NoReturn:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


AGAIN = "Start the job again with resume=True: it goes on from its last checkpoint."


def say(message: str) -> None:
    """Print at once, since JAX may end this process, too."""
    sys.stderr.write(f"autograd_nn: {message}\n")
    sys.stderr.flush()


def meet(process: int, count: int) -> None:
    """Begin to look after the other processes; called when all have come."""
    global peers
    with contextlib.suppress(ImportError, AttributeError):  # it is not public
        client = importlib.import_module("jax._src.distributed").global_state.client
        peers = Peers(client, process, count)
        peers.start()


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """In this ``with`` block this process waits for others."""
    if peers is None or peers.since is not None:
        yield
        return
    peers.since = time.monotonic()
    try:
        yield
    finally:
        peers.since = None


def announced() -> str | None:
    """Return what another process has said of its end; None if nobody has."""
    if peers is None:
        return None
    notes = peers.notes()
    return next((notes[kind][1] for kind in (FAILED, ENDED) if kind in notes), None)


def leave_mark(kind: str, process: int) -> None:
    """Let the launcher see that a process has come, or fails."""
    if folder := os.environ.get(JOB):
        with contextlib.suppress(OSError):
            Path(folder, f"{kind}-{process}").touch()
