"""Whether a scan is like those that a model was trained on: inside, at the edge of or outside its envelope.

`judge` gives the verdict, `judge_grid` that from headers alone; `admitted` and `admitted_grid` refuse what lies
outside. The grid is judged by `spec.Envelope.objections`, the contrast by name. The voxels are judged by a few plain
statistics (`medsr.model.scan_statistics`); their ranges over the training scans, as they are and degraded by the named
tasks, are in the weights' metadata. So every verdict can say what is odd in words, and which number was usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from medsr.errors import EnvelopeError
from medsr.io.modality import Guess, guess_modality
from medsr.model.scan_statistics import MEASURES, distance_of, slice_faults, statistics_of
from medsr.model.spec import Envelope, ModelSpec
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume

Level = Literal["inside", "edge", "outside"]

AT_EDGE = 0.25  # distances beyond the usual range, in its widths: up to here a scan is inside
OUTSIDE = 1.0  # up to here it is at the edge
LAST_PART = 0.95  # share of a validated factor or spacing beyond which a scan is at the edge
EXCLUDED = {"angio": "angiography", "dwi": "diffusion", "asl": "perfusion"}  # contrasts that no model card allows


@dataclass(frozen=True)
class Verdict:
    """Where a scan lies relative to what a model was trained and validated on.

    Attributes:
        level: "inside", "edge" (a warning) or "outside" (refused unless forced).
        objections: Reasons why it lies outside, one line each.
        notices: Values at the edge, one line each.
        distance: Largest distance of a statistic from its usual range, in widths of the range; 0 where all are usual.
        measured: The statistics behind these reasons and their usual ranges, one line each.
    """

    level: Level
    objections: tuple[str, ...]
    notices: tuple[str, ...]
    distance: float
    measured: tuple[str, ...] = ()

    def said(self, model: str) -> str:
        """The verdict in one line.

        Args:
            model: Name of the model.
        """
        place = {"inside": "inside", "edge": "at the edge of", "outside": "outside"}[self.level]
        reasons = "; ".join((*self.objections, *self.notices))
        return f"{place} {model}: {reasons}" if reasons else f"{place} {model}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """The verdict as warnings of a record, one line each."""
        outside = (f"outside the validated range: {text}" for text in self.objections)
        return (*outside, *(f"at the edge of the validated range: {text}" for text in self.notices))


def admitted(
    volume: Volume, acquisition: Acquisition, model: ModelSpec, *, force: bool, voxels: bool = True
) -> Verdict:
    """The verdict on a scan that is about to be enhanced.

    Args:
        volume: Input.
        acquisition: Acquisition of the input, and the finer grid.
        model: Specification of the model that will enhance it.
        force: Whether a scan outside the envelope is let in.
        voxels: Whether the voxels are judged too, as in `judge`.

    Raises:
        EnvelopeError: the scan lies outside, and `force` is not set.
        InputError: a constant image.
    """
    return _let_in(judge(volume, acquisition, model.envelope, voxels=voxels), model, force)


def admitted_grid(modality: str | None, acquisition: Acquisition, model: ModelSpec, *, force: bool) -> Verdict:
    """As `admitted`, from headers alone.

    Args:
        modality: Modality of the scan; None where its headers don't say it.
        acquisition: Acquisition of the input, and the finer grid.
        model: Specification of the model that will enhance it.
        force: Whether a scan outside the envelope is let in.

    Raises:
        EnvelopeError: the scan lies outside, and `force` is not set.
    """
    return _let_in(judge_grid(modality or model.envelope.modalities[0], acquisition, model.envelope), model, force)


def _let_in(verdict: Verdict, model: ModelSpec, force: bool) -> Verdict:
    if verdict.objections and not force:
        why = "; ".join(verdict.objections)
        numbers = "; medsr inspect --verbose shows the numbers" if verdict.measured else ""
        raise EnvelopeError(f"outside what {model.name} was validated on: {why}{numbers}; --force goes on")
    return verdict


def judge_grid(modality: str, acquisition: Acquisition, envelope: Envelope) -> Verdict:
    """The verdict on what the headers say, before any voxel was read.

    Args:
        modality: Modality of the scan.
        acquisition: Acquisition of the input, and the finer grid.
        envelope: Envelope of the model.
    """
    grid = acquisition.factors, acquisition.fine_spacing_mm
    objections = envelope.objections(modality, *grid)
    notices = [] if objections else _near_limit(envelope, *grid)
    return _verdict(objections, notices)


def judge(volume: Volume, acquisition: Acquisition, envelope: Envelope, *, voxels: bool = True) -> Verdict:
    """The verdict on a scan before it is enhanced.

    Args:
        volume: Input.
        acquisition: Acquisition of the input, and the finer grid.
        envelope: Envelope of the model.
        voxels: Whether the voxels are judged too; false where the volume is a small part of a scan.

    Raises:
        InputError: a constant image.
    """
    grid = judge_grid(volume.modality, acquisition, envelope)
    of_contrast = _objections_to(volume.source.contrast), _notices_of(volume.source.contrast, envelope)
    objections, notices = [*grid.objections, *of_contrast[0]], [*grid.notices, *of_contrast[1]]
    usual = envelope.statistics.get(volume.modality, {})
    if not voxels or not usual:
        return _verdict(objections, notices)
    if volume.modality == "MR" and guess_modality(volume.data) == Guess("CT"):
        objections.append("the intensities are those of a CT in HU; if it is one, give --modality CT")
    notices += slice_faults(volume)
    found, measured = statistics_of(volume), []
    far = {name: distance_of(name, found[name], usual[name]) for name in usual if name in found}
    for name in sorted(far, key=lambda one: -far[one]):
        measure, is_outside = MEASURES[name], far[name] > OUTSIDE and MEASURES[name].refuses
        if is_outside or far[name] > AT_EDGE:
            (objections if is_outside else notices).append(measure.said(found[name], usual[name]))
            measured.append(_number(name, found[name], usual[name]))
    refusing = [distance for name, distance in far.items() if MEASURES[name].refuses]
    return _verdict(objections, notices, max(refusing, default=0.0), measured)


def _verdict(
    objections: Sequence[str], notices: Sequence[str], distance: float = 0.0, measured: Sequence[str] = ()
) -> Verdict:
    level: Level = "outside" if objections else "edge" if notices else "inside"
    return Verdict(level, tuple(objections), tuple(notices), distance, tuple(measured))


def _objections_to(contrast: str) -> list[str]:
    kind = EXCLUDED.get(contrast)
    return [] if kind is None else [f"this is a scan of {kind}, which the model was not made for"]


def _notices_of(contrast: str, envelope: Envelope) -> list[str]:
    if not contrast or contrast in EXCLUDED or contrast in envelope.contrasts:
        return []
    return [f"the model has not been validated on the contrast {contrast} (validated: {', '.join(envelope.contrasts)})"]


def _near_limit(envelope: Envelope, factors: Iterable[float], fine_spacing_mm: Iterable[float]) -> list[str]:
    """The parts of the grid that lie in the last part of the validated range, one line each."""
    pairs = [(f, h) for f, h in zip(factors, fine_spacing_mm, strict=True) if f > 1]
    limit = envelope.max_factor if len(pairs) == 1 else envelope.max_factor_several
    factor, coarse = max(f for f, _ in pairs), max(f * h for f, h in pairs)
    found = []
    if factor > LAST_PART * limit:
        found.append(f"factor {factor:.3g} (validated: up to {limit:g})")
    if coarse > LAST_PART * envelope.max_coarse_mm:
        found.append(f"slices every {coarse:.3g} mm (validated: up to {envelope.max_coarse_mm:g} mm)")
    return found


def _number(name: str, value: float, usual: tuple[float, float]) -> str:
    return f"{MEASURES[name].title} is {value:.3g} (usual: {usual[0]:.3g} to {usual[1]:.3g})"
