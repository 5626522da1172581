"""The detector over time: batches that are delivered again, outages, new layouts, a loop that
hangs."""

import asyncio

import msgspec
import pytest

from parking.core.errors import Retryable
from parking.core.events import DetectionMade
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    FRAMES,
    LAYOUTS,
)
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryConsumer, MemoryProducer
from parking.runtime.ops import Health
from parking.runtime.runner import Polling, run
from parking.vision.imagehealth import Thresholds
from parking.wire import codec
from parking.wire.ports import Outgoing
from services.detector.adapters import STUCK_AFTER_S, Progress
from services.detector.analysis import Options
from services.detector.handler import Tools, handle_frames, handle_layouts
from services.detector.layouts import Layouts
from tests.support.detector_tools import (
    BROKEN,
    EMPTY,
    detections,
    frame,
    jpeg,
    layout,
    reasons,
    record,
    scene,
    tools,
)


async def analysed(frames: list[Outgoing], using=None):
    using = using or tools(layout())
    return await handle_frames([record(one, n) for n, one in enumerate(frames)], using)


# ---------------------------------------------------------------- again, and after a restart
async def test_the_same_batch_again_says_the_same():
    using = tools(layout(), options=Options(health=Thresholds(frozen_after=1)))
    first = [record(frame(EMPTY, 1), 0)]
    second = [record(frame(jpeg(scene(seed=2)), 2), 1)]
    for batch in (first, second):
        once = detections(await handle_frames(batch, using))
        again = detections(await handle_frames(batch, using))
        assert [e.health.status for e in once] == [e.health.status for e in again] == ["ok"]
        assert [(e.id, e.observations) for e in once] == [(e.id, e.observations) for e in again]


async def test_a_frozen_camera_is_reported_across_batches_and_a_restart_begins_again():
    options = Options(health=Thresholds(frozen_after=2))
    using = tools(layout(), options=options)
    seen = []
    for n in range(4):
        batch = [record(frame(EMPTY, n), n)]
        seen += [e.health.status for e in detections(await handle_frames(batch, using))]
    assert seen == ["ok", "ok", "frozen", "frozen"]
    after = tools(layout(), options=options)
    (event,) = detections(await handle_frames([record(frame(EMPTY, 4), 4)], after))
    assert event.health.status == "ok"


async def test_one_cameras_freeze_is_not_anothers():
    using = tools(options=Options(health=Thresholds(frozen_after=1)))
    for n, camera in enumerate(("demo/a", "demo/b", "demo/c")):
        batch = [record(frame(EMPTY, n, camera), n)]
        assert detections(await handle_frames(batch, using))[0].health.status == "ok"


class Failing(MemoryProducer):
    """A producer whose first writes meet an outage."""

    def __init__(self, broker: MemoryBroker, failures: int) -> None:
        super().__init__(broker)
        self.failures = failures

    async def send(self, messages):
        if self.failures:
            self.failures -= 1
            raise Retryable("away")
        return await super().send(messages)


async def play(broker: MemoryBroker, using: Tools, failures: int = 0) -> None:
    stop = asyncio.Event()

    async def handle(records):
        return await handle_frames(records, using)

    class Consumer(MemoryConsumer):
        async def getmany(self, timeout_ms, max_records):
            records = await super().getmany(timeout_ms, max_records)
            if not records:
                stop.set()
            return records

    consumer = Consumer(broker, "detector", FRAMES)
    await run(consumer, handle, Failing(broker, failures), ManualClock(), stop, Polling(5, 1))


@pytest.mark.parametrize("skip", [True, False])
async def test_an_outage_in_the_middle_loses_nothing_and_commits_only_after(skip):
    broker = MemoryBroker()
    for n in range(23):
        broker.append(frame(EMPTY if n != 11 else BROKEN, n))
    place = broker.places([FRAMES])[0]
    await play(broker, tools(layout(), skip=skip), failures=3)
    events = [codec.from_json(r.value or b"", DetectionMade) for r in broker.records(DETECTIONS)]
    accounted = [e.id for e in events] + [i for e in events for i in e.skipped_frame_ids]
    # Behind, frame 11 is passed over for frame 14; otherwise it is analysed and dead-lettered.
    lost = [] if skip else [11]
    assert sorted(accounted) == sorted(f"demo/north/1/{n}" for n in range(23) if n not in lost)
    assert len(broker.records(DEAD_LETTERS_FRAMES)) == len(lost)
    assert broker.committed("detector", *place) == 23
    assert len(events) == (5 if skip else 22)


# ---------------------------------------------------------------- layouts
def publish(table: Layouts, *messages: Outgoing):
    return table.apply_all([record(message, n) for n, message in enumerate(messages)])


def as_message(one) -> Outgoing:
    return codec.outgoing(one, LAYOUTS, one.camera_id, "test")


def test_the_higher_version_stays_and_a_tombstone_removes():
    table = Layouts()
    newer, older = layout(version=3), layout(version=2)
    assert publish(table, as_message(newer), as_message(older)) == []
    held = table.of("demo/north")
    assert held is not None
    assert held.version == 3
    publish(table, Outgoing(LAYOUTS, b"demo/north", None))
    assert table.of("demo/north") is None


def test_the_first_of_two_layouts_of_one_version_counts():
    table = Layouts()
    first, second = layout(), msgspec.structs.replace(layout(), camera_name="written too late")
    assert publish(table, as_message(first), as_message(first), as_message(second)) == []
    assert table.of("demo/north") == first


async def test_a_layout_that_cannot_be_used_is_set_aside_and_the_one_in_force_stays():
    using = tools(layout())
    crossing = layout(version=2)
    outline = [(0.1, 0.1), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4)]
    bow = msgspec.structs.replace(crossing.slots[0], polygon=outline)
    bad = [
        as_message(msgspec.structs.replace(crossing, slots=[bow])),
        Outgoing(LAYOUTS, b"demo/north", b"{}", as_message(crossing).headers),
        Outgoing(LAYOUTS, b"demo/south", as_message(crossing).value, as_message(crossing).headers),
        frame(EMPTY, 1),
    ]
    written = await handle_layouts([record(m, n) for n, m in enumerate(bad)], using)
    assert sorted(reasons(written)) == ["bad-layout", "bad-schema", "wrong-key", "wrong-type"]
    assert {m.topic for m in written} <= {DEAD_LETTERS, DEAD_LETTERS_FRAMES}
    held = using.layouts.of("demo/north")
    assert held is not None
    assert held.version == 1


async def test_a_new_layout_counts_from_the_next_frame():
    using = tools(layout())
    await handle_layouts([record(as_message(layout(version=2)), 1)], using)
    (event,) = detections(await analysed([frame(EMPTY, 1)], using))
    assert event.layout_version == 2


# ---------------------------------------------------------------- health of the process
def test_a_loop_that_does_not_turn_fails_healthz_until_it_turns_again():
    now_s = [0.0]
    progress, health = Progress(lambda: now_s[0]), Health()
    now_s[0] = STUCK_AFTER_S - 1
    progress.report(health)
    assert health.failing == {}
    now_s[0] = STUCK_AFTER_S + 1
    progress.report(health)
    assert "frames" in health.failing
    progress.note()
    progress.report(health)
    assert health.failing == {}
