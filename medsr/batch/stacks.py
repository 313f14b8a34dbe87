"""Files of a BIDS data set that are stacks of one body, as one case."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.fusion.groups import stacks_of_one_body
from medsr.io.bids import fused_name
from medsr.io.found import Found, fused


def with_stacks_fused(found: Sequence[Found]) -> tuple[Found, ...]:
    """The scans of a data set, where those that could be fused are one.

    A file that can't be read may be a stack of the group that it is named for: the group then fails with the reason,
    and is not made of what is left.

    Args:
        found: Scans in the order of their places.

    Returns:
        Scans and groups; a group stands in the place of its first stack.
    """
    names = [fused_name(one.name) for one in found]
    groups = stacks_of_one_body([(name, one.outline) for name, one in zip(names, found, strict=True)])
    unread = [n for n, one in enumerate(found) if one.outline is None]
    made: dict[int, Found] = {}
    inside: set[int] = set()
    for group in groups:
        name = names[group[0]]
        stacks = sorted({*group, *(n for n in unread if names[n] == name and n not in inside)})
        made[stacks[0]] = fused([found[n] for n in stacks], f"fuse|{found[group[0]].identity}", name)
        inside.update(stacks)
    return tuple(made.get(n, one) for n, one in enumerate(found) if n in made or n not in inside)
