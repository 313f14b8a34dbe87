"""What napari calls to open NIfTI files and the sample scan."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from .layers import LayerData, layer_of

Paths = str | Sequence[str]

SUFFIXES = (".nii", ".nii.gz")
HEADER_BYTES = 352


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """The reader for `path`, or None where any of it is not a NIfTI file. Never raises, as napari asks.

    Args:
        path: one path, or several where the user opens them as a stack; each becomes layers of its own.
    """
    paths = _as_list(path)
    return read_layers if paths and all(_is_nifti(Path(one)) for one in paths) else None


def read_layers(path: Paths) -> list[LayerData]:
    """One image layer per volume of every file, in order.

    Raises:
        MedsrError: a file can't be read or holds no regular volume.
    """
    return [layer for one in _as_list(path) for layer in _layers_of_file(Path(one))]


def sample_layers() -> list[LayerData]:
    """The brain scan that ships with medsr, as one layer."""
    from medsr.samples import sample_path

    return read_layers(str(sample_path()))


def _layers_of_file(path: Path) -> list[LayerData]:
    from medsr.io import load_all

    volumes = load_all(path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = [stem] if len(volumes) == 1 else [f"{stem} [{number}]" for number in range(1, len(volumes) + 1)]
    return [layer_of(volume, name) for volume, name in zip(volumes, names, strict=True)]


def _as_list(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def _is_nifti(path: Path) -> bool:
    """Whether suffix and magic number are those of a single-file NIfTI-1 or NIfTI-2."""
    if not path.name.lower().endswith(SUFFIXES):
        return False
    try:
        with path.open("rb") as stream:
            is_gzip = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else path.open("rb") as stream:
            head = stream.read(HEADER_BYTES)
    except (OSError, EOFError, ValueError, zlib.error):
        return False
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"
