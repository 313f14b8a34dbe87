"""Series that may be stacks of one body agree in patient, study, contrast, contrast agent and fat saturation."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from phantoms import affine

from medsr.io.dicom.alike import likeness
from medsr.io.dicom.triage import triage

DATA = np.arange(8 * 8 * 4, dtype=np.int16).reshape(8, 8, 4)
SAID = {"SeriesDescription": "t2 tse", "PatientID": "1", "ScanOptions": ["PFF", "SP"]}


def likenesses(folder, *series):
    """The likeness of series with these tags, in a tree of all."""
    for number, tags in enumerate(series):

        def edit(dataset, k, tags=tags):
            for name, value in (SAID | tags).items():
                setattr(dataset, name, value)

        write_classic(folder / str(number), DATA, affine((1, 1, 3)), prefix=f"s{number}", edit=edit)
    return [likeness(volume) for volume in triage(folder).volumes]


def test_series_of_one_contrast_are_alike_and_nobody_is_named(tmp_path):
    one, *others = likenesses(
        tmp_path, {"EchoTime": 80}, {"EchoTime": 90, "ScanOptions": "SP"}, {"SeriesDescription": "T2w_cor"}
    )
    assert others == [one, one]
    assert one
    assert SECRET not in one


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesDescription": "t1 tse"},
        {"SeriesDescription": "t2 flair"},
        {"SeriesDescription": "t2 tse fs"},
        {"AcquisitionContrast": "T2"},
        {"PatientID": "2"},
        {"PatientBirthDate": "19700101"},
        {"StudyInstanceUID": "1.2.3"},
        {"ContrastBolusAgent": "agent"},
        {"ScanOptions": ["PFF", "FS"]},
        {"ScanOptions": "FS"},
    ],
)
def test_what_differs_in_any_is_not_alike(tmp_path, tags):
    one, other = likenesses(tmp_path, {}, tags)
    assert one != other
    assert "" not in (one, other)


def test_what_is_not_known_is_like_nothing(tmp_path):
    assert likenesses(tmp_path / "a", {"SeriesDescription": "head"}) == [""]
    likenesses(tmp_path / "b", {})
    (tmp_path / "b" / "0" / "s0_001.dcm").unlink()
    assert likenesses(tmp_path / "b") == [""]  # a gap: no volume
