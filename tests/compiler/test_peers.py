"""Notes that processes of a job leave for each other; with a store in place of the coordinator's."""

from __future__ import annotations

import threading
import time

import pytest

from autograd_nn.compiler import peers as module
from autograd_nn.compiler.peers import ENDED, FAILED, NOTES, PATIENCE, Peers, announced, leave_mark, waiting


class Store:
    """What is used of the coordinator's client."""

    def __init__(self):
        self.entries = {}

    def key_value_set(self, key, value):
        if key in self.entries:
            raise RuntimeError("ALREADY_EXISTS")
        self.entries[key] = value

    def key_value_dir_get(self, prefix):
        return [(key, value) for key, value in self.entries.items() if key.startswith(prefix)]


class Left(BaseException):
    """Instead of the end of this process."""


@pytest.fixture
def two(monkeypatch):
    def leave(status):
        raise Left(status)

    monkeypatch.setattr(module, "leave_now", leave)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(module.atexit, "_run_exitfuncs", lambda: None)
    store = Store()
    return Peers(store, 0, 2), Peers(store, 1, 2)


def test_nobody_is_there_without_a_job():
    assert announced() is None
    with waiting():
        pass


def test_an_exception_is_told_once(two, monkeypatch, tmp_path):
    monkeypatch.setenv(module.JOB, str(tmp_path))
    first, second = two
    with pytest.raises(Left, match="1"):
        second.fail(ValueError("no\nsuch file."))
    assert first.notes() == {FAILED: (1, "process 1 of 2 has raised ValueError: no such file")}
    assert not second.notes()  # one's own
    monkeypatch.setattr(module, "peers", first)
    assert announced() == "process 1 of 2 has raised ValueError: no such file"
    with pytest.raises(Left, match="130"):
        first.fail(KeyboardInterrupt())
    assert first.notes()[FAILED][0] == 1  # the first one stays
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failed-0", "failed-1"]


def test_what_follows_from_the_end_of_another_process_is_not_told(two, monkeypatch, tmp_path):
    monkeypatch.setenv(module.JOB, str(tmp_path))
    error = RuntimeError("lost")
    error.follows = True
    with pytest.raises(Left, match="1"):
        two[0].fail(error)
    assert not two[1].notes() and not list(tmp_path.iterdir())


def watched(peers, monkeypatch, seconds):
    """Look at the notes as if that much time went by between two looks; return whether the process ended."""
    clock = iter(range(0, 1000, seconds))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    looks = iter([False, False, True])
    monkeypatch.setattr(peers._stop, "wait", lambda timeout: next(looks))
    try:
        peers._watch()
    except Left:
        return True
    return False


@pytest.mark.parametrize("kind", [FAILED, ENDED])
def test_who_waits_for_one_that_does_not_come_ends_and_names_it(two, monkeypatch, capsys, kind):
    first, second = two
    second.leave(kind, "is gone")
    assert not watched(first, monkeypatch, 100)  # it does not wait
    first.since, first.told = 0.0, {}
    assert not watched(first, monkeypatch, 1)  # not yet
    first.told = {}
    assert watched(first, monkeypatch, int(PATIENCE[kind]) + 1)
    says = "process 1 of 2 is gone, and process 0 waits for it. Start the job again with resume=True"
    assert says in capsys.readouterr().err
    if kind == ENDED:
        assert "process 0 of 2 could not go on: process 1 of 2 is gone" in second.notes()[FAILED][1]


def test_who_is_done_goes_when_another_one_fails(two, monkeypatch, capsys):
    first, second = two
    second.leave(FAILED, "has raised ValueError")
    first.ending = True
    assert watched(first, monkeypatch, 1)
    assert "process 1 of 2 has raised ValueError" in capsys.readouterr().err


def test_the_end_of_the_script_is_told(two):
    first, second = two
    second.client.wait_at_barrier = lambda name, milliseconds: None
    second._thread = threading.Thread(target=second._watch, daemon=True)
    second._thread.start()
    second.end()
    assert not second._thread.is_alive()
    assert first.notes() == {ENDED: (1, "process 1 of 2 has come to the end of its script")}


def test_waiting_is_measured_from_its_beginning(two, monkeypatch):
    monkeypatch.setattr(module, "peers", two[0])
    with waiting():
        since = two[0].since
        assert since is not None and since <= time.monotonic()
        with waiting():
            assert two[0].since == since
        assert two[0].since == since
    assert two[0].since is None


def test_a_coordinator_that_is_gone_says_nothing(two):
    def gone(*given):
        raise RuntimeError("UNAVAILABLE")

    first = two[0]
    first.client.key_value_dir_get = first.client.key_value_set = gone
    first.leave(FAILED, "is gone")
    assert first.notes() == {}


def test_thousands_look_less_often():
    assert Peers(None, 0, 2).look == 0.5 and Peers(None, 0, 10_000).look == 10


def test_marks_are_for_the_launcher(monkeypatch, tmp_path):
    monkeypatch.delenv(module.JOB, raising=False)
    leave_mark(FAILED, 1)
    monkeypatch.setenv(module.JOB, str(tmp_path / "gone"))
    leave_mark(FAILED, 1)
    assert not list(tmp_path.iterdir()) and NOTES.endswith("/")
