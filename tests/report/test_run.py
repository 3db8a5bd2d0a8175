"""A report is made of a history, a model and test data: numbers agree with other libraries', and names are text."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn import metrics

from autograd_nn import data, nn, optim, plot, report
from autograd_nn.sklearn import NeuralClassifier, NeuralRegressor
from autograd_nn.training import History, fit, predict


@pytest.fixture(scope="module")
def moons():
    model = nn.SoftmaxClassifier([2, 8, 8, 2], rng=0)
    train, test = data.moons(200, rng=0), data.moons(100, rng=1)
    ratios = plot.GradientRatios()
    history = fit(
        model, train, "cross_entropy", optim.Adam(model.parameters(), 0.03), epochs=8, validation=test,
        metrics="accuracy", callbacks=ratios, progress=False,
    )  # fmt: skip
    return history, model, test


def test_classes(moons):
    history, model, (x, y) = moons
    made = report.of(history, model, (x, y), labels=["upper", "lower"], settings={"width": 8})
    guess = predict(model, x).argmax(axis=1)
    scores = {name: own for name, own, _ in made.scores}
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(y, guess))
    assert scores["balanced accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, guess))
    assert scores["F1"] == pytest.approx(metrics.f1_score(y, guess))
    assert np.array_equal(made.confusion, metrics.confusion_matrix(y, guess))
    assert [naive for _, _, naive in made.scores][:2] == pytest.approx([0.5, 0.5])
    assert made.baseline in ("always 'upper'", "always 'lower'")
    page = made.html
    for words in ("SoftmaxClassifier, 8 epochs, 100 test rows", "layers.0.weight", "upper", "width", "seed", "FLOPs"):
        assert words in page, words
    assert len(re.findall(r'<polyline class="l\d" points="[\d.]+,[\d.]+ [\d.]+,[\d.]+ ', page)) == 3
    assert "‖gradient‖" in page


def test_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype("float32")
    y = x @ np.array([1.0, 2.0, 3.0], "float32")[:, None] + rng.normal(size=(60, 1)).astype("float32")
    model = nn.Linear(3, 1, rng=0)
    history = fit(model, (x[:40], y[:40]), "mse", optim.SGD(model.parameters(), 0.1), epochs=20, progress=False)
    made = report.of(history, model, (x[40:], y[40:, 0]), unit="kg")
    p = predict(model, x[40:])[:, 0]
    assert [own for _, own, _ in made.scores] == pytest.approx(
        [
            metrics.r2_score(y[40:, 0], p),
            metrics.root_mean_squared_error(y[40:, 0], p),
            metrics.mean_absolute_error(y[40:, 0], p),
        ],
        rel=1e-6,
    )
    assert made.scores[0][2] == pytest.approx(0.0)
    assert made.scores[1][2] == pytest.approx(np.std(y[40:]), rel=1e-6)
    assert "predicted kg" in made.html
    assert made.html.count("<svg") >= 3


def outcome(model, x, y, **options):
    return report.of(History(), model, (x, y), **options)


def test_what_is_predicted_is_found_out():
    x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
    y = (x[:, 0] > 0).astype(int)
    logit = nn.Linear(1, 1, rng=0)
    logit.weight.data, logit.bias.data = np.array([[5.0]], "float32"), np.zeros(1, "float32")
    perfect = [[10, 0], [0, 10]]
    assert np.array_equal(outcome(logit, x, y).confusion, perfect)
    assert np.array_equal(outcome(logit, x, y.astype("float32")[:, None]).confusion, perfect)
    probability = nn.Sequential(logit, nn.activation("sigmoid"))
    assert np.array_equal(outcome(probability, x, y).confusion, perfect)
    assert outcome(logit, x, y, task="regression").confusion is None
    assert outcome(logit, x, 7 * y).confusion is None  # counts, not classes
    two = nn.Linear(1, 2, rng=0)
    two.weight.data, two.bias.data = np.array([[-5.0, 5.0]], "float32"), np.zeros(2, "float32")
    assert np.array_equal(outcome(two, x, y).confusion, perfect)
    assert np.array_equal(outcome(two, x, np.eye(2)[y]).confusion, perfect)
    assert outcome(two, x, np.random.default_rng(0).normal(size=(20, 2))).confusion is None


def test_estimators():
    x, y = data.moons(120, rng=0)
    names = np.array(["upper", "lower"])[y]
    found = NeuralClassifier(random_state=0, max_epochs=5).fit(x, names)
    made = report.of(found.history_, found, (x, names))
    assert made.labels == ["lower", "upper"]
    assert np.array_equal(made.confusion, metrics.confusion_matrix(names, found.predict(x)))
    with pytest.raises(ValueError, match="did not learn: \\['strange'\\]"):
        report.of(found.history_, found, (x[:1], np.array(["strange"])))
    number = NeuralRegressor(random_state=0, max_epochs=5).fit(x, x[:, 0])
    made = report.of(number.history_, number, (x, x[:, 0]))
    assert made.scores[0][1] == pytest.approx(metrics.r2_score(x[:, 0], number.predict(x)), rel=1e-5)


def test_parts_may_be_missing(moons):
    history, model, _ = moons
    assert "<svg" in report.of(history).html
    made = report.of(history, model)
    assert "layers.0.weight" in made.html and "parameters: 114" in made.html
    assert not made.scores
    assert "0 epochs" in report.of(History()).html


def test_it_is_saved_and_shown(moons, tmp_path):
    history, model, test = moons
    path = report.save(tmp_path / "run.html", history, model, test, title="moons")
    text = path.read_text(encoding="utf-8")
    assert text == report.of(history, model, test, title="moons").html
    assert "<title>moons</title>" in text
    with pytest.raises(ValueError, match=r"ends in \.html, got 'run\.pdf'"):
        report.save(tmp_path / "run.pdf", history)
    shown = report.of(history, model, test, title="moons")._repr_html_()
    assert shown.startswith("<iframe") and " sandbox " in shown and "<title>" not in shown
    assert str(report.of(history, model, test, title="moons")).startswith("moons\nSoftmaxClassifier, 8 epochs")


def test_the_model_is_as_it_was(moons):
    history, model, test = moons
    before = {path: p.data.copy() for path, p in model.named_parameters()}
    grads = {path: None if p.grad is None else p.grad.copy() for path, p in model.named_parameters()}
    model.train()
    report.of(history, model, test)
    assert model.training
    for path, p in model.named_parameters():
        assert np.array_equal(p.data, before[path])
        assert (p.grad is None) == (grads[path] is None)


def test_mistakes_are_explained(moons):
    history, model, (x, y) = moons
    for wrong, message in (
        (lambda: report.of([1.0, 0.5]), "wanted the history that fit returned, got list"),
        (lambda: report.of(history, "model"), "wanted a model that is a module, got str"),
        (lambda: report.of(history, None, (x, y)), r"report\.of\(history, model, test\)"),
        (lambda: report.of(history, model, x), r"test wanted \(x, y\), got ndarray"),
        (lambda: report.of(history, model, (x, y[:5])), "a target for each row"),
        (lambda: report.of(history, model, (x, y), labels=["a"]), "labels wanted 2 names"),
        (lambda: report.of(history, model, (x, y), labels="ab"), "labels wanted 2 names"),
        (lambda: report.of(history, model, (x, y), task="guess"), "task wanted"),
        (lambda: report.of(history, model, (x, y.astype(str))), "wanted numbers as targets"),
        (lambda: report.of(history, model, (x, y - 1)), "wanted targets of shape|numbers from 0 on"),
        (lambda: report.of(history, model, (x, y + 0.5), task="classification"), "numbers from 0 on"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            wrong()


HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "\u202egnp.exe",
    "x" * 10_000,
    "\0\ud800",
    "</style></iframe><svg onload=alert(1)>",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_names_are_text(words):
    class Net(nn.Module):
        def __init__(self):
            self.parts = {words: nn.Linear(2, 2, rng=0)}

        def forward(self, x):
            return self.parts[words](x)

    model = Net()
    history = History([{"epoch": 1, "loss": 1.0, words: 0.5}, {"epoch": 2, "loss": 0.5, words: 0.5}], stopped=words)
    history.gradients = [{"step": i, f"parts.{words}.weight": 0.1 * i} for i in (1, 2, 3)]
    x, y = data.moons(20, rng=0)
    made = report.of(history, model, (x, y), title=words, labels=[words, "b"], settings={words: words}, unit=words)
    text = made.html
    assert not re.search(r"<(img(?! src=\"data:image/svg)|script|iframe|svg onload)", text)
    assert all(c.isprintable() or c in "\n\t\xa0" for c in text)
    text.encode()
    made._repr_html_().encode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_in_a_browser(moons, browser, need, tmp_path, scheme, width):
    axe = need("axe_playwright_python.sync_playwright", "no axe: pip install axe-playwright-python")
    history, model, test = moons
    path = report.save(tmp_path / "run.html", history, model, test, title="x" * 300, labels=["a" * 90, "b"])
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: None if request.url[:5] in ("file:", "data:") else problems.append(request.url))
    page.goto(path.as_uri())
    assert not problems
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if "data:image" in path.read_text(encoding="utf-8"):
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    # axe puts its script into the page, whose policy allows none: it is run in a copy without that line.
    page.set_content(re.sub(r"<meta http-equiv[^>]*>", "", path.read_text(encoding="utf-8")))
    found = axe.Axe().run(page).response["violations"]
    assert not [(v["id"], v["impact"], [n["html"][:200] for n in v["nodes"]][:2]) for v in found]
    context.close()
