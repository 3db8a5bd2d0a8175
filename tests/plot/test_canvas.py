"""Colors that read on white and on black, names as text, Axes or a teaching error."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from autograd_nn import Value, plot
from autograd_nn.plot.canvas import COLORS, DASHES, INK, MARKERS, axes, finish, literal, plain


def luminance(color):
    rgb = np.array(mpl.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(("color", "contrast"), [(INK, 4.0), *((color, 3.0) for color in COLORS)])
def test_colors_stand_out_from_white_and_from_black(color, contrast):
    light = 1.05 / (luminance(color) + 0.05)
    dark = (luminance(color) + 0.05) / (luminance("#111111") + 0.05)
    assert min(light, dark) >= contrast - 0.05


# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", 2009: what is seen of linear RGB without one kind of cones.
EYES = {
    "usual": np.eye(3),
    "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "blue-blind": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# B. Ottosson, "A perceptual color space for image processing", 2020: distances there are what is seen.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.793617785, -0.0040720468],
    [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766],
]


def nearest(colors, eyes):
    """How far apart the two most similar colors are, in hundredths of the way from black to white."""
    rgb = np.array([mpl.colors.to_rgb(color) for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(EYES[eyes]), 0, 1)
    lab = np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_OKLAB)
    apart = 100 * np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return apart[~np.eye(len(colors), dtype=bool)].min()


@pytest.mark.parametrize(
    ("eyes", "six", "all_eight"),
    [("usual", 14, 11), ("red-blind", 11, 7.5), ("green-blind", 12, 7.5), ("blue-blind", 8.5, 4.5)],
)
def test_colors_differ_for_all_eyes(eyes, six, all_eight):
    assert nearest(COLORS[:6], eyes) > six
    assert nearest(COLORS, eyes) > all_eight


def test_the_measure_of_colors_knows_what_is_confused():
    assert nearest(["#ff0000", "#00a000"], "usual") > 30
    assert nearest(["#a05000", "#507000"], "green-blind") < 6
    assert nearest(["#000000", "#ffffff"], "usual") == pytest.approx(100, abs=0.1)


def test_color_and_marker_or_dash_go_round_at_different_speed():
    pairs = {(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]) for i in range(56)}
    dashed = {(COLORS[i % len(COLORS)], str(DASHES[i % len(DASHES)])) for i in range(40)}
    assert len(pairs) == 56 and len(dashed) == 40


@given(st.text(st.characters(), max_size=60))
def test_any_name_is_one_line_of_text_without_formulas(name):
    shown, formula = Text(text=literal(name))._preprocess_math(literal(name))
    assert formula is False
    assert shown == "" or shown.isprintable()
    if name.isprintable() and len(name) <= 40:
        assert shown == name


def test_long_names_end_with_dots():
    assert literal("x" * 100, 5) == "xxxx…"


def test_escapes_do_not_make_names_longer():
    assert len(literal("\u202e" * 100, 40)) == 40


def test_figures_of_ours_grow_with_the_words_beside_them():
    short, long = (plot.decision_boundary(lambda x: x[:, 0], [[0.0, 0.0], [1.0, 1.0]], [0, 1], labels=["a", b],
                                          resolution=5) for b in ("b", "W" * 40))  # fmt: skip
    assert long.figure.get_figwidth() > short.figure.get_figwidth() + 1
    long.figure.canvas.draw()  # a warning would be an error
    given = Figure(figsize=(9, 4))
    plot.decision_boundary(lambda x: x[:, 0], [[0.0, 0.0], [1.0, 1.0]], [0, 1], labels=["a", "W" * 40],
                           resolution=5, ax=given.subplots())  # fmt: skip
    assert given.get_figwidth() == 9


def test_axes_are_wanted():
    figure = Figure()
    with pytest.raises(TypeError, match=r"wanted one Axes, got an array of shape \(2,\): choose one"):
        axes(figure.subplots(1, 2))
    with pytest.raises(TypeError, match="wanted Axes, as plt.subplots\\(\\) returns them, got Figure"):
        axes(figure)


def test_finish_leaves_what_is_written(ax):
    ax.set_title("mine")
    finish(ax, title="ours", x="x", y="y")
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("mine", "x", "y")
    assert not ax.spines["top"].get_visible() and ax.spines["left"].get_visible()


def test_plain_takes_values_apart():
    assert plain(Value([1.0, 2.0])).tolist() == plain([1.0, 2.0]).tolist() == [1.0, 2.0]
