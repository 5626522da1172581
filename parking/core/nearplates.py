"""Match exits whose plate was read slightly differently than at the entry. Pure.

Only hashes of plates are known here (parking/access/plates.py makes them). `Passage.plate_near` is
the hash of the plate with look-alike characters made equal, followed by hashes of it without its
first, second, ... last character. These hashes reveal an edit distance of one and nothing else.

A plate's own passages are matched first. The remaining exits are taken in order of time, and each
closes the stay of a near plate if exactly one such stay is open at that time. If there are two, the
right one cannot be known, so the exit closes neither. An exit that was matched to another vehicle's
stay is released as soon as that vehicle's own exit is known.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import zip_longest
from typing import Final

from msgspec.structs import replace

from parking.core.passages import Draft, Passage
from parking.core.site import Gates
from parking.core.stays import Outcome, exit_key, pair_plate, passage_key

ALWAYS_MS: Final = 2**63

Near = tuple[str, ...]
Plates = Mapping[str, list[Passage]]
Find = Callable[[Near], list[str]]
"""Finds the known plates that are near to one plate."""


def is_near(a: Near, b: Near) -> bool:
    """Whether two plates are equal apart from look-alikes and at most one misread, missing or extra
    character."""
    if not a or not b:
        return False
    if a[0] == b[0]:
        return True
    if len(a) == len(b):
        return any(x == y for x, y in zip(a[1:], b[1:], strict=True))
    shorter, longer = sorted((a, b), key=len)
    return len(longer) == len(shorter) + 1 and shorter[0] in longer[1:]


def search(plates: Plates, names: Collection[str]) -> Find:
    """Compare with each of these plates, which is fast for few look-ups."""

    def find(wanted: Near) -> list[str]:
        hashes = frozenset(wanted)
        some = [name for name in names if not hashes.isdisjoint(plates[name][-1].plate_near)]
        return [name for name in some if is_near(wanted, plates[name][-1].plate_near)]

    return find


def index(plates: Plates) -> Find:
    """Index all plates by their hashes first, which is fast for many look-ups."""
    known: dict[str, list[str]] = defaultdict(list)
    for name, passages in plates.items():
        for one in passages[-1].plate_near:
            known[one].append(name)

    def find(wanted: Near) -> list[str]:
        some = {name for one in wanted for name in known.get(one, ())}
        return [name for name in some if is_near(wanted, plates[name][-1].plate_near)]

    return find


def group_of(name: str, plates: Plates, strange: Collection[str], find: Find) -> list[str]:
    """The plates, including this one, that may exchange exits or stays. They are connected by
    plates of `strange`, which have exits without an entry."""
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
    """Return the outcome of each entry of some plates, keyed by id, and the exits that closed none
    of them. Exits up to `since_ms` count only for the same plate."""
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
    """Whether this entry, which no exit of its own plate closed, was the plate's last passage at
    that time."""
    begun = passage_key(entry) < passage_key(leaving)
    return begun and (then is None or passage_key(leaving) < passage_key(then))


def settle(gates: Gates, before_ms: int) -> Gates:
    """Make near matches of entries before this time final: the exit is moved to the entry's plate.
    This is for passages that are about to be forgotten, so that their counterparts are not left
    unmatched."""
    if not gates.misread:
        return gates
    plates, find, seen = gates.plates.draft(), index(gates.plates), set[str]()
    for name in gates.misread:
        if name not in seen:
            group = group_of(name, plates, gates.misread, find)
            seen |= {*group}
            settle_group(plates, group, gates.counted_at_ms, before_ms)
    misread = misread_of(plates, gates.misread)
    return replace(gates, plates=plates.finish(), misread=misread)


def settle_group(plates: Draft, group: Collection[str], since_ms: int, before_ms: int) -> None:
    """Do the same as `settle`, for these plates."""
    outcomes, _ = pair_plates([plates[name] for name in group], since_ms)
    owners = {passage.id: name for name in group for passage in plates[name]}
    for entry in [entry for name in group for entry in plates[name]]:
        leaving, name = outcomes.get(entry.id), owners[entry.id]
        if not isinstance(leaving, Passage) or entry.time_ms >= before_ms:
            continue
        theirs = owners[leaving.id]
        if theirs == name:
            continue
        # The exit keeps its own hash, which shows that the match was a near one.
        one_of_it = replace(leaving, plate_near=entry.plate_near)
        plates[name] = sorted([*plates[name], one_of_it], key=passage_key)
        plates[theirs] = [one for one in plates[theirs] if one.id != leaving.id]
        if not plates[theirs]:
            del plates[theirs]


def misread_of(plates: Plates, names: Iterable[str]) -> list[str]:
    """The plates among these that have exits without an entry and so may be near to others."""
    return sorted(
        name
        for name in names
        if name in plates and plates[name][-1].plate_near and pair_plate(plates[name])[1]
    )
