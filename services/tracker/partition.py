"""One partition: its sites in memory, and the order of effects for the records that change them.

The outputs of a batch, its input offsets and sometimes a checkpoint of the sites are written to
Kafka in one transaction. A new owner of a partition fences off the earlier ones, loads the
checkpoint, and folds the later inputs up to the last batch again, without writing.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from parking.core.errors import Retryable
from parking.core.events import SlotChanged
from parking.core.site import Site
from parking.runtime.faults import fault, holding
from parking.runtime.metrics import BOOT_RESTARTS, DEAD_LETTERS, RECORDS_IGNORED, SLOT_CHANGES
from parking.wire.ports import Clock, Outgoing, Record
from services.tracker import checkpoints, handler
from services.tracker.checkpoints import Mark
from services.tracker.fold import Folded, fold
from services.tracker.handler import SERVICE

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_MS: Final = 10_000
CHECKPOINT_RECORDS: Final = 5_000
"""A checkpoint is due after this time or this many records, which limits how much is folded
again."""


class Log(Protocol):
    """A partition's topics (adapters.KafkaLog, or memory). All but `close` raise Retryable."""

    async def fence(self) -> None:
        """Become the only writer, so that earlier ones can no longer write. When this returns,
        unfinished transactions are aborted."""

    async def topic_ids(self) -> dict[str, str]:
        """Kafka's own id of each input topic. A topic that was deleted and recreated has a new
        one."""

    async def checkpoint(self) -> list[Record]:
        """All records of the partition in parking.tracker-checkpoints."""

    async def batches(self, first: int) -> list[Record]:
        """The partition's records in parking.tracker-batches from this offset on."""

    async def inputs(self, first: Mapping[str, int], last: Mapping[str, int]) -> list[Record]:
        """The records of each topic from `first` (or its start) up to `last`."""

    async def write(
        self, messages: Sequence[Outgoing], offsets: Mapping[str, int]
    ) -> list[tuple[int, int]]:
        """Write everything in one transaction with the group's offsets, and return each record's
        partition and offset. Raises Fenced if another process is the writer now. After Retryable it
        is unknown whether it was written, so call `fence` and then read."""

    async def close(self) -> None:
        """Stop writing."""


class Partition:
    """Restore it first, then pass records to it. `next`: the next offset to read, by topic."""

    def __init__(self, number: int, log: Log, clock: Clock, run: str) -> None:
        self.number = number
        self.next: dict[str, int] = {}
        self.sites: dict[str, Site] = {}
        self._log = log
        self._clock = clock
        self._run = run
        self._changed: set[str] = set()
        self._records = 0
        self._kept_at_ms = 0
        self._batches = 0
        self._topic_ids: dict[str, str] = {}
        self._made_anew = False

    async def restore(self) -> None:
        """Take over the partition. Raises Retryable, NewerFormat."""
        await self._log.fence()
        fault("tracker.after-fence")
        mark, self.sites = checkpoints.read(await self._log.checkpoint())
        batches = await self._log.batches(mark.batches)
        self._topic_ids = await self._log.topic_ids()
        recreated = {
            t for t, known in mark.topic_ids.items() if self._topic_ids.get(t, known) != known
        }
        ends = [_without(checkpoints.read_batch(record), recreated) for record in batches]
        self.next = _without(mark.next, recreated)
        if recreated:
            log.warning("recreated, so read from the start: %s", ", ".join(sorted(recreated)))
        if ends:
            await self._fold_again(ends)
        self._made_anew = bool(recreated)
        self._batches = batches[-1].offset + 1 if batches else mark.batches
        self._kept_at_ms = self._clock.now_ms()

    async def apply(self, records: Sequence[Record]) -> None:
        """Make all effects of these records durable, or none. Raises Retryable, Fenced."""
        holding(_place(record) for record in records)
        before = [r for r in records if r.offset < self.next.get(r.topic, 0)]
        if before:
            raise Retryable(
                f"{_place(before[0])} was read twice: its topic may have been recreated"
            )
        folded = self._fold(handler.in_order(records))
        after = handler.next_offsets(records, self.next)
        self._changed |= folded.sites.keys()
        self._records += len(records)
        written = await self._write(folded.messages, after, self.sites | folded.sites)
        self.sites.update(folded.sites)
        self.next, self._batches = after, written
        _count(folded)

    async def keep(self) -> None:
        """Write a checkpoint if one is due, even if nothing was read."""
        if self._due():
            self._batches = await self._write([], self.next, self.sites)

    async def close(self) -> None:
        """Release the partition."""
        await self._log.close()

    async def _write(
        self, messages: Sequence[Outgoing], after: Mapping[str, int], sites: Mapping[str, Site]
    ) -> int:
        """Return the offset after the transaction's batch."""
        kept: list[Outgoing] = []
        due = self._due()
        if due:
            changed = [sites[site_id] for site_id in sorted(self._changed)]
            kept = [checkpoints.site_record(self.number, site) for site in changed]
            # This transaction's own batch is read again with the next ones, without effect.
            mark = Mark(next=dict(after), topic_ids=self._topic_ids, batches=self._batches)
            kept.append(checkpoints.mark_record(self.number, mark))
        batch = checkpoints.batch_record(self.number, after)
        fault("tracker.before-write")
        places = await self._log.write([*messages, *kept, batch], after)
        fault("tracker.after-write")
        if due:
            self._changed, self._records, self._made_anew = set(), 0, False
            self._kept_at_ms = self._clock.now_ms()
        return places[-1][1] + 1

    def _due(self) -> bool:
        passed_ms = abs(self._clock.now_ms() - self._kept_at_ms)
        late = passed_ms >= CHECKPOINT_EVERY_MS or self._records >= CHECKPOINT_RECORDS
        return self._made_anew or (late and bool(self._changed))

    def _fold(self, records: Sequence[Record]) -> Folded:
        folded = fold(records, self.sites, self._run, self._clock.now_ms())
        for record, newer in folded.newer:
            log.warning("%s: skipped: %s", _place(record), newer)
        for record, error in folded.refused:
            log.warning("%s: %s", _place(record), error)
        for record in folded.restarted:
            log.warning("%s: the boot counter of its device restarted", _place(record))
        return folded

    async def _fold_again(self, ends: Sequence[Mapping[str, int]]) -> None:
        """Bring the sites from the checkpoint up to the last batch."""
        for batch in handler.batches(await self._log.inputs(self.next, ends[-1]), ends):
            folded = self._fold(batch)
            self.sites.update(folded.sites)
            self._changed |= folded.sites.keys()
            self._records += len(batch)
        self.next = dict(ends[-1])


def _without(offsets: Mapping[str, int], topics: set[str]) -> dict[str, int]:
    return {topic: offset for topic, offset in offsets.items() if topic not in topics}


def _count(folded: Folded) -> None:
    for _ in folded.newer:
        RECORDS_IGNORED.labels("newer").inc()
    for record in folded.ignored:
        RECORDS_IGNORED.labels(record.topic).inc()
    for _, error in folded.refused:
        DEAD_LETTERS.labels(SERVICE, error.reason).inc()
    BOOT_RESTARTS.inc(len(folded.restarted))
    states = Counter(event.to_state for event in folded.events if isinstance(event, SlotChanged))
    for state, count in states.items():
        SLOT_CHANGES.labels(state).inc(count)


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
