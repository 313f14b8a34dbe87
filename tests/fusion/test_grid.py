"""Stacks on a grid that is asked for: that of another image, whatever its orientation and extent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fusion_stacks import at, motion, stack, truth
from numpy.typing import NDArray
from scipy import ndimage
from tiny_models import tiny_model

import medsr
from medsr import affine as grids
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, InputError, ResourceError, UsageError
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid, planned
from medsr.io.outline import Outline
from medsr.model.spec import Envelope
from medsr.volume import Volume

SCAN = truth()
NARROW = Envelope(max_factor=12, max_factor_several=6, max_coarse_mm=9, fine_mm=(0.35, 2.6))
MODEL = tiny_model(silent=True, envelope=NARROW)
AXIAL, CORONAL = (stack(SCAN, axis) for axis in (2, 1))
IN_PLACE = [at(np.eye(4))] * 2
MAP = EnhanceSettings(mode="uncertainty", flips=0)
TO_LPI = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [-1, 0, 0, 0], [0, 0, 0, 1.0]])  # axes permuted and flipped


def oblique(side: int = 32, spacing_mm: float = 1.0) -> Grid:
    """A turned grid within the scan, its axes in another order and the other way round."""
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = 23.5 + (side - 1) / 2 * spacing_mm
    return Grid((side, side, side), motion(SCAN, (10, -20, 15), (0.3, -0.2, 0.4)) @ affine @ TO_LPI)


def sampled(volume: Volume, grid: Grid) -> NDArray[np.float32]:
    into = np.linalg.inv(volume.affine) @ grid.affine
    return ndimage.affine_transform(volume.data, into[:3, :3], into[:3, 3], grid.shape, order=3, mode="nearest")


def rms(apart: NDArray[np.float32]) -> float:
    """Over the range of the scan."""
    return float(np.sqrt(np.mean(apart**2)) / np.ptp(SCAN.data))


@pytest.fixture(scope="module")
def own() -> Enhancement:
    """The two stacks on the grid that is chosen for them."""
    return fuse([AXIAL, CORONAL], MODEL, MAP, poses=IN_PLACE)


@pytest.fixture(scope="module")
def turned() -> Enhancement:
    return fuse([AXIAL, CORONAL], MODEL, MAP, grid=oblique(), poses=IN_PLACE)


def test_an_isotropic_grid_has_one_spacing_in_every_direction_and_another_one_that_of_its_axes():
    np.testing.assert_allclose(oblique(spacing_mm=1.3).along(SCAN), [1.3] * 3)
    flat = Grid((9, 9, 9), np.diag([1.0, 2.0, 5.0, 1.0]) @ TO_LPI)
    np.testing.assert_allclose(flat.along(SCAN), [1, 2, 5])
    askew = flat.along(Outline((9, 9, 9), motion(SCAN, (0, 0, 45), (0, 0, 0))))
    np.testing.assert_allclose(askew, [np.sqrt(2.5), np.sqrt(2.5), 5])


def test_the_grid_of_the_result_given_as_a_grid_changes_little(own):
    found = fuse([AXIAL, CORONAL], MODEL, MAP, grid=Grid(own.volume.shape, own.volume.affine), poses=IN_PLACE)
    assert rms(found.volume.data - own.volume.data) < 0.01
    assert rms(found.volume.data - SCAN.data) < 1.02 * rms(own.volume.data - SCAN.data)


def test_the_result_has_the_affine_and_the_shape_of_the_grid_exactly(turned):
    for volume in (turned.volume, turned.uncertainty):
        assert volume.shape == (32, 32, 32)
        np.testing.assert_array_equal(volume.affine, oblique().affine)
    assert turned.record.task["fine_shape"] == [32, 32, 32]
    assert turned.record.task["fine_spacing_mm"] == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(turned.record.task["grid"]["affine"], oblique().affine, atol=1e-6)
    assert turned.record.task["grid"]["shown"] == 1.0


def test_a_turned_grid_shows_the_truth_as_well_as_that_of_the_first_stack(own, turned):
    off = rms(turned.volume.data - sampled(SCAN, oblique()))
    assert off < 1.05 * rms((own.volume.data - SCAN.data)[8:40, 8:40, 8:40])


def test_the_residual_is_that_of_the_first_stack_where_the_grid_covers_it(turned):
    assert turned.residual.shape == AXIAL.shape
    assert turned.record.stacks[0]["residual"] < 1.5
    shown = turned.residual.data != 0
    assert shown.mean() == pytest.approx(turned.record.stacks[0]["covered"], abs=0.01)
    assert 0.3 < shown.mean() < 0.7


def test_the_unit_of_a_stack_does_not_depend_on_the_grid(own, turned):
    for name in ("slope", "offset", "correlation"):
        assert turned.record.stacks[1][name] == own.record.stacks[1][name]


def test_beyond_every_stack_there_is_nothing_and_it_is_said(own):
    wide = grids.crop(SCAN.affine, (-8, 0, 0))
    shape = (64, 48, 48)
    found = fuse([AXIAL, CORONAL], MODEL, MAP, grid=Grid(shape, wide), poses=IN_PLACE)
    assert found.uncertainty is not None
    for outside in (found.volume.data[:8], found.volume.data[56:]):
        assert np.unique(outside).tolist() == [AXIAL.data.min()]
    assert found.uncertainty.data[:8].min() > 5 * np.median(found.uncertainty.data[8:56])
    assert found.record.task["grid"]["shown"] == 0.75
    assert any(text.startswith("25.0% of the grid lies beyond every stack") for text in found.record.warnings)
    assert rms(found.volume.data[8:56] - own.volume.data) < 0.01


def test_a_grid_shows_what_the_first_stack_does_not_reach(own):
    """The left half comes from the second stack alone, in the unit of the first."""
    half = replace(AXIAL, data=np.ascontiguousarray(AXIAL.data[24:]), affine=grids.crop(AXIAL.affine, (24, 0, 0)))
    brighter = CORONAL.with_data(1.5 * CORONAL.data)
    found = fuse([half, brighter], MODEL, MAP, grid=Grid(SCAN.shape, SCAN.affine), poses=IN_PLACE).volume.data
    alone = fuse([CORONAL], MODEL, MAP).volume.data
    assert rms((found - alone)[:16]) < 0.03
    assert rms((found - own.volume.data)[32:]) < 0.01
    jump = np.abs(np.diff(found, axis=0)).mean(axis=(1, 2))
    assert jump[23] < 1.25 * max(jump[19:22].max(), jump[26:29].max())


def test_a_coarser_grid_takes_stacks_averaged_to_its_voxels():
    grid = Grid((24, 24, 24), grids.resized(SCAN.affine, SCAN.shape, (24, 24, 24)))
    found = fuse([AXIAL, CORONAL], MODEL, MAP, grid=grid, poses=IN_PLACE)
    spacing = replace(MAP, spacing_mm=(2.0,))
    expected = fuse([AXIAL, CORONAL], MODEL, spacing, poses=IN_PLACE)
    assert rms(found.volume.data - expected.volume.data) < 0.01


@pytest.mark.parametrize("asked", [MAP, replace(MAP, spacing_mm=(2.0,)), replace(MAP, spacing_mm=(1.7,))])
def test_headers_alone_tell_what_fusing_gives(asked):
    headers = [Outline(one.shape, one.affine) for one in (AXIAL, CORONAL)]
    found = fuse([AXIAL, CORONAL], MODEL, asked, poses=IN_PLACE)
    first, second = planned(headers, asked, None)
    assert (first.fine_shape, second.coarse_shape) == (
        found.volume.shape,
        tuple(found.record.stacks[1]["task"]["coarse_shape"]),
    )
    np.testing.assert_allclose(first.fine_affine, found.volume.affine)
    on_grid = fuse([AXIAL, CORONAL], MODEL, MAP, grid=oblique(24, 1.4), poses=IN_PLACE)
    for stack_, planned_ in zip(on_grid.record.stacks, planned(headers, MAP, oblique(24, 1.4)), strict=True):
        assert stack_["task"]["fine_shape"] == list(planned_.fine_shape)


def test_python_takes_the_grid_of_a_volume_and_of_a_file(turned, tmp_path):
    grid = oblique()
    image = Volume(np.ones(grid.shape, np.float32), grid.affine)
    medsr.save(image, tmp_path / "image.nii.gz", dtype="uint8")
    for one in (image, tmp_path / "image.nii.gz", str(tmp_path / "image.nii.gz")):
        found = medsr.enhance([AXIAL, CORONAL], MODEL, MAP, grid=one)
        assert found.volume.shape == grid.shape
        np.testing.assert_allclose(found.volume.affine, grid.affine, atol=1e-5)
    with pytest.raises(UsageError, match="a grid is for several stacks"):
        medsr.enhance(AXIAL, MODEL, MAP, grid=image)


def far_away() -> Grid:
    return Grid((40, 40, 40), motion(SCAN, (0, 0, 0), (60, 0, 0)))


@pytest.mark.parametrize(
    ("grid", "settings", "kind", "said"),
    [
        (far_away(), MAP, InputError, "the grid and the first stack share 0% of the smaller field of view"),
        (Grid(AXIAL.shape, AXIAL.affine), MAP, UsageError, r"^a grid of 1 x 1 x 4 mm, stack 1: a stack has voxels of"),
        (oblique(160, 0.2), MAP, UsageError, r"stack 1: target spacing is 0\.2"),
        (
            oblique(100, 0.3),
            MAP,
            EnvelopeError,
            r"^a grid of 0\.3 x 0\.3 x 0\.3 mm, stack 1: outside .*--force goes on",
        ),
        (oblique(), replace(MAP, spacing_mm=(1.0,)), UsageError, "both a target spacing and a grid"),
    ],
)
def test_a_grid_that_stacks_cannot_be_fused_on_is_refused(grid, settings, kind, said):
    with pytest.raises(kind, match=said):
        fuse([AXIAL, CORONAL], MODEL, settings, grid=grid, poses=IN_PLACE)


def test_a_grid_that_does_not_fit_into_memory_is_refused():
    with pytest.raises(ResourceError, match=r"fusing onto 0 million voxels.*--grid"):
        fuse([AXIAL, CORONAL], MODEL, MAP, grid=oblique(), memory_bytes=2**20, poses=IN_PLACE)


def test_one_scan_has_no_grid_but_its_own():
    with pytest.raises(UsageError, match="leave the grid out"):
        fuse([AXIAL], MODEL, MAP, grid=oblique())


def test_a_grid_of_a_part_gives_that_part_up_to_its_faces(own):
    part = Grid((24, 24, 24), grids.crop(SCAN.affine, (12, 12, 12)))
    found = fuse([AXIAL, CORONAL], MODEL, MAP, grid=part, poses=IN_PLACE).volume.data
    apart = found - own.volume.data[12:36, 12:36, 12:36]
    assert rms(apart) < 0.01
    assert all(rms(np.take(apart, face, axis)) < 0.015 for axis in range(3) for face in (0, -1))
