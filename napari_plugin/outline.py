"""The frame around a region that was enhanced: seen in every slice of the region, never in the way of the mouse."""

from __future__ import annotations

from typing import Any

from .layers import AXIS_LABELS, METADATA_KEY
from .region_view import axes_missing, edges_of

ROLE = "region"
COLOUR = "yellow"  # as that of the box that regions are drawn in


def is_outline(layer: Any) -> bool:
    """Whether a layer is such a frame."""
    return bool(layer.metadata.get(METADATA_KEY, {}).get("role") == ROLE)


def add_outline(viewer: Any, result: Any) -> None:
    """Frame a result of a region, in place of the frame of an earlier region of the same scan.

    Args:
        viewer: napari's viewer.
        result: Layer of the result, as `outcomes.Made` makes it.
    """
    of = result.metadata[METADATA_KEY]["of"]
    for layer in [one for one in viewer.layers if is_outline(one) and one.metadata[METADATA_KEY]["of"] == of]:
        viewer.layers.remove(layer)
    low, high = edges_of(result)
    active = viewer.layers.selection.active
    # napari shows a shape only in a slice that holds all of it, but what bounds a layer in every slice: so the line
    # across the region gives the bounds, and what bounds the layer is what is seen
    outline = viewer.add_shapes(
        [[low, high]],
        shape_type="line",
        edge_color="transparent",
        name=f"outline of {result.name}",
        units=result.units,
        axis_labels=AXIS_LABELS,
        metadata={METADATA_KEY: {"role": ROLE, "of": of}},
    )
    outline.bounding_box.points = False
    outline.bounding_box.line_color = COLOUR
    viewer.layers.selection.active = active

    def show_inside(event: Any = None) -> None:
        if outline in viewer.layers:
            outline.bounding_box.visible = not axes_missing(viewer.dims, low, high)
            return
        for changed in changes:
            changed.disconnect(show_inside)

    events = viewer.dims.events
    changes = (events.point, events.order, events.ndisplay)
    for changed in changes:
        changed.connect(show_inside)
    show_inside()
