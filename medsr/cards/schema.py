"""What a data card states: YAML front matter, checked field by field, above prose with fixed headings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medsr.errors import InputError

CARD = "card.md"
HEADINGS = (
    "Origin",
    "Consent and ethics",
    "De-identification",
    "Composition",
    "Split",
    "Biases",
    "must not be used",
    "Licences",
    "Maintenance",
)
Words = Annotated[str, Field(min_length=1)]
Range = tuple[float, float]


class Strict(BaseModel):
    """An unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Exemption(Strict):
    """One kind of personal-data pattern that is allowed in one column of the manifest, and why."""

    pattern: Words
    column: Words
    why: Words


class PersonalData(Strict):
    """What is left that could point to a person.

    Attributes:
        deidentified: Who removed the personal data.
        health: Whether the scans show diseases.
        recognisable: Labels of subjects whose face may be recognisable.
        exemptions: Patterns that the check may find, and why they stay.
    """

    deidentified: Words
    health: bool
    recognisable: tuple[str, ...]
    exemptions: tuple[Exemption, ...] = ()


class DataCard(Strict):
    """The front matter of a data card.

    Attributes:
        name: Name of the card, the same as its folder's.
        version: Version of the card.
        purpose: Use of the scans; subjects must not be in cards of different purposes.
        description: Description in one sentence.
        published: Year of publication.
        consent: What is known of the subjects' consent.
        redistributable: Whether every source permits passing the scans on.
        licences: Licence by source, as the manifest's licences begin.
        personal_data: What personal data is left.
        modalities: "MR", "CT".
        volumes: Number of files.
        subjects: Number of labels.
        million_voxels: Voxels of all files in millions, rounded.
        contrasts: Number of files by contrast.
        spacing_mm: Finest and coarsest voxel spacing.
        ct_hu: Lowest and highest value of CT; None without CT.
    """

    kind: Literal["data"]
    name: Words
    version: int
    purpose: Literal["training", "validation", "test"]
    description: Words
    published: int
    consent: Words
    redistributable: bool
    licences: dict[str, Words]
    personal_data: PersonalData
    modalities: tuple[Literal["MR", "CT"], ...]
    volumes: int
    subjects: int
    million_voxels: int
    contrasts: dict[str, int]
    spacing_mm: Range
    ct_hu: Range | None


def read_card(folder: Path) -> tuple[DataCard, str]:
    """The front matter and the prose of a data card.

    Raises:
        InputError: No card, no front matter, not YAML, or a field that is missing, unknown or of the wrong kind.
    """
    path = folder / CARD
    facts, body = split_front_matter(path)
    try:
        return DataCard.model_validate(facts), body
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong with a card's fields: the place and what was expected there."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place or 'front matter'}: {first['msg']}"


def split_front_matter(path: Path) -> tuple[object, str]:
    """The YAML between two lines of `---` at the top of a Markdown file, and what follows.

    Raises:
        InputError: No such file, no front matter, or not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read; expected a card in Markdown") from error
    parts = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    if parts is None:
        raise InputError(f"{path}: no front matter; expected YAML between two lines of --- at the top")
    try:
        return yaml.safe_load(parts[1]), parts[2]
    except yaml.YAMLError as error:
        raise InputError(f"{path}: front matter is not YAML ({' '.join(str(error).split())})") from error


def missing_headings(body: str) -> list[str]:
    """Sections that a data card's prose needs and does not have."""
    found = re.findall(r"^## (.+)$", body, re.MULTILINE)
    return [heading for heading in HEADINGS if not any(heading in line for line in found)]
