"""Floor 2: the scanner as linear operators on tensors; no files, no networks, no geometry in millimetres.

`profiles` gives the profile's integral, `matrices` one small matrix per axis, `operator` applies, adjoins and inverts
them along the three axes, `noise` adds what a scanner adds and estimates it.
"""

from medsr.physics.ops.matrices import AxisSampling
from medsr.physics.ops.operator import Separable
from medsr.physics.profiles import PROFILES, Profile

__all__ = ["PROFILES", "AxisSampling", "Profile", "Separable"]
