"""The loop of every Kafka consumer: poll, handle, wait until the effects are durable, commit.

Two have loops of their own: the tracker commits in transactions, and faust runs analytics.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from parking import codec
from parking.errors import Refused, Retryable
from parking.ports import Clock, Consumer, Outgoing, Place, Producer, Record

log = logging.getLogger(__name__)

T = TypeVar("T")
Handle = Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]


@dataclass(frozen=True, slots=True)
class Polling:
    """How much is taken at once, and how an outage is waited out."""

    max_records: int = 64
    timeout_ms: int = 500
    first_delay_s: float = 0.25
    max_delay_s: float = 10.0


async def run(
    consumer: Consumer,
    handle: Handle,
    producer: Producer,
    clock: Clock,
    stop: asyncio.Event,
    polling: Polling = Polling(),
) -> None:
    """Until `stop` is set. `handle` returns what is to be written (dead letters among it) and has
    made its own effects durable when it returns; Retryable makes it run again on the same records.
    Any other exception ends the process, with nothing committed."""
    polls = partial(consumer.getmany, polling.timeout_ms, polling.max_records)
    while not stop.is_set():
        records = await _patiently(polls, clock, stop, polling)
        if not records:
            continue
        effects = partial(_effects, handle, producer, clock, records)
        if await _patiently(effects, clock, stop, polling):
            commit = partial(consumer.commit, next_offsets(records))
            await _patiently(commit, clock, stop, polling)


def next_offsets(records: Sequence[Record]) -> dict[Place, int]:
    """For each partition the offset after its last record."""
    offsets: dict[Place, int] = {}
    for record in records:
        place = (record.topic, record.partition)
        offsets[place] = max(offsets.get(place, 0), record.offset + 1)
    return offsets


async def write(producer: Producer, clock: Clock, messages: Sequence[Outgoing]) -> None:
    """Make them durable; those that can never be, as dead letters. Raises Retryable. For handlers
    that write before they return, too."""
    try:
        await producer.send(messages)
    except Refused as refused:
        log.warning("%d of %d records refused: %s", len(refused.records), len(messages), refused)
        now_ms = clock.now_ms()
        letters = [
            codec.refused_letter(messages[index], error, now_ms)
            for index, error in refused.records.items()
        ]
        await producer.send(letters)  # refused again: it is not Retryable, and ends the process


async def _effects(
    handle: Handle, producer: Producer, clock: Clock, records: Sequence[Record]
) -> bool:
    await write(producer, clock, await handle(records))
    return True


async def _patiently(
    work: Callable[[], Awaitable[T]], clock: Clock, stop: asyncio.Event, polling: Polling
) -> T | None:
    """Try until it works or the service is told to stop; the delay doubles up to its limit."""
    delay_s = polling.first_delay_s
    while not stop.is_set():
        try:
            return await work()
        except Retryable as error:
            log.warning("waiting %.2f s: %s", delay_s, error)
            await clock.sleep(delay_s)
            delay_s = min(delay_s * 2, polling.max_delay_s)
    return None
