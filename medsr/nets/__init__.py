"""Floor 2: layers and networks: tensors in, tensors out; no noise maths, no scanners, no files."""

from medsr.nets.detail import DetailNet, NetSpec

__all__ = ["DetailNet", "NetSpec"]
