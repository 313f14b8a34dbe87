"""Several stacks on the command line: one file with its record, or one line and the documented code."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from fusion_stacks import motion, stack, truth, write_series
from tiny_models import write_tiny

from medsr.cli.app import run
from medsr.io import load, save
from medsr.volume import Volume

TURNED = motion(truth(40), (8, -5, 12), (1, 2, 0)) @ [[0, -1, 0, 33], [0, 0, -1, 34], [-1, 0, 0, 35], [0, 0, 0, 1.0]]
APART = motion(truth(40), (0, 0, 0), (90, 0, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stacks")
    axial, coronal = stack(truth(40), 2), stack(truth(40), 1)
    save(axial, path / "axial.nii.gz", dtype="int16")
    save(coronal, path / "coronal.nii.gz", dtype="int16")
    save([axial, axial], path / "twice.nii.gz", dtype="int16")
    write_series(path / "series", axial)
    save(Volume(np.ones((30, 28, 26), np.float32), TURNED), path / "t1w.nii.gz", dtype="uint8")
    save([axial, axial], path / "4d.nii.gz", dtype="int16")
    save(Volume(np.ones((30, 28, 26), np.float32), APART @ TURNED), path / "apart.nii.gz", dtype="uint8")
    write_tiny(path / "tiny.safetensors")
    return path


def enhance(folder: Path, *arguments: object) -> int:
    model = ["--model", str(folder / "tiny.safetensors"), "--flips", "0", "-q"]
    return run(["enhance", *[str(one) for one in arguments], *model])


def test_stacks_give_one_file_its_map_and_its_record(folder, tmp_path, capsys):
    target = tmp_path / "fused.nii.gz"
    assert enhance(folder, folder / "axial.nii.gz", folder / "coronal.nii.gz", target, "--mode", "uncertainty") == 0
    said = capsys.readouterr().out
    assert "stack 1 " in said
    assert "stack 2 " in said
    assert "residual" in said
    names = ["fused.nii.gz", "fused.nii.gz.json", "fused_uncertainty.nii.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert load(target).shape == (40, 40, 40)
    record = json.loads((tmp_path / "fused.nii.gz.json").read_text())
    assert len(record["stacks"]) == 2
    assert "axial" not in json.dumps(record)


def test_the_result_lies_on_the_grid_of_another_image(folder, tmp_path, capsys):
    target, stacks = tmp_path / "fused.nii.gz", [folder / "axial.nii.gz", folder / "coronal.nii.gz"]
    assert enhance(folder, *stacks, target, "--grid", folder / "t1w.nii.gz", "--mode", "uncertainty") == 0
    assert "fused.nii.gz: 1 x 1 x 1 mm" in capsys.readouterr().out
    expected = nibabel.load(folder / "t1w.nii.gz")
    for name in ("fused.nii.gz", "fused_uncertainty.nii.gz"):
        found = nibabel.load(tmp_path / name)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.affine, expected.affine)
    record = json.loads((tmp_path / "fused.nii.gz.json").read_text())
    assert record["task"]["fine_shape"] == [30, 28, 26]
    assert record["task"]["grid"]["shown"] > 0.99
    assert "t1w" not in json.dumps(record)


def test_series_on_the_grid_of_another_image_become_a_derived_series_there(folder, tmp_path):
    write_series(tmp_path / "coronal", load(folder / "coronal.nii.gz"))
    stacks = [folder / "series", tmp_path / "coronal"]
    assert enhance(folder, *stacks, tmp_path / "fused", "--grid", folder / "t1w.nii.gz") == 0
    assert enhance(folder, *stacks, tmp_path / "fused.nii.gz", "--grid", folder / "t1w.nii.gz") == 0
    series, file = load(tmp_path / "fused").to_ras(), load(tmp_path / "fused.nii.gz").to_ras()
    assert series.shape == file.shape
    np.testing.assert_allclose(series.affine, file.affine, atol=1e-3)
    assert np.abs(series.data - file.data).max() < 1.5  # both are whole numbers


def test_a_series_is_fused_with_a_file(folder, tmp_path):
    assert enhance(folder, folder / "series", folder / "coronal.nii.gz", tmp_path / "fused.nii.gz") == 0


def test_series_become_a_derived_series(folder, tmp_path, capsys):
    write_series(tmp_path / "coronal", load(folder / "coronal.nii.gz"))
    assert enhance(folder, folder / "series", tmp_path / "coronal", tmp_path / "fused") == 0
    assert "fused: 1 x 1 x 1 mm" in capsys.readouterr().out
    assert load(tmp_path / "fused").shape == (40, 40, 40)


def test_volumes_of_a_tree_are_fused_by_their_numbers(folder, tmp_path, capsys):
    for name in ("axial", "coronal"):
        write_series(tmp_path / "tree" / name, load(folder / f"{name}.nii.gz"))
    assert enhance(folder, tmp_path / "tree", tmp_path / "fused", "--volume", "2,1") == 0
    assert "stack 2 " in capsys.readouterr().out
    source, found = load(tmp_path / "tree" / "coronal"), load(tmp_path / "fused")
    np.testing.assert_allclose(found.affine[:3, :2], source.affine[:3, :2], atol=1e-6)
    for wanted, word in (("1,3", "no volume is listed as '3'"), ("1,1", "same voxels")):
        assert enhance(folder, tmp_path / "tree", tmp_path / "other", "--volume", wanted) in (2, 3)
        assert word in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused", "fused.json", "tree"]


@pytest.mark.parametrize(
    ("second", "target", "options", "code", "word"),
    [
        ("axial.nii.gz", "out.nii.gz", [], 3, "same voxels"),
        ("twice.nii.gz", "out.nii.gz", [], 3, "2 volumes"),
        ("missing.nii.gz", "out.nii.gz", [], 3, "missing.nii.gz"),
        ("coronal.nii.gz", "folder", [], 2, "expected a name that ends in"),
        ("coronal.nii.gz", "coronal.nii.gz", [], 2, "input itself"),
        ("coronal.nii.gz", "out.nii.gz", ["--mode", "sample"], 2, "no posterior samples"),
        ("coronal.nii.gz", "out.nii.gz", ["--region", "0:9,0:9,0:9"], 2, "region"),
        ("coronal.nii.gz", "out.nii.gz", ["--factor", "2"], 2, "--spacing"),
        ("coronal.nii.gz", "out.nii.gz", ["--noise", "2"], 2, "--noise"),
        ("coronal.nii.gz", "out.nii.gz", ["--volume", "1"], 2, "--volume"),
        ("coronal.nii.gz", "out.nii.gz", ["--grid", "4d.nii.gz"], 3, "holds 2 volumes"),
        ("coronal.nii.gz", "out.nii.gz", ["--grid", "tiny.safetensors"], 3, "not a scan"),
        ("coronal.nii.gz", "out.nii.gz", ["--grid", "apart.nii.gz"], 3, "share 0%"),
        ("coronal.nii.gz", "out.nii.gz", ["--grid", "axial.nii.gz"], 2, "none that are finer"),
        ("coronal.nii.gz", "out.nii.gz", ["--grid", "t1w.nii.gz", "--spacing", "1"], 2, "both a target spacing"),
    ],
)
def test_one_line_says_why_not_and_nothing_is_written(folder, tmp_path, capsys, second, target, options, code, word):
    place = folder / target if target == second else tmp_path / target
    options = [folder / option if str(option).endswith((".gz", ".safetensors")) else option for option in options]
    before = sorted(folder.rglob("*"))
    assert enhance(folder, folder / "axial.nii.gz", folder / second, place, *options) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert word in lines[0]
    assert list(tmp_path.iterdir()) == []
    assert sorted(folder.rglob("*")) == before


def test_one_scan_is_not_interpolated_onto_another_grid(folder, tmp_path, capsys):
    grid = ["--grid", folder / "t1w.nii.gz"]
    assert enhance(folder, folder / "axial.nii.gz", tmp_path / "out.nii.gz", *grid) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "a grid is for several stacks" in line
    assert "mrgrid OUT regrid -template GRID" in line
    assert enhance(folder, folder / "axial.nii.gz", folder / "coronal.nii.gz", folder / "t1w.nii.gz", *grid) == 2
    assert "is the image of the grid itself" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_registration_says_which_extra_it_needs(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    assert enhance(folder, folder / "axial.nii.gz", folder / "coronal.nii.gz", tmp_path / "out.nii.gz") == 3
    assert "medsr[formats]" in capsys.readouterr().err
