import json

import pytest

from parking.errors import Invalid
from tools.simulator.footage import load, with_recorded_at


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


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ({"frames": FRAMES}, "3 pictures are missing"),
        ({"frames": []}, "empty"),
        ({}, "KeyError"),
        ([], "AttributeError"),
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
