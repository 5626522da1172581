"""Cameras with an unusual picture are judged by their first day, and damage is still found."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import DetectionMade, LayoutPublished, LayoutSlot, LookLearned, LookValues
from parking.core.topics import LOOKS
from parking.vision.imagehealth import Thresholds
from parking.vision.reference import make_reference
from parking.vision.usual import DAY_MS, EVERY_MS, FLOORS, LEAST_SAMPLES, note, relaxed, spared
from parking.wire import codec
from parking.wire.ports import Outgoing
from services.detector.handler import handle_frames, handle_looks
from services.detector.picture import Picture
from tests.components.test_placement import frame as demo_frame
from tests.support.detector_tools import frame, jpeg, layout, record, tools
from tools.evaluate.corrupt import corrupt

HALF_HOURS = DAY_MS // EVERY_MS
PICTURES = 13
"""Of a day in these tests, with its first and last one."""
Look = Callable[[Picture], Picture]


@cache
def small(number: int) -> Picture:
    picture = cv2.resize(demo_frame(number), (480, 320), interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)


def washed_out(picture: Picture) -> Picture:
    return np.asarray(np.clip(picture * 0.33 + 125, 0, 255), np.uint8)


def masked(picture: Picture) -> Picture:
    shown = picture.copy()
    shown[:, : int(0.8 * picture.shape[1])] = 0
    return shown


class Camera:
    """Sends one camera's pictures, two hours apart, through the detector's handlers."""

    def __init__(self, known: LayoutPublished | None = None) -> None:
        self.layout = known or layout()
        self.looks: list[Outgoing] = []
        self._count = 0
        self.restart()

    def restart(self) -> None:
        """Start another process, which reads the topics again."""
        self._tools = tools(self.layout)
        written = [record(one, number) for number, one in enumerate(self.looks)]
        assert asyncio.run(handle_looks(written, self._tools)) == []

    def see(self, picture: Picture) -> DetectionMade:
        self._count += 1
        height, width = picture.shape[:2]
        time_ms = 1_700_000_000_000 + self._count * DAY_MS // (PICTURES - 1)
        sent = frame(jpeg(picture), self._count, width=width, height=height, time_ms=time_ms)
        written = asyncio.run(handle_frames([record(sent, self._count)], self._tools))
        self.looks += [one for one in written if one.topic == LOOKS]
        (event,) = (codec.decode(record(one, 0)) for one in written if one.topic != LOOKS)
        assert isinstance(event, DetectionMade)
        return event

    def status(self, picture: Picture) -> str:
        return self.see(picture).health.status

    def day(self, look: Look) -> list[str]:
        return [self.status(look(small(3 * number))) for number in range(PICTURES)]

    def learnt(self) -> LookLearned | None:
        event = codec.decode(record(self.looks[-1], 0)) if self.looks else None
        return event if isinstance(event, LookLearned) else None


@pytest.fixture(scope="module")
def pale_camera() -> Camera:
    camera = Camera()
    camera.day(washed_out)
    return camera


UNUSUAL = {"fogged": washed_out, "covered": masked}


@pytest.mark.parametrize("verdict", UNUSUAL)
def test_a_usual_look_is_a_false_alarm_for_a_day_and_then_the_camera_s_own_measure(verdict):
    camera, look = Camera(), UNUSUAL[verdict]
    before = camera.day(look)
    assert before.count(verdict) > PICTURES / 2
    after = [camera.see(look(small(number))) for number in (5, 20, 40)]
    assert [one.health.status for one in after] == ["ok"] * 3
    assert after[0].health.usual == [verdict]


def test_real_damage_after_the_first_day_is_still_found(pale_camera):
    shown = washed_out(small(20))
    assert pale_camera.status(shown) == "ok"
    damaged = {
        "blurred": corrupt(shown, "defocus", 4, "x"),
        "covered": np.full_like(shown, 120),
        "dark": np.zeros_like(shown),
        "fogged": corrupt(shown, "fog", 5, "x"),
    }
    for status, picture in damaged.items():
        assert pale_camera.status(picture) != "ok", status
    assert pale_camera.status(shown) == "ok"


def test_an_ordinary_camera_keeps_the_standard_limits():
    camera = Camera()
    assert set(camera.day(lambda picture: picture)) == {"ok"}
    event = camera.see(small(3))
    assert event.health.usual == []
    assert camera.status(corrupt(small(3), "fog", 4, "x")) == "fogged"
    assert camera.status(corrupt(small(3), "defocus", 4, "x")) == "blurred"


def fog_all_day(number: int) -> Picture:
    return corrupt(small(number % 48), "fog", 3 + number % 3, str(number))


def test_negative_control_a_day_of_damage_is_not_learnt_where_it_comes_and_goes(caplog):
    camera = Camera()
    seen = [camera.see(fog_all_day(number)).health for number in range(PICTURES + 1)]
    assert {one.status for one in seen} <= {"fogged", "covered", "blurred"}
    learnt = camera.learnt()
    assert learnt is not None
    assert learnt.usual is None
    assert learnt.refused
    assert "not its usual look" in (seen[-1].reason or "")
    assert caplog.text.count("its first day is not its usual look") == 1


def test_negative_control_a_lens_out_of_focus_from_the_start_is_not_learnt():
    """The layout's reference picture shows that the camera can be sharp."""
    camera = Camera(layout(reference=make_reference(small(0))))
    status = camera.day(lambda picture: corrupt(picture, "defocus", 4, "x"))
    assert set(status[1:]) == {"blurred"}
    assert camera.status(corrupt(small(9), "defocus", 4, "x")) == "blurred"
    assert (learnt := camera.learnt()) is not None
    assert learnt.usual is None


def test_what_was_learnt_survives_a_restart():
    camera = Camera()
    camera.day(washed_out)
    camera.restart()
    assert camera.status(washed_out(small(7))) == "ok"
    camera.looks.clear()
    camera.restart()
    assert camera.status(washed_out(small(7))) == "fogged", "the negative control"


def test_other_outlines_are_learnt_anew_and_other_names_are_not():
    camera = Camera()
    camera.day(washed_out)
    camera.layout = replace(camera.layout, version=2, id="demo/north/layout/2", site_name="Other")
    camera.restart()
    assert camera.status(washed_out(small(7))) == "ok"
    slot = LayoutSlot(slot_id="A9", zone_id="lot", polygon=[(0, 0), (0.1, 0), (0.1, 0.1)])
    slots = [*camera.layout.slots, slot]
    camera.layout = replace(camera.layout, version=3, id="demo/north/layout/3", slots=slots)
    camera.restart()
    assert camera.status(washed_out(small(7))) == "fogged"


def test_an_unusable_look_is_a_dead_letter_and_changes_nothing():
    camera = Camera()
    camera.day(washed_out)
    known = tools(camera.layout)
    written = record(camera.looks[-1], 0)
    asyncio.run(handle_looks([written], known))
    broken = record(replace_value(camera.looks[-1], b"{}"), 1)
    (letter,) = asyncio.run(handle_looks([broken], known))
    assert letter.topic.startswith("parking.dead-letters")
    assert known.days.of("demo/north") is not None


def replace_value(message: Outgoing, value: bytes) -> Outgoing:
    return Outgoing(message.topic, message.key, value, message.headers)


# ---------------------------------------------------------------- the rules alone
USUAL = LookValues(dark_end=0.5, contrast=0.25, detail=0.8, sharp=0.6, local=0.25)


def day(**more: object) -> LookLearned:
    fields = {"id": "f/look", "site_id": "demo", "time_ms": 0, "camera_id": "demo/north"}
    return LookLearned(**fields, basis="b", began_ms=0, seen_ms=0, **more)  # type: ignore[arg-type]


def after_a_day(values: Sequence[LookValues], reference: LookValues | None = None) -> LookLearned:
    known = day()
    for number in range(HALF_HOURS + 1):
        one = values[number % len(values)]
        known = note(known, number * EVERY_MS, one, "fogged", reference)
    return known


def test_a_steady_day_is_learnt_and_limits_are_only_relaxed():
    known = after_a_day([USUAL])
    assert known.usual == USUAL
    assert known.samples == []
    limits = relaxed(USUAL, Thresholds())
    assert limits.fogged_within < USUAL.contrast < Thresholds().fogged_within
    assert limits.blurred_below == Thresholds().blurred_below
    assert spared(USUAL, Thresholds()) == ["fogged"]
    assert spared(USUAL, limits) == []


@pytest.mark.parametrize("name", ["detail", "sharp", "contrast", "local"])
def test_limits_are_never_relaxed_beyond_the_floors(name):
    limits = relaxed(replace(USUAL, **{name: 0.0}), Thresholds())
    for field in ("covered_below", "blurred_below", "fogged_within", "fogged_locally"):
        assert getattr(limits, field) >= getattr(FLOORS, field)


def test_less_than_a_day_or_too_few_pictures_are_not_learnt():
    known = day()
    for number in range(HALF_HOURS):
        known = note(known, number * EVERY_MS, USUAL, "ok", None)
    assert known.usual is None
    known = day()
    for number in range(LEAST_SAMPLES - 1):
        known = note(known, number * DAY_MS, USUAL, "ok", None)
    assert known.usual is None
    assert note(known, LEAST_SAMPLES * DAY_MS, USUAL, "ok", None).usual == USUAL


def test_night_torn_and_frozen_pictures_are_not_learnt():
    known = day()
    for status in ("dark", "damaged", "frozen"):
        known = note(known, known.seen_ms + EVERY_MS, USUAL, status, None)
    assert (known.samples, known.damaged) == ([], 0)


def test_a_look_that_a_person_has_not_chosen_is_refused():
    reference = replace(USUAL, contrast=0.6, local=0.6)
    assert "reference" in (after_a_day([USUAL], reference).refused or "")
    assert after_a_day([USUAL], replace(USUAL, contrast=0.3)).usual == USUAL


def test_a_day_that_is_not_steady_is_refused_without_a_reference():
    foggy = replace(USUAL, contrast=0.16, local=0.2)
    known = after_a_day([USUAL, USUAL, foggy])
    assert known.usual is None
    assert "not steady" in (known.refused or "")
    assert known.began_ms == HALF_HOURS * EVERY_MS, "the next day is tried"


def test_a_blurred_day_is_refused_without_a_reference_and_learnt_with_one_as_soft():
    blurred = replace(USUAL, sharp=0.45)
    assert "blurred" in (after_a_day([blurred]).refused or "")
    assert after_a_day([blurred], blurred).usual == blurred


def test_a_day_beyond_the_floors_is_refused():
    nothing = replace(USUAL, sharp=FLOORS.blurred_below / 2)
    assert "too little" in (after_a_day([USUAL, nothing]).refused or "")


def test_a_camera_that_stays_moved_is_learnt_anew_and_one_picture_is_no_reason():
    known = after_a_day([USUAL])
    once = note(known, known.seen_ms + EVERY_MS, USUAL, "moved", None)
    assert once.usual == USUAL
    assert note(once, once.seen_ms + EVERY_MS, USUAL, "ok", None).usual == USUAL
    twice = note(once, once.seen_ms + EVERY_MS, USUAL, "moved", None)
    assert (twice.usual, twice.samples) == (None, [])


def test_a_wrong_type_is_refused_by_the_table():
    known = tools()
    other = codec.outgoing(layout(), LOOKS, "demo/north", "t")
    ((_, error),) = known.days.apply_all([record(other, 0)])
    assert isinstance(error, Invalid)
    assert error.reason == "wrong-type"
