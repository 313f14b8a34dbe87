import math
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medsr.report.svg import HEIGHT, LOOKS, WIDTH, Axis, Dot, Line, Rule, axis_over, look_of, panel

NUMBERS = st.floats(-1e6, 1e6)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8)


@given(POINTS)
def test_everything_lies_within_the_drawing(points: list[tuple[float, float]]) -> None:
    axes = axis_over("x", [x for x, _ in points]), axis_over("y", [y for _, y in points])
    marks = [Line(tuple(points), "mean"), *(Dot(point, "ibp") for point in points), Rule(points[0][1], "here")]
    root = ElementTree.fromstring(panel("t", *axes, marks))
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, 0)) <= WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, 0)) <= HEIGHT


@given(NUMBERS, NUMBERS)
def test_an_axis_holds_its_values_and_its_ticks_are_round_and_few(one: float, two: float) -> None:
    axis = axis_over("x", [one, two])
    assert axis.low <= min(one, two) <= max(one, two) <= axis.high
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(axis.low - 1e-6 * abs(axis.low) <= value <= axis.high + 1e-6 * abs(axis.high) for value, _ in ticks)


def test_what_is_not_finite_is_left_out() -> None:
    nan = math.nan
    axes = axis_over("x", [nan, 1.0, 2.0]), axis_over("y", [math.inf, 1.0, 2.0])
    root = ElementTree.fromstring(panel("t", *axes, [Dot((nan, 1.0), "mean"), Line(((nan, 1.0), (1.0, 2.0)), "mean")]))
    assert root.findall("circle") == root.findall("polygon") == []
    assert len(root.find("polyline").get("points").split()) == 1  # type: ignore[union-attr]
    assert axis_over("x", [nan]).ticks()


@given(st.text(max_size=30))
def test_any_text_can_be_written(text: str) -> None:
    printable = "".join(sign for sign in text if sign.isprintable())
    axis = Axis(printable, 0.0, 1.0, (text,))
    root = ElementTree.fromstring(panel(printable, axis, axis_over(printable, [0, 1]), [Rule(0.5, text)]))
    assert printable in [word.text or "" for word in root.iter("text")]


def test_a_method_that_is_not_known_gets_no_class_of_its_own() -> None:
    assert look_of('x" onload="y') == "other"
    assert [look_of(name) for name in LOOKS] == list(LOOKS)


def test_logarithms_are_labelled_by_their_values() -> None:
    assert Axis("residual", -2.0, 1.0, powers=True).ticks() == [(-2.0, "0.01"), (-1.0, "0.1"), (0.0, "1"), (1.0, "10")]
