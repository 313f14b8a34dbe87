"""Plans: every file is a case or left out with a reason, names never collide, DICOM goes by hashes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from batches import MODEL, scans
from dicom_phantoms import SECRET, write_classic
from phantoms import affine
from tiny_models import tiny_model

from medsr.batch.plan import make_plan, read_plan, write_plan
from medsr.batch.recipe import BatchRecipe, batch_recipe, read_batch_recipe
from medsr.batch.run import plan_batch
from medsr.enhancement.settings import EnhanceSettings, Output
from medsr.errors import InputError, UsageError
from medsr.io.discover import discover
from medsr.io.formats import CONVERTERS
from medsr.model.spec import Envelope


def planned(source, **recipe):
    return make_plan(source, source.parent / "out", BatchRecipe(**recipe), MODEL)


def test_every_file_of_a_tree_is_a_case_or_has_a_reason(tmp_path):
    source = scans(tmp_path / "in", ["a.nii.gz", "b/c.nii"])
    (source / "broken.nii.gz").write_bytes(b"no scan")
    (source / "notes.txt").write_text("x")
    (source / ".hidden.nii.gz").write_text("x")
    (source / "unknown").write_text("x")
    found = discover(source)
    assert [one.place for one in found.found] == ["a.nii.gz", "b/c.nii", "broken.nii.gz"]
    assert len(found.left_out) == 3
    plan = planned(source)
    assert [case.target for case in plan.cases] == ["a.nii.gz", "b/c.nii", "broken.nii.gz"]
    assert [case.kind for case in plan.cases] == ["", "", "unreadable"]
    assert sum(plan.left_out.values()) == 3


def test_the_output_inside_the_input_is_no_input(tmp_path):
    source = scans(tmp_path, ["a.nii.gz", "out/b.nii.gz"])
    assert [one.place for one in discover(source, without=source / "out").found] == ["a.nii.gz"]


def test_ids_and_shards_stay_when_a_scan_is_added(tmp_path):
    source = scans(tmp_path / "in", [f"{k}.nii.gz" for k in range(9)])
    before = planned(source)
    scans(source, ["00.nii.gz"])
    after = planned(source)
    for number in (1, 2, 3):
        old, new = ({case.case for case in plan.shard((number, 3))} for plan in (before, after))
        assert old <= new
    assert sum(len(after.shard((number, 3))) for number in (1, 2, 3)) == 10


def test_a_name_that_is_taken_fails_its_case_alone(tmp_path):
    source = scans(tmp_path / "in", ["a.nii.gz", "A.nii.gz"])
    assert sorted(case.kind for case in planned(source).cases) == ["", "unsupported"]


@pytest.mark.parametrize("pattern", ["*.nii.gz", "**/*.nii.gz", "sub*"])
def test_globs(tmp_path, pattern):
    source = scans(tmp_path / "in", ["sub1/a.nii.gz", "b.nii.gz"])
    places = [one.place for one in discover(source / pattern).found]
    assert places == {"*.nii.gz": ["b.nii.gz"], "sub*": ["sub1/a.nii.gz"]}.get(pattern, ["b.nii.gz", "sub1/a.nii.gz"])


def test_include_and_exclude(tmp_path):
    source = scans(tmp_path / "in", ["x/a.nii.gz", "y/a.nii.gz", "y/b.nii.gz"])
    assert [one.place for one in discover(source, ["y/*"], ["*b.nii.gz"]).found] == ["y/a.nii.gz"]


def test_a_table_names_inputs_outputs_and_references(tmp_path):
    scans(tmp_path, ["a.nii.gz", "b.nii.gz", "fine.nii.gz"])
    table = tmp_path / "cases.csv"
    table.write_text("input,output,reference\na.nii.gz,first.nii.gz,fine.nii.gz\nb.nii.gz,,\nmissing.nii.gz,,\n")
    first, second, missing = make_plan(table, tmp_path / "out", BatchRecipe(), MODEL).cases
    assert first.target == "first.nii.gz"
    assert first.given["reference"].endswith("fine.nii.gz")
    assert (second.target, second.given["reference"], second.problem) == ("b.nii.gz", "", "")
    assert missing.kind == "unreadable"


@pytest.mark.parametrize("text", ["scan\na.nii\n", "input,note\na.nii,x\n", "input,output\na.nii,../x\n", ""])
def test_other_tables_are_refused(tmp_path, text):
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(UsageError):
        discover(tmp_path / "cases.csv")


def test_dicom_series_are_named_by_hashes_and_damaged_ones_are_cases(tmp_path):
    data = np.arange(8 * 8 * 4, dtype=np.int16).reshape(8, 8, 4)
    source = tmp_path / "in"
    write_classic(source / SECRET, data, affine((1, 1, 3)))
    paths = write_classic(source / "cut", data, affine((1, 1, 3)), prefix="cut")
    for path in paths:
        path.write_bytes(path.read_bytes()[:-40])
    whole, cut = sorted(planned(source).cases, key=lambda case: case.kind)
    assert SECRET not in whole.target
    assert whole.shown == whole.target
    assert (whole.given["stacks"], len(whole.files), whole.problem) == ([[4, 1]], 4, "")
    assert cut.kind == "unreadable"


def test_bids_takes_anatomy_and_leaves_the_rest(tmp_path):
    names = ["sub-1/anat/sub-1_T1w.nii.gz", "sub-1/func/sub-1_task-x_bold.nii.gz", "derivatives/sub-1_T1w.nii.gz"]
    source = scans(tmp_path / "in", names)
    (source / "dataset_description.json").write_text("{}")
    plan = planned(source)
    assert plan.layout == "bids"
    assert [case.target for case in plan.cases] == ["sub-1/anat/sub-1_desc-medsr_T1w.nii.gz"]


def test_a_request_that_does_not_fit_a_scan_fails_that_scan(tmp_path):
    source = scans(tmp_path / "in", ["a.nii.gz"])
    assert planned(source, enhance=EnhanceSettings(spacing_mm=(5.0,))).cases[0].kind == "unsupported"
    assert planned(source, enhance=EnhanceSettings(output=Output(format="dicom"))).cases[0].kind == "unsupported"


def test_a_grid_outside_the_envelope_fails_its_scan_unless_forced(tmp_path):
    source = scans(tmp_path / "in", ["a.nii.gz"])
    spec = replace(tiny_model().spec, envelope=Envelope(modalities=("CT",), max_coarse_mm=2.0))
    (case,) = make_plan(source, tmp_path / "out", BatchRecipe(), MODEL, spec).cases
    assert case.kind == "unsupported"
    assert case.problem == (
        "outside what tiny was validated on: slices every 2.5 mm (validated: up to 2 mm); --force goes on"
    )
    forced = BatchRecipe(enhance=EnhanceSettings(force=True))
    assert make_plan(source, tmp_path / "out", forced, MODEL, spec).cases[0].problem == ""
    as_mr = BatchRecipe(enhance=EnhanceSettings(modality="MR"))
    assert "modality MR" in make_plan(source, tmp_path / "out", as_mr, MODEL, spec).cases[0].problem


def test_a_written_plan_is_read_as_it_was(tmp_path):
    plan = planned(
        scans(tmp_path / "in", ["a.nii.gz", "b.nii"]),
        enhance=EnhanceSettings(factors=(1.0, 1.0, 2.0)),
        gates=("ssim>0",),
    )
    write_plan(plan, tmp_path / "plan.jsonl")
    assert read_plan(tmp_path / "plan.jsonl") == plan
    (tmp_path / "plan.jsonl").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        read_plan(tmp_path / "plan.jsonl")


def test_recipes_refuse_what_they_do_not_know(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('names = "hash"\nreferences = "fine"\ngates = ["residual<=1.5"]\n[enhance]\nmode = "uncertainty"\n')
    recipe = read_batch_recipe(path)
    assert (recipe.names, recipe.enhance.mode, recipe.gates) == ("hash", "uncertainty", ("residual<=1.5",))
    assert recipe.references == tmp_path / "fine"
    assert batch_recipe(json.loads('{"enhance": {"seed": 3}}')).enhance.seed == 3
    for text in (
        "colour = 1",
        "[enhance]\nsedd = 1",
        "workers = 0",
        '[enhance]\nprofile = "round"',
        "[deadlines]\nread = 0",
        'gates = ["median psnr>=30"]',
    ):
        path.write_text(text)
        with pytest.raises(UsageError):
            read_batch_recipe(path)


def test_settings_decide_about_the_key_and_machines_do_not():
    plain = BatchRecipe()
    assert BatchRecipe(EnhanceSettings(device="cpu"), workers=3, gates=("psnr>=30",)).settings_key == plain.settings_key
    assert BatchRecipe(EnhanceSettings(factors=(2.0,))).settings_key != plain.settings_key
    assert BatchRecipe(EnhanceSettings(output=Output(dtype="int16"))).settings_key != plain.settings_key


@pytest.mark.parametrize("part", ["phase", "real", "imag"])
def test_parts_of_complex_scans_are_left_out_with_their_name(tmp_path, part):
    source = scans(tmp_path / "in", [f"sub-1_part-{part}_T2w.nii.gz", "sub-1_part-mag_T2w.nii.gz"])
    plan = planned(source)
    assert [case.target for case in plan.cases] == ["sub-1_part-mag_T2w.nii.gz"]
    assert any(f"the {part} part" in reason for reason in plan.left_out)


@pytest.mark.parametrize("suffix", sorted(CONVERTERS))
def test_formats_that_are_not_read_are_named_with_their_converter(tmp_path, suffix):
    source = scans(tmp_path / "in", ["a.nii.gz"])
    (source / f"b{suffix}").write_bytes(b"something else" * 99)
    assert list(planned(source).left_out) == [CONVERTERS[suffix]]


def test_a_scan_without_its_suffix_is_a_case(tmp_path):
    source = scans(tmp_path / "in", ["a.nii.gz"])
    (source / "a.nii.gz").rename(source / "a")
    assert [(case.target, case.problem) for case in planned(source).cases] == [("a.nii.gz", "")]


def test_an_input_without_a_scan_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.par", "b.par", "notes.txt"):
        (tmp_path / "in" / name).write_text("x")
    with pytest.raises(
        InputError, match=r"no scan in 3 files \(2 x the header of a Philips PAR.*1 x not a scan by its name"
    ):
        plan_batch(tmp_path / "in", tmp_path / "out", BatchRecipe())
