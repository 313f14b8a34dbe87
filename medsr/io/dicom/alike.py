"""What series have in common that may be stacks of one body, by their headers."""

from __future__ import annotations

from medsr.io.contrast import words_of
from medsr.io.dicom.headers import HEADER_TAGS, parsing, read_header
from medsr.io.dicom.patients import TAGS
from medsr.io.dicom.reading import contrast_of
from medsr.io.dicom.triage import FoundVolume
from medsr.io.names import digest

FAT_SATURATION = "FS"  # a word of ScanOptions (PS3.3, C.8.3.1)
WEIGHTINGS = {"t1", "t1w", "t2", "t2w", "pd", "pdw", "flair", "tirm", "stir"}  # words of protocols
SUPPRESSIONS = {"fs", "fatsat", "spair", "spir", "dixon"}


def likeness(volume: FoundVolume) -> str:
    """A hash of patient, study, contrast, contrast agent and fat saturation, the same for series that agree in all.

    Contrast and fat saturation go by the words of the protocol too, since classic images have no tag for the one.

    Returns:
        "" where the volume can't be read or its contrast is not known.

    Raises:
        InputError: a file is gone or damaged.
    """
    if not volume.stacks:
        return ""
    path = volume.paths[0]
    header = read_header(path, [*HEADER_TAGS, *TAGS, "ContrastBolusAgent"])
    contrast = contrast_of(header, path)
    with parsing(path):
        options = header.get("ScanOptions") or ()
        words = [options] if isinstance(options, str) else [str(word) for word in options]
        patient = [str(header.get(tag) or "") for tag in TAGS]
        agent = str(header.get("ContrastBolusAgent") or "")
        described = [str(header.get(tag) or "") for tag in ("SeriesDescription", "ProtocolName")]
    spoken = words_of(described)
    weighting = sorted({word.removesuffix("w") for word in spoken & WEIGHTINGS})
    if not contrast and not weighting:
        return ""
    suppressed = FAT_SATURATION in words or bool(spoken & SUPPRESSIONS)
    return digest(str(volume.study), *patient, contrast, *weighting, agent, str(suppressed))
