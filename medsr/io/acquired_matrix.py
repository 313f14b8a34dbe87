"""What headers say of the samples that an MR scanner acquired in the plane, where it stored more of them.

A scanner fills k-space with zeros or interpolates before it stores a scan: its voxels then promise more than they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom import Dataset

FINER = 1.5  # stored over acquired samples; partial sampling of the phases and square pixels alone give less
MOST = 8.0  # more is a slip in the header


def said_of_dicom(header: Dataset) -> tuple[str, ...]:
    """What a DICOM header says of stored voxels that are finer than the acquired ones, as warnings of a reader.

    Acquisition Matrix (0018,1310) holds frequency rows and columns, then phase rows and columns; an enhanced file holds
    the encoding steps of both, (0018,9058) and (0018,9231). Values that are no numbers say nothing.

    Args:
        header: Tags of `medsr.io.dicom.headers.HEADER_TAGS`.
    """
    try:
        columns, rows = _columns_and_rows(header)
    except (TypeError, ValueError):
        return ()
    return _said({0: (columns, int(header.Columns)), 1: (rows, int(header.Rows))})


def phases_of_sidecar(content: Mapping[str, Any]) -> tuple[int, int] | None:
    """Axis of the phase encoding and the samples acquired along it, as a BIDS sidecar tells; None where it does not."""
    direction = str(content.get("PhaseEncodingDirection") or content.get("PhaseEncodingAxis") or "")[:1]
    acquired = content.get("AcquisitionMatrixPE")
    return ("ij".index(direction), acquired) if direction in ("i", "j") and type(acquired) is int else None


def said_of_phases(phases: tuple[int, int] | None, shape: tuple[int, ...]) -> tuple[str, ...]:
    """As `said_of_dicom`, of what `phases_of_sidecar` found.

    Args:
        phases: Axis and acquired samples.
        shape: Voxels per stored axis.
    """
    return () if phases is None else _said({phases[0]: (phases[1], shape[phases[0]])})


def _columns_and_rows(header: Dataset) -> tuple[int, int]:
    """Samples acquired along a row, to the next column, and along a column; 0 where the header does not say it."""
    matrix = [int(number) for number in header.get("AcquisitionMatrix") or []]
    if len(matrix) == 4:
        frequency_rows, frequency_columns, phase_rows, phase_columns = matrix
        return (frequency_rows, phase_columns) if frequency_rows else (phase_rows, frequency_columns)
    shared = header.get("SharedFunctionalGroupsSequence") or []
    items = (shared[0].get("MRFOVGeometrySequence") or []) if len(shared) else []
    if not len(items):
        return 0, 0
    frequency = int(items[0].get("MRAcquisitionFrequencyEncodingSteps") or 0)
    phase = int(items[0].get("MRAcquisitionPhaseEncodingStepsInPlane") or 0)
    match str(items[0].get("InPlanePhaseEncodingDirection") or ""):
        case "ROW":
            return phase, frequency
        case "COLUMN":
            return frequency, phase
    return 0, 0


def _said(samples: Mapping[int, tuple[int, int]]) -> tuple[str, ...]:
    """One line per axis with fewer acquired than stored samples."""
    return tuple(
        f"the header says that {acquired} samples were acquired along axis {axis} and {stored} voxels stored: "
        f"the scan was zero-filled or interpolated there, and its own resolution is {stored / acquired:.2g} voxels"
        for axis, (acquired, stored) in samples.items()
        if acquired > 0 and FINER <= stored / acquired <= MOST
    )
