"""The network: tensors in, tensors out; no diffusion, no scanners, no files.

- `detail`: `DetailNet`, and `NetSpec` to build it from.
- `layers`: the blocks it is made of.
"""

from medsr.model.nets.detail import DetailNet, NetSpec
from medsr.model.nets.layers import channels_last

__all__ = ["DetailNet", "NetSpec", "channels_last"]
