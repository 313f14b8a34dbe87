"""The site holds what it promises: parts written from the code, nothing fetched, and names of files that are there."""

from __future__ import annotations

import dataclasses
import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

from medsr.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = [
    path for folder in ("medsr", "napari_plugin", "pipelines", "benchmarks") for path in (ROOT / folder).rglob("*.py")
]
TEXTS = [*SOURCES, ROOT / "Makefile", *ROOT.glob("*.md"), *(ROOT / "pipelines").rglob("*.md"), *DOCS.rglob("*.md")]
INTERNAL = {
    "cards",
    "cli",
    "duration",
    "report",
    "samples",
    "viewing",
    "weights",
    "worker",
}  # called by commands, not by scripts
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
FETCHED = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import\s+['\"]?(?:https?:)?//")


@pytest.fixture(scope="module")
def parts():
    sys.path.insert(0, str(DOCS / "_ext"))
    yield importlib.import_module("generated_pages")
    sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages without the API, which take most of the time; `make docs` builds all."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-D", "exclude_patterns=_ext,reference/api"]
    made = subprocess.run([*command, str(DOCS), str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder


class Resources(HTMLParser):
    """What a browser loads for a page by itself: links that are followed on a click do not count."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in LOADED and values.get(LOADED[tag]) and values.get("rel") not in ("next", "prev", "index", "search"):
            self.found.append(values[LOADED[tag]])


def test_pages_fetch_nothing(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        resources = Resources()
        resources.feed(page.read_text(encoding="utf-8"))
        assert resources.found
        for one in resources.found:
            assert not re.match(r"(?:https?:)?//", one), f"{page.name} loads {one}"
            assert one.startswith("data:") or (page.parent / one.split("?")[0]).is_file(), (
                f"{page.name}: {one} is missing"
            )


def test_style_sheets_fetch_nothing(site):
    for sheet in site.rglob("*.css"):
        assert not FETCHED.search(sheet.read_text(encoding="utf-8")), sheet.name


def test_formulas_are_mathml(site):
    text = (site / "explanation" / "equations.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20
    assert "$$" not in text


def test_the_command_line_page_has_every_option(parts):
    text = parts.commands()
    group = typer.main.get_command(app)
    options = [name for one in group.commands["enhance"].params for name in one.opts if name.startswith("--")]
    assert len(options) > 20
    for name in (
        f"## medsr {command}" for command in group.commands if not hasattr(group.commands[command], "commands")
    ):
        assert name in text
    for name in options:
        assert re.search(rf"[` ]{name}\b", text), f"{name} is missing"


ASKED = re.compile(r"generated: (?:settings|fields) (\S+)")
PLACES = sorted({place for page in DOCS.rglob("*.md") for place in ASKED.findall(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("place", PLACES)
def test_every_key_of_a_recipe_is_described(parts, place):
    module, _, name = place.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    described = parts.documented_fields(kind)
    assert list(described) == [field.name for field in dataclasses.fields(kind)]
    assert all(text.strip() for text in described.values())


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_part_of_a_page_can_be_written(parts, page):
    text = page.read_text(encoding="utf-8")
    assert len(parts.ASKED.findall(text)) == text.count("<!-- generated:")
    assert "<!-- generated:" not in parts.filled(text)


def test_every_package_has_a_page_or_is_internal():
    packages = {path.parent.name for path in (ROOT / "medsr").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "medsr").glob("[a-z]*.py")}
    pages = {path.stem for path in (DOCS / "reference" / "api").glob("*.md")} - {"index"}
    assert pages == (packages | modules) - INTERNAL


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_that_is_named_is_there(path):
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"\bdocs/[\w/]+\.(?:md|png)", text)) - {"docs/README.md"}:  # of a MONAI bundle
        assert (ROOT / name).is_file(), f"{name} is named in {path.relative_to(ROOT)}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_root_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert re.match("https?://", target) or (ROOT / target).exists(), f"{path.name}: {target}"


def test_equations_that_the_code_cites_are_there():
    text = (DOCS / "explanation" / "equations.md").read_text(encoding="utf-8")
    cited = {n for path in SOURCES for n in re.findall(r"equations\.md, eq\. (\d+)", path.read_text(encoding="utf-8"))}
    assert cited
    assert all(f"(eq. {n})" in text for n in cited)
