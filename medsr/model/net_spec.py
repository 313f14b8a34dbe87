"""`NetSpec`: the sizes of a network, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from medsr.io.recipes import FORBID_UNKNOWN

GRID = 4  # sizes and tile origins are multiples of it, so that every tile sees the same pixel-unshuffle phases

# A weights file names its sizes: no file may ask for more memory than a network needs.
MAX_WIDTH, MAX_BLOCKS, MAX_CODES = 1024, 64, 64


@dataclass(frozen=True)
class NetSpec:
    """Everything needed to build a network (`medsr.model.nets`); stored in the weights file.

    An autoencoder has half of the blocks in its encoder and half in its decoder, all on the half grid.

    Attributes:
        channels: Number of input maps on the fine grid.
        conditions: Number of values that describe the scan and the noise level.
        width: Channels on the half grid.
        blocks: Residual blocks on the half grid, one half before and one half after the quarter grid.
        deep_width: Channels on the quarter grid.
        deep_blocks: Residual blocks on the quarter grid.
        embedding: Size of the embedding of the conditions.
        codes: Numbers of a code per voxel of the half grid; 0: the states are no codes but the details themselves.

    Raises:
        ValueError: sizes that are not whole numbers, or too small or too large for a network.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    channels: int
    conditions: int
    width: int = 96
    blocks: int = 6
    deep_width: int = 128
    deep_blocks: int = 2
    embedding: int = 128
    codes: int = 0

    def __post_init__(self) -> None:
        sizes = (self.channels, self.conditions, self.width, self.deep_width, self.embedding)
        depths = (self.blocks, self.deep_blocks)
        if not all(type(number) is int for number in (*sizes, *depths, self.codes)):
            raise ValueError(f"network sizes are {sizes} and {depths}; expected whole numbers")
        if min(sizes) < 2 or max(sizes) > MAX_WIDTH or min(depths) < 0 or not 1 <= sum(depths) <= MAX_BLOCKS:
            raise ValueError(
                f"network widths are {sizes} and depths {depths}; expected widths from 2 to {MAX_WIDTH} and 1 to "
                f"{MAX_BLOCKS} blocks"
            )
        if not 0 <= self.codes <= MAX_CODES:
            raise ValueError(f"codes of {self.codes} numbers; expected 0 to {MAX_CODES}")

    @property
    def reach(self) -> int:
        """Receptive field to one side in voxels of the fine grid, a multiple of `GRID`."""
        half = 2 * (2 * self.blocks + 2)
        quarter = 4 * (2 * self.deep_blocks + 1)
        return -(-(half + quarter + 2) // GRID) * GRID
