"""The network: tensors in, tensors out; no diffusion, no scanners, no files.

- `detail`: `DetailNet`.
- `layers`: the blocks it is made of.
"""

from medsr.model.nets.detail import DetailNet
from medsr.model.nets.layers import channels_last

__all__ = ["DetailNet", "channels_last"]
