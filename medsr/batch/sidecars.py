"""What makes an output folder a BIDS derivative (BIDS 1.10): description, sidecars, what to ignore."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import medsr
from medsr.engine.plan_file import PlannedCase
from medsr.io import bids, files, formats
from medsr.record import NOTICE, Record

BIDS_VERSION = "1.10.0"
RAW = "raw"  # name of the data set that the scans come from, in links to it
RECORDS = [f"*{suffix}.json" for known in formats.FORMATS.values() if known.writer for suffix in known.suffixes]
IGNORED = "".join(f"{name}\n" for name in (*RECORDS, "index.html", "run.json", "cases.csv", "junit.xml"))


def write_sidecar(target: Path, record: Record, sources: Sequence[Path]) -> None:
    """Write the JSON sidecar of a derived scan; the run record beside it holds the rest.

    Args:
        target: The derived scan.
        record: What was done.
        sources: The scans that it was made of, and whose acquisition it has as far as they share it.

    Raises:
        OutputError: the file can't be written.
    """
    spacing = " x ".join(f"{h:g}" for h in record.task["fine_spacing_mm"])
    several = len(sources) > 1
    made_of = f"{len(sources)} scans of lower resolution" if several else "a scan of lower resolution"
    root = bids.root_of(sources[0])
    hashes = [one["input"]["content_sha256"] for one in record.stacks]
    content = {
        **_shared_fields(sources),
        "Description": f"Scan enhanced by medsr. {NOTICE}",
        "SkullStripped": False,
        "SpatialReference": "orig",
        "Resolution": f"{spacing} mm, computed from {made_of}",
        "Sources": [f"bids:{RAW}:{one.absolute().relative_to(root).as_posix()}" for one in sources if root is not None],
        "SourceSHA256": hashes if several else record.input["content_sha256"],
        "ModelName": record.model.get("name", ""),
        "ModelSHA256": record.model.get("sha256", ""),
    }
    _write(target.with_name(f"{formats.stem(target.name)}.json"), content)


def _shared_fields(sources: Sequence[Path]) -> dict[str, Any]:
    """What the sidecars of all scans say alike of their acquisition."""
    first, *others = map(bids.acquisition_fields, sources)
    return {name: said for name, said in first.items() if all(other.get(name) == said for other in others)}


def description_of(target: Path, cases: Sequence[PlannedCase]) -> dict[str, Callable[[Path], None]]:
    """The files that a derived data set needs at its root, and how each is written.

    Args:
        target: Root of the derived data set.
        cases: Its cases, which come from one data set.
    """
    source = bids.root_of(Path(cases[0].files[0])) if cases else None
    link = "" if source is None else quote(Path(os.path.relpath(source, target.absolute())).as_posix())
    return {
        "dataset_description.json": lambda path: _write_description(path, link),
        "README": _write_readme,
        ".bidsignore": _write_ignored,
    }


def _write_description(path: Path, link: str) -> None:
    content: dict[str, object] = {
        "Name": "Scans enhanced by medsr",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "medsr", "Version": medsr.__version__}],
    }
    if link:
        content |= {"SourceDatasets": [{"URL": link}], "DatasetLinks": {RAW: link}}
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
