"""Floor 2: layers and networks: tensors in, tensors out; no noise maths, no scanners, no files."""

from medsr.nets.detail import DetailNet, NetSpec
from medsr.nets.layers import channels_last

__all__ = ["DetailNet", "NetSpec", "channels_last"]
