"""What the command line and the demo write to a running system."""

import time

from msgspec.structs import replace

from parking import admin, codec, lots
from parking.events import LayoutPublished
from parking.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.stack.infra import Infra
from parking.topics import LAYOUTS, SITE_COMMANDS


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
