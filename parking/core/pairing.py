"""Match exits to entries. The result does not depend on the order of arrival. Pure.

Passages are matched in the order of their own times:

- An exit with a plate closes the stay of the same plate, if that plate's last passage was an entry.
- If there is none, it closes the stay of a near plate if exactly one such stay is open
  (nearplates.py).
- Any other exit closes the oldest stay without a plate, never one with another plate.
- An exit that finds no stay is a stray.
- An entry of a plate that is already inside ends its earlier stay (`entered-again`).
- A stay without a plate ends at the maximum stay or at the site's empty time, and no later exit
  closes it. A stay with a plate ends then, too, unless its own exit becomes known later.

A late passage is inserted in order of time and its effects are worked out. A late entry takes the
exit of the next entry, which takes the exit of the one after it, until one takes a stray or stays
open. Passages that are no longer remembered do not change.
"""

from bisect import bisect_left, bisect_right, insort
from itertools import chain
from typing import Final

from parking.core.nearplates import Near, group_of, misread_of, pair_plates, search, settle_group
from parking.core.passages import Draft, Passage
from parking.core.site import Gates, OpenSession, Site, Stay
from parking.core.stays import (
    Changes,
    Ending,
    Outcome,
    end_of_stay,
    entry_key,
    exit_key,
    gates_of,
    pair_plate,
    passage_key,
    session_of,
    stay_entry,
    stay_exit,
)

STAY_MEMORY: Final = 4_000
STRAY_MEMORY: Final = 4_000
PLATE_MEMORY: Final = 8_000
PLATE_PASSAGES: Final = 16

_NEVER_MS: Final = 2**63


class Pairing:
    """A working copy of a site's passages while one more is added."""

    def __init__(self, site: Site) -> None:
        gates = site.gates if site.gates != Gates() else gates_of(site.sessions)
        self.open = list(site.sessions)
        self.changes = Changes()
        self._parameters = site.parameters
        self._tick_ms = site.tick_ms
        self._stays = list(gates.stays)
        self._ended = list(gates.ended)
        self._strays = list(gates.strays)
        self._plates = gates.plates
        self._misread = gates.misread
        self._counted_at_ms = gates.counted_at_ms

    def gates(self) -> Gates:
        """The passages to remember."""
        return Gates(
            stays=self._stays[-STAY_MEMORY:],
            ended=self._ended[-STAY_MEMORY:],
            strays=self._strays[-STRAY_MEMORY:],
            plates=self._plates,
            misread=self._misread,
            counted_at_ms=self._counted_at_ms,
        )

    def add(self, passage: Passage) -> None:
        """Insert a passage in order of time."""
        if passage.time_ms <= self._counted_at_ms:
            self._add_counted(passage)
        elif passage.plate_hash is not None:
            self._add_plated(passage, passage.plate_hash)
        elif passage.direction == "entry":
            self._match(session_of(passage), None)
        else:
            self._match_exit(passage)

    def end(self, session: OpenSession, ending: Ending) -> None:
        """Give up an open session. If it has no plate, an exit from before its end may still close
        it, unless other sessions were needed to make up for it."""
        self._take_open(session)
        if session.plate_hash is None and ending in ("maximum-stay", "empty-time"):
            insort(self._ended, session, key=entry_key)
        self.changes.note(session, "open", ending)

    def begin(self, session: OpenSession) -> None:
        """Add an open session that has no entry passage."""
        insort(self.open, session, key=entry_key)
        self.changes.note(session, None, "open")

    # ------------------------------------------------------------ without a plate
    def _match(
        self, session: OpenSession, before: Outcome, after: tuple[int, str] | None = None
    ) -> None:
        """Find the exit of an entry without a plate. An entry that loses its exit to it looks for
        another one. If `after` is given, only later exits may be used."""
        while True:
            begin = after or (session.entry_at_ms, "")
            index = bisect_right(self._stays, entry_key(session), key=stay_entry)
            if after is not None:
                index = max(index, bisect_right(self._stays, after, key=stay_exit))
            stray = bisect_left(self._strays, begin, key=exit_key)
            taken = [stay.exit for stay in self._stays[index : index + 1]]
            leaving = min([*taken, *self._strays[stray : stray + 1]], key=exit_key, default=None)
            if leaving is None or leaving.time_ms > self._end_ms(session):
                self._leave_unmatched(session, before)
                return
            self.changes.note(session, before, leaving)
            stay = Stay(session, leaving)
            if leaving not in taken:
                self._no_stray(leaving)
                self._stays.insert(index, stay)
                return
            session, before, after = self._stays[index].entry, leaving, None
            self._stays[index] = stay

    def _leave_unmatched(self, session: OpenSession, before: Outcome) -> None:
        """Open the session, unless it would already have expired."""
        ends = end_of_stay(session.entry_at_ms, self._parameters)
        if ends is not None and ends[0] <= self._tick_ms:
            if session.plate_hash is None:
                insort(self._ended, session, key=entry_key)
            self.changes.note(session, before, ends[1])
        else:
            insort(self.open, session, key=entry_key)
            self.changes.note(session, before, "open")

    def _match_exit(self, passage: Passage) -> None:
        """Close the oldest stay without a plate that was open at that time. If a later exit had
        closed it, that exit finds another stay."""
        while True:
            unmatched = self._oldest_unmatched(passage.time_ms)
            index = bisect_right(self._stays, exit_key(passage), key=stay_exit)
            taken = self._stays[index] if index < len(self._stays) else None
            if taken is not None and taken.entry.entry_at_ms > passage.time_ms:
                taken = None
            if unmatched and (taken is None or entry_key(unmatched) < entry_key(taken.entry)):
                before = self._take_unmatched(unmatched)
                insort(self._stays, Stay(unmatched, passage), key=stay_entry)
                self.changes.note(unmatched, before, passage)
                return
            if taken is None:
                insort(self._strays, passage, key=exit_key)
                self.changes.note_stray(passage, True)
                return
            self._stays[index] = Stay(taken.entry, passage)
            self.changes.note(taken.entry, taken.exit, passage)
            passage = taken.exit

    def _oldest_unmatched(self, time_ms: int) -> OpenSession | None:
        """Return the oldest stay that was open at that time and has neither a plate nor an exit."""
        index = bisect_left(self._ended, time_ms, key=self._end_ms)
        for session in self._ended[index : index + 1] or self.open:
            if session.entry_at_ms > time_ms:
                return None
            if session.plate_hash is None and self._end_ms(session) >= time_ms:
                return session
        return None

    def _end_ms(self, session: OpenSession) -> int:
        ends = end_of_stay(session.entry_at_ms, self._parameters)
        return ends[0] if ends else _NEVER_MS

    def _take_unmatched(self, session: OpenSession) -> Outcome:
        if self._take_open(session):
            return "open"
        del self._ended[bisect_left(self._ended, entry_key(session), key=entry_key)]
        return self._ending(session)

    def _ending(self, session: OpenSession) -> Ending:
        """The reason why a session ended without an exit."""
        ends = end_of_stay(session.entry_at_ms, self._parameters)
        return ends[1] if ends else "recount"

    def _take_open(self, session: OpenSession) -> OpenSession | None:
        """Remove the session from the open ones and return it, or return None if it is not among
        them."""
        index = self._index_open(session)
        return None if index is None else self.open.pop(index)

    def _index_open(self, session: OpenSession) -> int | None:
        index = bisect_left(self.open, entry_key(session), key=entry_key)
        there = index < len(self.open) and self.open[index].session_id == session.session_id
        return index if there else None

    def _no_stray(self, passage: Passage) -> None:
        self._strays.remove(passage)
        self.changes.note_stray(passage, False)

    def _take_back_exit(self, passage: Passage) -> None:
        """Release an exit that has an entry of its own. The stay that it closed finds another
        exit."""
        index = bisect_left(self._stays, exit_key(passage), key=stay_exit)
        if index < len(self._stays) and self._stays[index].exit == passage:
            freed = self._stays.pop(index).entry
            self._match(freed, passage, after=exit_key(passage))
        elif passage in self._strays:
            self._no_stray(passage)

    # ------------------------------------------------------------ with a plate
    def _add_plated(self, passage: Passage, plate: str) -> None:
        """Match a plate's passages with each other, then with passages of similar plates. Remaining
        exits are matched like exits without a plate."""
        known = self._plates.get(plate, [])
        passages = [*known]
        insort(passages, passage, key=passage_key)
        plates = self._plates.draft()
        plates[plate] = passages
        group = self._group(plates, plate)
        others = [plates[name] for name in group if name != plate]
        before, strange_before = pair_plates([known, *others], self._counted_at_ms)
        now, strange = pair_plates([passages, *others], self._counted_at_ms)
        for other in strange_before:
            if other not in strange:
                self._take_back_exit(other)
        for entry in chain(passages, *others):
            if entry.direction == "entry" and before.get(entry.id) != now[entry.id]:
                self._change_plated(entry, before.get(entry.id), now[entry.id])
        for other in strange:
            if other not in strange_before:
                self._match_exit(other)
        self._remember(plates, group, plate)

    def _group(self, plates: Draft, plate: str) -> list[str]:
        """The plate and those with which it may exchange exits or stays."""
        strange = {*self._misread, *misread_of(plates, [plate])}
        if not strange:
            return [plate]

        def find(wanted: Near) -> list[str]:
            every = plates.joined()
            return search(every, every)(wanted)

        return group_of(plate, plates, strange, find)

    def _remember(self, plates: Draft, group: list[str], plate: str) -> None:
        """Remember the plates as they are now, up to the maximum number."""
        if len(plates[plate]) > PLATE_PASSAGES:
            settle_group(plates, group, self._counted_at_ms, _NEVER_MS)
            kept = plates.pop(plate, [])
            strange = pair_plate(kept)[1]
            kept = kept[-PLATE_PASSAGES:]
            while kept and kept[0].direction == "exit" and kept[0] not in strange:
                kept = kept[1:]
            if kept:
                plates[plate] = kept
        while len(plates) > PLATE_MEMORY:
            self._forget_plate(plates, next(iter(plates)))
        self._plates = plates.finish()
        others = [name for name in self._misread if name not in group and name in plates]
        self._misread = sorted([*others, *misread_of(plates, group)])

    def _forget_plate(self, plates: Draft, plate: str) -> None:
        """Forget the plate unless it is inside. In that case it counts as seen just now."""
        last = plates[plate][-1]
        if last.direction == "entry" and self._index_open(session_of(last)) is not None:
            plates[plate] = plates[plate]
            return
        settle_group(plates, self._group(plates, plate), self._counted_at_ms, _NEVER_MS)
        plates.pop(plate, None)

    def _change_plated(self, entry: Passage, before: Outcome, now: Outcome) -> None:
        session = session_of(entry)
        was_open = self._take_open(session) if before == "open" else None
        if before == "open" and was_open is None:
            before = self._ending(session)
        session = was_open or session
        if now == "open":
            self._leave_unmatched(session, before)
        else:
            self.changes.note(session, before, now)

    # ------------------------------------------------------------ counted already
    def _add_counted(self, passage: Passage) -> None:
        """Add a passage from before the last recount, which does not change the number of
        vehicles."""
        if passage.direction == "entry":
            self.changes.note(session_of(passage), None, "recount")
        else:
            self.changes.note_stray(passage, True)
