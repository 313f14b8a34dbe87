"""Damaged FreeSurfer, MINC, NRRD, MetaImage and two-file NIfTI images: headers' numbers, bytes, gzip."""

from __future__ import annotations

import gzip
import re
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from fuzz.bytes_damage import ANY_BYTES
from minc_files import write_minc
from phantoms import head

EXTREME_WORDS = (0, 1, 2, 3, 4, 5, 10, 30000, 2**31 - 1, -1, -(2**31))
EXTREME_TEXTS = (b"0", b"-1", b"1e30", b"nan", b"inf", b"99999999999", b"3000000", b"", b"x", b"LIST", b"../other.raw")
HEADER_WORDS = {".mgh": 22, ".mgz": 22, ".mnc": 520, ".gz": 520}
"""Big-endian words of a header by the end of its name: of MGH version, sizes, type and directions; of MINC all."""


def damaged_image(seed: int, folder: Path) -> str:
    """Write the damaged image of that seed, with its second file where it has one; what was done to it, in words."""
    chance = Random(f"image {seed}")
    files = dict(chance.choice(sound_images()))
    name = chance.choice(sorted(files))
    content, words = files[name], []
    zipped = name.endswith((".mgz", ".gz"))
    content = gzip.decompress(content) if zipped else content
    for _ in range(chance.choice((1, 1, 2, 3))):
        n_words = HEADER_WORDS.get(Path(name).suffix)
        own = _number if n_words is None else _word
        kind = chance.choice((own, chance.choice((own, *ANY_BYTES))))
        content = _word(content, chance, n_words) if kind is _word else kind(content, chance)
        words.append(kind.__name__.strip("_"))
    if zipped:
        content = gzip.compress(content, 1, mtime=0)
        if chance.random() < 0.3:
            content = chance.choice(ANY_BYTES)(content, chance)
            words.append("damaged gzip")
    files[name] = content
    if len(files) > 1 and chance.random() < 0.1:
        del files[chance.choice(sorted(files))]
        words.append("one file missing")
    for file, bytes_of in files.items():
        (folder / file).write_bytes(bytes_of)
    return f"{name}: {' + '.join(words)}"


@cache
def sound_images() -> tuple[tuple[tuple[str, bytes], ...], ...]:
    """Names and contents of whole images: one file, or a header and its voxels."""
    import nibabel as nib
    import SimpleITK

    scan = head((12, 10, 8), (1.0, 1.0, 4.0), turn_deg=(10, 20, 30))
    whole = scan.data.astype(np.int16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nib.save(nib.MGHImage(whole, scan.affine), folder / "a.mgh")
        nib.save(nib.MGHImage(scan.data, scan.affine), folder / "b.mgz")
        write_minc(folder / "e.mnc", whole, scan.affine, limits=(np.arange(8.0), np.arange(8.0) + 900))
        (folder / "f.mnc.gz").write_bytes(gzip.compress((folder / "e.mnc").read_bytes(), 1, mtime=0))
        nib.Nifti1Pair(whole, scan.affine).to_filename(folder / "c.hdr")
        nib.save(nib.Nifti1Image(whole, scan.affine), folder / "d.nii")
        image = SimpleITK.ReadImage(str(folder / "d.nii"))
        (folder / "d.nii").unlink()
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
        for suffix in ("nrrd", "mha", "nhdr", "mhd"):
            for packed in (False, True):
                SimpleITK.WriteImage(image, str(folder / f"{suffix}{packed:d}.{suffix}"), packed)
        stems: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            stems.setdefault(path.name.partition(".")[0], []).append(path)
        return tuple(tuple((path.name, path.read_bytes()) for path in paths) for paths in stems.values())


def _word(content: bytes, chance: Random, n_words: int) -> bytes:
    """One big-endian word of a header is extreme."""
    at = 4 * chance.randrange(n_words)
    return content[:at] + chance.choice(EXTREME_WORDS).to_bytes(4, "big", signed=True) + content[at + 4 :]


def _number(content: bytes, chance: Random) -> bytes:
    """One word of a text header is another one."""
    words = list(re.finditer(rb"(?<=[ (,:=])[^\s(),:=]+", content[:1500]))
    if not words:
        return content
    found = chance.choice(words)
    return content[: found.start()] + chance.choice(EXTREME_TEXTS) + content[found.end() :]
