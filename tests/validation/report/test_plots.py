"""What the plots of a validation show."""

from __future__ import annotations

from made_scores import made_score

from medsr.report.svg import CORNERS, LOOKS, SHAPES
from medsr.validation.methods import PLOTTED
from medsr.validation.report.plots import legend, methods_of


def test_several_stacks_are_drawn_beside_the_methods_of_one() -> None:
    scores = [made_score(method=name) for name in ("fused", "tv", "band_limited", "mean", "cubic")]
    assert methods_of(scores) == ("cubic", "mean", "fused")
    assert methods_of(scores[1:3]) == ("tv",)


def test_every_method_that_is_drawn_has_a_look_and_a_shape_of_its_own() -> None:
    assert legend(PLOTTED) == tuple((name, name) for name in PLOTTED)
    assert set(PLOTTED) <= set(LOOKS)
    shapes = [SHAPES[name] for name in PLOTTED]
    assert len(set(shapes)) == len(shapes)
    assert set(shapes) - {"circle"} <= set(CORNERS)
