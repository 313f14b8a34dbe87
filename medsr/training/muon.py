"""Muon for convolution kernels: steps whose singular values are all alike, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic of Jordan 2024, chosen for speed near zero
NEWTON_SCHULZ_STEPS = 5
SILENT = 1e-18  # smaller momentum is set to 0: in silent channels it would decay to subnormal numbers, which are slow


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum (Jordan 2024, "Muon", algorithm 2) on kernels seen as (out, in * taps) matrices.

    Args:
        parameters: Convolution kernels (out, in, ...).
        lr: Size of a step, in units of a matrix with singular values of 0.2 sqrt(max(out, in * taps)), so that rates
            of AdamW carry over (Liu et al. 2025, "Muon is scalable", eq. 4). A number or a scalar tensor.
        momentum: Decay of the gradient's running mean, with Nesterov's look-ahead.
        weight_decay: Decoupled weight decay.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float | Tensor, momentum: float = 0.95, weight_decay: float = 1e-4
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step along the orthogonalised momentum."""
        for group in self.param_groups:
            for alike in _by_shape(weight for weight in group["params"] if weight.grad is not None):
                directions = torch.stack([self._direction(weight, group["momentum"]) for weight in alike])
                steps = orthogonalised(directions) * (0.2 * max(directions.shape[1:]) ** 0.5)
                for weight, step in zip(alike, steps, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(step.reshape(weight.shape) * group["lr"])

    def _direction(self, weight: Tensor, keep: float) -> Tensor:
        state, grad = self.state[weight], torch.as_tensor(weight.grad)
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(grad, 1 - keep)
        momentum.copy_(F.hardshrink(momentum, SILENT))  # in place, so that a recorded step finds it again
        return grad.lerp(momentum, keep).flatten(1)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrices with singular values near 1 (0.7 to 1.2), by Newton-Schulz steps.

    (..., rows, columns) to the same shape. Every step multiplies from the left by a polynomial of the Gram matrix, so
    only the small matrices are iterated.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    one = torch.eye(x.shape[-2], device=x.device)
    factor = one
    for _ in range(NEWTON_SCHULZ_STEPS):
        step = a * one + b * gram + c * gram @ gram
        factor = step @ factor
        gram = step @ gram @ step
    near: Tensor = factor @ x
    return near.mT if tall else near


def _by_shape(weights: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    shapes: dict[torch.Size, list[Tensor]] = {}
    for weight in weights:
        shapes.setdefault(weight.flatten(1).shape, []).append(weight)
    return shapes.values()
