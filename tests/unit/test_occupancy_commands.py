"""Layouts adopted, slots closed and opened, and states corrected by people."""

import pytest

from parking.core.errors import Invalid
from parking.core.events import (
    Event,
    SlotChanged,
    SlotClosed,
    SlotOpened,
    SlotStateUpdated,
    StateCorrected,
)
from parking.core.occupancy import step
from tests.support.tracking import INTERVAL_MS, Teller, changes, fold, seen_free, states


# ---------------------------------------------------------------- layouts
def test_a_slot_that_the_camera_no_longer_names_is_withdrawn():
    t = Teller()
    records = [t.adopt("a", "1", "2"), *(t.see("a", {"1": "f", "2": "o"}) for _ in range(2))]
    site, outputs = fold([*records, t.adopt("a", "1", version=2)])
    assert changes(outputs)[-1] == ("2", "unknown", "no-camera")
    site, _ = step(site, t.see("a", {"1": "f", "2": "o"}, layout_version=2))
    assert states(site) == {"1": "free", "2": "unknown"}


def test_an_older_layout_is_ignored_and_so_are_observations_made_with_one():
    t = Teller()
    site, _ = fold([t.adopt("a", "1", version=3)])
    assert step(site, t.adopt("a", "2", version=2)) == (site, [])
    for _ in range(3):
        site, _ = step(site, t.see("a", {"1": "o"}, layout_version=2))
    assert states(site) == {"1": "unknown"}


def test_a_slot_of_another_zone_is_reported_again():
    t = Teller()
    site, _ = fold(seen_free(t))
    site, outputs = step(site, t.adopt("a", "1", version=2, zone="b"))
    (change,) = [o for o in outputs if isinstance(o, SlotChanged)]
    assert (change.zone_id, change.from_state, change.to_state) == ("b", "free", "free")
    assert change.version == 3


def test_detections_before_the_layout_give_no_slots():
    t = Teller()
    site, outputs = fold([t.see("a", {"1": "o"}, layout_version=0) for _ in range(3)])
    assert site.slots == {}
    assert not [o for o in outputs if isinstance(o, SlotChanged)]


# ---------------------------------------------------------------- people
def test_closed_holds_against_all_cameras_until_opened():
    t = Teller()
    close, reopen = (t.command(kind(slot_id="1")) for kind in (SlotClosed, SlotOpened))
    records = [*seen_free(t), close, *(t.see("a", {"1": "o"}) for _ in range(3))]
    site, outputs = fold(records)
    assert changes(outputs)[-1] == ("1", "closed", "closed")
    site, outputs = step(site, reopen)
    assert changes(outputs) == [("1", "unknown", "opened")]
    site, _ = step(site, t.see("a", {"1": "o"}))
    site, outputs = step(site, t.see("a", {"1": "o"}))
    assert changes(outputs) == [("1", "occupied", "observed")]


def test_a_state_set_by_a_person_names_them_until_a_camera_changes_it():
    t = Teller()
    close = t.command(SlotClosed(slot_id="1", reason="resurfacing"))
    _, outputs = fold([*seen_free(t), close, t.command(SlotOpened(slot_id="1"))])
    named = [
        (o.reason, o.issued_by) for o in outputs if isinstance(o, SlotChanged | SlotStateUpdated)
    ]
    author = close.issued_by
    assert named[-4:] == [("resurfacing", author)] * 2 + [("opened", author)] * 2
    assert {who for _, who in named[:-4]} == {None}
    _, outputs = fold(
        [
            *seen_free(t),
            t.command(StateCorrected(slot_id="1", state="occupied")),
            *(t.see("a", {"1": "o"}) for _ in range(3)),
            *(t.see("a", {"1": "f"}) for _ in range(3)),
        ]
    )
    last = [(o.reason, o.issued_by) for o in outputs if isinstance(o, SlotChanged)][-2:]
    assert last == [("corrected", author), ("observed", None)]


def test_a_closed_slot_stays_closed_when_its_camera_is_gone():
    t = Teller()
    records = [*seen_free(t), t.command(SlotClosed(slot_id="1")), t.tick(60_000)]
    assert states(fold(records)[0]) == {"1": "closed"}


def test_a_correction_holds_until_the_cameras_say_something_new():
    t = Teller()
    records = [*seen_free(t), t.command(StateCorrected(slot_id="1", state="occupied"))]
    records += [t.see("a", {"1": "f"}) for _ in range(5)]  # the mistake goes on
    site, outputs = fold(records)
    assert changes(outputs)[-1] == ("1", "occupied", "corrected")
    for word in "oo":
        site, outputs = step(site, t.see("a", {"1": word}))
        assert changes(outputs) == []
    site, _ = step(site, t.see("a", {"1": "f"}))
    site, outputs = step(site, t.see("a", {"1": "f"}))
    assert changes(outputs) == [("1", "free", "observed")]


def test_a_correction_of_a_blind_slot_ends_with_the_first_evidence():
    t = Teller()
    correct = t.command(StateCorrected(slot_id="1", state="occupied"))
    site, _ = fold([t.adopt("a", "1"), correct, t.tick(60_000)])
    assert states(site) == {"1": "occupied"}
    for _ in range(2):
        site, outputs = step(site, t.see("a", {"1": "f"}))
    assert changes(outputs) == [("1", "free", "observed")]


def test_a_command_given_twice_is_done_once():
    t = Teller()
    close = t.command(SlotClosed(slot_id="1"))
    reopen = t.command(SlotOpened(slot_id="1"))
    site, _ = fold([*seen_free(t), close, reopen])
    assert step(site, close) == (site, [])


@pytest.mark.parametrize("kind", [SlotClosed, SlotOpened])
def test_a_command_for_a_slot_nobody_names_is_invalid(kind):
    t = Teller()
    with pytest.raises(Invalid) as caught:
        fold([t.adopt("a", "1"), t.command(kind(slot_id="9"))])
    assert caught.value.reason == "unknown-slot"


# ---------------------------------------------------------------- corrections end
HOLD_MS = 600_000


def corrected(t: Teller) -> list[Event]:
    """Return a slot that was seen free and that an operator set to occupied."""
    return [*seen_free(t), t.command(StateCorrected(slot_id="1", state="occupied"))]


def seen_for(t: Teller, duration_ms: int, seen: str = "f", camera: str = "a") -> list[Event]:
    """Return one frame a second for so long, including the first and the last."""
    return [t.see(camera, {"1": seen}) for _ in range(duration_ms // INTERVAL_MS + 1)]


def test_a_correction_ends_once_the_cameras_contradict_it_for_long_enough():
    t = Teller()
    site, _ = fold([*corrected(t), *seen_for(t, HOLD_MS - INTERVAL_MS)])
    assert states(site) == {"1": "occupied"}
    site, outputs = step(site, t.see("a", {"1": "f"}))
    assert changes(outputs) == [("1", "free", "correction-expired")]


def test_the_time_restarts_when_the_camera_could_not_be_trusted():
    t = Teller()
    site, _ = fold([*corrected(t), *seen_for(t, HOLD_MS // 2)])
    for _ in range(2):
        site, _ = step(site, t.see("a", {"1": "f"}, health="dark"))
    for record in seen_for(t, HOLD_MS // 2 + 5_000):
        site, outputs = step(site, record)
        assert changes(outputs) == []


def test_the_time_restarts_when_one_observation_agrees_with_the_correction():
    t = Teller()
    records = [*corrected(t), *seen_for(t, HOLD_MS // 2), t.see("a", {"1": "o"})]
    site, _ = fold([*records, *seen_for(t, HOLD_MS - INTERVAL_MS)])
    assert states(site) == {"1": "occupied"}


def test_a_correction_can_be_set_to_hold_forever():
    t = Teller()
    site, _ = fold(
        [t.parameters(correction_hold_ms=None), *corrected(t), *seen_for(t, 2 * HOLD_MS)]
    )
    assert states(site) == {"1": "occupied"}
