"""What a run leaves for its readers: a page that follows it, and tables at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from medsr.batch.plan import Plan
from medsr.batch.run_files import write_cases, write_junit_of_run, write_run
from medsr.batch.run_page import write_page
from medsr.engine.outcome import Outcome, Row, Tally
from medsr.engine.progress import row, rows, status
from medsr.engine.store import Store
from medsr.engine.work import OnChange
from medsr.errors import OutputError

PAGE_EVERY_S = 5.0
SHOWN = 300
PATHS = ("model", "references", "include", "exclude")  # keys of a recipe that may name files of the input


class Reports:
    """Keeps the page of a run fresh, and writes the tables at its end.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        on_progress: Further listener to each change; None for none.
        whole: Whether the run works on the whole plan, so that its count is that of the plan.
    """

    def __init__(self, plan: Plan, store: Store, on_progress: OnChange | None, *, whole: bool) -> None:
        self._plan, self._store, self._on_progress, self._whole = plan, store, on_progress, whole
        self._written = 0.0
        self._tally: Tally | None = None

    def changed(self, tally: Tally, outcome: Outcome | None, running: int) -> None:
        """Pass a change on, and write the page where the last one is old."""
        self._tally = tally
        if self._on_progress is not None:
            self._on_progress(tally, outcome, running)
        if time.monotonic() - self._written > PAGE_EVERY_S:
            with suppress(OutputError):  # a full disk ends cases, not the run
                self._write_page(self._of_plan(tally), running=True)
            self._written = time.monotonic()

    def finish(self) -> None:
        """Write the last page and the tables, unless nothing was ever counted.

        Raises:
            OutputError: they can't be written.
        """
        if self._tally is not None:
            tally = self._of_plan(self._tally)
            self._write_page(tally, running=False)
            write_tables(self._plan, self._store, tally)

    def _of_plan(self, tally: Tally) -> Tally:
        """The count of the whole plan: that of a part is not what the page is about."""
        return tally if self._whole else status(self._store.root)[0]

    def _write_page(self, tally: Tally, *, running: bool) -> None:
        model = f"{self._plan.model['name']} {self._plan.model['version']}"
        shown = rows(self._plan.cases, self._store, SHOWN)
        self._store.put("index.html", lambda draft: write_page(draft, tally, shown, model, running=running))


def write_tables(plan: Plan, store: Store, tally: Tally) -> None:
    """Write run.json, cases.csv and junit.xml of all that is known of a plan's cases.

    Raises:
        OutputError: they can't be written.
    """
    settings = {key: value for key, value in plan.recipe.as_dict().items() if key not in PATHS}
    store.put("run.json", lambda draft: write_run(draft, tally, plan.model, settings))
    store.put("cases.csv", lambda draft: write_cases(draft, _all_rows(plan, store)))
    store.put("junit.xml", lambda draft: write_junit_of_run(draft, _all_rows(plan, store), tally.seconds))


def _all_rows(plan: Plan, store: Store) -> Iterator[Row]:
    return (row(case, store) for case in plan.cases)
