"""The detector's decisions, over in-memory adapters and a detector that finds white rectangles."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY

from parking.core.errors import Invalid
from parking.core.topics import (
    DEAD_LETTERS_FRAMES,
    DETECTIONS,
    FRAMES,
)
from parking.vision.gating import Limits
from parking.wire import codec
from parking.wire.deadletters import REPLAYED_FROM
from parking.wire.ports import Outgoing
from services.detector.analysis import Finding, Job, Options
from services.detector.handler import handle_frames
from tests.support.detector_tools import (
    BROKEN,
    EMPTY,
    WhiteDetector,
    analyser,
    detections,
    frame,
    jpeg,
    layout,
    reasons,
    record,
    scene,
    states,
    tools,
)


async def analysed(frames: list[Outgoing], using=None):
    using = using or tools(layout())
    return await handle_frames([record(one, n) for n, one in enumerate(frames)], using)


# ---------------------------------------------------------------- what a frame says
async def test_one_observation_per_slot_from_the_vehicles_in_them():
    (event,) = detections(await analysed([frame(jpeg(scene(["A1", "A3"])), 7)]))
    assert states(event) == {"A1": "occupied", "A2": "free", "A3": "occupied"}
    assert min(seen.confidence for seen in event.observations) > 0.9
    assert len(event.boxes) == 2
    assert (event.width, event.height, event.layout_version) == (480, 270, 1)
    assert event.health.status == "ok"
    assert event.model_id == "white@00000000"


async def test_the_event_names_its_cause_and_its_key_is_the_site():
    (message,) = await analysed([frame(EMPTY, 7)])
    (event,) = detections([message])
    assert (message.topic, message.key) == (DETECTIONS, b"demo")
    assert event.id == event.frame_ref.frame_id == "demo/north/1/7"
    assert (event.frame_ref.topic, event.frame_ref.partition) == (FRAMES, 0)
    assert event.time_ms == 1_700_000_000_007
    stages = {"queue", "decode", "look", "health", "inference", "match"}
    assert set(event.timings_ms) == stages
    assert min(event.timings_ms.values()) >= 0


async def test_an_unknown_camera_gets_image_health_and_no_slots():
    (event,) = detections(await analysed([frame(jpeg(scene(["A1"])), 1)], tools()))
    assert (event.layout_version, event.observations) == (0, [])
    assert event.health.status == "ok"
    assert len(event.boxes) == 1


@pytest.mark.parametrize("known", [[], [msgspec.structs.replace(layout(), slots=[], zones=[])]])
async def test_without_slots_vehicles_are_searched_again_only_where_something_changed(known):
    """Proposals of slots need the boxes (services/notifier/slotproposals.py)."""
    using = tools(*known, options=Options(gate=Limits()))
    pictures = [scene(["A1"]), scene(["A1"]), scene(["A1"]), scene(["A1", "A3"])]
    seen = []
    for n, picture in enumerate(pictures):
        (event,) = detections(
            await handle_frames([record(frame(jpeg(picture), n, time_ms=1000 * n), n)], using)
        )
        seen.append((len(event.boxes), event.reused_from))
    assert seen == [(1, None), (1, None), (1, "demo/north/1/1"), (2, None)]


@pytest.mark.parametrize(("via", "health"), [("api", "ok"), ("mqtt", "frozen")])
async def test_a_picture_that_is_uploaded_again_is_no_frozen_camera(via, health):
    using = tools()
    for n in range(9):
        sent = frame(jpeg(scene(["A1"])), n, time_ms=1000 * n, via=via)
        (event,) = detections(await handle_frames([record(sent, n)], using))
    assert event.health.status == health


async def test_what_cannot_be_believed_is_unknown():
    dark = (scene(["A1"]) * 0.05).astype(np.uint8)
    (event,) = detections(await analysed([frame(jpeg(dark), 1)]))
    assert states(event) == dict.fromkeys(("A1", "A2", "A3"), "unknown")
    assert event.health.status == "dark"
    assert event.health.reason


async def test_a_disabled_slot_has_no_observation():
    whole = layout()
    off = msgspec.structs.replace(whole.slots[2], enabled=False)
    known = msgspec.structs.replace(whole, slots=[*whole.slots[:2], off])
    (event,) = detections(await analysed([frame(EMPTY, 1)], tools(known)))
    assert sorted(states(event)) == ["A1", "A2"]


def test_the_input_size_is_the_layouts_or_the_setting():
    detector = WhiteDetector()
    analyse = analyser(detector, Options(size_px=640))
    jobs = [
        Job(EMPTY, "demo/a", layout("demo/a", input_size_px=1280)),
        Job(EMPTY, "demo/b", layout("demo/b")),
        Job(EMPTY),
    ]
    assert all(not isinstance(r, Invalid) for r in analyse.analyse(jobs, {}))
    assert sorted(detector.sizes_px) == [640, 640, 1280]


def test_without_a_setting_the_input_is_as_large_as_the_slots_need():
    detector = WhiteDetector()
    jobs = [Job(EMPTY, "demo/a", layout("demo/a")), Job(EMPTY)]
    found = analyser(detector).analyse(jobs, {})
    assert detector.sizes_px == [480, 640]
    assert [one.input_size_px for one in found if isinstance(one, Finding)] == [480, 640]


def test_half_of_a_large_picture_is_searched_and_the_whole_ones_size_is_reported():
    seen: list[tuple[int, ...]] = []

    class Measuring(WhiteDetector):
        def detect(self, images_bgr, size_px):
            seen.extend(image.shape[:2] for image in images_bgr)
            return super().detect(images_bgr, size_px)

    large = jpeg(scene(["A2"], size_wh=(1280, 720)))
    for size_px in (640, 960):
        (found,) = analyser(Measuring(), Options(size_px)).analyse(
            [Job(large, "d/a", layout())], {}
        )
        assert isinstance(found, Finding)
        assert (found.width, found.height) == (1280, 720)
        assert [one.state for one in found.observations] == ["free", "occupied", "free"]
    assert seen == [(384, 640), (544, 960)]


def test_results_stay_with_their_pictures():
    kinds = [["A1"], [], ["A2", "A3"], None, ["A3"]]
    jobs = [
        Job(BROKEN if kind is None else jpeg(scene(kind)), f"demo/c{n}", layout(f"demo/c{n}"))
        for n, kind in enumerate(kinds)
    ]
    for kind, found in zip(kinds, analyser().analyse(jobs, {}), strict=True):
        if kind is None:
            assert isinstance(found, Invalid)
        else:
            assert isinstance(found, Finding)
            occupied = [seen.slot_id for seen in found.observations if seen.state == "occupied"]
            assert occupied == kind


# ---------------------------------------------------------------- which frames
async def test_when_behind_only_the_newest_frame_of_each_camera_is_analysed():
    frames = [frame(EMPTY, n) for n in (1, 2, 3)] + [frame(EMPTY, 9, "demo/south")]
    events = detections(await analysed(frames))
    skipped = {e.id: e.skipped_frame_ids for e in events}
    assert skipped == {
        "demo/north/1/3": ["demo/north/1/1", "demo/north/1/2"],
        "demo/south/1/9": [],
    }
    assert [e.skipped_times_ms for e in events] == [[1_700_000_000_001, 1_700_000_000_002], []]


async def test_newest_is_by_place_in_the_log_not_by_the_devices_number():
    events = detections(await analysed([frame(EMPTY, 8), frame(EMPTY, 3)]))
    assert [(e.id, e.skipped_frame_ids) for e in events] == [("demo/north/1/3", ["demo/north/1/8"])]


async def test_a_frame_sent_again_from_the_dead_letters_takes_no_newer_ones_place():
    old = frame(EMPTY, 1)
    again = dataclasses.replace(old, headers=(*old.headers, (REPLAYED_FROM, b"x/0/1")))
    events = detections(await analysed([frame(EMPTY, 7), frame(EMPTY, 8), again]))
    results = [(e.id[-1], [i[-1] for i in e.skipped_frame_ids]) for e in events]
    assert results == [("8", ["7"]), ("1", [])]
    control = detections(await analysed([frame(EMPTY, 7), frame(EMPTY, 8), old]))
    assert [e.id[-1] for e in control] == ["1"]


async def test_with_skipping_off_every_frame_is_analysed_in_order():
    events = detections(
        await analysed([frame(EMPTY, n) for n in (5, 6, 2, 7)], tools(layout(), skip=False))
    )
    assert [e.id[-1] for e in events] == ["5", "6", "2", "7"]
    assert all(e.skipped_frame_ids == [] for e in events)


async def test_every_frame_is_analysed_skipped_or_set_aside():
    frames = [frame(EMPTY if n % 4 else BROKEN, n, f"demo/c{n % 3}") for n in range(24)]
    written = await analysed(frames, tools())
    events = detections(written)
    dead = [record(m, 0) for m in written if m.topic == DEAD_LETTERS_FRAMES]
    offsets = [json.loads(codec.header(m, codec.META_HEADER) or b"")["offset"] for m in dead]
    accounted = [e.id for e in events] + [i for e in events for i in e.skipped_frame_ids]
    accounted += [f"demo/c{n % 3}/1/{n}" for n in offsets]
    assert sorted(accounted) == sorted(f"demo/c{n % 3}/1/{n}" for n in range(24))


# ---------------------------------------------------------------- poison
async def test_a_newest_frame_that_cannot_be_decoded_gives_way_to_the_one_before():
    written = await analysed([frame(EMPTY, 1), frame(EMPTY, 2), frame(BROKEN, 3)])
    (event,) = detections(written)
    assert (event.id, event.skipped_frame_ids) == ("demo/north/1/2", ["demo/north/1/1"])
    assert reasons(written) == ["undecodable"]


async def test_poison_is_set_aside_with_its_bytes_and_the_rest_go_on():
    sent = [
        frame(BROKEN, 1, "demo/a"),
        frame(b"not a picture", 2, "demo/b"),
        frame(b"", 3, "demo/c"),
        frame(EMPTY, 4, "demo/d", width=270, height=480),
        Outgoing(FRAMES, b"demo/e", EMPTY),
        Outgoing(FRAMES, b"demo/f", None, frame(EMPTY, 5, "demo/f").headers),
        Outgoing(FRAMES, b"demo/other", EMPTY, frame(EMPTY, 6, "demo/g").headers),
        frame(EMPTY, 7, "demo/h", site_id="elsewhere"),
        frame(EMPTY, 8, "demo/north"),
    ]
    written = await analysed(sent)
    assert [e.id for e in detections(written)] == ["demo/north/1/8"]
    dead = [message for message in written if message.topic == DEAD_LETTERS_FRAMES]
    expected = ["undecodable", "undecodable", "empty", "size-differs", "no-type", "empty"]
    assert sorted(reasons(written)) == sorted([*expected, "wrong-key", "wrong-site"])
    kept = {message.key: message.value for message in dead}
    assert kept[b"demo/a"] == BROKEN
    assert kept[b"demo/b"] == b"not a picture"


async def test_a_frame_of_a_newer_version_is_passed_over_and_the_rest_go_on():
    newer = dataclasses.replace(
        frame(EMPTY, 1), headers=(("ce_type", b"parking.frame-received.v2"),)
    )
    before = ignored()
    written = await analysed([newer, frame(EMPTY, 2)])
    assert [e.id for e in detections(written)] == ["demo/north/1/2"]
    assert (len(written), ignored() - before) == (1, 1)


def ignored() -> float:
    name = "parking_records_ignored_total"
    return REGISTRY.get_sample_value(name, {"kind": "newer"}) or 0.0


async def test_another_event_among_the_frames_is_set_aside():
    stray = codec.outgoing(layout(), FRAMES, "demo/north", "test")
    assert reasons(await analysed([stray])) == ["wrong-type"]
