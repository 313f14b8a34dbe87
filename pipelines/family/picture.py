"""One slice of one scan as every member makes it: the picture of the page of the family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Crops
from members import MEMBERS
from panels import Plane, middle_plane, new_figure, show, store

from medsr.io import load
from medsr.physics.tasks import TASKS, degradation
from medsr.training.recipe import TrainingRecipe
from medsr.validation.methods import BASELINES, LEARNED
from medsr.validation.views import window_of

TASK = "thick5"
COLUMNS = 6  # mean and sample of three members a row
PANEL_INCHES, TITLE_INCHES, TITLE_POINTS = 1.45, 0.36, 7


@dataclass(frozen=True)
class Pictured:
    """The panels, on one plane that thick slices are seen on from the side.

    Attributes:
        plain: Planes by name: the reference, and what methods make of it that learn nothing.
        members: Planes of mean and sample, by the member's name.
        window: Intensities of black and white, the same for all.
        aspect: Height of a voxel over its width.
    """

    plain: Mapping[str, Plane]
    members: Mapping[str, tuple[Plane, Plane]]
    window: tuple[float, float]
    aspect: float


def draw_family(content: Mapping[str, Any], known: Mapping[str, TrainingRecipe], crops: Crops, target: Path) -> None:
    """Draw what the rows of family.json make of the crop that is shown.

    Raises:
        MedsrError: as `pictured`, or the picture can't be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(pictured([row["name"] for row in content["members"]], known, crops), target)


def pictured(names: Sequence[str], known: Mapping[str, TrainingRecipe], crops: Crops) -> Pictured:
    """The panels of members whose results are kept; nothing of a member is computed here.

    Args:
        names: Names of the members that were measured.
        known: All recipes there are, by name.
        crops: What they were measured on.
    """
    reference = load(crops.shown).to_ras()
    degraded = degradation(reference, TASKS[TASK]).degraded
    axis = next(axis for axis in range(3) if not degraded[axis])
    across, up = (other for other in range(3) if other != axis)
    plain = {"reference": reference.data, **crops.case(TASK, BASELINES).results()}
    members = {}
    for member in MEMBERS:
        if member.name in names and member.is_trained(known):
            kept = crops.case(TASK, LEARNED, member.settings(known)).kept()
            if kept is not None:
                members[member.name] = (middle_plane(kept["mean"], axis), middle_plane(kept["sample"], axis))
    middle = [n // 2 for n in reference.shape]
    window = window_of(reference, np.ones(reference.shape, dtype=bool), (middle[0], middle[1], middle[2]))
    aspect = float(reference.spacing_mm[up] / reference.spacing_mm[across])
    return Pictured({name: middle_plane(x, axis) for name, x in plain.items()}, members, window, aspect)


def draw(found: Pictured, target: Path) -> None:
    """The panels in rows: what learns nothing first, then mean and sample of each member.

    Raises:
        OutputError: it can't be written.
    """
    first = list(found.plain.items())
    titled = [*first, *[("", None)] * (-len(first) % COLUMNS)]
    for name, (mean, sample) in found.members.items():
        titled += [(f"{name}\nmean", mean), ("\nsample", sample)]
    n_rows = -(-len(titled) // COLUMNS)
    rows, columns = next(iter(found.plain.values())).shape
    height = PANEL_INCHES * found.aspect * rows / columns + TITLE_INCHES
    figure, axes = new_figure(n_rows, COLUMNS, (PANEL_INCHES * COLUMNS, height * n_rows))
    for panel in axes.flat[len(titled) :]:
        panel.axis("off")
    for panel, (title, plane) in zip(axes.flat, titled, strict=False):
        if plane is None:
            panel.axis("off")
            continue
        show(panel, plane, *found.window, aspect=found.aspect)
        panel.set_title(title, fontsize=TITLE_POINTS, loc="left")
    store(figure, target)
