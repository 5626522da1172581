"""Detect that frames are waiting in Kafka but none arrives, because the consumer fetches nothing or
never gets its partitions. A restart fixes that. Time counts only while Kafka answers."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from parking.core.errors import Retryable
from parking.runtime.ops import Health
from parking.runtime.stall import Stall
from parking.wire.ports import Place, Record
from services.detector.suspects import Committed, place_of

LOOK_EVERY_S: Final = 5.0
_GROUP: Final = "membership of the group"


class Group(Protocol):
    """The group as Kafka sees it (offsets.GroupLog). All methods but `assigned` raise Retryable."""

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""

    async def committed(self, places: Collection[Place]) -> dict[Place, Committed]:
        """Return the committed offsets; places without a commit are left out."""

    async def begins(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the offset of the first record of each place."""

    async def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the offset after the last record of each place."""

    def assigned(self) -> set[Place]:
        """Return this member's partitions."""

    async def joined(self) -> bool:
        """Return whether this detector is a member of the group."""


class Lag:
    """`look` finds out what to expect; `getmany` notes what arrived."""

    def __init__(self, group: Group, stall: Stall, health: Health) -> None:
        self._group = group
        self._stall = stall
        self._health = health
        self._next: dict[Place, int] = {}

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer. /healthz is updated only here, because nobody polls during an
        analysis."""
        records = await self._group.getmany(timeout_ms, max_records)
        self._next |= {place_of(record): record.offset + 1 for record in records}
        full = len(records) >= max_records  # other records may then have to wait for their turn
        moved = self._group.assigned() if full else {place_of(record) for record in records}
        self._stall.moved(map(_name, moved))
        self._stall.report(self._health)
        return records

    def assigned(self) -> None:
        """Note that partitions were assigned."""
        self._next = {}
        self._stall.away()

    async def look(self) -> None:
        """Ask Kafka which records are waiting for this detector."""
        places = self._group.assigned()
        try:
            if places:
                self._stall.expect(*map(_name, await self._behind(places)))
            elif await self._group.joined():
                self._stall.expect()  # other members have them all
            else:
                self._stall.expect(_GROUP)
        except Retryable:
            self._stall.away()

    async def watch(self, stop: asyncio.Event) -> None:
        """Check every few seconds until stopped."""
        while not stop.is_set():
            await self.look()
            try:
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _behind(self, places: set[Place]) -> Sequence[Place]:
        unknown = places - self._next.keys()
        known = await self._group.committed(unknown) if unknown else {}
        begins, ends = await self._group.begins(places), await self._group.ends(places)
        position = {place: known[place].offset for place in known} | self._next
        return [p for p in sorted(places) if ends[p] > max(begins[p], position.get(p, 0))]


def _name(place: Place) -> str:
    return f"partition {place[1]}"
