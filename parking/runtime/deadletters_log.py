"""Read dead letters from Kafka and send their originals again.

For each batch, claim the originals, send those that nobody else claimed first, and mark them as
sent. If a process ends between the last two steps, the next replay after CLAIM_MS sends them again.
Delivery is at least once, as everywhere, and every reader keeps the first record of an id.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from parking.core.errors import Invalid, Refused, Retryable
from parking.core.topics import DEAD_LETTERS_MARKS
from parking.runtime.kafka import (
    KafkaConsumer,
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    to_record,
)
from parking.wire.deadletters import (
    Letter,
    Mark,
    Marks,
    Selection,
    letter_of,
    mark,
    named,
    obstacle,
    original,
    unique,
)
from parking.wire.ports import Consumer, Producer, Record

# A dead letter has its service's time, but a search by time uses the broker's, and clocks differ.
_CLOCKS_MS: Final = 3_600_000
_POLL_MS: Final = 500


@dataclass(slots=True)
class Outcome:
    """The outcome of the selected dead letters, by name; `sent` holds the dead letters themselves.
    For those in `doubled`, another dead letter is about the same original. Those in `elsewhere`
    were claimed by another replay."""

    sent: list[Letter] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Add the outcome of another batch."""
        self.sent += other.sent
        self.before += other.before
        self.doubled += other.doubled
        self.elsewhere += other.elsewhere
        self.refused |= other.refused


class Replay:
    """Send originals again, each once. `run` is this replay's unique name. `again` also sends what
    was sent before. `marks_log` reads the marks from the start."""

    def __init__(
        self, producer: Producer, marks_log: Consumer, run: str, *, again: bool = False
    ) -> None:
        self._producer = producer
        self._marks_log = marks_log
        self._marks = Marks()
        self._next = 0
        self._run = run
        self._again = again
        self._met: set[str] = set()

    async def begin(self, end: int) -> None:
        """Read the marks up to this offset. Raises Invalid, Retryable."""
        while self._next < end:
            await self._read_marks()

    def plan(self, letters: Sequence[Letter]) -> tuple[list[Letter], Outcome]:
        """Decide which dead letters to send, and why not the others. Writes nothing. An original
        from an earlier batch of this replay is not sent twice, even with `again`."""
        outcome = Outcome()
        todo: list[Letter] = []
        first = {letter.name for letter in unique(letters)}
        for letter in letters:
            if letter.name not in first or letter.origin in self._met:
                outcome.doubled.append(letter.name)
            elif fault := obstacle(letter):
                outcome.refused[letter.name] = fault
            elif self._marks.is_sent(letter) and not self._again:
                outcome.before.append(letter.name)
            else:
                todo.append(letter)
        self._met |= {letter.origin for letter in todo}
        return todo, outcome

    async def send(self, letters: Sequence[Letter]) -> Outcome:
        """Send the dead letters that are due. They are durable on return. Raises Invalid for marks
        of another version, and Retryable if Kafka is unreachable, after which the caller must start
        again."""
        todo, outcome = self.plan(letters)
        if not todo:
            return outcome
        claimed = Mark(kind="claimed", run=self._run, again=self._again)
        places = await self._producer.send([mark(letter, claimed) for letter in todo])
        await self.begin(max(offset for _, offset in places) + 1)
        ours = [letter for letter in todo if self._marks.is_owner(letter, self._run)]
        outcome.elsewhere = [letter.name for letter in todo if letter not in ours]
        try:
            await self._producer.send([original(letter) for letter in ours])
        except Refused as refused:
            why = {ours[index].name: error.detail for index, error in refused.records.items()}
            outcome.refused |= why
            ours = [letter for letter in ours if letter.name not in why]
        sent = Mark(kind="sent", run=self._run)
        await self._producer.send([mark(letter, sent) for letter in ours])
        outcome.sent = ours
        return outcome

    async def _read_marks(self) -> None:
        for record in await self._marks_log.getmany(_POLL_MS, 10_000):
            self._marks.apply(record)
            self._next = record.offset + 1

    def is_sent(self, letter: Letter) -> bool:
        """Whether the original was sent again, according to the marks read so far."""
        return self._marks.is_sent(letter)


# ---------------------------------------------------------------- Kafka
@asynccontextmanager
async def opened_replay(
    settings: KafkaSettings, run: str, *, again: bool = False
) -> AsyncIterator[Replay]:
    """Return a replay that has read the marks. Raises Retryable."""
    consumer = new_consumer(settings)
    producer = new_producer(settings)
    try:
        await _started(consumer)
        places = await assign_all(consumer, DEAD_LETTERS_MARKS)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        await producer.start()
        replay = Replay(KafkaProducer(producer), KafkaConsumer(consumer), run, again=again)
        (place,) = places
        if ends[place] > begins[place]:
            await replay.begin(ends[place])
        yield replay
    except KafkaError as error:
        raise Retryable(f"Kafka: {error!r}") from error
    finally:
        await producer.stop()
        await consumer.stop()


@dataclass(frozen=True, slots=True)
class Batch:
    """Selected dead letters, in the order of their topics. `read` of `total` records were read so
    far, and `unreadable` records of this batch are not dead letters that this version can read."""

    letters: list[Letter]
    read: int
    total: int
    unreadable: int = 0


async def read_letters(
    settings: KafkaSettings, selection: Selection, batch_size: int = 100
) -> AsyncGenerator[Batch, None]:
    """Yield the selected dead letters up to the current end. Raises Retryable."""
    consumer = new_consumer(settings)
    try:
        await _started(consumer)
        places = await assign_all(consumer, *selection.sources())
        ends = await consumer.end_offsets(places)
        starts = await _starts(consumer, places, selection)
        for place, offset in starts.items():
            consumer.seek(place, offset)
        total = sum(max(0, ends[place] - starts[place]) for place in places)
        while left := [p for p in places if await consumer.position(p) < ends[p]]:
            found = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=batch_size)
            records = [
                to_record(message)
                for place, messages in found.items()
                for message in messages
                if message.offset < ends[place]
            ]
            waiting = [max(0, ends[p] - await consumer.position(p)) for p in places]
            yield _batch(records, selection, total - sum(waiting), total)
    except KafkaError as error:
        raise Retryable(f"the dead letters could not be read: {error!r}") from error
    finally:
        await consumer.stop()


def _batch(records: Sequence[Record], selection: Selection, read: int, total: int) -> Batch:
    letters, unreadable = [], 0
    for record in records:
        try:
            letters.append(letter_of(record))
        except Invalid:
            unreadable += 1
    return Batch([letter for letter in letters if selection.holds(letter)], read, total, unreadable)


async def _starts(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], selection: Selection
) -> dict[TopicPartition, int]:
    """Where to start reading: at the named dead letters, at the time, or at the start."""
    starts: dict[TopicPartition, int] = await consumer.beginning_offsets(places)
    if selection.names:
        wanted = [named(name) for name in selection.names]
        first = {p: min(offset for topic, offset in wanted if topic == p.topic) for p in places}
        return {place: max(starts[place], first[place]) for place in places}
    if selection.since_ms > _CLOCKS_MS:
        times = dict.fromkeys(places, selection.since_ms - _CLOCKS_MS)
        found = await consumer.offsets_for_times(times)
        ends = await consumer.end_offsets(places)
        return {p: found[p].offset if found[p] else ends[p] for p in places}
    return starts


async def _started(consumer: AIOKafkaConsumer) -> None:
    try:
        await consumer.start()
    except KafkaError as error:
        raise Retryable(f"Kafka cannot be reached: is KAFKA_BOOTSTRAP right? {error!r}") from error
