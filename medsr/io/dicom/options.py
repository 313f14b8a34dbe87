"""How scans are read that are not one regular volume of numbers, and how derived DICOM series are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medsr.volume import Modality

Gaps = Literal["refuse", "fill", "split"]
Tilt = Literal["refuse", "resample"]
NaN = Literal["refuse", "lowest"]
Compression = Literal["none", "j2k", "rle", "jpegls"]


@dataclass(frozen=True)
class Policies:
    """Refusal unless something else is asked for. Each concerns the formats in which its fault occurs.

    Attributes:
        gaps: Missing slices or distances that change on the way: "refuse"; "fill" an even grid by interpolation between
            neighbours; or "split" into several scans, each regular. Slices that touch though they are not equally
            thick fill an even grid unless they are to be split.
        tilt: Slices sheared against their normal: "refuse", or "resample" to an upright grid.
        nan: Voxels that are not a number, as masked derivatives hold them in the background: "refuse", or give them the
            "lowest" value of the others. DICOM has none.
        modality: "MR" or "CT" where no header says it; None: guessed from the voxels.
    """

    gaps: Gaps = "refuse"
    tilt: Tilt = "refuse"
    nan: NaN = "refuse"
    modality: Modality | None = None

    @property
    def mends_series(self) -> bool:
        """Whether an irregular DICOM series may become a regular one by them."""
        return self.gaps != "refuse" or self.tilt != "refuse"


@dataclass(frozen=True)
class DicomOptions:
    """How a derived series is written.

    Attributes:
        compress: "none", or lossless "j2k", "rle" or "jpegls".
        keep_private: Keep the source's private elements.
    """

    compress: Compression = "none"
    keep_private: bool = False


DEFAULT = Policies()
