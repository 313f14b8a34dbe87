"""How much memory an enhancement takes, and into what blocks a scan is cut so that it fits.

The memory needed is the largest of three phases. Noise: 46 bytes per coarse voxel. Network: 4 per fine and 12 per
coarse voxel of the scan where it is cut; for one block with its margins 340 per voxel of the network's grid, 5 per
channel of the network and voxel of one tile (bfloat16: 260 and 2.5; float32 half of it where the scan is cut), and 20
per voxel of a finer result; half a number per block, channel and voxel where a walk needs gradients. Writing: 10 per
fine and 8 per coarse voxel. 5 % and 0.45 GiB for the process are added.
`benchmarks/memory.py` measures it.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from math import ceil, prod

from medsr.enhancement.posterior import WHOLE_VOXELS, tile_side
from medsr.enhancement.region import most_margin
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.enhancement.solved_grid import solved_grid
from medsr.errors import ResourceError
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition

PROCESS_BYTES = 450 * 2**20
NOISE_BYTES_COARSE = 46  # per voxel, while range and noise of the whole are found
RESULT_BYTES_FINE, RESULT_BYTES_COARSE = 4, 12  # beside a block: result; scan, as it was stored, residual
MAPS_BYTES = {2: 260, 4: 340}  # by the bytes of a number: maps, IBP estimate, state and their copies
PIECE_BYTES = {2: 2.5, 4: 5.0}
# Of both where a scan is cut: freed memory goes back to the system then (369 instead of 629 bytes a voxel, measured on
# blocks of 2 million voxels in float32; not measured in bfloat16).
RETURNED = {2: 1.0, 4: 0.5}
FINER_BYTES = 20  # per voxel of a result that is interpolated from the network's grid
WRITE_BYTES_FINE, WRITE_BYTES_COARSE = 10, 8  # result, rounded, as stored; scan, residual
GRADIENT_SHARE = 0.5  # of a number, per block and channel of a network; 0.32 to 0.45 measured in bfloat16
HEAP = 1.05  # 5 % for what the heap loses between blocks
SHARING = ("cpu", "mps")  # devices that work in the memory of the machine
FREE_SHARE = 0.8  # of the free memory: the rest is for what other programs do meanwhile
BLOCK_MARGIN_VOX = 8  # beyond the margin of a region: more changes no voxel of a brain by 1e-4 of its range
LEAST_BLOCK_VOX = 16  # of the network's grid; thinner blocks are nearly all margin
COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)  # blocks along an axis


@dataclass(frozen=True)
class Sizes:
    """Voxels per axis of the three grids of an enhancement.

    Attributes:
        coarse: Input.
        solved: Grid of the network.
        fine: Result.
    """

    coarse: Triple
    solved: Triple
    fine: Triple

    @classmethod
    def of(cls, acquisition: Acquisition) -> Sizes:
        """The grids of an acquisition."""
        return cls(acquisition.coarse_shape, solved_grid(acquisition).fine_shape, acquisition.fine_shape)


def memory_of(sizes: Sizes, block: Triple, model: Model, settings: EnhanceSettings) -> int:
    """Peak memory in bytes of a process that enhances a scan in blocks, or whole where one block is all of it.

    Args:
        sizes: Grids of the scan.
        block: Coarse voxels of a block per axis, margins not counted.
        model: Model that will be used.
        settings: Request; tile, mode and data step matter here.
    """
    n_bytes, n_coarse, n_fine = model.dtype.itemsize, prod(sizes.coarse), prod(sizes.fine)
    outer = _outer(sizes, block)
    piece = prod(map(max, _pieces(outer, settings.tile, model.net.spec.reach)))
    n_outer = prod(outer)
    finer = FINER_BYTES * n_fine * n_outer // prod(sizes.solved) if sizes.solved != sizes.fine else 0
    n_results = 2 if settings.mode == "uncertainty" else 1
    work = MAPS_BYTES[n_bytes] * n_outer + PIECE_BYTES[n_bytes] * model.net.spec.width * piece
    work += n_outer * _kept_for_gradients(model, settings)
    if block != sizes.coarse:
        work = RETURNED[n_bytes] * work + n_results * RESULT_BYTES_FINE * n_fine + RESULT_BYTES_COARSE * n_coarse
    phases = (
        NOISE_BYTES_COARSE * n_coarse,
        work + finer,
        WRITE_BYTES_FINE * n_fine + WRITE_BYTES_COARSE * n_coarse,
    )
    return PROCESS_BYTES + int(HEAP * max(phases))


def _kept_for_gradients(model: Model, settings: EnhanceSettings) -> float:
    """Bytes per voxel of what networks keep of their layers, where a walk asks for gradients through them."""
    if settings.mode == "mean":
        return 0.0
    asked = [model] if settings.data_step == "gradient" else []
    asked += [] if model.classifier is None else [model.classifier]
    return max((GRADIENT_SHARE * one.dtype.itemsize * one.n_layers * one.net.spec.width for one in asked), default=0.0)


def seen_voxels(sizes: Sizes, block: Triple, model: Model, settings: EnhanceSettings) -> int:
    """Voxels that the network sees in one evaluation of all blocks, margins included; arguments as for `memory_of`."""
    n_blocks = prod(ceil(n / side) for n, side in zip(sizes.coarse, block, strict=True))
    return n_blocks * prod(map(sum, _pieces(_outer(sizes, block), settings.tile, model.net.spec.reach)))


def block_for(sizes: Sizes, model: Model, settings: EnhanceSettings, memory_bytes: int | None) -> Triple:
    """The blocks, in coarse voxels per axis, that fit and take the least work; all of the scan where it fits in one.

    A scan is cut along axes with a whole-number factor, so that the voxels of blocks are voxels of the whole.

    Args:
        sizes: Grids of the scan.
        model: Model that will be used.
        settings: Request; tile and mode matter here.
        memory_bytes: Memory that may be used; None: no limit.

    Raises:
        ResourceError: not even the smallest blocks fit.
    """

    def need(block: Triple) -> int:
        return memory_of(sizes, block, model, settings)

    def fits(block: Triple) -> bool:
        return memory_bytes is None or need(block) <= memory_bytes

    def work(block: Triple) -> tuple[int, int]:
        return seen_voxels(sizes, block, model, settings), -prod(block)

    if prod(sizes.solved) <= WHOLE_VOXELS and fits(sizes.coarse):
        return sizes.coarse
    axes = zip(sizes.coarse, sizes.solved, sizes.fine, strict=True)
    blocks = [(i, j, k) for i, j, k in itertools.product(*(_sides(*axis) for axis in axes))]
    fitting = [block for block in blocks if fits(block)]
    if not fitting:
        least, most = min(map(need, blocks)), memory_bytes or 0
        raise ResourceError(
            f"a result of {' x '.join(map(str, sizes.fine))} voxels needs about {least / 2**30:.1f} GiB and "
            f"{most / 2**30:.1f} GiB may be used; ask for coarser voxels, whole-number factors or more memory"
        )
    return min(fitting, key=work)


def _pieces(shape: Triple, tile: int | None, reach: int) -> list[list[int]]:
    """Per axis the sides of the pieces that the network sees, margins included (`medsr.model.tiling`)."""
    side = tile_side(shape, tile)
    return [[min(n, a + side + reach) - max(0, a - reach) for a in range(0, n, side)] for n in shape]


def check_fits(acquisition: Acquisition, model: Model, settings: EnhanceSettings, memory_bytes: int | None) -> None:
    """Refuse a region, or the last stage of a cascade, that does not fit in one piece.

    Args:
        acquisition: Acquisition of the region with its margin, or of the stage.
        model: Model that will be used.
        settings: Request; tile, mode and cascade matter here.
        memory_bytes: Memory that may be used; None: no limit.

    Raises:
        ResourceError: it does not fit.
    """
    sizes = Sizes.of(acquisition)
    need = memory_of(sizes, sizes.coarse, model, settings)
    if memory_bytes is not None and need > memory_bytes:
        what, instead = "region", "choose a smaller region, or the whole scan, which is computed in blocks"
        if settings.cascade is not None:
            what, instead = "cascade", "leave it out, since one stage alone is computed in blocks"
        raise ResourceError(
            f"the {what} needs about {need / 2**30:.1f} GiB and {memory_bytes / 2**30:.1f} GiB may be used; {instead}"
        )


def usable_memory(device: str) -> int | None:
    """Bytes of memory that a run may use where nobody says it: most of what is free.

    Args:
        device: Type of the device, such as "cpu".

    Returns:
        None where the device has a memory of its own, or the system does not say what is free.
    """
    free = free_memory() if device in SHARING else None
    return None if free is None else int(FREE_SHARE * free)


def free_memory() -> int | None:
    """Free memory of the machine in bytes; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as table:  # noqa: PTH123 - no file of ours
            facts = dict(line.split(":", 1) for line in table)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def block_margin(n_coarse: int, n_solved: int) -> int:
    """Coarse voxels that a block is widened by on either side, before the margin of a region is added."""
    return ceil(BLOCK_MARGIN_VOX * n_coarse / n_solved)


def _outer(sizes: Sizes, block: Triple) -> Triple:
    """Voxels of a block in the middle of the scan on the network's grid, margins included."""
    spans = []
    for side, n_coarse, n_solved in zip(block, sizes.coarse, sizes.solved, strict=True):
        margins = 2 * (block_margin(n_coarse, n_solved) + most_margin(n_coarse, n_solved))
        spans.append(n_solved if side == n_coarse else min(n_solved, ceil((side + margins) * n_solved / n_coarse)))
    return spans[0], spans[1], spans[2]


def _sides(n_coarse: int, n_solved: int, n_fine: int) -> list[int]:
    """Sides of the blocks that an axis may be cut into, in coarse voxels."""
    if n_fine % n_coarse:
        return [n_coarse]
    sides = dict.fromkeys(ceil(n_coarse / count) for count in COUNTS if count <= n_solved // LEAST_BLOCK_VOX)
    return list(sides) or [n_coarse]
