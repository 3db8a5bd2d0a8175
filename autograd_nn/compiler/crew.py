"""Threads that share the work of a plan, so that Ctrl-C finds all of it done or nothing.

Signals are looked at in the main thread, between any two lines of Python: what has to be done as a whole is done in
another one, and the main thread waits for it, however often Ctrl-C is pressed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

__all__ = ["as_a_whole", "together"]


def nothing() -> None:
    """Do nothing."""


class Job:
    """Something that one of several threads does once.

    Attributes:
        error: what it raised.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._claim, self._busy = threading.Lock(), threading.Lock()
        self._busy.acquire()
        self.error: BaseException | None = None

    def do(self) -> None:
        """Do it, if nobody does or did, and it was not taken back."""
        if self._claim.acquire(blocking=False):
            try:
                self._work()
            except BaseException as error:  # noqa: BLE001  (raised where somebody waits for it)
                self.error = error
            self._work = nothing  # a crew may still have the job; it should not hold the arrays
            self._busy.release()

    def take_back(self) -> bool:
        """Return whether nothing of it was done, and nobody else will do it."""
        taken = self._claim.acquire(blocking=False)
        if taken:
            self._work = nothing
        return taken

    def wait(self) -> None:
        """Wait for its end, even if Ctrl-C is pressed meanwhile; that is raised afterwards."""
        pressed: KeyboardInterrupt | None = None
        while True:
            try:
                with self._busy:
                    break
            except KeyboardInterrupt as interrupt:
                pressed = interrupt
        if pressed is not None:
            raise pressed

    def finish(self) -> None:
        """Wait for its end, and raise what it raised."""
        self.wait()
        if self.error is not None:
            raise self.error


class Crew:
    """Threads that wait for jobs; they end with the process."""

    def __init__(self) -> None:
        self.begin_again()

    def begin_again(self) -> None:
        """Forget all threads, as in a forked process: they do not survive it."""
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._size = 0

    def hand_over(self, job: Job, size: int) -> None:
        """Have a job done by one of so many threads."""
        if self._size < size:
            with self._lock:
                while self._size < size:
                    threading.Thread(target=self._serve, name="autograd_nn", daemon=True).start()
                    self._size += 1
        self._jobs.put(job)

    def _serve(self) -> None:
        while True:
            self._jobs.get().do()


hands, leads = Crew(), Crew()  # leads wait for hands, never the other way round

if hasattr(os, "register_at_fork"):
    for crew in (hands, leads):
        os.register_at_fork(after_in_child=crew.begin_again)


def together(main: Callable[..., Any], phase: int, threads: int, arrays: Any) -> None:
    """Run a phase of native code in several threads, a part in each, and wait for all of them."""
    jobs = [Job(partial(main, phase, phase, k, threads, arrays)) for k in range(1, threads)]
    try:
        for job in jobs:
            hands.hand_over(job, threads - 1)
        main(phase, phase, 0, threads, arrays)
        for job in jobs:
            job.do()  # the others may be busy
            job.finish()
    except BaseException:
        settle(jobs)
        raise


def as_a_whole(work: Callable[[], Any]) -> None:
    """Do something in another thread: if Ctrl-C is pressed, all of it or nothing."""
    job = Job(work)
    try:
        leads.hand_over(job, 1)
        job.finish()
    except BaseException:
        settle([job])
        raise


def settle(jobs: Sequence[Job]) -> None:
    """Take jobs back, or wait until they are done: they write into memory of the plan."""
    waiting = list(jobs)
    while waiting:
        try:
            if not waiting[-1].take_back():
                waiting[-1].wait()
        except KeyboardInterrupt:  # what led here is raised
            continue
        waiting.pop()
