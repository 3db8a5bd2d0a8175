"""Films: a frame for each snapshot, 40 at most, in files that Pillow reads, and a page that asks for nothing."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from autograd_nn import data, nn, optim, plot
from autograd_nn.training import fit

X, Y = data.moons(40, rng=0)
MODELS = [nn.MLP([2, 4, 1], rng=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def film():
    return plot.animate_training(MODELS, X, Y, resolution=10)


def frames_of(file):
    with Image.open(file) as image:
        return image.n_frames, image.size, image.info


def test_one_frame_for_each_snapshot(film):
    assert len(film.frames) == 3 and film.labels == ["snapshot 0", "snapshot 1", "snapshot 2"]
    assert all(frame.dtype == np.uint8 and frame.shape == (336, 416, 3) for frame in film.frames)
    assert not np.array_equal(film.frames[0], film.frames[1])


def test_forty_frames_at_most_the_first_and_the_last_among_them():
    shots = [(MODELS[0], f"epoch {i}") for i in range(101)]
    film = plot.animate_training(shots, X, Y, resolution=4)
    assert len(film.frames) == 40
    assert film.labels[0] == "epoch 0" and film.labels[-1] == "epoch 100"


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_files(film, suffix, tmp_path):
    path = film.save(tmp_path / f"film{suffix}")
    count, size, info = frames_of(path)
    assert (count, size) == (3, (416, 336))
    assert info["loop"] == 0


def test_a_gif_shows_nearly_the_colors_of_the_frames(film):
    with Image.open(io.BytesIO(film.encoded("GIF"))) as image:
        image.seek(1)
        shown = np.asarray(image.convert("RGB"), int)
    assert np.abs(shown - film.frames[1]).mean() < 4


def test_a_page_asks_for_nothing_and_names_each_frame(tmp_path):
    hostile = "</script><img src=x onerror=alert(1)>"
    film = plot.animate_training([(MODELS[0], hostile), (MODELS[1], "epoch 2")], X, Y, resolution=4)
    page = film.save(tmp_path / "film.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[^\"]+", "", page))
    assert hostile not in page and "&lt;img src=x" in page
    assert page.count("data:image/png;base64,") == 2 and 'type="range"' in page


def test_in_a_notebook_it_moves_unless_that_is_not_wanted(film):
    shown = film._repr_html_()
    assert "<script" not in shown
    assert 'media="(prefers-reduced-motion: reduce)"' in shown
    assert 'alt="decision boundary during training, 3 frames, the last one: snapshot 2"' in shown
    assert shown.count("data:image/gif;base64,") == 1


def test_snapshots_of_a_run():
    snapshots = plot.Snapshots()
    model = nn.SoftmaxClassifier([2, 4, 2], rng=0)
    before = model.state_dict()
    run = fit(model, (X, Y), "cross_entropy", optim.SGD(model.parameters(), 0.1), epochs=3, callbacks=snapshots,
              progress=False)  # fmt: skip
    assert [label for _, label in snapshots] == ["start", *(f"epoch {r['epoch']}, loss {r['loss']:.3g}" for r in run)]
    for state, (first, last) in {"layers.0.weight": (snapshots[0].model, snapshots[-1].model)}.items():
        np.testing.assert_array_equal(first.state_dict()[state], before[state])
        np.testing.assert_array_equal(last.state_dict()[state], model.state_dict()[state])
    film = plot.animate_training(snapshots, X, Y, labels=["upper", "lower"], resolution=4)
    assert film.labels == [label for _, label in snapshots]


def test_snapshots_stay_few():
    snapshots = plot.Snapshots(limit=8)
    model = nn.SoftmaxClassifier([2, 2], rng=0)
    fit(model, (X, Y), "cross_entropy", epochs=50, callbacks=snapshots, progress=False)
    assert 4 <= len(snapshots) <= 8
    assert [label.partition(",")[0] for _, label in snapshots[:3]] == ["start", "epoch 8", "epoch 16"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.animate_training([], X, Y), ValueError, "was Snapshots a callback of fit"),
        (lambda: plot.animate_training(MODELS[0], X, Y), TypeError, r"s = plot.Snapshots\(\)"),
        (lambda: plot.animate_training(MODELS, X[:, :1], Y), ValueError, r"X of shape \(rows, 2\)"),
        (lambda: plot.animate_training(MODELS, X, Y, seconds=0), ValueError, "seconds wanted"),
        (lambda: plot.Snapshots(0), ValueError, "every wanted"),
        (lambda: plot.Snapshots(limit=1), ValueError, "limit wanted"),
    ],
)
def test_errors_say_what_was_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_other_names_of_files_are_refused(film, tmp_path):
    with pytest.raises(ValueError, match=r"saved as .gif, .png, .html, got 'film.avi'"):
        film.save(tmp_path / "film.avi")
