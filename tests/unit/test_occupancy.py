"""Slots: hysteresis, fusion of cameras, and the rule that unknown is better than wrong."""

import pytest
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import Event, SlotChanged, SlotStateUpdated
from parking.core.occupancy import step
from parking.core.site import Site
from tests.support.tracking import (
    INTERVAL_MS,
    SILENCE_MS,
    START_MS,
    Teller,
    changes,
    fold,
    seen_free,
    states,
)


@pytest.mark.parametrize(
    ("enter", "exit_", "seen", "shown"),
    [
        (1, 1, "o f o", "o f o"),
        (2, 2, "f f", "? f"),
        (2, 2, "o", "?"),
        (2, 2, "f f o f o f", "? f f f f f"),
        (2, 2, "f f o o", "? f f o"),
        (3, 2, "f f o o o", "? f f f o"),
        (2, 3, "o o f f o f f f", "? o o o o o o f"),
        (2, 2, "o o f0.5 f0.59 f0.1", "? o o o o"),
        (2, 2, "o o ? ? f f", "? o o o o f"),
        (2, 2, "o ? o0.3 o", "? ? ? o"),
        (2, 2, "f0.6 f0.6", "? f"),
    ],
)
def test_hysteresis_of_one_camera(enter, exit_, seen, shown):
    t = Teller()
    site, _ = fold(
        [t.adopt("a", "1"), t.parameters(enter_observations=enter, exit_observations=exit_)]
    )
    found = []
    for word in seen.split():
        site, _ = step(site, t.see("a", {"1": word}))
        found.append({"occupied": "o", "free": "f", "unknown": "?"}[states(site)["1"]])
    assert " ".join(found) == shown


def test_the_change_names_the_frame_that_completed_it_and_the_time_spent_before():
    t = Teller()
    records = seen_free(t)
    *others, last = (t.see("a", {"1": "o"}) for _ in range(2))
    _, outputs = fold([*records, *others, last])
    change = [o for o in outputs if isinstance(o, SlotChanged)][-1]
    state = [o for o in outputs if isinstance(o, SlotStateUpdated)][-1]
    assert (change.from_state, change.to_state, change.version) == ("free", "occupied", 3)
    assert change.cause.kind == "frame"
    assert change.cause.id == last.id
    assert change.frame_ref == last.frame_ref
    assert change.dwell_ms == 2 * INTERVAL_MS
    assert change.confidence == pytest.approx(0.9)
    assert (state.version, state.changed_at_ms, state.observed_at_ms) == (
        3,
        last.time_ms,
        last.time_ms,
    )
    assert state.camera_ids == ["lot/a"]


def test_an_adopted_slot_is_reported_at_once_as_unknown_version_1():
    t = Teller()
    site, outputs = fold([t.adopt("a", "1", "2")])
    changes = [o for o in outputs if isinstance(o, SlotChanged)]
    assert [(o.slot_id, o.to_state, o.version, o.dwell_ms) for o in changes] == [
        ("1", "unknown", 1, None),
        ("2", "unknown", 1, None),
    ]
    assert len([o for o in outputs if isinstance(o, SlotStateUpdated)]) == 2
    again = t.adopt("a", "1", "2")
    assert step(site, again) == (site, [])


# ---------------------------------------------------------------- several cameras
def two_cameras(t: Teller) -> list[Event]:
    return [t.adopt("a", "1"), t.adopt("b", "1")]


def test_two_cameras_that_agree_need_one_of_them_to_see_it_twice():
    t = Teller()
    records = two_cameras(t)
    records += [t.see("a", {"1": "f"}), t.see("b", {"1": "f"})]
    assert states(fold(records)[0]) == {"1": "unknown"}
    assert states(fold([*records, t.see("a", {"1": "f"})])[0]) == {"1": "free"}


def test_a_car_that_comes_is_no_dispute_though_one_camera_sees_it_first():
    t = Teller()
    records = two_cameras(t)
    records += [t.see(camera, {"1": "f"}) for camera in "abab"]
    records += [t.see(camera, {"1": "o"}) for camera in "aabb"]
    assert changes(fold(records)[1]) == [("1", "free", "observed"), ("1", "occupied", "observed")]


def test_cameras_that_go_on_to_disagree_make_the_slot_unknown():
    t = Teller()
    records = two_cameras(t)
    records += [t.see(camera, {"1": "f"}) for camera in "abab"]
    for _ in range(2):
        records += [t.see("a", {"1": "o0.9"}), t.see("b", {"1": "f0.8"})]
    site, outputs = fold(records)
    assert changes(outputs)[-1] == ("1", "unknown", "disagree")
    site, outputs = step(site, t.see("b", {"1": "o0.8"}))
    assert changes(outputs) == [("1", "occupied", "observed")]


def test_a_camera_that_is_much_surer_wins_the_vote():
    t = Teller()
    records = two_cameras(t)
    for _ in range(3):
        records += [t.see("a", {"1": "o0.99"}), t.see("b", {"1": "f0.62"})]
    assert states(fold(records)[0]) == {"1": "occupied"}


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        # Seen in the demo: a parked car hides half of the space from one camera.
        ("f0.997", "o0.797", "free"),
        # Seen in the demo: a car drives past behind the space.
        ("f0.956", "o0.825", "free"),
        ("o0.999", "f0.943", "occupied"),
        # Both are sure, so one of them is badly wrong.
        ("o0.992", "f0.973", "unknown"),
        ("o1", "f1", "unknown"),
        # Neither is sure.
        ("o0.75", "f0.62", "unknown"),
    ],
)
def test_of_two_cameras_the_one_with_much_better_odds_wins(one, other, shown):
    for first, second in [("a", "b"), ("b", "a")]:
        t = Teller()
        records = two_cameras(t)
        for _ in range(3):
            records += [t.see(first, {"1": one}), t.see(second, {"1": other})]
        assert states(fold(records)[0]) == {"1": shown}


def test_a_state_is_never_more_certain_than_the_cameras_together_make_it():
    t = Teller()
    records = two_cameras(t)
    for _ in range(3):
        records += [t.see("a", {"1": "f0.96"}), t.see("b", {"1": "o0.8"})]
    assert fold(records)[0].slots["1"].confidence == pytest.approx(24 / (24 + 4))


def test_one_camera_alone_is_believed_however_unsure_the_site_lets_it_be():
    t = Teller()
    records: list[Event] = [t.parameters(min_confidence=0.2), t.adopt("a", "1")]
    records += [t.see("a", {"1": "o0.3"}) for _ in range(3)]
    slot = fold(records)[0].slots["1"]
    assert (slot.state, slot.confidence) == ("occupied", 0.3)


def test_any_number_of_cameras_can_vote():
    t = Teller()
    names = [f"c{number}" for number in range(400)]
    records: list[Event] = [t.adopt(name, "1") for name in names]
    for _ in range(2):
        records += [t.see(name, {"1": "o1"}) for name in names]
    assert states(fold(records)[0]) == {"1": "occupied"}


def test_two_cameras_outvote_a_third():
    t = Teller()
    records: list[Event] = [t.adopt(camera, "1") for camera in "abc"]
    for _ in range(3):
        records += [t.see("a", {"1": "o"}), t.see("b", {"1": "o"}), t.see("c", {"1": "f"})]
    assert states(fold(records)[0]) == {"1": "occupied"}


# ---------------------------------------------------------------- unknown beats wrong
@pytest.mark.parametrize("health", ["dark", "blurred", "covered", "frozen", "moved", "damaged"])
def test_an_unhealthy_camera_withdraws_what_it_said(health):
    t = Teller()
    records = seen_free(t)
    one, two = (t.see("a", {"1": "f"}, health=health) for _ in range(2))
    assert changes(fold([*records, one])[1])[-1] == ("1", "free", "observed")
    site, outputs = fold([*records, one, two])
    assert changes(outputs)[-1] == ("1", "unknown", health)
    site, _ = step(site, t.see("a", {"1": "f"}))
    assert states(site) == {"1": "unknown"}
    site, _ = step(site, t.see("a", {"1": "f"}))
    assert states(site) == {"1": "free"}


def test_an_unhealthy_frame_is_never_evidence():
    t = Teller()
    records = seen_free(t)
    for _ in range(3):
        records += [t.see("a", {"1": "o"}, health="blurred"), t.see("a", {"1": "?"})]
    assert changes(fold(records)[1]) == [("1", "free", "observed")]


@pytest.mark.parametrize(
    ("interval_ms", "parameters", "limit_ms"),
    [
        (1_000, {}, 60_000),
        (30_000, {}, 150_000),
        (30_000, {"silence_intervals": 2}, 60_000),
        (1_000, {"silence_ms": 15_000}, 15_000),
        (5_000, {"silence_ms": 15_000}, 25_000),
    ],
)
def test_silence_makes_unknown_after_the_longer_of_a_time_and_the_cameras_intervals(
    interval_ms, parameters, limit_ms
):
    t = Teller()
    adopt = t.adopt("a", "1", interval_ms=interval_ms)
    site, _ = fold([t.parameters(**parameters), adopt, *seen_free(t)[1:]])
    site, outputs = step(site, t.tick(limit_ms))
    assert changes(outputs) == []
    site, outputs = step(site, t.tick(1))
    assert changes(outputs) == [("1", "unknown", "silent")]


@pytest.mark.parametrize(("more_ms", "shown"), [(0, "occupied"), (1, "unknown")])
def test_a_late_frame_counts_unless_older_than_the_silence_limit(more_ms, shown):
    t = Teller()
    first, second = t.see("a", {"1": "o"}), t.see("a", {"1": "o"})
    tick = t.tick(SILENCE_MS - INTERVAL_MS + more_ms)
    site, _ = fold([t.adopt("a", "1"), tick, first, second])
    assert states(site) == {"1": shown}


def test_an_old_observation_does_not_lift_unknown():
    t = Teller()
    late = [t.see("a", {"1": "o"}) for _ in range(3)]
    records = [t.adopt("a", "1"), t.tick(SILENCE_MS + 1), *late]
    site, outputs = fold(records)
    assert states(site) == {"1": "unknown"}
    assert changes(outputs) == []


@pytest.mark.parametrize("seen", [{"1": "?"}, {}], ids=["unsure", "deferred"])
def test_a_slot_that_a_live_camera_says_nothing_of_becomes_unknown(seen):
    t = Teller()
    site, _ = fold([*seen_free(t), t.tick()])
    last_ms = t.now_ms
    while t.now_ms < last_ms + SILENCE_MS:
        site, outputs = step(site, t.see("a", seen))
        assert changes(outputs) == []
        site, outputs = step(site, t.tick())
        assert changes(outputs) == []
    site, outputs = step(site, t.see("a", seen))
    assert changes(outputs) == [("1", "unknown", "no-evidence")]
    assert site.slots["1"].observed_at_ms == last_ms


def test_a_change_to_unknown_says_when_the_slot_was_last_seen():
    t = Teller()
    records = [*seen_free(t), *(t.see("a", {"1": "f"}) for _ in range(5))]
    last_ms = t.now_ms
    _, outputs = fold([*records, t.tick(SILENCE_MS + 1)])
    (change,) = [o for o in outputs if isinstance(o, SlotChanged) and o.reason == "silent"]
    assert change.observed_at_ms == last_ms
    state = [o for o in outputs if isinstance(o, SlotStateUpdated)][-1]
    assert state.observed_at_ms == last_ms


def test_an_observation_that_is_repeated_counts_like_a_new_one():
    t = Teller()
    records = seen_free(t)
    judged = t.see("a", {"1": "o"})
    again = t.see("a", {"1": "o"})
    since = [replace(o, since_ms=judged.time_ms) for o in again.observations]
    assert states(fold([*records, judged])[0]) == {"1": "free"}
    assert states(fold([*records, judged, replace(again, observations=since)])[0]) == {
        "1": "occupied"
    }


def test_the_other_camera_goes_on_when_one_falls_silent():
    t = Teller()
    records = two_cameras(t)
    records += [t.see(camera, {"1": "f"}) for camera in "abab"]
    for _ in range(SILENCE_MS // INTERVAL_MS + 2):
        records += [t.see("b", {"1": "f"}), t.tick()]
    site, outputs = fold(records)
    assert site.cameras["lot/a"].silent
    assert changes(outputs) == [("1", "free", "observed")]


def test_offline_withdraws_at_once_and_a_later_frame_brings_it_back():
    t = Teller()
    site, outputs = fold([*seen_free(t), t.device("a", "offline", 1, 1)])
    assert changes(outputs)[-1] == ("1", "unknown", "offline")
    site, _ = step(site, t.see("a", {"1": "f"}))
    site, outputs = step(site, t.see("a", {"1": "f"}))
    assert changes(outputs) == [("1", "free", "observed")]


def test_a_frame_from_before_the_offline_report_does_not_lift_it():
    t = Teller()
    records = seen_free(t)
    late = [t.see("a", {"1": "f"}) for _ in range(3)]
    site, _ = fold([*records, t.device("a", "offline", 1, 1), *late])
    assert states(site) == {"1": "unknown"}


def test_an_older_frame_a_doubled_frame_and_an_older_tick_give_the_very_same_site():
    t = Teller()
    records = [*seen_free(t), t.tick(10)]
    site, _ = fold(records)
    for record in records[1:]:
        assert step(site, record) == (site, [])
        assert step(site, record)[0] is site


def test_records_of_another_site_are_invalid():
    other = Teller("other")
    for record in (other.tick(1), other.see("a", {})):
        with pytest.raises(Invalid, match="wrong-site"):
            step(Site(site_id="lot"), record)
    stray = other.adopt("a", "1")
    with pytest.raises(Invalid, match="wrong-site"):
        step(Site(site_id="lot"), Teller("lot").command(stray.command))


def test_time_starts_where_the_log_starts():
    t = Teller()
    site, _ = fold([t.tick()])
    assert site.tick_ms == START_MS
