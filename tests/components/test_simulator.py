import json

import numpy as np
import pytest

from parking.core.errors import Invalid
from parking.vision.imagehealth import Thresholds, assess, measured
from services.detector.picture import decode, small_grey
from tests.support.detector_tools import jpeg, scene
from tools.simulator.device import Broker, Device
from tools.simulator.footage import load, with_recorded_at
from tools.simulator.pace import Pace
from tools.simulator.sensor import Sensors
from tools.stack.demo import FOOTAGE as DEMO


def write(folder, annotations, *files):
    (folder / "annotations.json").write_text(json.dumps(annotations))
    for file in files:
        (folder / file).write_bytes(b"\xff\xd8\xff\xd9")
    return folder


FRAMES = [
    {"file": "a.jpg", "camera": "Cam 1", "timestamp": "2013-02-22T06:05:00"},
    {"file": "b.jpg", "camera": "Cam 1", "timestamp": None},
    {"file": "c.jpg", "camera": "two"},
]


def test_a_folder_is_read_camera_by_camera(tmp_path):
    folder = write(
        tmp_path / "", {"frames": FRAMES, "site": {"id": "Lot 7"}}, "a.jpg", "b.jpg", "c.jpg"
    )
    footage = load(folder)
    assert footage.device_ids == ["lot-7/cam-1", "lot-7/two"]
    assert [shot.path.name for shot in footage.shots["cam-1"]] == ["a.jpg", "b.jpg"]
    assert footage.shots["cam-1"][0].recorded_at_ms == 1_361_513_100_000
    assert footage.shots["cam-1"][1].recorded_at_ms is None
    assert footage.length == 2


def test_gate_events_add_a_gate_device(tmp_path):
    gate = [{"frame": 1, "direction": "exit"}, {"frame": 0, "direction": "entry"}]
    footage = load(write(tmp_path, {"frames": FRAMES[:1], "gate": gate}, "a.jpg"))
    assert footage.gate == [(0, "entry"), (1, "exit")]
    assert footage.device_ids[-1].endswith("/gate-1")


@pytest.mark.parametrize(("more", "fewer"), [("entry", "exit"), ("exit", "entry")])
def test_the_gates_count_does_not_drift_from_round_to_round(tmp_path, more, fewer):
    gate = [{"frame": f, "direction": d} for f, d in ((0, more), (1, more), (1, fewer), (1, more))]
    footage = load(write(tmp_path, {"frames": FRAMES[:2], "gate": gate}, "a.jpg", "b.jpg"))
    first, second = ([footage.passed(2 * r), footage.passed(2 * r + 1)] for r in (0, 1))
    assert [sorted(some) for some in first] == [[more], sorted([more, more, fewer])]
    assert second == [[fewer, fewer, *first[0]], first[1]]


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ({"frames": FRAMES}, "3 pictures are missing"),
        ({"frames": []}, "empty"),
        ({}, "frames is missing"),
        ([], "must be an object"),
    ],
)
def test_what_cannot_be_played_says_why(tmp_path, annotations, says):
    with pytest.raises(Invalid, match=says):
        load(write(tmp_path, annotations))


def test_no_folder_says_so(tmp_path):
    with pytest.raises(Invalid, match="cannot be read"):
        load(tmp_path / "none")


def test_the_original_time_goes_into_a_comment_segment():
    jpeg = with_recorded_at(b"\xff\xd8\xff\xd9", 123)
    assert jpeg == b'\xff\xd8\xff\xfe\x00\x20parking:{"recorded_at_ms":123}\xff\xd9'
    assert with_recorded_at(b"\xff\xd8\xff\xd9", None) == b"\xff\xd8\xff\xd9"


def test_footage_with_a_camera_of_one_picture_has_stills(tmp_path):
    frames = [FRAMES[0], FRAMES[1], FRAMES[2], {"file": "d.jpg", "camera": "two"}]
    folder = write(tmp_path, {"frames": frames}, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert load(folder).has_stills  # all alike
    (folder / "b.jpg").write_bytes(b"\xff\xd8 another \xff\xd9")
    assert load(folder).has_stills  # camera two's are
    (folder / "d.jpg").write_bytes(b"\xff\xd8 another \xff\xd9")
    assert not load(folder).has_stills


def test_a_held_story_is_the_same_one_with_more_pictures(tmp_path):
    gate = [{"frame": 0, "direction": "entry"}, {"frame": 1, "direction": "exit"}]
    folder = write(tmp_path, {"frames": FRAMES, "gate": gate}, "a.jpg", "b.jpg", "c.jpg")
    held = load(folder).held(3)
    assert [shot.path.name for shot in held.shots["cam-1"]] == ["a.jpg"] * 3 + ["b.jpg"] * 3
    assert held.length == 6
    assert [held.passed(n) for n in range(6)] == [["entry"], [], [], ["exit"], [], []], "in step"
    assert load(folder).held(1) == load(folder)


def test_how_dense_a_recording_is(tmp_path):
    minutes = [f"2013-02-22T06:{m:02}:00" for m in (0, 5, 10, 20)]
    frames = [{"file": "a.jpg", "camera": "one", "timestamp": time} for time in minutes]
    assert load(write(tmp_path, {"frames": frames}, "a.jpg")).gap_ms == 300_000
    assert load(write(tmp_path, {"frames": FRAMES}, "b.jpg", "c.jpg")).gap_ms is None


def test_a_scene_that_stands_still_is_another_picture_each_time(tmp_path):
    """The pictures are nearly the same and differ by a sensor's noise."""
    files = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for seed, file in enumerate(files):
        file.write_bytes(jpeg(scene(seed=seed)))
    sensors = Sensors()
    same, again, other = (sensors.taken("north", file) for file in (files[0], *files))
    assert len({same, again, other, files[0].read_bytes()}) == 4
    first, *others = (decode(p, 1_000_000, None).astype(int) for p in (same, again, other))
    near, far = (float(np.abs(first - picture).mean()) for picture in others)
    assert 0 < near < 6 < far
    with pytest.raises(Invalid, match="not a picture"):
        sensors.taken("north", write(tmp_path, {}, "none.jpg") / "none.jpg")


def test_the_demos_covered_camera_is_reported_as_covered_by_every_picture():
    sensors, scenes = Sensors(), load(DEMO).shots["south"]
    for number in (0, *range(36, 44)):
        for _ in range(3):
            picture = decode(sensors.taken("south", scenes[number].path), 1_000_000, None)
            health, _ = assess(measured(small_grey(picture)), None, Thresholds())
            assert health.status == ("covered" if number else "ok"), (number, health.reason)


def sends(pace, commanded_ms, until_s, step_s=0.05):
    """Return (the scene's picture, camera) in the order of sending, looking every `step_s`."""
    sent = []
    for step in range(round(until_s / step_s)):
        now_s = step * step_s
        moved = pace.moves(now_s)
        sent += [(pace.index, name) for name in pace.due(now_s, moved, commanded_ms)]
    return sent


def test_without_a_command_all_cameras_send_every_picture_together():
    sent = sends(Pace(1.0, 0.0), {"a": None, "b": None}, 3)
    assert sent == [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_a_commanded_interval_paces_that_camera_alone():
    sent = sends(Pace(1.0, 0.0), {"slow": 2000, "fast": 500, "free": None}, 4)
    assert [index for index, name in sent if name == "free"] == [0, 1, 2, 3]
    assert [index for index, name in sent if name == "slow"] == [0, 2]
    assert [index for index, name in sent if name == "fast"] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_lost_time_is_not_caught_up_by_a_burst():
    pace = Pace(1.0, 0.0)
    assert pace.moves(0.0)
    assert pace.moves(10.0)
    assert sum(pace.moves(10.0 + step / 10) for step in range(10)) <= 2
    assert pace.index <= 3


def device(state_dir, kind=Device):
    return kind("site/cam", "password", Broker("127.0.0.1", 1), state_dir)


def test_every_start_counts_a_boot(tmp_path):
    assert [device(tmp_path).boot_id for _ in range(3)] == [1, 2, 3]


def test_a_damaged_boot_counter_does_not_stop_the_device_nor_repeat_a_number(tmp_path):
    earlier = device(tmp_path).boot_id
    [counter] = tmp_path.iterdir()
    counter.write_text("")
    boot_id = device(tmp_path).boot_id
    assert boot_id > earlier
    assert device(tmp_path).boot_id == boot_id + 1


def test_a_connection_that_goes_while_a_frame_is_sent_ends_nothing(tmp_path):
    class LateToNotice(Device):
        connected = True

    camera = device(tmp_path, LateToNotice)
    assert not camera.frame(b"jpeg", 1, wait_s=0.01)
    assert not camera.frame(b"jpeg", 2, wait_s=0.01)
    assert (camera.counts.frames_sent, camera.counts.frames_dropped) == (0, 2)
