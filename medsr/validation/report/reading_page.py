"""The page of a blinded reading: pictures of two methods side by side, without a word on which is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medsr.io import files
from medsr.report.pages import STYLES, Look, data_block, rendered
from medsr.validation.findings import Findings
from medsr.validation.reading import ReadingCase, ReadingKey, plan_reading, write_key
from medsr.validation.report.curtains import Curtain, curtain, plane_for
from medsr.validation.view_files import read_views
from medsr.validation.views import REFERENCE, CaseViews

READING_PAGE, READING_KEY = "reading.html", "reading_key.json"
LOOK = Look(styles=(*STYLES, "reading.css"), script="reading.js")
DIRECTIONS = {"R": "the patient's right", "A": "anterior", "S": "superior"}
CHOICES = ("left, clearly", "left, slightly", "no difference", "right, slightly", "right, clearly")


def write_reading(
    findings: Findings, views: Mapping[tuple[str, str], Path], methods: Sequence[str], folder: Path
) -> ReadingKey | None:
    """Write the page, and its key beside it, which the page does not load; None where no case has pictures of both.

    Args:
        findings: Scores of the study; its seed decides about order and sides.
        views: Files of `medsr.validation.view_files`, by scan and task.
        methods: The two methods that are compared; nothing is written without them.
        folder: Folder of the report.

    Raises:
        InputError: a file of views is damaged.
        OutputError: a file can't be written.
    """
    if not methods:
        return None
    first, second = methods
    shown = {
        (score.scan, score.task): _shown(views[score.scan, score.task], score.axes, methods)
        for score in findings.scores
        if score.method == first and (score.scan, score.task) in views
    }
    curtains = {key: one for key, one in shown.items() if one is not None}
    if not curtains:
        return None
    cases = [ReadingCase(scan, task, findings.subject_of(scan), one.plane) for (scan, task), one in curtains.items()]
    key = plan_reading(cases, (first, second), findings.seed)
    page = rendered(
        "reading.html.j2",
        LOOK,
        study=key.study,
        n_pairs=len(key.pairs),
        choices=CHOICES,
        pairs=data_block(
            [_pair(curtains[pair.case.scan, pair.case.task], pair.left, pair.right) for pair in key.pairs]
        ),
    )
    write_key(key, folder / READING_KEY)
    with files.atomic(folder / READING_PAGE) as file:
        file.write(page)
    return key


def _shown(path: Path, axes: str, methods: Sequence[str]) -> Curtain | None:
    views: CaseViews = read_views(path)
    plane = plane_for(views, axes)
    return curtain(views, plane) if set(methods) <= set(plane.differences) else None


def _pair(one: Curtain, left: str, right: str) -> dict[str, object]:
    """What the page knows of a pair: three pictures and how they lie."""
    beside, above = (DIRECTIONS[letter] for letter in (one.letters[0], one.letters[2]))
    sources = {layer.name: layer.source for layer in one.layers}
    return {
        "left": sources[left],
        "right": sources[right],
        "reference": sources[REFERENCE],
        "width": one.width,
        "height": one.height,
        "place": f"{one.plane[0].upper()}{one.plane[1:]} slice, {beside} on the left and {above} on top",
    }
