import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from made_reports import made_views
from PIL import Image

from medsr.validation.report.curtains import LETTERS, THUMBNAIL, curtain, full_colour, plane_for, thumbnail
from medsr.validation.views import DIFFERENCE_SHARE, REFERENCE, CaseViews


@pytest.fixture(scope="module")
def views() -> CaseViews:
    return made_views()


def picture(source: str) -> Image.Image:
    head, _, data = source.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_pictures_are_the_slices_themselves_where_voxels_are_square(views: CaseViews) -> None:
    for plane in views.planes:
        shown = curtain(views, plane)
        assert [layer.name for layer in shown.layers] == [REFERENCE, "cubic", "ibp", "mean"]
        for layer in shown.layers:
            np.testing.assert_array_equal(np.asarray(picture(layer.source)), plane.images[layer.name])
        assert shown.letters == LETTERS[plane.plane]


def test_thick_voxels_become_square_pixels_and_the_bar_keeps_its_length(views: CaseViews) -> None:
    plane = replace(views.planes[0], spacing_mm=(3.0, 1.0))
    shown = curtain(views, plane)
    rows, columns = plane.images[REFERENCE].shape
    assert (shown.height, shown.width) == (3 * rows, columns)
    assert picture(shown.layers[0].source).size == (shown.width, shown.height)
    np.testing.assert_array_equal(np.asarray(picture(shown.layers[0].source))[1::3], plane.images[REFERENCE])
    assert shown.bar == shown.bar_mm
    left, top, width, height = shown.box
    assert left >= 0 and top >= 0 and left + width <= shown.width and top + height <= shown.height
    assert (top <= 3 * plane.place[0] + 1 < top + height) and (left <= plane.place[1] < left + width)


def test_no_difference_is_transparent_and_colours_tell_brighter_from_darker(views: CaseViews) -> None:
    plane = views.planes[0]
    values = np.zeros_like(plane.differences["mean"])
    values[0, 0], values[0, 1] = 127, -127
    shown = curtain(views, replace(plane, differences={"mean": values}))
    colours = np.asarray(picture(shown.differences[0].source).convert("RGBA"))
    assert colours[1, 1, 3] == 0
    assert colours[0, 0, 3] == colours[0, 1, 3] == 255
    assert colours[0, 0, 0] > colours[0, 0, 2] and colours[0, 1, 2] > colours[0, 1, 0]
    low, high = views.window
    assert full_colour(views) == DIFFERENCE_SHARE * (high - low)


def test_the_plane_shows_what_was_degraded_and_thumbnails_are_tiny(views: CaseViews) -> None:
    assert plane_for(views, "R A S").plane == plane_for(views, "S").plane == "sagittal"
    assert plane_for(views, "R A").plane == "axial"
    assert max(picture(thumbnail(views)).size) == THUMBNAIL
    assert len(thumbnail(views)) < 8000
