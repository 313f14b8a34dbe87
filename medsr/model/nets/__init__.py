"""Floor 2: layers and networks: tensors in, tensors out; no noise maths, no scanners, no files."""

from medsr.model.nets.detail import DetailNet, NetSpec
from medsr.model.nets.layers import channels_last

__all__ = ["DetailNet", "NetSpec", "channels_last"]
