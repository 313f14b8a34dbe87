"""Every snippet of the documents runs: shell by the command line, Python in one namespace a page, recipes as files.

A comment before a block says what a reader does not need to see:

    <!-- not run: REASON -->      it can't run here
    <!-- ends with: CODE -->      its last command ends with this exit code
    <!-- file: NAME -->           the page's commands find it under this name
    <!-- output: REASON -->       what a command prints, shown and not compared
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from snippet_folder import make_folder, use_tiny_weights

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
BLOCK = re.compile(r"^(?:<!-- ([a-z ]+): ([^\n]+) -->\n)?```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^\s*```", re.MULTILINE)
DIRECTIVE = "{"  # a block of Sphinx, such as {toctree}
COMMENTS = ("not run", "ends with", "file", "output")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, the comment before it, its language and its text."""

    line: int
    comment: str
    said: str
    language: str
    text: str


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 1, found[1] or "", found[2] or "", found[3], found[4])
        for found in BLOCK.finditer(text)
        if not found[3].startswith(DIRECTIVE)
    ]


def name(page):
    return page.relative_to(ROOT).as_posix()


WITH_BLOCKS = [page for page in PAGES if blocks(page)]
NOT_RUN = [(page, block) for page in PAGES for block in blocks(page) if block.comment == "not run"]


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("snippets"))


@pytest.fixture
def folder(template, tmp_path, monkeypatch):
    """A folder with the scans that pages name, and weights small enough for a test behind the name medsr-base."""
    here = tmp_path / "here"
    shutil.copytree(template / "here", here)
    use_tiny_weights(template, monkeypatch)
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_understood(page):
    text = page.read_text(encoding="utf-8")
    found = BLOCK.findall(text)
    assert 2 * len(found) == len(ANY_FENCE.findall(text)), "a fence that does not begin its line, or is not closed"
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        assert block.comment in ("", *COMMENTS), where
        assert block.language in ("shell", "python", "toml", "text"), f"{where}: language {block.language!r}"
        assert block.language != "toml" or block.comment == "file", f"{where}: a recipe needs a name"
        assert block.language != "text" or block.comment == "output", f"{where}: say what prints this"


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=name)
def test_the_blocks_of_a_page_run(page, folder):
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        if block.comment in ("not run", "output"):
            continue
        if block.language == "toml":
            tomllib.loads(block.text)
            (folder / block.said).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, name(page), "exec"), namespace)
        else:
            run_shell(block, where)


@pytest.mark.parametrize("page, block", NOT_RUN, ids=lambda one: name(one) if isinstance(one, Path) else str(one.line))
def test_a_block_that_is_not_run_says_why(page, block):
    """Listed as skipped, so that a run of the tests shows all of them."""
    assert len(block.said.split()) > 1
    pytest.skip(f"{name(page)}:{block.line} {block.said}")


def run_shell(block, where):
    """Each line through the command line; the last one ends as the block says, the others with 0."""
    lines = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
    expected = [0] * (len(lines) - 1) + [int(block.said) if block.comment == "ends with" else 0]
    for line, code in zip(lines, expected, strict=True):
        words = shlex.split(line, comments=True)
        assert run(words) == code, f"{where}: {line}"


def run(words):
    from medsr.cli.app import run as run_medsr

    if words[0] == "medsr":
        return run_medsr(words[1:])
    assert words[0] == "python", f"{words[0]}: only medsr and scripts of this repository run; mark the block"
    return run_script(words[1], words[2:])


def run_script(script, arguments):
    before = sys.argv
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    except SystemExit as ending:
        return ending.code or 0
    finally:
        sys.argv = before
    return 0
