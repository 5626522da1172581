"""Measure one number of cameras on a whole stack that is started and stopped for it."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.progress import track

from parking.runtime.kafka import KafkaSettings
from tools.bench.capacity.ages import Sent
from tools.bench.capacity.course import Course, Outcome
from tools.bench.capacity.plan import Camera
from tools.bench.capacity.results import Point
from tools.bench.capacity.scenes import layouts
from tools.bench.capacity.setting import Setting
from tools.bench.capacity.stackrig import sending
from tools.cli import admin
from tools.sse import Arrival, Listener
from tools.stack import services
from tools.stack.infra import PARTS, Infra
from tools.stack.settings import ROOT, SERVICES, Paths

_START_LIMIT_S: Final = 180.0


def measure(row: str, tree: Path, count: int, setting: Setting) -> Point:
    """Measure the services of a source tree with `count` cameras. For every tree, the servers
    (Kafka, the MQTT broker, PostgreSQL, S3) are started in the way of this code."""
    cameras = setting.cast(count)
    with tempfile.TemporaryDirectory(prefix="capacity-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, setting.environ) as infra:
            for service in track(SERVICES, f"{row}, {count} cameras: starting"):
                _start(infra, service, tree, count)
            named = [replace(c, password=_password(infra, c.camera_id)) for c in cameras]
            kafka = KafkaSettings(infra.bootstrap)
            published = layouts(setting.recordings, named, setting.interval_s)
            asyncio.run(admin.publish_layouts(kafka, published, "bench"))
            with Listener(infra.url("notifier") + "/api/events") as page:
                outcome, sent = asyncio.run(_run(infra, kafka, named, setting, Path(scratch)))
                arrived = page_times(list(page.events), time.time() - time.monotonic())
            point = setting.point(row, named, sent, outcome, arrived)
            again = [name for name in (*PARTS, *SERVICES) if infra.starts(name) > 1]
    restarts = [f"{name} exited and was restarted" for name in again]
    return replace(point, failures=[*point.failures, *restarts])


async def _run(
    infra: Infra, kafka: KafkaSettings, cameras: list[Camera], setting: Setting, scratch: Path
) -> tuple[Outcome, Sequence[Sent]]:
    plan = setting.plan(cameras, infra.mqtt_host, infra.mqtt_port)
    async with sending(plan, scratch, kafka, setting.environ) as (rig, started_ms):
        rig.pids |= {name: infra.pid(name) for name in (*PARTS, *SERVICES)}
        ids = [camera.camera_id for camera in cameras]
        outcome = await Course(rig, ids, setting.interval_s, started_ms).run(setting.window_s)
        return outcome, list(rig.sent())


def page_times(arrivals: Sequence[Arrival], offset_s: float) -> dict[str, float]:
    """Return, keyed by frame, the time (Unix seconds) when its first slot change reached the page.
    `offset_s` is how far the wall clock is ahead of the monotonic clock."""
    found: dict[str, float] = {}
    for event, _, data, at_s in arrivals:
        if event == "slot-change" and data["cause"]["kind"] == "frame":
            found.setdefault(data["cause"]["id"], at_s + offset_s)
    return found


def environment(tree: Path) -> dict[str, str]:
    """Return the environment in which Python imports the project's modules from this tree."""
    return {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}


def records_at_once(count: int) -> int:
    """Return DETECTOR_RECORDS as `make run` sets it. The detector can prefer a camera's newest
    picture only among those that it takes at once."""
    return min(500, max(32, 4 * count))


def _start(infra: Infra, service: str, tree: Path, count: int) -> None:
    more = {"DETECTOR_RECORDS": str(records_at_once(count))} if service == "detector" else {}
    part = services.part(service, infra.settings, PARTS, more)
    env = {**part.env, **environment(tree)}
    infra.run_part(replace(part, env=env), limit_s=_START_LIMIT_S)


def _password(infra: Infra, camera_id: str) -> str:
    return infra.add_device(*camera_id.split("/"))[1]
