"""A DICOM series to `Volume`. Here the scan turns from LPS to RAS; everything beyond this module is RAS.

What is taken for one volume, and what is not:

- read: classic and enhanced multi-frame MR and CT, any transfer syntax that the installed pydicom plugins decode, files
  in any order, gaps and overlaps between slices (the grid follows the positions, the profile the thickness), small
  jitter of positions (`distances.MAX_STEP_JITTER`), slope and intercept per slice. MONOCHROME1 keeps its values: it
  only tells how to show them. The Modality tag is believed.
- read with a warning: copies of a file, identical or with the same pixels at the same place (dropped), files that are
  not DICOM and DICOM files that are not MR or CT images (skipped), slices of different nominal thickness (thickness
  then unknown), padding values far outside the measured ones (`pixels.voxels`).
- read with a warning, interpolated onto an even grid: slices that touch but are not equally thick, as in many CT of the
  head; where `Policies` say so, missing slices and distances that change; also a tilted gantry.
- refused: several series, volumes (two echoes, time points), orientations, matrices or frames of reference; repeated
  slices; one slice; localizers, mosaics, projections, colour, secondary captures; files without preamble; truncated
  pixels. A triage (`triage.triage`) tells the volumes of a series apart, and `read_found` reads one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydicom import Dataset

from medsr.errors import GeometryError, InputError
from medsr.io import files
from medsr.io.acquired_facts import facts_of_dicom
from medsr.io.acquired_matrix import said_of_dicom
from medsr.io.contrast import contrast_of_words
from medsr.io.dicom.frames import frames_of
from medsr.io.dicom.headers import modality_of, parsing, read_header
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.dicom.pixels import voxels
from medsr.io.dicom.series import Series, find_series
from medsr.io.dicom.stack import Stack, stacked
from medsr.io.dicom.tilt import upright
from medsr.io.dicom.triage import FoundVolume, Triage, triage
from medsr.volume import Modality, Source, Volume, check_shape

_CONTRASTS = {
    "T1": "T1w",
    "T2": "T2w",
    "T2_STAR": "T2starw",
    "PROTON_DENSITY": "PDw",
    "FLUID_ATTENUATED": "FLAIR",
    "DIFFUSION": "dwi",
    "PERFUSION": "asl",
}


@dataclass(frozen=True)
class DicomScan:
    """A volume and the source slices that it was made of."""

    volume: Volume
    stack: Stack


def read_dicom(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of `read_dicom_scans`."""
    return [scan.volume for scan in read_dicom_scans(path, policies)]


def read_dicom_scans(path: Path | str, policies: Policies = DEFAULT) -> list[DicomScan]:
    """The scan of a DICOM series, as a list of one; of several where `policies` split it.

    Archives export localizers, scouts and computed maps with a scan, and discs keep it some folders down. So a folder
    tree that holds one volume beside what is none gives that volume, and its warnings name the rest.

    Args:
        path: A folder with one volume, or any file of a series (its folder may hold others).
        policies: What to do with an irregular series.

    Returns:
        Volumes with axes (column, row, slice), slices ascending along row x column, `slice_axis` 2.

    Raises:
        InputError: no MR or CT slices, colour, no preamble, damaged or truncated files.
        GeometryError: not one regular volume; the message says what was found and expected.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        try:
            series, stacks = _stacked_series(path, policies)
        except InputError:
            scans = _only_volume(path)
            if not scans:
                raise
            return scans
        digests = {file.path: file.sha256 for file in series.files}
        header = series.files[0].header
        return [_scan(stack, header, digests, series.warnings + _split(k, stacks)) for k, stack in enumerate(stacks)]


def _stacked_series(path: Path, policies: Policies) -> tuple[Series, list[Stack]]:
    """The one series of a path and its slices in place, from headers alone: no pixel is decoded before they fit."""
    series = find_series(path)
    stacks = stacked([frame for file in series.files for frame in frames_of(file.path, file.header)], policies)
    for stack in stacks:
        check_shape(stack.shape)
    return series, stacks


def _only_volume(path: Path) -> list[DicomScan]:
    """The scan of a folder tree that holds one volume, at one time, and no part of another; else none."""
    if not path.is_dir():
        return []
    found = triage(path)
    if any(left.is_damaged for left in found.left_out):  # it may be a slice of the volume
        return []
    if len(found.volumes) != 1 or len(found.volumes[0].stacks) != 1:
        return []
    return read_found(found.volumes[0], left_out_said(found))


def left_out_said(found: Triage) -> tuple[str, ...]:
    """What lies beside the volumes of a triage that can be read, as warnings of a reader, one line each."""
    others = [f"not read: a volume of {len(one.paths)} files: {one.reason}" for one in found.volumes if one.reason]
    reasons = Counter(left.reason for left in found.left_out).most_common()
    return (*others, *(f"files left out: {n} x {reason}" for reason, n in reasons))


def read_found(found: FoundVolume, warnings: tuple[str, ...] = ()) -> list[DicomScan]:
    """The scans of one entry of a triage: one, or one per time point, in order.

    Args:
        found: Volume that a triage lists.
        warnings: What a user should know of where it was found.

    Raises:
        InputError: damaged or truncated files.
        GeometryError: the triage said that it is not one regular volume.
        ResourceError: not enough memory.
    """
    if not found.stacks:
        raise GeometryError(f"volume {found.name}: {found.reason}")
    digests = {path: files.sha256_file(path) for path in found.paths}
    header = read_header(found.paths[0])
    return [_scan(stack, header, digests, warnings) for stack in found.stacks]


def _scan(stack: Stack, header: Dataset, digests: Mapping[Path, str], warnings: tuple[str, ...]) -> DicomScan:
    check_shape(stack.shape)
    data, dtype, done = voxels(stack)
    affine = stack.affine
    if stack.is_sheared:
        data, affine = upright(data, affine)
    with parsing(stack.frames[0].path):
        said_of_matrix, facts = said_of_dicom(header), facts_of_dicom(header)
    source = Source(
        format="dicom",
        content_sha256=files.sha256_of_digests({digests[frame.path] for frame in stack.frames}),
        dtype=dtype,
        contrast=contrast_of(header, stack.frames[0].path),
        warnings=(*warnings, *said_of_matrix, *_decided(stack), *done),
        acquired=facts,
    )
    modality = cast(Modality, modality_of(header))
    return DicomScan(Volume(data, affine, modality, stack.thickness_mm, 2, stack.acquisition_type, source), stack)


def _split(k: int, stacks: Sequence[Stack]) -> tuple[str, ...]:
    if len(stacks) == 1:
        return ()
    return (f"part {k + 1} of {len(stacks)} of a series with uneven distances (--gaps split)",)


def _decided(stack: Stack) -> tuple[str, ...]:
    said = [stack.filled_said] if stack.filled else []
    if stack.is_sheared:
        said.append("sheared slices resampled to an upright grid, lowest value beyond their borders (--tilt resample)")
    if stack.thickness_mm is None and any(frame.thickness_mm for frame in stack.frames):
        said.append("slices have different nominal thicknesses: slice thickness not known")
    return tuple(said)


def contrast_of(header: Dataset, path: Path) -> str:
    """Contrast by the header of a series, "" where it does not say.

    Args:
        header: Header with the tags of `headers.HEADER_TAGS`.
        path: Its file, for messages.

    Raises:
        InputError: the header is damaged.
    """
    if modality_of(header) == "CT":
        return "CT"
    with parsing(path):
        stated = _CONTRASTS.get(str(header.get("AcquisitionContrast") or ""), "")
        if stated or header.get("AngioFlag") == "Y":
            return stated or "angio"
        kinds = header.get("ImageType") or ""
        described = [str(header.get(tag) or "") for tag in ("SeriesDescription", "ProtocolName")]
        return contrast_of_words([*([kinds] if isinstance(kinds, str) else map(str, kinds)), *described])
