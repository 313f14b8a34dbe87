"""Scans that ship with medsr, so that a demo needs no download; README.md says where they come from.

Data and where it lies on disk, nothing else: `medsr.io` reads it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from medsr.errors import InputError

SAMPLES = ("bchadult01_T1w", "bchadult01_T1w_thick5")


def sample_path(name: str = "bchadult01_T1w") -> Path:
    """Path of a scan that ships with medsr.

    Args:
        name: One of `SAMPLES`.

    Raises:
        InputError: No sample of that name, or its file is missing from the installation.
    """
    if name not in SAMPLES:
        raise InputError(f"no sample is called {name!r}; choose one of: {', '.join(SAMPLES)}")
    path = Path(str(files(__name__) / f"{name}.nii.gz"))
    if not path.is_file():
        raise InputError(f"{path.name} is missing from this installation; install medsr again")
    return path
