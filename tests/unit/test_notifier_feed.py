"""The feed and the loops that keep it at the end of the log, in memory."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import pytest

from parking.core.errors import Retryable
from parking.core.topics import CAMERA_STATUS, LAYOUTS, SLOT_CHANGES
from parking.runtime.memory import ManualClock, MemoryBroker
from parking.runtime.ops import Health
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing, Place, Record
from services.notifier import tail
from services.notifier.adapters import MemoryLog
from services.notifier.clients import Client, Message
from services.notifier.feed import Feed
from services.notifier.log import Bounds
from services.notifier.ring import format_id
from services.notifier.settings import Limits
from services.notifier.state import LiveState
from tests.support.notifying import changed, layout, record, state, status


class FaultyLog(MemoryLog):
    """An in-memory log with faults: outages, retention, another cluster, an end that does not
    move."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.outages = 0
        self.deleted_below = 0
        self.cluster = "one"
        self.standing = False
        self.ends = 0  # of transactions: each takes an offset, and is no record
        self.read_on = False
        self.free = asyncio.Event()  # else the one reader is busy with another read
        self.free.set()

    async def cluster_id(self) -> str:
        self._fail()
        return self.cluster

    async def bounds(self, *topics: str) -> Bounds:
        self._fail()
        await self.free.wait()
        found = await super().bounds(*topics)
        return {
            place: (min(self.deleted_below, end), end + self.ends)
            for place, (_, end) in found.items()
        }

    def reached(self) -> Mapping[Place, int]:
        ends = {p: len(self._broker.read(p, 0, 1_000)) for p in self._broker.places(tail.TAILED)}
        return {p: end + self.ends for p, end in ends.items()} if self.read_on else {}

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        kept = {place: max(start, self.deleted_below) for place, start in starts.items()}
        return [r for r in await super().read(kept, ends) if r.offset >= self.ends]

    async def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        self._fail()
        if self.standing:
            await asyncio.Event().wait()
        async for records in super().tail(starts):
            yield records
            self._fail()

    def _fail(self) -> None:
        if self.outages:
            self.outages -= 1
            raise Retryable("away")


class Running:
    """The log's loops as in the process."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.broker = MemoryBroker()
        self.log = FaultyLog(self.broker)
        self.clock = ManualClock()
        self.health = Health()
        self.feed = Feed(self.log, self.clock, limits or Limits())
        self.stop = asyncio.Event()

    def write(self, *messages: Outgoing) -> None:
        for message in messages:
            self.broker.append(message)

    async def __aenter__(self) -> "Running":
        following = tail.follow_log(
            self.stop, log_=self.log, feed=self.feed, health=self.health, clock=self.clock
        )
        self._task = asyncio.ensure_future(following)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.wait_for(self._task, 5)

    async def until(self, version: int) -> None:
        async with asyncio.timeout(5):
            await self.feed.until(
                lambda: (
                    ("demo", "A1") in self.feed.state.slots
                    and self.feed.state.slots["demo", "A1"].version >= version
                )
            )

    async def first(self, count: int, last_id: str | None = None) -> list[Message]:
        got: list[Message] = []
        async with asyncio.timeout(5), aclosing(self.feed.follow(None, last_id)) as batches:
            while len(got) < count:
                got += await anext(batches)
        return got[:count]


async def test_a_change_whose_state_record_comes_late_is_not_missed():
    """The tracker's change lies before the noted end, but its slot-state record was not there
    yet."""
    running = Running()
    running.write(record(layout("demo")), record(state("demo", 1, "free")))
    running.write(record(changed("demo", 2, "occupied")))
    async with running:
        await running.until(2)
        assert running.feed.state.slots["demo", "A1"].state == "occupied"


async def test_not_ready_until_all_that_was_there_is_folded():
    running = Running()
    running.write(*(record(changed("demo", n)) for n in range(1, 50)))
    running.log.outages = 3
    with pytest.raises(Retryable):
        _ = running.feed.ring
    ready = [running.feed.ready]
    async with running:
        await running.until(49)
        ready.append(running.feed.ready)
    assert ready == [False, True]
    assert running.clock.slept_s == [0.25, 0.5, 1.0]


async def test_after_an_outage_the_tail_goes_on_where_it_broke_off():
    running = Running()
    async with running:
        running.write(record(changed("demo", 1)))
        await running.until(1)
        messages = running.feed.follow(None, None)
        assert [m.type for m in await anext(messages)] == ["snapshot"]
        running.log.outages = 2
        running.write(*(record(changed("demo", n)) for n in range(2, 6)))
        await running.until(5)
        got: list[Message] = []
        async with asyncio.timeout(5), aclosing(messages):
            while len(got) < 4:
                got += await anext(messages)
    assert [b'"version":%d' % n in m.data for n, m in enumerate(got, start=2)] == [True] * 4
    assert len(running.clock.slept_s) == 2


async def outgrown(running: Running) -> str:
    """Return the id of a client that has seen no changes, after some have left the ring."""
    await asyncio.sleep(0)
    running.write(record(changed("demo", 1)))
    await running.until(1)
    vector = dict.fromkeys(running.feed.ring.next, 0)
    running.write(*(record(changed("demo", n)) for n in range(2, 40)))
    await running.until(39)
    return format_id("one", vector)


async def test_offsets_that_hold_no_record_are_nothing_missed():
    """The end of a transaction takes one offset."""
    running = Running(Limits(ring_changes=12))
    async with running:
        last_id = await outgrown(running)
        running.log.ends = 1
        (first, *_) = await running.first(3, last_id)
    assert (first.type, b'"version":2' in first.data) == ("slot-change", True)


@pytest.mark.parametrize("read_on", [True, False])
async def test_a_topic_that_ends_with_the_end_of_a_transaction_makes_it_ready(read_on: bool):
    running = Running()
    running.write(record(changed("demo", 1)))
    (change,) = running.broker.records(SLOT_CHANGES)
    starts = dict.fromkeys(await running.log.bounds(*tail.TAILED), 0)
    await running.feed.begin("one", LiveState(), starts, {change.partition: 2})
    await running.feed.take([change])
    running.log.ends, running.log.read_on = 1, read_on
    running.feed.positions |= running.log.reached()
    assert running.feed.ready is read_on


async def test_what_retention_took_resets():
    running = Running(Limits(ring_changes=12))
    async with running:
        last_id = await outgrown(running)
        assert [m.type for m in await running.first(3, last_id)] == ["slot-change"] * 3
        running.log.deleted_below = 5
        reset, snapshot = await running.first(2, last_id)
    assert (reset.data, snapshot.type) == (b'{"reason":"too-old"}', "snapshot")


async def too_old(running: Running) -> str:
    """Return a position below the oldest one that Kafka still has."""
    running.write(*(record(changed("demo", n)) for n in range(1, 40)))
    await running.until(39)
    running.log.deleted_below = 5
    return format_id("one", dict.fromkeys(running.feed.ring.next, 0))


async def held_up(running: Running, batches: AsyncGenerator[list[Message], None]):
    """Open a client that waits for the one reader while its queue fills up."""
    running.log.free.clear()
    opening = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0.01)
    running.write(*(record(changed("demo", n)) for n in range(40, 50)))
    await running.until(49)
    return opening


async def test_a_client_with_too_many_events_before_its_reset_gets_all_that_follow():
    async with Running(Limits(ring_changes=12, queue_messages=4)) as running:
        place = await too_old(running)
        async with aclosing(running.feed.follow(None, place)) as batches, asyncio.timeout(5):
            opening = await held_up(running, batches)
            running.log.free.set()
            assert [message.type for message in await opening] == ["reset", "snapshot"]
            received: list[Message] = []
            for number in range(50, 60):
                running.write(record(changed("demo", number)))
                received += await anext(batches)
    assert [b'"version":%d' % n in m.data for n, m in enumerate(received, start=50)] == [True] * 10


async def test_a_client_waiting_for_its_reset_does_not_delay_the_end():
    async with Running(Limits(ring_changes=12, queue_messages=4)) as running:
        place = await too_old(running)
        batches = running.feed.follow(None, place)
        opening = await held_up(running, batches)
    async with asyncio.timeout(5):
        running.log.free.set()
        await opening
        with pytest.raises(StopAsyncIteration):
            await anext(batches)


async def test_a_place_that_only_another_instance_has_reached_is_waited_for():
    running = Running()
    async with running:
        running.write(record(changed("demo", 1)))
        await running.until(1)
        partition = next(p for p, offset in running.feed.ring.next.items() if offset)
        ahead = {**running.feed.ring.next, partition: 3}
        # They are in the log, but this instance will read them only with its next poll.
        running.write(record(changed("demo", 2)), record(changed("demo", 3)))
        messages = await running.first(1, format_id("one", ahead))
    assert messages[0].type == "site-sessions"  # nothing was missed, so nothing is sent again


async def test_a_client_that_reconnects_to_a_system_without_sites_stays_connected():
    running = Running()
    async with running:
        async with asyncio.timeout(5):
            while not running.feed.ready:  # noqa: ASYNC110 -- nothing is read, so nothing is reported
                await asyncio.sleep(0.01)
        place = running.feed.ring.id
        async with aclosing(running.feed.follow(None, place)) as batches:
            assert [message.type for message in await anext(batches)] == ["ping"]
            running.write(record(changed("demo", 1)))
            async with asyncio.timeout(5):
                batch = await anext(batches)
    assert [message.type for message in batch] == ["slot-change"]


async def test_clients_hear_at_once_since_when_nothing_new_can_come_and_that_it_does_again():
    running = Running()
    async with running, asyncio.timeout(5):
        running.write(record(changed("demo", 1)))
        await running.until(1)
        async with aclosing(running.feed.follow(None, None)) as batches:
            await anext(batches)
            running.feed.stands_still(5)
            (still,) = await anext(batches)
            late = await running.first(2)  # one that comes meanwhile
            running.feed.stands_still(None)
            *_, again = await anext(batches)
    assert (still.type, b'"still_since_ms":5' in still.data) == ("ping", True)
    assert (late[0].type, b'"still_since_ms":5' in late[1].data) == ("snapshot", True)
    assert b"still" not in again.data


async def test_a_stream_that_is_never_quiet_is_pinged_all_the_same():
    """Pages set their clocks by pings."""
    running = Running(Limits(ping_s=0.1))
    types: list[str] = []
    async with running, asyncio.timeout(5):
        while not running.feed.ready:  # noqa: ASYNC110 -- nothing is read, so nothing is reported
            await asyncio.sleep(0.01)
        async with aclosing(running.feed.follow(None, None)) as batches:
            for version in range(1, 41):
                types += [message.type for message in await anext(batches)]
                running.write(record(changed("demo", version)))
                await asyncio.sleep(0.01)
    assert types[0] == "snapshot"
    assert 2 <= types.count("ping") < types.count("slot-change")


async def test_a_record_that_cannot_be_read_is_passed_over():
    running = Running()
    async with running:
        running.write(Outgoing(SLOT_CHANGES, b"demo", b"{"), Outgoing(LAYOUTS, b"x", b"?"))
        running.write(record(changed("demo", 1)))
        await running.until(1)
        running.write(record(layout("demo")), record(status("demo")))
        running.write(Outgoing(LAYOUTS, b"demo/north", None))
        running.write(Outgoing(CAMERA_STATUS, b"demo/north", None))
        async with asyncio.timeout(5):
            await running.feed.until(lambda: running.feed.state.revision >= 5)
    assert not running.feed.state.layouts
    assert not running.feed.state.statuses


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_slow_client_is_cut_off_alone():
    slow, other = Client(None, 2), Client("demo", 2)
    for number in range(3):
        slow.offer(Message("slot-change", b"%d" % number, None, "elsewhere"))
        other.offer(Message("slot-change", b"%d" % number, None, "elsewhere"))
    assert (slow.closed, other.closed) == ("slow", None)
    assert await slow.next(soon(1)) == []
    with pytest.raises(TimeoutError):
        await other.next(soon(0.01))


async def test_a_burst_is_taken_at_once_and_in_order():
    client = Client(None, 10)
    burst = [Message("slot-change", b"%d" % number) for number in range(5)]
    for message in burst:
        client.offer(message)
    assert await client.next(soon(1)) == burst


async def test_the_end_of_the_process_ends_every_stream():
    running = Running()
    async with running:
        running.write(record(changed("demo", 1)))
        await running.until(1)
        messages = running.feed.follow(None, None)
        await anext(messages)
    with pytest.raises(StopAsyncIteration):
        await anext(messages)


async def begun(running: Running) -> None:
    starts = dict.fromkeys(await running.log.bounds(*tail.TAILED), 0)
    await running.feed.begin("one", LiveState(), starts, {})


async def test_the_watch_tells_an_outage_from_a_tail_that_stands():
    running = Running()
    watch = tail.Watch(running.log, running.feed, running.health)
    running.log.standing = True
    await begun(running)
    running.log.outages = 1
    await watch.look()
    assert list(running.health.waiting) == ["kafka"]
    await watch.look()
    assert not running.health.waiting
    running.write(record(changed("demo", 1)))
    for _ in range(tail.STUCK_LOOKS):
        await watch.look()
        assert not running.health.failing
    await watch.look()
    assert "slot-changes" in running.health.failing["tail"]
    await running.feed.take(running.broker.records(SLOT_CHANGES))
    await watch.look()
    assert not running.health.failing


@pytest.mark.parametrize("read_on", [True, False])
async def test_a_tail_beyond_which_only_transactions_end_does_not_stand(read_on: bool):
    running = Running()
    watch = tail.Watch(running.log, running.feed, running.health)
    await begun(running)
    running.write(record(changed("demo", 1)))
    await running.feed.take(running.broker.records(SLOT_CHANGES))
    running.log.ends, running.log.read_on = 1, read_on
    running.feed.positions |= running.log.reached()
    for _ in range(tail.STUCK_LOOKS + 1):
        await watch.look()
    slot_changes = str((SLOT_CHANGES, partition_of("demo", 12)))
    assert (slot_changes in running.health.failing.get("tail", "")) is not read_on


async def test_another_cluster_ends_the_process():
    running = Running()
    await begun(running)
    running.log.cluster = "two"
    with pytest.raises(RuntimeError, match="replaced"):
        await tail.Watch(running.log, running.feed, running.health).look()
