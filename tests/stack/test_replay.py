"""Frames played into a real Kafka are recorded and replayed: with the same settings nothing is
different, with others exactly what the pure fold predicts, and live is not touched."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from parking import admin, codec
from parking.errors import Invalid
from parking.events import DetectionMade, ParametersSet, SlotChanged
from parking.kafka import KafkaSettings, assign_all, new_consumer
from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths
from parking.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    TOPICS,
    TRACKER_CHANGELOG,
)
from parking.topics import FRAMES as TOPIC_FRAMES
from services.tracker import handler
from tests.playing import EVERY_FRAME, Play, playing
from tests.tracker_log import read
from tests.waiting import wait_until
from tools.compare.__main__ import main as compare
from tools.compare.accounts import open_account
from tools.compare.result import Result, numbers
from tools.compare.result import compare as compared
from tools.record.__main__ import main as record
from tools.record.archive import read_archive
from tools.replay.__main__ import main as replay
from tools.replay.runs import read_events
from tools.replay.script import frames_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

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
    """A site that was played, recorded, and stands still."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.play = play
        self.folder = folder
        self.archive = folder / "window.zip"
        self.kafka = KafkaSettings(play.infra.bootstrap)

    def run(self, name: str, *options: str) -> Path:
        """A replay of the recording, from the command line."""
        out = self.folder / name
        replay([str(self.archive), "--out", str(out), *options])
        return out

    def against(self, a: Path, b: Path) -> Result:
        return compared(open_account(str(a), {}), open_account(str(b), {}))

    def topics(self) -> list[str]:
        """Kafka's topics, its own left out."""

        async def work() -> list[str]:
            client = AIOKafkaAdminClient(**self.kafka.client())
            await client.start()
            try:
                return [name for name in await client.list_topics() if not name.startswith("__")]
            finally:
                await client.close()

        return asyncio.run(work())

    def ends(self) -> Mapping[str, int]:
        """How many records every live topic has had."""

        async def work() -> dict[str, int]:
            consumer = new_consumer(self.kafka)
            await consumer.start()
            try:
                found = {}
                for topic in TOPICS:
                    places = await assign_all(consumer, topic)
                    found[topic] = sum((await consumer.end_offsets(places)).values())
                return found
            finally:
                await consumer.stop()

        return asyncio.run(work())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The demo lot played once, through ingest, detector and tracker; then these end."""
    folder = tmp_path_factory.mktemp("replay")
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
    """One round of the footage and a little more. ingest ends before the cameras do: their goodbye
    would race with their last pictures, and the log does not tell in which order live took them."""
    cameras = play.simulator("--every-frame", "--interval-ms", "200")
    try:
        wait_until(lambda: _analysed(infra) >= FRAMES, 240, f"{FRAMES} detections")
        infra.stop("ingest")
    finally:
        cameras.kill()
        cameras.wait()
    sent = len(read(infra, TOPIC_FRAMES))
    wait_until(lambda: _analysed(infra) >= sent, 60, f"{sent} detections")
    wait_until(lambda: not _behind(infra), 60, "a tracker that has applied them")
    for service in ("detector", "tracker"):
        infra.stop(service)


def _analysed(infra: Infra) -> int:
    made = [codec.decode(record) for record in read(infra, DETECTIONS)]
    return sum(isinstance(event, DetectionMade) for event in made)


def _behind(infra: Infra) -> bool:
    """Whether a camera's last report is older than its last frame in Kafka. (Ticks go on, so the
    group is never at the end for long.)"""
    entries = [handler.decode(r.value or b"") for r in read(infra, TRACKER_CHANGELOG)]
    applied = {
        name: camera.frame_ref.offset
        for entry in entries
        for name, camera in entry.site.cameras.items()
        if camera.frame_ref
    }
    last = {(r.key or b"").decode(): r.offset for r in read(infra, TOPIC_FRAMES)}
    return applied != last


@pytest.fixture(scope="module")
def predicted(world: World) -> Path:
    """What the pure fold makes of other settings."""
    return world.run("predicted", *OTHER)


def test_the_recording_holds_the_window(world: World):
    kept = read_archive(world.archive)
    counts = {topic: len(list(kept.of(topic))) for topic in TOPICS}
    ends = world.ends()
    for topic in (DETECTIONS, SLOT_CHANGES, SITE_COMMANDS):
        assert counts[topic] == ends[topic] > 0, topic
    pictures = [one for one in kept.records if one.file]
    assert len(pictures) == ends[TOPIC_FRAMES] >= FRAMES
    assert all(kept.picture(one.file or "") for one in pictures)


def test_a_window_from_the_middle_goes_on_where_it_begins(world: World):
    """Layouts, commands and what each slot showed come from before it, and so do pictures that the
    detector was behind with. What the cameras said before it is forgotten within the silence limit,
    live too; from then on nothing parts."""
    whole = read_archive(world.archive)
    frames = [kept for kept, _ in frames_of(whole)]
    cut_ms = frames[len(frames) // 2].at_ms
    file = world.folder / "half.zip"
    start = datetime.fromtimestamp(cut_ms / 1000, UTC).isoformat()
    record([str(file), "--site", world.play.footage.site_id, "--from", start])
    half = read_archive(file)
    assert {kept.event.id for kept, _ in frames_of(half)} < {kept.event.id for kept in frames}
    run = world.folder / "half"
    replay([str(file), "--out", str(run), *SAME])
    made = [kept.event for kept in half.of(DETECTIONS) if isinstance(kept.event, DetectionMade)]
    assert {event.id for event in made} == {e.id for e in read_events(run, DetectionMade)}
    settled_ms = cut_ms + SILENCE_MS + INTERVAL_MS
    late = [d for d in world.against(file, run).differences if d.from_ms > settled_ms]
    assert late == []
    assert len(read_events(run, SlotChanged)) > FRAMES / 8


def test_a_range_of_frames_is_kept_with_what_belongs_to_it(world: World):
    frames = [kept for kept, _ in frames_of(read_archive(world.archive))]
    partition = frames[0].partition
    offsets = sorted(kept.offset for kept in frames if kept.partition == partition)[5:9]
    file = world.folder / "some.zip"
    record([
        *(str(file), "--site", world.play.footage.site_id, "--without-detections"),
        *("--frames", f"{partition}:{offsets[0]}-{offsets[-1]}"),
    ])  # fmt: skip
    some = read_archive(file)
    assert [kept.offset for kept, _ in frames_of(some)] == offsets
    assert {kept.event.TYPE for kept in some.of(DETECTIONS)} <= {"parking.tick-elapsed.v1"}
    assert some.before


def test_what_is_not_there_is_told(world: World):
    site = ["--site", world.play.footage.site_id]
    with pytest.raises(SystemExit, match="holds frames 0 to"):
        record([str(world.folder / "no.zip"), *site, "--frames", "0:5-99999"])
    with pytest.raises(SystemExit, match="holds nothing of nowhere"):
        record([str(world.folder / "no.zip"), "--site", "nowhere", "--from", "1h"])
    assert not (world.folder / "no.zip").exists()
    with pytest.raises(SystemExit, match="--force"):
        record([str(world.archive), *site, "--from", "1h"])


def test_the_same_settings_in_one_process_make_no_difference(world: World):
    run = world.run("same", *SAME)
    assert len(read_events(run, SlotChanged)) > FRAMES / 2
    result = world.against(world.archive, run)
    assert numbers(result)["slots_different"] == 0
    with pytest.raises(SystemExit) as ended:
        compare([str(world.archive), str(run), "--fail-if", "slots_different > 0"])
    assert ended.value.code == 0


def test_other_settings_do_make_a_difference(world: World, predicted: Path):
    result = world.against(world.archive, predicted)
    assert numbers(result)["slots_different"] > 0
    with pytest.raises(SystemExit) as ended:
        compare([str(world.archive), str(predicted), "--fail-if", "slots_different > 0"])
    assert ended.value.code == 1


def test_played_through_the_services_with_the_same_settings_nothing_differs_and_live_is_untouched(
    world: World,
):
    before = world.ends()
    run = world.run("by-services", "--kafka", *SAME)
    assert world.ends() == before
    assert {change.run for change in read_events(run, SlotChanged)} == {"by-services"}
    assert numbers(world.against(world.archive, run))["slots_different"] == 0
    assert not read(world.play.infra, DEAD_LETTERS, DEAD_LETTERS_FRAMES)
    assert not [name for name in world.topics() if name not in TOPICS]  # and its own are gone


def test_played_through_the_services_with_others_exactly_the_predicted_differs(
    world: World, predicted: Path
):
    run = world.run("predicted-by-services", "--kafka", "--run", "predicted", *OTHER)
    by_services = {change.id: change for change in read_events(run, SlotChanged)}
    by_fold = {change.id: change for change in read_events(predicted, SlotChanged)}
    assert by_services.keys() == by_fold.keys()  # ids come from run, cause, slot and state
    told = [(c.slot_id, c.to_state, c.time_ms, c.dwell_ms) for c in by_services.values()]
    assert sorted(told) == sorted(
        (c.slot_id, c.to_state, c.time_ms, c.dwell_ms) for c in by_fold.values()
    )
    theirs = world.against(world.archive, run).differences
    ours = world.against(world.archive, predicted).differences
    assert [(d.key, d.from_ms, d.to_ms) for d in theirs] == [
        (d.key, d.from_ms, d.to_ms) for d in ours
    ]


def test_the_check_of_untouched_topics_would_notice_a_record(world: World):
    """The negative control, last: it writes into a live topic."""
    before = world.ends()
    command = ParametersSet(exit_observations=3)
    asyncio.run(admin.command_site(world.kafka, world.play.footage.site_id, command, "test"))
    assert world.ends() != before


def test_a_replay_cannot_be_called_live(world: World):
    with pytest.raises(SystemExit, match="live"):
        world.run("never", "--kafka", "--run", "live", *SAME)
    with pytest.raises(Invalid):
        asyncio.run(admin.delete_run(world.kafka))
