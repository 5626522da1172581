"""A device can publish only as itself, so nothing that others send in its name reaches Kafka.

The users and client ids would be patterns, or lead elsewhere, in a careless broker. An operator
cannot add such a device, so the test writes them into the broker's file.
"""

import json
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.brokers import EACH, NEEDS_MOSQUITTO, QUIET_S, Broker, Client, mosquitto, until
from tests.support.ingest_process import TOPICS, Bridge, Log, picture
from tools.stack.infra import Infra

GATE = json.dumps({"direction": "entry", "gate": "main"}).encode()
STATUS = json.dumps({"state": "online", "boot_id": 2, "connection": 1}).encode()
FORGED = {
    "gate/2/1": GATE,
    "status": STATUS,
    "telemetry": b'{"rssi_dbm":-60}',
    "frame/2/1/0": picture(),
}
FORGED_IDS = {"gate", "status", "telemetry", "2"}  # their third part; 2: the frame's boot
IDS = ("#", "+", "+/+", "../")


@pytest.fixture(scope="module", params=EACH)
def broker(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Broker]:
    with request.param(tmp_path_factory.mktemp("broker")) as running:
        running.add("bridge")
        yield running


@dataclass
class Site:
    """A working gate, and clients that try to publish in its name."""

    broker: Broker
    victim: str
    passed: int = 0
    let_in: int = 0
    overheard: list[bytes] = field(default_factory=list)

    def intrude(self, user: str, client_id: str) -> None:
        """Listen while the gate works, then publish in its name."""
        ear = Client(self.broker, user, client_id=client_id)
        if not entered(ear):
            return
        self.let_in += 1
        try:
            for topic in (f"parking/v1/{self.victim}/ack", "parking/v1/#", "#"):
                ear.client.subscribe(topic, qos=1)
            self.works()
            self.overheard += [bytes(message.payload) for message in ear.rest()]
        finally:
            leave(ear)
        for suffix, payload in FORGED.items():  # one a connection: aedes ends it
            mouth = Client(self.broker, user, client_id=client_id, reconnect_on_failure=False)
            if entered(mouth):
                said = mouth.client.publish(f"parking/v1/{self.victim}/{suffix}", payload, qos=1)
                # cut off while it publishes, paho calls that an error: so first whether it is
                until(lambda: mouth.lost or said.is_published(), QUIET_S)  # noqa: B023 -- at once
            leave(mouth)

    def works(self) -> None:
        """Let a vehicle pass, and wait until the gate gets the bridge's ack."""
        self.passed += 1
        with Client(self.broker, self.victim) as gate:
            gate.subscribe(f"parking/v1/{self.victim}/ack")
            gate.publish(f"parking/v1/{self.victim}/gate/1/{self.passed}", GATE)
            while json.loads(gate.next().payload)["boot_id"] != 1:  # of what was forged
                continue


def entered(client: Client) -> bool:
    try:
        return not client.connect().is_failure
    except queue.Empty:  # cut off without an answer
        return False


def leave(client: Client) -> None:
    client.client.disconnect()
    client.client.loop_stop()


def foreign(log: Log, site: Site) -> set[str]:
    """Return what is in Kafka for the site apart from the gate's own events."""
    name = site.victim.split("/")[0]
    there = {event_id for topic in TOPICS for event_id in log.ids(topic, name)}
    own = {f"{site.victim}/gate/1/{number}" for number in range(1, site.passed + 1)}
    assert own <= there
    return there - own


def test_nothing_that_others_say_for_a_device_reaches_kafka(
    bridge: Bridge,
    broker: Broker,
    log: Log,
    unique,
    record_property: Callable[[str, object], None],
):
    name = unique("site")
    site, thief = Site(broker, f"{name}/gate"), f"{name}/thief"
    users = ("#", "+", "+/+", "+/gate", f"{name}/#", f"{name}/+", f"../{name}/gate")
    for user in (site.victim, thief, *users):
        broker.add(user)
    bridge.start()
    for user in users:
        site.intrude(user, "")
    for client_id in (*IDS, site.victim):
        site.intrude(thief, client_id)
    site.works()
    record_property("intruders", f"{site.let_in} of {len(users) + len(IDS) + 1} could connect")
    assert site.let_in > len(IDS), "those with a name of their own could"
    assert site.overheard == []
    assert foreign(log, site) == set()
    assert bridge.end() == 0


@NEEDS_MOSQUITTO
def test_negative_control_without_the_acl_all_of_it_does(
    infra: Infra, tmp_path: Path, log: Log, unique
):
    name = unique("site")
    with mosquitto(tmp_path, acl=False) as broker:
        site, thief = Site(broker, f"{name}/gate"), f"{name}/thief"
        for user in ("bridge", site.victim, thief):
            broker.add(user)
        (tmp_path / "bridge").mkdir()
        bridge = Bridge(infra, broker, tmp_path / "bridge", unique("bridge"))
        bridge.start()
        try:
            site.intrude(thief, "")
            site.works()
        finally:
            bridge.end()
    assert site.overheard
    assert {event_id.split("/")[2] for event_id in foreign(log, site)} == FORGED_IDS
