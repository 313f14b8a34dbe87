"""How a viewer shows its first scan: upright, in its acquired plane, with a scale bar and the body's directions."""

from __future__ import annotations

from typing import Any

LETTERS = (("S", "I"), ("A", "P"), ("R", "L"))  # of the end and the beginning of the axes (z, y, x)
N_AXES = len(LETTERS)


def show_first(viewer: Any, slice_axis: int | None) -> None:
    """Prepare an empty viewer for a scan that is about to be added.

    The patient's right is on the left, as radiologists have it. napari draws axes downwards; turning the camera instead
    of the axes leaves every coordinate as it is.

    Args:
        viewer: napari's viewer, without layers.
        slice_axis: Axis (z, y, x) across the slices; None: the axial plane is shown.
    """
    camera, overlays = viewer.scene.camera, viewer.canvas.overlays
    camera.orientation2d = ("up", "left")
    overlays.scale_bar.visible = True

    def label(event: Any = None) -> None:
        overlays.text.text = directions(tuple(viewer.dims.order), tuple(map(str, camera.orientation2d)))
        overlays.text.visible = viewer.dims.ndisplay == 2

    def turn(event: Any) -> None:
        viewer.layers.events.inserted.disconnect(turn)
        if slice_axis is not None and viewer.dims.ndim == N_AXES:
            viewer.dims.order = (slice_axis, *(axis for axis in range(N_AXES) if axis != slice_axis))
            viewer.reset_view()
        label()

    viewer.layers.events.inserted.connect(turn)
    for changed in (viewer.dims.events.order, viewer.dims.events.ndisplay, camera.events.orientation):
        changed.connect(label)


def directions(order: tuple[int, ...], orientation2d: tuple[str, ...]) -> str:
    """What lies at the edges of the picture, such as "left R, right L, top A, bottom P".

    Args:
        order: Axes as the viewer orders them; the last two are shown, and the last three are (z, y, x).
        orientation2d: Where the vertical and the horizontal axis end: "up" or "down", "left" or "right".
    """
    vertical, horizontal = (LETTERS[axis - len(order) + N_AXES] for axis in order[-2:])
    top, bottom = vertical if orientation2d[0] == "up" else vertical[::-1]
    left, right = horizontal if orientation2d[1] == "left" else horizontal[::-1]
    return f"left {left}, right {right}, top {top}, bottom {bottom}"
