"""Read a window of the topics from Kafka, partition by partition and without a consumer group, so
that running services are not affected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from parking.core.errors import Invalid, Retryable
from parking.core.events import DetectionMade, DeviceReported, Event, FrameReceived, SlotChanged
from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    LAYOUTS,
    SITE_COMMANDS,
    SLOT_CHANGES,
)
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, to_record
from parking.wire import codec
from parking.wire.ports import Record
from tools.record.archive import ArchiveWriter
from tools.record.recording import KINDS, Kept

_STALL_MS: Final = 30_000
_LATE_MS: Final = 15 * 60_000
"""How long after a range's last picture to keep searching for records about its pictures."""
Progress = Callable[[str, int, int], None]
"""Called with (topic, records read, records to read)."""


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames `first` to `last` (offsets, inclusive) of one partition of the frames' topic."""

    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to keep: a window in the broker's time (`to_ms` exclusive), or a range of frames."""

    sites: frozenset[str]
    from_ms: int
    to_ms: int
    frames: bool = True
    detections: bool = True
    changes: bool = True
    range: FrameRange | None = None


class _Window:
    """A recording in progress."""

    def __init__(
        self, consumer: AIOKafkaConsumer, wanted: Wanted, out: ArchiveWriter, progress: Progress
    ) -> None:
        self._consumer = consumer
        self._wanted = wanted
        self._out = out
        self._progress = progress
        self.notes: list[str] = []
        self._unreadable = 0
        self._seen_from: dict[int, int] = {}
        self._of_range: set[str] = set()

    async def take(self, topic: str) -> None:
        """Read the topic's window and, for topics that hold state, also the records before it."""
        places = await assign_all(self._consumer, topic)
        begins = await self._consumer.beginning_offsets(places)
        starts, ends = await self._bounds(places)
        if topic == FRAMES:
            # In the window, a lagging detector reports on frames that came before it.
            wanted = {
                p: min(starts[p], self._seen_from.get(p.partition, starts[p])) for p in places
            }
            starts = {p: max(begins[p], wanted[p]) for p in places}
            self._note_lost(begins, starts)
        ranges = {place: (starts[place], ends[place]) for place in places}
        if topic in (SITE_COMMANDS, DEVICE_EVENTS, SLOT_CHANGES):
            last: dict[object, Kept] = {}
            earlier = {place: (begins[place], starts[place]) for place in places}
            async for record in self._read(topic, earlier):
                for kept in self._kept(record):
                    last[_scene_key(kept)] = kept
            last.pop(None, None)
            for kept in last.values():
                self._out.add(kept, before=True)
        async for record in self._read(topic, ranges):
            for kept in self._kept(record):
                self._note_of_range(kept.event)
                if not self._left_out(kept):
                    self._out.add(kept, record.value if topic == FRAMES else None)
                    self._note_seen(kept.event)
        if self._wanted.range is not None and topic in (DETECTIONS, SLOT_CHANGES):
            await self._take_late(topic, ends)

    async def _take_late(self, topic: str, starts: dict[TopicPartition, int]) -> None:
        """Read the records about a range's pictures that followed the last of them."""
        until = await self._at(list(starts), self._wanted.to_ms + _LATE_MS)
        ranges = {place: (start, until[place]) for place, start in starts.items()}
        async for record in self._read(topic, ranges):
            for kept in self._kept(record):
                event = kept.event
                self._note_of_range(event)
                about = event.cause.id if isinstance(event, SlotChanged) else event.id
                if about in self._of_range and not self._left_out(kept):
                    self._out.add(kept)

    async def take_layouts(self) -> None:
        """Read all remaining layouts. If compaction has removed the one in force in the window, the
        next one is used."""
        places = await assign_all(self._consumer, LAYOUTS)
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        before: dict[str, Kept] = {}
        later: dict[str, Kept] = {}
        whole = {place: (begins[place], ends[place]) for place in places}
        async for record in self._read(LAYOUTS, whole):
            camera_id = (record.key or b"").decode("utf-8", "replace")
            for kept in self._kept(record):
                if record.timestamp_ms < self._wanted.from_ms:
                    before[camera_id] = kept
                elif record.timestamp_ms < self._wanted.to_ms:
                    self._out.add(kept)
                    later[camera_id] = kept
                else:
                    later.setdefault(camera_id, kept)
        for camera_id in sorted(later.keys() - before.keys()):
            if later[camera_id].at_ms >= self._wanted.to_ms:
                self.notes.append(
                    f"{camera_id}: the layout of that time no longer exists in the compacted "
                    f"topic; the next one is used"
                )
                before[camera_id] = later[camera_id]
        for kept in before.values():
            self._out.add(kept, before=True)

    def all_notes(self) -> list[str]:
        """Notes for users of the recording."""
        lost = [f"{self._unreadable} unreadable records were left out"]
        return self.notes + (lost if self._unreadable else [])

    async def _bounds(
        self, places: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        starts = await self._at(places, self._wanted.from_ms)
        return starts, await self._at(places, self._wanted.to_ms)

    async def _at(self, places: list[TopicPartition], moment_ms: int) -> dict[TopicPartition, int]:
        """Return the offsets of the first records from this time on, or the end offsets."""
        ends = await self._consumer.end_offsets(places)
        found = await self._consumer.offsets_for_times(dict.fromkeys(places, moment_ms))
        return {place: found[place].offset if found.get(place) else ends[place] for place in places}

    def _note_of_range(self, event: Event) -> None:
        part = self._wanted.range
        if part is not None and isinstance(event, DetectionMade):
            place = event.frame_ref
            if place.partition == part.partition and part.first <= place.offset <= part.last:
                self._of_range.add(event.id)

    def _note_seen(self, event: Event) -> None:
        if isinstance(event, DetectionMade):
            place = event.frame_ref
            first = self._seen_from.get(place.partition, place.offset)
            self._seen_from[place.partition] = min(first, place.offset)

    def _note_lost(
        self, begins: dict[TopicPartition, int], starts: dict[TopicPartition, int]
    ) -> None:
        lost = [place.partition for place in begins if 0 < begins[place] == starts[place]]
        if lost:
            named = ", ".join(map(str, sorted(lost)))
            self.notes.append(
                f"frames at the start of the window may have expired (retention): partitions "
                f"{named}"
            )

    async def _read(
        self, topic: str, ranges: dict[TopicPartition, tuple[int, int]]
    ) -> AsyncIterator[Record]:
        """Yield the records of our sites, partition after partition, each in order."""
        total = sum(max(0, end - start) for start, end in ranges.values())
        done = 0
        for place, (start, end) in ranges.items():
            if start >= end:
                continue
            self._consumer.assign([place])
            self._consumer.seek(place, start)
            at = start
            while at < end:
                batches = await self._consumer.getmany(place, timeout_ms=_STALL_MS)
                for message in batches.get(place, []):
                    if message.offset < end and self._ours(message.key):
                        yield to_record(message)
                now = await self._consumer.position(place)
                if not batches and now == at:
                    raise Retryable(f"Kafka returns no record of {topic}/{place.partition} at {at}")
                at = now
                self._progress(topic, done + min(at, end) - start, total)
            done += end - start

    def _ours(self, key: bytes | None) -> bool:
        return (key or b"").decode("utf-8", "replace").split("/")[0] in self._wanted.sites

    def _kept(self, record: Record) -> Iterator[Kept]:
        if not record.value:
            return
        try:
            event = codec.decode(record)
        except Invalid:
            self._unreadable += 1
            return
        if isinstance(event, Event) and isinstance(event, KINDS[record.topic]):
            place = (record.partition, record.offset)
            yield Kept(record.topic, *place, record.timestamp_ms, event)

    def _left_out(self, kept: Kept) -> bool:
        wanted, part = self._wanted, self._wanted.range
        if isinstance(kept.event, FrameReceived) and part is not None:
            inside = part.first <= kept.offset <= part.last
            return kept.partition != part.partition or not inside
        ticks = kept.event.TYPE.startswith("parking.tick")
        return kept.topic == DETECTIONS and not wanted.detections and not ticks


def _scene_key(kept: Kept) -> object:
    """Return the key by which records of the state before the window replace each other. None drops
    the record."""
    event = kept.event
    if isinstance(event, SlotChanged):
        return (event.site_id, event.slot_id)
    if isinstance(event, DeviceReported):
        return event.device_id if event.kind in ("online", "offline") else None
    return event.id


async def record(
    settings: KafkaSettings, wanted: Wanted, out: ArchiveWriter, progress: Progress
) -> tuple[Wanted, list[str]]:
    """Fill the archive. Returns the selection (including the window of a range of frames) and
    notes. Raises Retryable if Kafka is unavailable or stalls, and Invalid if the range does not
    exist."""
    consumer = new_consumer(settings)
    try:
        await consumer.start()
        if wanted.range is not None:
            wanted = await _with_window(consumer, wanted, wanted.range)
        window = _Window(consumer, wanted, out, progress)
        await window.take_layouts()
        topics = [SITE_COMMANDS, DEVICE_EVENTS, GATE_EVENTS, DETECTIONS]
        topics += [SLOT_CHANGES] if wanted.changes else []
        for topic in [*topics, *([FRAMES] if wanted.frames else [])]:
            await window.take(topic)
        return wanted, window.all_notes()
    except KafkaError as error:
        raise Retryable(f"Kafka: {error!r}") from error
    finally:
        await consumer.stop()


async def _with_window(consumer: AIOKafkaConsumer, wanted: Wanted, part: FrameRange) -> Wanted:
    place = TopicPartition(FRAMES, part.partition)
    places = await assign_all(consumer, FRAMES)
    if place not in places:
        raise Invalid("no-such-frames", f"{FRAMES} has no partition {part.partition}")
    begin = (await consumer.beginning_offsets([place]))[place]
    end = (await consumer.end_offsets([place]))[place]
    if not begin <= part.first <= part.last < end:
        raise Invalid(
            "no-such-frames",
            f"partition {part.partition} holds frames {begin} to {end - 1}, "
            f"not {part.first} to {part.last}",
        )
    times = []
    for offset in (part.first, part.last):
        consumer.assign([place])
        consumer.seek(place, offset)
        message = await asyncio.wait_for(consumer.getone(place), _STALL_MS / 1000)
        times.append(message.timestamp)
    return Wanted(
        wanted.sites, times[0], times[1] + 1, wanted.frames, wanted.detections, wanted.changes, part
    )
