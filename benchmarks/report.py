"""Size and opening time of a validation report with 20 and with 100 cases of a made-up study.

python benchmarks/report.py [CASES ...]
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

TESTS = Path(__file__).resolve().parents[1] / "tests"  # holds the made-up study
sys.path.insert(0, str(TESTS))

from made_reports import TASKS, made_report  # noqa: E402

from medsr.validation.report.page import write_report  # noqa: E402

SHAPE = (176, 208, 176)  # a head of 1 mm, noise included
OPENINGS = 5
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)


def main(counts: list[int]) -> None:
    if CHROMIUM is None:
        sys.exit("benchmarks/report.py: needs Debian's chromium or chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        results = [measured(browser, count) for count in counts]
        browser.close()
    for row in results:
        print("  ".join(f"{name} {value}" for name, value in row.items()), file=sys.stderr)
    print(json.dumps(results, indent=1))


def measured(browser: Browser, n_cases: int) -> dict[str, float]:
    """Sizes in MB and seconds of one report."""
    with tempfile.TemporaryDirectory() as folder:
        scans = [f"sub-{number:02d}_T{1 + number % 2}w" for number in range(n_cases // len(TASKS))]
        report = made_report(Path(folder), scans, TASKS, SHAPE)
        views_mb = max(path.stat().st_size for path in report.views.values()) / 1e6
        began = time.monotonic()
        index = write_report(report, Path(folder) / "out")
        write_s = time.monotonic() - began
        pages = list((index.parent / "cases").glob("*.html"))
        return {
            "cases": len(report.views),
            "index_mb": round(index.stat().st_size / 1e6, 2),
            "open_s": round(opening_s(browser, index), 2),
            "write_s": round(write_s, 1),
            "largest_views_mb": round(views_mb, 2),
            "largest_case_page_mb": round(largest(pages, viewer=False), 2),
            "largest_3d_page_mb": round(largest(pages, viewer=True), 2),
            "folder_mb": round(sum(p.stat().st_size for p in index.parent.rglob("*") if p.is_file()) / 1e6, 1),
        }


def opening_s(browser: Browser, index: Path) -> float:
    """Median seconds until everything is loaded and painted, each time in a fresh context."""
    seconds = []
    for _ in range(OPENINGS):
        context = browser.new_context()
        page = context.new_page()
        began = time.monotonic()
        page.goto(index.as_uri(), wait_until="load")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seconds.append(time.monotonic() - began)
        context.close()
    return statistics.median(seconds)


def largest(pages: list[Path], *, viewer: bool) -> float:
    return max(page.stat().st_size for page in pages if page.stem.endswith("_3d") == viewer) / 1e6


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [20, 100])
