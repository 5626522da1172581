"""Messages for a reconnecting client: the changes it missed, then the current state of everything
else.

Messages are encoded a few at a time, as the client accepts them, so a client that accepts nothing
holds only references to shared data.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from parking.core.topics import SLOT_CHANGES
from services.notifier import handler
from services.notifier.clients import Message, Sites, includes
from services.notifier.log import Log, expired
from services.notifier.ring import Change, FromTopic, Reset, format_id, missed
from services.notifier.settings import Limits

AT_ONCE: Final = 100
"""How many messages are encoded together for a client."""
TOPIC_READS: Final = 4
"""How many clients at a time are sent changes that were read again from Kafka, because such changes
are not shared between clients."""
WAIT_LIMIT_S: Final = 5.0


class TopicReads:
    """Reads missed changes again from Kafka, for a few clients at a time."""

    def __init__(self, log_: Log, limits: Limits) -> None:
        self._log = log_
        self._limits = limits
        self._places = asyncio.Semaphore(TOPIC_READS)

    async def read(self, plan: FromTopic, using: ExitStack) -> list[Change] | Reset:
        """Return the missed records, or the reason why they are unavailable. The client's place is
        taken until `using` is closed, when the client has been sent the records. Raises
        Retryable."""
        starts = {(SLOT_CHANGES, p): offset for p, offset in plan.vector.items()}
        ends = {(SLOT_CHANGES, p): offset for p, offset in plan.until.items()}
        if missed(plan.vector, plan.until) > self._limits.resume_changes:
            return Reset("too-old" if await expired(self._log, starts) else "too-many")
        try:
            async with asyncio.timeout(WAIT_LIMIT_S):
                await self._places.acquire()
        except TimeoutError:
            return Reset("busy")
        using.callback(self._places.release)
        if await expired(self._log, starts):
            return Reset("too-old")
        records = await self._log.read(starts, ends)
        if await expired(self._log, starts):
            return Reset("too-old")  # retention deleted them first
        changes = []
        for record in records:
            update = handler.readable(record)
            if update is not None and update.change is not None:
                changes.append(Change(record.partition, record.offset, update.change, update.data))
        return changes


def missed_changes(
    cluster_id: str, vector: Mapping[int, int], changes: Sequence[Change], sites: Sites
) -> Iterator[Message]:
    """Yield each message with the client's position after it."""
    seen = dict(vector)
    for change in changes:
        seen[change.partition] = change.offset + 1
        if includes(sites, change.event.site_id):
            place = format_id(cluster_id, seen)
            yield Message("slot-change", change.data, place, change.event.site_id)


def in_batches(messages: Iterator[Message]) -> Iterator[list[Message]]:
    """Yield batches of messages that are encoded together."""
    some: list[Message] = []
    for message in messages:
        some.append(message)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
