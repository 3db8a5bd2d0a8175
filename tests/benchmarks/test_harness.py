"""The measuring itself: what disagrees is not timed, absent peers are skipped aloud, bars are judged."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time

import pytest

from benchmarks.harness import (
    COMPILED,
    EAGER,
    NUMPY_PLAN,
    AbsentError,
    Bar,
    Result,
    Row,
    agree,
    compare,
    ours_compiled,
    verdicts,
)
from benchmarks.table import README, duration, store, table
from benchmarks.workloads import WORKLOADS


def sleeper(seconds, result=1.0):
    def make():
        def step():
            time.sleep(seconds)
            return result

        return step

    return make


def absent():
    raise ImportError("No module named 'torch'")


def test_compare_measures_and_skips(capsys):
    contestants = {"autograd_nn": sleeper(0.001), "slow": sleeper(0.004), "torch": absent}
    result = compare("sleep", contestants, quick=True, rtol=1e-6, bars=[Bar(0.5, ("slow",))], sample=0.02)
    seconds = {row.name: row.seconds for row in result.rows}
    assert 0.001 <= seconds["autograd_nn"] < seconds["slow"]
    assert seconds["slow"] >= 0.004
    assert seconds["torch"] is None
    assert "torch: skipped: No module named 'torch'" in capsys.readouterr().out
    text = table(result)
    assert "| torch | skipped: No module named 'torch' | | |" in text
    assert text.index("**autograd_nn**") < text.index("slow") < text.index("torch")


def test_a_contestant_may_find_in_its_first_step_that_it_cannot_take_part():
    def make():
        def step():
            raise AbsentError("no such kernel")

        return step

    result = compare("sleep", {"autograd_nn": sleeper(0.001), "a": make}, quick=True, rtol=1e-6, sample=0.005)
    assert result.rows[1] == Row("a", None, 0.0, "skipped: no such kernel")


def test_steps_are_compared_after_some():
    def counter(steps):
        def make():
            taken = 0

            def step():
                nonlocal taken
                taken += 1
                return [taken > steps, taken < 3]

            return step

        return make

    def check(checked):
        makers = {"autograd_nn": counter(1), "late": counter(2)}
        compare("count", makers, quick=True, rtol=1e-6, sample=1e-4, checked=checked)

    check(1)
    check(3)
    with pytest.raises(ValueError, match="late disagrees in result 0"):
        check(2)


def test_ours_are_compiled_by_each_back_end_and_eager():
    made = []
    contestants = ours_compiled(lambda backend: made.append(backend) or sleeper(0)())
    assert list(contestants)[:2] == [COMPILED, NUMPY_PLAN]
    for name in (COMPILED, NUMPY_PLAN, EAGER):
        contestants[name]()
    assert made == ["auto", "numpy", None]
    assert EAGER not in ours_compiled(lambda _: sleeper(0)(), eager=False)


def test_the_row_that_bars_are_about_is_bold():
    result = Result("t", [Row("a", 2.0, 0.0), Row("b", 1.0, 0.0)], [], "b")
    assert "| **b** | 1.00 s |  | 1.00 |" in table(result)
    assert "| a | 2.00 s |  | 2.00 |" in table(result)
    assert table(Result("t", [], ["so"], text="| x |")) == "t\n\n| x |\n\nso\n"


def test_what_computes_something_else_is_not_timed():
    with pytest.raises(ValueError, match="wrong disagrees in result 0"):
        compare("sum", {"autograd_nn": sleeper(0, 1.0), "wrong": sleeper(0, 1.01)}, quick=True, rtol=1e-3)


def test_agree():
    agree("a", [1.0, [2.0, [3.0]]], (1.0, (2.0, 3.0)), 1e-9)
    with pytest.raises(ValueError, match="returned 1 arrays, wanted 2"):
        agree("a", [1.0], [1.0, 2.0], 1e-9)
    with pytest.raises(ValueError, match="disagrees"):
        agree("a", [float("nan")], [1.0], 1e-9)


def test_verdicts_compare_with_the_fastest_peer():
    rows = [Row("autograd_nn", 1.0, 0.0), Row("a", 3.0, 0.0), Row("b", 1.5, 0.0), Row("c", None, 0.0)]
    assert verdicts(rows, [Bar(0.5, ("a",))]) == ["bar: at most 0.5 × a; measured 0.33 ×: met"]
    assert verdicts(rows, [Bar(0.5, ("a", "b", "c"))]) == ["bar: at most 0.5 × b; measured 0.67 ×: MISSED"]
    assert verdicts(rows, [Bar(1.0, ("a",), "b")]) == ["bar for b: at most 1 × a; measured 0.50 ×: met"]
    assert verdicts(rows, [Bar(0.5, ("a",))], "b") == ["bar: at most 0.5 × a; measured 0.50 ×: met"]
    assert "no such peer" in verdicts(rows, [Bar(0.5, ("c",))])[0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1.50 s"), (0.25, "250 ms"), (1.5e-5, "15.0 µs"), (3e-9, "3.00 ns"), (0.0, "0.00 ns")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_store_replaces_what_is_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n", encoding="utf-8")
    store("x", "new ×\n", readme)
    store("x", "newer ×\n", readme)
    assert readme.read_text(encoding="utf-8") == "before\n<!-- x: begin -->\nnewer ×\n<!-- x: end -->\nafter\n"
    with pytest.raises(ValueError, match="has no <!-- y: begin -->"):
        store("y", "", readme)


PLACES = re.findall("<!-- (.*): begin -->", README.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PLACES[1:])
def test_every_workload_of_the_readme_can_be_run(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").run)


# What the workloads compute by hand is checked against ours wherever they are run; here, without the heavy peers.
@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if not workload.large])
def test_compiled_eager_and_by_hand_agree(name):
    workload = WORKLOADS[name]
    steps = {"compiled": workload.ours("numpy"), "eager": workload.ours(None), "by hand": workload.by_hand()}
    results = {}
    for who, step in steps.items():
        step()
        results[who] = step()
        agree(who, results[who], results["compiled"], 1e-4)


def test_the_command(tmp_path):
    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-m", "benchmarks", *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)

    done = run("--quick", "elementwise")
    assert done.returncode == 0, done.stderr
    assert "| **autograd_nn** |" in done.stdout
    assert "| NumPy by hand |" in done.stdout
    said = run("nonsense").stderr
    assert "unknown workload nonsense" in said
    assert PLACES[0] == "conditions"
    assert sorted(re.findall(r"\w+", said.partition("there are")[2])) == sorted(PLACES[1:])
