"""CPU seconds until the command line, the package and a first look at a scan are there; size of the base install."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import medsr
from medsr.samples import sample_path

REPEATS = 5
STARTS = {
    "medsr --help": ["-m", "medsr.cli", "--help"],
    "import medsr; medsr.enhance": ["-c", "import medsr; medsr.enhance"],
    "medsr inspect SAMPLE": ["-m", "medsr.cli", "inspect", str(sample_path())],
    "import torch": ["-c", "import torch"],  # what the others go without
}
LIMIT_CPU_S, LIMIT_MB = 1.5, 1200
MB = 10**6


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one run of Python."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"python {' '.join(arguments)} ended with code {child.returncode}")
    return used.ru_utime + used.ru_stime


def base_install() -> dict[str, list[Path]]:
    """Files of medsr and of every installed distribution that it needs without extras, by name."""
    found = {"medsr": [path for path in Path(medsr.__file__).parent.rglob("*") if path.is_file()]}
    left = [Requirement(text) for text in metadata.requires("medsr") or ()]
    while left:
        wanted = left.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        distribution = metadata.distribution(name)
        paths = [Path(str(file.locate())) for file in distribution.files or ()]
        found[name] = [path for path in paths if path.is_file()]
        left += [Requirement(text) for text in distribution.requires or ()]
    return found


def megabytes(paths: list[Path]) -> float:
    """Size of files."""
    return round(sum(path.stat().st_size for path in paths) / MB, 1)


def main() -> None:
    """Measure, each start as the quickest of a few runs, since the first one fills the caches."""
    seconds = {name: round(min(cpu_seconds(line) for _ in range(REPEATS)), 2) for name, line in STARTS.items()}
    files = base_install()
    sizes = {name: megabytes(paths) for name, paths in files.items()}
    total = round(sum(sizes.values()))
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "torch": metadata.version("torch"),
        "cpu_s": seconds,
        "limit_cpu_s": LIMIT_CPU_S,
        "base_install_mb": total,
        "bytecode_mb": megabytes([path for paths in files.values() for path in paths if path.suffix == ".pyc"]),
        "limit_mb": LIMIT_MB,
        "largest_mb": dict(sorted(sizes.items(), key=lambda item: -item[1])[:8]),
        "distributions": len(sizes),
    }
    result["within_limits"] = total < LIMIT_MB and all(
        spent < LIMIT_CPU_S for name, spent in seconds.items() if name.startswith(("medsr", "import medsr"))
    )
    Path("results").mkdir(exist_ok=True)
    Path("results/start.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<18}{value}")


if __name__ == "__main__":
    main()
