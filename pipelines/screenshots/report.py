"""Take the pictures of docs/reference/report.md from the report of `make validation` (see README.md)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "images"
REPORT = ROOT / "results" / "validation"
PICTURES = {"report_overview": "index.html", "report_case": "cases/sub-bchadult01_T1w_iso2.html"}
SIZE = {"width": 1280, "height": 1000}


def main() -> int:
    """A picture of the first screen of each page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)
    missing = [page for page in PICTURES.values() if not (REPORT / page).is_file()]
    if chromium is None or missing:
        print("needs Debian's chromium, and the report of `make validation`", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        for name, file in PICTURES.items():
            page.goto((REPORT / file).as_uri())
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
