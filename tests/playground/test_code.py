"""The program comes to the numbers of the page: every bit of the losses."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_nn.nn import INITIALIZERS
from autograd_nn.optim import OPTIMIZERS
from autograd_nn.playground.code import code
from autograd_nn.playground.frame import Frames
from autograd_nn.playground.problem import Table, problem
from autograd_nn.playground.settings import ACTIVATIONS, DATA, FEATURES, Settings
from autograd_nn.playground.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]


def played(settings, table=None, moves=((7, None),)):
    """Play: steps, then a learning rate to go on with. Return the program and the losses that the page shows."""
    found = problem(settings, table)
    trainer = Trainer(settings, found)
    try:
        for steps, rate in moves:
            if steps:
                trainer.run(steps=steps)
                trainer.wait()
            if rate is not None:
                trainer.set_rate(rate)
        frame = Frames(trainer).frame()
        text = code(
            settings,
            found,
            steps=frame["step"],
            epoch_steps=trainer.epoch_steps,
            rates=trainer.rates,
            failed=bool(trainer.message),
            table=table,
        )
    finally:
        trainer.close()
    return text, frame


def printed(text, capsys):
    with np.errstate(all="ignore"):
        exec(compile(text, "program", "exec"), {"__name__": "program"})
    return losses(capsys.readouterr().out)


def losses(output):
    rows = dict(line.rsplit(" ", 1) for line in output.splitlines() if "loss " in line)
    return [rows["training loss"], rows["test loss"]]


def in_a_process(text, folder):
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    return losses(done.stdout)


def test_the_usual_settings_in_a_process_of_its_own(tmp_path):
    text, frame = played(Settings(), moves=[(137, None)])
    assert frame["step"] == 137
    assert in_a_process(text, tmp_path) == frame["exact"]


def test_a_learning_rate_that_was_changed_in_a_process_of_its_own(tmp_path):
    settings = Settings(data="spirals", optimizer="momentum", batch_size=16, hidden=(8, 8), noise=0.05)
    text, frame = played(settings, moves=[(20, 0.05), (31, 0.2), (9, None)])
    assert "if step > 51" in text
    assert in_a_process(text, tmp_path) == frame["exact"]


def test_a_table_that_was_sent_in_a_process_of_its_own(tmp_path, flowers):
    table = Table.of_text("flowers.csv", flowers)
    text, frame = played(Settings(data="csv", columns=table.usual(), points=60), table)
    assert in_a_process(text, tmp_path) == frame["exact"]


@pytest.mark.parametrize("target", ["kind", "price"])
def test_a_file_in_a_process_of_its_own(tmp_path, target):
    rng = np.random.default_rng(0)
    path = tmp_path / 'a "table" of Zoë.csv'
    lines = ["u,v,kind,price"] + [
        f"{u},{v},{'yes' if u > v else 'no'},{u * 3 + v}" for u, v in rng.normal(size=(80, 2))
    ]
    path.write_text("\n".join([*lines, ",1,yes,2", "2,2,,"]), encoding="utf-8")
    table = Table.of_file(path)
    text, frame = played(Settings(data="csv", columns=table.usual(target), points=50, batch_size=7), table)
    assert in_a_process(text, tmp_path) == frame["exact"]


def test_a_run_that_broke_in_a_process_of_its_own(tmp_path):
    settings = Settings(activation="relu", optimizer="sgd", learning_rate=1e12, data="sines", hidden=(8, 8))
    text, frame = played(settings, moves=[(200, None)])
    assert frame["message"].startswith("not finite")
    assert in_a_process(text, tmp_path) == frame["exact"]


CASES = [
    *({"data": name} for name in DATA if name != "csv"),
    *({"optimizer": name, "weight_decay": 0.01} for name in OPTIMIZERS),
    *({"init": name} for name in INITIALIZERS),
    *({"activation": name} for name in ACTIVATIONS),
    *({"loss": name} for name in ("hinge", "mse")),
    {"data": "blobs", "loss": "hinge"},
    {"data": "sines", "loss": "huber", "features": ("x1", "x1_squared", "sin_x1")},
    {"data": "sines", "loss": "mae"},
    {"features": tuple(FEATURES), "hidden": (), "batch_size": None},
    {"hidden": (8,) * 6, "seed": 12, "test": 0.3, "points": 333, "noise": 0.5},
    {"learning_rate": 0.0},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case.values()))[:40])
def test_every_setting(case, capsys):
    text, frame = played(Settings(**case), moves=[(13, None)])
    assert printed(text, capsys) == frame["exact"]


@pytest.mark.parametrize("steps", [0, 1, 9, 10, 11, 20])
def test_in_the_middle_of_an_epoch_and_at_its_end(steps, capsys):
    text, frame = played(Settings(), moves=[(steps, None)])
    assert frame["step"] == steps
    assert ("Callback" in text) == bool(steps % 10)
    assert printed(text, capsys) == frame["exact"]


def test_hostile_names_are_text_of_the_program(tmp_path, capsys):
    bad = '"]); raise SystemExit #', "u'''\\", '"""\n+'
    rows = "\n".join(f"{i},{i * i % 11},{'ab'[i % 2]}" for i in range(40))
    head = ",".join('"' + name.replace('"', '""') + '"' for name in bad)
    table = Table.of_text('x"""y.csv', f"{head}\n{rows}\n")
    settings = Settings(data="csv", columns=table.usual())
    text, frame = played(settings, table)
    assert printed(text, capsys) == frame["exact"]
    path = tmp_path / 'it\'s """ \\n.csv'
    path.write_text(f"{head}\n{rows}\n", encoding="utf-8")
    table = Table.of_file(path)
    text, frame = played(settings, table)
    assert printed(text, capsys) == frame["exact"]


def test_programs_are_short_and_well_formed():
    for data, loss in itertools.product(("moons", "sines", "blobs"), ("auto", "hinge")):
        settings = Settings(data=data, loss=loss)
        text = code(settings, problem(settings), steps=25, epoch_steps=10, rates=[(0, 0.1), (5, 0.2)])
        ast.parse(text)
        assert len(text.splitlines()) < 70
        assert max(map(len, text.splitlines())) <= 130
