"""A case function that only copies, and does what the name of its input says: the batch around it is what is tested."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from medsr.engine.pipeline import JOBS, Pipeline, pipeline
from medsr.engine.store import MADE
from medsr.errors import InputError, ResourceError
from medsr.io import files

__all__ = ["JOBS", "start"]


class Copying:
    def read(self, request: dict[str, Any]) -> bytes:
        path = Path(request["files"][0])
        if "growing" in path.name:
            with path.open("ab") as file:
                file.write(b"more")
        if "readcrash" in path.name:
            signal.raise_signal(signal.SIGSEGV)  # to this thread, as a real one
        content = path.read_bytes()
        if b"broken" in content:
            raise InputError(f"{path}: is broken")
        return content

    def enhance(self, request: dict[str, Any], scan: bytes, on_progress: Any) -> bytes:
        name = Path(request["files"][0]).name
        if "kill" in name and not ("once" in name and request["tile"]):
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in name:
            threading.Event().wait()
        if "memory" in name and request["tile"] is None:
            raise ResourceError("out of memory")
        if "meet" in name:  # the first with the second, at a pipe beside their folder
            os.close(
                os.open(Path(request["files"][0]).parent.with_name("pipe"), os.O_RDONLY if "1" in name else os.O_WRONLY)
            )
        if "bug" in name:
            raise ZeroDivisionError(f"in {request['files'][0]}")
        return scan

    def write(self, request: dict[str, Any], result: bytes) -> dict[str, Any]:
        made = Path(request["work"]) / MADE
        (made / f"{request['name']}.json").write_text("{}\n")
        (made / request["name"]).write_bytes(result)
        return {
            "input_sha256": files.sha256_file(Path(request["files"][0])),
            "voxels": len(result),
            "checks": {"residual": 2.0 if "noisy" in request["name"] else 1.0},
            "facts": {"envelope": "inside"},
        }


def start(options: dict[str, Any]) -> Pipeline:
    return pipeline(Copying(), 1 << 20)
