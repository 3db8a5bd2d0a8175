"""The wheel, built from the source distribution, works where the source tree is not. No network is needed."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("autograd_nn", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build source distribution and wheel from a copy, so that the source tree is left as it is."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy)
    (built,) = out.glob("*.whl")
    return built


def run(*command, **kwargs) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "PYTEST_", "PYTHON"))}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean, **kwargs)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"autograd_nn"}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "autograd_nn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts  # of Python, and machine code of Numba
    }
    assert wanted == {name for name in names if name.startswith("autograd_nn/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_version_is_the_newest_in_the_changelog(wheel):
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    assert newest, "CHANGELOG.md has no heading such as '## [0.1.0] - 2026-11-21'"
    assert wheel.name.split("-")[1] == newest[1]


def test_installed_wheel_works_elsewhere(wheel, tmp_path):
    environment = tmp_path / "env"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    # NumPy and friends come from here. An editable install does not, since it is a .pth file itself, and those are
    # not read in a folder that another .pth names.
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    smoke = shutil.copy(ROOT / ".ci" / "smoke.py", tmp_path)
    assert "works from" in run(python, smoke, cwd=tmp_path)
