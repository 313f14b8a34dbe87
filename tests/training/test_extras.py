"""Extras of a recipe: shares, and none of them by default."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from medsr.training.extras import NO_EXTRAS, Extras, happens


def test_by_default_there_are_none() -> None:
    assert Extras() == NO_EXTRAS
    assert not any(asdict(NO_EXTRAS).values())


@pytest.mark.parametrize("name", [name for name in asdict(NO_EXTRAS) if name != "full_range"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused_by_name(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*; expected a share from 0 to 1"):
        Extras(**{name: share})


def test_what_never_happens_costs_no_random_number() -> None:
    ours, theirs = (np.random.default_rng(0) for _ in range(2))
    assert not happens(ours, 0.0)
    assert ours.random() == theirs.random()
    assert all(happens(ours, 1.0) for _ in range(20))
    assert np.mean([happens(ours, 0.3) for _ in range(4000)]) == pytest.approx(0.3, abs=0.03)
