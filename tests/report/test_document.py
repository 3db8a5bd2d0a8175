"""The page is whole HTML, asks for nothing from outside, shows strangers' texts as text, and its curves are right."""

from __future__ import annotations

import itertools
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.report import Result, page, visible
from autograd_nn.report.chart import POINTS, predictions, ticks, widened
from autograd_nn.training import History

VOID = {"meta", "line", "circle", "polyline"}
TAGS = set(
    "html head meta title style body main header section h1 h2 h3 p strong ul li div table thead tbody tr th td figure "
    "figcaption span svg line circle polyline text details summary".split()
)
HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></td></table><a href=//evil.example>x</a>",
    "{body} {style} {title} {0} %s",
    "<!-- ",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "\x00\x1b[31m\u202e\u2028",
]


class Reader(HTMLParser):
    """Reads a page strictly: every tag is known, closed in order, and refers to nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        self.tags.append(tag)
        self.attributes += attrs
        for name, _ in attrs:
            assert name not in ("src", "href", "srcset", "action", "xlink:href") and not name.startswith("on"), attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words += data

    def handle_comment(self, data):
        raise AssertionError(data)


def history(*rows: dict) -> History:
    return History(rows, stopped="finished: 2 epochs")


ROWS = (
    {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "validation_loss": 3.0, "validation_accuracy": 0.25, "seconds": 9.0},
    {"epoch": 2, "loss": 1.0, "accuracy": 0.75, "validation_loss": 2.5, "validation_accuracy": 0.5, "seconds": 9.0},
)


def full(**changes) -> Result:
    found = {
        "title": "kind, predicted from flowers.csv",
        "heading": "8 rows",
        "verdict": "ready",
        "findings": [("note", "found this", "do that")],
        "cleaning": ["1 row was left out"],
        "history": history(*ROWS),
        "best": 2,
        "scores": [("accuracy", 0.875, 0.5)],
        "baseline": "always 'a'",
        "labels": ["a", "b"],
        "confusion": np.array([[3, 1], [0, 4]]),
        "settings": {"seed": 0},
    }
    return Result(**{**found, **changes})


def test_the_page_says_everything():
    reader = Reader(page(full()))
    for words in (
        "kind, predicted from flowers.csv", "8 rows", "ready", "found this", "do that", "1 row was left out", "0.875",
        "always 'a'", "finished: 2 epochs", "weights of epoch 2 were kept", "seed", "All 2 epochs",
    ):  # fmt: skip
        assert words in reader.words, words
    assert reader.tags.count("svg") == 2  # loss and accuracy, each with its validation
    assert "seconds" not in reader.words  # the same run gives the same page


def test_nothing_comes_from_outside():
    text = page(full())
    assert re.search(r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'", text)
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", text.replace("<!DOCTYPE html>", ""))
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("words", HOSTILE)
def test_strangers_words_are_text_wherever_they_stand(words):
    rows = [{"epoch": 1, "loss": 1.0, words: 0.5}, {"epoch": 2, "loss": 0.5, words: 0.6}]
    reader = Reader(
        page(
            Result(
                words, words, words, [(words, words, words)], [words], History(rows, stopped=words), 1,
                [(words, 1.0, 0.5)], words, [words, "b"], np.array([[1, 0], [0, 1]]), settings={words: words},
            )
        )
    )  # fmt: skip
    assert reader.words.count(visible(words)) >= 15
    Reader(page(full(confusion=None, observed=np.arange(3.0), predicted=np.arange(3.0), unit=words)))


@given(st.text())
def test_visible_keeps_letters_and_hides_controls(words):
    shown = visible(words)
    assert all(c.isprintable() or c in "\n\t\xa0" for c in shown)
    assert visible(shown) == shown
    if words.isprintable():
        assert shown == words


def test_confusion_is_shaded_by_the_share_of_the_true_class():
    text = page(full())
    cells = re.findall(r'<td class="(right|wrong)" style="--share:([\d.]+)%">(\d+)</td>', text)
    assert cells == [("right", "75.0", "3"), ("wrong", "25.0", "1"), ("wrong", "0.0", "0"), ("right", "100.0", "4")]


def test_a_class_without_test_rows_has_no_share():
    assert "--share:0.0%" in page(full(confusion=np.array([[3, 1], [0, 0]])))


def test_long_labels_are_clipped_and_told_in_full():
    text = page(full(labels=["x" * 100, "b"]))
    assert f">{'x' * 39}…</th>" in text
    assert f'title="{"x" * 100}"' in text


def points(text: str, kind: str) -> list[tuple[float, float]]:
    found = re.search(rf'<polyline class="{kind}" points="([^"]+)"', text)
    assert found
    return [tuple(map(float, pair.split(","))) for pair in found[1].split()]


def test_curves_go_where_the_numbers_go():
    (x1, y1), (x2, y2) = points(page(full()), "training")
    assert x1 < x2
    assert y1 < y2  # the loss falls, and SVG counts downwards
    (_, v1), (_, v2) = points(page(full()), "validation")
    # Loss 3 at the top to 1 at the bottom: distances are in proportion.
    assert (y2 - y1) / (v2 - v1) == pytest.approx((2 - 1) / (3 - 2.5), rel=0.01)


def test_numbers_that_are_not_finite_leave_gaps():
    losses = [1.0, 0.9, math.nan, math.inf, 0.5]
    text = page(full(history=history(*({"epoch": i + 1, "loss": a} for i, a in enumerate(losses))), best=None))
    assert len(points(text, "training")) == 2
    assert text.count('<circle class="training"') == 1  # the last one stands by itself
    assert "nan" in Reader(text).words  # in the table of all epochs


def test_a_single_epoch_is_a_dot():
    text = page(full(history=history({"epoch": 1, "loss": 1.0}), best=None))
    assert text.count('<circle class="training"') == 1


def test_no_epoch_and_no_number_give_no_picture():
    assert "<svg" not in page(full(history=History(stopped="interrupted")))
    assert "<svg" not in page(full(history=history({"epoch": 1, "loss": math.nan}), best=None))
    assert "interrupted" in page(full(history=History(stopped="interrupted")))
    assert "<svg" not in page(Result("t", "h", "ready"))


def test_predicted_and_observed():
    text = page(full(confusion=None, observed=np.array([1.0, 2.0]), predicted=np.array([2.0, 1.0]), unit="weight"))
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert len(dots) == 4  # two in each picture
    assert dots[0][0] < dots[1][0]
    assert dots[0][1] < dots[1][1]  # observed 1 was predicted as 2: higher up
    assert "observed weight" in text
    start, end = points(text, "equal")
    assert start[0] < end[0] and start[1] > end[1]


def test_many_rows_make_a_picture_of_bounded_size():
    x = np.random.default_rng(0).normal(size=20 * POINTS)
    text = page(full(confusion=None, observed=x, predicted=x, unit="y"))
    assert text.count('class="dot"') == 2 * POINTS
    assert f"({POINTS} of {20 * POINTS} rows)" in text
    rows = [{"epoch": i, "loss": 1 / i} for i in range(1, 5 * POINTS)]
    assert len(points(page(full(history=history(*rows), best=None)), "training")) == POINTS


def test_predictions_that_are_not_finite_are_not_drawn():
    text = page(full(confusion=None, observed=np.array([1.0, 2.0]), predicted=np.array([np.nan, 1.0])))
    assert text.count('class="dot"') == 2
    assert "<svg" not in predictions(np.array([1.0]), np.array([np.nan]), "y")


@given(
    st.floats(-1e30, 1e30),
    st.floats(-1e30, 1e30),
)
def test_ticks_are_few_round_and_inside(a, b):
    low, high = widened((min(a, b), max(a, b)))
    assert low < high
    found = ticks(low, high)
    assert len(found) <= 7
    room = 1e-9 * (abs(low) + abs(high))
    assert all(low - room <= tick <= high + room for tick in found)
    for before, after in itertools.pairwise(found):
        assert before < after
        if after - before > 1e-6 * abs(after):  # otherwise rounding shows in the difference
            assert f"{after - before:.3e}".partition("e")[0] in ("1.000", "2.000", "5.000")
