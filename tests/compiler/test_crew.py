"""Threads that share work: all parts are done, errors come out, Ctrl-C finds everything done or nothing."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from autograd_nn.compiler import crew
from autograd_nn.compiler.crew import Crew, Job, as_a_whole, together


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_every_part_is_done_once(threads):
    done = []
    together(lambda *args: done.append(args), 7, threads, "x")
    assert sorted(done) == [(7, 7, part, threads, "x") for part in range(threads)]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_in_a_part_comes_out_when_no_part_runs_any_more(bad):
    running = []

    def main(first, last, part, parts, arrays):
        running.append(part)
        try:
            if part == bad:
                raise ValueError(f"part {part}")
            time.sleep(0.02)
        finally:
            running.remove(part)

    with pytest.raises(ValueError, match=f"part {bad}"):
        together(main, 0, 3, ())
    assert not running


def test_parts_run_at_the_same_time():
    meeting = threading.Barrier(2, timeout=10)
    together(lambda *_: meeting.wait(), 0, 2, ())


def test_what_is_done_as_a_whole_is_done_when_it_returns_and_may_share_its_work():
    done = []
    as_a_whole(lambda: together(lambda first, last, part, parts, arrays: done.append(part), 0, 2, ()))
    assert sorted(done) == [0, 1]
    with pytest.raises(ZeroDivisionError):
        as_a_whole(lambda: 1 / 0)


def test_many_threads_share_at_once():
    done = []
    work = lambda: [as_a_whole(lambda: together(lambda *_: done.append(1), 0, 3, ())) for _ in range(50)]  # noqa: E731
    callers = [threading.Thread(target=work) for _ in range(4)]
    for t in callers:
        t.start()
    for t in callers:
        t.join(timeout=30)
    assert len(done) == 4 * 50 * 3


def test_a_job_is_done_once_or_taken_back():
    done = []
    job = Job(lambda: done.append(1))
    job.do()
    job.do()
    assert done == [1] and not job.take_back()
    job.finish()
    other = Job(lambda: done.append(2))
    assert other.take_back()
    other.do()
    assert done == [1]


def test_a_busy_crew_leaves_work_to_who_asks(monkeypatch):
    busy, release = Crew(), threading.Event()
    busy.hand_over(Job(release.wait), 1)
    monkeypatch.setattr(crew, "hands", busy)
    by = []
    together(lambda first, last, part, parts, arrays: by.append(threading.current_thread()), 0, 2, ())
    release.set()
    assert by == [threading.current_thread()] * 2


def test_a_job_that_is_over_holds_nothing_though_a_crew_still_has_it(monkeypatch):
    busy, release = Crew(), threading.Event()
    busy.hand_over(Job(release.wait), 1)
    monkeypatch.setattr(crew, "hands", busy)
    array = np.ones(3)
    before = sys.getrefcount(array)
    together(lambda *_: None, 0, 2, (array,))
    assert sys.getrefcount(array) == before  # else parameters would be taken to be shared, and copied
    job = Job(functools.partial(print, array))
    assert job.take_back() and sys.getrefcount(array) == before
    release.set()


INTERRUPTED = """
import random, signal, time
from autograd_nn.compiler.crew import as_a_whole, together

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
chance, hits, begun, done = random.Random(0), 0, 0, 0
counts = [0, 0]

def part(first, last, part, parts, arrays):
    time.sleep(0.0005)
    counts[part] += 1

for _ in range(200):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, chance.choice((2e-3, 5e-2))), 3e-4)  # and again
            as_a_whole(lambda: together(part, 0, 2, ()))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
    before = list(counts)
    assert before[0] == before[1], counts
    time.sleep(0.001)
    assert counts == before  # nothing runs any more
print(hits, counts[0])
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts")
def test_ctrl_c_finds_all_of_it_done_or_nothing():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    hits, times = map(int, done.stdout.split())
    assert hits > 20 and times > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_crew_of_its_own():
    together(lambda *_: None, 0, 2, ())
    child = os.fork()
    if child == 0:
        done: list[int] = []
        together(lambda first, last, part, parts, arrays: done.append(part), 0, 2, ())
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
