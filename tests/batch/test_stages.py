"""The stages of a case, called in this process."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from phantoms import head
from tiny_models import tiny_model

from medsr.batch.recipe import BatchRecipe
from medsr.batch.stages import Enhancing
from medsr.enhancement.settings import EnhanceSettings, Input
from medsr.errors import InputError


def test_a_recipe_says_how_a_nifti_file_is_read(tmp_path):
    scan = head((8, 9, 6))
    data = np.array(scan.data)
    data[0] = np.nan
    nib.save(nib.Nifti1Image(data, scan.affine), tmp_path / "masked.nii")
    request = {"files": [str(tmp_path / "masked.nii")], "stacks": [[1, 0]]}

    def stages(policy):
        recipe = BatchRecipe(enhance=EnhanceSettings(input=Input(nan=policy)))
        return Enhancing(recipe, tiny_model(silent=True), bids=False, memory_bytes=2**30)

    (volume,) = stages("lowest").read(request).volumes
    assert volume.data[0].max() == np.nanmin(data)
    with pytest.raises(InputError, match="are NaN"):
        stages("refuse").read(request)
