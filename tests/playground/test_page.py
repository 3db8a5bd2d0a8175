"""The page in a real browser: with the mouse, with the keyboard alone, on a phone, in the dark, with bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from autograd_nn.playground.problem import Table

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


def address(**settings):
    return "#" + urlencode({name: json.dumps(value) for name, value in settings.items()})


def steps(page):
    return int(page.inner_text("#steps").replace(",", ""))


def until(page, condition):
    """Wait until a condition holds. (`wait_for_function` evaluates a text, which the page's policy forbids.)"""
    deadline = time.monotonic() + 40
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, (condition, page.inner_text("#steps"), page.inner_text("#alert"))
        page.wait_for_timeout(25)


def settled(page, action, *arguments):
    """Do something that begins anew, and wait until it has."""
    page.evaluate("document.querySelector('#live').textContent = ''")
    action(*arguments)
    until(page, "document.querySelector('#live').textContent !== ''")


def test_play_pause_step_epoch_reset(visit):
    page = visit()
    assert steps(page) == 0 and page.title() == "Playground – autograd_nn"
    page.click("#step")
    until(page, "document.querySelector('#steps').textContent === '1'")
    page.click("#epoch")
    until(page, "document.querySelector('#steps').textContent === '10'")
    assert page.inner_text("#epochs") == "1"
    page.click("#play")
    until(page, "document.querySelector('#play').ariaLabel === 'Pause'")
    until(page, "+document.querySelector('#steps').textContent > 40")
    page.click("#play")
    until(page, "document.querySelector('#play').ariaLabel === 'Play'")
    rested = steps(page)
    assert "Paused after" in page.inner_text("#live")
    page.wait_for_timeout(200)
    assert steps(page) == rested
    settled(page, page.click, "#reset")
    assert steps(page) == 0


def test_the_program_of_the_page_gives_the_numbers_of_the_page(visit, tmp_path):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    settled(page, page.click, ".tile:has(input[value=circles])")
    page.select_option("#speed", "max")
    page.click("#play")
    until(page, "+document.querySelector('#steps').textContent.replace(',', '') > 50")
    page.fill("#learning_rate", "0.1")
    page.press("#learning_rate", "Enter")
    until(page, "document.querySelector('#live').textContent.includes('Learning rate 0.1')")
    page.click("#play")
    until(page, "document.querySelector('#play').ariaLabel === 'Play'")
    page.keyboard.press("c")
    page.wait_for_selector("#code[open]")
    page.click("#copy")
    until(page, "document.querySelector('#copy').textContent === 'Copied'")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "def rate(step)" in text and text == page.inner_text("#program")
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    printed = [line.rsplit(" ", 1)[1] for line in done.stdout.splitlines() if " loss " in line]
    assert printed == json.loads(page.get_attribute("#losses", "data-exact"))


def test_settings_make_the_network(visit):
    page = visit()
    assert page.locator(".node").count() == 7 + 4 + 2 + 1
    settled(page, page.click, "#more")
    settled(page, page.click, "[aria-label='Add a neuron to hidden layer 3']")
    assert page.inner_text("#layers") == "3 hidden layers"
    assert page.locator(".node").count() == 7 + 4 + 2 + 3 + 1
    assert page.evaluate("document.activeElement.ariaLabel") == "Add a neuron to hidden layer 3"  # where it was
    assert page.locator(".link").count() == 2 * 4 + 4 * 2 + 2 * 3 + 3 + 2  # two are in the legend
    settled(page, page.click, "[aria-label='Input x₁x₂']")
    assert page.get_attribute("[aria-label='Input x₁x₂']", "aria-pressed") == "true"
    for name, value in {"activation": "relu", "init": "standard_normal", "optimizer": "sgd", "loss": "hinge"}.items():
        settled(page, page.select_option, f"#{name}", value)
        assert page.input_value(f"#{name}") == value
    settled(page, page.click, "#dice")
    page.reload()  # the address holds the settings
    page.wait_for_selector("html[data-ready='1']", state="attached")
    assert page.input_value("#activation") == "relu" and page.input_value("#seed") == "1"
    assert page.inner_text("#layers") == "3 hidden layers"


def test_numbers_of_what_is_pointed_at(visit):
    page = visit()
    page.click("#step")
    until(page, "document.querySelector('#steps').textContent === '1'")
    page.hover("[aria-label='Neuron 1 of hidden layer 2']")
    text = page.inner_text("#inspector")
    assert text.startswith("Neuron 1 of hidden layer 2\n\ntanh(") and "gradient" in text and "bias" in text
    page.evaluate("document.querySelector('.hit').dispatchEvent(new MouseEvent('mouseenter'))")
    assert page.inner_text("#inspector").startswith("x₁ → neuron 1\n") and "∂loss" in page.inner_text("#inspector")
    page.hover("#boundary", position={"x": 30, "y": 30})
    assert page.inner_text("#probe").startswith("x₁ ") and "%" in page.inner_text("#probe")
    page.check("input[value=gradient]", force=True)
    assert "a gradient of size" in page.inner_text("#key")
    assert page.locator(".link.minus").count() > 1 and page.locator(".link.plus").count() > 1


def test_with_the_keyboard_alone(visit):
    page = visit()
    page.keyboard.press("Space")
    until(page, "+document.querySelector('#steps').textContent > 5")
    page.keyboard.press("p")
    until(page, "document.querySelector('#play').ariaLabel === 'Play'")
    at = steps(page)
    page.keyboard.press("s")
    until(page, f"document.querySelector('#steps').textContent === '{at + 1}'")
    page.keyboard.press("e")
    until(page, f"document.querySelector('#steps').textContent === '{(at // 10 + 1) * 10 + 10 * ((at + 1) % 10 == 0)}'")
    page.keyboard.press("g")
    assert page.is_checked("input[value=gradient]")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    seen = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate("(e => e.id || e.className || e.name || e.tagName)(document.activeElement)")
        seen.add(found.split()[0])
    wanted = "reset play step epoch speed python explore theme keys end activation init loss optimizer learning_rate"
    wanted += " batch_size weight_decay noise points test seed dice fewer more node show-test log inspector"
    assert not set(wanted.split()) - seen
    page.focus(".node[tabindex='0']")
    assert page.evaluate("document.activeElement.ariaLabel") == "Input x₁"
    for key, label in {
        "ArrowDown": "Input x₂",
        "ArrowRight": "Neuron 1 of hidden layer 1",
        "End": "Output class 1",
        "ArrowLeft": "Neuron 1 of hidden layer 2",
        "Home": "Input x₁",
    }.items():
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.ariaLabel") in (
            label,
            label.replace("1 of hidden layer 2", "2 of hidden layer 2"),
        )
        assert page.inner_text("#inspector h3") in page.evaluate("document.activeElement.ariaLabel")
    page.focus("#seed")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("s")  # in a field a letter is a letter
    page.wait_for_timeout(100)
    assert steps(page) == 0 or page.input_value("#seed") == "1"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.uncheck("#shortcuts")
    page.keyboard.press("Escape")
    before = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == before  # they can be switched off


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_and_contrast(visit, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    page = visit(scheme=scheme, bypass_csp=True, hash=address(learning_rate=1e9, optimizer="sgd"))
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    for state in ("run", "code", "help"):
        if state == "run":
            page.click("#step")
            until(page, "document.querySelector('#steps').textContent === '1'")
            page.focus(".node[tabindex='0']")
        else:
            page.keyboard.press("Escape")
            page.click({"code": "#python", "help": "#keys"}[state])
            page.wait_for_selector(f"#{state}[open]")
        found = axe.Axe().run(page).response["violations"]
        assert not [(v["id"], v["impact"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found]
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("hash", ["", address(hidden=[8] * 6, data="spirals3"), address(data="sines")])
def test_a_phone(visit, hash):
    page = visit(width=390, height=844, hash=hash)
    page.click("#play")
    until(page, "+document.querySelector('#steps').textContent > 5")
    page.click("#play")
    page.click("#data-details summary")
    page.click("#settings-details summary")
    assert page.is_visible("#noise") and page.is_visible("#optimizer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = """() => [...document.querySelectorAll('button, select, input, summary, a.button')]
        .filter(e => e.getClientRects().length)
        .map(e => [e.id || e.ariaLabel || e.className, (e.closest('label') ?? e).getBoundingClientRect()])
        .filter(([, r]) => Math.min(r.width, r.height) < 23.5).map(([name, r]) => [name, r.width, r.height])"""
    assert page.evaluate(small) == []


def test_reduced_motion(visit):
    page = visit()
    page.click("#play")
    until(page, "+document.querySelector('#steps').textContent > 5")
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")


def test_a_file(visit, tmp_path, flowers):
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    path.write_text(flowers, encoding="utf-8")
    page = visit()
    page.click(".tile:has(input[value=csv])")
    assert page.is_visible("text=Choose a CSV file")
    settled(page, page.set_input_files, "#file", str(path))
    assert page.inner_text("#file-name") == path.name
    assert page.inner_text("#name-y") == 'wid"th <b>' and "d'or" in page.inner_text("#legend")
    page.keyboard.press("s")
    until(page, "document.querySelector('#steps').textContent === '1'")
    page.select_option("#column-0", 'wid"th <b>')  # twice the same: refused, and said
    page.wait_for_selector("#alert p")
    assert "three different columns" in page.inner_text("#alert")
    assert page.input_value("#column-0") == "length"


def test_names_that_turn_text_around_or_never_end(visit):
    rows = "\n".join(f"{i},{i * i % 7},{'ab'[i % 2]}\u202e$x$" for i in range(40))
    page = visit()
    page.click(".tile:has(input[value=csv])")
    long = "x" * 10_000
    text = f"\u202eevil \u05e9,{long},constructor\n{rows}\n".encode()
    settled(page, page.set_input_files, "#file", {"name": "f.csv", "mimeType": "text/csv", "buffer": text})
    assert page.inner_text("#alert") == ""
    assert page.inner_text("#name-x") == "\\u202eevil \u05e9"
    assert "a\\u202e$x$" in page.inner_text("#legend")
    assert "\u202e" not in page.inner_text("body")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert max(page.locator(s).bounding_box()["height"] for s in ("#name-y", "#notes", "#columns")) < 400
    assert page.input_value("#column-1") == long
    assert page.input_value("#column-0") == "\u202eevil \u05e9"  # its name is what it was
    page.keyboard.press("s")
    until(page, "document.querySelector('#steps').textContent === '1'")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", "two columns of numbers"),
        ("", "is empty"),
        ("\x00\x01", "zero bytes"),
        ("a,b,c\n1,2\n", "wanted 3 cells"),
    ],
)
def test_a_bad_file_is_refused_in_words(visit, text, fault):
    page = visit()
    page.click(".tile:has(input[value=csv])")
    page.set_input_files("#file", {"name": "bad.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.wait_for_selector("#alert p")
    assert fault in page.inner_text("#alert") and "bad.csv" in page.inner_text("#alert")
    page.keyboard.press("s")
    until(page, "document.querySelector('#steps').textContent === '1'")  # it goes on with what it had


def test_a_loss_that_is_not_finite(visit):
    page = visit(hash=address(data="sines", activation="relu", optimizer="sgd", learning_rate=1e12, hidden=[8, 8]))
    page.click("#play")
    page.wait_for_selector("#alert p")
    assert "not finite" in page.inner_text("#alert") and "learning rate below" in page.inner_text("#alert")
    assert page.is_disabled("#play") and page.get_attribute("#play", "aria-label") == "Play"
    page.fill("#learning_rate", "0.01")
    settled(page, page.press, "#learning_rate", "Enter")
    assert page.inner_text("#alert") == "" and page.is_enabled("#play")


@pytest.mark.parametrize(
    ("hash", "fault"),
    [
        (address(hidden=[4000]), "up to 6 hidden layers"),
        (address(data="csv"), "no CSV file yet"),
        ("#hidden=%7B&noise=x", ""),
        (address(learning_rate=-3), "learning rate wanted"),
    ],
)
def test_an_address_that_makes_no_sense(visit, hash, fault):
    page = visit(hash=hash)
    assert fault in page.inner_text("#alert")
    page.click("#step")
    until(page, "document.querySelector('#steps').textContent === '1'")


def test_a_rate_of_zero(visit):
    page = visit(hash=address(learning_rate=0))
    assert "the learning rate is 0" in page.inner_text("#findings")
    page.fill("#learning_rate", "")
    page.press("#learning_rate", "Tab")
    assert "wants a number" in page.inner_text("#alert")


def test_tabs_are_apart(visit, playground):
    one, other = visit(), visit()
    one.click("#step")
    until(one, "document.querySelector('#steps').textContent === '1'")
    assert steps(other) == 0 and len(playground.sessions) == 2
    other.goto("about:blank")
    deadline = time.monotonic() + 10
    while len(playground.sessions) == 2 and time.monotonic() < deadline:
        one.wait_for_timeout(50)
    assert len(playground.sessions) == 1


def test_more_tabs_than_a_browser_has_connections(visit):
    first = visit()
    context = first.context
    pages = [first]
    for _ in range(7):
        page = context.new_page()
        page.goto(first.url.partition("#")[0])
        page.wait_for_selector("html[data-ready='1']", state="attached")
        pages.append(page)
    for page in pages:
        page.evaluate("document.querySelector('#play').click()")
    for page in pages:
        until(page, "+document.querySelector('#steps').textContent.replace(',', '') > 3")


def test_a_session_that_was_dropped(visit, playground):
    page = visit()
    playground.idle = 0.0
    deadline = time.monotonic() + 10
    while playground.sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    playground.idle = 1000.0
    page.click("#step")
    until(page, "document.querySelector('#live').textContent.includes('begun anew')")
    page.click("#step")
    until(page, "document.querySelector('#steps').textContent === '1'")


def test_the_explorer(visit):
    page = visit()
    page.click("#step")
    until(page, "document.querySelector('#steps').textContent === '1'")
    with page.context.expect_page() as opened:
        page.keyboard.press("x")
    explorer = opened.value
    explorer.wait_for_selector("[data-ready='1']", state="attached")
    assert "after 1 step" in explorer.inner_text("h1")


def test_the_end(visit, playground):
    page = visit()
    page.click("#play")
    page.click("#end")
    page.wait_for_selector("#alert p")
    assert "has ended" in page.inner_text("#alert") and page.is_disabled("#step")
    assert playground.ended.is_set()


def test_a_table_from_the_command_line(visit, served, flowers):
    server = served(table=Table.of_text("flowers.csv", flowers))
    page = visit(server)
    assert page.is_checked("input[value=csv]") and page.inner_text("#name-x") == "length"


def test_it_feels_live(visit, playground):
    """A step a second time is nothing; a picture is there soon after it was asked for."""
    page = visit(motion="no-preference")
    page.select_option("#speed", "max")
    page.click("#play")
    until(page, "+document.querySelector('#steps').textContent.replace(',', '') > 300")
    took = page.evaluate("""async () => {
        const token = JSON.parse(document.querySelector('#about').textContent).token, found = [];
        const session = new URL(document.querySelector('#explore').href).searchParams.get('session');
        for (let i = 0; i < 20; i++) {
            const begun = performance.now();
            const headers = { 'Content-Type': 'application/json', 'X-Token': token };
            await (await fetch('frame', { method: 'POST', headers, body: JSON.stringify({ session }) })).json();
            found.push(performance.now() - begun);
        }
        return found.sort((a, b) => a - b)[10];
    }""")
    begun = time.perf_counter()
    page.keyboard.press("p")
    until(page, "document.querySelector('#play').ariaLabel === 'Play'")
    assert time.perf_counter() - begun < 5
    assert took < 500  # milliseconds; about 20 on an idle machine
