"""Every Python block of the README, CONTRIBUTING and the documentation runs, and prints what it says it prints.

The blocks of one file share their names, as a reader would type them one after the other, in an empty folder.
A block fenced as ``pycon`` is a session with prompts: its output is compared. ``<!-- not run: reason -->`` on the line
before a fence leaves a block out (code of another library, say).
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from autograd_nn import OPS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"))
    if not {"_build", "generated"} & set(path.parts)
)
FENCE = re.compile(
    r"^(?P<mark>`{3,})(?P<language>[\w{}-]*)[^\n]*\n(?P<code>.*?)^(?P=mark)[ ]*$", re.MULTILINE | re.DOTALL
)
LEFT_OUT = re.compile(r"<!-- not run: (?P<reason>[^\n]+?) -->\s*\Z")
SESSION = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.REPORT_ONLY_FIRST_FAILURE


class Block(NamedTuple):
    language: str
    code: str
    line: int


def blocks(text: str) -> list[Block]:
    """Python blocks of a page, each with the line on which its code begins."""
    return [
        Block(match["language"], match["code"], text.count("\n", 0, match.start("code")) + 1)
        for match in FENCE.finditer(text)
        if match["language"] in ("python", "py", "pycon") and not LEFT_OUT.search(text[: match.start()])
    ]


def run(block: Block, names: dict, page: str) -> None:
    """Execute one block; a failure points to the line of the page."""
    if block.language != "pycon":
        exec(compile("\n" * (block.line - 1) + block.code, page, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.code, {}, page, page, block.line - 1)
    test.globs = names
    report: list[str] = []
    if doctest.DocTestRunner(verbose=False, optionflags=SESSION).run(test, out=report.append, clear_globs=False).failed:
        pytest.fail("".join(report), pytrace=False)


@pytest.fixture
def same_ops():
    """Forget the ops that a page defines."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


@pytest.mark.usefixtures("same_ops")
@pytest.mark.parametrize("page", PAGES)
def test_code_on_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    found = blocks((ROOT / page).read_text(encoding="utf-8"))
    if any('backend="native"' in block.code for block in found):
        pytest.importorskip("numba")
    for block in found:
        run(block, names, page)


def test_a_wrong_block_is_caught():
    page = (
        "# Title\n\n```python\nx = 1\n```\n\n```pycon\n>>> x + 1\n3\n```\n\n"
        "<!-- not run: shown as a mistake -->\n```python\n1 / 0\n```\n"
    )
    first, second = blocks(page)
    names = {}
    run(first, names, "page")
    assert names["x"] == 1
    assert second.line == 8
    with pytest.raises(pytest.fail.Exception, match=r"(?s)line 8[^0-9].*Expected:\s+3\s+Got:\s+2"):
        run(second, names, "page")


def test_links_between_pages_lead_somewhere():
    missing = []
    for page in PAGES:
        text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            target = re.sub(r"^(generated/[^.]*)$", "", target)  # made when the documentation is built
            if target and "://" not in target and not (ROOT / page).parent.joinpath(target).exists():
                missing.append(f"{page}: {target}")
    assert not missing, missing


def test_readme_states_the_commands_that_the_gate_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("example", "tests"):
        assert len(re.findall(rf"^<!-- run: {name} -->\n+```\w*\n", readme, re.MULTILINE)) == 1, name
