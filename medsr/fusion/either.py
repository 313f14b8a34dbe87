"""`enhance` of either one scan or several stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.enhancement import enhancement
from medsr.enhancement.enhancement import OnEstimate
from medsr.enhancement.piece import OnState
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.fusion.fusion import fuse
from medsr.io import load
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume


def enhance(
    scan: Volume | Path | str | Sequence[Volume | Path | str],
    model: Model | None = None,
    settings: EnhanceSettings | None = None,
    acquisition: Acquisition | None = None,
    on_progress: OnProgress | None = None,
    *,
    on_state: OnState | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> Enhancement:
    """`medsr.fusion.entry.enhance`, which says what all this is, with PyTorch loaded."""
    if isinstance(scan, (Volume, Path, str)):
        return enhancement.enhance(
            scan,
            model,
            settings,
            acquisition,
            on_progress,
            on_state=on_state,
            memory_bytes=memory_bytes,
            on_estimate=on_estimate,
        )
    if acquisition is not None or on_state is not None:
        raise UsageError("an acquisition and the steps of a sample are those of one scan; leave them out")
    settings = settings or EnhanceSettings()
    stacks = [one if isinstance(one, Volume) else load(one, settings.policies) for one in scan]
    return fuse(stacks, model, settings, on_progress, memory_bytes=memory_bytes, on_estimate=on_estimate)
