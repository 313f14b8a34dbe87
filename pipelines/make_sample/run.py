"""Cut the sample scan of `medsr.samples` out of the shared validation scan; see README.md beside this file."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from medsr import affine as grids
from medsr.io import load
from medsr.physics.tasks import TASKS, degrade

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "validation/sub-bchadult01_T1w.nii.gz"
TARGET = ROOT / "medsr" / "samples" / "bchadult01_T1w.nii.gz"
THICK = TARGET.with_name("bchadult01_T1w_thick5.nii.gz")

# Voxels of the source, axes P, I, R: behind the eyelids and the skin of the forehead, above nose and mouth, between the
# ears. The lower brain stem and cerebellum and up to 4 mm of the frontal poles are lost with them.
START = (30, 6, 22)
STOP = (180, 116, 152)
MAX_BYTES = 3 * 2**20


def cropped(source: nib.Nifti1Image) -> nib.Nifti1Image:
    """The part of `source` from START to STOP: stored values and position as they were, no text in the header."""
    window = tuple(slice(start, stop) for start, stop in zip(START, STOP, strict=True))
    data = np.asarray(source.dataobj)[window]
    image = nib.Nifti1Image(data, grids.crop(np.asarray(source.affine), START))
    image.set_data_dtype(np.int16)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    return image


def thickened(path: Path) -> nib.Nifti1Image:
    """The sample with slices 5 mm thick, rounded to whole numbers."""
    degraded, _ = degrade(load(path), TASKS["thick5"])
    image = nib.Nifti1Image(np.rint(degraded.data).astype(np.int16), degraded.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    return image


def compressed(image: nib.Nifti1Image) -> bytes:
    """The image as .nii.gz bytes without file name or time, so that every run gives the same file."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(image.to_bytes())
    return buffer.getvalue()


def main() -> int:
    data_folder = Path(os.environ.get("MEDSR_DATA", ROOT / ".." / "shared" / "data"))
    source = data_folder / SOURCE
    if not source.is_file():
        print(f"{SOURCE} not found in the folder of shared scans; set MEDSR_DATA to that folder", file=sys.stderr)
        return 3
    content = compressed(cropped(nib.load(source)))
    if len(content) > MAX_BYTES:
        print(f"the sample would be {len(content)} bytes; the limit is {MAX_BYTES}", file=sys.stderr)
        return 6
    part = TARGET.with_name(f".part-{TARGET.name}")
    part.write_bytes(content)
    part.replace(TARGET)
    print(f"{TARGET.name}: {len(content)} bytes")
    thick = compressed(thickened(TARGET))
    THICK.write_bytes(thick)
    print(f"{THICK.name}: {len(thick)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
