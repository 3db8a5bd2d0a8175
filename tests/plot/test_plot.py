"""What holds for every plot: criterion 26, light and dark, strangers' names, and what is not imported."""

from __future__ import annotations

import inspect
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from autograd_nn import data, nn, optim, plot

X, Y = data.moons(40, rng=0)
MODEL = nn.MLP([2, 4, 1], rng=0)
LINE = nn.MLP([1, 3, 1], rng=0)
HISTORY = [{"epoch": 1, "loss": 0.7, "validation_loss": 0.8}, {"epoch": 2, "loss": 0.01, "validation_loss": 0.5}]
RATIOS = [{"step": 1, "layers.0.weight": 0.1, "layers.1.weight": 0.2}, {"step": 2, "layers.0.weight": 0.05}]
SWEEP = optim.learning_rate_sweep(lambda w: (w - 3) ** 2, 0.0, [1e-6, 0.1, 0.5, 1.1], max_steps=50)


def trained() -> nn.MLP:
    model = nn.MLP([2, 4, 1], rng=0)
    (model(X) ** 2).sum().backward()
    return model


PLOTS = {
    "decision_boundary": lambda ax: plot.decision_boundary(MODEL, X, Y, ax=ax, resolution=20),
    "history": lambda ax: plot.history(HISTORY, ax=ax),
    "gradients": lambda ax: plot.gradients(RATIOS, ax=ax),
    "gradients of a model": lambda ax: plot.gradients(trained(), ax=ax),
    "weights": lambda ax: plot.weights(nn.Linear(4, 3, rng=0), ax=ax),
    "weights as images": lambda ax: plot.weights(nn.Linear(4, 3, rng=0), shape=(2, 2), ax=ax),
    "confusion_matrix": lambda ax: plot.confusion_matrix([0, 1, 1], [0, 1, 0], ax=ax),
    "residuals": lambda ax: plot.residuals([1.0, 2.0], [1.5, 2.0], ax=ax),
    "predicted_and_observed": lambda ax: plot.predicted_and_observed([1.0, 2.0], [1.5, 2.0], ax=ax),
    "activation": lambda ax: plot.activation("tanh", ax=ax),
    "loss_slopes": lambda ax: plot.loss_slopes(ax=ax),
    "learning_rate_sweep": lambda ax: plot.learning_rate_sweep(SWEEP, ax=ax),
    "squiggles": lambda ax: plot.squiggles(LINE, (-1, 1), ax=ax),
    "squiggles of two features": lambda ax: plot.squiggles(MODEL, X, ax=ax, resolution=9),
}


def test_every_plot_is_in_the_table():
    functions = {
        name
        for name in plot.__all__
        if inspect.isfunction(getattr(plot, name)) and "ax" in inspect.signature(getattr(plot, name)).parameters
    }
    assert functions == {name.partition(" ")[0] for name in PLOTS}


@pytest.mark.parametrize("name", PLOTS)
def test_criterion_26_axes_given_are_returned_and_no_figure_is_opened(name):
    assert mpl.get_backend().lower() == "agg"
    figure, (left, right) = plt.subplots(1, 2)
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    assert PLOTS[name](right) is right
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == settings
    assert not left.has_data()
    figure.canvas.draw()


@pytest.mark.parametrize("name", PLOTS)
def test_criterion_26_axes_of_a_figure_without_pyplot_will_do(name):
    figure = Figure()
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    assert PLOTS[name](ax) is ax
    assert plt.get_fignums() == []
    figure.canvas.draw()


@pytest.mark.parametrize("name", PLOTS)
def test_criterion_26_without_axes_one_figure_is_made(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("a plot was shown unasked"))
    settings = dict(mpl.rcParams)
    made = PLOTS[name](None)
    assert len(plt.get_fignums()) == 1
    assert dict(mpl.rcParams) == settings
    figure = made.figure if isinstance(made, Axes) else made
    assert figure is plt.gcf()
    assert isinstance(made, Axes) != name.startswith("weights")
    figure.canvas.draw()


def test_criterion_26_an_animation_opens_no_figure():
    plot.animate_training([MODEL], X, Y, resolution=5)
    assert plt.get_fignums() == []


def test_criterion_26_matplotlib_is_imported_by_the_first_plot():
    code = (
        "import sys, autograd_nn; assert 'matplotlib' not in sys.modules\n"
        "autograd_nn.plot.history; assert 'matplotlib' not in sys.modules\n"
        "autograd_nn.plot.activation('tanh'); assert 'matplotlib' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "autograd-nn\[viz\]"'):
        plot.activation("tanh")


@pytest.mark.parametrize("name", PLOTS)
def test_labels_and_title_say_what_is_drawn_and_the_users_own_stay(name, ax):
    drawn = PLOTS[name](ax)
    assert drawn.get_title()
    if "images" not in name:
        assert drawn.get_xlabel()
    mine = Figure().subplots()
    mine.set(title="mine", xlabel="my x", ylabel="my y")
    PLOTS[name](mine)
    assert (mine.get_title(), mine.get_xlabel(), mine.get_ylabel()) == ("mine", "my x", "my y")


@pytest.mark.parametrize("name", PLOTS)
def test_figures_of_our_own_read_on_white_and_on_black(name):
    made = PLOTS[name](None)
    figure = made.figure if isinstance(made, Axes) else made
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).astype(float) / 255
    assert pixels[0, 0, 3] == 0  # transparent
    for ax in figure.axes:
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        texts += ax.get_legend().get_texts() if ax.get_legend() else []
        for text in texts:
            if text.get_text():
                assert contrast(text.get_color(), "#ffffff") >= 4.3
                assert contrast(text.get_color(), "#111111") >= 4.3


@pytest.mark.parametrize("name", PLOTS)
def test_axes_of_a_dark_style_keep_its_colors(name):
    with plt.style.context("dark_background"):
        _, ax = plt.subplots()
        PLOTS[name](ax)
        assert ax.xaxis.label.get_color() == "white"
        if ax.get_legend():
            assert {mpl.colors.to_hex(t.get_color()) for t in ax.get_legend().get_texts()} == {"#ffffff"}
            drawn = [line for line in ax.get_legend().get_lines() if line.get_linestyle() != "None"]
            assert all(contrast(line.get_color(), "#000000") > 2.5 for line in drawn)


def luminance(color):
    rgb = np.array(mpl.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    """Of WCAG 2.2."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


HOSTILE = [
    r"$\frac{1}{0}$",
    "$x",
    r"\$5 and $6",
    "_hidden",
    "a\nb",
    "\x00\x1b[2J",
    "\u202eevil",
    "\ud800",
    "<script>alert(1)</script>",
    "x" * 10_000,
    "",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_shown_as_text(name):
    draws = (
        lambda ax: plot.decision_boundary(MODEL, X, Y, labels=[name, "b"], resolution=9, ax=ax),
        lambda ax: plot.confusion_matrix([0, 1], [0, 1], labels=[name, "b"], ax=ax),
        lambda ax: plot.residuals([1.0, 2.0], [1.5, 2.0], unit=name, ax=ax),
        lambda ax: plot.gradients([{"step": 1, f"layer {name}": 0.1}], ax=ax),
        lambda ax: plot.history({"epoch": [1, 2], f"m{name}": [1.0, 2.0]}, ax=ax),
    )
    for draw in draws:
        figure = Figure()
        FigureCanvasAgg(figure)
        ax = draw(figure.subplots())
        figure.canvas.draw()
        texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
        assert not [text for text in texts if "\n" in text.get_text() or "\x1b" in text.get_text()]
        assert max(len(text.get_text()) for text in texts) < 120
        for text in texts:
            assert not text._preprocess_math(text.get_text())[1] or "mathdefault" in text.get_text()
        assert ax.figure is figure


def test_a_name_with_dollars_is_what_the_picture_shows():
    ax = plot.confusion_matrix(["$a$", "b"], ["$a$", "b"])
    (first, _) = ax.get_xticklabels()
    assert first._preprocess_math(first.get_text()) == ("$a$", False)
