"""The short run: damaged input is read or refused, and never anything else. `make fuzz` runs the long one."""

import sys
from pathlib import Path

import pytest
from dicom_phantoms import SECRET

if sys.platform != "linux":
    pytest.skip("needs Linux, which tells a process how much memory it has asked for", allow_module_level=True)

from fuzz.dicom_damage import damaged_dicom
from fuzz.dicom_series import elements, sound_series
from fuzz.image_damage import damaged_image
from fuzz.nifti_damage import damaged_nifti, sound_files
from fuzz.pixel_damage import damaged_pixels, items_of, packed_series
from fuzz.trial import Make, Reader, outcome_of, try_all

from medsr.errors import InputError, ResourceError
from medsr.io import load_all

N_SHORT = 200
KINDS = (damaged_dicom, damaged_pixels, damaged_nifti, damaged_image)


@pytest.mark.parametrize("make", KINDS)
def test_damaged_input_is_read_or_refused(make: Make) -> None:
    tally = try_all(make, range(N_SHORT))
    assert tally.broken == []
    assert tally.outcomes["read"] > 0
    assert tally.outcomes.total() - tally.outcomes["read"] > N_SHORT / 3  # the damage is damage


@pytest.mark.parametrize("make", KINDS)
def test_a_seed_always_gives_the_same_input(make: Make, tmp_path: Path) -> None:
    for seed in range(20):
        one, other = tmp_path / f"{seed}a", tmp_path / f"{seed}b"
        one.mkdir()
        other.mkdir()
        assert make(seed, one) == make(seed, other)
        assert [path.read_bytes() for path in sorted(one.iterdir())] == [
            path.read_bytes() for path in sorted(other.iterdir())
        ]


def test_what_gets_damaged_was_sound(tmp_path: Path) -> None:
    for number, series in enumerate(dict.fromkeys(sound_series())):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for i, content in enumerate(series.files):
            (folder / f"{i}.dcm").write_bytes(content)
            if not series.deflated:
                assert {0x00020010, 0x00280010, 0x7FE00010} <= {element.tag for element in elements(content, series)}
        assert load_all(folder)[0].shape == (36, 40, 4)
    for number, series in enumerate(packed_series()):
        folder = tmp_path / f"packed{number}"
        folder.mkdir()
        for i, content in enumerate(series.files):
            (folder / f"{i}.dcm").write_bytes(content)
            assert all(items_of(content)[1:])
        assert load_all(folder)[0].shape == (36, 40, 4)
    for number, (_, content) in enumerate(sound_files()):
        path = tmp_path / f"{number}.nii"
        path.write_bytes(content)
        assert load_all(path)[0].shape == (12, 10, 8)


def test_a_broken_law_is_seen(tmp_path: Path) -> None:
    def escaping(path: Path) -> None:
        raise ZeroDivisionError

    def greedy(path: Path) -> None:
        raise ResourceError("no memory")

    def telling(path: Path) -> None:
        raise InputError(f"{SECRET} can't be read")

    def rambling(path: Path) -> None:
        raise InputError("one line\nand another")

    assert outcome_of(escaping, tmp_path) == ("escaped", "ZeroDivisionError escaped: ")
    assert all(outcome_of(reader, tmp_path)[1] for reader in (greedy, telling, rambling))
    assert outcome_of(lambda path: None, tmp_path) == ("read", "")


def test_a_reader_that_dies_is_seen_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "scan.nii").write_bytes(sound_files()[0][1])
    with Reader() as reader:
        reader.process.kill()
        reader.process.join()
        assert reader.read(tmp_path / "scan.nii")[:2] == ("died", "the process died with exit code -9")
        assert reader.read(tmp_path / "scan.nii")[:2] == ("read", "")
