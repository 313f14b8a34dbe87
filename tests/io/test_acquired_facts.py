"""What headers tell of partial sampling, filters and kernels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dicom_phantoms import write_classic, write_enhanced
from phantoms import affine, blank
from pydicom import Dataset
from pydicom.sequence import Sequence

from medsr.cli.app import run
from medsr.enhancement.result import described
from medsr.io import load, save
from medsr.io.acquired_facts import facts_of_sidecar

GRID = affine((1.0, 1.0, 4.0))
DATA = np.arange(12 * 14 * 6, dtype=np.int16).reshape(12, 14, 6)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, ()),
        ({"ScanOptions": "FS"}, ()),
        ({"ScanOptions": ["FS", "PFP"]}, ("partial Fourier along the phases",)),
        ({"ScanOptions": "PFF"}, ("partial Fourier along the frequencies",)),
        ({"PercentSampling": "62.5"}, ("62.5 % of the lines of k-space sampled",)),
        ({"PercentSampling": "100"}, ()),
        ({"PercentSampling": "0"}, ()),
        ({"KSpaceFiltering": "HAMMING"}, ("k-space filter HAMMING",)),
        ({"KSpaceFiltering": "NONE"}, ()),
        ({"ConvolutionKernel": "B70f"}, ("kernel B70f",)),
        ({"ConvolutionKernel": ["Br40d", "3"]}, ("kernel Br40d",)),
        ({"ConvolutionKernel": "BONEPLUS"}, ("kernel BONEPLUS",)),
    ],
)
def test_a_classic_file(tmp_path, tags, expected):
    def edit(dataset, _):
        for name, value in tags.items():
            setattr(dataset, name, value)

    write_classic(tmp_path / "series", DATA, GRID, edit=edit)
    scan = load(tmp_path / "series")
    assert scan.source.acquired == expected
    assert described(scan)["acquired"] == list(expected)


@pytest.mark.parametrize(
    "text", ["Mueller", "Mueller, Anna", "see note", "X" * 16, "ZEBRAFINK_PETER", "LI", "AB", "ANN", "Ann12"]
)
def test_free_text_is_not_repeated(tmp_path, text):
    def edit(dataset, _):
        dataset.ConvolutionKernel = text
        dataset.KSpaceFiltering = text
        dataset.ScanOptions = text

    write_classic(tmp_path / "series", DATA, GRID, edit=edit)
    assert load(tmp_path / "series").source.acquired == ()


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("PHASE", "partial Fourier along the phases"),
        ("FREQUENCY", "partial Fourier along the frequencies"),
        ("SLICE_SELECT", "partial Fourier across the slices"),
        ("COMBINATION", "partial Fourier"),
    ],
)
def test_an_enhanced_file_tells_the_direction_of_partial_fourier(tmp_path, direction, expected):
    def edit(dataset, _):
        modifier = Dataset()
        modifier.PartialFourier = "YES"
        modifier.PartialFourierDirection = direction
        dataset.SharedFunctionalGroupsSequence[0].MRModifierSequence = Sequence([modifier])

    assert load(write_enhanced(tmp_path / "scan.dcm", DATA, GRID, edit=edit)).source.acquired == (expected,)


def test_an_enhanced_file_without_partial_fourier(tmp_path):
    def edit(dataset, _):
        modifier = Dataset()
        modifier.PartialFourier = "NO"
        dataset.SharedFunctionalGroupsSequence[0].MRModifierSequence = Sequence([modifier])

    assert load(write_enhanced(tmp_path / "scan.dcm", DATA, GRID, edit=edit)).source.acquired == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"PartialFourier": 0.75}, ("partial Fourier 0.75",)),
        ({"PartialFourier": 1, "ScanOptions": "PFP"}, ()),  # the number is surer than the option
        ({"ScanOptions": "PFP\\FS"}, ("partial Fourier along the phases",)),
        ({"PercentSampling": 80, "ConvolutionKernel": "H31s"}, ("80 % of the lines of k-space sampled", "kernel H31s")),
        ({"PercentSampling": 10**400, "PartialFourier": 0.5}, ("partial Fourier 0.5",)),
        ({"PercentSampling": True}, ()),
        ({"PartialFourier": "half", "ScanOptions": 3, "PercentSampling": [], "ConvolutionKernel": {}}, ()),
        ({"PartialFourier": True, "ScanOptions": None, "PercentSampling": float("nan"), "ConvolutionKernel": []}, ()),
    ],
)
def test_a_sidecar(content, expected):
    assert facts_of_sidecar(content) == expected


def test_inspect_shows_what_a_sidecar_says(tmp_path, capsys):
    path = tmp_path / "sub-1_T2w.nii.gz"
    save(blank((12, 14, 8), GRID), path)
    path.with_name("sub-1_T2w.json").write_text(json.dumps({"PartialFourier": 0.625, "PercentSampling": 70}))
    assert run(["inspect", str(path)]) == 0
    assert "acquired  partial Fourier 0.625, 70 % of the lines of k-space sampled\n" in capsys.readouterr().out
