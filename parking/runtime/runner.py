"""The loop of every Kafka consumer: poll, handle, wait until the effects are durable, commit.

Two services have other loops, because the tracker commits in transactions and faust runs analytics.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from parking.core.errors import Refused
from parking.runtime.retry import DOUBLING, Backoff, retry
from parking.wire import codec
from parking.wire.ports import Clock, Consumer, Outgoing, Place, Producer, Record

log = logging.getLogger(__name__)

Handle = Callable[[Sequence[Record]], Awaitable[list[Outgoing]]]


@dataclass(frozen=True, slots=True)
class Polling:
    """How many records are taken at once, and how an outage is waited out."""

    max_records: int = 64
    timeout_ms: int = 500
    backoff: Backoff = DOUBLING


async def run(
    consumer: Consumer,
    handle: Handle,
    producer: Producer,
    clock: Clock,
    stop: asyncio.Event,
    polling: Polling = Polling(),
) -> None:
    """Run until `stop` is set. `handle` makes its own effects durable and returns the messages to
    write (including dead letters). After Retryable it runs again on the same records. Any other
    exception ends the process, with nothing committed."""
    polls = partial(consumer.getmany, polling.timeout_ms, polling.max_records)
    while not stop.is_set():
        records = await retry(polls, clock, stop, polling.backoff)
        if not records:
            continue
        effects = partial(_effects, handle, producer, clock, records)
        if await retry(effects, clock, stop, polling.backoff):
            commit = partial(consumer.commit, next_offsets(records))
            await retry(commit, clock, stop, polling.backoff)


def next_offsets(records: Sequence[Record]) -> dict[Place, int]:
    """The offset after the last record of each partition."""
    offsets: dict[Place, int] = {}
    for record in records:
        place = (record.topic, record.partition)
        offsets[place] = max(offsets.get(place, 0), record.offset + 1)
    return offsets


async def write(producer: Producer, clock: Clock, messages: Sequence[Outgoing]) -> None:
    """Make messages durable. Those that Kafka will never accept are sent as dead letters. Raises
    Retryable. Handlers that write before they return use it, too."""
    try:
        await producer.send(messages)
    except Refused as refused:
        log.warning("%d of %d records refused: %s", len(refused.records), len(messages), refused)
        now_ms = clock.now_ms()
        letters = [
            codec.refused_letter(messages[index], error, now_ms)
            for index, error in refused.records.items()
        ]
        await producer.send(letters)  # a second refusal ends the process


async def _effects(
    handle: Handle, producer: Producer, clock: Clock, records: Sequence[Record]
) -> bool:
    await write(producer, clock, await handle(records))
    return True
