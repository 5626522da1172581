"""Row 24, against real servers: the firmware's own files under the MicroPython unix port, a real
broker that is killed, the real bridge and a real Kafka."""

import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from parking.core.topics import DEVICE_EVENTS, FRAMES, GATE_EVENTS
from tests.support.boards import (
    acknowledged,
    believe_pubacks,
    config,
    in_postgres,
    kept,
    site_of,
    slots_of,
    tend_until,
    waiting,
)
from tests.support.ingest_process import Log, picture
from tests.support.waiting import nightly, wait_until
from tools.boards.board import Board
from tools.stack.infra import Infra

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
EVENTS = 1000
KILLS = 3


@pytest.fixture
def bridge(infra: Infra) -> Iterator[None]:
    infra.start_service("ingest")
    yield
    infra.stop("ingest")


@pytest.fixture
def board(infra: Infra, unique, tmp_path: Path) -> Iterator[Callable[..., Board]]:
    made: list[Board] = []

    def make(world: dict[str, object], **more: object) -> Board:
        device_id = f"{unique('site')}/gate-1"
        made.append(Board(tmp_path / str(len(made)), config(infra, device_id, **more), world))
        return made[-1]

    yield make
    for one in made:
        one.power_off()


@pytest.mark.nightly
def test_a_thousand_gate_events_through_a_killed_broker_arrive_once_each(
    infra: Infra, bridge: None, board: Callable[..., Board], log: Log
):
    gate = board({"passings": EVENTS})
    site = site_of(gate)
    infra.start_service("persister")
    gate.power_on()
    for kill in range(1, KILLS + 1):
        tend_until(
            gate,
            partial(has, log, GATE_EVENTS, site, kill * EVENTS // (KILLS + 2)),
            120,
            "new events between the kills",
        )
        starts = infra.starts("mqtt")
        infra.kill("mqtt", signal.SIGKILL)
        infra.wait_restarted("mqtt", starts + 1)
    tend_until(gate, lambda: len(set(log.ids(GATE_EVENTS, site))) == EVENTS, 150, "all there")
    tend_until(gate, lambda: waiting(log, site) == 0, 60, "the ring empty")
    ids = list(dict.fromkeys(log.ids(GATE_EVENTS, site)))
    [boot_id] = {event.boot_id for event in log.of(GATE_EVENTS, site)}
    device_id = f"{site}/gate-1"
    assert ids == [f"{device_id}/gate/{boot_id}/{n}" for n in range(1, EVENTS + 1)], "in order"
    wait_until(lambda: len(in_postgres(infra, site)) == EVENTS, 60, "all in Postgres")
    infra.stop("persister")
    assert sorted(in_postgres(infra, site)) == [(boot_id, n) for n in range(1, EVENTS + 1)]
    directions = Counter(event.direction for event in log.of(GATE_EVENTS, site))
    assert abs(directions["entry"] - directions["exit"]) <= KILLS, (
        "both directions were distinguished"
    )
    connections = {e.connection for e in log.of(DEVICE_EVENTS, site) if e.kind == "online"}
    assert len(connections) == KILLS + 1, "every kill cost it its connection"


@pytest.mark.parametrize("broken", [False, nightly(True)], ids=["as it is", "given up at PUBACK"])
def test_what_a_broker_took_and_lost_comes_again(
    infra: Infra, bridge: None, board: Callable[..., Board], log: Log, broken: bool
):
    """The broker dies with events that it has acknowledged and no bridge has fetched. The device
    sends them again. A device that trusts PUBACKs (the negative control) has lost them."""
    gate = board({"passings": 20})
    site = site_of(gate)
    if broken:
        believe_pubacks(gate.state / "a")
    infra.stop("ingest")
    gate.power_on()
    tend_until(gate, lambda: kept(gate) == 20, 30, "20 events in flash")
    tend_until(gate, lambda: "connected, boot" in gate.log, 30, "connected")
    if broken:
        tend_until(gate, lambda: acknowledged(gate) == 20, 60, "20 given up")
    starts = infra.starts("mqtt")
    infra.kill("mqtt", signal.SIGKILL)
    infra.wait_restarted("mqtt", starts + 1)
    infra.start("ingest")
    tend_until(gate, lambda: waiting(log, site) == 0, 60, "nothing waits any more")
    assert len(set(log.ids(GATE_EVENTS, site))) == (0 if broken else 20)


def test_power_cuts_cost_no_event_that_was_in_flash(
    bridge: None, board: Callable[..., Board], log: Log
):
    """The power fails while events wait, and they arrive with the number of their own boot."""
    gate = board({"passings": 40})
    site = site_of(gate)
    gate.network(on=False)
    gate.power_on()
    wait_until(lambda: kept(gate) >= 40, 30, "in flash")
    gate.power_off()
    gate.network(on=True)
    gate.power_on()
    tend_until(gate, lambda: len(set(log.ids(GATE_EVENTS, site))) >= 80, 60, "both boots' events")
    events = {event.id: event for event in log.of(GATE_EVENTS, site)}
    first, second = sorted({event.boot_id for event in events.values()})
    assert second == first + 1
    assert sum(event.boot_id == first for event in events.values()) == 40


@pytest.mark.parametrize("clock", [nightly("off"), nightly("2000"), "2021"])
def test_events_without_a_clock_get_their_time_once_it_is_known(
    bridge: None, board: Callable[..., Board], log: Log, clock: str
):
    """At first there is no network, then one whose time server is silent or wrong, then the right
    time."""
    gate = board({"passings": 10, "ntp": clock})
    gate.network(on=False)
    on_ms = time.time_ns() // 1_000_000
    gate.power_on()
    wait_until(lambda: kept(gate) == 10, 30, "in flash")
    seen_ms = time.time_ns() // 1_000_000
    wait_until(lambda: time.time_ns() // 1_000_000 > seen_ms + 5000, 10, "receipt far from it")
    gate.network(on=True)
    words = "connected, boot" if clock == "off" else "time server is not believed"
    tend_until(gate, lambda: words in gate.log, 60, words)
    assert not log.ids(GATE_EVENTS, site_of(gate)), "none is sent with a time made up"
    (gate.state / "ntp-ok").touch()
    tend_until(gate, partial(has, log, GATE_EVENTS, site_of(gate), 10), 60, "all there")
    events = log.of(GATE_EVENTS, site_of(gate))
    assert {event.time_source for event in events} == {"device"}
    for event, mono_ms in zip(events, monotonic(gate), strict=True):
        assert on_ms - 2000 <= event.time_ms - mono_ms, "it had power by then"
        assert event.time_ms <= seen_ms + 2000, "and it lay in flash by then"


def monotonic(gate: Board) -> list[int]:
    """Return the time of each kept event, in ms since the boot (firmware/app/ring.py)."""
    return [struct.unpack_from("<BBHQIq", slot)[5] for slot in slots_of(gate)]


def test_pictures_come_by_mqtt_and_by_post(
    infra: Infra, bridge: None, board: Callable[..., Board], log: Log, tmp_path: Path
):
    file = tmp_path / "1.jpg"
    file.write_bytes(picture())
    world = {"frames": [str(file)], "interval_ms": 500, "length": 1}
    url = f"{infra.url('ingest')}/ingest/v1/frames/"
    by_mqtt = board(world, gate="", interval_ms=500, frame_qos=1)
    by_post = board(world, gate="", interval_ms=500, post_url=url)
    for one, via in ((by_mqtt, "mqtt"), (by_post, "http")):
        one.power_on()
        site = site_of(one)
        tend_until(one, partial(has, log, FRAMES, site, 3), 60, "three pictures")
        frames = log.of(FRAMES, site)
        assert {frame.via for frame in frames} == {via}
        assert frames[-1].time_source == "device"
        assert len({frame.id for frame in frames}) == len(frames)


def has(log: Log, topic: str, site: str, count: int) -> bool:
    return len(set(log.ids(topic, site))) >= count
