"""Slices of 8 mm in one step and in stages, by weights trained for one step and by weights trained for stages too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from measuring import Crops, gain_over_ibp, measured
from members import Member

from medsr.metrics.table import INTERIOR, WHOLE
from medsr.physics.tasks import Task
from medsr.training.recipe import TrainingRecipe
from medsr.validation.recipe import StudyRecipe

STAGED = ("edm", "cascade")  # members that are compared
WAYS = {"one_step": None, "cascade": 0.0, "cascade_noisy": 0.02}  # noise between the stages, None: there are none
TASK = Task("thick8", thick_mm=8)


def staged(member: Member, known: Mapping[str, TrainingRecipe], crops: Crops) -> dict[str, dict[str, float]]:
    """Median gains of the mean over the IBP estimate in dB, by way and part; none of a member that isn't compared.

    Args:
        member: Member of the family.
        known: All recipes there are, by name.
        crops: What it is measured on.
    """
    found: dict[str, dict[str, float]] = {}
    for way, noise in WAYS.items() if member.name in STAGED else ():
        settings = replace(member.settings(known), cascade=noise)
        recipe = StudyRecipe(tasks=(TASK,), methods=("ibp", "mean"), enhance=settings)
        findings = measured(f"{member.name}, {way}", crops.files, recipe, crops.folder / "stages" / member.name / way)
        found[way] = {
            "interior_gain_db": gain_over_ibp(findings, TASK.name, "mean", INTERIOR),
            "mask_gain_db": gain_over_ibp(findings, TASK.name, "mean", WHOLE),
        }
    return found
