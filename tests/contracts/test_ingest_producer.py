"""Ingest's producer is replaced after any failure, and an unavailable Kafka cannot block it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError, OutOfOrderSequenceNumber

from parking.core.errors import Retryable
from parking.core.topics import GATE_EVENTS
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.wire.ports import Outgoing
from services.ingest import adapters
from services.ingest.adapters import SteadyProducer

SETTINGS = KafkaSettings("127.0.0.1:1")
RECORD = Outgoing(GATE_EVENTS, b"demo", b"{}")


class ScriptedClient:
    """The part of aiokafka's client that is used: metadata and close."""

    def __init__(self) -> None:
        self.closed = False

    async def fetch_all_metadata(self) -> SimpleNamespace:
        return SimpleNamespace(
            partitions_for_topic=lambda topic: {0} if "no" not in topic else None
        )

    async def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedProducer:
    """The used part of an AIOKafkaProducer, which does what its test says."""

    fails_start: bool = False
    outcome: Callable[[], object] = field(default=lambda: SimpleNamespace(partition=0, offset=7))
    stops: bool = True
    started: bool = False
    stopped: bool = False

    def __post_init__(self) -> None:
        self.client = ScriptedClient()
        self._sender = SimpleNamespace(sender_task=None)

    async def start(self) -> None:
        if self.fails_start:
            raise KafkaConnectionError("nobody listens")
        self.started = True
        self._sender.sender_task = asyncio.ensure_future(asyncio.Event().wait())

    async def stop(self) -> None:
        if not self.stops:
            await asyncio.Event().wait()
        self.stopped = True
        if self._sender.sender_task:
            self._sender.sender_task.cancel()

    async def send(self, *_: object, **__: object) -> asyncio.Future[object]:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        result = self.outcome()
        if isinstance(result, Exception):
            future.set_exception(result)
        elif result is not None:
            future.set_result(result)
        return future


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SteadyProducer]:
    def steady(*producers: ScriptedProducer, topics: tuple[str, ...] = ()) -> SteadyProducer:
        coming = list(producers)
        monkeypatch.setattr(adapters, "new_producer", lambda _: coming.pop(0))
        monkeypatch.setattr(adapters, "_STOP_LIMIT_S", 0.05)
        return SteadyProducer(SETTINGS, topics, 0.2)

    return steady


async def test_a_good_producer_is_kept(script):
    only = ScriptedProducer()
    producer = script(only)
    assert await producer.send([RECORD]) == [(0, 7)]
    assert await producer.send([RECORD, RECORD]) == [(0, 7)] * 2
    await producer.close()
    assert only.stopped


async def test_after_a_sequence_fault_the_next_send_has_a_new_producer(script):
    faulty = ScriptedProducer(outcome=lambda: OutOfOrderSequenceNumber("a hole"))
    good = ScriptedProducer()
    producer = script(faulty, good)
    with pytest.raises(Retryable, match="OutOfOrderSequence"):
        await producer.send([RECORD])
    assert faulty.stopped
    assert await producer.send([RECORD]) == [(0, 7)]
    await producer.close()


async def test_an_overdue_send_is_given_up_and_its_sender_cannot_write_later(script):
    silent = ScriptedProducer(outcome=lambda: None, stops=False)
    producer = script(silent, good := ScriptedProducer())
    with pytest.raises(Retryable, match="did not answer"):
        await producer.send([RECORD])
    assert silent.client.closed
    await asyncio.sleep(0)
    assert silent._sender.sender_task.cancelled()  # noqa: SLF001 -- what must not go on
    assert await producer.send([RECORD]) == [(0, 7)]
    await producer.close()
    assert good.stopped


async def test_a_producer_that_cannot_start_is_closed_and_recreated(script):
    first = ScriptedProducer(fails_start=True)
    producer = script(first, ScriptedProducer())
    with pytest.raises(Retryable, match="cannot be reached"):
        await producer.send([])
    assert first.stopped
    assert await producer.send([]) == []
    await producer.close()


async def test_a_topic_that_is_not_there_is_named(script):
    producer = script(ScriptedProducer(), topics=("parking.frames", "parking.nowhere"))
    with pytest.raises(Retryable, match=r"no topic parking\.nowhere"):
        await producer.send([])


async def test_real_kafka_takes_records_and_creates_no_topic(infra, unique):
    settings = KafkaSettings(infra.bootstrap)
    key, absent = unique("site").encode(), unique("parking.nothing")
    producer = SteadyProducer(settings, (GATE_EVENTS,), 20.0)
    [(partition, offset)] = await producer.send([Outgoing(GATE_EVENTS, key, b"not an event")])
    await producer.close()
    for _ in range(2):
        with pytest.raises(Retryable, match=absent):
            await SteadyProducer(settings, (absent,), 20.0).send([])
    consumer = new_consumer(settings)
    await consumer.start()
    try:
        records = await read_to_end(consumer, await assign_all(consumer, GATE_EVENTS))
    finally:
        await consumer.stop()
    [record] = [r for r in records if r.key == key]
    assert (record.partition, record.offset) == (partition, offset)
