"""Mean Dice of the structures in a crop: a result is put back into the head it comes from, and segmented there.

A crop alone is too small for the network, which sees far around a voxel, and whole heads cost members of hundreds of
evaluations too much. Only the crop is segmented anew, as the whole head would be, and only its voxels count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from crop_results import CropCase
from numpy.typing import NDArray

from medsr.anatomy.comparison import dice
from medsr.anatomy.conform import part_of_grid
from medsr.anatomy.meshnet import MeshNet, Place, load_meshnet
from medsr.anatomy.segmentation import Segmentation, segment_part
from medsr.io import files, load
from medsr.io.names import digest
from medsr.model.allocator import returning_freed_memory
from medsr.validation.anatomy import HEAD_CONTRAST, reference_anatomy
from medsr.validation.report.export import finite
from medsr.volume import Volume

FEWEST_VOXELS = 300  # of a structure in the crop, of 1 mm each


@dataclass(frozen=True)
class CropInHead:
    """A crop where it lies in its head, and the structures of both.

    Attributes:
        head: Whole head in RAS order.
        at: The crop's voxels in the head.
        found: Structures of the head, on the conformed grid.
        part: Box of that grid around the crop.
        inside: Voxels of the box that lie in the crop.
        network: Network that found the structures.
    """

    head: Volume
    at: Place
    found: Segmentation
    part: Place
    inside: NDArray[np.bool_]
    network: MeshNet

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the structures that hold enough of the crop."""
        counts = np.bincount(self.found.labels[self.part][self.inside], minlength=len(self.found.names))
        return tuple(number for number in range(1, len(counts)) if counts[number] >= FEWEST_VOXELS)

    def mean_dice(self, x: NDArray[np.float32]) -> float:
        """Mean Dice of those structures in the crop's voxels, NaN without any.

        Args:
            x: Crop (I, J, K) in RAS order, in the head's unit.
        """
        data = self.head.data.copy()
        data[self.at] = x
        with returning_freed_memory():
            found = segment_part(self.head.with_data(data), self.part, self.found, self.network)
        ours, truth = (one.labels[self.part][self.inside] for one in (found, self.found))
        each = [dice(ours == number, truth == number) for number in self.numbers]
        return float(np.mean(each)) if each else float("nan")


def crop_in_head(head: Volume, crop: Volume, found: Segmentation) -> CropInHead:
    """A crop where it lies in its head.

    Args:
        head: Whole head in RAS order.
        crop: Voxels of it, in RAS order.
        found: Structures of the head.
    """
    first = np.rint(np.linalg.inv(head.affine) @ crop.affine[:, 3]).astype(int)
    i, j, k = (slice(int(a), int(a) + n) for a, n in zip(first[:3], crop.shape, strict=True))
    part, inside = part_of_grid(found.affine, crop)
    return CropInHead(head, (i, j, k), found, part, inside, load_meshnet())


@dataclass(frozen=True)
class DiceOfCrop:
    """The Dice of results for one crop, each computed once.

    Attributes:
        head: File of the whole head.
        crop: File of the crop.
        folder: Folder that keeps what was computed.
    """

    head: Path
    crop: Path
    folder: Path

    def of(self, case: CropCase) -> dict[str, float | None]:
        """Mean Dice of the case's results, by method; None where the head can't be segmented.

        Raises:
            MedsrError: as `CropCase.results`.
        """
        path = self.folder / f"{digest(case.key(), self._head_sha256)}.json"
        if path.is_file():
            known: dict[str, float | None] = json.loads(path.read_text(encoding="utf-8"))
            return known
        place = self._place
        found: dict[str, float | None] = finite(
            {name: None if place is None else place.mean_dice(x) for name, x in case.results().items()}
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        with files.atomic(path) as file:
            file.write(json.dumps(found).encode())
        return found

    @cached_property
    def _head_sha256(self) -> str:
        return files.sha256_file(self.head)

    @cached_property
    def _place(self) -> CropInHead | None:
        """Minutes of work, so only where a Dice is missing."""
        head = load(self.head).to_ras()
        anatomy = reference_anatomy(head)
        if anatomy.found is None or anatomy.part != "head":
            print(f"{self.head.name}: no Dice: {anatomy.fault}", file=sys.stderr)
            return None
        return crop_in_head(head, load(self.crop).to_ras(), anatomy.found)


def first_head(scans: Sequence[Path]) -> int | None:
    """Number of the first scan that says it is a T1w head; None where none does."""
    for number, path in enumerate(scans):
        scan = load(path)
        if scan.modality == "MR" and scan.source.contrast == HEAD_CONTRAST:
            return number
    return None
