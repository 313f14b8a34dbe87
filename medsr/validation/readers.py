"""What readers answered in a blinded reading, and how far they agree; the unit is the subject."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from medsr.errors import InputError
from medsr.io import files
from medsr.metrics.kappa import weighted_kappa
from medsr.metrics.statistics import bootstrap_ends, per_subject
from medsr.validation.reading import ReadingKey, ReadingPair

COLUMNS = ("study", "reader", "pair", "preference", "left_artefact", "right_artefact")
SCALE = 5  # from "left, clearly" to "right, clearly"
MIDDLE = SCALE // 2
CODE = re.compile(r"[A-Za-z0-9_-]{1,16}")
YES_NO = {"yes": True, "no": False}
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What a reader said of one pair.

    Attributes:
        preference: -2 (left, clearly) to 2 (right, clearly); 0 is no difference.
        left_artefact: Whether an artefact or an invented structure was seen on the left.
        right_artefact: The same on the right.
    """

    preference: int
    left_artefact: bool
    right_artefact: bool


@dataclass(frozen=True)
class Reader:
    """The answers of one reader to every pair.

    Attributes:
        name: Code of the reader.
        answers: Answers by number of the pair.
    """

    name: str
    answers: dict[int, Answer]


@dataclass(frozen=True)
class Share:
    """A share of the pairs of one reader.

    Attributes:
        value: Mean over subjects of the share of their pairs.
        low: Lower end of its 95 % bootstrap interval; None with fewer than 3 subjects.
        high: Upper end of its interval; None as `low`.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Preference:
    """What one reader prefers, each case counted once.

    Attributes:
        reader: Code of the reader.
        pairs: Number of pairs.
        subjects: Number of subjects.
        preferred: Share of the pairs in which each method was preferred, slightly or clearly, by method.
        undecided: Share of the pairs without a difference.
        artefacts: Number of pairs in which an artefact or invented structure was seen, by method.
        repeated: Number of pairs that were shown twice.
        alike: Number of these that were answered alike.
        kappa: Weighted kappa of the reader with themselves on these; NaN where it is not defined.
    """

    reader: str
    pairs: int
    subjects: int
    preferred: dict[str, Share]
    undecided: Share
    artefacts: dict[str, int]
    repeated: int
    alike: int
    kappa: float


@dataclass(frozen=True)
class Pairing:
    """How far two readers agree, each case counted once.

    Attributes:
        readers: Codes of both.
        pairs: Number of pairs.
        kappa: Weighted kappa of their preferences; NaN where it is not defined.
        artefact_kappa: Kappa of artefacts seen or not, of each picture; NaN where it is not defined.
    """

    readers: tuple[str, str]
    pairs: int
    kappa: float
    artefact_kappa: float


@dataclass(frozen=True)
class Agreements:
    """What came of a reading.

    Attributes:
        methods: The two methods.
        preferences: One for each reader.
        pairings: One for each two readers.
    """

    methods: tuple[str, str]
    preferences: tuple[Preference, ...]
    pairings: tuple[Pairing, ...]


def read_reader(path: Path, key: ReadingKey) -> Reader:
    """The answers in a file that the page of a reading saved.

    Raises:
        InputError: it can't be read, is of another reading, lacks an answer, or holds one that is none.
    """
    try:
        with files.opened(path) as file:
            rows = list(csv.DictReader(io.StringIO(file.read(MAX_BYTES).decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not the answers of a reader; expected the CSV that reading.html saves") from error
    if not rows or set(rows[0]) != set(COLUMNS):
        raise InputError(f"{path}: not the answers of a reader; expected columns {', '.join(COLUMNS)}")
    if any(row["study"] != key.study for row in rows):
        raise InputError(
            f"{path}: answers another reading than {key.study}; give the key that was written with its page"
        )
    names = {row["reader"] or "" for row in rows}
    if len(names) != 1 or not all(map(CODE.fullmatch, names)):
        raise InputError(
            f"{path}: expected one reader, by a code of at most 16 letters, digits, hyphens or underscores"
        )
    numbers = {str(pair.number): pair.number for pair in key.pairs}
    answers: dict[int, Answer] = {}
    for line, row in enumerate(rows, start=2):
        number = numbers.get(row["pair"] or "")
        if number is None or number in answers:
            raise InputError(f"{path}, line {line}: pair {row['pair']!r} is unknown or a second time there")
        answers[number] = _answer(path, line, row)
    missing = len(numbers) - len(answers)
    if missing:
        raise InputError(
            f"{path}: {missing} of {len(numbers)} pairs are not answered; finish the reading and save again"
        )
    return Reader(names.pop(), answers)


def agreements_of(key: ReadingKey, readers: Sequence[Reader], seed: int = 0) -> Agreements:
    """Preferences of each reader, and how far each two agree.

    Args:
        key: Key of the reading.
        readers: Readers of `read_reader`.
        seed: Random seed for the intervals.

    Raises:
        InputError: two files are of the same reader.
    """
    names = [reader.name for reader in readers]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two files are of reader {twice[0]}; give one file for each reader")
    return Agreements(
        key.methods,
        tuple(_preference(key, reader, seed) for reader in readers),
        tuple(_pairing(key, *both) for both in combinations(readers, 2)),
    )


def lines_of(found: Agreements) -> Iterator[str]:
    """What came of a reading, a line for each statement."""
    for one in found.preferences:
        preferred = ", ".join(f"{name} in {_share(share)}" for name, share in one.preferred.items())
        yield (
            f"{one.reader}: prefers {preferred}, neither in {_share(one.undecided)} of {one.pairs} pairs, "
            f"{one.subjects} subjects"
        )
        artefacts = ", ".join(f"{name} {count}" for name, count in one.artefacts.items())
        yield f"{one.reader}: artefacts or invented structures of {one.pairs}: {artefacts}"
        yield (
            f"{one.reader} with themselves: {one.alike} of {one.repeated} repeated pairs alike, "
            f"weighted kappa {_kappa(one.kappa)}"
        )
    for two in found.pairings:
        yield (
            f"{two.readers[0]} and {two.readers[1]}: weighted kappa {_kappa(two.kappa)} on preference, "
            f"kappa {_kappa(two.artefact_kappa)} on artefacts, {two.pairs} pairs"
        )


def _answer(path: Path, line: int, row: dict[str, str]) -> Answer:
    try:
        preference = int(row["preference"])
        if abs(preference) > MIDDLE:
            raise ValueError("beyond the scale")
        return Answer(preference, YES_NO[row["left_artefact"]], YES_NO[row["right_artefact"]])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}, line {line}: not an answer; expected a preference from -{MIDDLE} to {MIDDLE}, and yes or no"
        ) from error


def _preference(key: ReadingKey, reader: Reader, seed: int) -> Preference:
    once = [pair for pair in key.pairs if pair.repeats is None]
    chosen = [_category(key, pair, reader) - MIDDLE for pair in once]
    subjects = [pair.case.subject for pair in once]

    def share(sign: int) -> Share:
        values = list(per_subject([float(np.sign(one) == sign) for one in chosen], subjects).values())
        return Share(float(np.mean(values)), *bootstrap_ends(values, np.mean, seed=seed))

    again = [(pair, key.pairs[pair.repeats - 1]) for pair in key.pairs if pair.repeats is not None]
    first, second = ([_category(key, both[n], reader) for both in again] for n in (1, 0))
    return Preference(
        reader=reader.name,
        pairs=len(once),
        subjects=len(set(subjects)),
        preferred={key.methods[0]: share(1), key.methods[1]: share(-1)},
        undecided=share(0),
        artefacts={method: sum(_artefact(pair, method, reader) for pair in once) for method in key.methods},
        repeated=len(again),
        alike=sum(a == b for a, b in zip(first, second, strict=True)),
        kappa=weighted_kappa(first, second, SCALE),
    )


def _pairing(key: ReadingKey, one: Reader, other: Reader) -> Pairing:
    once = [pair for pair in key.pairs if pair.repeats is None]
    preferences = [[_category(key, pair, reader) for pair in once] for reader in (one, other)]
    seen = [
        [int(_artefact(pair, method, reader)) for pair in once for method in key.methods] for reader in (one, other)
    ]
    return Pairing(
        (one.name, other.name),
        len(once),
        weighted_kappa(preferences[0], preferences[1], SCALE),
        weighted_kappa(seen[0], seen[1], 2),
    )


def _category(key: ReadingKey, pair: ReadingPair, reader: Reader) -> int:
    """Preference for the first method, 0 (the second, clearly) to 4 (the first, clearly), whichever side it was on."""
    preference = reader.answers[pair.number].preference
    return MIDDLE + (preference if pair.right == key.methods[0] else -preference)


def _artefact(pair: ReadingPair, method: str, reader: Reader) -> bool:
    answer = reader.answers[pair.number]
    return answer.left_artefact if pair.left == method else answer.right_artefact


def _share(share: Share) -> str:
    if share.low is None or share.high is None:
        return f"{share.value:.0%}"
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _kappa(value: float) -> str:
    return "not defined" if value != value else f"{value:.2f}"
