"""What all tests share: the folder of real scans, the hypothesis profile, and a limit on threads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.append(str(Path(__file__).parent))  # tests of every folder import phantoms; at the end, so as to hide nothing

settings.register_profile("medsr", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("medsr")

N_THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans: $MEDSR_DATA, or ../shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("MEDSR_DATA", beside))
    if not (folder / "manifest.tsv").is_file():
        pytest.skip("needs the shared scans: set MEDSR_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Keep torch to a few threads, where a test has imported it: more only get in each other's way on small inputs."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(N_THREADS)


@pytest.fixture(scope="session")
def shared_cases(shared_data: Path) -> Path:
    """The folder of small awkward inputs, beside that of the real scans; each has a README with what is right."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("needs the shared cases, beside the shared scans")
    return folder
