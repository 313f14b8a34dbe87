"""Patterns that may be personal data in texts that are published: cards, manifests, headers of files."""

from __future__ import annotations

import re

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
PATTERNS: dict[str, re.Pattern[str]] = {
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"),
    "date": re.compile(
        rf"(?<![\d.-])(?:{_YEAR}-{_MONTH}-{_DAY}|{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}|{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}|"
        rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?![\d-])"
    ),
    "DICOM UID": re.compile(r"\b[0-2](?:\.\d+){5,}\b"),
    "DICOM person name": re.compile(r"\b[A-Z][A-Za-z'-]+\^[A-Z][A-Za-z'-]*"),
    "telephone number": re.compile(r"(?<![\w.])\+\d{1,3}[ -]?\(?\d{2,4}\)?(?:[ -]?\d{2,4}){2,4}\b"),
    "record number": re.compile(r"\b(?:MRN|PatientID|Patient ID|accession|SSN)\b\W{0,3}\w*\d{4,}", re.IGNORECASE),
    "date of birth": re.compile(r"\b(?:DOB|born on|date of birth)\b\W{0,3}\d", re.IGNORECASE),
    "title and name": re.compile(r"\b(?:Mr|Mrs|Ms|Miss)\.? [A-Z][a-z]+"),
}


def patterns_in(text: str) -> list[str]:
    """Names of the patterns that a text holds; never the text itself, so that it can be reported."""
    return [name for name, pattern in PATTERNS.items() if pattern.search(text)]
