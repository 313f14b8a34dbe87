"""Small plots as SVG that takes its colours from the page: axes, lines, dots, intervals. Text is always escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

WIDTH, HEIGHT = 340, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 24, 40
N_TICKS = 5
SHAPES = {"cubic": "square", "ibp": "circle", "mean": "diamond", "sample": "triangle", "fused": "wedge"}
LOOKS = (
    *("nearest", "linear", "cubic", "ibp", "wiener", "tv", "mean", "sample", "fused"),
    *("band_limited", "samples", "variance"),
)

Point = tuple[float, float]

CORNERS: dict[str, tuple[Point, ...]] = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "diamond": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    "triangle": ((0, -1.3), (1.25, 0.95), (-1.25, 0.95)),
    "wedge": ((0, 1.3), (1.25, -0.95), (-1.25, -0.95)),
}


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Attributes:
        label: What it shows, with its unit.
        low: Value at its start.
        high: Value at its end.
        names: Words for the values 0, 1, 2 and so on, instead of numbers.
        powers: Whether the values are logarithms to the base 10.
    """

    label: str
    low: float
    high: float
    names: tuple[str, ...] = ()
    powers: bool = False

    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the axis, and what to write beside them."""
        if self.names:
            return [(float(number), name) for number, name in enumerate(self.names)]
        if self.powers:
            whole = range(math.ceil(self.low - 1e-6), math.floor(self.high + 1e-6) + 1)
            return [(float(number), f"{10.0**number:g}") for number in whole]
        rough = (self.high - self.low) / N_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
        return [(number * step, f"{round(number * step, 9):g}") for number in range(first, last + 1)]


@dataclass(frozen=True)
class Line:
    """A line through points in the units of the axes; `look` is a class of the style sheet."""

    points: tuple[Point, ...]
    look: str
    title: str = ""


@dataclass(frozen=True)
class Dot:
    """A mark at a point, its shape by its look, so that colour is not needed to tell them apart."""

    point: Point
    look: str
    title: str = ""


@dataclass(frozen=True)
class Rule:
    """A straight line across the plot at a value of the vertical (or horizontal) axis, with a word beside it."""

    value: float
    label: str = ""
    upright: bool = False


Mark = Line | Dot | Rule


def axis_over(label: str, values: Sequence[float], *, least: float = 1e-3, margin: float = 0.06) -> Axis:
    """An axis over all finite values.

    Args:
        label: What the axis shows, with its unit.
        values: Values in the units of the axis.
        least: Smallest length of the axis.
        margin: Free space at either end, as a share of the range of the values.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    free = max(margin * (high - low), (least - (high - low)) / 2, 0.0)
    return Axis(label, low - free, high + free)


def look_of(method: str) -> str:
    """The class of a method in the style sheet; never its name where that is not known."""
    return method if method in LOOKS else "other"


def panel(title: str, x: Axis, y: Axis, marks: Sequence[Mark], *, height: int = HEIGHT, left: int = LEFT) -> Markup:
    """One plot.

    Args:
        title: Text above it, which a screen reader says too.
        x: Horizontal axis.
        y: Vertical axis; with names, the first is on top.
        marks: Marks in the order of drawing; what is not finite is left out.
        height: Height in units of the drawing, whose width is `WIDTH`.
        left: Width of the margin for the words of the vertical axis.
    """
    frame = _Frame(x, y, left, height)
    root = Element("svg", {"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "aria-label": title, "class": "plot"})
    _text(root, title, WIDTH / 2, 14, "title", "middle")
    _draw_axes(root, frame)
    for mark in marks:
        _draw(root, mark, frame)
    return Markup(tostring(root, encoding="unicode"))  # ElementTree has escaped every text


@dataclass(frozen=True)
class _Frame:
    x: Axis
    y: Axis
    left: int
    height: int

    def across(self, value: float) -> float:
        return self.left + (value - self.x.low) / (self.x.high - self.x.low) * (WIDTH - RIGHT - self.left)

    def down(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return TOP + (share if self.y.names else 1 - share) * (self.height - TOP - BOTTOM)

    def at(self, points: Sequence[Point]) -> Iterator[Point]:
        for a, b in points:
            if math.isfinite(a) and math.isfinite(b):
                yield self.across(a), self.down(b)


def _draw_axes(root: Element, frame: _Frame) -> None:
    bottom, right = frame.height - BOTTOM, WIDTH - RIGHT
    for value, name in frame.y.ticks():
        y = frame.down(value)
        _line(root, (frame.left, y), (right, y), "grid")
        _text(root, name, frame.left - 5, y + 3.5, "tick", "end")
    for value, name in frame.x.ticks():
        x = frame.across(value)
        if not frame.x.names:
            _line(root, (x, TOP), (x, bottom), "grid")
        _text(root, name, x, bottom + 14, "tick", "middle")
    _line(root, (frame.left, bottom), (right, bottom), "axis")
    _text(root, frame.x.label, (frame.left + right) / 2, frame.height - 8, "label", "middle")
    if frame.y.label:
        middle = (TOP + bottom) / 2
        word = _text(root, frame.y.label, 11, middle, "label", "middle")
        word.set("transform", f"rotate(-90 11 {middle:g})")


def _draw(root: Element, mark: Mark, frame: _Frame) -> None:
    if isinstance(mark, Rule):
        _draw_rule(root, mark, frame)
        return
    points = list(frame.at(mark.points if isinstance(mark, Line) else [mark.point]))
    if not points:
        return
    if isinstance(mark, Line):
        shape = SubElement(root, "polyline", {"points": _pairs(points), "class": f"line {mark.look}"})
    else:
        shape = _shape(root, *points[0], mark.look)
    if mark.title:
        SubElement(shape, "title").text = mark.title


def _draw_rule(root: Element, rule: Rule, frame: _Frame) -> None:
    axis = frame.x if rule.upright else frame.y
    if not axis.low <= rule.value <= axis.high:
        return
    if rule.upright:
        x = frame.across(rule.value)
        _line(root, (x, TOP), (x, frame.height - BOTTOM), "rule")
        late = x > 0.7 * WIDTH
        _text(root, rule.label, x - 4 if late else x + 4, TOP + 9, "tick", "end" if late else "start")
    else:
        y = frame.down(rule.value)
        _line(root, (frame.left, y), (WIDTH - RIGHT, y), "rule")
        _text(root, rule.label, WIDTH - RIGHT - 2, y - 4, "tick", "end")


def _shape(root: Element, x: float, y: float, look: str) -> Element:
    kind = SHAPES.get(look.split()[0], "circle")
    size = 5.0 if "big" in look.split() else 3.2
    attributes = {"class": f"dot {look}"}
    if kind == "circle":
        return SubElement(root, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{size:g}", **attributes})
    points = [(x + size * a, y + size * b) for a, b in CORNERS[kind]]
    return SubElement(root, "polygon", {"points": _pairs(points), **attributes})


def _line(root: Element, start: Point, end: Point, look: str) -> None:
    ends = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    SubElement(root, "line", {name: f"{value:.1f}" for name, value in ends.items()} | {"class": look})


def _text(root: Element, text: str, x: float, y: float, look: str, anchor: str) -> Element:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": look, "text-anchor": anchor}
    word = SubElement(root, "text", place)
    word.text = "".join(sign for sign in text if sign.isprintable())
    return word


def _pairs(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
