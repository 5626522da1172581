import asyncio
import filecmp
import json
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from parking.core.errors import Invalid, SettingsError
from parking.core.events import (
    DetectionMade,
    Event,
    ParametersSet,
    SessionChanged,
    SiteCommanded,
    SlotChanged,
    StateCorrected,
)
from parking.core.topics import DETECTIONS, FRAMES, LIVE, TOPICS, of_run
from services.detector.settings import Settings as DetectorSettings
from services.notifier.settings import Settings as NotifierSettings
from services.tracker.settings import Settings as TrackerSettings
from tests.support.detector_tools import analyser, layout
from tests.support.replaying import (
    CAMERA,
    EVERY_MS,
    START_MS,
    STORY,
    archive,
    flow,
    kept,
    picture,
    recording,
    tick,
)
from tests.support.tracking import SILENCE_MS, Teller, fold
from tools.record.archive import read_archive
from tools.record.recording import Recording
from tools.replay.__main__ import main
from tools.replay.choice import Choice, choice
from tools.replay.folder import read_folder, truth_of
from tools.replay.in_process import ModelWatcher, Played, RecordedWatcher, play
from tools.replay.processes import service_env
from tools.replay.runs import read_events, read_facts
from tools.replay.script import frames_of, script


def played(of: Recording, chosen: Choice | None = None, run: str = "test", **more) -> Played:
    """Play it through the analyser of the white detector, or as recorded."""
    steps = script(of, chosen or Choice(), **more)
    recorded = more.get("eyes") == "recorded"
    watcher = RecordedWatcher() if recorded else ModelWatcher(analyser(), of.picture)
    return asyncio.run(play(steps, watcher, run, lambda count: None))


@cache
def usual() -> Played:
    """Return the unchanged story, played once for all tests that only read it."""
    return played(recording())


def at(number: int) -> int:
    return START_MS + number * EVERY_MS


# ---------------------------------------------------------------- names of a run
def test_live_keeps_its_names_and_no_run_shares_one_with_another():
    assert all(of_run(name, LIVE) == name for name in TOPICS)
    names = [of_run(name, run) for run in ("a", "b") for name in TOPICS]
    assert len({*names, *TOPICS}) == 3 * len(TOPICS)


@pytest.mark.parametrize("run", ["", "Live", "a.b", "a/b", "x" * 41, "a b"])
def test_a_name_that_could_mean_another_topic_is_refused(run):
    with pytest.raises(Invalid):
        of_run(DETECTIONS, run)


def test_a_service_that_can_serve_a_run_takes_its_name_and_others_refuse_it():
    environ = {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "RUN": "tuesday"}
    for settings in (DetectorSettings, TrackerSettings):
        kafka = settings.from_env(environ).kafka
        assert kafka.named(FRAMES) == of_run(FRAMES, "tuesday") != FRAMES
        assert settings.from_env({"KAFKA_BOOTSTRAP": "127.0.0.1:1"}).kafka.named(FRAMES) == FRAMES
        with pytest.raises(SettingsError, match="RUN"):
            settings.from_env({**environ, "RUN": "Live!"})
    with pytest.raises(SettingsError, match="RUN=tuesday"):
        NotifierSettings.from_env(environ)


# ---------------------------------------------------------------- settings
def test_settings_come_from_names_and_a_file_and_the_names_win():
    file = {"detector": {"DETECTOR_SIZE": 960, "DETECTOR_SKIP": False}, "tracker": {}}
    chosen = choice(["exit_observations=5", "DETECTOR_SIZE=1280"], file)
    assert chosen.detector == {"DETECTOR_SIZE": "1280", "DETECTOR_SKIP": "off"}
    assert chosen.tracker == {"exit_observations": 5}


@pytest.mark.parametrize("text", ["exit=5", "exit_observations", "exit_observations=0",
                                  "min_confidence=hoch", "KAFKA_BOOTSTRAP=x:1"])  # fmt: skip
def test_an_unknown_setting_is_refused_by_name(text):
    with pytest.raises(Invalid) as caught:
        choice([text, "also_wrong=1"])
    assert text.split("=")[0] in caught.value.detail
    assert "also_wrong" in caught.value.detail


def test_either_network_can_be_chosen():
    chosen = choice(["SLOT_MODEL_FILE=none", "MODEL_FILE=own.onnx"])
    assert chosen.detector == {"MODEL_FILE": "own.onnx", "SLOT_MODEL_FILE": "none"}


def test_nothing_is_left_out_under_load_whatever_is_chosen_or_in_the_environment():
    """The load differs from run to run, and a replay must not."""
    environ = {"DETECTOR_LOAD": "on", "DETECTOR_SKIP": "on"}
    for chosen in (choice([]), choice(["DETECTOR_LOAD=on", "DETECTOR_SKIP=on"])):
        env = service_env(environ, chosen, "a") | {"KAFKA_BOOTSTRAP": "127.0.0.1:1"}
        settings = DetectorSettings.from_env(env)
        assert not settings.load
        assert not settings.skip


# ---------------------------------------------------------------- what is played
def test_a_replay_gives_the_changes_of_the_pictures():
    assert flow(usual().outputs) == [
        *((slot, "free", at(2)) for slot in ("A1", "A2", "A3")),
        ("A1", "occupied", at(5)),
        ("A1", "free", at(11)),
    ]


def test_chosen_parameters_change_what_they_should():
    changes = flow(played(recording(), Choice(tracker={"exit_observations": 5})).outputs)
    assert ("A1", "free", at(14)) in changes
    assert ("A1", "occupied", at(5)) in changes


def test_dwell_is_that_of_the_recording():
    outputs = usual().outputs
    left = [e for e in outputs if isinstance(e, SlotChanged) and e.time_ms == at(11)]
    assert [e.dwell_ms for e in left] == [6 * EVERY_MS]


def test_the_run_is_in_every_output_and_in_its_id():
    one, two = played(recording(), run="one"), played(recording(), run="two")
    assert {getattr(e, "run", "") for e in one.outputs} == {"one"}
    assert not {e.id for e in one.outputs} & {e.id for e in two.outputs}


def test_playing_twice_gives_the_same(tmp_path):
    of = read_archive(archive(tmp_path / "a.zip", recording()))
    assert played(of) == played(of) == usual()


def test_silence_is_played_too():
    of = recording()
    late = [kept(tick(number), 100 + number) for number in range(17, 17 + SILENCE_MS // 1_000 + 2)]
    outputs = played(Recording("x", of.sites, [*of.records, *late], of.picture, of.before)).outputs
    assert flow(outputs)[-1][1] == "unknown"


def test_parameters_set_in_the_recording_keep_what_is_not_chosen():
    t = Teller("demo")
    set_there = t.parameters(enter_observations=4, exit_observations=3)
    of = recording(before=[*recording().before, kept(set_there, 1, START_MS - 1)])
    played_ones = [
        one.event.command
        for one in script(of, Choice(tracker={"exit_observations": 5}))
        if isinstance(one.event, SiteCommanded) and isinstance(one.event.command, ParametersSet)
    ]
    assert played_ones[-1] == ParametersSet(enter_observations=4, exit_observations=5)


def test_a_slot_begins_as_it_was_shown_before():
    outputs = usual().outputs
    before = [e for e in outputs if isinstance(e, SlotChanged) and e.time_ms == at(5)]
    shown = replace(before[0], slot_id="A2", time_ms=START_MS - 60_000)
    of = recording(before=[*recording().before, kept(shown, 9)])
    changes = flow(played(of).outputs)
    assert changes[0] == ("A2", "occupied", START_MS - 60_000)
    assert ("A2", "free", at(2)) in changes  # then the pictures count


def test_a_picture_is_played_where_its_detection_stood():
    """The live detector was slow, so the tick of that time came before the detection, and it does
    so again in the replay."""
    of = recording()
    made = [
        kept(event, number, at_ms=event.time_ms + 700)
        for number, event in enumerate(usual().detections)
    ]
    late = Recording("x", of.sites, [*of.records, *made], of.picture, of.before)

    def topics(of: Recording) -> list[str]:
        return [o.topic for o in script(of, Choice()) if o.topic in (FRAMES, DETECTIONS)]

    assert topics(of)[:4] == [FRAMES, DETECTIONS, FRAMES, DETECTIONS]
    assert topics(late)[:4] == [DETECTIONS, FRAMES, DETECTIONS, FRAMES]


def passed_over() -> Recording:
    """Return a recording in which the live detector analysed only every second picture."""
    of = recording()
    made = [kept(event, n) for n, event in enumerate(usual().detections) if n % 2]
    return Recording("x", of.sites, [*of.records, *made], of.picture, of.before)


def test_pictures_that_live_passed_over_are_left_out_unless_asked_for():
    assert len(played(passed_over()).detections) == len(STORY) // 2
    assert len(played(passed_over(), every_frame=True).detections) == len(STORY)


def test_recorded_detections_are_enough_for_the_trackers_parameters():
    of = recording()
    made = [kept(event, n) for n, event in enumerate(usual().detections)]
    ticks = [one for one in of.records if one.topic == DETECTIONS]
    blind = Recording("x", of.sites, sorted([*ticks, *made], key=lambda one: one.order),
                      of.picture, of.before)  # fmt: skip
    with pytest.raises(Invalid, match="recorded detections can be played"):
        script(blind, Choice())
    for chosen in (Choice(), Choice(tracker={"exit_observations": 5})):
        assert flow(played(blind, chosen, eyes="recorded").outputs) == flow(
            played(of, chosen).outputs
        )


def test_undecodable_records_are_reported_and_stop_nothing():
    of = recording()
    files = {one.file: of.picture(one.file) for one in of.records if one.file}
    files[f"frames/{CAMERA}/0-{3:012}.jpg"] = b"\xff\xd8 no picture"
    result = played(recording(picture=files.__getitem__))
    assert [(r.id, r.reason) for r in result.refused] == [(f"{CAMERA}/1/3", "undecodable")]
    assert len(result.detections) == len(STORY) - 1


def test_a_replay_is_the_fold_of_its_script():
    of = recording()
    result = played(of, run=LIVE)
    events: list[Event] = [one.event for one in script(of, Choice())]
    detections = {made.id: made for made in result.detections}
    inputs = [detections.get(e.id, e) for e in events if e.TYPE != "parking.layout-published.v1"]
    assert fold(inputs, "demo")[1] == result.outputs
    assert not any(isinstance(getattr(e, "command", None), StateCorrected) for e in inputs)


# ---------------------------------------------------------------- folders
def footage(folder: Path, story=STORY, minutes: int = 5) -> Path:
    """Return the generated lot as a folder with annotations and one picture every five minutes."""
    width, height = 480, 270
    slots = {s.slot_id: s.polygon for s in layout().slots}
    frames = []
    for number, occupied in enumerate(story):
        (folder / f"{number}.jpg").write_bytes(picture((occupied,) if occupied else (), number))
        frames.append(
            {
                "file": f"{number}.jpg",
                "camera": "north",
                "timestamp": f"2026-06-09T{8 + number * minutes // 60:02}:"
                f"{number * minutes % 60:02}:00",
                "width": width,
                "height": height,
                "slots": [
                    {
                        "id": slot_id,
                        "polygon": [[x * width, y * height] for x, y in polygon],
                        "occupied": int(slot_id == occupied),
                    }
                    for slot_id, polygon in slots.items()
                ],
            }
        )
    annotations = {"site": {"id": "demo"}, "frames": frames}
    (folder / "annotations.json").write_text(json.dumps(annotations))
    return folder


def test_a_folder_is_played_at_its_own_times(tmp_path):
    of = read_folder(footage(tmp_path))
    changes = flow(played(of).outputs)
    start_ms = frames_of(of)[0][1].time_ms
    assert [(slot, to) for slot, to, _ in changes] == [
        *((slot, "free") for slot in ("A1", "A2", "A3")),
        ("A1", "occupied"),
        ("A1", "free"),
    ]
    assert changes[-2][2] - start_ms == 4 * 300_000


def test_a_night_without_pictures_is_silence(tmp_path):
    folder = footage(tmp_path)
    annotations = json.loads((folder / "annotations.json").read_text())
    annotations["frames"][-1]["timestamp"] = "2026-06-10T08:00:00"
    (folder / "annotations.json").write_text(json.dumps(annotations))
    changes = flow(played(read_folder(folder)).outputs)
    assert {to for _, to, _ in changes[-3:]} == {"unknown"}


def test_gate_events_of_a_folder_open_and_close_sessions(tmp_path):
    folder = footage(tmp_path)
    annotations = json.loads((folder / "annotations.json").read_text())
    annotations["gate"] = [{"frame": 3, "direction": "entry"}, {"frame": 9, "direction": "exit"}]
    (folder / "annotations.json").write_text(json.dumps(annotations))
    changes = [e for e in played(read_folder(folder)).outputs if isinstance(e, SessionChanged)]
    assert [(e.kind, e.dwell_ms) for e in changes] == [("opened", None), ("closed", 6 * 300_000)]


def test_labels_are_found_by_the_picture_itself_or_its_original_time(tmp_path):
    folder = footage(tmp_path)
    frames = [frame for _, frame in frames_of(read_folder(folder))]
    assert [truth_of(folder, frames)[f.id]["A1"] for f in frames] == [s == "A1" for s in STORY]
    by_time = [replace(f, sha256="0" * 64) for f in frames]
    assert truth_of(folder, by_time) == truth_of(folder, frames)
    neither = [replace(f, sha256="0" * 64, recorded_at_ms=None) for f in frames]
    assert truth_of(folder, neither) == {}


# ---------------------------------------------------------------- the command
@pytest.fixture
def command(tmp_path, capsys):
    """Run the command line on the generated folder and return the run's folder."""
    (tmp_path / "lot").mkdir()
    folder = footage(tmp_path / "lot", STORY[:4])

    def run(name: str, *options: str) -> Path:
        out: Path = tmp_path / name
        main([str(folder), "--out", str(out), "--set", "DETECTOR_THREADS=1", *options])
        capsys.readouterr()
        return out

    return run


def test_two_runs_of_the_same_are_the_same_byte_for_byte(command):
    one, two = command("one", "--run", "same"), command("two", "--run", "same")
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == 7
    assert filecmp.cmpfiles(one, two, names, shallow=False) == (names, [], [])


def test_a_run_says_with_what_it_was_made(command):
    run = command("calm", "--set", "exit_observations=5")
    facts = read_facts(run)
    assert facts.run == "calm"
    assert facts.tracker == {"exit_observations": 5}
    assert facts.detector == {"DETECTOR_THREADS": "1"}
    assert facts.model_id.startswith("parking-yolo11n@")
    assert len(read_events(run, DetectionMade)) == facts.counts["detections.jsonl"] == 4


def test_a_damaged_run_is_reported_with_its_line(command):
    run = command("run")
    file = run / "slot-changes.jsonl"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([*lines[:2], b"{", *lines[2:]]))
    with pytest.raises(Invalid, match="line 3"):
        read_events(run, SlotChanged)


def test_a_folder_that_is_not_a_run_is_not_replaced(command, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(SystemExit, match="is not replaced"):
        command("mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
