"""Real stacks of a knee: what two of them give together predicts the third better than either alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid
from medsr.fusion.placing import line_of
from medsr.fusion.stack import SAME, covered_by, measured, operator, places_in, resampled
from medsr.io import load
from medsr.registration.rigid import Rigid, register
from medsr.volume import Volume

HALF_MM = 22.0
SETTINGS = EnhanceSettings(mode="uncertainty", flips=0, force=True)


def cut(scan: Volume, middle: np.ndarray) -> Volume:
    """The voxels within `HALF_MM` of a place, along every axis."""
    place = (np.linalg.inv(scan.affine) @ np.append(middle, 1))[:3]
    start = np.rint(place - HALF_MM / scan.spacing_mm).astype(int).clip(0)
    stop = np.minimum(np.rint(place + HALF_MM / scan.spacing_mm).astype(int), scan.shape)
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return scan.with_data(np.ascontiguousarray(scan.data[box]), affine)


@pytest.mark.slow
def test_two_stacks_of_a_knee_predict_the_third_better_than_either_alone(shared_data):
    whole = [load(shared_data / "stacks" / f"knee_PDfs_{name}.nii.gz").to_ras() for name in ("ax", "cor", "sag")]
    middle = np.mean([(one.affine @ [*(np.array(one.shape) - 1) / 2, 1])[:3] for one in whole], axis=0)
    axial, coronal, sagittal = (cut(one, middle) for one in whole)
    poses = [SAME, *(register(whole[0], other) for other in whole[1:])]
    model = tiny_model(silent=True)
    one, two, third = (enhance(scan, model, SETTINGS) for scan in (axial, coronal, sagittal))
    both = fuse([axial, coronal], model, SETTINGS, poses=poses[:2])
    target = Grid(both.volume.shape, both.volume.affine)
    covered = covered_by(operator(third.acquisition, poses[2], target))
    places, n = places_in(two.volume, poses[1], target), np.array(two.volume.shape)[:, None]
    depth_mm = np.minimum(places + 0.5, n - 0.5 - places) * two.volume.spacing_mm[:, None]
    well_inside = depth_mm.min(axis=0).reshape(target.shape) > 4

    def unexplained(result: Enhancement, pose: Rigid) -> float:
        """Share of the sagittal stack's variance that a result does not predict, where all are."""
        op = operator(third.acquisition, poses[2], target)
        inside = covered & (op(torch.from_numpy(well_inside.astype(np.float32))).numpy() > 0.999)
        image = resampled(result.volume, pose, target)
        line = line_of(third, op, inside, image, 3)
        off = (line.applied(measured(third)) - op(image).numpy())[inside]
        return float(np.mean(off**2) / np.var(line.applied(measured(third))[inside]))

    assert unexplained(both, SAME) < min(unexplained(one, SAME), unexplained(two, poses[1]))
