"""A run on a dask cluster that speaks TLS alone: whoever has no certificate of its authority stays outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from batches import leftovers, results, scans
from dask_clusters import Certificates, certificates, dask_cluster
from peers import needs
from tiny_models import tiny_model

from medsr.cli.app import run
from medsr.engine.progress import status
from medsr.model.weights import weights_bytes

pytest.importorskip("distributed", reason="needs pip install medsr[dask]")
pytestmark = needs("openssl")
LONGEST_S = 120  # a command that hangs fails its test


@dataclass(frozen=True)
class Site:
    """A cluster with its certificates, and those of a stranger."""

    address: str
    ours: Certificates
    stranger: Certificates


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    ours, stranger = certificates(folder / "ours"), certificates(folder / "stranger")
    with dask_cluster(folder, 1, ours) as (address, _):
        yield Site(address, ours, stranger)


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    """IN with three small scans, OUT, and a recipe with a tiny model."""
    model = tiny_model(silent=True)
    (tmp_path / "tiny.safetensors").write_bytes(weights_bytes(model.net.state_dict(), model.spec))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[enhance]\nmodel = "tiny.safetensors"\ndevice = "cpu"\nnoise = 2.0\nflips = 0\n')
    source = scans(tmp_path / "in", ["a.nii.gz", "b.nii.gz", "c.nii.gz"])
    return [str(source), str(tmp_path / "out"), str(recipe)]


def batch(job: list[str], address: str, *options: str) -> tuple[int, str]:
    """Exit code and what was said on standard error."""
    command = [sys.executable, "-m", "medsr.cli", "batch", *job, "--progress", "none", "--engine", "dask"]
    done = subprocess.run(
        [*command, "--scheduler", address, *options], capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    return done.returncode, done.stderr


def shown(certificates: Certificates, ca: Path | None = None) -> list[str]:
    return ["--tls-ca", str(ca or certificates.ca), *certificates.options]


def test_cases_go_through_a_cluster_that_speaks_tls(site: Site, job: list[str]) -> None:
    code, said = batch(job, site.address, *shown(site.ours))
    assert (code, said) == (0, "3 done, 0 failed, 0 left of 3 cases\n")
    out = Path(job[1])
    assert status(out)[0].done == 3
    assert {name for name in results(out) if name.endswith(".nii.gz")} == {"a.nii.gz", "b.nii.gz", "c.nii.gz"}
    assert leftovers(out) == []


def test_a_stranger_is_refused_in_one_line(site: Site, job: list[str]) -> None:
    for options in (shown(site.stranger, site.ours.ca), shown(site.stranger)):
        code, said = batch(job, site.address, *options)
        assert (code, said.count("\n")) == (9, 1), said
        assert "do not trust each other's certificates" in said


def test_without_usable_files_nobody_is_asked(
    site: Site, job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, scheduler = site.ours, ["--engine", "dask", "--scheduler"]
    for options, why in (
        ([*scheduler, site.address], "TLS needs --tls-ca"),
        ([*scheduler, site.address, "--tls-ca", str(ours.ca)], "TLS needs --tls-ca, --tls-cert and --tls-key"),
        ([*scheduler, site.address, *shown(Certificates(ours.ca, ours.cert, site.stranger.key))], "not usable for TLS"),
        ([*scheduler, site.address, *shown(ours, tmp_path / "missing.pem")], "not usable for TLS"),
        ([*scheduler, "tcp://127.0.0.1:1", *shown(ours)], "name it so"),
        (shown(ours), "is for --engine dask"),
    ):
        assert run(["batch", *job, "--progress", "none", *options]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert why in said
