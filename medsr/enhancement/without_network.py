"""The answer without the network, for a scan on which its answer shows what no right one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from medsr.diffusion.names import DEFAULT_PROCESS
from medsr.enhancement.result import Enhancement
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition, with_assumed
from medsr.physics.assumption import VOXELS, Assumed

Compute = Callable[[Model, Acquisition], Enhancement]


class _Silent(Model):
    """A model that adds nothing: what is left is iterative back-projection, regularised by the noise."""

    def __call__(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Zeros (B, 2, I, J, K)."""
        return torch.zeros(maps.shape[0], 2, *maps.shape[-3:], device=self.device)


def silent(model: Model) -> Model:
    """A model that adds nothing to the IBP estimate, on the device of another one."""
    parts = {one.name: getattr(model, one.name) for one in fields(Model)}
    spec = replace(model.spec, process=DEFAULT_PROCESS)  # in which an answer of zero is the IBP estimate
    return _Silent(**{**parts, "spec": spec})


def without_network(
    compute: Compute, model: Model, acquisition: Acquisition, why: Sequence[str]
) -> tuple[Enhancement, str]:
    """Regularised back-projection under sampling in k-space, which is nearly cubic interpolation, and a warning.

    White noise overshoots by 3 % then, and crops of three training scans by 0.3 to 6 %.

    Args:
        compute: Enhances with a model and an acquisition.
        model: Model whose answer has faults.
        acquisition: Acquisition that it was told.
        why: The faults (`medsr.enhancement.reference_free.faults`).
    """
    in_k_space = Assumed(VOXELS, None, "default", None)
    return compute(silent(model), with_assumed(acquisition, (in_k_space,) * 3)), (
        f"the network was left out, since with its detail {'; '.join(why)}: the result is iterative back-projection, "
        "which learns nothing"
    )
