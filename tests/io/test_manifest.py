"""Manifests: only the wanted columns of each scan."""

from __future__ import annotations

import pytest

from medsr.errors import InputError, UsageError
from medsr.io.manifest import facts_of


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.tsv"
    path.write_text("file\tsubject\tscanner\nvalidation/sub-a_T1w.nii.gz\tsomebody\tone\nsub-b_CT.nii\telse\ttwo\n")
    return path


def test_only_the_wanted_columns_are_kept(manifest):
    assert facts_of(manifest, ["scanner"]) == {"sub-a_T1w": {"scanner": "one"}, "sub-b_CT": {"scanner": "two"}}
    assert facts_of(manifest, []) == {"sub-a_T1w": {}, "sub-b_CT": {}}


def test_an_unknown_column_is_refused_with_those_there_are(manifest):
    with pytest.raises(UsageError, match="'site'; choose from file, subject, scanner"):
        facts_of(manifest, ["site"])


@pytest.mark.parametrize("content", [b"", b"name\nx\n", b"\xff\xfe\x00"])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / "m.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        facts_of(path, [])


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        facts_of(tmp_path / "none.tsv", [])
