"""Measure how a device that floods one site delays another site, from frame to change over SSE.
`python -m tools.bench.flood` starts a stack of its own and measures the second site before and
during the flood, through every process. One device floods the broker with 30,000 gate events as
fast as the broker takes them, again and again. It runs at the lowest priority, because real devices
would not take CPU from the servers. `--shares off` is the control.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Final

import httpx
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from rich.progress import track

from parking.core.topics import mqtt_topic
from parking.runtime.kafka import KafkaSettings
from tools.bench.latency import SERVICES, Lot, Plan, durations_ms, percentile, phase, scene_of
from tools.cli import admin
from tools.simulator.device import Broker, Device
from tools.sse import Listener
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

BURST: Final = 30_000
_FLOODER: Final = "flood/bad"
_REFUSED: Final = 'parking_share_exceeded_messages_total{of="device",what="events"}'
_FLOOD_FIRST_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds from frame to SSE of the second site, the flood's events per second, and how
    many of them ingest refused."""

    before_ms: list[float]
    during_ms: list[float]
    flood_per_s: float
    refused: float

    def row(self) -> str:
        """Format the numbers for people."""
        return (
            f"second site, frame to SSE: p95 {percentile(self.before_ms, 95):.0f} ms before "
            f"({len(self.before_ms)} frames), {percentile(self.during_ms, 95):.0f} ms during "
            f"({len(self.during_ms)}); p50 {percentile(self.before_ms, 50):.0f} and "
            f"{percentile(self.during_ms, 50):.0f} ms; {self.flood_per_s:,.0f} gate events a second"
            f" by the flood, {self.refused:,.0f} refused; load {os.getloadavg()[0]:.1f}"
        )


def measure(plan: Plan, environ: Mapping[str, str], more: Mapping[str, str]) -> Measured:
    """Measure in a separate stack. `more` holds settings of the services."""
    scene = scene_of(plan.footage, plan.interval_ms)
    camera_id = scene.layout.camera_id
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flood-")))
        paths = Paths(scratch / "state", ROOT / ".state" / "cache")
        infra = stack.enter_context(Infra(paths, environ))
        for service in track(SERVICES, "starting services"):
            infra.start_service(service, more, limit_s=120)
        kafka = KafkaSettings(infra.bootstrap)
        asyncio.run(admin.publish_layouts(kafka, [scene.layout], "bench"))
        broker = Broker(infra.mqtt_host, infra.mqtt_port)
        device = Device(camera_id, infra.add_device(*camera_id.split("/"))[1], broker, scratch)
        password = infra.add_device(*_FLOODER.split("/"))[1]
        device.start()
        stack.callback(device.stop)
        url = infra.url("notifier") + f"/api/events?site={scene.layout.site_id}"
        lot = Lot(kafka, device, stack.enter_context(Listener(url)), plan)
        before_ms = durations_ms(phase(lot, scene.extremes, 1))
        with flooding(broker, password) as sent:
            began_s = time.monotonic()
            time.sleep(_FLOOD_FIRST_S)
            during_ms = durations_ms(phase(lot, scene.extremes, 1))
            per_s = sent.value / (time.monotonic() - began_s)
        return Measured(before_ms, during_ms, per_s, _refused(infra.url("ingest")))


@contextmanager
def flooding(broker: Broker, password: str) -> Iterator["Synchronized[int]"]:
    """Flood until the block ends. Yields the number of events sent so far."""
    context = multiprocessing.get_context("spawn")
    sent = context.Value("q", 0)
    process = context.Process(target=_flood, args=(broker, password, sent), daemon=True)
    process.start()
    try:
        yield sent
    finally:
        process.kill()
        process.join()


def _flood(broker: Broker, password: str, sent: "Synchronized[int]") -> None:
    os.nice(19)
    client = Client(CallbackAPIVersion.VERSION2, client_id=_FLOODER)
    client.username_pw_set(_FLOODER, password)
    client.connect(broker.host, broker.port)
    client.loop_start()
    boot = 0
    while True:
        boot += 1
        for seq in range(BURST):
            topic = mqtt_topic(_FLOODER, "gate", boot, seq)
            info = client.publish(topic, b'{"direction":"entry","gate":"main"}')
            if seq % 1_000 == 999:  # how far it may run ahead of the network
                info.wait_for_publish(60)
                sent.value += 1_000


def _refused(ingest_url: str) -> float:
    lines = httpx.get(f"{ingest_url}/metrics").text.splitlines()
    found = [line.removeprefix(_REFUSED) for line in lines if line.startswith(_REFUSED)]
    return float(found[0]) if found else 0.0


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.flood", description=__doc__)
    parser.add_argument("--footage", type=Path, default=Path("demo"), help="folder to play (demo)")
    parser.add_argument("--frames", type=int, default=60, help="frames before and during (60)")
    parser.add_argument("--interval-ms", type=int, default=1000, help="frame interval in ms (1000)")
    parser.add_argument("--shares", choices=("on", "off"), default="on")
    given = parser.parse_args()
    plan = Plan(given.footage, given.frames, given.interval_ms, 0)
    print(measure(plan, os.environ, {"SHARES": given.shares}).row())


if __name__ == "__main__":
    main()
