"""The scanner as linear operators on tensors; no files, no networks, no geometry in millimetres.

- `matrices`: one small matrix per axis, made from a slice profile of `medsr.physics.profiles`.
- `operator`: `Separable`, which applies the matrices along the three axes, with adjoint, inverses and proximal step.
- `noise`: adds a scanner's noise.
"""

from medsr.physics.ops.matrices import AxisSampling
from medsr.physics.ops.operator import Separable
from medsr.physics.profiles import PROFILES, Profile

__all__ = ["PROFILES", "AxisSampling", "Profile", "Separable"]
