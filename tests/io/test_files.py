"""Writing all or nothing, hashing and sniffing."""

from __future__ import annotations

import gzip
import hashlib
import os
import resource
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import OutputError
from medsr.io import files


def test_the_file_appears_whole_and_alone(tmp_path):
    target = tmp_path / "scan.nii.gz"
    with files.atomic(target) as file:
        file.write(b"all")
        assert not target.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nii.gz"]
    assert target.read_bytes() == b"all"


def test_the_unfinished_file_lies_beside_and_keeps_the_suffix(tmp_path):
    with files.atomic(tmp_path / "scan.nii.gz") as file:
        file.write(b"half")
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".part-")
        assert part.name.endswith(".nii.gz")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_interrupts_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "scan.nii"
    target.write_bytes(b"old")
    with pytest.raises(error), files.atomic(target) as file:
        file.write(b"new")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nii"]
    assert target.read_bytes() == b"old"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the system refuses to let files grow past this
    try:
        with (
            pytest.raises(OutputError, match="free some disk space") as caught,
            files.atomic(tmp_path / "a.nii") as file,
        ):
            file.write(bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def unwritable_paths(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return {
        "missing folder": tmp_path / "none" / "scan.nii",
        "file as folder": tmp_path / "file" / "scan.nii",
        "a folder": tmp_path / "folder",
        "name too long": tmp_path / ("n" * 300 + ".nii"),
        "zero byte": tmp_path / "a\0b.nii",
        "not writable": Path("/proc/scan.nii"),
    }


@pytest.mark.parametrize(
    "case", ["missing folder", "file as folder", "a folder", "name too long", "zero byte", "not writable"]
)
def test_paths_that_cannot_be_written_are_refused_before_and_while_writing(tmp_path, case):
    path = unwritable_paths(tmp_path)[case]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError) as caught:
        files.check_writable(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError), files.atomic(path) as file:
        file.write(b"x")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("case", "advice"), [("missing folder", "make its folder first"), ("file as folder", "choose another folder")]
)
def test_the_advice_fits_what_is_in_the_way(tmp_path, case, advice):
    with pytest.raises(OutputError, match=f"; {advice}$"):
        files.check_writable(unwritable_paths(tmp_path)[case])


def test_checking_leaves_nothing_behind(tmp_path):
    files.check_writable(tmp_path / "scan.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_writing_through_a_link_keeps_the_link(tmp_path):
    real, link = tmp_path / "real.nii", tmp_path / "link.nii"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with files.atomic(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_written_files_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with files.atomic(tmp_path / "scan.nii") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "scan.nii").stat().st_mode) == 0o640


def test_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    assert files.sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=6, unique=True), st.randoms())
def test_hash_of_many_depends_on_contents_alone(contents, random):
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    shuffled = random.sample(digests, len(digests))
    assert files.sha256_of_digests(shuffled) == files.sha256_of_digests(digests)
    if len(digests) == 1:
        assert files.sha256_of_digests(digests) == digests[0]
    else:
        assert files.sha256_of_digests(digests[1:]) != files.sha256_of_digests(digests)


def test_what_gzip_holds_is_the_same_in_steps_of_any_size(tmp_path):
    content = os.urandom(300_000) + bytes(300_000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]) + b"tail")
    for step in (1000, 65536, 1 << 22):
        with (tmp_path / "a.gz").open("rb") as file:
            packed = files.Inflated(file)
            assert b"".join(iter(lambda: packed.read(step), b"")) == content  # noqa: B023 - called at once


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_gzip_that_ends_too_early_is_no_whole_file(tmp_path, share):
    whole = gzip.compress(os.urandom(100_000))
    (tmp_path / "a.gz").write_bytes(whole[: int(share * len(whole))])
    with (tmp_path / "a.gz").open("rb") as file, pytest.raises(EOFError):
        files.Inflated(file).readall()
