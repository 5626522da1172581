"""The records that the command line and the demo write to a running system."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from parking.core import lots
from parking.core.errors import Invalid, Retryable
from parking.core.events import (
    Cause,
    LayoutPublished,
    SiteCommanded,
    SiteSettings,
    SlotChanged,
    SlotClosed,
    SlotOpened,
    StateCorrected,
)
from parking.core.topics import LAYOUTS, SITE_COMMANDS, SLOT_CHANGES, TRACKER_GROUP
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
    to_record,
)
from parking.wire import codec
from parking.wire.ports import Outgoing, Record
from tools.cli import admin, public
from tools.cli.effects import describe
from tools.stack.infra import Infra


def layout_of(site: str, interval_ms: int = 1000) -> LayoutPublished:
    slots = [{"id": "A1", "polygon": [[10, 10], [40, 10], [40, 40], [10, 40]], "occupied": 0}]
    frame = {"file": "a.jpg", "camera": "cam", "width": 100, "height": 100, "slots": slots}
    [made] = lots.layouts_from_annotations(
        {"frames": [frame]},
        site,
        interval_ms=interval_ms,
        time_ms=time.time_ns() // 1_000_000,
    )
    return made


async def written(kafka: KafkaSettings, topic: str, site: str) -> list[object]:
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        records = await read_to_end(consumer, await assign_all(consumer, topic))
    finally:
        await consumer.stop()
    return [codec.decode(r) for r in records if (r.key or b"").decode().split("/")[0] == site]


async def test_a_changed_layout_is_the_next_version_and_an_equal_one_is_not_written(
    infra: Infra, unique
) -> None:
    kafka, site = KafkaSettings(infra.bootstrap), unique("site")
    first, changed = layout_of(site), layout_of(site, interval_ms=2000)
    assert await admin.publish_layouts(kafka, [first], "test") == [first]
    assert await admin.publish_layouts(kafka, [replace(first, time_ms=1)], "test") == [first]
    [second] = await admin.publish_layouts(kafka, [changed], "test")
    assert (second.version, second.interval_ms) == (2, 2000)
    assert await written(kafka, LAYOUTS, site) == [first, second]
    adopted = [command.id for command in await written(kafka, SITE_COMMANDS, site)]  # type: ignore[attr-defined]
    assert adopted == [first.id, first.id, second.id]


async def test_the_settings_of_a_site_outlast_the_publishing_of_its_layouts(
    infra: Infra, unique
) -> None:
    kafka, site = KafkaSettings(infra.bootstrap), unique("site")
    await admin.publish_layouts(kafka, [layout_of(site)], "test")
    on = partial(public.changed, values={"public": True})
    assert await admin.change_site(kafka, site, on, "test", None) == []
    [after] = await admin.publish_layouts(kafka, [layout_of(site, interval_ms=2000)], "test")
    assert (after.version, after.site) == (3, SiteSettings(public=True))


async def as_the_tracker(
    kafka: KafkaSettings, site: str, answer: Callable[[Record], Outgoing | None]
) -> None:
    """Read the site's commands, answer them, and commit as the tracker does."""
    group = new_consumer(kafka, SITE_COMMANDS, group=TRACKER_GROUP)
    producer = new_producer(kafka)
    await group.start()
    await producer.start()
    try:
        async for message in group:
            reply = answer(to_record(message)) if message.key == site.encode() else None
            if reply is not None:
                await KafkaProducer(producer).send([reply])
            await group.commit()
    finally:
        await group.stop()
        await producer.stop()


def changed(command: SiteCommanded) -> Outgoing:
    event = SlotChanged(
        id=f"{command.id}-done",
        site_id=command.site_id,
        time_ms=command.time_ms,
        slot_id="A1",
        zone_id="lot",
        from_state="free",
        to_state="closed",
        version=2,
        confidence=1.0,
        reason="paint",
        cause=Cause(kind="command", id=command.id),
    )
    return codec.outgoing(event, SLOT_CHANGES, command.site_id, "tracker")


async def test_a_command_prints_its_effect_its_refusal_or_that_nothing_happened(
    infra: Infra, unique
) -> None:
    kafka, site = KafkaSettings(infra.bootstrap), unique("site")
    close = SlotClosed(slot_id="A1", reason="paint")
    with pytest.raises(Invalid, match="no-site"):
        await admin.command_and_follow(kafka, site, close, "test", 1)
    await admin.publish_layouts(kafka, [layout_of(site)], "test")
    with pytest.raises(Invalid, match=r"no-slot.*it has A1"):
        await admin.command_and_follow(kafka, site, SlotClosed(slot_id="X9"), "test", 1)
    with pytest.raises(Retryable, match="is the tracker running"):
        await admin.command_and_follow(kafka, site, close, "test", 1)

    def answer(record: Record) -> Outgoing | None:
        command = codec.decode(record)
        assert isinstance(command, SiteCommanded)
        if isinstance(command.command, SlotClosed):
            return changed(command)
        if isinstance(command.command, SlotOpened):
            return codec.dead_letter(record, Invalid("unknown-slot", "none"), "tracker", 1)
        return None

    tracker = asyncio.create_task(as_the_tracker(kafka, site, answer))
    try:
        done = await admin.command_and_follow(kafka, site, close, "test", 30)
        assert describe(done) == ["slot A1: free -> closed (paint)"]
        refused = await admin.command_and_follow(kafka, site, SlotOpened(slot_id="A1"), "test", 30)
        with pytest.raises(Invalid, match="unknown-slot"):
            describe(refused)
        nothing = await admin.command_and_follow(
            kafka, site, StateCorrected(slot_id="A1", state="free"), "test", 30
        )
        assert describe(nothing) == []
    finally:
        tracker.cancel()
        await asyncio.gather(tracker, return_exceptions=True)
