"""Seconds and memory to triage 20,000 DICOM files: 50 series in 10 studies, made in a temporary folder."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

N_STUDIES, N_SERIES, N_SLICES = 10, 5, 400  # series of each study, slices of each series
SIDE = 32  # pixels: the pass never reads them
LIMIT_S, LIMIT_MIB = 60, 500


def template(study: int, series: int) -> Dataset:
    """A slice with as many tags as scanners write, private ones among them."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.{study + 1}"
    dataset.SeriesInstanceUID = f"{dataset.StudyInstanceUID}.{series + 1}"
    dataset.FrameOfReferenceUID = f"{dataset.StudyInstanceUID}.99"
    dataset.Modality, dataset.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.EchoTime, dataset.RepetitionTime, dataset.FlipAngle = 2.98, 2300, 9
    dataset.AcquisitionNumber, dataset.AcquisitionTime = 1, "101500.120000"
    for element in range(0x10, 0x50):
        dataset.add_new((0x0019, 0x1000 + element), "LO", f"private value {element}")
    dataset.add_new((0x0029, 0x1010), "OB", bytes(8000))
    dataset.PixelData = bytes(2 * SIDE * SIDE)
    return dataset


def make_files(folder: Path) -> int:
    """Write the tree and return the number of its files."""
    for study, series in np.ndindex(N_STUDIES, N_SERIES):
        dataset = template(study, series)
        place = folder / f"study{study}" / f"series{series}"
        place.mkdir(parents=True)
        for k in range(N_SLICES):
            dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.{k + 1}"
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.InstanceNumber = k + 1
            dataset.ImagePositionPatient = [-16, -16, k]
            dataset.save_as(place / f"{k:05d}", enforce_file_format=True)
    return N_STUDIES * N_SERIES * N_SLICES


def measure(folder: Path) -> dict[str, float]:
    """Triage the tree in this process."""
    from medsr.io.dicom.triage import triage

    began = time.monotonic()
    found = triage(folder)
    seconds = time.monotonic() - began
    assert len(found.volumes) == N_STUDIES * N_SERIES
    assert all(volume.stacks[0].shape == (SIDE, SIDE, N_SLICES) for volume in found.volumes)
    return {
        "files": found.n_files,
        "volumes": len(found.volumes),
        "seconds": round(seconds, 2),
        "cpu_s": round(sum(os.times()[:2]), 2),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        make_files(Path(made))
        child = subprocess.run([sys.executable, __file__, made], check=True, capture_output=True, text=True)
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    result = {"machine": f"{platform.machine()}, {cores}", **json.loads(child.stdout)}
    result |= {"limit_s": LIMIT_S, "limit_mib": LIMIT_MIB}
    result["within_limits"] = result["seconds"] < LIMIT_S and result["peak_rss_mib"] < LIMIT_MIB
    Path("results").mkdir(exist_ok=True)
    Path("results/triage.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<16}{value}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]))))
    else:
        main()
