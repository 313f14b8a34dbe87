"""A region in a real viewer, from the box to the comparison: where it lies stays to be seen."""

from __future__ import annotations

import numpy as np
import pytest
from medsr_napari.region_view import edges_of, show_region

pytestmark = pytest.mark.viewer


@pytest.fixture
def region(viewer, wait, thick_scan):
    """A viewer with a scan and the result of a box drawn on its slice 4; the dock."""
    viewer.open(thick_scan, plugin="medsr")
    _, dock = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    dock.form.region_kind.setCurrentIndex(dock.form.region_kind.findData("box"))
    dock.draw_box()
    low, high = (np.array(viewer.layers[0].data_to_world(corner)) for corner in ((4, 12, 10), (4, 25, 22)))
    viewer.layers["medsr box"].add_rectangles(
        np.array([low, (low[0], low[1], high[2]), high, (low[0], high[1], low[2])])
    )
    dock.form.depth_mm.setValue(9)
    dock.run()
    wait(lambda: dock.go.isEnabled())
    return dock


def yellow(viewer, wait):
    """Pixels (N, 2) of the picture, row and column, in the colour of the outline."""
    viewer.layers["medsr box"].visible = False  # which has the same colour
    wait(lambda: True)
    red, green, blue = np.moveaxis(viewer.screenshot(flash=False)[..., :3].astype(int), -1, 0)
    return np.argwhere((red > 200) & (green > 200) & (blue < 60))


def fills_the_picture(viewer, layer):
    """Whether a layer is all in the picture, takes most of it, and is cut by the slice that is shown."""
    (low, high), shown = edges_of(layer), list(viewer.dims.displayed)
    through = [axis for axis in range(3) if axis not in shown]
    share = (high - low)[shown] * viewer.scene.camera.zoom / viewer.canvas.viewbox_size(viewer.layers)
    centred = np.allclose(viewer.scene.camera.center[-2:], ((low + high) / 2)[shown])
    cut = all(low[axis] <= viewer.dims.point[axis] <= high[axis] for axis in through)
    return centred and cut and share.max() == pytest.approx(0.9, abs=0.02)


def test_comparing_zooms_to_the_region_once_and_in_every_plane(viewer, region, wait):
    _, compare = viewer.window.add_plugin_dock_widget("medsr", "Compare")
    result = compare.result.layer()
    viewer.dims.set_point(0, viewer.dims.range[0].stop)
    viewer.reset_view()
    assert not fills_the_picture(viewer, result)
    wait(compare.isVisible)
    compare.view.setCurrentIndex(compare.view.findData("difference"))
    wait(lambda: compare.companion("difference") is not None)
    assert fills_the_picture(viewer, result)
    viewer.reset_view()
    compare.view.setCurrentIndex(compare.view.findData("curtain"))
    assert not fills_the_picture(viewer, result)  # who has looked elsewhere stays there
    viewer.dims.order = (1, 0, 2)
    assert fills_the_picture(viewer, result)
    compare.view.setCurrentIndex(compare.view.findData("grid"))
    assert fills_the_picture(viewer, result)


def test_the_outline_of_the_region_stays_in_its_slices_and_out_of_the_way(viewer, region, wait):
    result, outline = list(viewer.layers)[2:]
    assert outline.name == "outline of mean, region: head"
    assert viewer.layers.selection.active == result
    assert outline.mode == "pan_zoom"
    result.visible = False
    (low, high), zoom = edges_of(result), viewer.scene.camera.zoom
    seen = yellow(viewer, wait)
    np.testing.assert_allclose(np.ptp(seen, axis=0) / zoom, (high - low)[1:], atol=1.0)
    viewer.dims.set_point(0, high[0] + 3)
    assert not len(yellow(viewer, wait))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, (low[1] + high[1]) / 2)
    seen = yellow(viewer, wait)
    np.testing.assert_allclose(np.ptp(seen, axis=0) / viewer.scene.camera.zoom, (high - low)[[0, 2]], atol=1.0)


def test_a_second_region_of_a_scan_takes_the_outline_with_it(viewer, region, wait):
    region.form.depth_mm.setValue(6)
    region.run()
    wait(lambda: region.go.isEnabled())
    outlines = [layer for layer in viewer.layers if layer.name.startswith("outline")]
    assert [layer.name for layer in outlines] == ["outline of mean, region: head [1]"]
    viewer.layers.remove(outlines[0])
    viewer.dims.set_point(0, 0)


def test_outline_and_box_stay_but_take_no_picture_side_by_side(viewer, region, wait):
    _, compare = viewer.window.add_plugin_dock_widget("medsr", "Compare")
    frames = [viewer.layers["medsr box"], viewer.layers["outline of mean, region: head"]]
    compare.view.setCurrentIndex(compare.view.findData("curtain"))
    wait(lambda: compare.companion("curtain") is not None)
    assert all(layer.visible for layer in frames)
    compare.view.setCurrentIndex(compare.view.findData("grid"))
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (1, 2)
    compare.view.setCurrentIndex(compare.view.findData("difference"))
    assert all(layer.visible for layer in frames)


def test_a_region_is_found_beside_watched_steps_and_in_3d(viewer):
    viewer.add_image(np.zeros((4, 9, 60, 60)), axis_labels=("step", "z", "y", "x"))
    layer = viewer.add_image(np.zeros((3, 10, 20)), scale=(2, 1, 1), translate=(40, 5, 30))
    viewer.dims.set_point(1, 0)
    show_region(viewer, layer)
    assert viewer.dims.point[1] == pytest.approx(42, abs=1)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (9.5, 39.5))
    viewer.dims.ndisplay = 3
    show_region(viewer, layer)
    np.testing.assert_allclose(viewer.scene.camera.center, (42, 9.5, 39.5))
