"""Row 5: Kafka is frozen for half a minute (nightly: also dead, and for ten minutes). The bridge
accepts no more than its limit, its memory does not grow, and afterwards no gate event is missing.

The device keeps sending at its own pace, and the MQTT broker keeps what the bridge does not take.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from parking.core.topics import FRAMES
from services.ingest.mqtt import MAX_UNACKED
from tests.support.boards import in_postgres
from tests.support.brokers import MOSQUITTO, Broker, Client, aedes, mosquitto
from tests.support.ingest_process import Bridge, Log, picture
from tests.support.waiting import wait_until
from tools.stack.infra import Infra

HALF_A_MINUTE, A_MINUTE, TEN_MINUTES = 30, 60, 600
DRAIN_S = 120
GATES_PER_S, FRAMES_PER_S = 1, 4
CALM_S = 3  # before the fault
MAX_GROWTH_MB, LANES = 50, 2
MOSQUITTO_WINDOW = 100  # max_inflight_messages in deploy/mosquitto/conf.d
EVENTS_WAIT = 20
WAITING = EVENTS_WAIT + 32 + 32  # HANDOVER_FRAMES, and what one read may bring
FLOOD, STEADY_S = 1_000, 3
UNBOUNDED = """
import runpy
from services.ingest import handover, mqtt
handover.Room.is_full = property(lambda self: False)
mqtt.MAX_UNACKED = 10**9
runpy.run_module("services.ingest", run_name="__main__")
"""
ACCEPTED, DROPPED = "parking_frames_accepted_total", "parking_frames_dropped_total"
pytestmark = pytest.mark.timeout(360)


@dataclass
class Load:
    """One device's messages and the answers to them."""

    client: Client
    root: str
    gates: int = 0
    frames: int = 0
    acked: set[int] = field(default_factory=set)

    def send(self, second: float) -> None:
        """Send everything that is due by this second."""
        gate = json.dumps({"direction": "entry", "gate": "main"}).encode()
        while self.gates < second * GATES_PER_S:
            self.gates += 1
            self.client.client.publish(f"{self.root}/gate/1/{self.gates}", gate, qos=1)
        while self.frames < second * FRAMES_PER_S:
            self.frames += 1
            topic = f"{self.root}/frame/1/{self.frames}/0"
            self.client.client.publish(topic, picture(self.frames % 50), qos=1)

    def all_acked(self) -> bool:
        while not self.client.messages.empty():
            self.acked.add(json.loads(self.client.next().payload)["seq"])
        return self.acked == set(range(1, self.gates + 1))


@dataclass
class Worst:
    """The highest value of each measurement."""

    rss_bytes: int = 0
    unacked: float = 0
    waiting: float = 0
    dropped: float = 0

    def look(self, bridge: Bridge) -> None:
        rss = psutil.Process(bridge.process.pid).memory_info().rss
        self.rss_bytes = max(self.rss_bytes, rss)
        self.unacked = max(self.unacked, bridge.metric("parking_mqtt_unacked_messages"))
        self.waiting = max(self.waiting, bridge.metric("parking_handover_messages"))
        self.dropped = max(self.dropped, bridge.metric("parking_broker_dropped_messages"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    with (mosquitto if MOSQUITTO else aedes)(tmp_path / "broker") as running:
        running.add("bridge")
        yield running


@pytest.fixture
def bridge(infra: Infra, broker: Broker, tmp_path: Path, unique) -> Iterator[Bridge]:
    made = Bridge(infra, broker, tmp_path, unique("bridge"))
    made.start(HANDOVER_EVENTS=str(EVENTS_WAIT))  # few, so that the intake stops soon
    yield made
    made.end(signal.SIGKILL)


NIGHTLY = [pytest.mark.nightly, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("outage_s", "dead"),
    [
        pytest.param(HALF_A_MINUTE, False, id="half a minute of SIGSTOP"),
        pytest.param(A_MINUTE, False, id="a minute of SIGSTOP", marks=NIGHTLY),
        pytest.param(A_MINUTE, True, id="a minute after kill -9", marks=NIGHTLY),
        pytest.param(TEN_MINUTES, False, id="ten minutes of SIGSTOP", marks=NIGHTLY),
        pytest.param(TEN_MINUTES, True, id="ten minutes after kill -9", marks=NIGHTLY),
    ],
)
def test_while_kafka_is_away_nothing_grows_and_no_gate_event_is_lost(  # noqa: PLR0913 -- fixtures
    infra: Infra,
    broker: Broker,
    bridge: Bridge,
    unique,
    outage_s: int,
    dead: bool,
    record_property: Callable[[str, object], None],
):
    device, log, worst = f"{unique('site')}/cam", Log(infra), Worst()
    site = device.split("/")[0]
    broker.add(device)
    infra.start_service("persister")
    with Client(broker, device) as client:
        client.subscribe(f"parking/v1/{device}/ack")
        load = Load(client, f"parking/v1/{device}")
        load.send(CALM_S)
        wait_until(load.all_acked, 30, "acked while all is well")
        wait_until(lambda: settled(bridge) == load.frames, 30, "frames settled while all is well")
        before = Worst()
        before.look(bridge)
        with away(infra, dead):
            endure(load, worst, bridge, outage_s)
            assert not load.all_acked()
            assert len(load.acked) == CALM_S * GATES_PER_S, "no end-to-end ack before Kafka has it"
        back = time.monotonic()
        wait_until(lambda: drained(infra, bridge, load, site), DRAIN_S, "all there and lag 0")
        drained_s = time.monotonic() - back
    infra.stop("persister")
    worst.look(bridge)
    growth_mb = (worst.rss_bytes - before.rss_bytes) / 1e6
    assert sorted(in_postgres(infra, site)) == [(1, n) for n in range(1, load.gates + 1)]
    assert f"{device}/1/{load.frames}" in log.ids(FRAMES, site), "the newest frame won"
    record_property("sent", f"{load.gates} gate events, 0 lost; {load.frames} frames")
    record_property("growth", f"{growth_mb:.1f} MB")
    record_property("unacked", f"{worst.unacked:.0f} at most; {worst.waiting:.0f} waited for Kafka")
    record_property("drained", f"in {drained_s:.0f} s; the broker dropped {worst.dropped:.0f}")
    assert growth_mb <= MAX_GROWTH_MB
    assert worst.unacked <= LANES * (MOSQUITTO_WINDOW if MOSQUITTO else MAX_UNACKED)
    assert EVENTS_WAIT <= worst.waiting <= WAITING, "the intake stopped, and stayed so"
    assert worst.dropped == 0
    wait_until(bridge.is_ready, 20, "ready again")


@pytest.mark.nightly
def test_negative_control_without_its_bound_the_bridge_takes_more_than_it_may(
    infra: Infra,
    broker: Broker,
    bridge: Bridge,
    unique,
    record_property: Callable[[str, object], None],
):
    """Without the bound, the number of messages that wait for Kafka exceeds the limit checked
    above, by up to the broker's own window (100 in mosquitto)."""
    device = f"{unique('site')}/gate"
    broker.add(device)
    waited: list[float] = []
    for program in ((), ("-c", UNBOUNDED)):
        bridge.end()
        bridge.start(*program, HANDOVER_EVENTS=str(EVENTS_WAIT))
        waited.append(flooded(infra, broker, bridge, device, len(waited) + 1))
    record_property("waited", f"{waited[0]:.0f}; without the bound {waited[1]:.0f}")
    assert EVENTS_WAIT <= waited[0] <= WAITING < waited[1]


def flooded(infra: Infra, broker: Broker, bridge: Bridge, device: str, boot: int) -> float:
    """Return the largest number of waiting messages while Kafka was frozen and many gate events
    came at once."""
    worst, last = Worst(), (0.0, time.monotonic())
    gate = json.dumps({"direction": "entry", "gate": "main"}).encode()
    with Client(broker, device) as client, away(infra, dead=False):
        client.publish(f"parking/v1/{device}/gate/{boot}/0", gate)
        # On its way to Kafka: those that come now wait behind it, in the room.
        wait_until(lambda: bridge.metric("parking_mqtt_unacked_messages") == 1, 10, "taken")
        wait_until(lambda: bridge.metric("parking_handover_messages") == 0, 10, "on its way")
        for seq in range(1, FLOOD):
            client.client.publish(f"parking/v1/{device}/gate/{boot}/{seq}", gate, qos=1)
        while time.monotonic() < last[1] + STEADY_S:
            worst.look(bridge)
            if worst.waiting > last[0]:
                last = worst.waiting, time.monotonic()
            time.sleep(0.1)
    wait_until(lambda: bridge.metric("parking_gate_events_total") == FLOOD, DRAIN_S, "all there")
    return worst.waiting


def endure(load: Load, worst: Worst, bridge: Bridge, outage_s: int) -> None:
    began = time.monotonic()
    while (second := time.monotonic() - began) < outage_s:
        load.send(CALM_S + second)
        worst.look(bridge)
        time.sleep(0.25)


def drained(infra: Infra, bridge: Bridge, load: Load, site: str) -> bool:
    """Return whether every gate event is acked and in Postgres, every frame is written or dropped
    in favour of a newer one, and nothing waits."""
    return (
        load.all_acked()
        and settled(bridge) >= load.frames
        and not bridge.metric("parking_handover_messages")
        and len(in_postgres(infra, site)) == load.gates
    )


@contextmanager
def away(infra: Infra, dead: bool) -> Iterator[None]:
    """Freeze Kafka, or kill it and do not restart it, until the end of the block."""
    infra.kill("kafka", signal.SIGKILL if dead else signal.SIGSTOP)
    if dead:
        infra.stop("kafka")  # otherwise its supervisor would start it again
    try:
        yield
    finally:
        if dead:
            infra.start("kafka")
        else:
            infra.kill("kafka", signal.SIGCONT)


def settled(bridge: Bridge) -> float:
    return bridge.metric(ACCEPTED) + bridge.metric(DROPPED)
