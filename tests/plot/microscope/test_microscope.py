"""The microscope: what it says in Python, and the page in a real browser."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from autograd_nn import data, nn, plot
from autograd_nn.visualize.text import number as digits

CONTRAST = (Path(__file__).parents[2] / "visualize" / "explorer" / "contrast.js").read_text(encoding="utf-8")
EVERYTHING = """() => [...document.querySelectorAll('.main, .side, .count, .sr')].map(e => e.textContent).join('\\n')
  + [...document.querySelectorAll('.neuron')].map(e => e.className + e.getAttribute('aria-pressed')).join()
  + [...document.querySelectorAll('.line, .band')].map(e => e.getAttribute('class') + e.getAttribute('d')).join()"""
SPOKEN = "() => document.querySelector('[aria-live]').textContent"
STEP = "() => +document.querySelector('.time input').value"
LAST = "() => +document.querySelector('.time input').max"
EQUATIONS = "() => [...document.querySelectorAll('.eq .num')].map(e => e.textContent)"
ROWS = "() => [...document.querySelectorAll('.sums tbody tr')].map(r => [...r.children].map(e => e.textContent))"

HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "a|b{<&\"'`${alert(1)}", "two\nlines", "x" * 10_000,
    "\u202eevil\u202c שלום", "\x00\ud800", "__proto__", "constructor",
)  # fmt: skip


def shown(text: str) -> float:
    return float(text.strip("() ").replace("−", "-"))


def rounding(x: float) -> float:
    """Half a unit of the last of the four digits that are shown."""
    return 1e-12 if x == 0 else 0.5001 * 10.0 ** (math.floor(math.log10(abs(x))) - 3)


def probe(page, value: float, feature: int = 0) -> None:
    page.evaluate(
        "([i, v]) => { const e = document.querySelectorAll('.levers input')[i]; e.step = 'any'; e.value = v;"
        " e.dispatchEvent(new Event('input')) }",
        [feature, value],
    )


# --- in Python ------------------------------------------------------------------------------------------------------


def test_outline(dose):
    model, x, y = dose
    page = plot.Microscope(model, x, y)
    first, output, *neurons = str(page).splitlines()
    assert first == "microscope of MLP: 1 feature, 2 neurons, 1 output"
    weights = [digits(v, 4) for v in (*model.layers[1].weight.data[:, 0], *model.layers[1].bias.data)]
    assert output == f"output = {weights[0]} × neuron 0 + {weights[1]} × neuron 1 + {weights[2]}"
    assert len(neurons) == 2
    assert repr(page) == f"Microscope({first})"


def test_outline_of_other_networks():
    deep = plot.Microscope(nn.MLP([2, 3, 4, 2], rng=0), np.zeros((3, 2)) + np.arange(3.0)[:, None], output=1)
    assert str(deep).splitlines()[0] == "microscope of MLP: 2 features, 3 + 4 neurons, 2 outputs"
    assert str(deep).splitlines()[1].startswith("output 1 = ")
    plain = plot.Microscope(nn.Linear(1, 1, rng=0), [0.0, 1.0])
    assert "no hidden" in str(plain)
    assert " × x + 0" in str(plain)


def test_title_and_saving(dose, tmp_path):
    page = plot.Microscope(dose[0], dose[1], title="my <dose>")
    assert page.title == "my <dose>"
    assert page.save(tmp_path / "a.html").read_text(encoding="utf-8") == page.html
    assert "<title>my &lt;dose&gt;</title>" in page.html
    with pytest.raises(ValueError, match=r"Microscope.save wanted a name that ends in .html, got 'a.png'"):
        page.save(tmp_path / "a.png")


def test_the_same_network_gives_the_same_page(dose):
    assert plot.Microscope(*dose).html == plot.Microscope(*dose).html


def test_the_model_is_as_before(dose):
    model, x, y = dose
    before = {path: p.data.copy() for path, p in model.named_parameters()}
    assert plot.Microscope(model, x, y)._repr_mimebundle_()
    assert all(np.array_equal(before[path], p.data) and p.grad is not None for path, p in model.named_parameters())


def test_errors(dose):
    model, x, y = dose
    with pytest.raises(ValueError, match="one of the 1 outputs, 0 to 0, got 1"):
        plot.Microscope(model, x, y, output=1)
    with pytest.raises(ValueError, match="one or two features"):
        plot.Microscope(nn.MLP([3, 2, 1]), np.zeros((4, 3)))
    spoilt = nn.MLP([1, 2, 1], rng=0)
    spoilt.layers[1].weight.data = np.array([[1.0], [np.nan]])
    with pytest.raises(ValueError, match="finite weights, those of layer 2 hold NaN"):
        plot.Microscope(spoilt, x, y)


def test_notebook_display(dose, solved):
    for page in (plot.Microscope(*dose, height=400), plot.Microscope(*solved[:3])):
        bundle = page._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html", "image/png"}
        assert 'src="data:image/png;base64,iVBORw0KGgo' in bundle["text/html"]
        assert bundle["text/html"].index("<img ") < bundle["text/html"].index("<iframe ")
        assert "allow-same-origin" not in bundle["text/html"]
        kind, frame = page._mime_()
        assert (kind, "<img" in frame, "<iframe" in frame) == ("text/html", False, True)
    assert "height:400px" in plot.Microscope(*dose, height=400)._repr_mimebundle_()["text/html"]


def test_notebook_display_without_matplotlib(dose, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    bundle = plot.Microscope(*dose)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "<pre" in bundle["text/html"]


def test_size(dose, solved):
    assert len(plot.Microscope(*dose).html.encode()) < 75_000
    assert len(plot.Microscope(*solved[:3]).html.encode()) < 75_000
    x = np.random.default_rng(0).normal(size=(5000, 2))
    largest = plot.Microscope(nn.MLP([2, 120, 120, 30, 3], dtype=float, rng=0), x, x[:, 0])
    assert len(largest.html.encode()) < 350_000


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.0, 0.5, 1.0, 0.2345])
def test_numbers_agree_with_the_engine(look, dose, x):
    model, inputs, targets = dose
    page = look(plot.Microscope(model, inputs, targets))
    probe(page, x)
    parts = plot.neuron_curves(model, np.array([[x]]))
    output = model(np.array([[x]])).item()
    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == ["neuron 0", "neuron 1", "bias"]
    total = 0.0
    for (_, adds, so_far), wanted in zip(rows, [*parts.curves[0], parts.bias], strict=True):
        total += wanted
        assert abs(shown(adds) - wanted) <= rounding(wanted)
        assert abs(shown(so_far) - total) <= rounding(total)
    assert abs(shown(rows[-1][2]) - output) <= rounding(output)
    for k in (1, 2):
        page.keyboard.press("Home")
        for _ in range(k):
            page.keyboard.press("ArrowRight")
        (w, b) = model.layers[0].weight.data[0, k - 1], model.layers[0].bias.data[k - 1]
        z = w * x + b
        line, function, product, so_far = page.evaluate(EQUATIONS)
        assert line.startswith("w·x + b = ")
        assert abs(shown(line.rpartition(" = ")[2]) - z) <= rounding(z)
        a = np.logaddexp(0.0, z)
        assert function.startswith("softplus(")
        assert abs(shown(function.rpartition(" = ")[2]) - a) <= rounding(a)
        assert abs(shown(product.rpartition(" = ")[2]) - parts.curves[0, k - 1]) <= rounding(parts.curves[0, k - 1])
        assert so_far.startswith("sum: ")
        left, right = product.rpartition(" = ")[0].split(" × ")
        limit = abs(shown(left)) * rounding(shown(right)) + abs(shown(right)) * rounding(shown(left))
        assert abs(shown(left) * shown(right) - parts.curves[0, k - 1]) <= limit + rounding(parts.curves[0, k - 1])


def test_xor_of_two_features(look, solved):
    model, square, label, _ = solved
    page = look(plot.Microscope(model, square, label))
    assert page.locator(".plane canvas").count() == 1
    assert page.locator(".neuron").count() == 4
    assert page.locator(".point").count() == 4 + 2  # and the legend
    for row, wanted in zip(square, label, strict=True):
        for i in (0, 1):
            probe(page, float(row[i]), i)
        output = model(row[None]).item()
        assert abs(shown(page.evaluate(ROWS)[-1][2]) - output) <= rounding(output)
        assert (output > 0) == bool(wanted)


def test_deep_networks_can_be_looked_into(look):
    rng = np.random.default_rng(1)
    model = nn.MLP([1, 3, 2, 1], activation="tanh", dtype=float, rng=1)
    page = look(plot.Microscope(model, rng.normal(size=(9, 1))))
    probe(page, 0.25)
    h1 = np.tanh(model.layers[0](np.array([[0.25]])).data)
    z2 = model.layers[1](h1).data[0]
    page.select_option("select", label="layer 2, neuron 1")
    rows = page.evaluate(ROWS)
    assert [row[0] for row in rows] == ["neuron 0", "neuron 1", "neuron 2", "bias", "tanh"]
    assert abs(shown(rows[3][2]) - z2[1]) <= rounding(z2[1])
    assert abs(shown(rows[4][2]) - np.tanh(z2[1])) <= rounding(np.tanh(z2[1]))
    page.locator(".neuron").nth(2).click()
    page.get_by_text("look inside layer 1, neuron 2").click()
    assert page.evaluate(ROWS)[0][0] == "x"
    assert page.locator("select option:checked").text_content() == "layer 1, neuron 2"
    page.keyboard.press("o")
    assert page.locator("select option:checked").text_content() == "output"


def test_steps_and_keys(look, dose):
    page = look(plot.Microscope(*dose))
    press = page.keyboard.press
    assert page.evaluate(STEP) == page.evaluate(LAST) == 3  # two neurons and the bias: complete at first
    for key, step in [("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), (".", 2), (",", 1)]:
        press(key)
        assert page.evaluate(STEP) == step, key
    press("Space")
    assert page.locator(".play").text_content() == "Pause"
    page.wait_for_function("() => +document.querySelector('.time input').value === 2")
    press("Space")
    press("End")
    assert page.evaluate(STEP) == 3
    before = page.evaluate("() => document.documentElement.dataset.theme")
    press("d")
    assert page.evaluate("() => document.documentElement.dataset.theme") != before
    page.locator(".neuron").first.click()
    assert page.evaluate(STEP) == 1
    assert page.locator(".neuron").first.evaluate("e => e === document.activeElement")  # focus is kept
    page.locator(".levers input").focus()
    at = page.evaluate(STEP)
    press("ArrowRight")  # moves the slider that has the focus
    assert page.evaluate(STEP) == at


def test_the_mouse_reads_out(look, dose):
    page = look(plot.Microscope(*dose))
    box = page.locator(".chart1").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 100)
    first = page.locator(".side p.mute").first.text_content()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    assert page.locator(".side p.mute").first.text_content() != first
    assert re.match(r"at x = ", first)


def test_back_is_the_way_forth(look, dose, solved):
    for page in (look(plot.Microscope(*dose)), look(plot.Microscope(*solved[:3]))):
        page.keyboard.press("Home")
        seen = [page.evaluate(EVERYTHING)]
        for _ in range(page.evaluate(LAST)):
            page.keyboard.press("ArrowRight")
            seen.append(page.evaluate(EVERYTHING))
        assert len(set(seen)) == len(seen)
        for before in reversed(seen[:-1]):
            page.keyboard.press("ArrowLeft")
            assert page.evaluate(EVERYTHING) == before


def test_every_step_is_spoken(look, dose):
    page = look(plot.Microscope(*dose))
    page.keyboard.press("Home")
    spoken = [page.evaluate(SPOKEN)]
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        spoken.append(page.evaluate(SPOKEN))
    assert spoken[0].startswith("Start: nothing is added yet. output adds up 2 neurons")
    assert spoken[1].startswith("neuron 0 at x = 0.5: ")
    assert "the sum is now" in spoken[2]
    assert spoken[3].startswith("The bias 2.017 is added: ")
    assert len(set(spoken)) == 4


def test_names_are_text(look):
    pd = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(8, 2))
    for a, b in zip(HOSTILE[::2], HOSTILE[1::2], strict=True):
        names = [n.encode("utf-8", "replace").decode() for n in (a, b)]
        frame = pd.DataFrame(x, columns=names)
        model = nn.SoftmaxClassifier([2, 2, 2], rng=0)
        page = look(plot.Microscope(model, frame, np.tile(names, 4), title=a))
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        assert page.locator("img").count() == 0
        text = page.locator("body").inner_text()
        assert "\u202e" not in text
        assert "x" * 200 not in text
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_axe_finds_nothing(look, need, dose, solved, scheme):
    axe = need("axe_playwright_python.sync_playwright", "no axe: pip install axe-playwright-python")
    for shown_page in (plot.Microscope(*dose), plot.Microscope(*solved[:3])):
        page = look(shown_page, scheme=scheme)
        for key in ("End", "ArrowLeft", "Home"):
            page.keyboard.press(key)
            assert page.evaluate(CONTRAST) == []
        page.evaluate("() => document.querySelector('meta[http-equiv]').remove()")
        found = axe.Axe().run(page).response["violations"]
        assert not [(v["id"], [n["html"] for n in v["nodes"]][:2]) for v in found]


@pytest.mark.parametrize("width", [390, 320])
def test_narrow_screens(look, dose, solved, width):
    for shown_page in (plot.Microscope(*dose), plot.Microscope(*solved[:3])):
        page = look(shown_page, width=width, height=760)
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= width
        assert page.evaluate("() => document.querySelector('.main').scrollWidth <= innerWidth")
        found = page.evaluate(
            "() => [...document.querySelectorAll('.bar button, .time input, .side, .figure svg, select')]"
            ".map(e => { const r = e.getBoundingClientRect(); return [r.left, r.right, r.width, r.height] })"
        )
        assert all(left >= 0 and right <= width + 0.5 and min(w, h) >= 20 for left, right, w, h in found), found


def test_reduced_motion_and_the_theme_around(look, open_file, dose, tmp_path):
    page = look(plot.Microscope(*dose))
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("() => document.getAnimations().length") == 0
    html = plot.Microscope(*dose)._repr_mimebundle_()["text/html"]
    text = f'<!doctype html><meta charset=utf-8><body data-jp-theme-light="false">{html}'
    (tmp_path / "lab.html").write_text(text, encoding="utf-8")
    around = open_file(tmp_path / "lab.html")
    around.frame_locator("iframe").locator("html[data-theme=dark]").wait_for(state="attached", timeout=2000)


def test_two_moons(look):
    """Sixteen sigmoid neurons, two outputs: each can be looked at."""
    x, y = data.moons(60, rng=0)
    page = look(plot.Microscope(nn.SoftmaxClassifier([2, 16, 2], activation="sigmoid", rng=0), x, y))
    assert page.locator("select option:checked").text_content() == "output 0"
    page.select_option("select", label="output 1")
    assert page.locator(".neuron").count() == 16
    assert page.locator(".caption").text_content().startswith("output 1: all contributions and the bias")
