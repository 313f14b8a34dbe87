"""Results for the crop that is shown: those of the table, kept, put back into their head, and drawn on one plane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import affine, head
from tiny_models import EVERYTHING, TINY, tiny_net, write_tiny
from torch import nn

from medsr.anatomy import conform
from medsr.anatomy.meshnet import MeshNet
from medsr.anatomy.segmentation import segment_head
from medsr.enhancement.region import central_block, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import OutputError
from medsr.io import load, save
from medsr.metrics.error import psnr
from medsr.model.spec import ModelSpec
from medsr.model.weights import weights_bytes
from medsr.physics.tasks import TASKS
from medsr.training.recipe import read_recipe
from medsr.validation import anatomy
from medsr.validation.recipe import StudyRecipe
from medsr.validation.study import validate
from medsr.validation.trial import make_trial
from medsr.volume import Source, Volume

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "family"
SIDE = 24
SETTINGS = EnhanceSettings(flips=0, steps=2, force=True)


@pytest.fixture
def network(monkeypatch) -> MeshNet:
    """A network that sees a voxel alone: bright ones are "white", half as bright ones "grey"; on a small grid."""
    layer = nn.Conv3d(1, 3, 1)
    layer.weight.data = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1, 1)
    layer.bias = nn.Parameter(torch.tensor([0.5, 0.0, -1.6]))
    found = MeshNet(nn.Sequential(layer).requires_grad_(requires_grad=False), ("background", "grey", "white"))
    monkeypatch.setattr(conform, "SIDE", 80)
    monkeypatch.setattr(anatomy, "load_meshnet", lambda: found)
    monkeypatch.setattr(anatomy, "doubt", lambda _: "")
    return found


def t1w(matrix=None) -> Volume:
    scan = head((61, 58, 64), source=Source(contrast="T1w"))
    return scan if matrix is None else scan.with_data(scan.data, matrix)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path, Path]:
    """A head, its middle, and weights."""
    paths = tmp_path / "sub-a_T1w.nii.gz", tmp_path / "crops" / "sub-a_T1w.nii.gz"
    paths[1].parent.mkdir()
    save(t1w(affine(axes=(1, 2, 0), flips=(-1, 1, -1), origin_mm=(40.0, -3.0, 70.0))), paths[0])
    whole = load(paths[0])
    save(crop(whole, central_block(whole, SIDE)), paths[1])
    return *paths, write_tiny(tmp_path / "tiny.safetensors")


def case_of(family, files, folder, task="thick5", methods=("mean", "sample")):
    settings = replace(SETTINGS, model=str(files[2]))
    return family("crop_results").CropCase(files[1], task, methods, settings, folder)


@pytest.mark.parametrize("task", ["iso2", "thick5"])
def test_what_is_kept_is_what_the_table_measures(family, files, tmp_path, task):
    case = case_of(family, files, tmp_path / "kept", task)
    results = case.results()
    recipe = StudyRecipe(tasks=(TASKS[task],), methods=("ibp", "mean", "sample"), enhance=case.settings)
    findings = validate([files[1]], recipe).findings
    trial = make_trial(load(files[1]), TASKS[task], case.settings)
    for score in findings.scores:
        if score.method in results:
            found = psnr(results[score.method], trial.reference.data, trial.mask, trial.data_range)
            assert found == pytest.approx(score["psnr_db"], abs=1e-3)


def test_results_are_computed_once_and_again_where_something_else_decides(family, files, tmp_path, monkeypatch):
    case = case_of(family, files, tmp_path / "kept")
    assert case.kept() is None
    found = case.results()
    computing, counted = family("crop_results"), []
    real = computing.restorations
    monkeypatch.setattr(computing, "restorations", lambda *asked: counted.append(1) or real(*asked))
    for results in (case.results(), case.kept()):
        assert list(results) == ["mean", "sample"]
        assert all(np.array_equal(results[name], found[name]) for name in found)
    seconds = case.seconds()
    assert list(seconds) == ["mean", "sample"] and all(value > 0 for value in seconds.values())
    assert counted == []
    (file,) = (tmp_path / "kept").iterdir()
    file.write_bytes(b"damaged")
    assert np.array_equal(case.results()["mean"], found["mean"])
    replace(case, settings=replace(case.settings, seed=1)).results()
    replace(case, task="iso2").results()
    other = ModelSpec("other", "0", TINY, EVERYTHING)
    files[2].write_bytes(weights_bytes(tiny_net(seed=1).state_dict(), other))
    assert not np.array_equal(case.results()["mean"], found["mean"])
    assert len(counted) == 4


def test_other_weights_of_a_classifier_are_another_case(family, files, tmp_path):
    leader, case = tmp_path / "leader.safetensors", case_of(family, files, tmp_path)
    led = replace(case, settings=replace(case.settings, classifier=str(leader)))
    keys = {case.key()}
    for seed in (1, 2):
        leader.write_bytes(weights_bytes(tiny_net(seed=seed).state_dict(), ModelSpec("leader", "0", TINY)))
        keys.add(led.key())
    assert len(keys) == 3


def test_a_crop_lies_in_its_head_where_it_was_cut(family, files, network):
    whole, part = load(files[0]).to_ras(), load(files[1]).to_ras()
    placed = family("anatomy_dice").crop_in_head(whole, part, segment_head(whole, network))
    np.testing.assert_array_equal(whole.data[placed.at], part.data)
    assert placed.inside.sum() == SIDE**3


def test_the_dice_is_that_of_the_head_with_the_crop_in_its_place(family, files, network, monkeypatch):
    dice = family("anatomy_dice")
    monkeypatch.setattr(dice, "load_meshnet", lambda: network)
    monkeypatch.setattr(dice, "FEWEST_VOXELS", 50)
    whole, part = load(files[0]).to_ras(), load(files[1]).to_ras()
    placed = dice.crop_in_head(whole, part, segment_head(whole, network))
    assert [placed.found.names[number] for number in placed.numbers] == ["grey", "white"]
    assert placed.mean_dice(part.data) == 1
    darker = (0.8 * part.data).astype(np.float32)
    data = whole.data.copy()
    data[placed.at] = darker
    other = segment_head(whole.with_data(data), network)
    expected = [
        dice.dice(*(one.labels[placed.part][placed.inside] == number for one in (other, placed.found)))
        for number in placed.numbers
    ]
    assert placed.mean_dice(darker) == pytest.approx(np.mean(expected))
    assert 0 < np.mean(expected) < 0.9
    counts = np.bincount(placed.found.labels[placed.part][placed.inside], minlength=3)
    monkeypatch.setattr(dice, "FEWEST_VOXELS", int(max(counts[1:])))
    assert len(placed.numbers) == 1
    monkeypatch.setattr(dice, "FEWEST_VOXELS", int(max(counts[1:])) + 1)
    assert np.isnan(placed.mean_dice(part.data))


def test_a_dice_is_computed_once(family, files, network, tmp_path, monkeypatch):
    dice = family("anatomy_dice")
    monkeypatch.setattr(dice, "load_meshnet", lambda: network)
    case = case_of(family, files, tmp_path / "kept")
    found = dice.DiceOfCrop(files[0], files[1], tmp_path / "kept").of(case)
    assert set(found) == {"mean", "sample"}
    assert all(0 < value <= 1 for value in found.values())
    monkeypatch.setattr(dice, "reference_anatomy", lambda _: pytest.fail("the head is segmented again"))
    assert dice.DiceOfCrop(files[0], files[1], tmp_path / "kept").of(case) == found


def test_a_head_that_cannot_be_segmented_has_no_dice(family, files, network, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(anatomy, "doubt", lambda _: "it has no thalamus")
    found = family("anatomy_dice").DiceOfCrop(files[0], files[1], tmp_path / "kept")
    assert found.of(case_of(family, files, tmp_path / "kept")) == {"mean": None, "sample": None}
    found.of(case_of(family, files, tmp_path / "kept", "iso2"))
    assert capsys.readouterr().err.count("sub-a_T1w.nii.gz: no Dice: ") == 1


def test_the_first_t1w_head_is_shown(family, files, tmp_path):
    first_head = family("anatomy_dice").first_head
    other = tmp_path / "sub-b_T2w.nii.gz"
    save(t1w(), other)
    assert first_head([other, files[0], files[0]]) == 1
    assert first_head([other]) is None


@pytest.fixture
def trained(family, files, tmp_path):
    """Two members of one recipe that is trained, and the crops of theirs."""
    text = (FOLDER / "flow.toml").read_text().replace("../../training_runs/family/flow", "runs/flow")
    (tmp_path / "flow.toml").write_text(text)
    known = {"flow": read_recipe(tmp_path / "flow.toml")}
    weights = family("members").weights_of(known["flow"])
    weights.parent.mkdir(parents=True)
    weights.write_bytes(
        weights_bytes(tiny_net().state_dict(), ModelSpec("flow", "0", TINY, EVERYTHING, process="flow"))
    )
    return known, family("measuring").Crops((files[1],), files[1], None, tmp_path)


def test_the_panels_are_planes_across_the_slices_of_what_is_kept(family, trained, files):
    known, crops = trained
    picture = family("picture")
    assert picture.pictured(["flow", "pmrf"], known, crops).members == {}  # nothing is computed for the picture
    member = next(one for one in family("members").MEMBERS if one.name == "flow")
    results = crops.case("thick5", ("mean", "sample"), member.settings(known)).results()
    found = picture.pictured(["flow", "pmrf"], known, crops)
    assert list(found.plain) == ["reference", "cubic", "ibp"]
    reference = load(files[1]).to_ras()
    np.testing.assert_array_equal(found.plain["reference"], reference.data[SIDE // 2].T[::-1])
    assert list(found.members) == ["flow"]
    for plane, name in zip(found.members["flow"], ("mean", "sample"), strict=True):
        np.testing.assert_array_equal(plane, results[name][SIDE // 2].T[::-1])
    low, high = found.window
    assert reference.data.min() <= low < high <= reference.data.max()
    assert picture.pictured(["pmrf"], known, crops).members == {}


def test_thick_slices_from_side_to_side_are_seen_from_the_front(family, files, tmp_path):
    data = head((30, 34, 10), (1.0, 1.0, 4.0))
    save(data, tmp_path / "coarse.nii.gz")
    crops = family("measuring").Crops((), tmp_path / "coarse.nii.gz", None, tmp_path)
    found = family("picture").pictured([], {}, crops)
    np.testing.assert_array_equal(found.plain["reference"], data.data[:, 17].T[::-1])
    assert found.aspect == pytest.approx(4)


def test_the_picture_has_a_panel_for_each_plane(family, tmp_path):
    picture = family("picture")
    plane = np.linspace(0, 1, 24 * 20, dtype=np.float32).reshape(24, 20)
    plain = dict.fromkeys(("reference", "cubic", "ibp"), plane)
    sizes = []
    for count in (3, 4):
        members = {f"member {n}": (plane, plane) for n in range(count)}
        target = tmp_path / f"{count}.png"
        picture.draw(picture.Pictured(plain, members, (0.0, 1.0), 1.0), target)
        sizes.append(picture_size(target))
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] == pytest.approx(1.5 * sizes[0][1], abs=2)  # the fourth member begins a third row
    with pytest.raises(OutputError, match="make its folder first"):
        picture.draw(picture.Pictured(plain, {}, (0.0, 1.0), 1.0), tmp_path / "nowhere" / "family.png")


def picture_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content[:4] == b"\x89PNG"
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
