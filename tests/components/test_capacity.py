"""The parts of `make bench-capacity` that touch pictures, files and sockets."""

import asyncio
import json
import math
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from parking.core.events import DetectionMade, Effort
from parking.core.topics import DETECTIONS, mqtt_topic
from parking.wire import codec
from parking.wire.ports import Record
from tests.conftest import shared_data
from tests.support.scripted_mqtt import ScriptedBroker
from tests.support.waiting import until
from tools.bench.capacity import pictures, scenes
from tools.bench.capacity.loop import Loop
from tools.bench.capacity.naive import Queue, judge
from tools.bench.capacity.plan import Plan, cast
from tools.bench.capacity.sender import Sender
from tools.bench.capacity.stack import page_times
from tools.bench.capacity.stackrig import SentLog, frame_report
from tools.sse import Arrival

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def jpeg(seed=0):
    rng = np.random.default_rng(seed)
    rough = rng.integers(60, 180, (24, 32, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(rough, (320, 240)))[1].tobytes()


def decoded(picture):
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown is not None
    return shown.astype(np.float32)


def test_variants_differ_as_a_cameras_pictures_do():
    noise = pictures.Noise.make((320, 240), 1)
    made = [decoded(one) for one in pictures.variants(jpeg(), noise, 1)]
    assert len(made) == pictures.VARIANTS
    scene = decoded(jpeg())
    gains = [one.mean() / scene.mean() for one in made]
    assert 0.9 < min(gains) < max(gains) < 1.1
    assert max(gains) - min(gains) > 0.01
    shifts = [math.hypot(*cv2.phaseCorrelate(scene, one)[0]) for one in made]
    assert max(shifts) < pictures.SHAKE_PX + 0.5
    assert max(shifts) > 0.5
    assert np.abs(made[0] - made[1]).mean() > 1


def test_the_same_seed_gives_the_same_pictures():
    noise = pictures.Noise.make((320, 240), 1)
    assert pictures.variants(jpeg(), noise, 5) == pictures.variants(jpeg(), noise, 5)


def test_pictures_are_found_where_they_lie_and_kept(tmp_path):
    files = [[tmp_path / f"{name}.jpg" for name in "ab"], [tmp_path / "c.jpg"]]
    for number, file in enumerate(file for some in files for file in some):
        file.write_bytes(jpeg(number))
    pack, places = pictures.kept(files, tmp_path / "kept")
    assert [[len(one) for one in some] for some in places] == [[12, 12], [12]]
    data = pack.read_bytes()
    for number, some in enumerate(place for sequence in places for place in sequence):
        for offset, length in some:
            shown = decoded(data[offset : offset + length])
            assert np.corrcoef(shown.ravel(), decoded(jpeg(number)).ravel())[0, 1] > 0.5
    before = pack.stat().st_mtime_ns
    again = pictures.kept(files, tmp_path / "kept")[1]
    assert json.dumps(again) == json.dumps(places)
    assert pack.stat().st_mtime_ns == before


def test_the_recordings_give_each_camera_a_layout_of_its_own():
    folder = shared_data("pklot-ufpr04-seq").parent
    recordings = scenes.load(folder)
    layouts = scenes.layouts(recordings, cast(5, [len(r.files) for r in recordings], 5.0), 5.0)
    assert [layout.camera_id for layout in layouts][3:] == ["lot-000/c3", "lot-001/c0"]
    assert all(layout.reference and layout.interval_ms == 5000 for layout in layouts)
    ids = [slot.slot_id for layout in layouts[:4] for slot in layout.slots]
    assert len(ids) == len(set(ids)) == 2 * (40 + 28)
    changed = [len(recordings[1].changed(n - 1, n)) for n in range(1, 43)]
    assert sum(map(bool, changed)) == 36
    assert recordings[1].changed(43, 44) == recordings[1].changed(0, 1)  # it begins again


# ---------------------------------------------------------------- cameras
async def test_a_sender_publishes_and_knows_what_is_acknowledged():
    broker = ScriptedBroker()
    async with broker.running():
        sender = await Sender.connect(("127.0.0.1", broker.port), "lot-000/c0", "secret")
        listening = asyncio.create_task(sender.listen())
        topic = mqtt_topic("lot-000/c0", "frame", 1, 1, 5)
        sender.publish(topic, b"x" * 100_000)
        assert sender.busy
        await until(lambda: not sender.busy)
        assert broker.peers[0].got == [("publish", topic)]
        sender.close()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def test_a_refused_sender_says_so():
    broker = ScriptedBroker()
    broker.connack_code = 5
    async with broker.running():
        with pytest.raises(ConnectionError, match="lot-000/c0"):
            await Sender.connect(("127.0.0.1", broker.port), "lot-000/c0", "wrong")


def test_the_cameras_log_is_read_while_it_grows(tmp_path):
    plan = Plan(5.0, "", 0, 1, "", [[[(0, 1)]]], cast(2, [1], 5.0))
    log = tmp_path / "sent.log"
    log.write_text("0 1 1000 0 1\n1 1 20", "utf-8")
    reader = SentLog(log, plan)
    assert [frame.camera_id for frame in reader.read()] == ["lot-000/c0"]
    with log.open("a", encoding="utf-8") as lines:
        lines.write("00 3 0\n")
    last = reader.read()[-1]
    assert (last.camera_id, last.at_ms, last.scene, last.dropped) == ("lot-000/c1", 2000, 3, True)
    reader.close()


def test_a_plan_survives_its_file(tmp_path):
    plan = Plan(1.0, "127.0.0.1", 1883, 1, "pack", [[[(0, 1)]]], cast(3, [1], 1.0))
    plan.write(tmp_path / "plan.json")
    again = Plan.read(tmp_path / "plan.json")
    assert again.cameras == plan.cameras
    assert again.place(again.cameras[0], 0, 0) == (0, 1)


# ---------------------------------------------------------------- reports
def record(**changed):
    text = (EXAMPLES / "detection-made.v1--one-slot.json").read_text("utf-8")
    event = msgspec.json.decode(text, type=DetectionMade)
    first = event.observations[0]
    event = msgspec.structs.replace(
        event,
        id="lot-000/c0/1/42",
        camera_id="lot-000/c0",
        reused_from=None,
        timings_ms={"queue": 900.0, "decode": 4.0, "gate": 6.0},
        observations=[
            msgspec.structs.replace(first, slot_id="c0-1", since_ms=None),
            msgspec.structs.replace(first, slot_id="c0-2", since_ms=5),
        ],
    )
    event = msgspec.structs.replace(event, **changed)
    headers = codec.cloud_headers(event, "detector")
    return Record(DETECTIONS, 0, 0, b"lot-000", codec.to_json(event), headers, 1234)


def test_only_slots_judged_on_the_frame_itself_count_as_judged():
    seen = frame_report(record(effort=Effort(judged=1, load_level=2)))
    assert seen is not None
    assert (seen.camera_id, seen.seq, seen.at_ms) == ("lot-000/c0", 42, 1234)
    assert seen.judged == frozenset({"c0-1"})
    assert seen.spent_ms == 10
    assert seen.load_level == 2


def test_a_repeated_frame_judges_nothing():
    seen = frame_report(record(reused_from="lot-000/c0/1/41", effort=None))
    assert seen is not None
    assert seen.judged == frozenset()


def test_other_records_report_no_frame():
    assert frame_report(Record(DETECTIONS, 0, 0, b"x", b"{", (("ce_type", b"nothing"),))) is None


def test_the_page_knows_a_frame_from_its_first_change():
    change = {"cause": {"kind": "frame", "id": "lot-000/c0/1/42"}}
    tick = {"cause": {"kind": "tick", "id": "t"}}
    arrivals = [
        Arrival("slot-change", "", change, 5.0),
        Arrival("slot-change", "", change, 6.0),
        Arrival("slot-change", "", tick, 7.0),
        Arrival("ping", "", {}, 8.0),
    ]
    assert page_times(arrivals, 100.0) == {"lot-000/c0/1/42": 105.0}


# ---------------------------------------------------------------- the plain loop
def test_cameras_take_turns_and_only_the_newest_picture_is_taken(tmp_path):
    pack = tmp_path / "pictures.bin"
    pack.write_bytes(b"aabb")
    cameras = cast(2, [1], 5.0)
    plan = Plan(5.0, "", 0, 1, str(pack), [[[(0, 2), (2, 2)]]], cameras)
    queue = Queue(plan)
    taken = [queue.take(11.0) for _ in range(3)]
    newest = [camera.newest(11.0, 5.0) for camera in cameras]
    assert [one and one[:2] for one in taken] == [(0, newest[0]), (1, newest[1]), None]
    assert {one[2] for one in taken if one} <= {b"aa", b"bb"}
    assert queue.take(11.0 + 5.0) is not None


def test_a_slot_is_occupied_when_the_middle_of_a_box_lies_in_it():
    slot = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.int32)
    assert judge([(4, 4, 8, 8)], [slot, slot + 20]) == [True, False]
    assert judge([], [slot]) == [False]


def test_the_loop_says_what_it_lacks(tmp_path):
    weights = tmp_path / "weights.pt"
    assert "no weights" in Loop(sys.executable, weights).missing({})
    weights.touch()
    assert "/nowhere/python does not exist" in Loop("/nowhere/python", weights).missing({})
    if find_spec("ultralytics") is None:
        assert "--naive-python" in Loop(sys.executable, weights).missing({})


def test_raw_files_can_be_read_back(tmp_path):
    from tools.bench.capacity.report import Case, Report
    from tools.bench.capacity.results import Point

    Report("a machine", cases=[Case("naive", 5.0, [Point("naive", 5.0, 4)])]).write(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        *("capacity.md", "capacity.json", "capacity.svg")
    }
    (point,) = json.loads((tmp_path / "capacity.json").read_text("utf-8"))["points"]
    assert point["cameras"] == 4
    assert point["age_p99_s"] is None
