"""A site that was played through the real services and recorded, for tests that replay it."""

import asyncio
import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from parking.core.events import DetectionMade, FrameReceived, ParametersSet, TickElapsed
from parking.core.topics import DETECTIONS, TOPICS, TRACKER_BATCHES
from parking.core.topics import FRAMES as TOPIC_FRAMES
from parking.runtime.kafka import KafkaSettings
from parking.wire import codec
from services.tracker import checkpoints
from tests.support.playing import EVERY_FRAME, Play, playing
from tests.support.tracker_log import read
from tests.support.waiting import wait_until
from tools.cli import admin
from tools.compare.accounts import open_account
from tools.compare.result import Result
from tools.compare.result import compare as compared
from tools.record.__main__ import main as record
from tools.record.archive import ArchiveWriter, read_archive
from tools.record.recording import Kept, Recording
from tools.replay.__main__ import main as replay
from tools.replay.choice import Choice
from tools.replay.script import script
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

FRAMES = 96
INTERVAL_MS = 1_000
SILENCE_MS = 15_000
# One look is all: what is tried here is the way, and each picture goes it five times.
SETTINGS = {
    "DETECTOR_THREADS": "1",
    "DETECTOR_SIZE": EVERY_FRAME["detector"]["DETECTOR_SIZE"],
    "DETECTOR_CLOSER": "off",
}
SAME = [f"--set={name}={value}" for name, value in SETTINGS.items()]
OTHER = [*SAME, "--set=exit_observations=5"]


class World:
    """A site that was played and recorded and no longer changes."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.play = play
        self.folder = folder
        self.archive = folder / "window.zip"
        self.kafka = KafkaSettings(play.infra.bootstrap)

    def run(self, name: str, *options: str, of: Path | None = None) -> Path:
        """Replay the recording (or another one) from the command line."""
        out = self.folder / name
        replay([str(of or self.archive), "--out", str(out), *options])
        return out

    def against(self, a: Path, b: Path) -> Result:
        return compared(open_account(str(a), {}), open_account(str(b), {}))

    def topics(self) -> list[str]:
        """Return Kafka's topics except its internal ones."""

        async def work() -> list[str]:
            client = AIOKafkaAdminClient(**self.kafka.client())
            await client.start()
            try:
                return [name for name in await client.list_topics() if not name.startswith("__")]
            finally:
                await client.close()

        return asyncio.run(work())

    def ends(self) -> Mapping[str, int]:
        """Return how many records every live topic has had."""

        return {topic: len(read(self.play.infra, topic)) for topic in TOPICS}


@contextmanager
def recorded(folder: Path) -> Iterator[World]:
    """Play the demo lot once through ingest, detector and tracker, and then end these. `folder` is
    for all files."""
    paths = Paths(folder / "state", ROOT / ".state" / "cache")
    with (
        Infra(paths, os.environ, parts=("kafka", "mqtt")) as infra,
        playing(infra, ROOT / "demo", folder) as play,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("KAFKA_BOOTSTRAP", infra.bootstrap)
        patch.setenv("PYTHONPATH", str(ROOT))
        services = {**EVERY_FRAME, "detector": {**EVERY_FRAME["detector"], **SETTINGS}}
        for service in ("ingest", "detector", "tracker"):
            infra.start_service(service, services.get(service, {}), limit_s=90)
        play.publish_layouts(interval_ms=INTERVAL_MS)
        command = ParametersSet(silence_ms=SILENCE_MS)
        asyncio.run(
            admin.command_site(
                KafkaSettings(infra.bootstrap), play.footage.site_id, command, "test"
            )
        )
        _play(play, infra)
        made = World(play, folder)
        record([str(made.archive), "--site", play.footage.site_id, "--from", "1h"])
        yield made


def _play(play: Play, infra: Infra) -> None:
    """Play one round of the footage and a little more. ingest ends before the cameras do, because
    their disconnect would race with their last pictures and the log does not show their live order.
    """
    cameras = play.simulator("--every-frame", "--interval-ms", "200")
    try:
        wait_until(lambda: _analysed(infra) >= FRAMES, 240, f"{FRAMES} detections")
        infra.stop("ingest")
    finally:
        cameras.kill()
        cameras.wait()
    sent = len(read(infra, TOPIC_FRAMES))
    wait_until(lambda: _analysed(infra) >= sent, 60, f"{sent} detections")
    wait_until(lambda: not behind(infra), 60, "a tracker that has applied them")
    for service in ("detector", "tracker"):
        infra.stop(service)


def _analysed(infra: Infra) -> int:
    made = [codec.decode(record) for record in read(infra, DETECTIONS)]
    return sum(isinstance(event, DetectionMade) for event in made)


def behind(infra: Infra) -> bool:
    """Return whether the tracker has not yet applied each camera's last frame in Kafka. (Ticks
    continue, so its group is never at the end for long.)"""
    ends = {r.partition: checkpoints.read_batch(r) for r in read(infra, TRACKER_BATCHES)}
    applied: dict[str, int] = {}
    for one in read(infra, DETECTIONS):
        made = codec.decode(one)
        if isinstance(made, DetectionMade):
            if one.offset >= ends.get(one.partition, {}).get(DETECTIONS, 0):
                return True
            applied[made.camera_id] = made.frame_ref.offset
    last = {(r.key or b"").decode(): r.offset for r in read(infra, TOPIC_FRAMES)}
    return applied != last


def reported_later(of: Recording, scenes: int, each_ms: int, file: Path) -> Path:
    """Write an archive with the first scenes of the recording as a detector that takes `each_ms`
    per picture would leave them in the log: ticks overtake its detections, whose order stays."""
    kept = [one for one in of.records if _scene(one) <= scenes]
    free_ms = 0
    with ArchiveWriter(file) as out:
        for one in of.before:
            out.add(one, before=True)
        for one in kept:
            if isinstance(one.event, DetectionMade):
                free_ms = max(free_ms, one.event.time_ms) + each_ms
                one = dataclasses.replace(one, at_ms=free_ms)
            out.add(one, of.picture(one.file) if one.file else None)
        out.finish(of.sites, of.span_ms())
    return file


def longest_lag_ms(file: Path) -> int:
    """Return the largest lead of the site's time over a picture's time at the moment its detection
    is emitted."""
    tick_ms, lag_ms = 0, 0
    for one in script(read_archive(file), Choice()):
        if isinstance(one.event, TickElapsed):
            tick_ms = one.event.time_ms
        elif isinstance(one.event, FrameReceived):
            lag_ms = max(lag_ms, tick_ms - one.event.time_ms)
    return lag_ms


def _scene(one: Kept) -> int:
    """Return the number of the picture at its camera; 0 for all other records."""
    if isinstance(one.event, DetectionMade | FrameReceived):
        return int(one.event.id.rsplit("/", 1)[1])
    return 0
