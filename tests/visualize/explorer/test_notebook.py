"""The explorer in notebooks: JupyterLab, live and untrusted, and exported HTML. Criteria 8 to 11.

Lab needs `pip install jupyterlab`; without it those tests skip.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import autograd_nn
from autograd_nn.visualize.explorer.explorer import Explorer

ROOT = Path(autograd_nn.__file__).parent.parent
CELL = """from autograd_nn import Value
from autograd_nn.visualize import Explorer
x, w = Value(2.0, name="x"), Value(-3.0, name="w")
Explorer((x * w).tanh(), height=400)"""

pytestmark = pytest.mark.slow


def notebook(bundle: dict[str, str] | None = None) -> str:
    """A notebook of one cell, with its output if there is one."""
    outputs = (
        [{"output_type": "execute_result", "execution_count": 1, "data": bundle, "metadata": {}}] if bundle else []
    )
    cell = {"cell_type": "code", "id": "a", "execution_count": None, "metadata": {}, "outputs": outputs, "source": CELL}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def lab(tmp_path_factory, need):
    """A JupyterLab of our own, on the loopback interface; returns its address and its folder."""
    need("jupyterlab", "no JupyterLab: pip install jupyterlab")
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    home |= {
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), *sys.path))),
        "PYTHONWARNINGS": "",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    command += [
        "--ServerApp.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        f"--notebook-dir={folder}",
    ]
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.expose_app_in_browser=True"]  # so that a test can run Lab's own commands
    settings = folder / "JUPYTER_CONFIG_DIR" / "labconfig"
    settings.mkdir(parents=True)
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "default_setting_overrides.json").write_text(json.dumps(quiet))
    log = open(folder / "log.txt", "w")  # noqa: SIM115  (open as long as the server runs)
    server = subprocess.Popen(command, env=os.environ | home, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
                if server.poll() is not None:
                    pytest.fail(f"JupyterLab does not start: {(folder / 'log.txt').read_text()[-300:]}")
        yield address, folder
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture
def in_lab(browser, lab):
    """Open a notebook in Lab."""
    address, folder = lab
    contexts = []

    def in_lab(name: str, content: str):
        (folder / name).write_text(content, encoding="utf-8")
        context = browser.new_context(viewport={"width": 1300, "height": 900})
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        return page

    yield in_lab
    for context in contexts:
        context.close()


def run_cell(page):
    """Run the notebook's cell, and return the explorer's frame when it is ready."""
    page.locator(".jp-Cell .cm-content").click()
    page.evaluate("""async () => {
      const { shell, commands } = window.jupyterapp, { context, sessionContext } = shell.currentWidget;
      await context.ready;
      await sessionContext.ready;
      await sessionContext.session.kernel.info;
      await commands.execute('notebook:run-cell');
    }""")
    frame = page.frame_locator("iframe[data-autograd]")
    frame.locator("[data-ready='1']").wait_for(state="attached")
    return frame


def test_08_lab_live(in_lab):
    page = in_lab("live.ipynb", notebook())
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    frame = run_cell(page)
    cells = page.locator(".jp-Cell").count()
    frame.locator(".stage").click(position={"x": 5, "y": 5})
    for key in ("ArrowRight", "d", "d", "c"):  # in Lab, d d deletes a cell
        page.keyboard.press(key)
    assert frame.locator(".count").text_content() == "1 / 6"
    assert page.locator(".jp-Cell").count() == cells
    assert not errors


def test_11_the_frame_follows_labs_theme(in_lab):
    """Lab switches its theme itself, by the command behind its menu."""
    page = in_lab("theme.ipynb", notebook())
    frame = run_cell(page)
    body = "() => document.body.dataset.jpThemeLight"
    # Lab has to load the theme's style first; the clock starts when it says that it has.
    watch = """() => { window.switched = new Promise(done => new MutationObserver(() => done(performance.now()))
      .observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light']})) }"""
    for theme, name in (("JupyterLab Dark", "dark"), ("JupyterLab Light", "light")):
        page.evaluate(watch)
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.evaluate("() => window.switched")
        frame.locator(f"html[data-theme={name}]").wait_for(state="attached", timeout=1000)
        assert page.evaluate(body) == str(name == "light").lower()


def test_09_lab_untrusted(in_lab, neuron, any_renderer):
    bundle = Explorer(neuron)._repr_mimebundle_()
    page = in_lab("sent.ipynb", notebook(bundle))
    page.wait_for_selector(".jp-OutputArea-output img", state="attached")
    page.wait_for_function("() => document.querySelector('.jp-OutputArea-output img').naturalWidth > 0")
    assert page.locator(".jp-OutputArea-output").inner_text().strip() == ""
    assert page.locator(".jp-OutputArea-output script").count() == 0


def test_10_exported_html(open_file, need, neuron, tmp_path):
    nbconvert = need("nbconvert", "no nbconvert: pip install nbconvert")
    nbformat = need("nbformat", "no nbformat: pip install nbformat")
    bundle = Explorer(neuron)._repr_mimebundle_()
    read = nbformat.reads(notebook(bundle), as_version=4)
    # Its own template loads libraries from a CDN whatever the notebook holds: those are not ours.
    local = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "data:text/javascript,")
    html, _ = nbconvert.HTMLExporter(**local).from_notebook_node(read)
    (tmp_path / "exported.html").write_text(html, encoding="utf-8")
    page = open_file(tmp_path / "exported.html")
    page.frame_locator("iframe[data-autograd]").locator("[data-ready='1']").wait_for(state="attached")
