"""medsr batch on the command line: plan, run, resume, status, exit codes."""

import csv
import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from batches import results, scans
from tiny_models import tiny_model

from medsr.cli.app import run
from medsr.model.spec import Envelope
from medsr.model.weights import weights_bytes


@pytest.fixture
def job(tmp_path):
    """IN with two small scans and a broken one, OUT, and a recipe with a tiny model."""
    model = tiny_model(silent=True)
    (tmp_path / "tiny.safetensors").write_bytes(weights_bytes(model.net.state_dict(), model.spec))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[enhance]\nmodel = "tiny.safetensors"\ndevice = "cpu"\nnoise = 2.0\nflips = 0\n')
    source = scans(tmp_path / "in", ["a.nii.gz", "Zebrafink/b.nii.gz"])
    (source / "broken.nii.gz").write_bytes(b"not a scan")
    return [str(source), str(tmp_path / "out"), str(recipe)]


def test_a_dry_run_shows_all_and_writes_nothing(job, tmp_path, capsys):
    assert run(["batch", *job, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 cases to do, 1 that fail, 0 files left out" in said
    assert "fails (unreadable)" in said
    assert "judged by headers alone" in said
    assert not (tmp_path / "out").exists()


def test_force_takes_what_the_model_was_not_validated_on(job, tmp_path, capsys):
    model = tiny_model(silent=True, envelope=Envelope(max_factor=2.0))
    (tmp_path / "tiny.safetensors").write_bytes(weights_bytes(model.net.state_dict(), model.spec))
    for options, cases in (([], "0 cases to do, 3 that fail"), (["--force"], "2 cases to do, 1 that fail")):
        assert run(["batch", *job, "--dry-run", *options]) == 0
        assert cases in capsys.readouterr().out


def test_a_run_says_what_failed_and_can_be_asked_and_resumed(job, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["batch", *job, "--progress", "json"]) == 7
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert sum(event["event"] == "case" for event in events) == 3
    assert events[-1]["done"] == 2
    assert events[-1]["failed"] == 1
    assert "unreadable" in captured.err
    assert "1 of 3 cases failed" in captured.err
    made = {"a.nii.gz", "Zebrafink/b.nii.gz"}
    reports = {"index.html", "run.json", "cases.csv", "junit.xml"}
    assert set(results(out)) == {name + end for name in made for end in ("", ".json")} | reports
    for name in reports:
        assert "zebrafink" not in (out / name).read_text().lower()
    assert len(list((out / ".medsr" / "thumbs").iterdir())) == 2

    (out / "a.nii.gz").unlink()
    assert run(["batch", "resume", str(out), "--progress", "none"]) == 7
    assert (out / "a.nii.gz").exists()
    capsys.readouterr()
    assert run(["batch", "status", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2
    assert run(["batch", "status", str(out)]) == 0
    case = capsys.readouterr().out.splitlines()[-1].split()[0]
    assert run(["batch", "status", str(out), "--case", case]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0].endswith("broken.nii.gz")


def on_a_terminal(arguments):
    """What a command prints on a real terminal."""
    import pty  # of Unix alone

    main, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from medsr.cli.app import main; main()", *arguments], stdout=child, stderr=child
    )
    os.close(child)
    said = b""
    while True:
        try:
            said += os.read(main, 1 << 16)
        except OSError:  # the terminal ends with its last process
            break
    os.close(main)
    process.wait()
    return " ".join(said.decode().split())


def test_a_dry_run_tells_how_many_stacks_a_case_has(job, tmp_path, capsys):
    names = sorted(path.name for path in (tmp_path / "in").glob("*.nii.gz"))[:2]
    table = tmp_path / "in" / "cases.csv"
    table.write_text("input,fuse\n" + "".join(f"{name},one\n" for name in names))
    assert run(["batch", str(table), *job[1:], "--dry-run"]) == 0
    assert f"{names[0]} and 1 more stack " in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_a_terminal_gets_names_of_files_and_a_log_gets_none(job, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert run(["batch", *job]) == 7
    assert "broken.nii.gz" not in capsys.readouterr().err
    assert "broken.nii.gz)" in on_a_terminal(["batch", "status", out])
    said = on_a_terminal(["batch", "status", out, "--anonymous"])
    assert "broken.nii.gz" not in said
    assert "unreadable" in said
    assert run(["batch", *job, "--dry-run", "--anonymous"]) == 0
    assert "broken.nii.gz" not in capsys.readouterr().out


def test_a_gate_fails_the_case_that_breaks_it_in_every_table(job, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["batch", *job, "--gate", "residual<=1e-9, drift<=0.5", "--gate", "ssim>0", "--progress", "none"]) == 7
    assert "residual<=1e-9: it is" in capsys.readouterr().err
    cases = list(csv.DictReader((out / "cases.csv").read_text().splitlines()))
    failed = [case for case in cases if case["kind"] == "limit"]
    assert len(failed) == 2
    assert all(case["reason"].endswith("no reference on the result's grid") for case in failed)
    junit = ElementTree.parse(out / "junit.xml").getroot()
    assert (junit.get("failures"), junit.get("errors")) == ("2", "1")
    assert json.loads((out / "run.json").read_text())["settings"]["gates"] == ["residual<=1e-9", "drift<=0.5", "ssim>0"]
    assert run(["batch", *job, "--gate", "residual<=1e9", "--progress", "none"]) == 7
    assert json.loads((out / "run.json").read_text())["tally"]["done"] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing", "out"], 3),
        (["in", "out", "--shard", "3/2"], 2),
        (["in", "out", "--engine", "cloud"], 2),
        (["in", "out", "--progress", "loud"], 2),
        (["in", "out", "--gate", "median psnr>=30"], 2),
        (["in", "out", "--gate", "psnr@iso2>=30"], 2),
        (["in", "in"], 2),
        (["status", "in"], 3),
        (["in", "out", "--engine", "slurm", "--print-script"], 0),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(tmp_path, monkeypatch, arguments, code, capsys):
    monkeypatch.chdir(tmp_path)
    scans(tmp_path / "in", ["a.nii.gz"])
    assert run(["batch", *arguments]) == code
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in capsys.readouterr().err
