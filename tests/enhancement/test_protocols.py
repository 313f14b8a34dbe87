"""Ordinary protocols by their headers alone: the table of docs/reference/protocols.md is what medsr does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medsr.affine import axes_text
from medsr.enhancement.envelope import judge_grid
from medsr.io.outline import Outline
from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models
from medsr.model.weights_file import describe_model
from medsr.physics.acquisition import acquisition_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocols.md"
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines() if "|" in line]
PROTOCOLS = TABLE[2:]
TOO_THICK = {"8 mm", "10 mm"}  # slices farther apart than any that the model learned from


@pytest.mark.parametrize("row", PROTOCOLS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_protocol_gets_the_grid_and_the_verdict_of_the_table(row):
    _, name, acquired, voxels, thickness, result, level = row
    slices = None if acquired == "3D" else 2
    scan = Outline(
        (200, 200, 40),
        np.diag([*(float(h) for h in voxels.split(" x ")), 1.0]),
        thickness_mm=None if thickness == "-" else float(thickness),
        slice_axis=slices,
        acquisition_type=None if acquired == "CT" else acquired,
    )
    acquisition = acquisition_of(scan)
    verdict = judge_grid("CT" if acquired == "CT" else "MR", acquisition, ENVELOPE)
    assert axes_text(acquisition.fine_spacing_mm) == result
    assert verdict.level == level
    assert (level == "outside") == any(name.endswith(thick) for thick in TOO_THICK)


ENVELOPE = describe_model(packaged_models()[DEFAULT_MODEL]).envelope


def test_there_are_forty_protocols_of_every_part_of_the_body():
    assert len(PROTOCOLS) >= 40
    parts = {row[0] for row in PROTOCOLS}
    assert parts >= {"brain", "spine", "knee", "prostate", "liver", "heart", "breast", "chest CT", "abdomen CT"}
