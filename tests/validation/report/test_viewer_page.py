import base64
import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest
from made_reports import made_views

from medsr.errors import OutputError
from medsr.validation.report import viewer_page as module
from medsr.validation.report.viewer_page import viewer_page
from medsr.validation.views import MOST_VOXELS, CaseViews

MOST_BYTES = 12 << 20


@pytest.fixture(scope="module")
def views() -> CaseViews:
    return made_views((24, 28, 22))


def test_the_volumes_in_the_page_are_the_views_volumes_where_they_were(views: CaseViews) -> None:
    page = viewer_page(views, "case.html", "").decode()
    (content,) = re.findall(r'<script type="application/json" id="volumes">(.*?)</script>', page, re.DOTALL)
    volumes = json.loads(content)
    assert list(volumes) == ["reference", "ibp", "mean"]
    for name, data in volumes.items():
        image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(data)))
        np.testing.assert_array_equal(np.asarray(image.dataobj), views.volumes[name])
        np.testing.assert_allclose(image.affine, views.affine, atol=1e-5)


def test_the_largest_volumes_of_pure_noise_fit_the_budget(views: CaseViews) -> None:
    side = round(MOST_VOXELS ** (1 / 3))
    noise = np.random.default_rng(0).integers(0, 256, (side, side, side), dtype=np.uint8)
    large = CaseViews(**{**vars(views), "volumes": dict.fromkeys(("reference", "ibp", "mean"), noise)})
    assert len(viewer_page(large, "case.html", "")) < MOST_BYTES


def test_a_changed_library_is_refused(views: CaseViews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NIIVUE_SHA256", "0" * 64)
    module._niivue.cache_clear()
    with pytest.raises(OutputError, match="install medsr again"):
        viewer_page(views, "case.html", "")
