"""Find a frame that crashes the detector, and dead-letter it.

The count of attempts outlives the process, in the metadata of the group's committed offsets
(suspects.Note). Each commit notes that frames from this offset on are in progress; a stop or a
rebalance clears the note. A detector that finds a note knows that the partition's last owner ended
while working. It then takes the frames that may have been in progress one at a time, and counts
each before it starts, so that no neighbouring frame is blamed. When a frame is due for its third
attempt alone, it is dead-lettered without being processed. In normal operation this costs one
commit per assignment.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from parking.core.errors import Invalid, Retryable
from parking.runtime.faults import fault, holding
from parking.runtime.metrics import DEAD_LETTERS
from parking.runtime.runner import Handle
from parking.wire import codec
from parking.wire.ports import Clock, Outgoing, Place, Record
from services.detector.handler import SERVICE
from services.detector.suspects import Batch, Committed, Note, Partition, place_of, split

log = logging.getLogger(__name__)

Poll = Callable[[int, int], Awaitable[list[Record]]]

LIMIT: Final = 3
"""At this attempt alone, a frame is dead-lettered instead of processed."""
REASON: Final = "kills-the-detector"
_FINISH_S: Final = 5.0
"""How long a rebalance waits for a frame that is being processed alone."""


class Offsets(Protocol):
    """The group's offsets in Kafka (offsets.GroupLog). All methods raise Retryable during an
    outage."""

    async def commit(self, offsets: Mapping[Place, Committed]) -> None:
        """See ports.Consumer; the offsets carry metadata."""

    async def committed(self, places: Collection[Place]) -> dict[Place, Committed]:
        """Return the committed offsets; places without a commit are left out."""

    async def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the offset after the last record of each place."""


class Attempts:
    """A ports.Consumer. `poll` is the group's getmany. With `skip` only a camera's newest frame
    counts."""

    def __init__(
        self, poll: Poll, offsets: Offsets, clock: Clock, *, skip: bool, limit: int = LIMIT
    ) -> None:
        self._poll = poll
        self._offsets = offsets
        self._clock = clock
        self._skip = skip
        self._limit = limit
        self._assignment = 0
        self._partitions: dict[Place, Partition] = {}
        self._polled: list[Record] = []
        self._batches: deque[Batch] = deque()
        self._in_hand: tuple[int, Batch] | None = None
        """The batch in progress, with the assignment under which it was delivered."""
        self._idle = asyncio.Event()

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer. Notes in Kafka that the records are in progress before it returns
        them. It may be called again before the commit. Nothing is added to a suspect in progress,
        and no suspect is added to other work."""
        if not self._polled and not self._batches:
            self._polled = await self._poll(timeout_ms, max_records)
        if self._polled:
            await self._sort(max_records)
        if not self._batches or self._joined(self._batches[0]) is None:
            return []
        return await self._hand_over()

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer. The records delivered last are done."""
        assignment, batch = self._in_hand or (self._assignment, Batch([]))
        if assignment == self._assignment:
            done: dict[Place, set[int]] = {}
            for record in batch.records:
                done.setdefault(place_of(record), set()).add(record.offset)
            for place, numbers in done.items():
                self._partitions[place].done(numbers)
            await self._offsets.commit({p: self._partitions[p].committed() for p in done})
        elif batch.suspect is None:
            await self._offsets.commit({p: Committed(offset) for p, offset in offsets.items()})
        # else: the partition was reassigned meanwhile, and frames before it may not be done, so it
        # comes again
        self._in_hand = None
        self._idle.set()

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """Do nothing, because only the group decides where to continue."""
        raise NotImplementedError

    def assigned(self) -> None:
        """Note that partitions were reassigned, so what was known about them may be out of date."""
        self._assignment += 1
        self._partitions, self._polled = {}, []
        self._batches.clear()

    async def revoked(self) -> None:
        """Note that partitions are about to be reassigned, which does not count as a crash. A frame
        that is being processed alone may finish first, so that only a frame that hangs keeps its
        attempt."""
        if self._in_hand is not None and self._in_hand[1].suspect is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _FINISH_S)
        await self._put_down()
        self.assigned()

    @asynccontextmanager
    async def leaving_in_order(self) -> AsyncIterator[None]:
        """Wrap the loop. A stop or a Kafka outage does not count against a frame; any other end of
        the loop keeps its attempt."""
        try:
            yield
        except (KafkaError, asyncio.CancelledError):
            await self._leave()
            raise
        await self._leave()

    def guard(self, handle: Handle) -> Handle:
        """Return the handler without the frames that are to be dead-lettered."""

        async def guarded(records: Sequence[Record]) -> list[Outgoing]:
            if self._in_hand is None or not self._in_hand[1].condemned:
                return await handle(records)
            return [self._set_aside(record) for record in records]

        return guarded

    async def _sort(self, max_records: int) -> None:
        """Split polled records into batches, by what the group knows about their partitions."""
        assignment, polled = self._assignment, self._polled
        first = {place_of(r): r.offset for r in reversed(polled)}
        new = first.keys() - self._partitions.keys()
        committed = await self._offsets.committed(new) if new else {}
        notes = {place: Note.read(found.metadata) for place, found in committed.items()}
        suspects = {place for place, note in notes.items() if note != Note()}
        ends = await self._offsets.ends(suspects) if suspects else {}
        if assignment != self._assignment:
            return  # they are delivered again, here or elsewhere
        for place in new:
            note, end = notes.get(place, Note()), ends.get(place, 0)
            self._partitions[place] = Partition.after(note, first[place], end, max_records)
        for place in suspects:
            log.warning(
                "%s/%d: a detector ended while processing frames from offset %d on: one at a time",
                *place,
                first[place],
            )
        for record in polled:
            self._partitions[place_of(record)].polled(record.offset)
        self._polled = []
        self._batches.extend(split(polled, self._partitions, self._skip, self._limit))

    def _joined(self, batch: Batch) -> Batch | None:
        """Add the batch to the work in progress; return None when that is not allowed."""
        assignment, batch_in_hand = self._in_hand or (-1, Batch([]))
        if assignment != self._assignment:
            return batch
        alone = batch_in_hand.suspect is not None or batch.suspect is not None
        return None if alone else Batch([*batch_in_hand.records, *batch.records])

    async def _hand_over(self) -> list[Record]:
        assignment, batch = self._assignment, self._batches[0]
        places = {place_of(record) for record in batch.records}
        if batch.suspect is not None and not batch.condemned:
            (partition,) = (self._partitions[place] for place in places)
            attempts = partition.alone.get(batch.suspect.offset, 0) + 1
            suspects = partition.alone | {batch.suspect.offset: attempts}
            note = Note(in_hand=True, alone=suspects).text()
            marks = {place: Committed(partition.position, note) for place in places}
        else:
            unsaid = (place for place in places if not self._partitions[place].said)
            marks = {place: self._partitions[place].committed() for place in unsaid}
        holding(f"{r.topic}/{r.partition}/{r.offset}" for r in batch.records)
        if marks:
            await self._offsets.commit(marks)
            fault("detector.in-hand")
        if assignment != self._assignment:
            return []
        for place, mark in marks.items():
            self._partitions[place].said = True
            self._partitions[place].alone = Note.read(mark.metadata).alone
        self._batches.popleft()
        self._in_hand = assignment, self._joined(batch) or batch
        self._idle.clear()
        return batch.records

    def _set_aside(self, record: Record) -> Outgoing:
        detail = (
            f"the detector ended {self._limit - 1} times while processing this frame alone: it "
            "crashed, ran out of memory, or hung for longer than DETECTOR_FRAME_LIMIT_S"
        )
        log.error("%s/%d at %d is dead-lettered: %s", *place_of(record), record.offset, detail)
        DEAD_LETTERS.labels(SERVICE, REASON).inc()
        return codec.dead_letter(
            *(record, Invalid(REASON, detail), SERVICE, self._clock.now_ms()), attempts=self._limit
        )

    async def _leave(self) -> None:
        """Do not count the attempt at the frame that is being processed alone."""
        if self._in_hand is not None and self._in_hand[0] == self._assignment:
            suspect = self._in_hand[1].suspect
            if suspect is not None and not self._in_hand[1].condemned:
                alone = self._partitions[place_of(suspect)].alone
                if (count := alone.pop(suspect.offset, 0) - 1) > 0:
                    alone[suspect.offset] = count
        await self._put_down()

    async def _put_down(self) -> None:
        """Note that no work is in progress any more."""
        said = {place: p for place, p in self._partitions.items() if p.said}
        marks = {place: p.committed(in_hand=False) for place, p in said.items()}
        try:
            if marks:
                await self._offsets.commit(marks)
        except Retryable as error:
            log.warning("frames in progress will look as if the detector had crashed: %s", error)
