"""Views to pictures: PNG in the page itself, square pixels, orientation, a scale bar, coloured differences."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medsr.validation.views import DIFFERENCE_SHARE, FULL, REFERENCE, CaseViews, PlaneView

LETTERS = {"sagittal": "APSI", "coronal": "RLSI", "axial": "RLAP"}  # left, right, top, bottom
BARS_MM = (100, 50, 20, 10, 5, 2, 1)
BAR_SHARE = 0.3  # of the width at most
INSET_MM = 30.0
THUMBNAIL = 48
MORE, LESS = (229, 72, 77), (59, 130, 246)  # brighter and darker than the reference
STRENGTH = 0.75  # exponent of the opacity: small differences stay visible


@dataclass(frozen=True)
class Layer:
    """One picture.

    Attributes:
        name: "reference" or a method.
        source: Picture as data URI.
        alt: Description in words.
    """

    name: str
    source: str
    alt: str


@dataclass(frozen=True)
class Curtain:
    """Pictures of one plane that lie over each other.

    Attributes:
        title: Plane, scan and task.
        plane: Name of the plane.
        width: Width of each picture in pixels.
        height: Height of each picture in pixels.
        letters: Letters at the left, right, top and bottom.
        bar_mm: Length of the scale bar.
        bar: Length of the scale bar in pixels.
        box: Left, top, width and height of the insets in the pictures.
        layers: Whole slices, the reference first.
        insets: Pictures of what lies in the box.
        differences: Differences to the reference, red where a method is brighter and blue where it is darker.
        left: Name of the layer shown first at the left.
        right: Name of the layer shown first at the right.
    """

    title: str
    plane: str
    width: int
    height: int
    letters: str
    bar_mm: int
    bar: float
    box: tuple[int, int, int, int]
    layers: tuple[Layer, ...]
    insets: tuple[Layer, ...]
    differences: tuple[Layer, ...]
    left: str
    right: str


def curtain(views: CaseViews, plane: PlaneView) -> Curtain:
    """The pictures of one plane of a case."""
    pixel_mm = min(plane.spacing_mm)
    rows, columns = (_repeated(n, h, pixel_mm) for n, h in zip(_shape(plane), plane.spacing_mm, strict=True))
    box = _box(plane, rows, columns, pixel_mm)
    squares = {name: image[np.ix_(rows, columns)] for name, image in plane.images.items()}
    changes = {name: values[np.ix_(rows, columns)] for name, values in plane.differences.items()}
    bar_mm = next((mm for mm in BARS_MM if mm / pixel_mm <= BAR_SHARE * len(columns)), BARS_MM[-1])
    where = f"{plane.plane} slice of {views.scan}, {views.task}"
    methods = list(plane.differences)
    return Curtain(
        title=where,
        plane=plane.plane,
        width=len(columns),
        height=len(rows),
        letters=LETTERS[plane.plane],
        bar_mm=bar_mm,
        bar=bar_mm / pixel_mm,
        box=box,
        layers=tuple(Layer(name, _grey(x), f"{name}: {where}") for name, x in squares.items()),
        insets=tuple(Layer(name, _grey(_cut(x, box)), f"{name}: inset of the {where}") for name, x in squares.items()),
        differences=tuple(
            Layer(name, _coloured(x), f"{name} minus {REFERENCE}: {where}") for name, x in changes.items()
        ),
        left="ibp" if "ibp" in methods else methods[0],
        right="mean" if "mean" in methods else methods[-1],
    )


def thumbnail(views: CaseViews) -> str:
    """A tiny axial picture of the reference as data URI."""
    image = Image.fromarray(views.planes[-1].images[REFERENCE])
    rows, columns = views.planes[-1].spacing_mm
    size_mm = np.array([image.width * columns, image.height * rows])
    width, height = np.maximum(1, np.rint(THUMBNAIL * size_mm / size_mm.max())).astype(int)
    return _png(image.resize((int(width), int(height)), Image.Resampling.BOX))


def full_colour(views: CaseViews) -> float:
    """The difference, in the scan's unit, that is coloured in full."""
    return DIFFERENCE_SHARE * (views.window[1] - views.window[0])


def plane_for(views: CaseViews, axes: str) -> PlaneView:
    """The plane that shows what was degraded: from the side where slices were made thicker, else from above."""
    return views.planes[0 if "S" in axes else -1]


def _shape(plane: PlaneView) -> Sequence[int]:
    return plane.images[REFERENCE].shape


def _repeated(n: int, spacing_mm: float, pixel_mm: float) -> NDArray[np.intp]:
    """Which of n voxels each square pixel shows."""
    n_pixels = max(1, round(n * spacing_mm / pixel_mm))
    return np.minimum(((np.arange(n_pixels) + 0.5) * n / n_pixels).astype(np.intp), n - 1)


def _box(
    plane: PlaneView, rows: NDArray[np.intp], columns: NDArray[np.intp], pixel_mm: float
) -> tuple[int, int, int, int]:
    side = round(INSET_MM / pixel_mm)
    height, width = min(side, len(rows)), min(side, len(columns))
    row, column = int(np.searchsorted(rows, plane.place[0])), int(np.searchsorted(columns, plane.place[1]))
    top = min(max(0, row - height // 2), len(rows) - height)
    left = min(max(0, column - width // 2), len(columns) - width)
    return left, top, width, height


def _cut(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    left, top, width, height = box
    return image[top : top + height, left : left + width]


def _grey(image: NDArray[np.uint8]) -> str:
    return _png(Image.fromarray(np.ascontiguousarray(image)))


def _coloured(values: NDArray[np.int8]) -> str:
    """No difference is transparent, so that the page's own light or dark ground shows."""
    image = Image.fromarray((values.astype(np.int16) + FULL).astype(np.uint8))
    image.putpalette([channel for step in range(-FULL, FULL + 1) for channel in (MORE if step > 0 else LESS)])
    opacity = bytes(round(255 * (abs(step) / FULL) ** STRENGTH) for step in range(-FULL, FULL + 1))
    return _png(image, transparency=opacity)


def _png(image: Image.Image, **options: object) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG", **options)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
