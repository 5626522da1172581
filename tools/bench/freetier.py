"""Measure whether the services fit into the memory and processor time of the smallest instances.

There are two groups, as in deploy/aws: the backend (Kafka, the MQTT broker, ingest, tracker,
persister, notifier) and the detector. Control groups limit the memory and processor time of each.
PostgreSQL, S3 and the simulated cameras run outside, as RDS, S3 and real cameras do. It needs root
and the recordings of `make bench-capacity`. docs/deploy.md explains the table.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from parking.runtime.kafka import KafkaSettings
from tools.bench.capacity import machine, pictures, scenes
from tools.bench.capacity.ages import Sent
from tools.bench.capacity.course import Course, Outcome
from tools.bench.capacity.plan import Camera
from tools.bench.capacity.results import Point, as_json
from tools.bench.capacity.setting import Setting
from tools.bench.capacity.stack import page_times, records_at_once
from tools.bench.capacity.stackrig import sending
from tools.bench.confined import Group, Reading
from tools.cli import admin
from tools.sse import Listener
from tools.stack import services
from tools.stack.infra import Infra, build
from tools.stack.settings import ROOT, Paths, StackSettings
from tools.stack.supervisor import Part

SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "backend": ("kafka", "mqtt", "notifier", "persister", "tracker", "ingest"),
    "detector": ("detector",),
}
"""Each set in the order of start: readers before writers."""
KAFKA_HEAP_MB: Final = 256  # as deploy/aws/instance/units/parking-kafka.service
PICTURES: Final = 24  # of each recording
START_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """One number of cameras. `start_s` is the time until all services were ready. `used` is keyed
    by set and counts from the first process on."""

    point: Point
    start_s: float
    used: Mapping[str, Reading]

    def cores(self, group: str) -> float:
        """Return the processor time of a set in the window, in cores."""
        spent_s = sum(self.point.cpu_s.get(name, 0.0) for name in SETS[group])
        return spent_s / self.point.window_s if self.point.window_s else float("nan")


def main() -> None:
    """Run the command line."""
    options = _parser().parse_args()
    recordings = [
        replace(one, files=one.files[:PICTURES], states=one.states[:PICTURES])
        for one in scenes.load(options.data)
    ]
    cores = len(os.sched_getaffinity(0))
    here = machine.parse(Path("/proc/cpuinfo").read_text("utf-8"), cores)
    options.out.mkdir(parents=True, exist_ok=True)
    files = [one.files for one in recordings]
    with tempfile.TemporaryDirectory(prefix="freetier-") as scratch:
        pack, places = pictures.kept(files, options.pictures or Path(scratch))
        window_s = options.minutes * 60
        setting = Setting(recordings, pack, places, options.interval, window_s, cores, os.environ)
        results: list[Result] = []
        for count in options.cameras:
            results.append(measure(count, setting, options.limit_mb, options.cores))
            body = [_as_json(one) for one in results]
            (options.out / "freetier.json").write_text(json.dumps(body, indent=1), "utf-8")
            text = f"{here}\n\n{table(results)}\n"
            (options.out / "freetier.md").write_text(text, "utf-8")
    print(text)


def measure(count: int, setting: Setting, limit_mb: int, cores: float) -> Result:
    """Start everything, let `count` cameras send, and read what each set has used."""
    with ExitStack() as undo:
        scratch = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="freetier-")))
        groups = {name: undo.enter_context(Group(name, limit_mb, cores)) for name in SETS}
        # Stops all parts before their groups.
        paths = Paths(scratch / "state", ROOT / ".state" / "cache")
        infra = undo.enter_context(Infra(paths, setting.environ, parts=("postgres", "s3")))
        began_s = time.monotonic()
        for group, part in _parts(infra.settings, count):
            command = groups[group].command(part.command)
            infra.run_part(replace(part, command=command), START_LIMIT_S)
        start_s = time.monotonic() - began_s
        cameras = [replace(c, password=_password(infra, c)) for c in setting.cast(count)]
        kafka = KafkaSettings(infra.bootstrap)
        published = scenes.layouts(setting.recordings, cameras, setting.interval_s)
        asyncio.run(admin.publish_layouts(kafka, published, "bench"))
        with Listener(infra.url("notifier") + "/api/events") as page:
            outcome, sent = asyncio.run(_run(infra, kafka, cameras, setting, scratch))
            arrived = page_times(list(page.events), time.time() - time.monotonic())
        point = setting.point("confined", cameras, sent, outcome, arrived)
        again = [n for names in SETS.values() for n in names if infra.starts(n) > 1]
        failures = [*point.failures, *(f"{name} was restarted" for name in again)]
        used = {name: group.read() for name, group in groups.items()}
        return Result(replace(point, failures=failures), start_s, used)


def _parts(settings: StackSettings, count: int) -> list[tuple[str, Part]]:
    """Return what is measured in the order of start, each with the name of its set."""
    servers = build(replace(settings, kafka_heap_mb=KAFKA_HEAP_MB), ("kafka", "mqtt"))
    ours = {part.name: part for part in servers}
    more = {"DETECTOR_RECORDS": str(records_at_once(count))}
    for name in (name for names in SETS.values() for name in names if name not in ours):
        env = more if name == "detector" else {}
        ours[name] = services.part(name, settings, (), env)
    return [(group, ours[name]) for group, names in SETS.items() for name in names]


def _password(infra: Infra, camera: Camera) -> str:
    return infra.add_device(*camera.camera_id.split("/"))[1]


async def _run(
    infra: Infra, kafka: KafkaSettings, cameras: list[Camera], setting: Setting, scratch: Path
) -> tuple[Outcome, Sequence[Sent]]:
    plan = setting.plan(cameras, infra.mqtt_host, infra.mqtt_port)
    async with sending(plan, scratch, kafka, setting.environ) as (rig, started_ms):
        rig.pids |= {name: infra.pid(name) for names in SETS.values() for name in names}
        ids = [camera.camera_id for camera in cameras]
        course = Course(rig, ids, setting.interval_s, started_ms, to_the_end=True)
        return await course.run(setting.window_s), list(rig.sent())


def table(results: Sequence[Result]) -> str:
    """Return Markdown with one row per set and number of cameras."""
    lines = [
        "| Cameras | Set | Peak MB | Own MB | Swap MB | At the limit | Killed | Cores | Throttled |"
        " Age p50, p99 s | Change on the page p50, p99 s | Verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        point = one.point
        for group, used in one.used.items():
            cells = [
                str(point.cameras),
                group,
                f"{used.peak_mb:.0f}",
                f"{used.own_mb:.0f}",
                f"{used.swap_mb:.0f}",
                f"{used.at_limit}",
                f"{used.killed}",
                f"{one.cores(group):.2f}",
                f"{used.throttled:.0%}",
                f"{point.age_p50_s:.2f}, {point.age_p99_s:.2f}",
                f"{point.page_p50_s:.2f}, {point.page_p99_s:.2f} ({point.page_changes})",
                "; ".join(point.failures) or "served",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _as_json(one: Result) -> dict[str, object]:
    used = {name: asdict(reading) for name, reading in one.used.items()}
    cores = {name: one.cores(name) for name in SETS}
    return {**as_json(one.point), "start_s": one.start_s, "used": used, "set_cores": cores}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.freetier",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = Path(os.environ.get("PARKING_DATA") or "../shared/data")
    add = parser.add_argument
    add("--data", type=Path, default=data, help="folder of the sets (PARKING_DATA, ../shared/data)")
    add("--cameras", type=int, nargs="+", default=[1, 4, 10], help="(1 4 10)")
    add("--interval", type=float, default=5.0, help="seconds between pictures (5)")
    add("--minutes", type=float, default=60.0, help="to measure each number of cameras (60)")
    add("--limit-mb", type=int, default=900, help="memory of each set, MB (900)")
    add("--cores", type=float, default=1.0, help="processor time of each set, in cores (1)")
    add("--pictures", type=Path, help="folder to store the prepared pictures for later runs")
    add("--out", type=Path, default=Path("runs/freetier"), help="(runs/freetier)")
    return parser


if __name__ == "__main__":
    main()
