"""Camera status with its reason and refreshes, and late reports about older connections."""

from itertools import groupby

import pytest
from msgspec.structs import replace

from parking.core.cameras import FRAME_MEMORY
from parking.core.events import CameraStatusChanged, DetectionMade, Effort, Event
from parking.core.occupancy import step
from tests.support.tracking import (
    INTERVAL_MS,
    SILENCE_MS,
    Teller,
    changes,
    fold,
    seen_free,
    states,
    written_again,
)


def reports(outputs: list[Event]) -> list[CameraStatusChanged]:
    return [o for o in outputs if isinstance(o, CameraStatusChanged)]


def statuses(outputs: list[Event]) -> list[tuple[str, str]]:
    """Return the reports, without mere repetitions."""
    return [
        status_and_reason
        for status_and_reason, _ in groupby((o.status, o.reason) for o in reports(outputs))
    ]


def test_a_cameras_life():
    t = Teller()
    records = [
        t.see("a", {}, layout_version=0),
        t.adopt("a", "1"),
        t.see("a", {"1": "f"}),
        *(t.see("a", {"1": "f"}, health="dark") for _ in range(2)),
        t.see("a", {"1": "f"}),
        t.tick(SILENCE_MS + 1),
        t.see("a", {"1": "f"}),
        t.device("a", "offline", 1, 1),
        t.device("a", "online", 1, 2),
    ]
    assert statuses(fold(records)[1]) == [
        ("no-layout", "no-layout"),
        ("online", "ok"),
        ("degraded", "dark"),
        ("online", "ok"),
        ("offline", "silent"),
        ("online", "ok"),
        ("offline", "offline"),
        ("online", "ok"),
    ]


def blurred(made: DetectionMade) -> DetectionMade:
    """Return the frame with a part that cannot be seen."""
    return replace(made, health=replace(made.health, blurred=[(0.1, 0.2, 0.5, 0.6)]))


def test_a_camera_blurred_in_part_is_degraded_and_what_else_it_sees_counts():
    t = Teller()
    records: list[Event] = [t.adopt("a", "1", "2")]
    records += [t.see("a", {"1": "f", "2": "f"}) for _ in range(2)]
    records += [blurred(t.see("a", {"1": "o", "2": "?"})) for _ in range(3)]
    site, outputs = fold(records)
    assert statuses(outputs)[-1] == ("degraded", "partly-blurred")
    assert reports(outputs)[-1].blurred == [(0.1, 0.2, 0.5, 0.6)]
    assert states(site) == {"1": "occupied", "2": "free"}
    _, outputs = step(site, t.see("a", {"1": "o", "2": "f"}))
    assert statuses(outputs)[-1] == ("online", "ok")
    assert reports(outputs)[-1].blurred == []
    for _ in range(SILENCE_MS // INTERVAL_MS + 2):
        site, _ = step(site, blurred(t.see("a", {"1": "o", "2": "?"})))
        site, _ = step(site, t.tick())
    assert states(site) == {"1": "occupied", "2": "unknown"}


def test_one_picture_blurred_in_part_is_not_reported():
    t = Teller()
    records = [*seen_free(t), blurred(t.see("a", {"1": "f"})), t.see("a", {"1": "f"})]
    assert "degraded" not in {status for status, _ in statuses(fold(records)[1])}


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("wrong-password: the camera refuses the login (HTTP 401)", "wrong-password"),
        ("connection lost", "offline"),
        ("lost", "offline"),
        ("<b>: x", "offline"),
        (None, "offline"),
    ],
)
def test_why_a_fetched_camera_cannot_be_reached_is_shown(reason, shown):
    t = Teller()
    records = [
        t.adopt("a", "1"),
        t.device("a", "offline", reason=reason),
        t.device("a", "online"),
        t.see("a", {"1": "f"}),
        t.device("a", "offline", reason=reason),
    ]
    site, outputs = fold(records)
    known = [one for one in statuses(outputs) if one != ("offline", "no-frame")]
    assert known == [("offline", shown), ("online", "ok"), ("offline", shown)]
    assert states(site)["1"] == "unknown"


def test_an_adopted_camera_without_a_frame_is_offline_and_a_first_dark_frame_is_believed():
    t = Teller()
    records = [t.adopt("a", "1"), t.see("a", {}, health="dark")]
    assert statuses(fold(records)[1]) == [("offline", "no-frame"), ("degraded", "dark")]


@pytest.mark.parametrize(
    ("interval_ms", "frame_ms", "every"),
    [
        (1_000, 1_000, 2),
        (100, 100, 15),
        (2_000, 1_990, 1),
        (5_000, 4_990, 1),  # slightly early counts as the next one
        (5_000, 2_500, 2),
        (60_000, 60_000, 1),
    ],
)
def test_an_unchanged_status_is_reported_again_with_the_latest_frame(interval_ms, frame_ms, every):
    """It is reported every two seconds, or every interval of the camera if that is longer."""
    t = Teller()
    frames = [at_pace(t, frame_ms) for _ in range(31)]
    _, outputs = fold([t.adopt("a", "1", interval_ms=interval_ms), *frames])
    repeated = reports(outputs)[1:]
    assert [o.version for o in repeated] == list(range(2, len(repeated) + 2))
    assert [o.last_frame_at_ms for o in repeated] == [f.time_ms for f in frames[::every]]
    assert repeated[-1].frame_ref == frames[-1 - 30 % every].frame_ref


def at_pace(t: Teller, frame_ms: int, load_level: int | None = None) -> DetectionMade:
    made = t.pass_ms(frame_ms - INTERVAL_MS).see("a", {"1": "f"})
    return made if load_level is None else replace(made, effort=Effort(load_level=load_level))


# ---------------------------------------------------------------- how often, and how old
def test_a_status_tells_how_often_the_camera_is_analysed_and_what_is_left_out():
    t = Teller()
    records = [t.adopt("a", "1"), *(at_pace(t, 1_000) for _ in range(4))]
    site, outputs = fold(records)
    assert [o.analysed_every_ms for o in reports(outputs)] == [None, None, 1_000]
    assert {o.load_level for o in reports(outputs)} == {0}
    paces = []
    for _ in range(20):
        site, outputs = step(site, at_pace(t, 6_000, load_level=4))
        (camera_status,) = reports(outputs)
        assert camera_status.load_level == 4
        paces.append(camera_status.analysed_every_ms or 0)
    assert paces == sorted(paces), "smoothed"
    assert 1_000 < paces[0] < 3_000
    assert 5_900 < paces[-1] <= 6_000


def test_a_frame_whose_changed_slots_wait_does_not_count_as_analysed():
    t = Teller()
    site, _ = fold([t.adopt("a", "1"), *(at_pace(t, 1_000) for _ in range(4))])
    paces = []
    for _ in range(8):
        made = replace(at_pace(t, 1_000), effort=Effort(load_level=4, deferred=1))
        site, _ = step(site, made)
        paces.append(site.cameras["lot/a"].analysed_every_ms or 0)
    assert paces == [1_000 * (n + 1) for n in range(8)]


def test_the_count_starts_over_after_silence():
    t = Teller()
    frames = [at_pace(t, 1_000) for _ in range(4)]
    site, _ = fold([t.adopt("a", "1"), *frames, t.tick(SILENCE_MS + 1)])
    site, _ = step(site, at_pace(t, 30_000))
    assert site.cameras["lot/a"].analysed_every_ms is None
    site, _ = step(site, at_pace(t, 2_000))
    assert site.cameras["lot/a"].analysed_every_ms == 2_000


def test_a_status_tells_the_age_of_evidence_that_is_older_than_the_last_frame():
    t = Teller()
    site, _ = fold([t.adopt("a", "1", "2", "3"), t.see("a", {"1": "f", "2": "f"})])
    seen_ms = t.now_ms
    site, _ = step(site, t.see("a", {"1": "f", "2": "?"}))
    site, outputs = step(site, t.see("a", {"1": "f"}))
    (camera_status,) = reports(outputs)
    assert camera_status.last_frame_at_ms == t.now_ms
    assert camera_status.evidence_at_ms == {"2": seen_ms, "3": 0}
    site, _ = step(site, t.see("a", {}))
    site, outputs = step(site, t.see("a", {"1": "f", "2": "f", "3": "f"}))
    (camera_status,) = reports(outputs)
    assert camera_status.evidence_at_ms == {}


def test_a_frame_without_evidence_does_not_renew_any():
    t = Teller()
    site, _ = fold([t.adopt("a", "1"), t.see("a", {"1": "f"}), t.see("a", {"1": "f"})])
    seen_ms = t.now_ms
    _, outputs = step(site, t.see("a", {"1": "f"}, health="dark"))
    (camera_status,) = reports(outputs)
    assert (camera_status.status, camera_status.evidence_at_ms) == ("online", {"1": seen_ms})


def test_a_camera_that_is_not_online_has_no_evidence_to_tell_the_age_of():
    t = Teller()
    site, _ = fold([t.adopt("a", "1"), t.see("a", {"1": "f"})])
    _, outputs = step(site, t.device("a", "offline", 1, 1))
    (camera_status,) = reports(outputs)
    assert (camera_status.status, camera_status.evidence_at_ms) == ("offline", {})


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([("online", 1, 1), ("offline", 1, 1)], "offline"),
        ([("online", 1, 2), ("offline", 1, 1)], "online"),
        ([("online", 2, 1), ("offline", 1, 9)], "online"),
        ([("offline", 1, 1), ("online", 1, 1)], "offline"),  # a doubled, late online
        ([("offline", 1, 1), ("online", 1, 2)], "online"),
        ([("offline", 1, 1), ("online", 1, 2), ("offline", 1, 1)], "online"),
        ([("offline", None, None)], "offline"),
        ([("offline", None, None), ("online", None, None)], "online"),
    ],
)
def test_a_late_will_of_an_older_connection_does_not_count(reports, status):
    t = Teller()
    site, _ = fold([t.adopt("a", "1"), t.see("a", {"1": "f"})])
    for report in reports:
        site, _ = step(site, t.device("a", *report))
    assert site.cameras["lot/a"].status == status


def test_the_connection_known_before_the_layout_counts_after_it():
    t = Teller()
    records = [t.device("a", "online", 1, 5), t.adopt("a", "1"), t.see("a", {"1": "f"})]
    site, _ = fold([*records, t.device("a", "offline", 1, 4)])
    assert site.cameras["lot/a"].status == "online"


def test_a_device_that_is_no_camera_has_no_camera_status():
    t = Teller()
    site, outputs = fold([t.device("gate-1", "online", 1, 1), t.device("gate-1", "offline", 1, 1)])
    assert (site.cameras, outputs) == ({}, [])


def test_telemetry_changes_nothing():
    t = Teller()
    site, _ = fold([t.adopt("a", "1")])
    assert step(site, t.device("a", "telemetry")) == (site, [])


# ---------------------------------------------------------------- frames that ingest wrote twice
def test_a_frame_written_twice_is_one_observation():
    t = Teller()
    site, _ = fold(seen_free(t))
    occupied = t.see("a", {"1": "o"})
    site, _ = step(site, occupied)
    assert step(site, written_again(t, occupied)) == (site, [])
    assert states(site) == {"1": "free"}
    assert states(step(site, t.see("a", {"1": "o"}))[0]) == {"1": "occupied"}


def test_a_batch_written_twice_tells_each_change_once():
    t = Teller()
    adopt = t.adopt("a", "1")
    frames = [t.see("a", {"1": word}) for word in "ffooff"]
    doubled = [*frames, *(written_again(t, frame) for frame in frames[2:])]
    assert changes(fold([adopt, *doubled])[1]) == changes(fold([adopt, *frames])[1])


def test_a_frame_is_recognised_in_a_recreated_topic():
    t = Teller()
    seen = seen_free(t)
    frame = t.see("a", {"1": "o"})
    site, _ = fold([*seen, frame])
    elsewhere = replace(frame, frame_ref=replace(frame.frame_ref, partition=1, offset=0))
    assert step(site, elsewhere) == (site, [])


def plain(made: DetectionMade) -> DetectionMade:
    """Return the same from a camera that counts nothing, so its frames are named by what they
    show."""
    name = f"{made.camera_id}/{made.id.rsplit('/', 1)[1]:0>32}"
    return replace(made, id=name, frame_ref=replace(made.frame_ref, frame_id=name))


def test_a_status_says_since_when_it_holds():
    """Reports that only refresh it keep the time, and another reason begins a new one."""
    t = Teller()
    records: list[Event] = [t.adopt("a", "1")]
    records += [t.see("a", {"1": "f"}) for _ in range(8)]
    records += [t.see("a", {"1": "?"}, health="dark") for _ in range(8)]
    _, outputs = fold(records)
    since: dict[str, set[int | None]] = {}
    first: dict[str, int] = {}
    for status in reports(outputs):
        since.setdefault(status.reason, set()).add(status.since_ms)
        first.setdefault(status.reason, status.time_ms)
    assert list(first) == ["no-frame", "ok", "dark"]
    assert since == {reason: {time_ms} for reason, time_ms in first.items()}


def test_a_camera_remembers_a_bounded_number_of_frames():
    t = Teller()
    frames = [plain(t.see("a", {"1": "f"})) for _ in range(FRAME_MEMORY + 5)]
    site, _ = fold([t.adopt("a", "1"), *frames])
    assert len(site.cameras["lot/a"].frames) == FRAME_MEMORY
    assert step(site, written_again(t, frames[5]))[0] is site
    assert step(site, written_again(t, frames[4]))[0] is not site  # the control: beyond the bound


def test_a_counting_cameras_earlier_frames_change_nothing_at_any_age():
    t = Teller()
    frames = [t.see("a", {"1": "f"}) for _ in range(FRAME_MEMORY + 5)]
    site, _ = fold([t.adopt("a", "1"), *frames])
    assert all(step(site, written_again(t, frame))[0] is site for frame in frames)


def test_a_camera_flashed_again_is_counted_and_its_changes_have_ids_of_their_own():
    t = Teller()
    adopt = t.adopt("a", "1")

    def frames(boot: int) -> list[DetectionMade]:
        return [numbered(t.see("a", {"1": word}), boot, n) for n, word in enumerate("ffoo")]

    first, again = [*frames(5), *frames(6)], frames(5)
    far = [t.see("a", {"1": "o"}) for _ in range(FRAME_MEMORY)]
    far = [numbered(frame, 6, 100 + n) for n, frame in enumerate(far)]
    site, old = fold([adopt, *first, *far])
    later = [replace(frame, time_ms=t.now_ms + 1000 * n) for n, frame in enumerate(again, start=1)]
    later = [written_again(t, frame) for frame in later]
    for frame in later:
        site, outputs = step(site, frame)
        assert not {o.id for o in outputs} & {o.id for o in old}
    assert site.devices["lot/a"].restarts == 1
    assert states(site) == {"1": "occupied"}


def numbered(made: DetectionMade, boot: int, seq: int) -> DetectionMade:
    frame_id = f"{made.camera_id}/{boot}/{seq}"
    return replace(made, id=frame_id, frame_ref=replace(made.frame_ref, frame_id=frame_id))
