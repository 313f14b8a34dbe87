"""`medsr validate` as a command: folders, recipes, pairs, resumption, and the code that each ending has."""

from __future__ import annotations

import json
import sys

import pytest
from phantoms import head
from tiny_models import write_tiny

from medsr.cli.app import run
from medsr.io import save
from medsr.physics.tasks import TASKS, degrade

FINE = head((28, 30, 28))


@pytest.fixture
def folder(tmp_path):
    scans = tmp_path / "in"
    scans.mkdir()
    save(FINE, scans / "sub-a_T1w.nii.gz")
    save(FINE.with_data(FINE.data * 2), scans / "sub-b_T1w.nii.gz")
    return scans


def medsr(*arguments):
    return run(["validate", *map(str, arguments)])


def test_a_folder_becomes_a_report_and_a_second_run_measures_nothing(folder, tmp_path, capsys):
    arguments = (folder, "--task", "iso2", "--methods", "cubic,ibp", "--out", tmp_path / "out")
    assert medsr(*arguments) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[0].startswith("[1/2] sub-a_T1w iso2: interior cubic ")
    assert "Medians over scans" in said.out
    assert said.out.rstrip().endswith("index.html")
    assert (tmp_path / "out" / "index.html").is_file()
    assert medsr(*arguments, "-q") == 0
    assert capsys.readouterr().err == ""
    record = json.loads((tmp_path / "out" / "validation.json").read_text())["record"]
    assert (record["cases"], record["measured_before"], record["failed"]) == (2, 2, 0)


def test_parts_of_a_study_leave_report_and_gates_to_the_last(folder, tmp_path, capsys):
    study = (folder, "--task", "iso2", "--task", "thick3", "--methods", "ibp", "--out", tmp_path / "out")
    gated = (*study, "--gate", "ibp.psnr>=99", "-q")
    (folder / "sub-c_T1w.nii.gz").write_bytes(b"not a scan")
    codes = {medsr(*gated, "--shard", f"{number}/2") for number in (1, 2)}
    assert 7 in codes
    assert codes <= {0, 7}
    said = capsys.readouterr()
    assert "of 6 cases have ended; the report is written when all have" in said.out
    assert "index.html" in said.out
    assert medsr(*gated) == 8
    record = json.loads((tmp_path / "out" / "validation.json").read_text())["record"]
    assert (record["cases"], record["measured_before"], record["failed"]) == (6, 4, 2)


def test_an_array_of_slurm_measures_the_parts(folder, tmp_path, monkeypatch, capsys):
    """With a program sbatch that runs the tasks one after the other."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text(
        '#!/bin/sh\ncp "$2" "$(dirname "$0")/sent"\n'
        'for task in 1 2; do SLURM_ARRAY_TASK_ID=$task bash "$2" || exit 1; done\n'
    )
    (programs / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    (folder / "sub-c_T1w.nii.gz").write_bytes(b"not a scan")
    measured = ("--task", "iso2", "--methods", "ibp", "--seed", "0", "--gate", "ibp.psnr>=1")
    study = (folder, *measured, "--out", tmp_path / "out")
    array = ("--engine", "slurm", "--tasks", "2")
    assert medsr(*study, *array, "--print-script") == 0
    script = capsys.readouterr().out
    assert script.splitlines()[-1] == (
        f"{sys.executable} -m medsr.cli validate {folder} --task iso2 --methods ibp --gate 'ibp.psnr>=1' --seed 0 "
        f'--out {tmp_path / "out"} --quiet --shard "$SLURM_ARRAY_TASK_ID/2" || [ $? -eq 7 ]'
    )
    assert not (tmp_path / "out").exists()
    found = tmp_path / "f.json"
    assert medsr(*study, *array, "--json", found, "-q") == 7
    assert (programs / "sent").read_text() == script
    content = json.loads(found.read_text())
    assert len(content["scores"]) == 2
    assert [one["scan"] for one in content["unmeasured"]] == ["sub-c_T1w"]
    assert (tmp_path / "out" / "index.html").is_file()


def test_the_anatomy_of_a_ct_stands_in_text_and_json(tmp_path, capsys):
    save(head((28, 30, 28), modality="CT"), tmp_path / "sub-a_CT.nii.gz")
    save(FINE, tmp_path / "sub-b_FLAIR.nii.gz")
    found = tmp_path / "f.json"
    assert medsr(tmp_path, "--task", "thick3", "--methods", "cubic,ibp", "--anatomy", "--json", found, "-q") == 0
    said = capsys.readouterr().out
    assert "Structures of the body" in said
    assert "its contrast is FLAIR" in said
    content = json.loads(found.read_text())
    assert [one["method"] for one in content["anatomy"]] == ["cubic", "ibp"]
    assert {one["structure"] for one in content["structures"]} == {"body", "lung and air inside"}


def test_the_report_can_be_printed(folder, tmp_path, capsys):
    pytest.importorskip("weasyprint", reason="needs the extra pdf and Pango", exc_type=(ImportError, OSError))
    arguments = (folder, "--task", "iso2", "--methods", "cubic,ibp", "--out", tmp_path / "out", "--pdf", "-q")
    assert medsr(*arguments) == 0
    assert (tmp_path / "out" / "index.pdf").read_bytes()[:5] == b"%PDF-"
    assert "index.pdf" in capsys.readouterr().out


def test_one_bad_scan_ends_with_7_and_the_scores_of_the_others(folder, tmp_path, capsys):
    (folder / "sub-c_T1w.nii.gz").write_bytes(b"not a scan")
    found = tmp_path / "f.json"
    assert medsr(folder, "--task", "iso2", "--methods", "ibp", "--json", found, "-q") == 7
    said = capsys.readouterr()
    assert said.err.splitlines()[0].startswith(f"not measured: sub-c_T1w, iso2: {folder / 'sub-c_T1w.nii.gz'}")
    assert "1 of 3 cases could not be measured, the first sub-c_T1w, iso2: " in said.err.splitlines()[1]
    content = json.loads(found.read_text())
    assert len(content["scores"]) == 2
    assert [one["scan"] for one in content["unmeasured"]] == ["sub-c_T1w"]
    assert str(folder) not in found.read_text()
    assert medsr(folder, "--task", "iso2", "--methods", "ibp", "--gate", "ibp.psnr>=99", "-q") == 8


def test_an_only_bad_scan_ends_with_its_own_code(tmp_path, capsys):
    (tmp_path / "bad.nii").write_bytes(b"not a scan")
    assert medsr(tmp_path / "bad.nii", "--task", "iso2", "--methods", "ibp", "-q") == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_recipe_is_followed_but_for_the_options_given(folder, tmp_path):
    weights = write_tiny(tmp_path / "tiny.safetensors")
    recipe = tmp_path / "study.toml"
    recipe.write_text(
        f'methods = ["ibp", "mean"]\nblend = [0, 1]\n[enhance]\nmodel = "{weights.name}"\nsteps = 2\nflips = 0\n'
        '[[tasks]]\nname = "iso2"\n[[tasks]]\nname = "thicker"\nbase = "thick3"\nassumed_fwhm_mm = 5\n'
    )
    found = tmp_path / "f.json"
    scan = folder / "sub-a_T1w.nii.gz"
    assert medsr(scan, "--recipe", recipe, "--blend", "0.5", "--device", "cpu", "--json", found, "-q") == 0
    content = json.loads(found.read_text())
    assert {score["task"] for score in content["scores"]} == {"iso2", "thicker"}
    assert [point["blend"] for point in content["blend"]] == [0.5, 0.5]
    assert [case["degraded_by"] for case in content["cases"]] == ["", "gaussian, S 3.11 mm"]


def test_pairs_need_no_reference_beside_them(folder, tmp_path, capsys):
    coarse, _ = degrade(FINE, TASKS["thick3"])
    save(coarse.with_data(coarse.data * 5), folder / "sub-low_T1w.nii.gz")
    (folder / "pairs.tsv").write_text("low\thigh\tprofile\nsub-low_T1w.nii.gz\tsub-a_T1w.nii.gz\tgaussian\n")
    assert medsr("--pairs", folder / "pairs.tsv", "--methods", "cubic,ibp", "-q") == 0
    assert "sub-low_T1w: low scan times 0.2 plus" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "nothing to measure"),
        (("IN",), "--task"),
        (("IN", "--task", "iso3"), "iso2"),
        (("IN", "--task", "iso2", "--methods", "magic"), "magic"),
        (("IN", "--task", "iso2", "--blend", "half"), "--blend"),
        (("IN", "--task", "iso2", "--blend", "2"), "blend"),
        (("IN", "--task", "iso2", "--gate", "psnr"), "gate"),
        (("IN", "--task", "iso2", "--by", "scanner"), "--manifest"),
        (("IN", "--profile", "box"), "--profile"),
        (("IN", "--task", "iso2", "--pdf"), "--out"),
        (("IN", "--recipe", "missing.toml"), "recipe"),
        (("IN", "--task", "iso2", "--shard", "1/2"), "folder"),
        (("IN", "--task", "iso2", "--out", "IN", "--shard", "3/2"), "--shard"),
        (("IN", "--task", "iso2", "--out", "IN", "--shard", "1/2", "--json", "f.json"), "--json"),
        (("IN", "--task", "iso2", "--scheduler", "tcp://host:8786"), "--engine dask"),
        (("IN", "--task", "iso2", "--engine", "slurm", "--print-script"), "--out"),
        (("IN", "--task", "iso2", "--out", "IN", "--engine", "slurm", "--tasks", "0"), "--tasks"),
    ],
)
def test_wrong_requests_end_in_code_2(folder, capsys, arguments, word):
    assert medsr(*(folder if one == "IN" else one for one in arguments)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert word in lines[0]


def test_criteria_given_as_a_gate_decide_and_those_that_ship_are_only_shown(folder, tmp_path, capsys):
    arguments = (folder, "--task", "iso2", "--methods", "cubic,ibp", "--out", tmp_path / "out", "-q")
    assert medsr(*arguments) == 0
    shown = (tmp_path / "out" / "acceptance.html").read_text()
    assert "5 not measured" in shown
    assert "0 failed" not in shown
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[[criteria]]\ntext = "ibp gains"\nmetric = "psnr_db"\nmethod = "ibp"\nagainst = "cubic"\nstatistic = "mean"\n'
        'comparison = ">"\nthreshold = -99\nsource = "this test"\n'
    )
    assert medsr(*arguments, "--gate", mine, "--gate", "ibp.psnr>=1") == 8
    said = capsys.readouterr()
    assert "not shown with n = 2: at least 6 subjects needed" in said.out
    assert "passed: ibp.psnr>=1" in said.out
    assert said.err.startswith("medsr: 1 of 2 gates failed: ibp gains (iso2)")
    assert (tmp_path / "out" / "acceptance.toml").read_text() == mine.read_text()
    assert "ibp gains (iso2)" in (tmp_path / "out" / "junit.xml").read_text()
    mine.write_text(f"{mine.read_text()}fewest = 2\n")
    assert medsr(*arguments, "--gate", mine) == 0
    mine.write_text("[[criteria]]\n")
    assert medsr(*arguments, "--gate", mine) == 2
    assert capsys.readouterr().err.count("\n") == 1
