"""tracker.Table: the dictionary, and faust's table over its changelog in a running service. Both
must let the tracker do the same with the same records."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from parking import codec
from parking.events import SlotChanged, SlotClosed
from parking.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.ports import Outgoing, Record
from parking.topics import DEAD_LETTERS, DETECTIONS, SITE_COMMANDS, SLOT_CHANGES
from services.tracker.tracker import MemoryTable, Tracker
from tests.tracker_log import as_record, dead_letter_reasons, read, send
from tests.tracking import Teller
from tests.waiting import wait_until


@dataclass
class World:
    tell: Callable[[list[Outgoing]], None]
    records: Callable[[str], list[Record]]
    restart: Callable[[], None]


def in_memory() -> World:
    broker, table = MemoryBroker(), MemoryTable()

    def tell(messages: list[Outgoing]) -> None:
        tracker = Tracker(table, MemoryProducer(broker), ManualClock(), "live")

        async def work() -> None:
            for message in messages:
                partition, offset = broker.append(message)
                (record,) = broker.read((message.topic, partition), offset, 1)
                await tracker.apply(record)

        asyncio.run(work())

    return World(tell, broker.records, lambda: None)  # `tell` makes a new tracker each time


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield in_memory()
        return
    infra = request.getfixturevalue("infra")
    infra.start_service("tracker", {"TRACKER_TICK_S": "60"})

    def restart() -> None:
        infra.stop("tracker")
        infra.start("tracker")

    yield World(lambda m: (send(infra, m), None)[1], lambda topic: read(infra, topic), restart)
    infra.stop("tracker")


def changes(world: World, site_id: str) -> list[tuple[str, str, int]]:
    """Of one site, each once, as a sink keeps them."""
    events = [codec.decode(r) for r in world.records(SLOT_CHANGES)]
    ours = {e.id: e for e in events if isinstance(e, SlotChanged) and e.site_id == site_id}
    return [(e.slot_id, e.to_state, e.version) for e in ours.values()]


def test_state_goes_on_over_a_restart_and_poison_is_set_aside(world: World, unique):
    t = Teller(unique("site"))
    t.now_ms = time.time_ns() // 1_000_000  # the real tracker ticks by the real clock
    story = [("1", "unknown", 1), ("1", "occupied", 2), ("1", "closed", 3)]

    def shows(count: int) -> None:
        wait_until(lambda: changes(world, t.site_id) == story[:count], 30, f"{count} changes")

    # The tick of a slow restart must not make the camera seem silent.
    world.tell([as_record(t.adopt("a", "1", interval_ms=600_000), SITE_COMMANDS)])
    shows(1)
    world.tell([as_record(t.see("a", {"1": "o"}), DETECTIONS)])
    world.restart()
    world.tell([as_record(t.see("a", {"1": "o"}), DETECTIONS)])
    shows(2)
    world.tell([as_record(t.command(SlotClosed(slot_id=slot)), SITE_COMMANDS) for slot in "91"])
    shows(3)
    letters = [r for r in world.records(DEAD_LETTERS) if r.key == t.site_id.encode()]
    assert dead_letter_reasons(letters) == ["unknown-slot"]
