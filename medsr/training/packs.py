"""Packs: training scans as whole numbers with checksums, at most 40 MiB a file, never one subject in two."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError, OutputError, ResourceError
from medsr.io import files
from medsr.model.intensity import Scale, scale_of
from medsr.physics.assumption import FINE
from medsr.volume import Volume

MAX_PACK_BYTES = 40 * 2**20
INDEX = "packs.json"
ARCHIVE_BYTES = 512  # a zip archive's own lists for the two files of a scan, at most, but for the names
FEWEST_LEVELS = 32  # whole numbers between a scan's dark and bright: with fewer, rounding would be seen


@dataclass(frozen=True)
class PackedScan:
    """One training scan: voxels in RAS order and what a degradation must know of it.

    Attributes:
        name: Subject and contrast, such as "sub-x01_T1w".
        subject: Subject label; all scans of a subject lie in one pack.
        modality: "MR" or "CT".
        spacing_mm: Voxel spacing.
        scale: Map of intensities to the model range.
        data: (I, J, K) int16 in the scan's own unit.
    """

    name: str
    subject: str
    modality: str
    spacing_mm: tuple[float, float, float]
    scale: Scale
    data: NDArray[np.int16]

    @property
    def degradable(self) -> tuple[bool, bool, bool]:
        """Axes fine enough to be degraded."""
        i, j, k = (spacing < FINE * min(self.spacing_mm) for spacing in self.spacing_mm)
        return i, j, k


def packed(volume: Volume, name: str, subject: str) -> PackedScan:
    """A scan ready for a pack: turned to RAS, rounded to whole numbers.

    Raises:
        InputError: The values don't fit 16 bits, or would be lost by rounding to whole numbers.
    """
    turned = volume.to_ras()
    if float(turned.data.min()) < -32768 or float(turned.data.max()) > 32767:
        raise InputError(
            f"{name}: values {turned.data.min():g} to {turned.data.max():g} do not fit 16 bits; rescale it"
        )
    a, b, c = (float(h) for h in turned.spacing_mm)
    scale = scale_of(turned.data, turned.modality)
    if scale.width < FEWEST_LEVELS:
        raise InputError(
            f"{name}: values span {scale.width:g}; packs hold whole numbers, so multiply them by 1000 first"
        )
    return PackedScan(name, subject, turned.modality, (a, b, c), scale, np.rint(turned.data).astype(np.int16))


def write_packs(scans: Iterable[PackedScan], folder: Path) -> list[Path]:
    """Write packs into `folder`, subject by subject, with an index of their SHA-256.

    Args:
        scans: Scans ordered by subject.
        folder: Folder of the packs, made if missing.

    Returns:
        Paths of the packs.

    Raises:
        InputError: Two scans of one name, or a subject whose scans are not in a row.
        ResourceError: One subject alone needs more than 40 MiB.
        OutputError: The folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({files.reason(error)}); choose another folder") from error
    index: list[dict[str, object]] = []
    paths: list[Path] = []
    for number, group in enumerate(_grouped(scans)):
        path = folder / f"pack-{number:02d}.zip"
        content = _zipped(group)
        with files.atomic(path) as file:
            file.write(content)
        digest = hashlib.sha256(content).hexdigest()
        index.append({"file": path.name, "sha256": digest, "scans": [member.name for member in group]})
        paths.append(path)
    with files.atomic(folder / INDEX) as file:
        file.write((json.dumps({"packs": index}, indent=1) + "\n").encode())
    return paths


def read_packs(folder: Path) -> list[PackedScan]:
    """All scans of the packs in `folder`, checksums verified.

    Raises:
        InputError: No index, or a pack that is missing or differs from it.
    """
    try:
        index = json.loads((folder / INDEX).read_text())["packs"]
        contents = [(folder / entry["file"], (folder / entry["file"]).read_bytes(), entry["sha256"]) for entry in index]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no readable packs; make them with pipelines/prepare_training") from error
    scans: list[PackedScan] = []
    for path, content, digest in contents:
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"{path} differs from its checksum; make the packs again")
        try:
            scans += list(_unzipped(content))
        except (zipfile.BadZipFile, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a pack of this version; make the packs again") from error
    return scans


def bytes_in_pack(scans: Iterable[PackedScan]) -> int:
    """Size of scans in a pack, at most."""
    return _bytes([_member(scan) for scan in scans])


def packs_sha256(folder: Path) -> str:
    """One hash over all packs, for the weights' metadata."""
    return hashlib.sha256((folder / INDEX).read_bytes()).hexdigest()


def _grouped(scans: Iterable[PackedScan]) -> Iterator[list[_Member]]:
    """Members of one pack after the other: as many whole subjects as fit."""
    group: list[_Member] = []
    for subject in _by_subject(scans):
        members = [_member(scan) for scan in subject]
        size = _bytes(members)
        if size > MAX_PACK_BYTES:
            raise ResourceError(f"{subject[0].subject} needs {size} bytes; a pack holds {MAX_PACK_BYTES}")
        if group and _bytes(group) + size > MAX_PACK_BYTES:
            yield group
            group = []
        group += members
    if group:
        yield group


def _by_subject(scans: Iterable[PackedScan]) -> Iterator[list[PackedScan]]:
    current: list[PackedScan] = []
    names: set[str] = set()
    finished: set[str] = set()
    for scan in scans:
        if scan.name in names:
            raise InputError(f"two scans are called {scan.name}; a pack needs names that differ")
        if scan.subject in finished:
            raise InputError(f"scans of {scan.subject} are not in a row; a subject must never be in two packs")
        names.add(scan.name)
        if current and scan.subject != current[0].subject:
            finished.add(current[0].subject)
            yield current
            current = []
        current.append(scan)
    if current:
        yield current


@dataclass(frozen=True)
class _Member:
    """One scan as it lies in a pack: its facts as JSON, its voxels as an xz-compressed .npy."""

    name: str
    facts: bytes
    voxels: bytes


def _member(scan: PackedScan) -> _Member:
    facts = {key: value for key, value in asdict(scan).items() if key != "data"}
    array = io.BytesIO()
    np.save(array, scan.data, allow_pickle=False)
    return _Member(scan.name, json.dumps(facts).encode(), lzma.compress(array.getvalue()))


def _bytes(members: list[_Member]) -> int:
    """Size in a pack, the archive's own lists included."""
    return sum(len(member.facts) + len(member.voxels) + 4 * len(member.name) + ARCHIVE_BYTES for member in members)


def _zipped(members: list[_Member]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(f"{member.name}.json"), member.facts)
            archive.writestr(zipfile.ZipInfo(f"{member.name}.npy.xz"), member.voxels)
    return buffer.getvalue()


def _unzipped(content: bytes) -> Iterator[PackedScan]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if not name.endswith(".json"):
                continue
            facts = json.loads(archive.read(name))
            voxels = lzma.decompress(archive.read(name.removesuffix(".json") + ".npy.xz"))
            a, b, c = facts["spacing_mm"]
            yield PackedScan(
                facts["name"],
                facts["subject"],
                facts["modality"],
                (a, b, c),
                Scale(**facts["scale"]),
                np.load(io.BytesIO(voxels), allow_pickle=False),
            )
