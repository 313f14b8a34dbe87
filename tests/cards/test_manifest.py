"""A manifest is read whole or refused with the line that is wrong."""

from __future__ import annotations

import pytest
from card_folders import write_card

from medsr.cards.manifest import COLUMNS, manifest_sha256, read_manifest
from medsr.errors import InputError


def test_a_row_is_read_with_its_numbers(tmp_path):
    row = read_manifest(write_card(tmp_path))[0]
    assert row.label == "a01"
    assert row.spacing == (1.0, 1.0, 2.0)
    assert row.voxels == (20, 24, 16)
    assert row.intensities == (0.0, 1000.0)


@pytest.mark.parametrize(
    "cells, said",
    [
        ({"sha256": "abc"}, "SHA-256"),
        ({"file": "a01.nii.gz"}, "expected SPLIT/sub-LABEL"),
        ({"spacing_mm": "1x1"}, "spacing"),
        ({"shape": "20x24"}, "voxels"),
        ({"intensity_range": "dark"}, "intensities"),
        ({"licence": ""}, "empty"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_line(tmp_path, cells, said):
    with pytest.raises(InputError, match=rf"line 2.*{said}"):
        read_manifest(write_card(tmp_path, cells=cells))


def test_other_columns_no_rows_and_no_file_are_refused(tmp_path):
    folder = write_card(tmp_path)
    path = folder / "manifest.tsv"
    path.write_text("file\tsha256\n", encoding="utf-8")
    with pytest.raises(InputError, match="columns"):
        read_manifest(folder)
    path.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        read_manifest(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"manifest\.tsv"):
        read_manifest(folder)
    with pytest.raises(InputError, match=r"manifest\.tsv"):
        manifest_sha256(folder)
