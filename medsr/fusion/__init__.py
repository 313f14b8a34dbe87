"""Several stacks of one body, in different orientations or places, fused into one scan.

- `entry`: `medsr.enhance`, of one scan or of several stacks, without PyTorch.
- `overlap`: how many stacks cover each place, by their headers.
- `groups`: which scans of a folder could be fused, by their headers.
- `grid`: the grid of the result and what each stack is enhanced to for it; `grid_file`: that of an image.
- `checks`: refuses stacks that do not belong together before any work is done.
- `stack`: one stack in the place and the unit of the first one; `prior`: what the network expects, from all of them.
- `solver`: the image that agrees with every stack; `fusion`: all of it, from stacks to a result and its record.
- `files`: from files to a file.
"""
