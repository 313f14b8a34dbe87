"""The volumes that one series holds: apart by plane, echo, image type and b-value, in a row by time.

Nothing is guessed. Frames that differ in where they lie are different stacks, and so are CT acquisitions that cover the
same part of the body at other positions (`stack.ct_passes`). What else differs (echo time, image type,
b-value) makes different volumes only where positions repeat; so do time points, and only where every position has the
same number of them and a tag tells them apart (the instance number only where the header says that the series has
several time points). What is left unsplit is refused by `stack.stacked`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from medsr.io.dicom.frames import Frame
from medsr.io.dicom.stack import MAX_SPACING_CHANGE, MAX_TURN, NEVER_MIXED, SAME_PLACE_MM, ct_passes

IN_A_ROW = ("time point", "trigger time", "direction", "acquisition", "acquisition time", "instance number")
TIMES = ("trigger time", "acquisition time", "instance number")  # differ from slice to slice within one turn

Times = tuple[tuple[Frame, ...], ...]


def split_volumes(frames: Sequence[Frame]) -> list[Times]:
    """The frames of each volume of a series; several lists of frames where one volume was taken several times."""
    passes = [members for stack in _stacks(frames) for members in ct_passes(stack)]
    return [_in_a_row(group) for members in passes for group in _volumes(members)]


def _stacks(frames: Sequence[Frame]) -> Iterable[list[Frame]]:
    """Frames with one matrix, spacing, origin and orientation each."""
    alike: dict[tuple[object, ...], list[list[Frame]]] = {}
    for frame in frames:
        stacks = alike.setdefault((frame.shape, frame.frame_of_reference), [])
        for members in stacks:
            if _parallel(members[0], frame):
                members.append(frame)
                break
        else:
            stacks.append([frame])
    return [members for stacks in alike.values() for members in stacks]


def _parallel(first: Frame, frame: Frame) -> bool:
    turn = np.abs(first.directions - frame.directions).max()
    change = np.abs(np.divide(frame.spacing_mm, first.spacing_mm) - 1).max()
    return bool(turn <= MAX_TURN and change <= MAX_SPACING_CHANGE)


def _volumes(stack: Sequence[Frame]) -> Iterable[list[Frame]]:
    """Apart by the labels that one volume never mixes, where positions repeat and each volume is one block of them."""
    places = _places(stack)
    if len(places) == len(set(places)):
        return [list(stack)]
    apart: dict[tuple[str | None, ...], list[tuple[int, Frame]]] = {}
    for place, frame in zip(places, stack, strict=True):
        apart.setdefault(tuple(frame.labels.get(name) for name in NEVER_MIXED), []).append((place, frame))
    for members in apart.values():
        held = {place for place, _ in members}
        if max(held) - min(held) + 1 != len(held):  # every second slice, say: no volume of its own
            return [list(stack)]
    return [[frame for _, frame in members] for members in apart.values()]


def _in_a_row(group: Sequence[Frame]) -> Times:
    """The same positions again and again, ordered by the first label that tells the turns apart at every position."""
    by_place: dict[int, list[Frame]] = {}
    for place, frame in zip(_places(group), group, strict=True):
        by_place.setdefault(place, []).append(frame)
    n_times = {len(members) for members in by_place.values()}
    if n_times == {1} or len(n_times) > 1:
        return (tuple(group),)
    for name in IN_A_ROW:
        if _tells_apart(name, list(by_place.values())):
            rows = [sorted(members, key=lambda frame: _order(frame.labels[name])) for members in by_place.values()]
            turns = tuple(zip(*rows, strict=True))
            if name != "instance number" or _in_blocks(turns):
                return turns
    return (tuple(group),)


def _tells_apart(name: str, rows: Sequence[Sequence[Frame]]) -> bool:
    """Whether the label has a value of its own for each turn at every position; numbers of turns are the same ones."""
    values = [{frame.labels.get(name) for frame in members} for members in rows]
    distinct = all(None not in held and len(held) == len(rows[0]) for held in values)
    return distinct and (name in TIMES or all(held == values[0] for held in values))


def _in_blocks(turns: Times) -> bool:
    """Whether every instance of one turn is numbered before those of the next: numbers alone say little else."""
    numbers = [[_order(frame.labels["instance number"]) for frame in turn] for turn in turns]
    return all(max(before) < min(after) for before, after in pairwise(numbers))


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def _places(frames: Sequence[Frame]) -> list[int]:
    """Number of each frame's position along the normal; frames at one position share it."""
    normal = np.cross(*frames[0].directions)
    along_mm = np.array([frame.position_mm @ normal for frame in frames])
    order = np.argsort(along_mm, kind="stable")
    numbers = np.empty(len(frames), int)
    numbers[order] = np.concatenate([[0], np.cumsum(np.diff(along_mm[order]) > SAME_PLACE_MM)])
    return [int(number) for number in numbers]
