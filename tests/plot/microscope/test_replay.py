"""The replay: what it keeps, that it keeps out of the way, and its page in a real browser."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from autograd_nn import Value, data, losses, nn, optim, plot
from autograd_nn.plot.microscope import replay as module
from autograd_nn.training import Checkpoint, fit

CONTRAST = (Path(__file__).parents[2] / "visualize" / "explorer" / "contrast.js").read_text(encoding="utf-8")
STEP = "() => +document.querySelector('.time input').value"
LAST = "() => +document.querySelector('.time input').max"
SPOKEN = "() => document.querySelector('[aria-live]').textContent"
FACTS = """() => Object.fromEntries([...document.querySelectorAll('.side dl:not(.keys) dt')]
  .map(e => [e.textContent, e.nextSibling.textContent]))"""
EVERYTHING = """() => [...document.querySelectorAll('.main, .side, .count, .sr')].map(e => e.textContent).join('\\n')
  + [...document.querySelectorAll('.line')].map(e => e.getAttribute('class') + e.getAttribute('d')).join()"""


def shown(text: str) -> float:
    return float(text.strip("()‖ ").replace("−", "-"))


def rounding(x: float) -> float:
    """Half a unit of the last of the four digits that are shown."""
    return 1e-12 if x == 0 else 0.5001 * 10.0 ** (math.floor(math.log10(abs(x))) - 3)


def trained(replay, *, epochs: int = 3, model=None, **options):
    model = model or nn.MLP([1, 4, 1], activation="tanh", rng=0)
    x = np.linspace(-1, 1, 24, dtype="float32")[:, None]
    adam = optim.Adam(model.parameters(), learning_rate=0.02)
    fit(model, (x, x**2), "mse", adam, epochs=epochs, batch_size=8, progress=False, callbacks=replay, **options)
    return model, x


def same(a, b) -> bool:
    return (
        [(s.step, s.epoch) for s in a] == [(s.step, s.epoch) for s in b]
        and all(x.loss == y.loss or math.isnan(x.loss + y.loss) for x, y in zip(a, b, strict=True))
        and all(
            x.keys() == y.keys() and all(np.array_equal(x[path], y[path]) for path in x)
            for one, two in zip(a, b, strict=True)
            for x, y in ((one.weights, two.weights), (one.gradients, two.gradients))
        )
    )


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_weights_losses_and_gradients_belong_together():
    replay = plot.Replay()
    model, x = trained(replay, shuffle=False)
    assert [s.step for s in replay] == list(range(10))
    assert [s.epoch for s in replay] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    for i, step in enumerate(replay[:9]):
        rows = x[8 * (i % 3) : 8 * (i % 3) + 8]
        model.load_state_dict(step.weights)
        model.zero_grad()
        loss = losses.mse(model(rows), rows**2)
        loss.backward()
        assert step.loss == loss.item()
        for path, p in model.named_parameters():
            np.testing.assert_array_equal(step.gradients[path], p.grad, strict=True)
    assert math.isnan(replay[-1].loss)
    assert not replay[-1].gradients


def test_the_run_is_as_without_it():
    """Dropout and the mixing of rows draw the same numbers; buffers are not touched."""

    def model():
        return nn.Sequential(nn.Linear(1, 6, rng=0), nn.BatchNorm(6), nn.Dropout(0.3), nn.Linear(6, 1, rng=1))

    first, second = model(), model()
    trained(plot.Replay(), model=first)
    trained((), model=second)
    for path, array in first.state_dict().items():
        np.testing.assert_array_equal(array, second.state_dict()[path])
    assert all(np.array_equal(p.grad, q.grad) for p, q in zip(first.parameters(), second.parameters(), strict=True))


def test_memory_is_bounded():
    replay = plot.Replay(limit=10)
    trained(replay, epochs=400)
    assert 6 <= len(replay) <= 10
    steps = [s.step for s in replay]
    assert steps[0] == 0
    assert steps[-1] == 1200
    assert set(np.diff(steps[:-1])) == {np.diff(steps)[0]}  # evenly
    assert len(replay._losses) <= 1000
    assert len(replay._drawn) <= len(replay)
    assert max(step for step, _ in replay._losses) >= 1190


def test_many_losses_are_thinned(monkeypatch):
    monkeypatch.setattr(module, "MOST_LOSSES", 20)
    replay = plot.Replay()
    trained(replay, epochs=40, validation=(np.ones((2, 1), "float32"), np.ones((2, 1), "float32")))
    assert len(replay._losses) <= 20
    assert len(replay._validation) <= 20
    assert replay._losses[0][0] == 0


def test_of_large_models_fewer_steps_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 4 * 2 * 4 * 13)
    replay = plot.Replay()
    trained(replay, epochs=20)
    assert len(replay) <= 4
    assert replay[-1].step == 60


def test_every():
    replay = plot.Replay(every=4)
    trained(replay)
    assert [s.step for s in replay] == [0, 4, 8, 9]


def test_a_second_run_replaces_the_first():
    replay = plot.Replay()
    trained(replay)
    first = replay.html
    trained(replay, epochs=1)
    assert [s.step for s in replay] == [0, 1, 2, 3]
    assert replay.html != first


@pytest.mark.parametrize("when", [{"epochs": 1}, {"epochs": None, "steps": 5}], ids=["epoch", "step"])
def test_a_resumed_run_is_the_whole_run(tmp_path, when):
    """Interrupted after an epoch, or in the middle of one."""
    whole, path = plot.Replay(limit=12), tmp_path / "run.ckpt"
    trained(whole, epochs=8)
    half = plot.Replay(limit=12)
    trained(half, epochs=4, checkpoint=Checkpoint(str(path), **when))
    resumed = plot.Replay(limit=12)
    trained(resumed, epochs=8, resume=str(path))
    assert same(resumed, whole)
    assert resumed._losses == whole._losses
    assert resumed._drawn.keys() == whole._drawn.keys()
    assert resumed.html == whole.html


def test_a_loop_of_ones_own():
    x = np.linspace(-1, 1, 8)[:, None]
    model = nn.MLP([1, 3, 1], dtype=float, rng=0)
    sgd = optim.SGD(model.parameters(), 0.1)
    replay = plot.Replay(x, x**2, limit=6)
    seen = []
    for _ in range(40):
        sgd.zero_grad()
        loss = losses.mse(model(x), x**2)
        loss.backward()
        seen.append(loss.item())
        replay.record(model, loss)
        sgd.step()
    replay.record(model)
    assert len(replay) <= 6
    assert [s.loss for s in replay[:-1]] == [seen[s.step] for s in replay[:-1]]
    assert [loss for _, loss in replay._losses] == seen
    np.testing.assert_array_equal(replay[-1].weights["layers.0.weight"], model.layers[0].weight.data)
    assert set(replay._drawn) == {s.step for s in replay[:-1]}
    assert "kept" in str(replay)


def test_networks_of_single_numbers():
    model = nn.scalar.MLP(1, [2, 1], rng=0)
    replay = plot.Replay([0.0, 1.0], [0.0, 1.0])
    for _ in range(3):
        model.zero_grad()
        loss = (model([0.5]) - 1.0) ** 2
        loss.backward()
        replay.record(model, loss)
        optim.SGD(model.parameters(), 0.1).step()
    assert [set(s.gradients) == set(s.weights) for s in replay] == [True] * 3
    assert "<html" in replay.html


def test_large_graphs_are_left_out(monkeypatch):
    monkeypatch.setattr(module, "MOST_NODES", 3)
    replay = plot.Replay()
    trained(replay)
    assert not replay._drawn
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_WORK", 3)
    trained(replay)
    assert not replay._drawn
    monkeypatch.undo()
    trained(replay)
    assert len(replay._drawn) == 9
    without = plot.Replay(graphs=False)
    trained(without)
    assert not without._drawn


def test_compare():
    replay = plot.Replay()
    trained(replay)
    changes = {c.path: c for c in replay.compare(0, -1)}
    for path, before in replay[0].weights.items():
        difference = replay[-1].weights[path].astype(float) - before
        assert changes[path].change == pytest.approx(np.linalg.norm(difference))
        assert changes[path].largest == pytest.approx(difference[changes[path].place])
    assert all(c.change == 0 for c in replay.compare(3, 3))


def test_a_run_that_diverges():
    replay = plot.Replay()
    model, x = nn.MLP([1, 3, 1], rng=0), np.linspace(-1, 1, 8, dtype="float32")[:, None]
    sgd = optim.SGD(model.parameters(), 1e6)
    fit(model, (x, x**2), "mse", sgd, epochs=50, progress=False, callbacks=replay)
    assert all(np.isfinite(w).all() for s in replay for w in s.weights.values())
    assert "<html" in replay.html
    own = plot.Replay(x, x**2)
    with np.errstate(all="ignore"):
        for _ in range(4):
            model.zero_grad()
            loss = losses.mse(model(x), x**2)
            loss.backward()
            own.record(model, loss)
            for p in model.parameters():
                p.data = p.data * np.float32(np.nan)
    (packed,) = re.findall(r'id="ag-data">([A-Za-z0-9+/=]*)<', own.html)
    data = gzip.decompress(base64.b64decode(packed)).decode()
    assert json.loads(data, parse_constant=pytest.fail)  # JSON has no NaN
    assert own._repr_mimebundle_()["text/html"]


def test_errors():
    with pytest.raises(ValueError, match="Replay wanted X together with y"):
        plot.Replay(y=[1.0])
    with pytest.raises(ValueError, match=r"one or two features.*\(4, 3\)"):
        plot.Replay(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="each of the 4 rows"):
        plot.Replay(np.zeros(4), np.zeros(3))
    with pytest.raises(ValueError, match="limit wanted a whole number, at least 2"):
        plot.Replay(limit=1)
    with pytest.raises(ValueError, match="every wanted"):
        plot.Replay(every=0)
    with pytest.raises(TypeError, match="wanted a module"):
        plot.Replay().record(lambda x: x)
    for show in (lambda r: r.html, lambda r: r.save("a.html"), lambda r: r.to_html(), lambda r: r._mime_()):
        with pytest.raises(ValueError, match="nothing to show: pass it to fit"):
            show(plot.Replay())
    assert repr(plot.Replay()) == str(plot.Replay()) == "Replay(nothing recorded yet)"
    assert plot.Replay()._repr_mimebundle_() == {"text/plain": "Replay(nothing recorded yet)"}


def test_notebook_display(solved):
    replay = solved[3]
    bundle = replay._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/html"].index("<img ") < bundle["text/html"].index("<iframe ")
    assert replay._mime_()[0] == "text/html"
    assert replay.to_html() == replay.html
    assert repr(replay).startswith("Replay(33 steps, 0 to 500, loss 0.")
    assert str(replay).startswith("training of MLP: 33 steps kept, up to step 500\n  start, loss ")


def test_size(solved):
    assert len(solved[3].html.encode()) < 250_000


def test_without_rows_of_one_or_two_features():
    x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    replay = plot.Replay()
    fit(nn.MLP([5, 3, 1], rng=0), (x, x[:, :1]), "mse", epochs=2, progress=False, callbacks=replay)
    assert "<html" in replay.html
    assert replay._rows == []


# --- in a browser ---------------------------------------------------------------------------------------------------


def test_steps_and_keys(look, solved):
    replay = solved[3]
    page = look(replay)
    press = page.keyboard.press
    assert page.evaluate(LAST) == len(replay) - 1
    assert page.evaluate(STEP) == len(replay) - 2  # the last one with a loss
    for key, step in [("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 32)]:
        press(key)
        assert page.evaluate(STEP) == step, key
    press("Space")  # from the beginning again
    page.wait_for_function("() => +document.querySelector('.time input').value === 2")
    press("Space")
    assert page.locator(".play").text_content() == "Play"
    at = page.evaluate(STEP)
    press("t")
    assert page.locator("[role=tab][aria-selected=true]").text_content() == "Neurons"
    assert page.evaluate(STEP) == at
    press("t")
    press("m")
    assert "compared with itself" in page.locator(".side").text_content()
    press("ArrowRight")
    assert "what changed since" in page.locator(".side").text_content()


def test_numbers_are_those_that_were_kept(look, solved):
    replay = solved[3]
    page = look(replay)
    for i in (0, 7, 20):
        page.keyboard.press("Home")
        for _ in range(i):
            page.keyboard.press("ArrowRight")
        step, facts = replay[i], page.evaluate(FACTS)
        assert abs(shown(facts["loss"]) - step.loss) <= rounding(step.loss)
        for key, arrays in (("‖gradient‖", step.gradients), ("‖weights‖", step.weights)):
            norm = math.sqrt(sum(float(np.sum(np.square(a))) for a in arrays.values()))
            assert abs(shown(facts[key]) - norm) <= rounding(norm) + 1e-6 * norm
        first = page.locator(".parameter").first.text_content()
        ratio = np.linalg.norm(step.gradients["layers.0.weight"]) / np.linalg.norm(step.weights["layers.0.weight"])
        assert abs(shown(first.rpartition("weight ")[2]) - ratio) <= rounding(ratio) + 1e-3 * ratio


def test_neurons_at_a_step_are_those_of_the_engine(look, solved):
    model, square, _, replay = solved
    page = look(replay)
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("t")
    before = model.state_dict()
    model.load_state_dict(replay[5].weights)
    output = model(np.array([[0.5, 0.5]])).item()
    model.load_state_dict(before)
    assert square.mean(axis=0).tolist() == [0.5, 0.5]  # where it is looked at first
    last = page.locator(".sums tbody tr").last.locator("td").last.text_content()
    assert abs(shown(last) - output) <= rounding(output) + 1e-5


def test_two_steps_compared(look, solved):
    replay = solved[3]
    page = look(replay)
    page.keyboard.press("Home")
    page.get_by_text("Compare with this step").click()
    page.keyboard.press("End")
    assert page.locator(".plane").count() == 2
    rows = page.evaluate(
        "() => [...document.querySelectorAll('.side .sums tbody tr')].map(r => [...r.children].map(e => e.textContent))"
    )
    changes = {c.path: c for c in replay.compare(0, -1)}
    assert {row[0] for row in rows} == set(changes)
    for name, change, _ in rows:
        assert abs(shown(change) - changes[name].change) <= rounding(changes[name].change) * 1.01
    page.get_by_text("End comparison").click()
    assert page.locator(".panel:not([hidden]) .plane").count() == 1


def test_the_graph_of_a_step_opens_in_the_explorer(look, solved):
    replay = solved[3]
    page = look(replay)
    page.keyboard.press("Home")
    page.get_by_text("Explore its graph").click()
    frame = page.frame_locator(".overlay iframe")
    frame.locator("[data-ready='1']").wait_for(state="attached")
    assert frame.locator("h1").text_content() == "loss at start"
    assert frame.locator(".node", has_text="loss").count() >= 1
    page.locator(".overlay iframe[data-ready='1']").wait_for(state="attached")
    page.get_by_text("Close (Esc)").click()
    assert page.locator(".overlay").count() == 0
    page.keyboard.press("g")
    page.frame_locator(".overlay iframe").locator("[data-ready='1']").wait_for(state="attached")
    page.get_by_text("Close (Esc)").focus()
    page.keyboard.press("Escape")
    assert page.locator(".overlay").count() == 0
    page.keyboard.press("ArrowRight")
    assert page.evaluate(STEP) == 1
    page.keyboard.press("End")
    assert page.get_by_text("Explore its graph").count() == 0  # no loss was computed with the last weights


def test_back_is_the_way_forth(look, solved):
    page = look(solved[3])
    page.keyboard.press("Home")
    seen = [page.evaluate(EVERYTHING)]
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        seen.append(page.evaluate(EVERYTHING))
    assert len(set(seen)) == 7
    for before in reversed(seen[:-1]):
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(EVERYTHING) == before


def test_what_is_wrong_is_said(look):
    model = nn.MLP([1, 2, 1], rng=0)
    replay = plot.Replay([0.0, 1.0], [0.0, 1.0])
    replay.record(model, Value(1.0))
    model.layers[0].weight.data = np.array([[np.nan, 1.0]], "float32")
    replay.record(model, math.inf)
    page = look(replay)
    page.keyboard.press("End")
    assert "layers.0.weight: NaN" in page.locator(".side").text_content()
    assert page.locator(".parameter.bad").count() == 1
    assert "loss" in page.evaluate(SPOKEN)


def test_names_are_text(look):
    class Hostile(nn.Module):
        def __init__(self):
            self.parts = {
                "</script><img src=x onerror=alert(1)>": nn.Linear(2, 3, rng=0),
                "\u202eevil": nn.Linear(3, 2, rng=1),
            }

        def forward(self, x):
            for part in self.parts.values():
                x = part(x)
            return x

    x, y = data.moons(12, rng=0)
    replay = plot.Replay(x, np.where(y, "</script><img src=x>", "\u202eno"), title="</script><b>")
    fit(Hostile(), (x, y), "cross_entropy", epochs=2, progress=False, callbacks=replay)
    page = look(replay)
    page.keyboard.press("m")
    page.keyboard.press("Home")
    page.keyboard.press("g")
    page.frame_locator(".overlay iframe").locator("[data-ready='1']").wait_for(state="attached")
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()
    assert "</script><img" in page.locator(".params").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_axe_finds_nothing(look, need, solved, scheme):
    axe = need("axe_playwright_python.sync_playwright", "no axe: pip install axe-playwright-python")
    one = plot.Replay()
    trained(one)
    for shown_page in (solved[3], one):
        page = look(shown_page, scheme=scheme)
        for key in ("Home", "m", "End", "t"):
            page.keyboard.press(key)
            assert page.evaluate(CONTRAST) == []
        page.evaluate("() => document.querySelector('meta[http-equiv]').remove()")
        for key in ("t", "t"):
            page.keyboard.press(key)
            found = axe.Axe().run(page).response["violations"]
            assert not [(v["id"], [n["html"] for n in v["nodes"]][:2]) for v in found]


@pytest.mark.parametrize("width", [390, 320])
def test_narrow_screens(look, solved, width):
    page = look(solved[3], width=width, height=760)
    for key in ("m", "Home", "t"):
        page.keyboard.press(key)
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= width
        assert page.evaluate("() => document.querySelector('.main').scrollWidth <= innerWidth")
        found = page.evaluate(
            "() => [...document.querySelectorAll('.bar button, .time input, .side, .figure svg')]"
            ".filter(e => e.checkVisibility())"
            ".map(e => { const r = e.getBoundingClientRect(); return [r.left, r.right, r.width, r.height] })"
        )
        assert all(left >= 0 and right <= width + 0.5 and min(w, h) >= 20 for left, right, w, h in found), found


def test_losses_are_chosen_with_the_mouse(look, solved):
    page = look(solved[3])
    page.keyboard.press("Home")
    box = page.locator(".cursor").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.7, box["y"] + 100)
    assert 5 < page.evaluate(STEP) < 32
