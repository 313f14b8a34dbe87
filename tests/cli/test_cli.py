"""The command line in real processes' terms: one line and the documented exit code for everything a user can cause."""

import gzip
import json
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from phantoms import grainy, head

from medsr.cli.app import run
from medsr.io import load, save
from medsr.io.bids import scan_name
from medsr.physics.noise_level import estimate_sigma, estimate_sigma_of_slices
from medsr.volume import Volume


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scans")
    save(head((32, 36, 12), (1.0, 1.0, 4.0)), path / "thick.nii.gz")
    save(head((40, 44, 40), (1.0, 1.0, 1.0)), path / "fine.nii.gz")
    return path


def refused(capsys: pytest.CaptureFixture[str], arguments: list[object], code: int, word: str) -> None:
    assert run([str(argument) for argument in arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert word in lines[0]
    assert "Traceback" not in lines[0]


def test_enhance_needs_no_option_and_leaves_a_record(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "finer.nii.gz"
    assert run(["enhance", str(folder / "thick.nii.gz"), str(target), "-q"]) == 0
    said = capsys.readouterr().out
    assert "residual" in said
    assert "axis 2 trapezoid (default) of 4 mm (default)" in said
    assert load(target).shape == (32, 36, 48)
    record = json.loads((tmp_path / "finer.nii.gz.json").read_text())
    assert record["task"]["factors"] == [1.0, 1.0, 4.0]
    assert "thick.nii" not in json.dumps(record)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finer.nii.gz", "finer.nii.gz.json"]


def test_uncertainty_is_written_beside_the_result(folder: Path, tmp_path: Path) -> None:
    arguments = [
        "enhance",
        folder / "thick.nii.gz",
        tmp_path / "f.nii.gz",
        "--mode",
        "uncertainty",
        "--samples",
        "2",
        "--steps",
        "2",
        "-q",
    ]
    assert run([str(argument) for argument in arguments]) == 0
    uncertainty = load(tmp_path / "f_uncertainty.nii.gz")
    assert uncertainty.data.min() >= 0
    np.testing.assert_allclose(uncertainty.affine, load(tmp_path / "f.nii.gz").affine)


def test_degrade_then_enhance_comes_back_to_the_grid(folder: Path, tmp_path: Path) -> None:
    coarse, finer = tmp_path / "coarse.nii.gz", tmp_path / "finer.nii.gz"
    assert run(["degrade", str(folder / "fine.nii.gz"), str(coarse), "--task", "iso2"]) == 0
    assert run(["enhance", str(coarse), str(finer), "--factor", "2", "-q"]) == 0
    fine = load(folder / "fine.nii.gz")
    assert load(finer).shape == fine.shape
    np.testing.assert_allclose(load(finer).affine, fine.affine, atol=1e-5)


def test_validate_prints_and_writes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["validate", folder / "fine.nii.gz", "--task", "iso2", "--methods", "cubic,ibp,mean", "-q"]
    written = ["--json", tmp_path / "f.json", "--csv", tmp_path / "f.csv"]
    assert run([str(argument) for argument in [*arguments, *written]]) == 0
    assert "PSNR = 10 log10" in capsys.readouterr().out
    assert [score["method"] for score in json.loads((tmp_path / "f.json").read_text())["scores"]] == [
        "cubic",
        "ibp",
        "mean",
    ]


def test_inspect_tells_the_noise_that_the_default_grid_starts_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels that are longer one way are refined, so noise that is correlated in their plane does not count."""
    of_slices = partial(estimate_sigma_of_slices, acquired_apart=True)
    for spacing, estimate in (((1.0, 1.0, 4.0), of_slices), ((1.0, 1.55, 4.0), estimate_sigma)):
        save(grainy((64, 64, 16), spacing), tmp_path / "scan.nii")
        assert run(["inspect", str(tmp_path / "scan.nii")]) == 0
        found = estimate(load(tmp_path / "scan.nii").data, (0, 1))
        assert f"standard deviation {found:.3g} (estimated)" in capsys.readouterr().out


def test_inspect_models_and_doctor_say_what_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(folder / "thick.nii.gz")]) == 0
    said = capsys.readouterr().out
    assert "32 x 36 x 48 voxels" in said
    assert "(usual: " not in said
    found = estimate_sigma_of_slices(load(folder / "thick.nii.gz").data, (0, 1), acquired_apart=True)
    assert f"standard deviation {found:.3g} (estimated)" in said
    assert run(["inspect", "--verbose", str(folder / "thick.nii.gz")]) == 0
    assert "(usual: " in capsys.readouterr().out
    assert run(["models"]) == 0
    assert "medsr-base" in capsys.readouterr().out
    assert run(["models", "medsr-base", "--json"]) == 0
    spec = json.loads(capsys.readouterr().out)
    assert spec["name"] == "medsr-base"
    assert run(["models", "medsr-base"]) == 0
    page = capsys.readouterr().out
    assert len(page.splitlines()) < 12
    assert f"up to {spec['envelope']['max_factor']:g} along one axis" in page
    assert f"{spec['trained']['steps']} steps" in page
    assert run(["doctor"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("ok")


def write(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def test_bad_input_ends_in_one_line_and_code_3(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.nii").write_text("not a scan")
    whole = (folder / "thick.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "zip.nii.gz").write_bytes(gzip.compress(b"still not a scan" * 100))
    flat = np.zeros((8, 8, 8), np.float32)
    nan = flat.copy()
    nan[2, 2, 2] = np.nan
    cases = {
        "text.nii": "",
        "cut.nii.gz": "",
        "zip.nii.gz": "",
        "missing.nii": "No such file",
        write(tmp_path / "nan.nii", nan).name: "NaN",
        write(tmp_path / "constant.nii", flat + 3).name: "constant",
        write(tmp_path / "flat2d.nii", np.zeros((8, 8), np.float32)).name: "",
        write(tmp_path / "one.nii", np.zeros((8, 8, 1), np.float32)).name: "",
    }
    for name, word in cases.items():
        refused(capsys, ["enhance", tmp_path / name, tmp_path / "out.nii.gz", "-q"], 3, word)
    assert not list(tmp_path.glob("out*"))


def test_wrong_requests_end_in_code_2(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan, out = folder / "thick.nii.gz", tmp_path / "out.nii.gz"
    refused(capsys, ["enhance", scan, scan], 2, "input itself")
    refused(capsys, ["enhance", scan, tmp_path / "out.png"], 2, ".nii")
    refused(capsys, ["enhance", scan, out, "--factor", "2", "--spacing", "1", "-q"], 2, "expected one of them")
    refused(capsys, ["enhance", scan, out, "--factor", "two"], 2, "--factor")
    refused(capsys, ["enhance", scan, out, "--factor", "0.5", "-q"], 2, "finer")
    refused(capsys, ["enhance", scan, out, "--mode", "magic"], 2, "mean")
    refused(capsys, ["enhance", scan, out, "--blend", "2", "--mode", "sample"], 2, "blend")
    refused(capsys, ["degrade", scan, out, "--task", "iso3"], 2, "iso2")
    assert run(["enhance", str(scan)]) == 2
    assert run(["nonsense"]) == 2
    assert not out.exists()


def test_outside_the_envelope_is_code_4_until_forced(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(head((32, 32, 4), (1.0, 1.0, 14.0)), tmp_path / "coarse.nii.gz")
    arguments = ["enhance", tmp_path / "coarse.nii.gz", tmp_path / "out.nii.gz", "-q"]
    refused(capsys, arguments, 4, "--force")
    assert run([str(argument) for argument in [*arguments, "--force"]]) == 0
    record = json.loads((tmp_path / "out.nii.gz.json").read_text())
    assert record["envelope"] == "outside"
    assert record["warnings"]


def test_wrong_weights_are_code_5(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "pickled.safetensors")
    (tmp_path / "noise.safetensors").write_bytes(bytes(range(256)) * 8)
    scan, out = folder / "thick.nii.gz", tmp_path / "out.nii.gz"
    refused(capsys, ["enhance", scan, out, "--model", tmp_path / "pickled.safetensors", "-q"], 5, "pickled")
    refused(capsys, ["enhance", scan, out, "--model", tmp_path / "noise.safetensors", "-q"], 5, "not a medsr")
    refused(capsys, ["enhance", scan, out, "--model", "no-such-model", "-q"], 5, "medsr-base")


def test_an_output_that_cant_be_written_is_code_6_before_any_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, ["enhance", folder / "thick.nii.gz", tmp_path / "no" / "out.nii.gz"], 6, "no")


@pytest.mark.parametrize(
    ("there", "options"),
    [
        ("out.nii.gz", []),
        ("out.nii.gz.json", []),
        ("out_uncertainty.nii.gz", ["--mode", "uncertainty"]),
        ("out_1.nii.gz", ["--gaps", "split"]),
    ],
)
def test_what_is_there_is_replaced_only_when_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str, options: list[str]
) -> None:
    (tmp_path / there).write_text("of an earlier run")
    arguments = ["enhance", folder / "thick.nii.gz", tmp_path / "out.nii.gz", "--model", "no-such-model", *options]
    refused(capsys, arguments, 6, f"{there}: is there already; choose another name, or replace it with --overwrite")
    assert (tmp_path / there).read_text() == "of an earlier run"
    refused(capsys, [*arguments, "--overwrite"], 5, "no-such-model")  # the next thing to be wrong


def test_no_part_of_a_split_series_is_replaced(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["enhance", folder / "thick.nii.gz", tmp_path / "out.nii.gz", "--gaps", "split", "--model", "none"]
    for name in ("out_2.nii.gz", "out_2.nii.gz.json", "out_2_uncertainty.nii.gz"):
        (tmp_path / name).write_text("of somebody else")
        refused(capsys, arguments, 6, f"{name}: is there already")
        (tmp_path / name).unlink()
    (tmp_path / "out_2.nii.gz").mkdir()
    (tmp_path / "out_2.nii.gz" / "file").touch()
    refused(capsys, [*arguments, "--overwrite"], 6, "out_2.nii.gz: is a folder")


def test_nothing_of_an_earlier_result_stays_beside_a_new_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["enhance", folder / "thick.nii.gz", tmp_path / "out.nii.gz", "--model", "none"]
    (tmp_path / "out_uncertainty.nii.gz").write_text("of an earlier run")
    refused(capsys, arguments, 6, "out_uncertainty.nii.gz: is there already")
    refused(capsys, [*arguments, "--overwrite"], 6, "would stay beside the new one; remove it first")
    refused(capsys, [*arguments, "--overwrite", "--mode", "uncertainty"], 5, "none")
    (tmp_path / "out_uncertainty.nii.gz").rename(tmp_path / "out_map.nii.gz")  # files have no parametric map
    refused(capsys, arguments, 5, "none")


def test_an_empty_file_may_be_filled(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.nii.gz").touch()
    arguments = ["enhance", folder / "thick.nii.gz", tmp_path / "out.nii.gz", "--model", "no-such-model"]
    refused(capsys, arguments, 5, "no-such-model")


def test_an_earlier_result_is_replaced_when_asked(folder: Path, tmp_path: Path) -> None:
    arguments = ["enhance", str(folder / "thick.nii.gz"), str(tmp_path / "out.nii.gz"), "-q", "--flips", "0"]
    (tmp_path / "out.nii.gz").write_text("of an earlier run")
    assert run(arguments) == 6
    assert run([*arguments, "--overwrite"]) == 0
    assert load(tmp_path / "out.nii.gz").shape == (32, 36, 48)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_device_is_code_9(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["enhance", folder / "thick.nii.gz", tmp_path / "o.nii.gz", "--device", "cuda"], 9, "CUDA")


def test_a_bug_keeps_its_traceback_for_the_log(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: Path) -> list[Volume]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("medsr.io.load_all", broken)
    assert run(["inspect", str(folder / "fine.nii.gz")]) == 1
    line = capsys.readouterr().err.strip()
    assert "a fault of ours" in Path(line.split()[-1]).read_text()
    Path(line.split()[-1]).unlink()


def test_validate_ends_with_8_where_a_gate_fails_and_still_writes_everything(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "f.json"
    arguments = [
        "validate",
        folder / "fine.nii.gz",
        "--task",
        "thick5",
        "--methods",
        "cubic,ibp",
        "-q",
        "--json",
        found,
    ]
    gates = ["--gate", "cubic.psnr>=1, ibp.psnr>=99"]
    assert run([str(argument) for argument in [*arguments, *gates]]) == 8
    captured = capsys.readouterr()
    assert "passed: cubic.psnr>=1 (1 checked)" in captured.out
    assert f"FAILED: ibp.psnr>=99 ({scan_name('fine')} thick5 ibp:" in captured.out
    assert captured.err.strip() == "medsr: 1 of 2 gates failed: ibp.psnr>=99"
    assert [verdict["passed"] for verdict in json.loads(found.read_text())["verdicts"]] == [True, False]
    assert run([str(argument) for argument in [*arguments, "--gate", "cubic.psnr>=1"]]) == 0


def test_calibrate_refuses_a_name_that_is_not_a_weights_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, ["calibrate", folder / "fine.nii.gz", "--out", tmp_path / "w.bin"], 2, "safetensors")
    assert not list(tmp_path.iterdir())
