"""Damaged DICOM series: what can go wrong with elements, files and folders."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from fuzz.bytes_damage import ANY_BYTES
from fuzz.dicom_series import LONG_VRS, Element, Series, elements, encoded, sound_series
from pydicom.uid import AllTransferSyntaxes

VRS = (b"US", b"UL", b"SS", b"IS", b"DS", b"CS", b"LO", b"UI", b"PN", b"SQ", b"OB", b"OW", b"UN", b"FD", b"AT", b"ZZ")
EXTREME_LENGTHS = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
DEPTHS = (50, 300, 3000)  # of sequences in sequences
BOMB_BYTES = (900 << 20, 1500 << 20)  # what a small deflated file may unpack to
MAX_INNER_BYTES = 1 << 20  # of a deflated file that gets damaged inside
TEXTS = (
    *(b"", b"0", b"-1", b"1", b"65536", b"2147483647", b"-2147483648", b"9" * 400, b"1e308", b"-1e308", b"1e-320"),
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1\\2",
        b"1\\2\\3\\4\\5\\6\\7",
        b"\\" * 50,
        b"0x10",
        b"1_000",
        b"1,5",
        b"abc",
        b"\xff\xfe",
    ),
    *(
        b"0\\0\\0\\0\\0\\0",
        b"1\\0\\0\\1\\0\\0",
        b"1e200\\0\\0\\0\\1e200\\0",
        b"1.2.840.10008.1.2.5",
        b"A" * 70000,
        b"\x00" * 64,
    ),
    *(b"MONOCHROME1", b"RGB", b"PALETTE COLOR", b"MR", b"CT", b"ISO_IR 192", b"ISO 2022 IR 87\\ISO 2022 IR 13"),
)
NUMBERS = (0, 1, 2, 3, 7, 8, 12, 16, 17, 32, 64, 255, 4096, 32767, 32768, 65534, 65535)
INTERESTING = (
    *(0x00020000, 0x00020010, 0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x0020000D, 0x0020000E),
    *(0x00180050, 0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010),
    *(0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00281052, 0x00281053, 0x00283000),
    *(0x52009229, 0x52009230, 0x7FE00001, 0x7FE00008, 0x7FE00010, 0x60003000, 0x00089215, 0x00209170),
)


def damaged_dicom(seed: int, folder: Path) -> str:
    """Write the damaged series of that seed into `folder`; what was done to it, in words."""
    chance = Random(f"dicom {seed}")
    series = chance.choice(sound_series())
    files = list(series.files)
    spoilt = range(len(files)) if chance.random() < 0.25 else [chance.randrange(len(files))]
    kinds = [_damage(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    kinds = [_inflated_without_end] if chance.random() < 0.005 else kinds
    for i in spoilt:
        same = Random(f"dicom {seed} again") if len(spoilt) > 1 else chance  # one fault of the sender, in all files
        for kind in kinds:
            files[i] = kind(files[i], series, same)
    names = [f"{i:03d}.dcm" for i in range(len(files))]
    words = " + ".join(kind.__name__.strip("_") for kind in kinds)
    if chance.random() < 0.1:
        words += f" + {_rearranged(files, names, chance)}"
    for name, content in zip(names, files, strict=True):
        (folder / name).write_bytes(content)
    return f"{series.name}: {words} in {'all files' if len(spoilt) > 1 else 'one file'}"


Kind = Callable[[bytes, Series, Random], bytes]


def _damage(chance: Random) -> Kind:
    if chance.random() < 0.3:
        return _bytes
    return chance.choice((*ELEMENT_KINDS, _value, _value, _value, _value))


def _bytes(content: bytes, series: Series, chance: Random) -> bytes:
    damage = chance.choice(ANY_BYTES)
    if series.deflated and chance.random() < 0.7:
        return _through_deflate(content, lambda inner: damage(inner, chance))
    return damage(content, chance)


def _on_element(
    content: bytes, series: Series, chance: Random, change: Callable[[bytes, list[Element], Series], bytes]
) -> bytes:
    """Apply a change that needs to know where elements lie; in a deflated file below the compression."""
    if series.deflated:
        plain = replace(series, deflated=False)
        return _through_deflate(content, lambda inner: change(inner, elements(inner, plain), plain))
    return change(content, elements(content, series), series)


def _through_deflate(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    start = 144 + int.from_bytes(content[140:144], "little")
    try:
        inner = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], MAX_INNER_BYTES)
    except zlib.error:  # damaged before
        return content
    changed = change(content[:start] + inner)
    start = min(start, len(changed))
    return changed[:start] + _deflated(changed[start:])


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def _picked(found: list[Element], chance: Random) -> Element | None:
    interesting = [element for element in found if element.tag in INTERESTING]
    return chance.choice(interesting if interesting and chance.random() < 0.8 else found) if found else None


def _value(content: bytes, series: Series, chance: Random) -> bytes:
    """An element holds something unusual, correctly encoded."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        element = _picked(found, chance)
        if element is None:
            return content
        order = ">" if series.big and element.tag >> 16 != 2 else "<"
        numbers = struct.pack(f"{order}H", chance.choice(NUMBERS)) * chance.choice((1, 1, 1, 2, 40))
        value = numbers if element.end - element.value == 2 and chance.random() < 0.8 else chance.choice(TEXTS)
        if element.tag == 0x00020010 and chance.random() < 0.7:
            value = str(chance.choice(AllTransferSyntaxes)).encode()
        value += b" " * (len(value) % 2 and chance.random() < 0.9)
        vr = element.vr if len(value) < 0xFFFF else b"UN"
        return content[: element.start] + encoded(element.tag, vr, value, series) + content[element.end :]

    return _on_element(content, series, chance, change)


def _length(content: bytes, series: Series, chance: Random) -> bytes:
    """An element says that it is longer or shorter than it is."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        element = _picked(found, chance)
        if element is None:
            return content
        value, length = content[element.value : element.end], chance.choice(EXTREME_LENGTHS)
        head = encoded(element.tag, element.vr, value, series, length)
        return content[: element.start] + head + content[element.end :]

    return _on_element(content, series, chance, change)


def _kind_of_value(content: bytes, series: Series, chance: Random) -> bytes:
    """An element says that it holds another kind of value."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        element = _picked(found, chance)
        if element is None:
            return content
        value = content[element.value : element.end]
        vr = chance.choice(VRS) if len(value) < 0xFFFF else chance.choice(LONG_VRS)
        return content[: element.start] + encoded(element.tag, vr, value, series) + content[element.end :]

    return _on_element(content, series, chance, change)


def _missing(content: bytes, series: Series, chance: Random) -> bytes:
    """An element is not there."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        element = _picked(found, chance)
        return content if element is None else content[: element.start] + content[element.end :]

    return _on_element(content, series, chance, change)


def _twice(content: bytes, series: Series, chance: Random) -> bytes:
    """An element stands there twice, the second time anywhere."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        if not found:
            return content
        element, place = chance.choice(found), chance.choice(found).end
        return content[:place] + content[element.start : element.end] + content[place:]

    return _on_element(content, series, chance, change)


def _huge(content: bytes, series: Series, chance: Random) -> bytes:
    """The header declares far more voxels than there are, and so does the code stream of a codec."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        order = ">" if series.big else "<"
        side = struct.pack(f"{order}H", chance.choice((8192, 40000, 65535)))
        frames = chance.choice((b"1 ", b"100000", b"2147483647", b"99999999999999999999"))
        new = {
            0x00280010: (b"US", side),
            0x00280011: (b"US", side),
            0x00280008: (b"IS", frames + b" " * (len(frames) % 2)),
        }
        if chance.random() < 0.5:
            del new[0x00280008]
        if chance.random() < 0.3:
            del new[0x00280010]
        return with_elements(content, found, series, new)

    return _huge_code_stream(_on_element(content, series, chance, change), chance)


def _huge_code_stream(content: bytes, chance: Random) -> bytes:
    big = struct.pack(">I", chance.choice((8192, 1 << 20, 0x7FFFFFFF)))
    at = content.find(b"\xff\x4f\xff\x51")  # JPEG 2000: start of code stream, size marker, length, capabilities
    if at >= 0:
        content = content[: at + 8] + big * 2 + content[at + 16 :]
    for marker in (b"\xff\xf7\x00\x0b", b"\xff\xc3\x00\x0b"):  # JPEG-LS and JPEG lossless: frame, length, precision
        at = content.find(marker)
        if at >= 0:
            content = content[: at + 5] + struct.pack(">HH", 65535, 65535) + content[at + 9 :]
    return content


def with_elements(content: bytes, found: list[Element], series: Series, new: dict[int, tuple[bytes, bytes]]) -> bytes:
    """Elements set, in their place."""
    parts = [content[:132]]
    waiting = dict(sorted(new.items()))
    for element in found:
        while waiting and next(iter(waiting)) < element.tag:
            tag = next(iter(waiting))
            parts.append(encoded(tag, *waiting.pop(tag), series))
        if element.tag in waiting:
            parts.append(encoded(element.tag, *waiting.pop(element.tag), series))
        else:
            parts.append(content[element.start : element.end])
    return b"".join(parts) + content[found[-1].end if found else 132 :]


def _nested(content: bytes, series: Series, chance: Random) -> bytes:
    """Sequences in sequences in sequences."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        order = ">" if series.big else "<"
        item = struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        tag = chance.choice((0x00081140, 0x00082112, 0x52009229, 0x52009230, 0x00291001))
        opened = encoded(tag, b"SQ", b"", series, 0xFFFFFFFF) + item
        closed = struct.pack(f"{order}HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        depth = chance.choice(DEPTHS)
        body = opened * depth + (closed * depth if chance.random() < 0.7 else b"")
        place = next((element.start for element in found if element.tag > tag), len(content))
        return content[:place] + body + content[place:]

    return _on_element(content, series, chance, change)


def _many_items(content: bytes, series: Series, chance: Random) -> bytes:
    """Functional groups for far more frames than there are."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        n = chance.choice((0, 3, 5, 20000))
        items = struct.pack(">HHI" if series.big else "<HHI", 0xFFFE, 0xE000, 0) * n
        frames = str(n).encode() + b" " * (len(str(n)) % 2)
        return with_elements(content, found, series, {0x52009230: (b"SQ", items), 0x00280008: (b"IS", frames)})

    return _on_element(content, series, chance, change)


def _fragments(content: bytes, series: Series, chance: Random) -> bytes:
    """The items that hold encapsulated pixels are wrong; or native pixels say that they are encapsulated."""

    def change(content: bytes, found: list[Element], series: Series) -> bytes:
        pixels = next((element for element in found if element.tag == 0x7FE00010), None)
        if pixels is None:
            return content
        pieces = [chance.randbytes(chance.choice((0, 2, 64, 600))) for _ in range(chance.choice((0, 1, 2, 500)))]
        order = ">" if series.big else "<"
        offsets = struct.pack(f"{order}I", chance.choice((0, 7, 0xFFFFFFF0))) * chance.choice((0, 1, 4, 1000))
        lengths = [chance.choice((len(p), len(p), len(p), 0xFFFFFFFF, len(p) + 5)) for p in (offsets, *pieces)]
        items = [
            struct.pack(f"{order}HHI", 0xFFFE, 0xE000, n) + piece
            for n, piece in zip(lengths, (offsets, *pieces), strict=True)
        ]
        end = struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0) if chance.random() < 0.7 else b""
        return content[: pixels.start] + encoded(0x7FE00010, b"OB", b"".join(items) + end, series, 0xFFFFFFFF)

    return _on_element(content, series, chance, change)


def _spliced(content: bytes, series: Series, chance: Random) -> bytes:
    """The front of one file and the end of another."""
    other = chance.choice(chance.choice(sound_series()).files)
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other)) :]


def _inflated_without_end(content: bytes, series: Series, chance: Random) -> bytes:
    """A small deflated file that unpacks to something enormous."""
    deflated = next(candidate for candidate in sound_series() if candidate.deflated)
    return _bomb(deflated.files[0], chance.choice(BOMB_BYTES))


@cache
def _bomb(content: bytes, n_bytes: int) -> bytes:
    start = 144 + int.from_bytes(content[140:144], "little")
    inner = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    head = struct.pack("<HH2sHI", 0x7FE1, 0x0010, b"OB", 0, n_bytes)
    blocks = [packer.compress(inner + head), *(packer.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20))]
    return content[:start] + b"".join(blocks) + packer.flush()


ELEMENT_KINDS: tuple[Kind, ...] = (
    *(_value, _length, _kind_of_value, _missing, _twice, _huge, _nested, _many_items, _fragments, _spliced),
)


def _rearranged(files: list[bytes], names: list[str], chance: Random) -> str:
    """Change the folder instead of the files."""
    what = chance.choice(("a file twice", "a file missing", "a foreign file", "a file of another series"))
    if what == "a file twice":
        files.append(chance.choice(files))
    elif what == "a file missing":
        del files[0], names[0]
        return what
    elif what == "a foreign file":
        files.append(chance.randbytes(300))
    else:
        files.append(chance.choice(chance.choice(sound_series()).files))
    names.append("more")
    return what
