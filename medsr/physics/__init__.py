"""The scanner: how a scan was acquired, as a linear operator, and the named tasks that degrade a scan.

- `profiles`: slice profiles by name and their integrals.
- `ops`: the operator on tensors, without millimetres: one matrix per axis, adjoint, inverses, noise.
- `noise_level`: how much noise a scan holds.
- `acquisition`: from millimetres to an operator between an input grid and a finer grid.
- `tasks`: named degradations of a high-resolution scan, such as "thick5".
"""
