"""What a file is called as a case, and why it can't be one."""

from __future__ import annotations

import pytest
from phantoms import head

from medsr.io import save
from medsr.io.found import file_found, files_found


@pytest.mark.parametrize("name", ["sub-1_T1w.nii", "sub-1_T1w.NII.GZ"])
def test_a_file_is_known_by_format_and_place_and_named_without_its_suffix(tmp_path, name):
    (tmp_path / "a").mkdir()
    save(head((6, 7, 8)), tmp_path / "a" / name)
    (found,) = files_found(tmp_path, [tmp_path / "a" / name])
    assert (found.identity, found.place, found.name) == (f"nifti|a/{name}", f"a/{name}", "a/sub-1_T1w")
    assert (found.outline.shape, found.problem, found.kind) == ((6, 7, 8), "", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing"), (b"", "empty"), (bytes(128) + b"DICM", "holds DICOM"), (b"text" * 200, "not a scan")],
)
def test_a_file_without_a_readable_header_is_a_case_with_a_problem(tmp_path, content, said):
    path = tmp_path / "scan.nii"
    if content is not None:
        path.write_bytes(content)
    found = file_found(path, "scan.nii")
    assert (found.outline, found.kind) == (None, "unreadable")
    assert said in found.problem
    assert str(tmp_path) not in found.problem
