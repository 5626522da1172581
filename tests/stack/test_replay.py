"""Frames played into a real Kafka are recorded and replayed. With the same settings nothing
differs, with others the result is exactly what the pure fold predicts, and live topics are not
touched."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parking.core.errors import Invalid
from parking.core.events import DetectionMade, ParametersSet, SlotChanged
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    SITE_COMMANDS,
    SLOT_CHANGES,
    TOPICS,
)
from parking.core.topics import FRAMES as TOPIC_FRAMES
from tests.support.recorded import (
    FRAMES,
    INTERVAL_MS,
    OTHER,
    SAME,
    SILENCE_MS,
    World,
    longest_lag_ms,
    recorded,
    reported_later,
)
from tests.support.tracker_log import read
from tools.cli import admin
from tools.compare.__main__ import main as compare
from tools.compare.result import numbers
from tools.record.__main__ import main as record
from tools.record.archive import read_archive
from tools.replay import processes
from tools.replay.__main__ import main as replay
from tools.replay.runs import read_events
from tools.replay.script import frames_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SCENES = 9
LATER_MS = 600


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the demo lot, played and recorded once."""
    with recorded(tmp_path_factory.mktemp("replay")) as made:
        yield made


@pytest.fixture(scope="module")
def predicted(world: World) -> Path:
    """Return the pure fold's result with other settings."""
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
    """Layouts, commands and what each slot showed come from before the window, and so do pictures
    that the detector had not finished. What the cameras reported before it is forgotten within the
    silence limit, in live operation too. From then on nothing differs."""
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


def test_a_missing_thing_is_reported(world: World):
    site = ["--site", world.play.footage.site_id]
    with pytest.raises(SystemExit, match="holds frames 0 to"):
        record([str(world.folder / "no.zip"), *site, "--frames", "0:5-99999"])
    with pytest.raises(SystemExit, match="has no records of nowhere"):
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


@pytest.mark.nightly  # `make test` plays the other settings through the services
def test_played_through_the_services_with_the_same_settings_nothing_differs_and_live_is_untouched(
    world: World,
):
    before = world.ends()
    run = world.run("by-services", "--kafka", *SAME)
    assert world.ends() == before
    assert {change.run for change in read_events(run, SlotChanged)} == {"by-services"}
    assert numbers(world.against(world.archive, run))["slots_different"] == 0
    assert not read(world.play.infra, DEAD_LETTERS, DEAD_LETTERS_FRAMES)
    assert not [name for name in world.topics() if name not in TOPICS]  # and its own are deleted


def test_played_through_the_services_with_others_exactly_the_predicted_differs(
    world: World, predicted: Path
):
    run = world.run("predicted-by-services", "--kafka", "--run", "predicted", *OTHER)
    by_services = {change.id: change for change in read_events(run, SlotChanged)}
    by_fold = {change.id: change for change in read_events(predicted, SlotChanged)}
    assert by_services.keys() == by_fold.keys()  # ids come from run, cause, slot and state
    shown = [(c.slot_id, c.to_state, c.time_ms, c.dwell_ms) for c in by_services.values()]
    assert sorted(shown) == sorted(
        (c.slot_id, c.to_state, c.time_ms, c.dwell_ms) for c in by_fold.values()
    )
    theirs = world.against(world.archive, run).differences
    ours = world.against(world.archive, predicted).differences
    assert [(d.key, d.from_ms, d.to_ms) for d in theirs] == [
        (d.key, d.from_ms, d.to_ms) for d in ours
    ]


def flow(run: Path) -> list[tuple[object, ...]]:
    """Return the changes in their order, without what names the run or gives an age."""
    return [
        (c.slot_id, c.from_state, c.to_state, c.version, c.reason, c.cause.id, c.time_ms)
        for c in read_events(run, SlotChanged)
    ]


def states(run: Path) -> dict[str, str]:
    return {c.slot_id: c.to_state for c in read_events(run, SlotChanged)}


@pytest.mark.nightly
def test_a_detector_slowed_tenfold_leads_to_the_same_changes_in_the_same_order(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A detector at full speed reports each picture before the next tick. The other one takes ten
    times as long for each, so its detections lie that much later in the log: a few seconds of ticks
    have passed, which is less than the silence limit."""
    whole = read_archive(world.archive)
    options = [*SAME, "--set=silence_ms=60000", "--set=DETECTOR_FRAME_LIMIT_S=240"]
    fast = reported_later(whole, SCENES, 0, tmp_path / "fast.zip")
    slow = reported_later(whole, SCENES, LATER_MS, tmp_path / "slow.zip")
    at_once = world.run("fast", "--kafka", *options, of=fast)
    monkeypatch.setitem(processes.PROGRAMS, "detector", "tests.stack.slow_detector")
    monkeypatch.setenv("SLOWED", str(tmp_path / "took.txt"))
    later = world.run("slow", "--kafka", *options, of=slow)
    took = [line.split() for line in (tmp_path / "took.txt").read_text().splitlines()]
    assert len(took) == len(read_events(later, DetectionMade)) == 2 * SCENES
    assert all(float(delayed) >= 10 * float(own) for own, delayed in took)
    assert longest_lag_ms(fast) < SCENES * LATER_MS / 2 < longest_lag_ms(slow)
    assert flow(later) == flow(at_once)
    assert states(later) == states(at_once)
    assert len(flow(later)) > 30


def test_the_check_of_untouched_topics_would_notice_a_record(world: World):
    """This negative control comes last, because it writes into a live topic."""
    before = world.ends()
    command = ParametersSet(exit_observations=3)
    asyncio.run(admin.command_site(world.kafka, world.play.footage.site_id, command, "test"))
    assert world.ends() != before


def test_a_replay_cannot_be_called_live(world: World):
    with pytest.raises(SystemExit, match="live"):
        world.run("never", "--kafka", "--run", "live", *SAME)
    with pytest.raises(Invalid):
        asyncio.run(admin.delete_run(world.kafka))
