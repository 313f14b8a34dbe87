"""The structures of the body in each result of one case, against those in its reference, by the same instrument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.anatomy.comparison import compare
from medsr.anatomy.meshnet import load_meshnet
from medsr.anatomy.segmentation import Segmentation, brain_of, doubt, segment_body, segment_head
from medsr.errors import InputError
from medsr.model.allocator import returning_freed_memory
from medsr.validation.claims import SampledStructure, Unclaimed
from medsr.validation.scores import StructureScore, Unsegmented
from medsr.validation.trial import Trial
from medsr.volume import Volume

SEGMENTED = ("cubic", "ibp", "tv", "mean")
"""Methods whose results are segmented, where they are measured: a minute or more each."""

SEGMENTED_SAMPLES = 4
"""Posterior samples that are segmented for intervals of volumes, a minute or more each beside the time to make them.

Their spread sets how wide an interval is from subject to subject; that it holds is up to the number of subjects.
"""

CLAIMED = "mean"
"""Method whose volumes are claimed."""

HEAD_CONTRAST = "T1w"

Segment = Callable[[Volume], Segmentation]


@dataclass(frozen=True)
class ReferenceAnatomy:
    """The structures of one reference, which those of every result are compared with.

    Attributes:
        part: What was segmented: "head" or "body"; "" where there is nothing to compare with.
        segment: Instrument that found them, and that finds those of the results; None as above.
        found: Structures; None as above.
        brain: Voxels of the brain of a head, (I, J, K) bool; None in everything else.
        fault: Why there is nothing to compare with, else "".
    """

    part: str = ""
    segment: Segment | None = None
    found: Segmentation | None = None
    brain: NDArray[np.bool_] | None = None
    fault: str = ""


@dataclass(frozen=True)
class Anatomy:
    """What was found in one case.

    Attributes:
        structures: Structures in the results of `SEGMENTED`.
        unsegmented: Why there are none, else nothing.
        sampled: Structures in the mean and in posterior samples, where samples were asked for.
        unclaimed: Why there are none of these though samples were asked for, else nothing.
    """

    structures: tuple[StructureScore, ...] = ()
    unsegmented: tuple[Unsegmented, ...] = ()
    sampled: tuple[SampledStructure, ...] = ()
    unclaimed: tuple[Unclaimed, ...] = ()


@dataclass(frozen=True)
class Samples:
    """Posterior samples of one case, neither tried nor computed before they are needed.

    Attributes:
        fault: Function that says what speaks against samples of this scan, "" for nothing.
        computed: Samples (I, J, K) in the scan's unit.
    """

    fault: Callable[[], str]
    computed: Iterable[NDArray[np.float32]]


def reference_anatomy(reference: Volume) -> ReferenceAnatomy:
    """The structures of a T1w head, by a network, or of a CT, by thresholds; or why there are none.

    Args:
        reference: High-resolution scan.

    Raises:
        ModelError: the network of this installation is damaged.
    """
    try:
        if reference.modality == "CT":
            return ReferenceAnatomy("body", segment_body, segment_body(reference))
        contrast = reference.source.contrast
        if contrast != HEAD_CONTRAST:
            said = f"its contrast is {contrast}" if contrast else "nothing says its contrast"
            return ReferenceAnatomy(fault=f"{said}; the network knows {HEAD_CONTRAST} heads")
        network = load_meshnet()

        def segment(head: Volume) -> Segmentation:
            with returning_freed_memory():  # kept, the many sizes of slabs would take twice as much
                return segment_head(head, network)

        found = segment(reference)
    except InputError as error:
        return ReferenceAnatomy(fault=str(error))
    doubts = doubt(found)
    if doubts:
        return ReferenceAnatomy(fault=f"the segmentation of the reference can't be right: {doubts}")
    return ReferenceAnatomy("head", segment, found, brain_of(found, reference))


def anatomy_of(
    trial: Trial,
    reference: ReferenceAnatomy,
    scan: str,
    task: str,
    results: Mapping[str, NDArray[np.float32]],
    samples: Samples | None = None,
) -> Anatomy:
    """The structures of the results of `SEGMENTED` and of posterior samples; or why there are none.

    Args:
        trial: Trial that the results were made of.
        reference: Structures of its reference.
        scan: Name of the reference.
        task: Name of the task.
        results: Results (I, J, K) in the scan's unit, by method.
        samples: Posterior samples; None where no intervals of volumes are asked for.
    """
    segment, truth = reference.segment, reference.found
    if segment is None or truth is None:
        return _without(scan, task, reference.fault)
    try:
        rows = tuple(
            StructureScore(scan, task, method, reference.part, **asdict(one))
            for method in SEGMENTED
            if method in results
            for one in compare(segment(trial.reference.with_data(results[method])), truth)
        )
    except InputError as error:
        return _without(scan, task, str(error))
    if samples is None:
        return Anatomy(rows)
    claimed = [row for row in rows if row.method == CLAIMED]
    if not claimed:
        return _unclaimed(
            rows, scan, task, f"the volumes of the {CLAIMED} are claimed, and it is not among the methods"
        )
    fault = samples.fault()
    if fault:
        return _unclaimed(
            rows, scan, task, f"{fault}, so none was segmented; to go on, set force = true under [enhance] in a recipe"
        )
    try:
        volumes = [segment(trial.reference.with_data(x)).volumes_ml() for x in samples.computed]
    except InputError as error:
        return _unclaimed(rows, scan, task, f"a sample can't be segmented: {error}")
    return Anatomy(rows, sampled=tuple(_sampled(row, volumes) for row in claimed))


def _sampled(row: StructureScore, volumes: Sequence[Mapping[str, float]]) -> SampledStructure:
    in_samples = tuple(one[row.structure] for one in volumes)
    return SampledStructure(row.scan, row.task, row.part, row.structure, row.reference_ml, row.volume_ml, in_samples)


def _without(scan: str, task: str, reason: str) -> Anatomy:
    return Anatomy(unsegmented=(Unsegmented(scan, task, reason),))


def _unclaimed(rows: tuple[StructureScore, ...], scan: str, task: str, reason: str) -> Anatomy:
    return Anatomy(rows, unclaimed=(Unclaimed(scan, task, reason),))
