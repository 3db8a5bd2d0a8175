"""The notebooks: valid, executed in order, with outputs that hold nothing of the machine; and their code runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHAPTERS = [
    "00_seeing",
    "01_neuron_and_perceptron",
    "02_knowing_your_data",
    "03_logistic_regression",
    "04_computational_graphs",
    "05_gradient_descent",
    "06_shallow_networks",
    "07_deep_networks",
    "08_softmax_and_cross_entropy",
    "09_convolution",
    "10_recurrence",
    "11_engine_from_scratch",
    "12_from_a_laptop_to_a_cluster",
    "13_compiling",
]
LARGEST = 600_000  # bytes

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def outputs(path: Path) -> list[dict[str, Any]]:
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def test_every_chapter_is_there():
    assert [path.stem for path in NOTEBOOKS] == CHAPTERS


@every_notebook
def test_notebook_is_valid(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["nbformat_minor"] >= 5
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert path.stat().st_size < LARGEST


@every_notebook
def test_notebook_was_executed_once_from_top_to_bottom_without_errors(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    found = outputs(path)
    assert not [o for o in found if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert any("image/png" in o.get("data", {}) for o in found)


@every_notebook
def test_outputs_hold_nothing_of_the_machine(path):
    texts = [str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs(path)]
    for text in texts:
        assert not re.search(r"(/home/|/tmp/|/root/|/work/|/Users/|site-packages|[A-Z]:\\\\)", text), text
        assert not re.search(r"\bat 0x[0-9a-f]{6,}|\d ?(ms|µs|s|seconds)\b", text), text


@every_notebook
def test_links_to_other_notebooks_lead_somewhere(path):
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    for name in re.findall(r"\]\(([\w./]+)\)", text):
        assert (FOLDER / name).exists(), name


def run(path: Path) -> dict[str, Any]:
    """Run the code of all cells as one program, faster than in a kernel; the suite makes warnings errors."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with plt.rc_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "show", lambda: plt.close("all"))
        for number, cell in enumerate(cells(path, "code"), 1):
            exec(compile(source(cell), f"{path.stem}, cell {number}", "exec"), names)
        plt.close("all")
    return names


@every_notebook
def test_code_runs_and_the_solution_is_right(path, monkeypatch, capsys):
    monkeypatch.chdir(FOLDER)
    names = run(path)
    assert "\nHint: " in capsys.readouterr().out  # there is no answer yet
    solution = re.search(r"<details>.*?```python\n(.*?)```", source(cells(path, "markdown")[-1]), re.DOTALL)
    assert solution, "the last cell wants a collapsed solution"
    exec(solution[1], names)
    assert capsys.readouterr().out.startswith("Right")


def test_data_are_found_from_the_root_too(monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    run(FOLDER / "02_knowing_your_data.ipynb")
