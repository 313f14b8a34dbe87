"""The scanner as linear operators on tensors; no files, no networks, no geometry in millimetres.

- `matrices`: one small matrix per axis, made from a slice profile of `medsr.physics.profiles`.
- `operator`: `Separable`, which applies the matrices along the three axes, with adjoint, inverses and proximal step.
- `posed`: `Posed`, the same for a stack that lies anywhere in the grid that is solved for.
- `slices`: `PosedSlices`, slices of a stack that moved, each in a pose of its own.
- `noise`: adds a scanner's noise.
"""

from medsr.physics.ops.matrices import AxisSampling
from medsr.physics.ops.operator import Separable
from medsr.physics.ops.posed import Posed
from medsr.physics.ops.slices import PosedSlices
from medsr.physics.profiles import PROFILES, Profile

__all__ = ["PROFILES", "AxisSampling", "Posed", "PosedSlices", "Profile", "Separable"]
