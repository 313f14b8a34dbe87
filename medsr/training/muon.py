"""Muon for convolution kernels: steps whose singular values are all alike, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic of Jordan 2024, chosen for speed near zero
NEWTON_SCHULZ_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum (Jordan 2024, "Muon", algorithm 2) on kernels seen as (out, in * taps) matrices.

    Args:
        parameters: convolution kernels (out, in, ...).
        lr: size of a step, in units of a matrix with singular values of 0.2 sqrt(max(out, in * taps)), so that rates
            of AdamW carry over (Liu et al. 2025, "Muon is scalable", eq. 4).
        momentum: of the gradient, with Nesterov's look-ahead.
        weight_decay: decoupled.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 1e-4
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step along the orthogonalised momentum."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(momentum, group["momentum"]).flatten(1)
                step = orthogonalised(direction) * (0.2 * max(direction.shape) ** 0.5)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step.reshape(weight.shape), alpha=-group["lr"])


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values near 1 (0.7 to 1.2), by Newton-Schulz steps in bfloat16."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return torch.as_tensor(x.T if tall else x, dtype=matrix.dtype)
