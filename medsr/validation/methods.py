"""Names of the methods that a validation compares."""

from __future__ import annotations

from collections.abc import Iterable

from medsr.errors import UsageError
from medsr.validation.baselines import METHODS

BASELINES = ("cubic", "ibp")
"""Methods that gains are measured over."""

LEARNED = ("mean", "sample")
"""Methods that need a model."""

FUSED = "fused"
"""All stacks of a task fused, which needs a model as well; the other methods take the first stack alone."""

COMPARED = (*BASELINES, *LEARNED)
"""Methods that the hallucination tests compare."""

PLOTTED = (*COMPARED, FUSED)
"""Methods that plots show."""

PICTURED = (*BASELINES, "tv", *LEARNED, FUSED)
"""Methods that pictures show: those of plots, and the best of the others that learn nothing."""

BAND_LIMITED = "band_limited"
"""Reference without what lies beyond the measured band: perfect deblurring, a ceiling and not a method."""

ALL_METHODS: tuple[str, ...] = (*METHODS, *LEARNED, FUSED, BAND_LIMITED)


def check_methods(names: Iterable[str]) -> None:
    """Nothing where every name is one of `ALL_METHODS`.

    Raises:
        UsageError: a method has another name.
    """
    for name in names:
        if name not in ALL_METHODS:
            raise UsageError(f"no method is called {name!r}; choose from {', '.join(ALL_METHODS)}")


def shown_name(method: str) -> str:
    """Name for tables, which says of the band-limited reference that it is a ceiling."""
    return f"{method} (a ceiling)" if method == BAND_LIMITED else method
