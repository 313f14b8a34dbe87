"""Take the pictures of the report and of a batch's page, in Debian's Chromium (see README.md)."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import sync_playwright

import medsr
from medsr.batch.run import batch
from medsr.enhancement.region import Box, crop
from medsr.samples import sample_path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "images"
REPORT = ROOT / "results" / "validation"
PICTURES = {"report_overview": "index.html", "report_case": "cases/sub-bchadult01_T1w_iso2.html"}
SIZE = {"width": 1280, "height": 1000}
HALF = {"width": 1280, "height": 560}


def main() -> int:
    """A picture of the first screen of each page; those of the report where `make validation` has written one."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)
    if chromium is None:
        print("needs Debian's chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        take({"batch_page": batch_page(Path(folder))}, chromium, HALF)
    pages = {name: REPORT / file for name, file in PICTURES.items()}
    if all(page.is_file() for page in pages.values()):
        take(pages, chromium, SIZE)
    else:
        print("no report of `make validation`; its pictures stay as they are", file=sys.stderr)
    return 0


def batch_page(folder: Path) -> Path:
    """The page of a run as in docs/tutorials/folder.md, on two parts of the sample scan and a damaged file."""
    source, scan = folder / "scans", medsr.load(sample_path("bchadult01_T1w_thick5"))
    source.mkdir()
    for subject, start in (("sub-01", 30), ("sub-02", 60), ("sub-03", 60)):
        part = crop(scan, Box((start, 40, 0), (start + 64, 136, scan.shape[2])))
        medsr.save(part, source / f"{subject}_T1w.nii.gz", dtype="int16")
    damaged = source / "sub-03_T1w.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    batch(source, folder / "enhanced")
    return folder / "enhanced" / "index.html"


def take(pages: Mapping[str, Path], chromium: str, size: Mapping[str, int]) -> None:
    """A picture of the first screen of each page, by name."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size["width"], "height": size["height"]})
        for name, file in pages.items():
            page.goto(file.as_uri())
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
