"""Pictures that are torn, smeared or filled in are discarded, while the good ones around them are
kept."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished
from parking.runtime.complaints import damage_in, listen
from parking.vision.bands import Recent, against, compare, is_torn, recent_of
from parking.vision.gating import Limits
from parking.vision.imagehealth import Look
from parking.vision.reference import decoded, make_reference, small_grey
from parking.vision.tearing import damage
from parking.wire.annotations import load
from services.detector.analysis import Analyser, Finding, Job, Options
from services.detector.gate import LastView
from services.detector.judging import Judge
from services.detector.model import Facts
from services.detector.picture import Picture, decode_grey
from tests.components.test_placement import frame, shaken
from tests.components.test_relocation import DEMO
from tests.support.detector_tools import WhiteDetector, jpeg, layout

MINUTE_MS = 60_000


def changed(change: Callable[[Picture], None]) -> Picture:
    picture = frame(20).copy()
    change(picture)
    return picture


def smear(picture: Picture) -> None:
    picture[400:] = picture[399]


def fill_green(picture: Picture) -> None:
    picture[500:] = (0, 135, 0)


def repeat(picture: Picture) -> None:
    picture[384:576] = picture[192:384]


def roll(picture: Picture) -> None:
    picture[:] = np.roll(picture, -384, 1)


def tear(picture: Picture) -> None:
    picture[320:] = np.roll(picture[320:], 250, 1)


def brighten_the_rest(picture: Picture) -> None:
    """Brighten everything after a block, as if the decoder had read a wrong difference."""
    added = np.zeros(picture.shape[:2], np.int16)
    added[320:336, 500:], added[336:] = 25, 25
    picture[:] = np.clip(picture + added[..., None], 0, 255)


def shift_a_band(picture: Picture) -> None:
    picture[220:420] = np.roll(picture[220:420], 200, 1)


@pytest.mark.parametrize("change", [smear, fill_green, repeat, roll])
@pytest.mark.parametrize("quality", [60, 90])
def test_a_damaged_picture_is_known_by_itself(change, quality):
    grey, _ = decode_grey(jpeg(changed(change), quality), 2_000_000, None)
    assert damage(grey)


@pytest.mark.parametrize("number", range(0, 48, 3))
def test_no_clean_picture_is_damaged(number):
    assert damage(small_grey(frame(number))) is None
    assert damage(small_grey(frame(number)[100:420, 200:680])) is None


def test_black_bars_and_a_burnt_out_sky_are_no_damage():
    picture = frame(20).copy()
    picture[:120], picture[-120:] = 255, 0
    assert damage(small_grey(picture)) is None


@pytest.mark.parametrize("change", [tear, shift_a_band, brighten_the_rest])
def test_bands_that_do_not_agree_alike_with_minutes_ago_are_a_torn_picture(change):
    recent = recent_of(small_grey(frame(19)), 0)
    fault, _ = compare(recent, small_grey(changed(change)), 5 * MINUTE_MS)
    assert fault
    assert compare(recent, small_grey(frame(20)), 5 * MINUTE_MS)[0] is None


def test_light_cars_and_a_little_wind_tear_no_picture():
    for number in range(1, 48):
        before = recent_of(small_grey(frame(number - 1)), 0)
        light = np.clip(frame(number) * 0.6 + 10, 0, 255).astype(np.uint8)
        assert not is_torn(against(before.anchor, small_grey(light)))
        assert compare(before, small_grey(shaken(light, 0.003)), 1)[0] is None


@pytest.mark.parametrize(("before", "after"), [(35, 2), (6, 39), (42, 9), (47, 21), (37, 30)])
def test_a_jump_of_hours_tears_no_picture(before, after):
    """This happens when a recording starts again, or is played faster than it was taken."""
    recent = recent_of(small_grey(frame(before)), 0)
    fault, _ = compare(recent, small_grey(frame(after)), 500)
    assert fault is None


def test_brightness_or_partial_shade_is_not_a_step():
    recent = recent_of(small_grey(frame(19)), 0)
    whole = np.clip(frame(20).astype(int) + 40, 0, 255).astype(np.uint8)
    shade = frame(20).copy()
    wall = np.array([[0, 260], [700, 640], [0, 640]])
    shadow = np.asarray(cv2.fillPoly(np.zeros(shade.shape[:2], np.uint8), [wall], 1), bool)
    shade[shadow] = (shade[shadow] * 0.45).astype(np.uint8)
    for picture in (whole, shade):
        assert compare(recent, small_grey(picture), 1)[0] is None


def test_what_was_hours_ago_tears_nothing():
    recent = recent_of(small_grey(frame(19)), 0)
    fault, now = compare(recent, small_grey(changed(tear)), 60 * MINUTE_MS)
    assert (fault, now.at_ms) == (None, 60 * MINUTE_MS)


def test_a_part_that_stays_changed_is_the_scene_after_some_pictures():
    recent: Recent | None = recent_of(small_grey(frame(20)), 0)
    statuses = []
    for number in range(8):
        fault, recent = compare(recent, small_grey(changed(tear)), number * 1000)
        statuses.append(bool(fault))
    assert statuses == [True] * 5 + [False] * 3


def spoilt(data: bytes, at: float, length: int) -> bytes:
    """Return the picture with foreign bytes in its scan."""
    start, end = data.index(b"\xff\xda") + 14, data.rindex(b"\xff\xd9")
    place = start + int((end - start) * at)
    return data[:place] + bytes([1, 130, 77, 9]) * (length // 4) + data[place + length :]


def test_what_libjpeg_complains_of_is_heard():
    good = jpeg(frame(20))
    heard = [decode_grey(spoilt(good, at / 10, 64), 2_000_000, None)[1] for at in range(1, 8)]
    assert sum(one is not None for one in heard) >= 4
    assert decode_grey(good, 2_000_000, None)[1] is None


def test_other_words_pass_and_no_file_stays_open(capfd):
    files = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        assert listen(lambda: os.write(2, b"something else\n"))[0] == 15
    assert len(list(Path("/dev/fd").iterdir())) == files
    assert capfd.readouterr().err == "something else\n" * 5


@pytest.mark.parametrize(
    ("said", "end", "found"),
    [
        (b"premature end of data segment", b"", True),
        (b"bad Huffman code", b"", True),
        (b"found marker 0xd4 instead of RST3", b"", True),
        (b"71 extraneous bytes before marker 0xd9", bytes(range(80)), True),
        (b"71 extraneous bytes before marker 0xd9", bytes(80), False),
        (b"2 extraneous bytes before marker 0xd9", b"\x01\x02", False),
        (b"bad ICC marker", b"", False),
    ],
)
def test_padding_and_odd_segments_are_no_damage(said, end, found):
    words = damage_in(b"Corrupt JPEG data: " + said + b"\n", end + b"\xff\xd9")
    assert (words is not None) is found


class Watching:
    """Sends one camera's pictures, five minutes apart, through the detector."""

    def __init__(self, known: LayoutPublished | None = None) -> None:
        judge = Judge(Facts(), None, WhiteDetector())
        self._analyser = Analyser(judge, Options(gate=Limits()), lambda: None)
        self._looks: dict[str, Look] = {}
        self._helds: dict[str, LastView] = {}
        self._layout = known or layout()
        self._count = 0

    def see(self, data: bytes) -> Finding:
        self._count += 1
        time_ms, name = self._count * 5 * MINUTE_MS, str(self._count)
        job = Job(data, "demo/north", self._layout, frame_id=name, time_ms=time_ms)
        (found,) = self._analyser.analyse([job], self._looks, self._helds)
        assert not isinstance(found, Invalid)
        return found


@pytest.mark.parametrize("change", [smear, fill_green, repeat, roll, tear, shift_a_band])
@pytest.mark.parametrize("reference", [True, False])
def test_one_damaged_picture_is_discarded_and_the_next_one_counts_at_once(change, reference):
    camera = Watching(layout(reference=make_reference(frame(0)) if reference else None))
    statuses = [camera.see(jpeg(frame(n))).health.status for n in (17, 18, 19)]
    odd = camera.see(jpeg(changed(change)))
    statuses += [camera.see(jpeg(frame(n))).health.status for n in (21, 22)]
    assert odd.health.status == "damaged"
    assert {one.state for one in odd.observations} == {"unknown"}
    assert statuses == ["ok"] * 5


def test_foreign_bytes_are_damage_too():
    camera = Watching()
    camera.see(jpeg(frame(19)))
    assert camera.see(spoilt(jpeg(frame(20)), 0.5, 64)).health.status == "damaged"
    assert camera.see(jpeg(frame(21))).health.status == "ok"


@pytest.mark.parametrize("change", [tear, shift_a_band])
def test_a_torn_first_picture_is_known_by_the_layouts_reference(change):
    camera = Watching(layout(reference=make_reference(frame(19))))
    assert camera.see(jpeg(changed(change))).health.status == "damaged"


def test_without_a_reference_there_is_nothing_to_know_a_first_picture_by():
    assert Watching().see(jpeg(changed(shift_a_band))).health.status == "ok"


def test_a_camera_pushed_sideways_was_moved_and_is_not_torn():
    camera = Watching(layout(reference=make_reference(frame(0))))
    statuses = [camera.see(jpeg(frame(n))).health.status for n in (18, 19)]
    statuses += [camera.see(jpeg(shaken(frame(n), 0.05))).health.status for n in (20, 21, 22)]
    assert statuses == ["ok"] * 2 + ["moved"] * 3


def test_one_odd_picture_does_not_hold_the_camera_moved():
    camera = Watching(layout(reference=make_reference(frame(0))))
    statuses = [camera.see(jpeg(frame(n))).health.status for n in (18, 19)]
    other = np.asarray(cv2.resize(np.rot90(frame(20)), frame(20).shape[1::-1]), np.uint8)
    odd = camera.see(jpeg(other)).health.status
    statuses += [camera.see(jpeg(frame(n))).health.status for n in (21, 22)]
    assert odd in ("moved", "damaged")
    assert statuses == ["ok"] * 4


@pytest.mark.parametrize("camera", ["north", "south"])
@pytest.mark.parametrize("pace_ms", [500, 5000])
def test_a_time_lapse_of_a_clear_evening_is_not_torn(camera: str, pace_ms: int):
    """The demo's pictures are three minutes apart, so the light moves as fast as its player likes,
    but none of them is torn."""
    names = [
        frame["file"]
        for frame in load(DEMO)["frames"]
        if frame["camera"] == camera and not frame.get("covered")
    ]
    recent, faults = None, []
    for number, name in enumerate([*names, *reversed(names)] * 2):
        grey = small_grey(decoded((DEMO / name).read_bytes()))
        fault, recent = compare(recent, grey, number * pace_ms)
        faults += [(name, fault)] if fault else []
    assert faults == []
