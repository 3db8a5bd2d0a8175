"""The commands do what they say, on real tables, in processes of their own and in this one; and refuse with a sentence.

What `predict` and the exported files answer is compared with the network computed here by hand from the weights.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import webbrowser
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import cli, nn
from autograd_nn.cli import main
from autograd_nn.data import Passport, clean, read_csv
from autograd_nn.data.frame import columns_of
from autograd_nn.playground import Playground
from autograd_nn.saving import load, save

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "autograd_nn"]
QUICK = ["--epochs", "20"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Other processes find the same package from here.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    return tmp_path


def write(path, rows, names):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])


def from_sklearn(name):
    """Write a data set of scikit-learn as CSV, with the names of its classes."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    labels = [found.target_names[y] for y in found.target] if "target_names" in found else found.target.tolist()
    rows = [[*x, y] for x, y in zip(found.data.tolist(), labels, strict=True)]
    write(f"{name}.csv", rows, [*found.feature_names, "target"])


def flowers(rows=120, path="flowers.csv"):
    """Numbers, text, and a kind that depends on both."""
    rng = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        kind = row % 3
        petal, stem = rng.normal([[1, 8], [3, 12], [5, 30]][kind], [0.6, 3])
        color = rng.choice(["white", "pink"] if kind < 2 else ["red", "pink"])
        lines.append([f"{petal:.2f}", f"{stem:.1f}", color, ["clover", "daisy", "poppy"][kind]])
    write(path, lines, ["petal", "stem", "color", "kind"])


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        flowers()
        assert main(["train", "flowers.csv", "--target", "kind", *QUICK]) == 0
        write("new.csv", [["white", 2.9, 11], ["red", 5.2, 28], ["pink", 0.8, 9]], ["color", "petal", "stem"])
    return folder


@pytest.fixture
def trained(folder, trained_once, capsys):
    """A folder with a table, a network that has learnt it, and new rows."""
    shutil.copytree(trained_once, folder, dirs_exist_ok=True)
    return folder


def run(*words, **options):
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, **options)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def by_hand(model, frame):
    """Logits of a model, computed from nothing but its file and the table."""
    weights = safetensors.numpy.load_file(model)
    passport = Passport.from_dict(json.loads(run("inspect", model, "--json").stdout)["passport"])
    x = passport.apply(frame)
    layers = sorted({name.rpartition(".")[0] for name in weights})
    for name in layers:
        x = x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
        x = x if name == layers[-1] else np.maximum(x, 0)
    return x, passport


# in processes of their own, on real tables


def test_iris_from_the_table_to_predictions():
    from sklearn.metrics import accuracy_score

    from_sklearn("iris")
    done = run("train", "iris.csv", "--target", "target", "--model", "iris.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    assert "150 rows, 5 columns, target 'target' (classification)" in done.stdout
    assert re.search(r"^epoch \d+/300: loss ", done.stdout, re.MULTILINE)
    told = re.search(r"^accuracy +([\d.]+) +([\d.]+)$", done.stdout, re.MULTILINE)
    assert told and float(told[1]) > 0.85 > 0.4 > float(told[2])
    assert "wrote iris.safetensors" in done.stdout and Path("iris.html").read_text().startswith("<!DOCTYPE html>")
    predicted = run("predict", "iris.safetensors", "iris.csv")
    assert (predicted.returncode, predicted.stderr) == (0, "")
    labels = [row["target"] for row in read(Path("iris.csv").read_text())]
    assert accuracy_score(labels, [row["prediction"] for row in read(predicted.stdout)]) > 0.9


@pytest.mark.parametrize(("name", "score", "least"), [("wine", "accuracy", 0.9), ("diabetes", "r2", 0.25)])
def test_other_tables(name, score, least):
    from_sklearn(name)
    done = run("train", f"{name}.csv", "--target", "target")
    assert (done.returncode, done.stderr) == (0, "")
    assert load(f"{name}.safetensors").notes["test"][score] > least
    page = Path(f"{name}.html").read_text()
    assert ("matrix" in page.partition("<body>")[2]) == (score == "accuracy")


def test_a_messy_table():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(200):
        age, income = rng.integers(18, 80), rng.normal(3000, 800)
        buys = "yes" if income + 20 * age + rng.normal(0, 300) > 4000 else "no"
        rows.append(
            [
                f"A{i:04}",
                "?" if i % 11 == 0 else age,
                "" if i % 7 == 0 else f"{income:.2f}",
                rng.choice(["north", "south", "östlich <b>"]),
                "Earth",
                f"2024-{1 + i % 12:02}-{1 + i % 28:02}",
                rng.choice(["true", "false"]),
                "" if i == 5 else buys,
            ]
        )
    rows += rows[-5:]
    write("messy.csv", rows, ["id", "age", "income", "region", "planet", "since", "member", "buys"])
    done = run("train", "messy.csv", "--target", "buys")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("not ready, because", "Cleaning cures this.", "'planet' was dropped", "'id' was dropped"):
        assert words in done.stdout, words
    assert "data.clean" not in done.stdout and "=[" not in done.stdout  # said for the command line
    told = run("inspect", "messy.safetensors").stdout
    assert "predicts: buys (classification)" in told and "classes: no, yes" in told
    assert re.search(r"'region=östlich <b>': 1 if 'region' is 'östlich <b>', else 0", told)
    assert re.search(r"'since': days since 2024-01-01", told)
    assert load("messy.safetensors").notes["test"]["accuracy"] > 0.75
    predicted = run("predict", "messy.safetensors", "messy.csv")
    assert len(read(predicted.stdout)) == 205
    assert "missing cells were filled in as in the training data: 20 in 'age'" in predicted.stderr


def test_core_dependencies_suffice():
    flowers()
    absent = "import sys; sys.modules.update(dict.fromkeys(['sklearn', 'scipy', 'matplotlib', 'pandas', 'tqdm'])); "
    code = absent + "from autograd_nn.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["train", "flowers.csv", "--target", "kind", *QUICK]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_ctrl_c_keeps_what_was_learnt():
    flowers()
    words = ["train", "flowers.csv", "--target", "kind", "--epochs", "20000", "--patience", "20000"]
    # In the background of a shell Ctrl-C is ignored; so ask for it.
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    restored = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    with subprocess.Popen([*COMMAND, *words], preexec_fn=restored, **options) as process:
        for line in process.stdout:
            if line.startswith("epoch "):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "autograd-nn: interrupted: the files hold what was learnt up to then\n"
    assert "interrupted by the user" in out and "test rows" in out
    saved = load("flowers.safetensors")
    assert saved.notes["stopped"].startswith("interrupted by the user")
    assert 2000 <= saved.notes["epochs"] < 20000
    assert saved.notes["test"]["accuracy"] > 0.8
    assert "interrupted by the user" in Path("flowers.html").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are other ones there")
def test_nobody_reads(trained):
    write("many.csv", [["red", 1.0, 2.0]] * 20_000, ["color", "petal", "stem"])
    with subprocess.Popen(
        [*COMMAND, "predict", "flowers.safetensors", "many.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_is_told(trained):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "predict", "flowers.safetensors", "new.csv"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1 and b"No space left" in done.stderr


def test_a_terminal_that_knows_few_letters(trained):
    write("kinds.csv", [[i, "größer" if i % 2 else "kleiner →"] for i in range(60)], ["i", "kind"])
    options = {"env": {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}}
    words = ["train", "kinds.csv", "--target", "kind", "--keep", "i", "--force", *QUICK]
    done = run(*words, **options)
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfer" in run("predict", "kinds.safetensors", "kinds.csv", **options).stdout


def test_the_command_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"autograd-nn": "autograd_nn.cli:main"}


# pages and help


def test_the_commands_of_the_page_work(capsys):
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = 0
    for language, code in blocks:
        if language == "python":
            exec(code, {"__name__": "__main__"})
            continue
        for line in code.splitlines():
            name, *words = shlex.split(line)
            assert name == "autograd-nn"
            assert main(words) == 0, line
            commands += 1
    assert commands == 8
    for file in ("flowers.html", "stem.html", "predictions.csv", "flowers.py", "flowers.onnx"):
        assert Path(file).stat().st_size, file


@pytest.mark.parametrize("command", ["", "train", "predict", "inspect", "export", "playground"])
def test_the_examples_of_the_help_work(command, capsys, monkeypatch):
    monkeypatch.setattr(Playground, "serve_until_ended", lambda self: None)  # as if it were ended at once
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 110
    examples = re.findall(r"^  autograd-nn (.*)$", text, re.MULTILINE)
    assert examples
    flowers()
    rows = [[float(petal), color, kind, 2 * float(petal) + 1] for petal, _, color, kind in map(list, lines())]
    write("flowers.csv", rows, ["petal", "color", "kind", "length"])
    write("new.csv", rows, ["petal", "color", "kind", "length"])
    if command not in ("", "train", "playground"):
        assert main(["train", "flowers.csv", "--target", "kind", "--force", *QUICK]) == 0
    for line in examples:
        extra = ["--force", *QUICK] if line.startswith("train") else []
        assert main([*shlex.split(line), *extra]) == 0, line


def lines():
    with open("flowers.csv", newline="") as file:
        yield from list(csv.reader(file))[1:]


# train


def test_the_same_seed_gives_the_same_file():
    flowers()
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        words = ["train", "flowers.csv", "--target", "kind", "--seed", seed, "--model", f"{name}.safetensors"]
        assert main([*words, *QUICK]) == 0
    a, b, c = (Path(f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes() != Path("c.html").read_bytes()


def arguments(*words):
    return cli.parser().parse_args(["train", "data.csv", "--target", "y", *words])


@given(st.lists(st.sampled_from("aabbbbcd"), min_size=12, max_size=60), st.integers(0, 3), st.sampled_from([0.1, 0.3]))
def test_classes_keep_their_proportions(labels, seed, test):
    column = columns_of({"y": labels})["y"]
    args = arguments("--seed", str(seed), "--test", str(test), "--validation", "0.2")
    parts = cli.split(column, "classification", {}, args)
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(everything.tolist()) == list(range(len(labels)))
    assert len(parts.test) == round(test * len(labels))
    for label in set(labels):
        assert (column.values[parts.train] == label).any()
        fair = test * labels.count(label)
        assert abs((column.values[parts.test] == label).sum() - fair) <= 2


def test_classes_of_round_numbers_are_split_exactly():
    column = columns_of({"y": ["a"] * 50 + ["b"] * 30 + ["c"] * 20})["y"]
    parts = cli.split(column, "classification", {}, arguments("--test", "0.2", "--validation", "0.1"))
    for part, wanted in ((parts.test, (10, 6, 4)), (parts.validation, (5, 3, 2)), (parts.train, (35, 21, 14))):
        assert tuple((column.values[part] == label).sum() for label in "abc") == wanted


def test_rows_without_a_target_are_in_no_part():
    column = columns_of({"y": ["1.5", "", "2.5", "?", *map(str, np.arange(20) / 7)]})["y"]
    parts = cli.split(column, "regression", {}, arguments())
    found = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(found.tolist()) == [0, *range(2, 3), *range(4, 24)]


def test_a_split_by_time():
    columns = columns_of({"day": [f"2024-01-{d:02}" for d in range(30, 0, -1)], "y": list(range(30))})
    parts = cli.split(columns["y"], "regression", columns, arguments("--time", "day"))
    day = columns["day"].values
    assert day[parts.train].max() < day[parts.validation].min() < day[parts.validation].max() < day[parts.test].min()
    assert len(parts.test) == 6
    parts = cli.split(columns["y"], "regression", columns, arguments("--time", "day", "--validation", "0"))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (24, 0, 6)


def test_nothing_is_learnt_from_rows_that_are_held_back(trained):
    args = cli.parser().parse_args(["train", "flowers.csv", "--target", "kind"])
    cells = read_csv("flowers.csv")
    parts = cli.split(columns_of(cells)["kind"], "classification", {}, args)
    petal = np.array(cells["petal"], dtype=float)
    scaler = load("flowers.safetensors").passport.scaler
    assert scaler.columns == ["petal", "stem"]
    assert scaler.mean[0] == pytest.approx(petal[parts.train].mean(), rel=1e-12)
    assert scaler.scale[0] == pytest.approx(petal[parts.train].std(), rel=1e-12)
    assert abs(petal.mean() - petal[parts.train].mean()) > 1e-6


def test_scores_are_those_of_scikit_learn_on_the_test_rows(trained):
    from sklearn import metrics

    args = cli.parser().parse_args(["train", "flowers.csv", "--target", "kind"])
    kinds = np.array([line[-1] for line in lines()])
    parts = cli.split(columns_of({"kind": kinds.tolist()})["kind"], "classification", {}, args)
    logits, passport = by_hand("flowers.safetensors", "flowers.csv")
    said, true = np.array(passport.classes)[logits.argmax(axis=1)][parts.test], kinds[parts.test]
    notes = load("flowers.safetensors").notes
    assert notes["test"] == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(true, said),
            "balanced_accuracy": metrics.balanced_accuracy_score(true, said),
            "f1": metrics.f1_score(true, said, average="macro"),
        }
    )
    assert notes["baseline"]["accuracy"] == pytest.approx(1 / 3)
    assert notes["rows"] == {"training": 78, "validation": 18, "test": 24}
    assert notes["settings"]["target"] == "kind" and notes["environment"]["numpy"] == np.__version__


def test_regression_answers_in_the_unit_of_the_target(capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    y = 250_000 + 40_000 * x[:, 0] - 20_000 * x[:, 1] + rng.normal(size=300) * 5000
    write("houses.csv", np.column_stack([x, y]).tolist(), ["size", "age", "price"])
    assert main(["train", "houses.csv", "--target", "price"]) == 0
    out = capsys.readouterr().out
    saved = load("houses.safetensors")
    assert saved.notes["test"]["r2"] > 0.95
    assert 4000 < saved.notes["test"]["rmse"] < 10_000  # the noise is 5000
    assert re.search(r"always 2[45]\d{4}(\.\d)?, the mean", out)
    assert main(["predict", "houses.safetensors", "houses.csv"]) == 0
    found = np.array([float(row["prediction"]) for row in read(capsys.readouterr().out)])
    logits, _ = by_hand("houses.safetensors", "houses.csv")
    np.testing.assert_allclose(found, logits[:, 0], rtol=1e-6)
    assert "a loss of 1 is that of always saying the mean" in Path("houses.html").read_text()


def test_options_of_the_network():
    flowers()
    words = ["train", "flowers.csv", "--target", "kind", "--batch-size", "16", *QUICK, "--validation", "0"]
    assert main([*words, "--hidden", "7,5", "--model", "deep.safetensors"]) == 0
    deep = load("deep.safetensors")
    assert deep.model.sizes == [5, 7, 5, 3]
    assert deep.notes["epochs"] == 20 and deep.notes["best_epoch"] is None
    assert deep.notes["rows"]["validation"] == 0
    assert main([*words, "--hidden", "none", "--model", "linear.safetensors"]) == 0
    assert load("linear.safetensors").model.sizes == [5, 3]


def test_two_classes_name_the_one_of_f1(capsys):
    flowers()
    rows = [[petal, stem, "yes" if kind == "poppy" else "no"] for petal, stem, _, kind in map(list, lines())]
    write("two.csv", rows, ["petal", "stem", "poppy"])
    assert main(["train", "two.csv", "--target", "poppy", "--force", *QUICK]) == 0
    assert "f1 of 'yes'" in capsys.readouterr().out


def test_a_model_that_learns_nothing_is_told(capsys):
    rng = np.random.default_rng(0)
    write("noise.csv", [[*rng.normal(size=3), i % 2] for i in range(100)], ["a", "b", "c", "coin"])
    assert main(["train", "noise.csv", "--target", "coin", "--epochs", "1", "--learning-rate", "1e-9"]) == 0
    model, naive = (load("noise.safetensors").notes[key]["accuracy"] for key in ("test", "baseline"))
    assert ("The model is no better than always" in capsys.readouterr().out) == (model <= naive)


def test_a_table_that_is_not_ready_needs_force(capsys):
    rng = np.random.default_rng(0)
    price = rng.normal(size=60)
    write("leak.csv", np.column_stack([price, rng.normal(size=60), 2 * price]).tolist(), ["price", "x", "tax"])
    assert main(["train", "leak.csv", "--target", "price", *QUICK]) == 1
    told = capsys.readouterr()
    assert "'tax' gives the target away" in told.out
    assert "If not, --drop 'tax'; if so, --keep 'tax'" in told.out
    assert told.err.startswith("autograd-nn: error: leak.csv is not ready to train on") and "--force" in told.err
    assert not Path("leak.safetensors").exists()
    for cure in (["--force"], ["--yes"], ["--keep", "tax"], ["--drop", "tax"]):
        assert main(["train", "leak.csv", "--target", "price", *QUICK, *cure]) == 0, cure
    assert load("leak.safetensors").passport.columns == ["x"]


def test_training_that_fails_saves_nothing(capsys):
    flowers()
    words = ["train", "flowers.csv", "--target", "petal", "--hidden", "8,8,8,8", "--learning-rate", "1e30", *QUICK]
    assert main([*words, "--weight-decay", "0"]) == 1
    err = capsys.readouterr().err
    assert "training failed, nothing was saved" in err and "--learning-rate" in err and "clip_norm" not in err
    assert not Path("flowers.safetensors").exists()


def test_missing_texts_and_delimiters(capsys):
    rows = [[i % 7, "unknown" if i % 5 == 0 else i % 3, "ja" if i % 7 > 3 else "nein"] for i in range(80)]
    with open("semi.csv", "w", encoding="cp1252") as file:
        file.write("größe;b;y\n" + "".join(";".join(map(str, row)) + "\n" for row in rows))
    assert main(["train", "semi.csv", "--target", "y"]) == 1
    assert "--encoding cp1252" in capsys.readouterr().err
    words = ["train", "semi.csv", "--target", "y", "--encoding", "cp1252", "--keep", "größe", *QUICK]
    assert main(words) == 1
    assert "--missing 'unknown'" in capsys.readouterr().out
    assert main([*words, "--missing", "unknown", "--delimiter", ";"]) == 0
    passport = load("semi.safetensors").passport
    assert passport.columns == ["größe", "b"] and passport.missing == ("unknown",)


# predict


def test_predictions_are_those_of_the_network(trained, capsys):
    assert main(["predict", "flowers.safetensors", "new.csv", "--proba"]) == 0
    rows = read(capsys.readouterr().out)
    logits, passport = by_hand("flowers.safetensors", "new.csv")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert [row["prediction"] for row in rows] == [passport.classes[i] for i in p.argmax(axis=1)]
    found = [[float(row[f"probability {kind}"]) for kind in ("clover", "daisy", "poppy")] for row in rows]
    np.testing.assert_allclose(found, p, rtol=1e-5)


def test_predictions_go_into_a_file(trained, capsys):
    assert main(["predict", "flowers.safetensors", "new.csv"]) == 0
    shown = capsys.readouterr().out
    assert main(["predict", "flowers.safetensors", "new.csv", "-o", "out.csv"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "autograd-nn: wrote 3 predictions to out.csv\n")
    assert Path("out.csv").read_text() == shown


def test_columns_that_do_not_fit_are_named(trained, capsys):
    write("renamed.csv", [[1, "red", 3]], ["Petal", "color", "stem"])
    assert main(["predict", "flowers.safetensors", "renamed.csv"]) == 1
    assert "lacks 'petal' (renamed to 'Petal'?)" in capsys.readouterr().err
    write("words.csv", [[1, "red", 3], ["long", "red", 3]], ["petal", "color", "stem"])
    assert main(["predict", "flowers.safetensors", "words.csv"]) == 1
    assert "column 'petal' wanted a number in each row" in capsys.readouterr().err


def test_unknown_categories(trained, capsys):
    write("blue.csv", [[1, "blue", 8]], ["petal", "color", "stem"])
    assert main(["predict", "flowers.safetensors", "blue.csv"]) == 1
    err = capsys.readouterr().err
    assert "column 'color'" in err and "'blue'" in err and "--unknown zeros" in err
    assert main(["predict", "flowers.safetensors", "blue.csv", "--unknown", "zeros"]) == 0
    assert read(capsys.readouterr().out)[0]["prediction"] == "clover"


def test_gaps_are_filled_and_told(trained, capsys):
    write("gaps.csv", [["", "red", 3]], ["petal", "color", "stem"])
    assert main(["predict", "flowers.safetensors", "gaps.csv"]) == 0
    told = capsys.readouterr()
    assert "1 in 'petal'" in told.err and len(read(told.out)) == 1


def test_probabilities_are_for_classes(capsys):
    flowers()
    assert main(["train", "flowers.csv", "--target", "stem", *QUICK]) == 0
    capsys.readouterr()
    assert main(["predict", "flowers.safetensors", "flowers.csv", "--proba"]) == 2
    assert "--proba is for classes" in capsys.readouterr().err


def test_models_of_one_logit(capsys):
    rng = np.random.default_rng(0)
    frame = {"x": rng.normal(size=50), "y": ["no", "yes"] * 25}
    table = clean(frame, "y")
    write("one.csv", [[0.5], [-1.0]], ["x"])
    for model in (nn.LogisticRegression(1), nn.Linear(1, 1, rng=0)):
        weight = next(iter(model.parameters()))
        weight.data = np.full((1, 1), 2.0)
        save(model, "one.safetensors", passport=table.passport)
        assert main(["predict", "one.safetensors", "one.csv", "--proba"]) == 0
        rows = read(capsys.readouterr().out)
        z = 2 * (np.array([0.5, -1.0]) - frame["x"].mean()) / frame["x"].std()
        np.testing.assert_allclose([float(r["probability yes"]) for r in rows], 1 / (1 + np.exp(-z)), rtol=1e-4)
        assert [r["prediction"] for r in rows] == ["yes", "no"]
        assert main(["export", "one.safetensors", "--to", "one.onnx"]) == 0
        capsys.readouterr()
        np.testing.assert_allclose(onnx_outputs("one.onnx", [[0.5], [-1.0]])[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-5)


def test_outputs_that_do_not_fit_the_passport(capsys):
    table = clean({"x": np.arange(30.0) ** 2, "y": ["a", "b", "c"] * 10}, "y", keep=["x"])
    save(nn.MLP([1, 2], rng=0), "two.safetensors", passport=table.passport)
    write("x.csv", [[1]], ["x"])
    assert main(["predict", "two.safetensors", "x.csv"]) == 1
    assert "wanted one for 3 classes" in capsys.readouterr().err
    table = clean({"x": np.arange(30.0) ** 2, "y": np.arange(30.0) ** 1.5}, "y", keep=["x"])
    save(nn.MLP([1, 2], rng=0), "two.safetensors", passport=table.passport)
    assert main(["predict", "two.safetensors", "x.csv"]) == 1
    assert "wanted one number for each row" in capsys.readouterr().err


# inspect


def test_inspect_as_json(trained, capsys):
    capsys.readouterr()
    assert main(["inspect", "flowers.safetensors", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["architecture"]["module"] == "SoftmaxClassifier"
    assert found["parameters"]["layers.0.weight"] == {"shape": [5, 32], "dtype": "float32"}
    assert found["parameter_count"] == 5 * 32 + 32 + 32 * 3 + 3
    assert found["columns"] == ["petal", "stem", "color=pink", "color=red", "color=white"]
    assert found["classes"] == ["clover", "daisy", "poppy"]
    assert found["notes"]["settings"]["seed"] == 0


def test_inspect_a_model_without_a_passport(capsys):
    save(nn.MLP([2, 3, 1], rng=0), "bare.safetensors", notes={"loss": float("nan"), "of": [1, 2]})
    assert main(["inspect", "bare.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "MLP([2, 3, 1]" in out and "parameters: 13" in out and "no passport" in out and "loss: nan" in out
    assert main(["inspect", "bare.safetensors", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == {"loss": None, "of": [1, 2]}  # strict JSON has no NaN
    write("x.csv", [[1, 2]], ["a", "b"])
    for words in (["predict", "bare.safetensors", "x.csv"], ["export", "bare.safetensors", "--to", "bare.py"]):
        assert main(words) == 1
        assert "without the passport" in capsys.readouterr().err


def test_strangers_names_do_not_reach_the_terminal(capsys):
    rows = [[i % 7, (i * 37) % 11, "\x1b[2Ja" if i % 7 > 3 else "b\x07"] for i in range(80)]
    write("bell.csv", rows, ["\x1b]0;x\x07", "b", "y\x1b[31m"])
    assert main(["train", "bell.csv", "--target", "y\x1b[31m", "--force", *QUICK]) == 0
    assert main(["inspect", "bell.safetensors"]) == 0
    assert main(["inspect", "bell.safetensors", "--json"]) == 0
    assert main(["train", "bell.csv", "--target", "\x1b[31m"]) == 1
    told = capsys.readouterr()
    assert not set(told.out + told.err) & {"\x1b", "\x07"}
    assert "\x1b" not in Path("bell.html").read_text()


# export


def onnx_outputs(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"x": np.asarray(x, dtype=np.float64)})
    return out


# The columns of new.csv as both files take them: petal, stem, color=pink, color=red, color=white.
RAW = [[2.9, 11, 0, 0, 1], [5.2, 28, 0, 1, 0], [0.8, 9, 1, 0, 0]]


def test_the_exported_python_file(trained, capsys):
    assert main(["export", "flowers.safetensors", "--to", "flowers.py"]) == 0
    assert re.search(r"wrote flowers.py \([\d,]+ bytes\)", capsys.readouterr().out)
    text = Path("flowers.py").read_text()
    for line in (
        "# Predicts 'kind'.",
        "# 'petal': number; where it is missing,",
        "# 'color=red': 1 if 'color' is 'red'",
    ):
        assert line in text
    alone = [sys.executable, "-I", "-S", "flowers.py"]  # without any package
    assert subprocess.run(alone, capture_output=True, text=True, check=True).stdout == "10 examples agree\n"
    said = subprocess.run([*alone, *map(str, RAW[1])], capture_output=True, text=True, check=True).stdout
    assert said == "poppy\n"
    scope = {"__name__": "flowers"}
    exec(text, scope)
    logits, _ = by_hand("flowers.safetensors", "new.csv")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose([scope["predict_proba"](row) for row in RAW], p, rtol=1e-4, atol=1e-7)
    named = dict(zip(["petal", "stem", "color=pink", "color=red", "color=white"], RAW[0], strict=True))
    assert scope["predict"](named) == scope["predict"](RAW[0])


def test_the_exported_onnx_file(trained):
    onnx = pytest.importorskip("onnx")
    assert main(["export", "flowers.safetensors", "--to", "flowers.onnx"]) == 0
    logits, _ = by_hand("flowers.safetensors", "new.csv")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(onnx_outputs("flowers.onnx", RAW), p, rtol=1e-4, atol=1e-7)
    proto = onnx.load("flowers.onnx")
    facts = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert facts["columns"] == ["petal", "stem", "color=pink", "color=red", "color=white"]
    assert (facts["classes"], facts["target"]) == (["clover", "daisy", "poppy"], "kind")
    assert "'color=red': 1 if 'color' is 'red', else 0" in proto.doc_string
    assert [out.name for out in proto.graph.output] == ["probabilities"]


def test_exported_regression(capsys):
    flowers()
    assert main(["train", "flowers.csv", "--target", "stem", "--drop", "kind", *QUICK]) == 0
    for kind in ("py", "onnx"):
        assert main(["export", "flowers.safetensors", "--to", f"stem.{kind}"]) == 0
    write("one.csv", [[2.5, "red"]], ["petal", "color"])
    wanted, _ = by_hand("flowers.safetensors", "one.csv")
    row = [2.5, 0.0, 1.0, 0.0]
    scope = {"__name__": "stem"}
    exec(Path("stem.py").read_text(), scope)
    np.testing.assert_allclose(scope["predict"](row), wanted[0], rtol=1e-5)
    np.testing.assert_allclose(onnx_outputs("stem.onnx", [row, row]), np.repeat(wanted, 2, axis=0), rtol=1e-5)


def test_all_kinds_of_columns_are_exported_before_scaling():
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + rng.permutation(400)[:300]
    words = [f"w{i}" for i in rng.integers(90, size=300)]
    frame = {"flag": rng.integers(2, size=300) > 0, "day": days, "big": 1e9 + rng.normal(size=300), "word": words}
    table = clean({**frame, "y": rng.normal(size=300)}, "y")
    model = nn.MLP([len(table.columns), 4, 1], rng=0)
    save(model, "all.safetensors", passport=table.passport)
    assert main(["export", "all.safetensors", "--to", "all.py"]) == 0
    scope = {"__name__": "all"}
    text = Path("all.py").read_text()
    exec(text, scope)
    assert scope["check"]() == 10
    assert "# 'word=other': 1 if 'word' is none of these, else 0; where it is missing," in text
    part = {name: column[:5] for name, column in frame.items()}
    origin = days.min()
    for row, x in enumerate(table.apply(part)):
        raw = dict.fromkeys(table.columns, 0.0)
        raw |= {"flag": float(frame["flag"][row]), "day": float((days[row] - origin) / np.timedelta64(1, "D"))}
        raw["big"] = frame["big"][row]
        word = f"word={words[row]}"
        raw[word if word in raw else "word=other"] = 1.0
        wanted = model(x[None]).data[0]
        np.testing.assert_allclose(scope["predict"](raw), wanted, rtol=1e-4, atol=1e-5)


def test_a_passport_without_target_and_scaling(capsys):
    table = clean({"x": [1.0, 2.0, 4.0], "y": [3.0, 1.0, 1.5]}, standardize=False)
    model = nn.MLP([2, 3, 1], rng=0)
    save(model, "plain.safetensors", passport=table.passport)
    assert main(["inspect", "plain.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "inputs: 2, of 2 columns" in out and "predicts" not in out and "notes" not in out
    assert main(["export", "plain.safetensors", "--to", "plain.py"]) == 0
    scope = {"__name__": "plain"}
    exec(Path("plain.py").read_text(), scope)
    np.testing.assert_allclose(scope["predict"]([4.0, 1.5]), model([[4.0, 1.5]]).data[0], rtol=1e-5)


def test_onnx_that_is_not_installed(trained, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "flowers.safetensors", "--to", "flowers.onnx"]) == 1
    assert 'pip install "autograd-nn[onnx]"' in capsys.readouterr().err
    assert not Path("flowers.onnx").exists()


# bad input

BAD_FILES = {
    "empty.csv": (b"", "is empty"),
    "names.csv": (b"a,b,kind\n", "holds names but no rows"),
    "noise.csv": (bytes(range(256)) * 20, "is not in utf-8"),
    "zero.csv": (b"a,b\n1,\0\n", "not a text file"),
    "book.csv": (b"PK\x03\x04rest", "spreadsheet"),
    "ragged.csv": (b"a,b,kind\n1,2,x\n1,2\n", "line 3"),
    "twice.csv": (b"a,a,kind\n1,2,x\n", "two columns are called 'a'"),
    "numbers.csv": (b"1,2,3\n4,5,6\n", "no line of names"),
    "open.csv": (b'a,kind\n"1,2\n', "quotation mark"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_tables(name, capsys):
    content, words = BAD_FILES[name]
    Path(name).write_bytes(content)
    assert main(["train", name, "--target", "kind"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("autograd-nn: error: ") and words in err and "Traceback" not in err, err
    assert err.count("\n") == 1
    assert os.listdir() == [name]


def test_files_that_are_not_there(trained, capsys):
    for words in (
        ["train", "nowhere.csv", "--target", "kind"],
        ["predict", "nowhere.csv", "new.csv"],
        ["predict", "flowers.safetensors", "nowhere.csv"],
        ["inspect", "nowhere.csv"],
        ["export", "nowhere.csv", "--to", "a.py"],
    ):
        assert main(words) == 1
        assert capsys.readouterr().err == "autograd-nn: error: nowhere.csv: No such file or directory\n"


def test_folders_are_no_files(trained, capsys):
    os.mkdir("folder")
    for words in (
        ["train", "folder", "--target", "kind"],
        ["predict", "folder", "new.csv"],
        ["predict", "flowers.safetensors", "folder"],
        ["inspect", "folder"],
    ):
        assert main(words) == 1
        assert re.search("folder", capsys.readouterr().err, re.IGNORECASE)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100, b"\x10" + bytes(7) + b'{"a":1}         '])
def test_files_that_are_no_models(content, capsys):
    Path("bad.safetensors").write_bytes(content)
    write("x.csv", [[1]], ["x"])
    for words in (
        ["predict", "bad.safetensors", "x.csv"],
        ["inspect", "bad.safetensors"],
        ["export", "bad.safetensors", "--to", "m.py"],
    ):
        assert main(words) == 1
        assert "bad.safetensors" in capsys.readouterr().err


def test_columns_that_are_not_there(capsys):
    flowers()
    for words, said in (
        (["--target", "Kind"], "'Kind'"),
        (["--target", "kind", "--drop", "x"], "drop names 'x'"),
        (["--target", "kind", "--keep", "x"], "keep names 'x'"),
        (["--target", "kind", "--drop", "kind"], "cannot be dropped"),
        (["--target", "kind", "--time", "x"], "--time names 'x'"),
        (["--target", "kind", "--time", "color"], "--time wanted a column of numbers or dates"),
        (["--target", "kind", "--task", "regression"], "write --task classification"),
    ):
        assert main(["train", "flowers.csv", *words]) == 1
        assert said in capsys.readouterr().err
    assert os.listdir() == ["flowers.csv"]


def test_too_few_rows(capsys):
    write("few.csv", [[1, "a"], [2, "b"]], ["x", "y"])
    assert main(["train", "few.csv", "--target", "y"]) == 1
    assert "not ready" in capsys.readouterr().err
    assert main(["train", "few.csv", "--target", "y", "--force"]) == 1
    assert "too few" in capsys.readouterr().err


def test_a_test_part_of_repeated_rows(capsys):
    write("same.csv", [[1.5, 2.5], [2.5, 3.25], [4.75, 1.5]] * 30, ["x", "y"])
    words = ["train", "same.csv", "--target", "y", "--duplicates", "drop", "--force", "--keep", "x"]
    assert main(words) == 1
    assert "no row is left for the test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "path", "said"),
    [
        ("--model", "no/where.safetensors", "there is no folder"),
        ("--report", "no/where.html", "there is no folder"),
        ("--model", ".", "is a folder"),
        ("--model", "flowers.csv", "which would be lost"),
        ("--report", "flowers.csv", "which would be lost"),
        ("--report", "flowers.safetensors", "which would be lost"),
        ("--model", os.devnull, "no file that can be replaced"),
    ],
)
def test_outputs_are_checked_before_training(option, path, said, capsys, monkeypatch):
    flowers()
    before = Path("flowers.csv").read_bytes()
    monkeypatch.setattr(cli, "fit", None)  # it must not come so far
    assert main(["train", "flowers.csv", "--target", "kind", option, path]) == 1
    told = capsys.readouterr()
    assert f"{option} {path}" in told.err and said in told.err and told.out == ""
    assert Path("flowers.csv").read_bytes() == before
    assert os.listdir() == ["flowers.csv"]


def test_a_folder_that_cannot_be_written(capsys, monkeypatch):
    flowers()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli.os, "open", refuse)
    assert main(["train", "flowers.csv", "--target", "kind"]) == 1
    assert "--model flowers.safetensors cannot be written: Permission denied" in capsys.readouterr().err


def test_inputs_are_never_replaced(trained, capsys):
    before = {name: Path(name).read_bytes() for name in ("flowers.safetensors", "new.csv")}
    os.symlink("new.csv", "link.csv")
    for words in (
        ["predict", "flowers.safetensors", "new.csv", "-o", "new.csv"],
        ["predict", "flowers.safetensors", "new.csv", "-o", "flowers.safetensors"],
        ["predict", "flowers.safetensors", "new.csv", "-o", "link.csv"],
    ):
        assert main(words) == 1
        assert "would be lost" in capsys.readouterr().err
    os.rename("flowers.safetensors", "flowers.py")
    assert main(["export", "flowers.py", "--to", "flowers.py"]) == 1
    assert Path("flowers.py").read_bytes() == before["flowers.safetensors"]
    assert Path("new.csv").read_bytes() == before["new.csv"]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "teach flowers.csv",
        "train",
        "train flowers.csv",
        "train flowers.csv --target",
        "train flowers.csv --target kind --test 0",
        "train flowers.csv --target kind --test 1.5",
        "train flowers.csv --target kind --test x",
        "train flowers.csv --target kind --validation -1",
        "train flowers.csv --target kind --hidden 0",
        "train flowers.csv --target kind --hidden a,b",
        "train flowers.csv --target kind --epochs 0",
        "train flowers.csv --target kind --learning-rate -0.1",
        "train flowers.csv --target kind --learning-rate nan",
        "train flowers.csv --target kind --weight-decay inf",
        "train flowers.csv --target kind --seed -1",
        "train flowers.csv --target kind --task guess",
        "train flowers.csv --target kind --delimiter ab",
        "predict flowers.safetensors",
        "export flowers.safetensors",
        "export flowers.safetensors --to flowers.exe",
    ],
)
def test_wrong_usage(words, capsys):
    assert main(shlex.split(words)) == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: autograd-nn") and "error: " in err


def test_what_else_goes_wrong_is_a_sentence(trained, capsys, monkeypatch):
    for error, code, said in (
        (MemoryError(), 1, "error: there is not enough memory for this."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device"),
        (NotImplementedError("no translation"), 1, "error: no translation"),
    ):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(cli, "load", fail)
        assert main(["inspect", "flowers.safetensors"]) == code
        assert capsys.readouterr().err == f"autograd-nn: {said}\n"


def test_mistakes_of_our_own_are_not_hidden(monkeypatch):
    monkeypatch.setattr(cli, "load", None)
    monkeypatch.setattr(cli, "say", lambda *_: {}["oops"])
    flowers()
    with pytest.raises(KeyError):
        main(["train", "flowers.csv", "--target", "kind"])


def test_warnings_are_lines(capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)) + np.repeat([[-6], [6]], 30, axis=0)
    write("apart.csv", [[*row, "left" if i < 30 else "right"] for i, row in enumerate(x.tolist())], ["a", "b", "side"])
    words = ["train", "apart.csv", "--target", "side", "--force", "--hidden", "none", "--weight-decay", "0"]
    assert main([*words, "--learning-rate", "0.1", *QUICK]) == 0
    err = capsys.readouterr().err
    assert err.startswith("autograd-nn: warning: the classes can be separated by a plane") and err.count("\n") == 1
    assert "--weight-decay 0.01" in err
