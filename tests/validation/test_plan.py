"""A study's cases: keys by content, names that tell nobody who it was, and errors kept as cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import head

from medsr.errors import InputError, UsageError
from medsr.io import save
from medsr.physics.tasks import TASKS
from medsr.validation.plan import plan_trials, read_pairs
from medsr.validation.recipe import StudyRecipe

RECIPE = StudyRecipe(tasks=(TASKS["iso2"], TASKS["thick5"]), methods=("cubic",))
FINE = head((20, 22, 20))


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("sub-a_T1w", "sub-b_T1w"):
        save(FINE if "-a" in name else FINE.with_data(FINE.data * 2), folder / f"{name}.nii.gz")
    return folder


def keys(planned):
    return {(one.scan, one.task.name): one.key for one in planned}


def test_every_scan_of_a_folder_under_every_task(scans):
    planned = plan_trials([scans], RECIPE, "")
    assert list(keys(planned)) == [(f"sub-{s}_T1w", t) for s in "ab" for t in ("iso2", "thick5")]
    assert len(set(keys(planned).values())) == 4
    assert keys(plan_trials(sorted(scans.iterdir()), RECIPE, "")) == keys(planned)


def test_keys_change_with_what_decides_about_the_numbers_and_with_nothing_else(scans):
    before = keys(plan_trials([scans], RECIPE, ""))
    for same in (replace(RECIPE, workers=3), replace(RECIPE, gates=("psnr>=1",)), replace(RECIPE, bootstrap_seed=5)):
        assert keys(plan_trials([scans], same, "", facts={"sub-a_T1w": {"scanner": "one"}})) == before
    others = (
        replace(RECIPE, methods=("ibp",)),
        replace(RECIPE, blend=(0.5,)),
        replace(RECIPE, hallucination=True),
        replace(RECIPE, uncertainty=True),
        replace(RECIPE, enhance=replace(RECIPE.enhance, seed=1)),
    )
    for other in others:
        assert not set(keys(plan_trials([scans], other, "")).values()) & set(before.values())
    assert not set(keys(plan_trials([scans], RECIPE, "0" * 64)).values()) & set(before.values())


def test_changing_a_task_or_a_scan_changes_its_keys_alone(scans):
    before = keys(plan_trials([scans], RECIPE, ""))
    boxed = replace(RECIPE, tasks=(TASKS["iso2"], replace(TASKS["thick5"], profile="box")))
    changed = {case for case, key in keys(plan_trials([scans], boxed, "")).items() if before[case] != key}
    assert changed == {("sub-a_T1w", "thick5"), ("sub-b_T1w", "thick5")}
    save(FINE.with_data(FINE.data * 3), scans / "sub-b_T1w.nii.gz")
    changed = {case for case, key in keys(plan_trials([scans], RECIPE, "")).items() if before[case] != key}
    assert changed == {("sub-b_T1w", "iso2"), ("sub-b_T1w", "thick5")}


def test_scans_of_one_name_stay_apart_and_one_scan_counts_once(scans, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save(FINE.with_data(FINE.data * 5), other / "sub-a_T1w.nii.gz")
    planned = plan_trials([scans, other, scans / "sub-a_T1w.nii.gz"], RECIPE, "")
    assert list(dict.fromkeys(one.scan for one in planned)) == ["sub-a_T1w", "sub-b_T1w", "sub-a_T1w-2"]
    assert len({one.key for one in planned}) == len(planned) == 6


def test_other_names_and_dicom_series_are_hashes(tmp_path):
    save(FINE, tmp_path / "somebody.nii.gz")
    write_classic(tmp_path / "series", FINE.data.astype(np.int16), FINE.affine)
    names = {one.scan for one in plan_trials([tmp_path], RECIPE, "")}
    assert len(names) == 2
    assert all(name.startswith("scan-") and len(name) == len("scan-") + 8 for name in names)


def test_what_cant_be_read_is_a_case_with_its_reason(scans):
    (scans / "sub-c_T1w.nii.gz").write_bytes(b"not a scan")
    planned = plan_trials([scans, scans / "missing.nii.gz"], RECIPE, "")
    failed = [one for one in planned if one.error is not None]
    assert [one.scan for one in failed[:2]] == ["sub-c_T1w"] * 2
    assert len(failed) == 4
    assert all(one.key == "" and isinstance(one.error, InputError) for one in failed)
    assert len(planned) == 8


def test_a_task_for_all_axes_leaves_thick_slices_out(scans):
    save(head((20, 22, 8), (1.0, 1.0, 4.0)), scans / "sub-c_T1w.nii.gz")
    recipe = replace(RECIPE, tasks=(TASKS["iso2"], replace(TASKS["iso4"], all_axes=True)))
    found = {(one.scan, one.task.name) for one in plan_trials([scans], recipe, "")}
    assert ("sub-c_T1w", "iso2") in found
    assert ("sub-c_T1w", "iso4") not in found
    assert ("sub-a_T1w", "iso4") in found


def test_references_need_a_task(scans):
    with pytest.raises(UsageError, match="--task"):
        plan_trials([scans], replace(RECIPE, tasks=()), "")


def test_pairs_are_rows_of_a_table(scans):
    table = scans / "pairs.tsv"
    table.write_text(
        "low\thigh\tprofile\tthickness\tscan\tscanner\twho\n"
        "sub-a_T1w.nii.gz\tsub-b_T1w.nii.gz\tbox\t4\tsub-x_T1w\tone\tsomebody\n"
        "sub-b_T1w.nii.gz\tsub-a_T1w.nii.gz\t\t\tA Person\ttwo\tsomebody\n"
    )
    first, second = read_pairs(table, ["scanner"])
    assert (first.name, first.assumed.assumed_profile, first.assumed.assumed_fwhm_mm) == ("sub-x_T1w", "box", 4.0)
    assert (first.facts, second.facts) == ({"scanner": "one"}, {"scanner": "two"})
    assert second.name.startswith("scan-")
    assert (second.assumed.assumed_profile, second.assumed.assumed_fwhm_mm) == ("auto", None)
    planned = plan_trials([], RECIPE, "", pairs=(first, second))
    assert [one.task.name for one in planned] == ["pair", "pair"]
    assert planned[0].low.paths == (str(scans / "sub-a_T1w.nii.gz"),)
    assert len({one.key for one in planned}) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("low\tprofile\nx\tbox\n", "no column 'high'"),
        ("low\thigh\nx.nii\t\n", "line 2"),
        ("low\thigh\tprofile\nx.nii\ty.nii\tround\n", "'round'"),
        ("low\thigh\tthickness\nx.nii\ty.nii\tthick\n", "number of mm"),
        ("low\thigh\tregister\nx.nii\ty.nii\tmaybe\n", "line 2: register is 'maybe'; expected yes or no"),
    ],
)
def test_a_table_that_cant_be_used_is_refused(tmp_path, text, said):
    table = tmp_path / "pairs.tsv"
    table.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_pairs(table)


def test_the_column_register_says_whether_two_scans_lie_in_one_frame(scans):
    table = scans / "pairs.tsv"
    table.write_text(
        "low\thigh\tregister\n"
        "sub-a_T1w.nii.gz\tsub-b_T1w.nii.gz\tyes\n"
        "sub-a_T1w.nii.gz\tsub-b_T1w.nii.gz\tno\n"
        "sub-a_T1w.nii.gz\tsub-b_T1w.nii.gz\t\n"
    )
    pairs = read_pairs(table)
    assert [one.registered for one in pairs] == [False, True, True]
    asked, plain, silent = (plan_trials([], RECIPE, "", pairs=[one])[0] for one in pairs)
    assert [one.registered for one in (asked, plain, silent)] == [False, True, True]
    assert asked.key != plain.key == silent.key
    table.write_text("low\thigh\nsub-a_T1w.nii.gz\tsub-b_T1w.nii.gz\n")
    assert plan_trials([], RECIPE, "", pairs=read_pairs(table))[0].key == plain.key


def test_a_table_without_a_line_of_names_is_not_quoted(tmp_path):
    """Its first line may hold patients."""
    table = tmp_path / "pairs.tsv"
    table.write_text("A Person\tlow.nii\n")
    with pytest.raises(UsageError, match="no column 'low' among 2") as refused:
        read_pairs(table)
    assert "Person" not in str(refused.value)


def test_a_pair_whose_file_is_missing_is_a_case_with_its_reason(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("low\thigh\nlow.nii\thigh.nii\n")
    (one,) = plan_trials([], RECIPE, "", pairs=read_pairs(table))
    assert isinstance(one.error, InputError)
