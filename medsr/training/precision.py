"""The precision that training computes in."""

from __future__ import annotations

import torch

from medsr.model.weights import fastest_dtype


def mixed_precision(device: torch.device) -> torch.autocast:
    """Convolutions in bfloat16 where the device has it, else everything in float32.

    A CPU without bfloat16 emulates it: a convolution of small patches took 200 times as long.
    """
    dtype = fastest_dtype(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16)
