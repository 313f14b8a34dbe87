"""The trained network and everything it needs.

- `nets`: the networks themselves.
- `states`: what the states of a walk are: details, or codes of them.
- `conditioning`: its input, made from the acquisition: maps and numbers.
- `inputs`: how many maps and numbers that are, without PyTorch; `net_spec`: the network's sizes, likewise.
- `intensity`: intensities to the model range and back.
- `tiling`: the network computed tile by tile.
- `spec`: what a weights file says of its model: network, validated range (envelope), calibration.
- `packaged`: names and files of the weights that come with the package, without PyTorch.
- `weights_file`: a weights file's content and specification, without PyTorch.
- `weights`: the network from a weights file and back; `load_model`.
- `scan_statistics`: plain statistics of a scan; `usual_ranges`: their usual ranges in a set of scans.
- `allocator`: memory kept between layers, for speed.
"""

DEFAULT_MODEL = "medsr-base"
"""Name of the packaged model that is used where none is named."""
