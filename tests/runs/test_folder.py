"""A folder of scans: every one enhanced or explained."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import head
from tiny_models import tiny_model

from medsr.errors import UsageError
from medsr.runs.case import EnhanceCase
from medsr.runs.folder import cases_of, enhance_folder

SCAN = head((12, 14, 6), (1.0, 1.0, 3.0))


@pytest.fixture
def tree(tmp_path):
    """Two NIfTI files, one of them cut off, a DICOM series, and a text."""
    source = tmp_path / "in"
    (source / "a").mkdir(parents=True)
    nib.save(nib.Nifti1Image(SCAN.data, SCAN.affine), source / "a" / "head.nii.gz")
    (source / "cut.nii.gz").write_bytes((source / "a" / "head.nii.gz").read_bytes()[:1200])
    (source / "notes.txt").write_text("nothing to enhance")
    write_classic(source / "series", SCAN.data.astype(np.int16), SCAN.affine)
    return source


def test_cases_are_the_scans_of_the_tree_and_mirror_it(tree, tmp_path):
    cases = cases_of(tree, tmp_path / "out")
    assert [case.name for case in cases] == ["cut.nii.gz", "a/head.nii.gz", "series"]
    targets = [str(case.target.relative_to(tmp_path / "out")) for case in cases]
    assert targets == ["cut.nii.gz", "a/head.nii.gz", "series.nii.gz"]


def test_a_bad_scan_does_not_cost_the_others(tree, tmp_path):
    told = []
    cases = cases_of(tree, tmp_path / "out")
    ended = enhance_folder(cases, EnhanceCase(), tiny_model(), lambda number, case: told.append((number, case.state)))
    assert [case.state for case in ended] == ["failed", "done", "done"]
    assert [number for number, _ in told] == [0, 0, 1, 1, 2, 2]
    assert "\n" not in ended[0].message and ended[0].message
    assert all(case.target.is_file() == (case.state == "done") for case in ended)
    assert ended[1].grid == "1 x 1 x 1 mm"


def test_a_target_inside_the_source_is_refused(tree):
    with pytest.raises(UsageError, match="outside it"):
        cases_of(tree, tree / "out")


def test_a_folder_without_scans_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no NIfTI or DICOM"):
        cases_of(tmp_path, tmp_path.parent / "out")
    with pytest.raises(UsageError, match="expected a folder"):
        cases_of(tmp_path / "gone", tmp_path / "out")
