"""Wrong clocks: one that ran ahead and was corrected, late ticks and late pictures."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from parking.core.events import CameraStatusChanged, DetectionMade, Event, SlotChanged
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.timekeeping import STEP_MS
from parking.wire import sitejson
from tests.support.tracking import (
    INTERVAL_MS,
    SILENCE_MS,
    Teller,
    changes,
    fold,
    seen_free,
    sessions,
    states,
)

HOUR_MS = 3_600_000
TOO_LATE_MS = SILENCE_MS + 5_000


def apply(site: Site, records: Sequence[Event]) -> tuple[Site, list[Event]]:
    outputs: list[Event] = []
    for record in records:
        site, made = step(site, record)
        outputs += made
    return site, outputs


def statuses(outputs: list[Event]) -> list[tuple[str, str]]:
    return [(o.status, o.reason) for o in outputs if isinstance(o, CameraStatusChanged)]


def by_a_clock(ahead_ms: int, made: Sequence[Event]) -> list[Event]:
    """Return the records as a clock that is so far ahead makes them."""
    return [replace(record, time_ms=record.time_ms + ahead_ms) for record in made]


def seconds(t: Teller, count: int, word: str = "f") -> list[Event]:
    """Return a frame and a tick for each second."""
    return [r for _ in range(count) for r in (t.see("a", {"1": word}), t.tick())]


# ---------------------------------------------------------------- a clock that ran ahead
@pytest.mark.parametrize("wrong_ticks", [1, 3])
def test_ticks_of_a_clock_that_ran_ahead_blank_a_site_only_until_it_is_set(wrong_ticks):
    t = Teller()
    site, _ = fold([*seen_free(t), t.tick()])
    site, outputs = apply(site, by_a_clock(2 * HOUR_MS, [t.tick(1) for _ in range(wrong_ticks)]))
    assert changes(outputs) == [("1", "unknown", "silent")]
    site, outputs = apply(site, seconds(t, 4))
    assert statuses(outputs)[-1] == ("online", "ok")
    assert changes(outputs) == [("1", "free", "observed")]
    assert site.tick_ms == t.now_ms


def test_a_restart_between_changes_nothing():
    t = Teller()
    records = [*seen_free(t), t.tick(), *by_a_clock(2 * HOUR_MS, [t.tick()]), *seconds(t, 4)]
    site = Site(site_id="lot")
    for record in records:
        site, _ = step(sitejson.from_json(sitejson.to_json(site), Site), record)
    assert site == fold(records)[0]
    assert states(site) == {"1": "free"}


def one_clock_ahead(t: Teller) -> tuple[Site, list[Event]]:
    """Return ticks and frames of one machine whose clock ran two hours ahead and was then set
    right."""
    ahead = [*seen_free(t), *seconds(t, 3), t.gate("entry", 1)]
    return fold([*by_a_clock(2 * HOUR_MS, ahead), t.tick(1), t.tick(1)])


def test_nothing_changes_while_the_cameras_go_on_when_one_clock_for_all_is_set_back():
    t = Teller()
    site, _ = one_clock_ahead(t)
    _, outputs = apply(site, seconds(t, 12))
    assert changes(outputs) == []
    assert set(statuses(outputs)) == {("online", "ok")}, "reported again as usual"
    assert statuses(outputs)


def test_silence_is_noticed_as_soon_as_ever_after_a_clock_was_set_back():
    t = Teller()
    site, _ = one_clock_ahead(t)
    site, outputs = step(site, t.tick(SILENCE_MS + 1))
    assert changes(outputs) == [("1", "unknown", "silent")]
    assert statuses(outputs) == [("offline", "silent")]


def test_silence_is_noticed_as_soon_as_ever_after_a_step_just_large_enough():
    t = Teller()
    ahead = [*seen_free(t), *seconds(t, 3), t.tick(3_000)]
    site, _ = fold([*by_a_clock(STEP_MS + 100, ahead), t.tick(1), t.tick(1)])
    assert site.tick_ms == t.now_ms
    _, outputs = step(site, t.tick(SILENCE_MS + 1))
    assert statuses(outputs) == [("offline", "silent")]
    _, outputs = apply(site, seconds(t, SILENCE_MS // INTERVAL_MS + 2, "?"))
    assert changes(outputs) == [("1", "unknown", "no-evidence")]


def test_a_camera_that_was_late_by_a_clock_ahead_is_silent_in_time():
    t = Teller()
    ahead = [*seen_free(t), *late(t, 70, TOO_LATE_MS)]
    site, outputs = fold([*by_a_clock(2 * HOUR_MS, ahead), t.tick(1), t.tick(1)])
    assert statuses(outputs)[-1] == ("degraded", "late")
    _, outputs = apply(site, [t.tick(1_000) for _ in range(SILENCE_MS // 1_000 + 1)])
    assert statuses(outputs) == [("offline", "silent")]


def test_a_frame_under_way_while_the_clock_was_set_does_not_hide_silence():
    t = Teller()
    site, _ = one_clock_ahead(t)
    site, _ = apply(site, by_a_clock(2 * HOUR_MS, [t.see("a", {"1": "f"})]))
    site, _ = apply(site, seconds(t, 1))
    _, outputs = apply(site, [t.tick(SILENCE_MS + 1)])
    assert changes(outputs) == [("1", "unknown", "silent")]


def test_frames_of_an_intake_whose_clock_is_ahead_do_not_hide_silence():
    t = Teller()
    ahead = by_a_clock(2 * HOUR_MS, seen_free(t))
    site, outputs = fold([*ahead, t.tick(), t.tick(SILENCE_MS)])
    assert changes(outputs) == [("1", "free", "observed")]
    site, outputs = step(site, t.tick(1))
    assert changes(outputs) == [("1", "unknown", "silent")]


def test_a_camera_reported_offline_by_a_clock_ahead_is_back_with_its_next_frame():
    t = Teller()
    ahead = [*seen_free(t), t.tick(), t.device("a", "offline", 1, 1)]
    site, outputs = fold([*by_a_clock(2 * HOUR_MS, ahead), t.tick(1), t.tick(1)])
    assert statuses(outputs)[-1] == ("offline", "offline")
    assert statuses(step(site, t.see("a", {"1": "f"}))[1]) == [("online", "ok")]


def test_stays_and_dwell_count_from_when_the_clock_was_set():
    t = Teller()
    site, _ = one_clock_ahead(t)
    site, _ = step(site, t.parameters(overstay_ms=60_000))
    set_at_ms = t.now_ms
    site, outputs = apply(site, [t.see("a", {"1": "o"}) for _ in range(2)])
    (change,) = [o for o in outputs if isinstance(o, SlotChanged)]
    assert change.dwell_ms == t.now_ms - set_at_ms
    site, outputs = apply(site, [t.tick(60_000)])
    assert [o.kind for o in sessions(outputs)] == ["overstay"]
    site, outputs = step(site, t.gate("exit", 2))
    assert [o.dwell_ms for o in sessions(outputs)] == [t.now_ms - set_at_ms]


# ---------------------------------------------------------------- late ticks
def test_one_tick_that_comes_very_late_does_nothing():
    t = Teller()
    late = t.tick()
    t.pass_ms(HOUR_MS)
    site, _ = fold([*seen_free(t), t.tick(1)])
    for copies in ([late], [late, late]):
        doubted, outputs = apply(site, copies)
        assert outputs == []
        tick = t.tick(1)
        assert step(doubted, tick) == step(site, tick)


def test_late_ticks_of_less_than_a_minute_are_never_believed():
    t = Teller()
    late = [t.tick(1) for _ in range(3)]
    t.pass_ms(STEP_MS - INTERVAL_MS * 4)
    site, _ = fold([*seen_free(t), t.tick(1)])
    for tick in late:
        assert step(site, tick)[0] is site


def test_a_clock_set_back_twice_is_followed():
    t = Teller()
    site, _ = fold(by_a_clock(2 * HOUR_MS, [*seen_free(t), t.tick()]))
    site, _ = apply(site, by_a_clock(HOUR_MS, [t.tick(1)]))
    site, _ = apply(site, [t.tick(1), t.tick(1)])
    assert site.tick_ms == t.now_ms


# ---------------------------------------------------------------- pictures that come late
def late(t: Teller, count: int, by_ms: int) -> list[Event]:
    """Return a tick and a frame for each second, with frames that are so old when they arrive."""
    records: list[Event] = []
    for _ in range(count):
        frame = t.see("a", {"1": "f"})
        records += [t.tick(), replace(frame, time_ms=frame.time_ms - by_ms)]
    return records


def test_a_camera_whose_pictures_keep_coming_too_old_is_late_and_not_silent():
    t = Teller()
    site, outputs = fold([*seen_free(t), *late(t, 70, TOO_LATE_MS)])
    assert statuses(outputs)[-1] == ("degraded", "late")
    site, outputs = apply(site, late(t, 30, TOO_LATE_MS))
    assert set(statuses(outputs)) == {("degraded", "late")}, "reported again as usual"
    assert states(site) == {"1": "unknown"}
    site, outputs = apply(site, [t.tick(SILENCE_MS)])
    assert statuses(outputs) == [], "no sooner than it is sure"
    site, outputs = apply(site, [t.tick(1)])
    assert statuses(outputs) == [("offline", "silent")]
    site, outputs = apply(site, late(t, 1, TOO_LATE_MS))
    assert statuses(outputs) == [("degraded", "late")]
    site, outputs = apply(site, seconds(t, 2))
    assert statuses(outputs) == [("online", "ok")]
    assert states(site) == {"1": "free"}


def test_a_camera_whose_first_picture_is_too_old_is_never_called_well():
    t = Teller()
    _, outputs = fold([t.adopt("a", "1"), t.tick(), *late(t, 3, TOO_LATE_MS)])
    assert list(dict.fromkeys(statuses(outputs))) == [("offline", "no-frame"), ("degraded", "late")]


def test_a_silent_camera_is_never_called_late_even_with_a_slow_detector():
    t = Teller()
    slow = late(t, 10, SILENCE_MS - INTERVAL_MS)
    site, _ = fold([t.adopt("a", "1"), t.tick(), *slow])
    assert states(site) == {"1": "free"}
    _, outputs = apply(site, [t.tick(INTERVAL_MS) for _ in range(SILENCE_MS // INTERVAL_MS + 5)])
    assert statuses(outputs) == [("offline", "silent")]


def test_one_late_picture_between_fresh_ones_changes_nothing():
    t = Teller()
    site, _ = fold([*seen_free(t), *seconds(t, 3)])
    (frame,) = [r for r in late(t, 1, 2 * SILENCE_MS) if isinstance(r, DetectionMade)]
    site, outputs = apply(site, [frame, *seconds(t, 3)])
    assert changes(outputs) == []
    assert {s for s, _ in statuses(outputs)} <= {"online"}
