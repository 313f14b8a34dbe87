"""A blinded reading: which pictures are shown in which order and on which side, and the key that says so."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from medsr.errors import InputError
from medsr.io import files
from medsr.io.names import digest

SCHEMA = 1
REPEATED_SHARE = 0.25  # of the pairs are shown again with sides swapped, to see whether a reader agrees with themselves
STUDY_DIGITS = 12
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class ReadingCase:
    """A case that can be read.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        subject: Whose scan it is.
        plane: Plane of the slice that is shown.
    """

    scan: str
    task: str
    subject: str
    plane: str


@dataclass(frozen=True)
class ReadingPair:
    """One pair as it is shown.

    Attributes:
        number: Place in the order, from 1.
        case: Case that both pictures are of.
        left: Method whose picture is on the left.
        right: Method whose picture is on the right.
        repeats: Number of the pair that this one shows again with sides swapped; None for the first showing.
    """

    number: int
    case: ReadingCase
    left: str
    right: str
    repeats: int | None = None


@dataclass(frozen=True)
class ReadingKey:
    """What the page of a reading does not say.

    Attributes:
        study: Name of the reading, a hash of all that follows: answers to another one are told apart by it.
        seed: Random seed for order and sides.
        methods: The two methods; preferences are told of the first.
        pairs: Pairs in the order in which they are shown.
    """

    study: str
    seed: int
    methods: tuple[str, str]
    pairs: tuple[ReadingPair, ...]


def plan_reading(cases: Sequence[ReadingCase], methods: tuple[str, str], seed: int) -> ReadingKey:
    """Every case once and a quarter of them again, in random order; each method is on either side equally often.

    Args:
        cases: Cases to read, at least one.
        methods: Two methods that all of them have pictures of.
        seed: Random seed for order and sides.
    """
    rng = np.random.default_rng(seed)
    swapped = rng.permutation(np.arange(len(cases)) % 2 == 1)
    once = [
        ReadingPair(n, case, *(methods[::-1] if turned else methods))
        for n, (case, turned) in enumerate(zip(cases, swapped, strict=True))
    ]
    chosen = rng.permutation(len(cases))[: math.ceil(REPEATED_SHARE * len(cases))]
    again = [replace(once[n], left=once[n].right, right=once[n].left, repeats=n) for n in sorted(map(int, chosen))]
    shown = [*once, *again]
    order = [int(place) for place in rng.permutation(len(shown))]
    numbers = {old: new for new, old in enumerate(order, start=1)}
    pairs = tuple(
        replace(pair, number=new, repeats=None if pair.repeats is None else numbers[pair.repeats])
        for new, pair in enumerate((shown[old] for old in order), start=1)
    )
    key = ReadingKey("", seed, methods, pairs)
    return replace(key, study=digest(json.dumps(asdict(key), sort_keys=True))[:STUDY_DIGITS])


def write_key(key: ReadingKey, path: Path) -> None:
    """Write the key as JSON.

    Raises:
        OutputError: it can't be written.
    """
    with files.atomic(path) as file:
        file.write((json.dumps({"schema": SCHEMA, **asdict(key)}, indent=1) + "\n").encode())


def read_key(path: Path) -> ReadingKey:
    """The key of a file.

    Raises:
        InputError: missing, damaged, or not what `write_key` writes.
    """
    try:
        with files.opened(path) as file:
            content = json.loads(file.read(MAX_BYTES))
        if content.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        key = TypeAdapter(ReadingKey).validate_python(content)
        if [pair.number for pair in key.pairs] != list(range(1, len(key.pairs) + 1)):
            raise ValueError("numbers are not those of an order")
        if any({pair.left, pair.right} != set(key.methods) for pair in key.pairs):
            raise ValueError("a pair is not of the two methods")
        if any(pair.repeats is not None and not 0 < pair.repeats <= len(key.pairs) for pair in key.pairs):
            raise ValueError("a repeated pair is not there")
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError) as error:
        raise InputError(f"{path}: not the key of a reading, or damaged; expected reading_key.json") from error
    return key
