"""Damaged encapsulated pixels: code streams of every codec, the items that hold them, and headers that fit neither."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from dicom_phantoms import write_classic, write_enhanced
from fuzz.bytes_damage import ANY_BYTES, flipped
from fuzz.dicom_damage import with_elements
from fuzz.dicom_series import Series, elements, packed_by_gdcm
from phantoms import head
from pydicom import Dataset, dcmread
from pydicom.uid import (
    JPEG2000,
    UID,
    AllTransferSyntaxes,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

PIXELS = 0x7FE00010
PLAIN = Series("", ())  # every packed file has little-endian elements with their VR
ITEM, END = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
EXTREMES = (0, 1, 2, 3, 7, 255, 256, 4095, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIDES = (0, 1, 2, 35, 36, 37, 40, 41, 72, 4096, 65535)
DEPTHS = (0, 1, 2, 7, 8, 11, 12, 13, 15, 16, 17, 31, 32, 37, 63, 127, 128, 255)
FRAME_MARKERS = tuple(bytes((0xFF, code)) for code in (0xC0, 0xC1, 0xC3, 0xF7))  # of JPEG and JPEG-LS
SIZE_MARKER = b"\xff\x4f\xff\x51"  # of JPEG 2000, behind the start of its code stream
SEGMENTS = (0, 1, 2, 3, 8, 15, 16, 0xFFFFFFFF)  # of RLE
HEADERS = {
    0x00280002: ("H", (0, 1, 2, 3, 4, 255)),  # samples a pixel
    0x00280006: ("H", (0, 1, 2)),
    0x00280010: ("H", SIDES),
    0x00280011: ("H", SIDES),
    0x00280100: ("H", (1, 8, 16, 24, 32, 64)),
    0x00280101: ("H", DEPTHS),
    0x00280102: ("H", DEPTHS),
    0x00280103: ("H", (0, 1, 2)),
}

Items = list[bytes]
"""The offset table, and then the fragments."""
Kind = Callable[[Items, Random], Items]


def damaged_pixels(seed: int, folder: Path) -> str:
    """Write the series of that seed into `folder`, damaged in its pixels; what was done to it, in words."""
    chance = Random(f"pixels {seed}")
    series = chance.choice(packed_series())
    files = list(series.files)
    spoilt = range(len(files)) if chance.random() < 0.25 else [chance.randrange(len(files))]
    kinds = [chance.choice(KINDS) for _ in range(chance.choice((1, 1, 1, 2)))]
    told = chance.random() < 0.25  # the header, too, is another one
    for i in spoilt:
        same = Random(f"pixels {seed} again") if len(spoilt) > 1 else chance  # one fault of the sender, in all files
        items = items_of(files[i])
        for kind in kinds if not told or same.random() < 0.5 else ():
            items = kind(items, same)
        files[i] = _with_items(files[i], items, same)
        files[i] = _with_header(files[i], same) if told else files[i]
    for i, content in enumerate(files):
        (folder / f"{i:03d}.dcm").write_bytes(content)
    words = " + ".join(kind.__name__.strip("_") for kind in kinds)
    return f"{series.name}: {words}{', header' * told} in {'all files' if len(spoilt) > 1 else 'one file'}"


@cache
def packed_series() -> tuple[Series, ...]:
    """One series per codec, of four slices of 36 x 40 voxels; three of them in a single file of several frames."""
    scan = head((36, 40, 4), (1.0, 1.0, 4.0), turn_deg=(10, 20, 30))
    voxels = np.rint(np.clip(scan.data, 0, 255)).astype(np.int16)
    made = []
    with tempfile.TemporaryDirectory() as name:
        for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
            paths = write_classic(Path(name) / f"{syntax}", voxels, scan.affine, syntax=syntax)
            made.append(Series(syntax.name, tuple(path.read_bytes() for path in paths)))
            whole = write_enhanced(Path(name) / f"{syntax}.dcm", voxels, scan.affine)
            made.append(Series(f"enhanced {syntax.name}", (_packed(whole, syntax),)))
        for syntax, options in ((JPEG2000, {"j2k_cr": [4]}), (JPEGLSNearLossless, {"jls_error": 2})):
            paths = write_classic(Path(name) / f"{syntax}", voxels, scan.affine)
            made.append(Series(syntax.name, tuple(_packed(path, syntax, **options) for path in paths)))
        for syntax, bits in ((JPEGLosslessSV1, 16), (JPEGLossless, 16), (JPEGBaseline8Bit, 8)):
            folder = Path(name) / f"{syntax}"
            write_classic(folder, voxels, scan.affine, edit=lambda dataset, _, bits=bits: _narrowed(dataset, bits))
            made.append(Series(syntax.name, packed_by_gdcm(folder, syntax)))
    return tuple(made)


def _packed(path: Path, syntax: UID, **options: object) -> bytes:
    dataset = dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False, **options)
    dataset.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def _narrowed(dataset: Dataset, bits: int) -> None:
    """Voxels of that many bits, without a sign where they are fewer than 16."""
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, int(bits == 16)
    if bits == 8:
        dataset.BitsAllocated = 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(np.uint8).tobytes()


def items_of(content: bytes) -> Items:
    """The offset table and the fragments of a sound file."""
    at = next(element.value for element in elements(content, PLAIN) if element.tag == PIXELS)
    items = []
    while content[at : at + 4] == ITEM:
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        items.append(content[at + 8 : end])
        at = end
    return items


def _with_items(content: bytes, items: Items, chance: Random) -> bytes:
    """The file with these fragments; now and then an item says that it is longer, or the end is missing."""
    start = next(element.start for element in elements(content, PLAIN) if element.tag == PIXELS)
    lengths = [len(item) + len(item) % 2 for item in items]
    if lengths and chance.random() < 0.1:
        lengths[chance.randrange(len(lengths))] = chance.choice(EXTREMES)
    body = b"".join(
        ITEM + struct.pack("<I", length) + item + bytes(len(item) % 2)
        for length, item in zip(lengths, items, strict=True)
    )
    end = END if chance.random() < 0.9 else b""
    return content[:start] + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + body + end


def _with_header(content: bytes, chance: Random) -> bytes:
    """The header says something else of the pixels than their code streams do."""
    new = {}
    for tag in chance.sample(sorted(HEADERS), chance.choice((1, 1, 2, 4))):
        code, choices = HEADERS[tag]
        new[tag] = (b"US", struct.pack(f"<{code}", chance.choice(choices)))
    if chance.random() < 0.2:
        new[0x00280008] = (b"IS", chance.choice((b"0 ", b"2 ", b"5 ", b"1000", b"99999999", b"-1")))
    if chance.random() < 0.2:
        new[0x00280004] = (b"CS", chance.choice((b"RGB ", b"YBR_FULL_422", b"YBR_RCT ", b"PALETTE COLOR ", b"")))
    if chance.random() < 0.2:
        syntax = str(chance.choice(AllTransferSyntaxes)).encode()
        new[0x00020010] = (b"UI", syntax + bytes(len(syntax) % 2))
    if chance.random() < 0.1:
        table = struct.pack("<Q", chance.choice(EXTREMES)) * chance.choice((1, 4))
        new |= {0x7FE00001: (b"OV", table), 0x7FE00002: (b"OV", table)}
    found = elements(content, PLAIN)
    return with_elements(content, found, PLAIN, new)


def _on_fragment(change: Callable[[bytes, Random], bytes], items: Items, chance: Random) -> Items:
    """One fragment changed."""
    if len(items) < 2:
        return items
    i = chance.randrange(1, len(items))
    return [*items[:i], change(items[i], chance), *items[i + 1 :]]


def _bytes(items: Items, chance: Random) -> Items:
    """What happens to any file happens to a code stream."""
    return _on_fragment(chance.choice(ANY_BYTES), items, chance)


def _head(items: Items, chance: Random) -> Items:
    """Bits turned over where a code stream says what it holds."""
    return _on_fragment(lambda stream, chance: flipped(stream[:64], chance) + stream[64:], items, chance)


def _word(items: Items, chance: Random) -> Items:
    """An extreme number where a code stream says what it holds."""

    def change(stream: bytes, chance: Random) -> bytes:
        n, at = chance.choice((1, 2, 4)), chance.randrange(64)
        word = (chance.choice(EXTREMES) & (1 << 8 * n) - 1).to_bytes(n, chance.choice(("big", "little")))
        return stream[:at] + word + stream[at + n :]

    return _on_fragment(change, items, chance)


def _declared(items: Items, chance: Random) -> Items:
    """A code stream declares another matrix, precision or number of components, or tiles of one pixel."""

    def change(stream: bytes, chance: Random) -> bytes:
        if stream.startswith(SIZE_MARKER):  # ISO/IEC 15444-1, A.5.1: sizes and offsets of image and tiles, components
            at, word = 8 + 4 * chance.randrange(8), struct.pack(">I", chance.choice((*SIDES, *EXTREMES)))
            if chance.random() < 0.4:
                at, word = 40, struct.pack(">HB", chance.choice((0, 1, 3, 16384, 65535)), chance.choice(DEPTHS))
            return stream[:at] + word + stream[at + len(word) :]
        at = next((at for at in map(stream.find, FRAME_MARKERS) if at >= 0), -1)
        if at < 0:
            return _segments(stream, chance)
        old = struct.unpack_from(">BHHB", stream, at + 4)  # ITU-T T.81, B.2.2: precision, lines, samples, components
        new = [
            chance.choice(values) if chance.random() < 0.4 else here for here, values in zip(old, FRAME, strict=True)
        ]
        return stream[: at + 4] + struct.pack(">BHHB", *new) + stream[at + 10 :]

    return _on_fragment(change, items, chance)


FRAME = (DEPTHS, SIDES, SIDES, (0, 1, 2, 3, 4, 255))


def _segments(stream: bytes, chance: Random) -> bytes:
    """An RLE header (PS3.5, G.5) has another number of segments, or other offsets."""
    words = list(struct.unpack("<16I", stream[:64].ljust(64, b"\0")))
    for _ in range(chance.choice((1, 2))):
        place = chance.choice((0, 1, 2, 3, chance.randrange(16)))
        words[place] = chance.choice(SEGMENTS if place == 0 else (*EXTREMES, 63, 64, 65, len(stream), len(stream) - 1))
    return struct.pack("<16I", *words) + stream[64:]


def _markers(items: Items, chance: Random) -> Items:
    """A marker of a code stream is another one, or stands there twice, or not at all."""

    def change(stream: bytes, chance: Random) -> bytes:
        places = [i for i in range(len(stream) - 1) if stream[i] == 0xFF and stream[i + 1] not in (0, 0xFF)]
        if not places:
            return flipped(stream, chance)
        at, what = chance.choice(places), chance.choice(("other", "gone", "twice"))
        marker = stream[at : at + 2]
        new = {"other": bytes((0xFF, chance.randrange(0xC0, 0xFF))), "gone": b"", "twice": marker * 2}[what]
        return stream[:at] + new + stream[at + 2 :]

    return _on_fragment(change, items, chance)


def _foreign(items: Items, chance: Random) -> Items:
    """A code stream of another codec, or of a picture."""
    other = items_of(chance.choice(chance.choice(packed_series()).files))
    foreign = chance.choice(
        (other[-1], b"\x89PNG\r\n\x1a\n" + bytes(60), b"GIF89a" + bytes(60), b"\xff\xd8\xff\xd9", b"")
    )
    return _on_fragment(lambda stream, chance: foreign, items, chance)


def _fragments(items: Items, chance: Random) -> Items:
    """A fragment is missing, stands there twice, comes too early or in thousands of pieces."""
    table, *streams = items or [b""]
    what = chance.choice(("gone", "twice", "many", "split", "crumbs", "shuffled", "emptied"))
    i = chance.randrange(len(streams)) if streams else 0
    if not streams or what == "gone":
        return [table, *streams[:i], *streams[i + 1 :]]
    if what in ("twice", "many"):
        return [
            table,
            *streams[:i],
            *streams[i : i + 1] * chance.choice((2, 3) if what == "twice" else (3000,)),
            *streams[i:],
        ]
    if what in ("split", "crumbs"):
        n = 2 if what == "crumbs" else max(2, len(streams[i]) // 2 & ~1)
        return [
            table,
            *streams[:i],
            *(streams[i][at : at + n] for at in range(0, len(streams[i]), n)),
            *streams[i + 1 :],
        ]
    if what == "emptied":
        return [table, *(b"" if chance.random() < 0.5 else stream for stream in streams)]
    return [table, *chance.sample(streams, len(streams))]


def _table(items: Items, chance: Random) -> Items:
    """The offset table leads anywhere, or there is none, not even an empty one."""
    if chance.random() < 0.1:
        return items[1:]
    n = chance.choice((0, 1, 2, len(items) - 1, 1000)) if items else 1
    return [b"".join(struct.pack("<I", chance.choice((*EXTREMES, 4, 8, 10))) for _ in range(n)), *items[1:]]


KINDS: tuple[Kind, ...] = (
    *(_bytes, _bytes, _bytes, _head, _head, _word, _word, _declared, _declared, _declared),
    *(_markers, _markers, _foreign, _fragments, _table),
)
