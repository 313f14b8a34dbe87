"""Nothing but `medsr dicom send` uses a socket: a process in which using one is fatal does all the rest."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import write_classic
from peers import HOST, free_port
from phantoms import head
from tiny_models import write_tiny

from medsr.io import save

OPENED = 99
PROBE = ("::1", 0)  # urllib3, which a library imports, tries at its import whether the machine has IPv6
GUARDED = f"""
import json, os, sys

def fatal(event, arguments):
    names = ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostbyname")
    if event in [f"socket.{{name}}" for name in names] and not (event == "socket.bind" and arguments[1][:2] == {PROBE}):
        os.write(2, event.encode())
        os._exit({OPENED})

sys.addaudithook(fatal)
from medsr.cli.app import run
codes = [run(arguments) for arguments in json.loads(sys.argv[1])]
sys.exit(max(codes))
"""


def guarded(*commands: list[object]) -> subprocess.CompletedProcess[str]:
    lines = json.dumps([[str(argument) for argument in command] for command in commands])
    return subprocess.run([sys.executable, "-c", GUARDED, lines], capture_output=True, text=True)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    thick, fine = head((20, 18, 6), (1.5, 1.5, 4.5)), head((24, 24, 24), (1.5, 1.5, 1.5))
    write_classic(folder / "series", np.rint(thick.data).astype(np.int16), thick.affine)
    save(thick, folder / "thick.nii.gz")
    save(fine, folder / "fine.nii.gz")
    write_tiny(folder / "tiny.safetensors")
    return folder


def test_only_send_uses_a_socket(scans: Path, tmp_path: Path) -> None:
    tiny = ["--model", scans / "tiny.safetensors"]
    done = guarded(
        ["--version"],
        ["models"],
        ["inspect", scans / "series"],
        ["inspect", scans / "thick.nii.gz"],
        ["enhance", scans / "thick.nii.gz", tmp_path / "a.nii.gz", *tiny],
        ["enhance", scans / "series", tmp_path / "b.nii.gz", "--format", "nifti", *tiny],
        ["enhance", scans / "series", tmp_path / "c", "--format", "dicom", *tiny],
        ["degrade", scans / "fine.nii.gz", tmp_path / "d.nii.gz", "--task", "iso2"],
        ["validate", scans / "fine.nii.gz", "--task", "iso2", "--methods", "cubic,mean", *tiny],
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"a.nii.gz", "b.nii.gz", "c", "d.nii.gz"}


def test_send_does(scans: Path) -> None:
    done = guarded(["dicom", "send", HOST, free_port(), "ANY", scans / "series"])
    assert done.returncode == OPENED
    assert "socket." in done.stderr
