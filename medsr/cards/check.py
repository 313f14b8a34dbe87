"""Cards against themselves, the scans at hand, each other and the weights: every discrepancy as one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from medsr.cards.at_hand import differences, missing_files
from medsr.cards.leakage import DUPLICATE, Print, fingerprint, near_duplicates, shared_subjects
from medsr.cards.licences import licence_id
from medsr.cards.manifest import MANIFEST, Row, read_manifest
from medsr.cards.model_card import CARD_JSON, read_model_card, stated
from medsr.cards.personal import patterns_in
from medsr.cards.render import is_rendering
from medsr.cards.schema import CARD, DataCard, missing_headings, read_card
from medsr.cards.weights import WeightsFile, card_mismatches, licence_conflicts
from medsr.errors import InputError, MedsrError
from medsr.io import load

OnScan = Callable[[str, int, int], None]
"""Callback with the card's name, the number of finished scans and the number of all."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a card.

    Attributes:
        card: Name of the card.
        rule: Kind of check.
        text: What was found, without personal data.
    """

    card: str
    rule: str
    text: str


@dataclass(frozen=True)
class _Read:
    """A data card that could be read."""

    folder: Path
    card: DataCard
    body: str
    rows: list[Row]


def card_folders(root: Path) -> tuple[Path, ...]:
    """The folders of cards in a folder.

    Raises:
        InputError: There are none.
    """
    found = tuple(sorted(path.parent for path in root.glob(f"*/{CARD}")))
    if not found:
        raise InputError(f"{root}: no cards; expected folders with a {CARD}, such as data_cards of the repository")
    return found


def check_cards(
    folders: Sequence[Path], data: Path | None, weights: WeightsFile | None, on_scan: OnScan | None = None
) -> tuple[Problem, ...]:
    """What is wrong with cards; empty where all is well.

    Args:
        folders: Folders of data and model cards; leakage is looked for between all of them.
        data: Folder that the manifests' file names start from; None skips checksums, headers and near-duplicates.
        weights: Weights file that the model cards describe; None skips the comparison with it.
        on_scan: Callback as scans are read.
    """
    models = [folder for folder in folders if (folder / CARD_JSON).is_file()]
    found: list[Problem] = []
    read: list[_Read] = []
    for folder in folders:
        if folder in models:
            continue
        try:
            read.append(_Read(folder, *read_card(folder), read_manifest(folder)))
        except MedsrError as error:
            found.append(Problem(folder.name, "fields", str(error)))
    for one in read:
        found += _itself(one)
    found += _leaks(read)
    if data is not None:
        found += _scans(read, data, on_scan)
    for folder in models:
        found += _model(folder, weights, [one.folder for one in read])
    return tuple(found)


def _itself(one: _Read) -> Iterator[Problem]:
    """A data card's statements against its manifest and its prose."""
    card, rows = one.card, one.rows
    if card.name != one.folder.name:
        yield Problem(one.folder.name, "fields", f"the card is called {card.name}, its folder {one.folder.name}")
    for heading in missing_headings(one.body):
        yield Problem(card.name, "fields", f"no section about {heading!r} in the prose")
    for name, said, computed in _statements(card, rows):
        if said != computed:
            yield Problem(card.name, "ranges", f"{name}: stated {said}, the manifest gives {computed}")
    if len({row.file for row in rows}) < len(rows) or len({row.sha256 for row in rows}) < len(rows):
        yield Problem(card.name, "manifest", "a file or a SHA-256 stands in two rows")
    for source in sorted({row.source for row in rows}):
        if f"\n| {source} |" not in one.body:
            yield Problem(card.name, "licence", f"no attribution of {source} in the prose's table of licences")
    yield from _personal(one)


def _statements(card: DataCard, rows: Sequence[Row]) -> Iterator[tuple[str, object, object]]:
    """Name, stated and computed value of everything that the manifest decides."""
    voxels = sum(i * j * k for i, j, k in (row.voxels for row in rows))
    spacings = [h for row in rows for h in row.spacing]
    hu = [value for row in rows if row.contrast == "CT" for value in row.intensities]
    yield "volumes", card.volumes, len(rows)
    yield "subjects", card.subjects, len({row.label for row in rows})
    yield "million_voxels", card.million_voxels, round(voxels / 1e6)
    yield "contrasts", card.contrasts, dict(Counter(row.contrast for row in rows))
    yield "modalities", set(card.modalities), {"CT" if row.contrast == "CT" else "MR" for row in rows}
    yield "spacing_mm", card.spacing_mm, (min(spacings), max(spacings))
    yield "ct_hu", card.ct_hu, (min(hu), max(hu)) if hu else None
    yield "licences", card.licences, {row.source: licence_id(row.licence) for row in rows}


def _personal(one: _Read) -> Iterator[Problem]:
    """Patterns of personal data in prose and manifest that no exemption covers."""
    for name in patterns_in(one.body) + patterns_in(one.card.model_dump_json()):
        yield Problem(one.card.name, "personal data", f"{CARD} holds a {name}")
    allowed = {(exemption.pattern, exemption.column) for exemption in one.card.personal_data.exemptions}
    found = Counter(
        (name, column) for row in one.rows for column, cell in vars(row).items() for name in patterns_in(cell)
    )
    for (name, column), n in found.items():
        if column != "sha256" and (name, column) not in allowed:
            yield Problem(one.card.name, "personal data", f"{MANIFEST}: {n} rows hold a {name} in column {column}")


def _leaks(read: Sequence[_Read]) -> Iterator[Problem]:
    """Subjects that cards of different purposes share."""
    for first, second in _split_pairs(read):
        for label in shared_subjects(first.rows, second.rows):
            text = f"subject {label} is also in {second.card.name} ({second.card.purpose})"
            yield Problem(first.card.name, "leakage", text)


def _scans(read: Sequence[_Read], data: Path, on_scan: OnScan | None) -> Iterator[Problem]:
    """Scans at hand against their rows, and against the scans of the other sets."""
    prints: dict[str, dict[str, Print]] = {}
    for one in read:
        absent = missing_files(one.rows, data)
        if absent:
            yield Problem(one.card.name, "checksum", f"{len(absent)} of {len(one.rows)} files are missing: {absent[0]}")
        mine = prints.setdefault(one.card.name, {})
        for number, row in enumerate(one.rows, start=1):
            if row.file in absent:
                continue
            try:
                yield from (Problem(one.card.name, "checksum", text) for text in differences(row, data))
                mine[row.file] = fingerprint(load(data / row.file))
            except MedsrError as error:
                yield Problem(one.card.name, "checksum", str(error))
            if on_scan is not None:
                on_scan(one.card.name, number, len(one.rows))
    for first, second in _split_pairs(read):
        for pair in near_duplicates(prints[first.card.name], prints[second.card.name]):
            text = f"{pair.first} is nearly {pair.second} (correlation {pair.correlation:.2f}, limit {DUPLICATE})"
            yield Problem(first.card.name, "leakage", text)


def _split_pairs(read: Sequence[_Read]) -> list[tuple[_Read, _Read]]:
    return [(a, b) for a, b in combinations(read, 2) if a.card.purpose != b.card.purpose]


def _model(folder: Path, weights: WeightsFile | None, data_folders: Sequence[Path]) -> Iterator[Problem]:
    """A model card against its rendering, the weights and the data cards."""
    try:
        card = read_model_card(folder)
        if not is_rendering(folder):
            yield Problem(folder.name, "rendering", f"{CARD} is not what {CARD_JSON} and the template give; render it")
        for name in patterns_in((folder / CARD).read_text(encoding="utf-8")):
            yield Problem(folder.name, "personal data", f"{CARD} holds a {name}")
    except MedsrError as error:
        yield Problem(folder.name, "fields", str(error))
        return
    if weights is None or weights.spec.name != card.name:
        return
    for key, value in stated(weights).items():
        if getattr(card, key) != value:
            yield Problem(folder.name, "weights", f"{key} is not what {weights.path.name} says; render the card again")
    for text in card_mismatches(weights, data_folders):
        yield Problem(folder.name, "weights", text)
    for text in licence_conflicts(weights, data_folders):
        yield Problem(folder.name, "licence", text)
