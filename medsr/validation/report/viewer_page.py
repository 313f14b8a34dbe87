"""One case in 3D: NiiVue and three small volumes in one file, with the slices where WebGL 2 is missing."""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache
from importlib import resources

import nibabel as nib
import numpy as np
from markupsafe import Markup

from medsr.errors import OutputError
from medsr.record import NOTICE
from medsr.report.pages import asset, data_block, environment, style
from medsr.report.security import inline, policy
from medsr.validation.report.curtains import curtain
from medsr.validation.views import CaseViews

NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
CONNECT = "connect-src data: blob:; img-src data: blob:"  # NiiVue reads its font and colours from data it carries


def viewer_page(views: CaseViews, page: str, unit: str) -> bytes:
    """The page of one case.

    Args:
        views: Views of the case.
        page: File name of the case's own page.
        unit: Unit of its intensities, with a space before it; "" where there is none.

    Raises:
        OutputError: the installed NiiVue is not the one that belongs to this version.
    """
    css, script, library = style() + asset("viewer.css"), inline(asset("viewer.js")), _niivue()
    shape = next(iter(views.volumes.values())).shape
    spacing = np.linalg.norm(views.affine[:3, :3], axis=0)
    html = (
        environment()
        .get_template("viewer.html.j2")
        .render(
            policy=policy([library, script], [css], CONNECT),
            style=Markup(css),
            script=Markup(script),
            library=Markup(library),
            notice=NOTICE,
            scan=views.scan,
            task=views.task,
            page=page,
            names=list(views.volumes),
            shown=list(views.volumes)[-1],
            curtains=[curtain(views, plane) for plane in views.planes],
            window=views.window,
            unit=unit,
            located_by=views.located_by,
            size=f"{' x '.join(map(str, shape))} of {' x '.join(f'{h:.3g}' for h in spacing)} mm",
            volumes=data_block({name: _nifti(views, name) for name in views.volumes}),
        )
    )
    return html.encode("utf-8", "replace")


def _nifti(views: CaseViews, name: str) -> str:
    """A volume as gzip NIfTI in base64."""
    image = nib.Nifti1Image(views.volumes[name], views.affine)
    return base64.b64encode(gzip.compress(image.to_bytes(), 6, mtime=0)).decode()


@cache
def _niivue() -> str:
    """The script of NiiVue, exactly as it was published."""
    content = gzip.decompress((resources.files("medsr.report") / "niivue" / "niivue.umd.js.gz").read_bytes())
    if hashlib.sha256(content).hexdigest() != NIIVUE_SHA256:
        raise OutputError("the NiiVue that medsr came with has been changed or damaged; install medsr again")
    return inline(content.decode("utf-8"))
