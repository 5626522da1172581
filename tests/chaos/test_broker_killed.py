"""Row 4: the MQTT broker dies twenty times in the middle of a burst of gate events, and no event of
a device is lost.

The device is the firmware under the MicroPython unix port, with its ring in simulated flash. At
every other kill the bridge is dead too, and a probe at the broker waits for events that the broker
has acknowledged and nobody has fetched. These certainly die with it.
"""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parking.core.topics import GATE_EVENTS
from tests.support.boards import (
    acknowledged,
    believe_pubacks,
    config,
    in_postgres,
    kept,
    tend_until,
)
from tests.support.brokers import EACH, Broker, Client
from tests.support.ingest_process import Bridge, Log
from tests.support.waiting import wait_until
from tools.boards.board import Board
from tools.stack.infra import Infra

EVENTS, KILLS, LANES = 1000, 20, 2
SAVED_AT = KILLS // 2  # from here on mosquitto has the bridge's sessions on disk
KILLS_OF_CONTROL = 3
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
NEW = 'parking_mqtt_connections_total{session="new"}'  # the alarm: a session was lost
KEPT = 'parking_mqtt_connections_total{session="kept"}'
TAKEN = 'parking_gate_events_total{result="accepted"}'  # into Kafka, some of them twice
GATE = re.compile(r"parking/v1/.+/gate/\d+/(\d+)")


@dataclass
class World:
    """A device, a broker and the bridge, with Kafka and Postgres behind them."""

    infra: Infra
    broker: Broker
    bridge: Bridge
    device_id: str
    gate: Board
    log: Log
    sessions_lost: int = LANES  # at first there are none
    hit: int = 0  # acknowledged events that were lost with the broker
    before: Counter[str] = field(default_factory=Counter)  # counts of earlier runs of the bridge

    @property
    def site(self) -> str:
        return self.device_id.split("/")[0]

    def count(self, name: str) -> float:
        """Return NEW, KEPT or TAKEN, summed over all lives of the bridge."""
        return self.before[name] + self.bridge.metric(name)

    def bridge_dies(self) -> None:
        self.before.update({name: int(self.bridge.metric(name)) for name in (NEW, KEPT, TAKEN)})
        self.bridge.end(signal.SIGKILL)

    def ids(self) -> list[str]:
        return self.log.ids(GATE_EVENTS, self.site)


@pytest.fixture(params=EACH)
def world(infra: Infra, request, tmp_path: Path, unique) -> Iterator[World]:
    device_id = f"{unique('site')}/gate-1"
    with ExitStack() as undo:
        (tmp_path / "broker").mkdir()
        broker = undo.enter_context(request.param(tmp_path / "broker"))
        for user in ("bridge", device_id):
            broker.add(user)
        bridge = Bridge(infra, broker, tmp_path, unique("bridge"))
        settings = {"port": broker.port, "password": f"password of {device_id}"}
        gate = Board(tmp_path / "board", config(infra, device_id, **settings), {"passings": EVENTS})
        bridge.start()
        undo.callback(bridge.end, signal.SIGKILL)
        undo.callback(gate.power_off)
        yield World(infra, broker, bridge, device_id, gate, Log(infra))


def die_unfetched(world: World, unanswered: int) -> None:
    """Kill the broker while the bridge is down and only the broker has this many events."""
    root = f"parking/v1/{world.device_id}"
    with Client(world.broker, "bridge", client_id=f"probe-{world.hit}") as probe:
        probe.subscribe(f"{root}/#")
        world.bridge_dies()
        published: set[int] = set()

        def hits() -> bool:
            while not probe.messages.empty():
                message = probe.next()
                if match := GATE.fullmatch(message.topic):
                    published.add(int(match[1]))
                elif message.topic.endswith("/ack"):
                    published.discard(json.loads(message.payload)["seq"])
            return len(published) >= unanswered

        tend_until(world.gate, hits, 60, "an event that nobody fetched")
        world.broker.kill()
    world.hit += len(published)
    note_lost_sessions(world)
    world.broker.back()
    world.bridge.start()


def die_at_work(world: World) -> None:
    """Kill the broker while the bridge fetches what arrives."""
    world.broker.kill()
    note_lost_sessions(world)
    world.broker.back()


def note_lost_sessions(world: World) -> None:
    """Note the events that the dead broker does not have on disk."""
    store = world.broker.store
    stored = store.read_bytes() if store is not None and store.exists() else b""
    lanes = (f"{world.bridge.client_id}-{lane}".encode() for lane in ("frames", "events"))
    world.sessions_lost += sum(lane not in stored for lane in lanes)


def through_kills(world: World, kills: int, unanswered: int) -> None:
    """Send all events, with this many kills in between."""
    gate = world.gate
    gate.power_on()
    for kill in range(1, kills + 1):
        reached, both = kill * EVENTS // (kills + 2), LANES * (kill + 1)
        tend_until(gate, lambda: world.count(TAKEN) >= reached, 120, "new events")  # noqa: B023 -- awaited
        if kill == SAVED_AT:
            save(world.broker)
        if kill % 2:
            die_unfetched(world, unanswered)
        else:
            die_at_work(world)
        wait_until(lambda: world.count(NEW) + world.count(KEPT) == both, 60, "both lanes back")  # noqa: B023
        wait_until(world.bridge.is_ready, 30, "ready")
    last = f"/{EVENTS}"
    tend_until(gate, lambda: any(name.endswith(last) for name in world.ids()), 240, "the last one")
    tend_until(gate, lambda: kept(gate) == acknowledged(gate), 60, "its ring empty")
    waiting = "parking_handover_messages"
    wait_until(lambda: world.bridge.metric(waiting) == 0, 30, "all of it in Kafka")


def save(broker: Broker) -> None:
    """Make mosquitto write its sessions to disk, which it does at this signal. aedes never does."""
    if broker.store is not None:
        os.kill(broker.pid, signal.SIGUSR1)
        wait_until(broker.store.exists, 20, "saved")


def test_twenty_kills_of_the_broker_cost_no_event(
    world: World, record_property: Callable[[str, object], None]
):
    world.infra.start_service("persister")
    began = time.monotonic()
    through_kills(world, KILLS, 1)
    ids = world.ids()
    expected = [f"{world.device_id}/gate/{boot_of(ids)}/{n}" for n in range(1, EVENTS + 1)]
    assert list(dict.fromkeys(ids)) == expected, "each of them, in order"
    wait_until(lambda: len(in_postgres(world.infra, world.site)) >= EVENTS, 60, "in Postgres")
    world.infra.stop("persister")
    rows = in_postgres(world.infra, world.site)
    assert sorted(rows) == [(boot_of(ids), n) for n in range(1, EVENTS + 1)], "once each"
    assert world.count(NEW) == world.sessions_lost
    assert world.count(KEPT) == LANES * (KILLS + 1) - world.sessions_lost
    assert world.hit >= KILLS // 2, "events died with the broker"
    record_property("kills", f"{KILLS}, {world.hit} events died with the broker")
    record_property("events", f"{EVENTS}, {len(rows)} rows, {len(ids) - EVENTS} written twice")
    record_property("sessions", f"{world.sessions_lost} lost, as many alarms")
    record_property("seconds", round(time.monotonic() - began))


def test_negative_control_a_device_that_believes_the_broker_loses_events(
    world: World, record_property: Callable[[str, object], None]
):
    believe_pubacks(world.gate.state / "a")
    through_kills(world, KILLS_OF_CONTROL, 3)
    lost = EVENTS - len(set(world.ids()))
    record_property("lost", f"{lost} of {EVENTS} with {KILLS_OF_CONTROL} kills")
    assert lost > 0


def boot_of(ids: list[str]) -> int:
    [boot_id] = {int(name.split("/")[3]) for name in ids}
    return boot_id
