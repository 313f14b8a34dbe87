"""The trained network and everything it needs.

- `nets`: the network itself.
- `conditioning`: its input, made from the acquisition: maps and numbers.
- `intensity`: intensities to the model range and back.
- `tiling`: the network computed tile by tile.
- `spec`: what a weights file says of its model: network, validated range (envelope), calibration.
- `packaged`: names and files of the weights that come with the package, without PyTorch.
- `weights`: reading and writing weights files; `load_model`.
- `scan_statistics`: plain statistics of a scan, and their usual ranges.
- `allocator`: memory kept between layers, for speed.
"""

DEFAULT_MODEL = "medsr-base"
"""Name of the packaged model that is used where none is named."""
