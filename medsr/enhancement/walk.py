"""A step of a sample, to be watched: the noisy scan, the clean one, and what in that is measured and what is prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from medsr.physics.ops import Separable
from medsr.volume import Volume


@dataclass(frozen=True)
class WalkStep:
    """One step on the way to a sample, in the scan's unit on the fine grid.

    Attributes:
        noisy: Scan that the step starts from, its noise included; in the last step the sample, as is its clean scan.
        clean: Scan that is expected of it.
        measured: What the scan measures of that (`Separable.measured`), which data steps hold within its noise.
        prior: The rest, around 0. It changes nothing in the scan, so it comes from training alone.
    """

    noisy: Volume
    clean: Volume
    measured: Volume
    prior: Volume

    @classmethod
    def of(cls, noisy: Volume, clean: Volume, op: Separable) -> WalkStep:
        """A step of these scans, as an operator sees them.

        Args:
            noisy: Noisy scan.
            clean: Clean scan.
            op: Operator of the acquisition, from their grid.
        """
        measured = op.measured(torch.from_numpy(np.array(clean.data))).numpy()
        return cls(noisy, clean, clean.with_data(measured), clean.with_data(clean.data - measured))
