"""What makes an output folder a BIDS derivative (BIDS 1.10): description, sidecars, what to ignore."""

from __future__ import annotations

import json
from pathlib import Path

import medsr
from medsr.io import files, formats
from medsr.record import NOTICE, Record

BIDS_VERSION = "1.10.0"
RECORDS = [f"*{suffix}.json" for known in formats.FORMATS.values() if known.writer for suffix in known.suffixes]
IGNORED = "".join(f"{name}\n" for name in (*RECORDS, "index.html", "run.json", "cases.csv", "junit.xml"))


def write_sidecar(target: Path, record: Record) -> None:
    """Write the JSON sidecar of a derived scan; the run record beside it holds the rest.

    Raises:
        OutputError: the file can't be written.
    """
    spacing = " x ".join(f"{h:g}" for h in record.task["fine_spacing_mm"])
    content = {
        "Description": f"Scan enhanced by medsr. {NOTICE}",
        "SkullStripped": False,
        "SpatialReference": "orig",
        "Resolution": f"{spacing} mm, computed from a scan of lower resolution",
        "SourceSHA256": record.input["content_sha256"],
        "ModelName": record.model.get("name", ""),
        "ModelSHA256": record.model.get("sha256", ""),
    }
    _write(target.with_name(f"{formats.stem(target.name)}.json"), content)


def _write_description(path: Path) -> None:
    content = {
        "Name": "Scans enhanced by medsr",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "medsr", "Version": medsr.__version__}],
    }
    _write(path, content)


def _write_readme(path: Path) -> None:
    with files.atomic(path) as file:
        file.write(f"Scans enhanced by medsr {medsr.__version__} from scans of lower resolution.\n{NOTICE}\n".encode())


def _write_ignored(path: Path) -> None:
    with files.atomic(path) as file:
        file.write(IGNORED.encode())


def _write(path: Path, content: object) -> None:
    with files.atomic(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


DESCRIPTION = {"dataset_description.json": _write_description, "README": _write_readme, ".bidsignore": _write_ignored}
"""What a derived data set needs at its root, and how it is written."""
