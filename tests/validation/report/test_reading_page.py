"""The page of a blinded reading in a real browser, and what it must not tell."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_reports import made_report

from medsr.validation.readers import agreements_of, read_reader
from medsr.validation.reading import read_key
from medsr.validation.report.page import write_report

pytest.importorskip("playwright", reason="needs the package playwright: pip install -e .[dev]")
from playwright.sync_api import BrowserContext, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium or chromium-headless-shell")

SCANS = ("sub-01_T1w", "sub-02_T1w", "sub-03_T2w")
TELLING = re.compile(r"mean|cubic|enhanced|sub-0\d|T1w|iso2|thick5", re.IGNORECASE)
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reading")
    report = replace(made_report(made, SCANS, shape=(24, 28, 22)), reading=("mean", "cubic"))
    return write_report(report, made / "out").parent


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        made = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
        made.add_init_script(WATCH)
        yield made
        browser.close()


def begun(context: BrowserContext, folder: Path, reader: str) -> tuple[Page, list[str]]:
    page = context.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto((folder / "reading.html").as_uri())
    page.locator("#reader").fill(reader)
    page.keyboard.press("Enter")
    return page, [one for one in seen if not one.startswith(("data:", "blob:"))]


def answer(page: Page, preference: int, left: str, right: str) -> None:
    page.locator(f"input[name=preference][value='{preference}']").check()
    page.locator(f"input[name=left_artefact][value={left}]").check()
    page.locator(f"input[name=right_artefact][value={right}]").check()


def n_pairs(page: Page) -> int:
    return int(page.locator("#page").get_attribute("data-pairs") or 0)


def saved(page: Page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator("#save").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_every_pair_is_answered_saved_and_judged(context: BrowserContext, folder: Path, tmp_path: Path) -> None:
    """A reader who always prefers the mean, whichever side it is on, and sees artefacts in cubic alone."""
    key = read_key(folder / "reading_key.json")
    page, _ = begun(context, folder, "r1")
    assert n_pairs(page) == len(key.pairs) == 8
    for pair in key.pairs:
        assert page.locator("#progress").inner_text().startswith(f"Pair {pair.number} of 8")
        left = pair.left == "mean"
        answer(page, -2 if left else 1, "no" if left else "yes", "yes" if left else "no")
        if pair.number < 8:
            page.locator("#next").click()
    assert "Every pair is answered" in page.locator("#status").inner_text()
    path = saved(page, tmp_path)
    assert path.name == f"reading_{key.study}_r1.csv"
    (found,) = agreements_of(key, [read_reader(path, key)]).preferences
    assert (found.preferred["mean"].value, found.artefacts) == (1.0, {"mean": 0, "cubic": 6})
    with path.open(newline="") as file:
        assert {row["reader"] for row in csv.DictReader(file)} == {"r1"}
    assert not TELLING.search(path.read_text())


def test_the_page_asks_nobody_breaks_no_policy_and_tells_nothing(context: BrowserContext, folder: Path) -> None:
    page, requests = begun(context, folder, "r2")
    answer(page, 0, "no", "no")
    assert requests == [(folder / "reading.html").as_uri()]
    assert page.evaluate("window.violations") == []
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", (folder / "reading.html").read_text())
    body = text.partition("<body>")[2]
    assert TELLING.findall(re.sub(r"(?s)<script>.*?</script>", "", body)) == []
    assert "reading_key" not in text
    assert not TELLING.search(page.evaluate("Object.keys(localStorage).join() + Object.values(localStorage).join()"))


def test_pictures_are_those_of_the_key(context: BrowserContext, folder: Path) -> None:
    """The repeated pairs hold the pictures of the first showing on the other side."""
    key = read_key(folder / "reading_key.json")
    page = context.new_page()
    page.goto((folder / "reading.html").as_uri())
    shown = json.loads(page.locator("#pairs").inner_text() or page.evaluate("document.all.pairs.textContent"))
    for pair in (pair for pair in key.pairs if pair.repeats is not None):
        first = shown[pair.repeats - 1]
        assert (shown[pair.number - 1]["left"], shown[pair.number - 1]["right"]) == (first["right"], first["left"])
    for scan in SCANS:
        case = (folder / "cases" / f"{scan}_iso2.html").read_text()
        pair = next(one for one in key.pairs if (one.case.scan, one.case.task) == (scan, "iso2"))
        source = re.search(
            rf'data-name="{pair.left}"><div class="picture"><img src="({re.escape(shown[pair.number - 1]["left"])})"',
            case,
        )
        assert source, scan


def test_the_reference_waits_for_the_preference_and_a_reload_goes_on(context: BrowserContext, folder: Path) -> None:
    page, _ = begun(context, folder, "r3")
    assert not page.locator("#reference").is_visible()
    assert not page.locator("input[name=left_artefact]").first.is_visible()
    answer(page, 2, "yes", "no")
    assert page.locator("#reference").is_visible()
    again, _ = begun(context, folder, "r3")
    assert again.locator("#progress").inner_text() == "Pair 2 of 8, 1 answered"
    again.locator("#back").click()
    assert again.locator("input[name=preference][value='2']").is_checked()
    other, _ = begun(context, folder, "r4")
    assert other.locator("#progress").inner_text() == "Pair 1 of 8, 0 answered"


def test_an_unfinished_reading_is_saved_and_refused_by_name_of_what_is_missing(
    context: BrowserContext, folder: Path, tmp_path: Path
) -> None:
    page, _ = begun(context, folder, "r5")
    answer(page, 1, "no", "no")
    path = saved(page, tmp_path)
    assert page.locator("#status").inner_text() == "Saved 1 answers; 7 pairs are open."
    with pytest.raises(Exception, match="7 of 8 pairs are not answered"):
        read_reader(path, read_key(folder / "reading_key.json"))


def test_it_is_read_with_the_keyboard_alone(context: BrowserContext, folder: Path) -> None:
    page, _ = begun(context, folder, "r6")
    assert page.evaluate("document.activeElement.id") == "progress"
    for key in ("Tab", "ArrowRight", "Tab", "Space", "Tab", "Space"):
        page.keyboard.press(key)
    assert page.locator("#progress").inner_text() == "Pair 1 of 8, 1 answered"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#progress").inner_text() == "Pair 2 of 8, 1 answered"
    assert page.evaluate("document.activeElement.id") == "progress"


@pytest.mark.parametrize("code", ["", "Jane Doe", "a,b", "=1"])
def test_a_code_that_is_none_is_refused(context: BrowserContext, folder: Path, code: str) -> None:
    page, _ = begun(context, folder, code)
    assert not page.locator("#reading").is_visible()
    assert "1 to 16" in page.locator("#status").inner_text()


def test_every_control_has_a_name_and_a_narrow_window_does_not_scroll_sideways(
    context: BrowserContext, folder: Path
) -> None:
    page, _ = begun(context, folder, "r7")
    answer(page, 0, "no", "no")
    unnamed = "[...document.querySelectorAll('input')].filter((one) => !one.labels.length).length"
    assert page.evaluate(unnamed) == 0
    assert page.evaluate("[...document.images].every((image) => image.alt && image.naturalWidth > 0)")
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
