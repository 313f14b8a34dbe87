"""Stacks of one body are one case: by their names in a BIDS data set, by a column of a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import SECRET
from fusion_stacks import motion, stack, truth, write_series
from pydicom import dcmread
from tiny_models import write_tiny

from medsr import io
from medsr.affine import crop
from medsr.batch.plan import Plan, make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import batch
from medsr.enhancement.settings import EnhanceSettings, Input
from medsr.errors import UsageError
from medsr.record import Record

MODEL = {"name": "tiny", "version": "0", "sha256": "0" * 64}
SCAN = truth(36)
AXIAL, CORONAL, SAGITTAL = (stack(SCAN, axis) for axis in (2, 1, 0))
ANAT = "sub-1/ses-a/anat/sub-1_ses-a"
FUSING = BatchRecipe(fuse=True)


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Three stacks of a subject, beside what is no stack of theirs."""
    root = tmp_path / "in"
    (root / ANAT).parent.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "heads", "BIDSVersion": "1.10.0"}')
    for name, scan in (
        ("acq-ax_dir-AP_T1w", AXIAL),
        ("acq-cor_T1w", CORONAL),
        ("run-2_T1w", SAGITTAL),
        ("acq-cor_FLAIR", CORONAL),
        ("acq-ax_ce-gd_T1w", AXIAL),
        ("acq-iso_T1w", SCAN),
    ):
        io.save(scan, root / f"{ANAT}_{name}.nii.gz", dtype="int16")
    return root


@pytest.fixture
def weights(tmp_path: Path) -> EnhanceSettings:
    return EnhanceSettings(model=str(write_tiny(tmp_path / "tiny.safetensors")), device="cpu", flips=0)


def planned(source: Path, recipe: BatchRecipe = FUSING) -> Plan:
    return make_plan(source, source.parent / "out", recipe, MODEL)


def named(plan: Plan) -> dict[str, list[str]]:
    """Names of the input files by the name of the output."""
    return {Path(case.target).name: [Path(file).name for file in case.files] for case in plan.cases}


def test_names_that_differ_in_acq_run_and_dir_are_one_case_where_slices_are_thick(data_set):
    plan = planned(data_set)
    assert named(plan) == {
        "sub-1_ses-a_acq-fused_desc-medsr_T1w.nii.gz": [
            "sub-1_ses-a_acq-ax_dir-AP_T1w.nii.gz",
            "sub-1_ses-a_acq-cor_T1w.nii.gz",
            "sub-1_ses-a_run-2_T1w.nii.gz",
        ],
        "sub-1_ses-a_acq-ax_ce-gd_desc-medsr_T1w.nii.gz": ["sub-1_ses-a_acq-ax_ce-gd_T1w.nii.gz"],
        "sub-1_ses-a_acq-cor_desc-medsr_FLAIR.nii.gz": ["sub-1_ses-a_acq-cor_FLAIR.nii.gz"],
        "sub-1_ses-a_acq-iso_desc-medsr_T1w.nii.gz": ["sub-1_ses-a_acq-iso_T1w.nii.gz"],
    }
    group = next(case for case in plan.cases if len(case.files) == 3)
    assert group.given["stacks"] == [[1, 0]] * 3
    assert (group.voxels, group.given["work_voxels"]) == (36**3, 3 * 36**3)
    assert group.input_bytes == 3 * 4 * 36 * 36 * 9
    assert len(planned(data_set, BatchRecipe()).cases) == 6


def test_a_stack_that_cannot_be_read_fails_its_group_with_the_reason(data_set):
    (data_set / f"{ANAT}_acq-cor_T1w.nii.gz").write_bytes(b"cut off")
    plan = planned(data_set)
    group = next(case for case in plan.cases if "fused" in case.target)
    assert group.problem.startswith("stack 2: ")
    assert (group.kind, len(group.files)) == ("unreadable", 3)
    assert len(plan.cases) == 4


def test_a_group_stays_the_same_case_when_a_stack_is_added(data_set):
    def case() -> str:
        return next(case.case for case in planned(data_set).cases if "fused" in case.target)

    before = case()
    io.save(stack(SCAN, 1), data_set / f"{ANAT}_run-3_T1w.nii.gz", dtype="int16")
    assert case() == before


def test_only_a_data_set_tells_stacks_by_its_names(data_set):
    (data_set / "dataset_description.json").unlink()
    with pytest.raises(UsageError, match=r"is no BIDS data set.*column fuse"):
        planned(data_set)


def test_what_several_stacks_cannot_share_fails_their_case_in_the_plan(data_set):
    recipe = replace(FUSING, enhance=EnhanceSettings(noise=3.0))
    problems = {len(case.files): case.problem for case in planned(data_set, recipe).cases}
    assert "--noise" in problems[3]
    assert problems[1] == ""
    finer = replace(FUSING, enhance=EnhanceSettings(spacing_mm=(1.5,), force=True))
    assert "" in [case.problem for case in planned(data_set, finer).cases if len(case.files) == 3]


def test_rows_with_one_label_are_stacks_of_one_case(tmp_path):
    for name, scan in (("a", AXIAL), ("b", CORONAL), ("c", SAGITTAL)):
        io.save(scan, tmp_path / f"{name}.nii.gz", dtype="int16")
    table = tmp_path / "cases.csv"
    table.write_text(
        "input,output,reference,fuse\n"
        "b.nii.gz,one.nii.gz,c.nii.gz,head\nc.nii.gz,,,\na.nii.gz,,,head\na.nii.gz,,,other\nmissing.nii.gz,,,other\n"
    )
    fused, alone, broken = planned(table, BatchRecipe()).cases
    assert [Path(file).name for file in fused.files] == ["b.nii.gz", "a.nii.gz"]
    assert (fused.target, fused.problem) == ("one.nii.gz", "")
    assert fused.given["reference"].endswith("c.nii.gz")
    assert [Path(file).name for file in alone.files] == ["c.nii.gz"]
    assert (broken.problem, broken.kind) == ("stack 2: is missing", "unreadable")
    table.write_text("input,fuse\na.nii.gz,head\n")
    (only,) = planned(table, BatchRecipe(EnhanceSettings(noise=3.0))).cases  # which several stacks could not share
    assert (only.given["stacks"], only.problem) == ([[1, 0]], "")


def test_a_group_lies_on_the_grid_that_its_first_row_names(weights, tmp_path):
    for name, scan in (("a", AXIAL), ("b", CORONAL), ("wide", AXIAL)):
        io.save(scan, tmp_path / f"{name}.nii.gz", dtype="int16")
    grid = motion(SCAN, (5, -8, 3), (1, 0, 2)) @ [[0, -1, 0, 28], [0, 0, -1, 29], [-1, 0, 0, 30], [0, 0, 0, 1.0]]
    t1w = tmp_path / f"{SECRET}.nii.gz"
    io.save(SCAN.with_data(np.ones((21, 22, 23), np.float32), grid), t1w, dtype="uint8")
    table = tmp_path / "cases.csv"
    table.write_text(
        f"input,output,fuse,grid\na.nii.gz,one.nii.gz,x,{t1w.name}\nb.nii.gz,,x,\n"
        f"a.nii.gz,two.nii.gz,y,gone_{SECRET}.nii.gz\nb.nii.gz,,y,\na.nii.gz,three.nii.gz,,{t1w.name}\n"
        "a.nii.gz,four.nii.gz,z,wide.nii.gz\nb.nii.gz,,z,\n"
    )
    made, gone, single, coarse = planned(table, BatchRecipe()).cases
    assert (made.voxels, made.given["work_voxels"], made.problem) == (21 * 22 * 23, 2 * 36**3, "")
    assert gone.problem.startswith("the image of the grid: can't be opened")
    assert "a grid is for several stacks" in single.problem
    assert "none that are finer" in coarse.problem
    tally = batch(table, tmp_path / "out", BatchRecipe(weights))
    assert (tally.done, tally.kinds) == (1, {"unsupported": 3})
    found = io.load(tmp_path / "out" / "one.nii.gz")
    assert found.shape == (21, 22, 23)
    np.testing.assert_allclose(found.affine, grid, atol=1e-5)
    assert SECRET not in (tmp_path / "out" / "cases.csv").read_text()
    before = (tmp_path / "out" / "one.nii.gz").stat().st_mtime_ns
    io.save(SCAN.with_data(np.ones((23, 22, 21), np.float32), grid), t1w, dtype="uint8")
    assert batch(table, tmp_path / "out", BatchRecipe(weights)).done == 1
    assert io.load(tmp_path / "out" / "one.nii.gz").shape == (23, 22, 21)
    assert (tmp_path / "out" / "one.nii.gz").stat().st_mtime_ns > before


@pytest.mark.parametrize("spacing_mm", [None, (2.0,), (1.3,)])
def test_the_planned_size_of_stacks_is_that_of_the_result(weights, tmp_path, spacing_mm):
    shifted = CORONAL.with_data(np.ascontiguousarray(CORONAL.data[2:-3]), crop(CORONAL.affine, (2, 0, 0)))
    for name, scan in (("a", shifted), ("b", AXIAL)):
        io.save(scan, tmp_path / f"{name}.nii.gz", dtype="int16")
    (tmp_path / "cases.csv").write_text("input,output,fuse\na.nii.gz,one.nii.gz,x\nb.nii.gz,,x\n")
    recipe = BatchRecipe(replace(weights, spacing_mm=spacing_mm))
    (case,) = planned(tmp_path / "cases.csv", recipe).cases
    assert batch(tmp_path / "cases.csv", tmp_path / "out", recipe).done == 1
    assert case.voxels == io.load(tmp_path / "out" / "one.nii.gz").data.size


def test_a_row_with_a_4d_file_fails_its_group(tmp_path):
    io.save(AXIAL, tmp_path / "a.nii.gz", dtype="int16")
    io.save([CORONAL, CORONAL], tmp_path / "b.nii.gz", dtype="int16")
    (tmp_path / "cases.csv").write_text("input,fuse\na.nii.gz,x\nb.nii.gz,x\n")
    (case,) = planned(tmp_path / "cases.csv", BatchRecipe()).cases
    assert (case.problem, case.kind) == ("stack 2 holds 2 volumes; expected one", "geometry")


@pytest.mark.parametrize("row", ["b.nii.gz,out.nii.gz,,x,", "b.nii.gz,,c.nii.gz,x,", "b.nii.gz,,,x,c.nii.gz"])
def test_only_the_first_row_of_a_group_says_what_becomes_of_it(tmp_path, row):
    (tmp_path / "cases.csv").write_text(f"input,output,reference,fuse,grid\na.nii.gz,,,x,\n{row}\n")
    with pytest.raises(UsageError, match="name them in the first row of its group"):
        planned(tmp_path / "cases.csv", BatchRecipe())


def test_a_group_is_fused_told_of_and_left_alone_until_one_of_its_stacks_changes(data_set, weights, tmp_path):
    for name, echo in (("acq-ax_dir-AP", 0.03), ("acq-cor", 0.03), ("run-2", 0.04)):
        said = {"EchoTime": echo, "MagneticFieldStrength": 3, "InstitutionName": SECRET}
        (data_set / f"{ANAT}_{name}_T1w.json").write_text(json.dumps(said))
    out = tmp_path / "out"
    recipe = replace(FUSING, enhance=weights, include=("*T1w*",), exclude=("*ce-gd*", "*iso*"))
    assert batch(data_set, out, recipe).done == 1
    target = out / f"{ANAT}_acq-fused_desc-medsr_T1w.nii.gz"
    assert io.load(target).shape == (36, 36, 36)
    record = Record.from_json(target.with_name(f"{target.name}.json").read_text())
    assert len(record.stacks) == 3
    said = json.loads((target.with_name(target.name.replace(".nii.gz", ".json"))).read_text())
    stacks = ("acq-ax_dir-AP", "acq-cor", "run-2")
    assert said["Sources"] == [f"bids:raw:{ANAT}_{name}_T1w.nii.gz" for name in stacks]
    assert said["SourceSHA256"] == [one["input"]["content_sha256"] for one in record.stacks]
    assert said["MagneticFieldStrength"] == 3
    assert {"EchoTime", "InstitutionName"}.isdisjoint(said)  # they don't share the one, and nobody is named
    assert "3 scans of lower resolution" in said["Resolution"]
    assert "of 3 stacks" in (out / "index.html").read_text()
    before = target.stat().st_mtime_ns
    (data_set / f"{ANAT}_run-2_T1w.nii.gz").touch()
    assert batch(data_set, out, recipe).done == 1
    assert target.stat().st_mtime_ns == before
    io.save(SAGITTAL.with_data(0.9 * SAGITTAL.data), data_set / f"{ANAT}_run-2_T1w.nii.gz", dtype="int16")
    assert batch(data_set, out, recipe).done == 1
    assert target.stat().st_mtime_ns > before


def test_series_of_a_table_become_one_derived_series_unless_their_patients_differ(weights, tmp_path):
    def of_another(dataset, k):
        dataset.PatientID = f"{SECRET}2"

    write_series(tmp_path / "axial", AXIAL)
    write_series(tmp_path / "coronal", CORONAL)
    write_series(tmp_path / "other", CORONAL, of_another)
    io.save(SAGITTAL, tmp_path / "sagittal.nii.gz", dtype="int16")
    table = tmp_path / "cases.csv"
    table.write_text(
        "input,output,fuse\naxial,fused,a\ncoronal,,a\naxial,apart,b\nother,,b\naxial,mixed,c\nsagittal.nii.gz,,c\n"
        "axial,file.nii.gz,d\nsagittal.nii.gz,,d\n"
    )
    problems = [case.problem for case in planned(table, BatchRecipe(weights)).cases]
    assert problems[:2] + problems[3:] == ["", "", ""]
    assert "says nothing of patient and study" in problems[2]
    tally = batch(table, tmp_path / "out", BatchRecipe(weights))
    assert (tally.done, tally.kinds) == (2, {"unreadable": 1, "unsupported": 1})
    assert len(dcmread(tmp_path / "out" / "fused" / "0001.dcm").SourceImageSequence) == 18
    assert io.load(tmp_path / "out" / "file.nii.gz").shape == (36, 36, 36)
    said = (tmp_path / "out" / "cases.csv").read_text()
    assert "stacks 1 and 2 are of different patients" in said
    assert SECRET not in said


def test_a_split_series_is_no_stack(weights, tmp_path):
    for name, scan in (("axial", AXIAL), ("coronal", CORONAL)):
        write_series(tmp_path / name, scan)
    for k in (3, 4):
        (tmp_path / "coronal" / f"coronal_00{k}.dcm").unlink()
    (tmp_path / "cases.csv").write_text("input,output,fuse\naxial,fused,a\ncoronal,,a\n")
    recipe = BatchRecipe(replace(weights, input=Input(gaps="split")))
    tally = batch(tmp_path / "cases.csv", tmp_path / "out", recipe)
    assert (tally.done, tally.kinds) == (0, {"geometry": 1})
    assert "stack 2 holds 2 volumes; expected one" in (tmp_path / "out" / "cases.csv").read_text()
