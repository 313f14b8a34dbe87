"""What headers tell of scans that were stored finer than they were acquired."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from dicom_phantoms import write_classic, write_enhanced
from phantoms import affine, blank
from pydicom import Dataset
from pydicom.sequence import Sequence

from medsr.io import load, save
from medsr.io.acquired_matrix import phases_of_sidecar, said_of_phases

GRID = affine((1.0, 1.0, 4.0))
DATA = np.arange(40 * 48 * 3, dtype=np.int16).reshape(40, 48, 3)


def numbers(scan):
    """Acquired samples and axis of every warning."""
    found = [re.search(r"(\d+) samples were acquired along axis (\d)", text) for text in scan.source.warnings]
    return [(int(match[1]), int(match[2])) for match in found if match]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([20, 0, 0, 24], [(20, 0), (24, 1)]),  # frequency along a row, phases along a column
        ([0, 20, 24, 0], [(24, 0), (20, 1)]),  # the other way round
        ([0, 48, 20, 0], [(20, 0)]),
        ([36, 0, 0, 45], []),  # partial sampling
        ([160, 0, 0, 200], []),  # acquired finer than stored
        ([2, 0, 0, 2], []),  # cannot be
        ([0, 0, 0, 0], []),
        ([20, 24], []),
    ],
)
def test_a_classic_file_holds_a_matrix(tmp_path, matrix, expected):
    def edit(dataset, _):
        dataset.AcquisitionMatrix = matrix

    write_classic(tmp_path / "series", DATA, GRID, edit=edit)
    assert numbers(load(tmp_path / "series")) == [(n, axis) for n, axis in expected if n <= 40]


@pytest.mark.parametrize(("direction", "expected"), [("ROW", [(24, 0), (20, 1)]), ("COLUMN", [(20, 0), (24, 1)])])
def test_an_enhanced_file_holds_steps(tmp_path, direction, expected):
    def edit(dataset, _):
        geometry = Dataset()
        geometry.InPlanePhaseEncodingDirection = direction
        geometry.MRAcquisitionFrequencyEncodingSteps = 20
        geometry.MRAcquisitionPhaseEncodingStepsInPlane = 24
        dataset.SharedFunctionalGroupsSequence[0].MRFOVGeometrySequence = Sequence([geometry])

    scan = load(write_enhanced(tmp_path / "scan.dcm", DATA, GRID, edit=edit))
    assert numbers(scan) == expected


def test_a_sidecar_holds_the_phases(tmp_path):
    path = tmp_path / "sub-1_T2w.nii.gz"
    save(blank((40, 48, 6), GRID), path)
    path.with_name("sub-1_T2w.json").write_text(json.dumps({"PhaseEncodingDirection": "j-", "AcquisitionMatrixPE": 24}))
    scan = load(path)
    assert numbers(scan) == [(24, 1)]
    assert "its own resolution is 2 voxels" in "".join(scan.source.warnings)


@pytest.mark.parametrize(
    "content",
    [{}, {"PhaseEncodingDirection": "j"}, {"PhaseEncodingDirection": "k", "AcquisitionMatrixPE": 20}]
    + [{"PhaseEncodingDirection": "j", "AcquisitionMatrixPE": odd} for odd in ("20", 20.5, True, None)],
)
def test_a_sidecar_that_says_nothing_usable(content):
    assert phases_of_sidecar(content) is None
    assert said_of_phases(None, (40, 40, 40)) == ()


def test_partial_sampling_of_real_scanners_is_no_news(shared_data, monkeypatch):
    """Of 96 voxels 80 and 70 samples; a matrix of 256 over 64 voxels, which were made of it."""
    for name in ("mr_pcasl_4mm_philips", "mr_pcasl_4mm_philips_enhanced", "mr_oblique_4mm_hitachi"):
        assert numbers(load(shared_data / "dicom" / name)) == []
    monkeypatch.setattr("medsr.io.acquired_matrix.FINER", 1.25)
    assert numbers(load(shared_data / "dicom" / "mr_pcasl_4mm_philips")) == [(70, 1)]
    assert numbers(load(shared_data / "dicom" / "mr_pcasl_4mm_philips_enhanced")) == [(70, 1)]
    assert numbers(load(shared_data / "dicom" / "mr_oblique_4mm_hitachi")) == []
