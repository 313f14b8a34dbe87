"""The check finds what is wrong with a card, and nothing where all is well."""

from __future__ import annotations

import shutil

import nibabel as nib
import pytest
from card_folders import write_card, write_scan, write_weights

from medsr.cards.check import card_folders, check_cards
from medsr.cards.weights import read_weights
from medsr.errors import InputError


def rules(problems):
    return [problem.rule for problem in problems]


def test_cards_in_order_have_no_problems(tmp_path):
    folders = (write_card(tmp_path), write_card(tmp_path, "held", "validation", ("c01", "d01"), seed=7))
    seen = []
    assert check_cards(folders, tmp_path / "data", None, lambda *step: seen.append(step)) == ()
    assert seen[-1] == ("held", 2, 2)
    assert card_folders(tmp_path / "cards") == tuple(sorted(folders))


@pytest.mark.parametrize(
    "facts, said",
    [
        ({"volumes": 3}, "volumes: stated 3, the manifest gives 2"),
        ({"subjects": 1}, "subjects"),
        ({"million_voxels": 5}, "million_voxels"),
        ({"contrasts": {"T2w": 2}}, "contrasts"),
        ({"modalities": ["CT"]}, "modalities"),
        ({"spacing_mm": [0.5, 2.0]}, "spacing_mm"),
        ({"ct_hu": [-1000, 3000]}, "ct_hu"),
        ({"licences": {"phantom": "PDDL"}}, "licences"),
    ],
)
def test_a_stated_range_that_is_not_the_computed_one_is_found(tmp_path, facts, said):
    problems = check_cards((write_card(tmp_path, facts=facts),), None, None)
    assert rules(problems) == ["ranges"]
    assert said in problems[0].text


def test_missing_sections_attributions_and_a_wrong_name_are_found(tmp_path):
    folder = write_card(tmp_path)
    text = (folder / "card.md").read_text(encoding="utf-8")
    text = text.replace("## Maintenance", "## Rest").replace("\n| phantom |", "\n| ghost |")
    (folder / "card.md").write_text(text, encoding="utf-8")
    assert rules(check_cards((folder,), None, None)) == ["fields", "licence"]
    moved = folder.with_name("other")
    folder.rename(moved)
    assert rules(check_cards((moved,), None, None)) == ["fields", "fields", "licence"]


def test_a_card_that_cannot_be_read_is_one_problem(tmp_path):
    folder = write_card(tmp_path)
    (folder / "manifest.tsv").unlink()
    assert rules(check_cards((folder,), None, None)) == ["fields"]
    with pytest.raises(InputError, match="no cards"):
        card_folders(tmp_path / "data")


def test_personal_data_is_found_and_not_repeated(tmp_path):
    folder = write_card(tmp_path, cells={"source_path": "archive/07-08-2011/ROE^JANE"})
    problems = check_cards((folder,), None, None)
    assert rules(problems) == ["personal data", "personal data"]
    assert not any("ROE" in problem.text or "2011" in problem.text for problem in problems)


def test_an_exempted_pattern_is_allowed_in_its_column_alone(tmp_path):
    exemption = {"pattern": "date", "column": "source_path", "why": "the archive's folders"}
    personal = {"deidentified": "yes", "health": False, "recognisable": [], "exemptions": [exemption]}
    folder = write_card(tmp_path, cells={"source_path": "a/07-08-2011"}, facts={"personal_data": personal})
    assert check_cards((folder,), None, None) == ()
    cells = {"acquired": "on 07-08-2011"}
    other = write_card(tmp_path, "other", cells=cells, facts={"personal_data": personal})
    assert rules(check_cards((other,), None, None)) == ["personal data"]


def test_changed_and_missing_scans_are_found(tmp_path):
    folder = write_card(tmp_path)
    write_scan(tmp_path / "data" / "made" / "sub-a01_T1w.nii.gz", seed=99)
    assert rules(check_cards((folder,), tmp_path / "data", None)) == ["checksum"]
    (tmp_path / "data" / "made" / "sub-b01_T1w.nii.gz").unlink()
    problems = check_cards((folder,), tmp_path / "data", None)
    assert rules(problems) == ["checksum", "checksum"]
    assert "1 of 2 files are missing" in problems[0].text


@pytest.mark.parametrize(
    "cells", [{"spacing_mm": "1x1.2x2"}, {"axes": "LPS"}, {"intensity_range": "0..999"}, {"shape": "20x24x15"}]
)
def test_a_row_that_is_not_what_the_scan_says_is_found(tmp_path, cells):
    problems = check_cards((write_card(tmp_path, cells=cells),), tmp_path / "data", None)
    assert set(rules(problems)) == {"checksum"}
    assert len(problems) == 2


def test_text_in_a_header_is_found_without_repeating_it(tmp_path):
    import hashlib

    folder = write_card(tmp_path)
    path = tmp_path / "data" / "made" / "sub-a01_T1w.nii.gz"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    image = nib.load(path)
    image = nib.Nifti1Image(image.get_fdata().astype("int16"), image.affine, image.header)
    image.header["descrip"] = b"ROE^JANE"
    nib.save(image, path)
    manifest = folder / "manifest.tsv"
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    problems = check_cards((folder,), tmp_path / "data", None)
    assert [problem.text for problem in problems] == [
        "made/sub-a01_T1w.nii.gz: its header holds text or extensions (DICOM person name); a published scan needs none"
    ]


def test_a_subject_in_two_sets_is_a_leak_unless_they_serve_one_purpose(tmp_path):
    first = write_card(tmp_path)
    held = write_card(tmp_path, "held", "validation", ("c01", "b01"), seed=7)
    assert set(rules(check_cards((first, held), None, None))) == {"leakage"}
    more = write_card(tmp_path, "more", "training", ("c02", "b01"), seed=7)
    assert check_cards((first, more), None, None) == ()


def test_a_copied_scan_under_another_name_is_a_leak(tmp_path):
    first = write_card(tmp_path)
    held = write_card(tmp_path, "held", "validation", ("c01", "d01"), seed=7)
    shutil.copy(tmp_path / "data/made/sub-a01_T1w.nii.gz", tmp_path / "data/held/sub-c01_T1w.nii.gz")
    problems = check_cards((first, held), tmp_path / "data", None)
    assert rules(problems) == ["checksum", "leakage"]
    assert "nearly" in problems[1].text


def test_data_licences_are_checked_against_the_weights(tmp_path):
    facts = {"licences": {"phantom": "CC-BY-NC 4.0"}}
    folder = write_card(tmp_path, cells={"licence": "CC-BY-NC 4.0 (somewhere)"}, facts=facts)
    weights = read_weights(write_weights(tmp_path / "tiny.safetensors", (folder,)))
    from medsr.cards.weights import licence_conflicts

    assert ["phantom" in text for text in licence_conflicts(weights, (folder,))] == [True]
