"""A data card as Croissant 1.1 JSON-LD with responsible-AI fields, for catalogues (mlcommons.org/croissant)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from medsr.cards.licences import URLS
from medsr.cards.manifest import COLUMNS, MANIFEST, Row, manifest_sha256, read_manifest
from medsr.cards.schema import DataCard, read_card
from medsr.io import files

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# Sections of the prose that answer a question of the responsible-AI vocabulary.
SECTIONS = {
    "rai:dataCollection": "Origin",
    "rai:personalSensitiveInformation": "De-identification",
    "rai:dataBiases": "Biases",
    "rai:dataLimitations": "must not be used",
    "rai:dataReleaseMaintenancePlan": "Maintenance",
}


def write_croissant(folder: Path, target: Path) -> None:
    """Write the Croissant description of a data card.

    Args:
        folder: Folder of the card.
        target: JSON file to write.

    Raises:
        InputError: A card that can't be read.
        OutputError: The file can't be written.
    """
    with files.atomic(target) as file:
        file.write((json.dumps(croissant(folder), indent=1, ensure_ascii=False) + "\n").encode())


def croissant(folder: Path) -> dict[str, Any]:
    """The Croissant description of a data card.

    Raises:
        InputError: A card that can't be read.
    """
    card, body = read_card(folder)
    rows = read_manifest(folder)
    prose = {key: _section(body, heading) for key, heading in SECTIONS.items()}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": card.name,
        "description": card.description,
        "version": f"{card.version}.0.0",
        "datePublished": f"{card.published}-01-01",
        "license": sorted({URLS.get(name, name) for name in card.licences.values()}),
        "creator": {"@type": "Organization", "name": "The medsr developers"},
        "keywords": [*card.modalities, *card.contrasts, "super-resolution", card.purpose],
        "isLiveDataset": False,
        "citeAs": f"medsr data card {card.name}; every source is to be cited as its section on licences says",
        **prose,
        "rai:dataUseCases": f"{card.purpose} of super-resolution models, in research",
        "distribution": [_manifest_object(folder), *(_scan_object(row) for row in rows)],
        "recordSet": [_record_set(card)],
    }


def _manifest_object(folder: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": MANIFEST,
        "name": MANIFEST,
        "description": "one row a scan",
        "contentUrl": MANIFEST,
        "encodingFormat": "text/tab-separated-values",
        "sha256": manifest_sha256(folder),
    }


def _scan_object(row: Row) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": row.file,
        "name": row.file,
        "description": f"{row.contrast}, {row.acquired}; {row.processing}; from {row.source}",
        "contentUrl": row.file,
        "encodingFormat": "application/gzip",
        "sha256": row.sha256,
    }


def _record_set(card: DataCard) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"scans/{column}",
            "name": column,
            "dataType": "sc:Text",
            "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": column}},
        }
        for column in COLUMNS
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "scans",
        "name": "scans",
        "description": f"the manifest of {card.name}",
        "key": {"@id": "scans/file"},
        "field": fields,
    }


def _section(body: str, heading: str) -> str:
    """The prose below a heading as one line."""
    found = re.search(rf"^## [^\n]*{re.escape(heading)}[^\n]*\n(.*?)(?=^## |\Z)", body, re.MULTILINE | re.DOTALL)
    return "" if found is None else " ".join(found[1].split())
