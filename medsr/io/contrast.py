"""Which contrast a scan has, as its headers or its file name say: one of the suffixes that BIDS names scans by."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Words of protocols and file names that mean a contrast for which no model was made, or one that is often unlabelled.
WORDS = {
    "angio": {"angio", "angiography", "mra", "mrv", "tof", "tof3d", "cemra"},
    "dwi": {"adc", "diffusion", "dti", "dwi", "eadc", "trace", "tracew"},
    "asl": {"asl", "cbf", "cbv", "dsc", "mtt", "pasl", "pcasl", "perf", "perfusion", "rcbf", "rcbv", "tmax"},
    "bold": {"bold", "fmri"},
    "PDw": {"pd", "pdw", "pdfs"},
    "T2starw": {"swan", "swi", "t2star", "venobold"},
}


def contrast_of_words(texts: Iterable[str]) -> str:
    """The contrast that a word in some texts names, such as "angio" for "3D TOF neck"; "" where none does."""
    words = words_of(texts)
    return next((contrast for contrast, meant in WORDS.items() if words & meant), "")


def words_of(texts: Iterable[str]) -> set[str]:
    """The words in some texts, in lower case."""
    return {word for text in texts for word in re.split(r"[^a-z0-9]+", text.lower())} - {""}
