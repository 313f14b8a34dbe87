"""Volumes claimed from the results of many scans: what their posterior samples and the other subjects say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsr.anatomy.claims import WANTED_LEVEL, Claim, SampledVolume, left_out, subjects_needed
from medsr.validation.scores import NAN
from medsr.validation.subjects import SubjectOf


@dataclass(frozen=True)
class SampledStructure:
    """One structure of the body in the posterior mean and in posterior samples of one case.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        part: What was segmented: "head" or "body".
        structure: Name of the structure.
        reference_ml: Volume in the reference.
        volume_ml: Volume in the posterior mean.
        samples_ml: Volume in each posterior sample.
    """

    scan: str
    task: str
    part: str
    structure: str
    reference_ml: float
    volume_ml: float
    samples_ml: tuple[float, ...]


@dataclass(frozen=True)
class Unclaimed:
    """A case whose volumes were asked for with intervals and have none, and why."""

    scan: str
    task: str
    reason: str


@dataclass(frozen=True)
class VolumeClaim:
    """The volume of one structure with its interval, calibrated on all other subjects.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        part: "head" or "body".
        structure: Name of the structure.
        volume_ml: Volume in the posterior mean.
        low_ml: Lower end of the interval; NaN without other subjects, or where the result has no such structure.
        high_ml: Upper end; NaN as `low_ml`.
        level: Level of the interval, 0 to 1; 0 where there is none.
        n_others: Number of other subjects behind it.
        reference_ml: Volume in the reference.
        inside: Whether the interval holds it; None where there is no interval.
        said: The claim in words, with what the number of subjects can't carry.
    """

    scan: str
    task: str
    part: str
    structure: str
    volume_ml: float
    low_ml: float
    high_ml: float
    level: float
    n_others: int
    reference_ml: float
    inside: bool | None
    said: str


def volume_claims(rows: Sequence[SampledStructure], subject_of: SubjectOf) -> tuple[VolumeClaim, ...]:
    """A claim for each row, from all other subjects under the same task; in the order of the rows.

    Args:
        rows: Structures of all cases.
        subject_of: Function that says whose a scan is; scans of one subject never calibrate each other.
    """
    groups: dict[tuple[str, str, str], dict[str, list[SampledStructure]]] = {}
    for row in rows:
        of_subjects = groups.setdefault((row.task, row.part, row.structure), {})
        of_subjects.setdefault(subject_of(row.scan), []).append(row)
    found: dict[SampledStructure, VolumeClaim] = {}
    for of_subjects in groups.values():
        volumes = {name: [_volume(row) for row in scans] for name, scans in of_subjects.items()}
        for name, claims in left_out(volumes).items():
            found |= {row: _claim(row, claim) for row, claim in zip(of_subjects[name], claims, strict=True)}
    return tuple(found[row] for row in rows)


def said(volume_ml: float, claim: Claim | None, wanted: float = WANTED_LEVEL) -> str:
    """A claim in words, such as "3.41 ml, 67 % interval 3.30 to 3.52 ml (2 other subjects; 90 % needs 9)".

    Args:
        volume_ml: Volume in the posterior mean.
        claim: Its interval; None where the result does not show the structure.
        wanted: Level that is wanted, which needs subjects enough.
    """
    if claim is None:
        return "not in the result, so nothing is claimed"
    needs = f"; {wanted:.0%} needs {subjects_needed(wanted)}".replace("%", " %") if claim.level < wanted else ""
    if not claim.n_others:
        return f"{volume_ml:.2f} ml, no interval (no other subject{needs})"
    others = f"{claim.n_others} other subject{'s' * (claim.n_others > 1)}"
    level = f"{100 * claim.level:.0f} %"
    return f"{volume_ml:.2f} ml, {level} interval {claim.low_ml:.2f} to {claim.high_ml:.2f} ml ({others}{needs})"


def _volume(row: SampledStructure) -> SampledVolume:
    return SampledVolume(row.reference_ml, row.volume_ml, row.samples_ml)


def _claim(row: SampledStructure, claim: Claim | None) -> VolumeClaim:
    interval = claim if claim is not None else Claim(NAN, NAN, 0.0, 0)
    return VolumeClaim(
        *(row.scan, row.task, row.part, row.structure, row.volume_ml),
        *(interval.low_ml, interval.high_ml, interval.level, interval.n_others),
        reference_ml=row.reference_ml,
        inside=interval.holds(row.reference_ml) if interval.n_others else None,
        said=said(row.volume_ml, claim),
    )
