"""The history as rows, columns, text, HTML and CSV."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest

from autograd_nn.training import History
from autograd_nn.training.history import environment, larger_is_better, threads


def history(n=3):
    h = History(seed=7, stopped="finished")
    for i in range(n):
        h.append({"epoch": i + 1, "loss": 1 / (i + 1), "validation_loss": abs(i - 1.5), "accuracy": i / n})
    return h


def test_rows_columns_and_dict():
    h = history()
    assert len(h) == 3 and h[0]["loss"] == 1.0 and h[-1]["epoch"] == 3 and [r["epoch"] for r in h[1:]] == [2, 3]
    assert h["epoch"].tolist() == [1, 2, 3] and h.columns == ["epoch", "loss", "validation_loss", "accuracy"]
    assert h.to_dict()["loss"] == [1.0, 1 / 2, 1 / 3] and len(list(h)) == 3
    with pytest.raises(KeyError, match="no column 'los': there are epoch, loss"):
        h["los"]


def test_columns_that_begin_late_are_nan_before():
    h = history(2)
    h.append({"epoch": 3, "extra": 5.0})
    assert np.isnan(h["extra"][:2]).all() and h["extra"][2] == 5.0 and np.isnan(h.to_dict()["loss"][2])
    assert "5" in repr(h)


def test_best():
    h = history()
    assert h.best()["epoch"] == 2  # of the validation loss; the first of equals
    assert h.best("loss")["epoch"] == 3 and h.best("accuracy")["epoch"] == 3
    h.append({"epoch": 4, "loss": float("nan"), "validation_loss": float("nan")})
    assert h.best("loss")["epoch"] == 3
    with pytest.raises(ValueError, match="no epoch"):
        History().best()
    with pytest.raises(ValueError, match="NaN in every epoch"):
        History([{"loss": float("nan")}]).best()


def test_names_that_grow_when_things_get_better():
    for name in ("accuracy", "validation_accuracy", "balanced_accuracy", "r2", "f1", "validation_f1", "my_score"):
        assert larger_is_better(name)
    for name in ("loss", "validation_loss", "mse", "rmse", "mae", "error"):
        assert not larger_is_better(name)


@pytest.mark.parametrize("n", [1, 12, 13, 1000])
def test_the_table_fits_a_screen(n):
    lines = repr(history(n)).splitlines()
    assert len(lines) <= 15 and max(map(len, lines)) <= 79 and lines[-1] == "finished"
    assert ("…" in repr(history(n))) == (n > 12)
    assert history(n)._repr_html_().count("<tr>") == len(lines) - 1


def test_an_empty_history_says_so():
    assert repr(History()) == "History of no epochs" and "why" in repr(History(stopped="why"))
    assert "<table>" in History()._repr_html_()
    assert "&lt;b&gt;" in History([{"<b>": 1}])._repr_html_()


def test_csv(tmp_path):
    history().to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and [float(r["loss"]) for r in rows] == [1.0, 1 / 2, 1 / 3]


def test_threads_are_told_also_without_threadpoolctl(monkeypatch):
    assert threads() == 1  # the suite runs on one
    import threadpoolctl

    with threadpoolctl.threadpool_limits(2):
        assert threads() == 2  # asked anew, though the pools are known
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert threads() == 3 and environment()["threads"] == 3
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert threads() >= 1
