"""The structures of the body in each result of one case, against those in its reference, by the same instrument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from medsr.anatomy.comparison import compare
from medsr.anatomy.meshnet import load_meshnet
from medsr.anatomy.segmentation import Segmentation, doubt, segment_body, segment_head
from medsr.errors import InputError
from medsr.model.allocator import returning_freed_memory
from medsr.validation.scores import StructureScore, Unsegmented
from medsr.validation.trial import Trial
from medsr.volume import Volume

SEGMENTED = ("cubic", "ibp", "tv", "mean")
"""Methods whose results are segmented, where they are measured: a minute or more each."""

HEAD_CONTRAST = "T1w"

Segment = Callable[[Volume], Segmentation]


def anatomy_of(
    trial: Trial, scan: str, task: str, results: Mapping[str, NDArray[np.float32]]
) -> tuple[tuple[StructureScore, ...], tuple[Unsegmented, ...]]:
    """The structures of the results of `SEGMENTED`; or why there are none.

    A T1w head is segmented by a network, a CT by thresholds.

    Args:
        trial: Trial that the results were made of.
        scan: Name of the reference.
        task: Name of the task.
        results: Results (I, J, K) in the scan's unit, by method.

    Raises:
        ModelError: the network of this installation is damaged.
    """
    contrast = trial.reference.source.contrast
    if trial.reference.modality == "CT":
        return _compared(trial, scan, task, results, "body", segment_body)
    if contrast != HEAD_CONTRAST:
        said = f"its contrast is {contrast}" if contrast else "nothing says its contrast"
        return (), (Unsegmented(scan, task, f"{said}; the network knows {HEAD_CONTRAST} heads"),)
    network = load_meshnet()
    with returning_freed_memory():  # kept, the many sizes of slabs would take twice as much
        return _compared(trial, scan, task, results, "head", lambda head: segment_head(head, network), doubt)


def _compared(
    trial: Trial,
    scan: str,
    task: str,
    results: Mapping[str, NDArray[np.float32]],
    part: str,
    segment: Segment,
    doubt: Callable[[Segmentation], str] = lambda _: "",
) -> tuple[tuple[StructureScore, ...], tuple[Unsegmented, ...]]:
    """The same for any instrument; nothing where it has doubts about its answer to the reference."""
    try:
        reference = segment(trial.reference)
        doubts = doubt(reference)
        if doubts:
            return (), (Unsegmented(scan, task, f"the segmentation of the reference can't be right: {doubts}"),)
        rows = tuple(
            StructureScore(scan, task, method, part, **asdict(one))
            for method in SEGMENTED
            if method in results
            for one in compare(segment(trial.reference.with_data(results[method])), reference)
        )
    except InputError as error:
        return (), (Unsegmented(scan, task, str(error)),)
    return rows, ()
