"""Exits whose plate was read a little differently than at the entry. Pure.

A plate is known here by hashes alone (parking/plates.py makes them): `Passage.plate_near` is the
hash of the plate with its look-alikes made one, then those of what is left of it without its first,
second, ... last character. That tells an edit distance of one, and no more.

A plate's own passages come first. Of what they leave over, in the order of time, an exit closes
the stay with a near plate, if exactly one such stay is open then. Where two are, nobody knows
which, and it closes neither. So an exit that was taken for another vehicle's is given back as soon
as that vehicle's own exit is known.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import zip_longest
from typing import Final

from msgspec.structs import replace

from parking.site import Gates, Passage
from parking.stays import Outcome, exit_key, pair_plate, passage_key

ALWAYS_MS: Final = 2**63

Near = tuple[str, ...]
Plates = Mapping[str, list[Passage]]
Find = Callable[[Near], list[str]]
"""The known plates that are near to one."""


def is_near(a: Near, b: Near) -> bool:
    """Whether two plates are the same but for look-alikes and for one character that was read as
    another, left out or added."""
    if not a or not b:
        return False
    if a[0] == b[0]:
        return True
    if len(a) == len(b):
        return any(x == y for x, y in zip(a[1:], b[1:], strict=True))
    shorter, longer = sorted((a, b), key=len)
    return len(longer) == len(shorter) + 1 and shorter[0] in longer[1:]


def search(plates: Plates, names: Collection[str]) -> Find:
    """Look at each of these plates: quick where few are asked for."""

    def find(wanted: Near) -> list[str]:
        hashes = frozenset(wanted)
        some = [name for name in names if not hashes.isdisjoint(plates[name][-1].plate_near)]
        return [name for name in some if is_near(wanted, plates[name][-1].plate_near)]

    return find


def index(plates: Plates) -> Find:
    """Sort all plates by their hashes first: quick where many are asked for."""
    known: dict[str, list[str]] = defaultdict(list)
    for name, passages in plates.items():
        for one in passages[-1].plate_near:
            known[one].append(name)

    def find(wanted: Near) -> list[str]:
        some = {name for one in wanted for name in known.get(one, ())}
        return [name for name in some if is_near(wanted, plates[name][-1].plate_near)]

    return find


def group_of(name: str, plates: Plates, strange: Collection[str], find: Find) -> list[str]:
    """The plates that may take exits or stays from one another, this one among them: joined by
    those of `strange`, which have exits without an entry."""
    group, wave = {name}, [name]
    find_strange = search(plates, strange)
    while wave:
        one = wave.pop()
        near = plates[one][-1].plate_near
        if near:
            more = set(find(near) if one in strange else find_strange(near)) - group
            group |= more
            wave += more
    return sorted(group)


def pair_plates(
    plates: Iterable[list[Passage]], since_ms: int
) -> tuple[dict[str, Outcome], list[Passage]]:
    """What became of each entry of some plates by id, and the exits that closed none of them; of
    exits up to `since_ms`, only those of the same plate count."""
    outcomes: dict[str, Outcome] = {}
    strange: list[Passage] = []
    stays: list[tuple[Passage, Passage | None]] = []
    for passages in plates:
        own, exits = pair_plate(passages)
        outcomes |= own
        strange += exits
        stays += zip_longest(passages, passages[1:])
    left: list[Passage] = []
    if strange:
        stays = [stay for stay in stays if isinstance(outcomes.get(stay[0].id), str)]
    for leaving in sorted(strange, key=exit_key):
        found = [
            entry
            for entry, then in stays
            if isinstance(outcomes[entry.id], str)
            and _was_in(entry, then, leaving)
            and is_near(entry.plate_near, leaving.plate_near)
        ]
        if len(found) == 1 and leaving.time_ms > since_ms:
            outcomes[found[0].id] = leaving
        else:
            left.append(leaving)
    return outcomes, left


def _was_in(entry: Passage, then: Passage | None, leaving: Passage) -> bool:
    """Whether an entry that no exit of its own closed was the plate's last passage at that time."""
    begun = passage_key(entry) < passage_key(leaving)
    return begun and (then is None or passage_key(leaving) < passage_key(then))


def settle(gates: Gates, before_ms: int) -> Gates:
    """Near matches of entries from before this time stand for good: the exit becomes one of the
    entry's plate. For passages that are about to be forgotten: their other halves must not seem
    to be without them."""
    if not gates.misread:
        return gates
    plates, find, seen = dict(gates.plates), index(gates.plates), set[str]()
    for name in gates.misread:
        if name not in seen:
            group = group_of(name, plates, gates.misread, find)
            seen |= {*group}
            settle_group(plates, group, gates.counted_at_ms, before_ms)
    return replace(gates, plates=plates, misread=misread_of(plates, gates.misread))


def settle_group(
    plates: dict[str, list[Passage]], group: Collection[str], since_ms: int, before_ms: int
) -> None:
    """As `settle`, for these plates."""
    outcomes, _ = pair_plates([plates[name] for name in group], since_ms)
    owners = {passage.id: name for name in group for passage in plates[name]}
    for entry in [entry for name in group for entry in plates[name]]:
        leaving, name = outcomes.get(entry.id), owners[entry.id]
        if not isinstance(leaving, Passage) or entry.time_ms >= before_ms:
            continue
        theirs = owners[leaving.id]
        if theirs == name:
            continue
        # Its own hash stays, which tells that the match was a near one.
        one_of_it = replace(leaving, plate_near=entry.plate_near)
        plates[name] = sorted([*plates[name], one_of_it], key=passage_key)
        plates[theirs] = [one for one in plates[theirs] if one.id != leaving.id]
        if not plates[theirs]:
            del plates[theirs]


def misread_of(plates: Plates, names: Iterable[str]) -> list[str]:
    """Of these plates those that have exits without an entry, which may be near to others."""
    return sorted(
        name
        for name in names
        if name in plates and plates[name][-1].plate_near and pair_plate(plates[name])[1]
    )
