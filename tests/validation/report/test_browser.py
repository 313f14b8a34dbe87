"""The pages in a real browser: headless Chromium, one launch for all tests."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from made_reports import RECORD, made_report
from numpy.typing import NDArray
from PIL import Image

from medsr.validation.report.page import write_report

pytest.importorskip("playwright", reason="needs the package playwright: pip install -e .[dev]")
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

HOSTILE = """<script>alert("1")</script>'&_T1w"""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium or chromium-headless-shell")

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
NO_WEBGL = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : original.call(this, kind, ...more);
};
"""
CONTRAST = """(selector) => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(text).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const element = document.querySelector(selector);
  const style = getComputedStyle(element);
  let ground = element;
  while (/^rgba\\(.*, 0\\)$/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const [a, b] = [light(ink), light(getComputedStyle(ground).backgroundColor)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""
MOST_LOOKS = 100
LEGIBLE = 4.5  # WCAG 2.2, success criterion 1.4.3
TEXTS = ("h1", ".soft", "main a", "thead th", "tbody td", ".notice", ".verdict", ".plot .tick", ".plot .title", "pre")


@dataclass
class Watched:
    """A page and whatever it should not have done."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def behaved(self) -> None:
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith("data:")] == [self.page.url.partition("#")[0]]
        assert self.page.evaluate("window.violations") == []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    scans = (HOSTILE, "sub-02_T1w", "sub-03_T2w")
    made = made_report(folder, scans, facts={"scanner": HOSTILE}, record={**RECORD, "note": HOSTILE})
    return write_report(made, folder / "out")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(color_scheme="light", viewport={"width": 1200, "height": 900})
    made.add_init_script(WATCH)
    yield made
    made.close()


def opened(context: BrowserContext, path: Path) -> Watched:
    watched = Watched(context.new_page())
    page = watched.page
    page.on("console", lambda message: watched.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.goto(path.as_uri())
    return watched


def case_pages(report: Path) -> list[Path]:
    return sorted(path for path in (report.parent / "cases").glob("*.html") if not path.stem.endswith("_3d"))


def test_pages_open_alone_without_an_error_a_request_or_a_violation(context: BrowserContext, report: Path) -> None:
    for path in (report, report.parent / "acceptance.html", *case_pages(report)):
        watched = opened(context, path)
        assert watched.page.locator("img:not([alt]), img[alt='']").count() == 0
        assert watched.page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
        watched.behaved()
        watched.page.close()


def test_the_policy_holds_against_what_the_page_did_not_bring(context: BrowserContext, report: Path) -> None:
    page = opened(context, report).page
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'https://example.org/a.png' }))")
    page.wait_for_function("window.violations.length >= 3")
    assert page.evaluate("window.ran") is None
    assert set(page.evaluate("window.violations")) == {"script-src-elem", "style-src-attr", "img-src"}


def test_hostile_text_is_shown_and_not_run(context: BrowserContext, report: Path) -> None:
    page = opened(context, report).page
    assert page.locator("script").count() == 1
    assert page.locator("#cases-table tbody tr", has_text=HOSTILE).count() == 2
    assert HOSTILE in page.locator("#provenance pre").inner_text().replace('\\"', '"')
    link = page.locator("#cases-table tbody a", has_text=HOSTILE).first
    link.click()
    page.wait_for_load_state()
    assert page.locator("h1").inner_text().startswith(HOSTILE)
    assert HOSTILE in page.locator(".facts").inner_text()


def test_tables_sort_both_ways_by_mouse_and_keyboard(context: BrowserContext, report: Path) -> None:
    page = opened(context, report).page
    head = page.locator("#cases-table th", has_text="PSNR dB")
    cells = page.locator("#cases-table tbody tr td:nth-child(8)")
    head.locator("button").click()
    values = [float(text) for text in cells.all_inner_texts()]
    assert head.get_attribute("aria-sort") == "ascending"
    assert values == sorted(values)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in cells.all_inner_texts()] == sorted(values, reverse=True)
    page.locator("#cases-table th", has_text="task").locator("button").click()
    assert head.get_attribute("aria-sort") is None
    tasks = page.locator("#cases-table tbody tr td:nth-child(3)").all_inner_texts()
    assert tasks == sorted(tasks)


def test_the_filter_hides_rows_that_lack_a_word(context: BrowserContext, report: Path) -> None:
    page = opened(context, report).page
    page.locator("input[aria-controls=cases-table]").fill("sub-02 thick5")
    rows = page.locator("#cases-table tbody tr:visible")
    assert rows.count() == 1
    assert "sub-02_T1w" in rows.inner_text()
    assert page.locator("#cases output").inner_text() == "1 of 6 rows"


def test_the_slider_and_the_mouse_move_the_curtain(context: BrowserContext, report: Path) -> None:
    page = opened(context, report).page
    curtain = page.locator(".curtain").first
    left, right = curtain.locator(".at-left"), curtain.locator(".at-right")
    assert (left.get_attribute("data-name"), right.get_attribute("data-name")) == ("ibp", "mean")
    assert "50%" in left.evaluate("(layer) => getComputedStyle(layer).clipPath")
    curtain.locator("input").focus()
    page.keyboard.press("Home")
    assert "100%" in left.evaluate("(layer) => getComputedStyle(layer).clipPath")
    stack = curtain.locator(".stack")
    box = stack.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 20)
    page.mouse.up()
    assert curtain.locator("input").input_value() == "75"
    curtain.locator("select").first.select_option("reference")
    assert left.get_attribute("data-name") == "reference"


def test_without_scripts_every_picture_and_row_is_there(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    layers = page.locator(".curtain").first.locator(".stack .layer")
    assert [layer.is_visible() for layer in layers.all()] == [True] * 4
    assert not page.locator(".controls, .filter").first.is_visible()
    assert page.locator("#cases-table tbody tr").count() == 6
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Browser, report: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(report.as_uri())
    contrasts = {selector: page.evaluate(CONTRAST, selector) for selector in TEXTS}
    assert {selector: value for selector, value in contrasts.items() if value < LEGIBLE} == {}
    context.close()


def test_a_narrow_window_scrolls_tables_and_not_the_page(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    for path in (report, report.parent / "acceptance.html", *case_pages(report)):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_printing_shows_pictures_side_by_side_on_several_light_pages(browser: Browser, report: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    layers = page.locator(".curtain").first.locator(".stack .layer")
    places = [layer.bounding_box() for layer in layers.all()]
    assert len({(box["x"], box["y"]) for box in places if box is not None}) == 4
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".controls").first.is_visible()
    assert page.pdf().count(b"/Type /Page\n") > 4
    context.close()


def test_the_3d_view_draws_with_webgl(context: BrowserContext, report: Path) -> None:
    watched = opened(context, report.parent / "cases" / "sub-02_T1w_iso2_3d.html")
    page = watched.page
    page.set_viewport_size({"width": 400, "height": 400})
    page.wait_for_function("document.documentElement.dataset.shown || document.querySelector('#why').dataset.explained")
    if page.locator("#fallback").is_visible():
        pytest.skip("this Chromium has no WebGL 2; the slices are shown and tested below")
    assert page.evaluate("document.documentElement.dataset.shown") == "mean"
    slices = changed(page, None)
    page.locator("input[value=reference]").check()
    assert page.evaluate("document.documentElement.dataset.shown") == "reference"
    reference = changed(page, slices)
    page.locator("input[value=volume]").check()
    changed(page, reference)
    watched.behaved()


def changed(page: Page, before: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The canvas, (rows, columns) uint8, once it shows something other than before; graphics in software are late."""
    for _ in range(MOST_LOOKS):
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen = np.asarray(Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("L"))
        if seen[8:-8, 8:-8].max() > 100 and (before is None or np.any(seen != before)):
            return seen
    raise AssertionError("the canvas stayed as it was")


def test_without_webgl_the_slices_are_shown_and_the_page_says_why(context: BrowserContext, report: Path) -> None:
    context.add_init_script(NO_WEBGL)
    watched = opened(context, report.parent / "cases" / "sub-02_T1w_iso2_3d.html")
    watched.page.wait_for_function("document.querySelector('#why').dataset.explained")
    assert "WebGL" in watched.page.locator("#why").inner_text()
    assert not watched.page.locator("canvas").is_visible()
    assert watched.page.locator("#fallback img").count() == 9
    watched.behaved()
