"""`medsr.enhance` as scripts find it, without PyTorch, which takes seconds to load and comes with the first call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsr.enhancement.enhancement import OnEstimate
    from medsr.enhancement.piece import OnState
    from medsr.enhancement.posterior import OnProgress
    from medsr.enhancement.result import Enhancement
    from medsr.enhancement.settings import EnhanceSettings
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
    grid: Volume | Path | str | None = None,
) -> Enhancement:
    """The enhanced scan, its uncertainty where it is asked for, its residual and its record.

    docs/explanation/equations.md has the mathematics.

    Args:
        scan: The input, or the path of a NIfTI file or DICOM series that holds one scan; or several stacks of one body,
            which are fused (docs/how_to/stacks.md).
        model: Loaded model; None: the one that `settings` name, on the device that they name.
        settings: What is asked; None: the defaults.
        acquisition: How one scan was acquired, and the finer grid; None: as `settings` ask.
        on_progress: Called with the stage, the finished parts and all parts.
        on_state: Called after each step of a sample with its number and the step (`medsr.enhancement.walk`): the noisy
            scan, the clean one, and of that what is measured and what is prior. Not where a scan is computed in blocks.
        memory_bytes: Memory that may be used: a larger scan is computed in blocks; None: most of what is free.
        on_estimate: Called before long work with what it will need; the speed of the machine is measured for it.
        grid: Image of the same patient, or its path, whose grid the result of several stacks has; None: as `settings`
            ask.

    Returns:
        The result on the fine grid, in the scan's unit.

    Raises:
        EnvelopeError: outside what the model was validated on, or a sample asked for where samples are noise, and
            `settings.force` is not set.
        InputError: a path that can't be read or holds several scans, a constant image, or stacks that do not belong
            together.
        ModelError: the model that `settings` name can't be loaded.
        ResourceError: not even the smallest blocks fit into `memory_bytes`, or a region does not.
        UsageError: a grid, acquisition or region that does not fit the scan, or that several stacks can't share.
    """
    from medsr.enhancement import enhancement
    from medsr.errors import UsageError
    from medsr.fusion.checks import ONE_SCAN
    from medsr.volume import Volume

    if isinstance(scan, (Volume, Path, str)):
        if grid is not None:
            raise UsageError(ONE_SCAN)
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
    from medsr.enhancement.settings import EnhanceSettings
    from medsr.fusion.files import grid_of, read_stacks
    from medsr.fusion.fusion import fuse

    if acquisition is not None or on_state is not None:
        raise UsageError("an acquisition and the steps of a sample are those of one scan; leave them out")
    settings = settings or EnhanceSettings()
    stacks, places = read_stacks(scan, settings.policies)
    onto = None if grid is None else grid_of(grid, settings.policies, places)
    return fuse(stacks, model, settings, on_progress, grid=onto, memory_bytes=memory_bytes, on_estimate=on_estimate)
