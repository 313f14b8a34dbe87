"""What the other stacks show of each one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from medsr.fusion.prior import Prior
from medsr.fusion.solver import estimate
from medsr.fusion.stack import MISMATCH, Stack


def shown_by_others(stacks: Sequence[Stack], prior: Prior, width: float, n_steps: int) -> list[Tensor]:
    """For each stack the image that agrees with all others, (I, J, K).

    Args:
        stacks: Stacks.
        prior: What is expected of the image.
        width: Units of the first stack per unit of the model range.
        n_steps: Steps of conjugate gradients, few.
    """
    terms = [stack.terms(MISMATCH * width) for stack in stacks]
    rest = [
        [term for other, one in enumerate(terms) if other != number for term in one] for number in range(len(stacks))
    ]
    return [estimate(one, prior.mean, prior.deviation, most_steps=n_steps) for one in rest]
