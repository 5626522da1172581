"""The pure parts of `make bench-capacity`."""

import math
from collections import Counter
from itertools import pairwise

import pytest

from tools.bench.capacity.ages import (
    AGE_LIMIT_S,
    FrameReport,
    Sent,
    Window,
    ages_s,
    by_camera,
    changes,
    percentile,
    too_old,
)
from tools.bench.capacity.machine import parse
from tools.bench.capacity.plan import SCENE_S, Camera, Plan, Variants, cast
from tools.bench.capacity.search import GRID, Reached, search
from tools.bench.capacity.sender import length_bytes

CAMERA = "lot-000/c0"
WINDOW = Window(10_000, 20_000, 30_000)
CARS = frozenset({"c0-1", "c0-2"})


def sent(*at_s, scene=0, first=1):
    return [Sent(CAMERA, first + n, round(at * 1000), scene) for n, at in enumerate(at_s)]


def reports_of(*seq_and_s, judged=None):
    return [FrameReport(CAMERA, seq, round(at * 1000), judged) for seq, at in seq_and_s]


# ---------------------------------------------------------------- ages
def test_age_is_the_time_from_sending_to_telling():
    frames = sent(10, 15)
    assert ages_s(frames, by_camera(reports_of((1, 10.2), (2, 15.5))), WINDOW) == [0.2, 0.5]


def test_a_skipped_frame_is_as_old_as_the_next_newer_one_that_is_reported():
    frames = sent(10, 15, 19)
    assert ages_s(frames, by_camera(reports_of((3, 20))), WINDOW) == [10, 5, 1]


def test_an_older_frame_reported_later_makes_nothing_older():
    frames = sent(10, 15)
    assert ages_s(frames, by_camera(reports_of((2, 15.5), (1, 18))), WINDOW) == [5.5, 0.5]


def test_a_frame_that_is_never_reported_counts_to_the_end():
    assert ages_s(sent(10, 15), {}, WINDOW) == [20, 15]
    assert ages_s(sent(10, 15), by_camera(reports_of((1, 11))), WINDOW) == [1, 15]


def test_telling_after_the_end_does_not_count():
    assert ages_s(sent(10), by_camera(reports_of((1, 31))), WINDOW) == [20]


def test_only_frames_of_the_window_are_measured():
    frames = sent(9.999, 10, 19.999, 20)
    assert len(ages_s(frames, by_camera(reports_of((4, 20.5))), WINDOW)) == 2


def test_another_cameras_report_does_not_count():
    other = [FrameReport("lot-000/c1", 1, 10_100, None)]
    assert ages_s(sent(10), by_camera(other), WINDOW) == [20]


def test_stopping_early_is_only_for_what_cannot_pass_any_more():
    old, young = AGE_LIMIT_S + 1, 0.1
    expected = 400
    tail = [old] * 6 + [young] * (expected - 6)
    assert percentile(tail, 99) > AGE_LIMIT_S
    assert too_old([old] * 6, expected)
    assert not too_old([old] * 3, expected)


def test_p99_of_one_value_is_unknown():
    assert math.isnan(percentile([1.0], 99))


# ---------------------------------------------------------------- changes of scene
def lost(found):
    return [change.seen_after_ms for change in found] == [None]


def of_change(reports, slots=CARS):
    frames = [*sent(5, 8), *sent(12, 17, 22, scene=1, first=3)]
    return changes(frames, by_camera(reports), WINDOW, lambda camera_id, scene: slots)


def test_a_change_is_seen_when_a_slot_that_changed_is_judged():
    (change,) = of_change(reports_of((3, 12.4), judged=frozenset({"c0-2"})))
    assert (change.seq, change.at_ms, change.seen_after_ms) == (3, 12_000, 400)


def test_a_later_picture_of_the_same_scene_will_do():
    (change,) = of_change(reports_of((4, 17.5), judged=None))
    assert change.seen_after_ms == 5500


def test_a_change_is_lost_when_its_slots_are_not_judged():
    assert lost(of_change([]))
    assert lost(of_change(reports_of((3, 12.4), (4, 17.4), judged=frozenset())))
    assert lost(of_change(reports_of((3, 12.4), judged=frozenset({"c0-9"}))))


def test_judging_the_scene_before_sees_nothing():
    assert lost(of_change(reports_of((2, 12.4), judged=None)))


def test_what_is_seen_after_the_end_is_lost():
    assert lost(of_change(reports_of((5, 30.1), judged=None)))


def test_a_scene_without_another_car_only_has_to_be_reported():
    (change,) = of_change(reports_of((3, 12.4), judged=frozenset()), slots=frozenset())
    assert change.seen_after_ms == 400
    assert lost(of_change(reports_of((2, 12.4), judged=frozenset()), slots=frozenset()))


def test_only_changes_in_the_window_count_and_the_first_picture_is_none():
    early = [*sent(5), *sent(9, scene=1, first=2)]
    late = [*sent(15), *sent(20, scene=1, first=2)]
    for frames in (early, late, sent(15, 16)):
        assert changes(frames, {}, WINDOW, lambda *_: CARS) == []


# ---------------------------------------------------------------- search
@pytest.mark.parametrize("start", [1, 4, 100, 512, 10_000])
@pytest.mark.parametrize("most", [0, 1, 3, 8, 64, 130, 512, 9999])
def test_search_finds_the_largest_number_that_is_served(start, most):
    tried = []

    def serves(count):
        tried.append(count)
        return count <= most

    found = search(start, serves, lambda: True, GRID)
    assert found.cameras == max((n for n in GRID if n <= most), default=0)
    assert found.open_end == (most >= GRID[-1])
    assert not found.open_start
    assert len(tried) == len(set(tried)) <= 12


def test_search_ends_when_time_is_over():
    times = iter([True, False])
    found = search(8, lambda count: True, lambda: next(times), GRID)
    assert found == Reached(16, open_end=True) or found == Reached(12, open_end=True)
    assert search(8, lambda count: False, lambda: False, GRID) == Reached(0, open_start=True)


def test_search_tries_one_number_even_without_time():
    assert search(8, lambda count: True, lambda: False, GRID).cameras == 8


# ---------------------------------------------------------------- who sends what
def test_changes_of_scene_come_evenly():
    cameras = cast(100, [132, 43], 5.0)
    at_s = 0
    for length_s in (60, 60, 60, 60, 60):
        changed = sum(c.scene_at(at_s + length_s) - c.scene_at(at_s) for c in cameras)
        assert 19 <= changed <= 21
        at_s += length_s


def test_sendings_come_evenly():
    cameras = cast(100, [132, 43], 5.0)
    phases = sorted(camera.phase_s for camera in cameras)
    assert phases[0] >= 0
    assert phases[-1] < 5
    assert max(b - a for a, b in pairwise(phases)) < 3 * 5 / 100


def test_sites_have_four_cameras_and_recordings_take_turns():
    cameras = cast(10, [132, 43], 5.0)
    assert [camera.camera_id for camera in cameras[3:5]] == ["lot-000/c3", "lot-001/c0"]
    assert len({camera.camera_id for camera in cameras}) == 10
    assert Counter(camera.sequence for camera in cameras) == {0: 5, 1: 5}
    assert [c.first for c in cameras if c.sequence == 1] == [0, 8, 17, 25, 34]


def test_a_scene_lasts_five_minutes_and_the_recording_begins_again():
    camera = Camera("lot-000/c0", 0, first=2, shown_s=100, phase_s=0)
    assert [camera.scene_at(at) for at in (0, 199, 200, 200 + SCENE_S)] == [0, 0, 1, 2]
    places = [[[(10 * picture, 5)] for picture in range(3)]]
    plan = Plan(5.0, "", 0, 1, "", places, [camera])
    assert [plan.place(camera, scene, 0) for scene in (0, 1, 2)] == [(20, 5), (0, 5), (10, 5)]


def test_newest_picture_of_a_camera():
    camera = Camera("lot-000/c0", 0, first=0, shown_s=0, phase_s=2)
    assert [camera.newest(at, 5.0) for at in (0, 1.9, 2, 6.9, 7)] == [0, 0, 1, 1, 2]


def test_no_picture_comes_twice_in_a_row():
    variants = Variants(1, 3)
    drawn = [variants.draw() for _ in range(200)]
    assert set(drawn) == {0, 1, 2}
    assert all(a != b for a, b in pairwise(drawn))


def test_length_of_an_mqtt_packet():
    lengths = {0: "00", 127: "7f", 128: "8001", 16_383: "ff7f", 2_097_152: "80808001"}
    assert {n: length_bytes(n).hex() for n in lengths} == lengths


# ---------------------------------------------------------------- the machine
def test_a_wide_machine_is_known_by_its_flags():
    info = "processor : 0\nmodel name\t: Xeon\nflags\t: fpu avx2 avx512f avx512bw amx_tile\n"
    machine = parse(info, 2)
    assert machine.wide
    assert str(machine) == "Xeon, 2 cores, amx_tile, avx2, avx512f"
    plain = parse("model name : AMD EPYC\nflags : fpu avx2\n", 1)
    assert not plain.wide
    assert str(plain) == "AMD EPYC, 1 core, avx2"
