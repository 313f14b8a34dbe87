"""Batches for the steps of a run, in their order: made by worker processes ahead of a device, or in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from medsr.diffusion.processes import PROCESSES
from medsr.errors import ResourceError
from medsr.training.batches import Batch, make_batch
from medsr.training.scans import TrainingScan
from medsr.training.schedule import TrainingSettings, patches_at, variety_at


def feed(
    scans: Sequence[Sequence[TrainingScan]],
    settings: TrainingSettings,
    steps: range,
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """Yield the batch of each of `steps` on `device`.

    Args:
        scans: Result of `scans.training_scans`.
        settings: Settings of the run.
        steps: Numbers of the steps.
        device: Device that the batches are moved to.
        workers: Number of processes that make them, on one thread each; 0 makes them in this one. Batches are the same.

    Raises:
        ResourceError: One of the processes ended, for lack of memory say.
    """
    loader = DataLoader(
        _Steps(scans, settings),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    try:
        for batch in loader:
            yield batch.to(device)
    except RuntimeError as error:  # the one kind that DataLoader raises for a process that is gone
        if not workers:
            raise
        reason = str(error).partition("\n")[0]
        raise ResourceError(
            f"a process that makes batches failed ({reason}); give it more memory, shared memory (/dev/shm) above all"
        ) from error


class _Steps(Dataset[Batch]):
    """The batch of a step by its number."""

    def __init__(self, scans: Sequence[Sequence[TrainingScan]], settings: TrainingSettings) -> None:
        self.scans, self.settings = scans, settings

    def __getitem__(self, step: int) -> Batch:
        shape, count = patches_at(step, self.settings)
        variety = variety_at(step, self.settings)
        models = PROCESSES[self.settings.process].models
        return make_batch(self.scans, (self.settings.seed, step), count, shape, variety, self.settings.extras, models)
