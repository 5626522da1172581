"""What anybody may see of a site: counts by zone and kind, and how old they are."""

import msgspec
import pytest

from parking.core.events import SiteSettings
from services.notifier.publicview import (
    EXPIRES_INTERVALS,
    EXPIRES_MS,
    OLD_INTERVALS,
    REFRESH_MS,
    PublicSite,
    public_site,
)
from services.notifier.views import Counts, SlotView
from tests.support.notifying import NOW_MS

INTERVALS = {"demo/north": 5_000, "demo/south": 60_000}


def slot(slot_id: str, **more: object) -> SlotView:
    values = {
        "site_id": "demo",
        "slot_id": slot_id,
        "zone_id": "A",
        "kind": "standard",
        "state": "free",
        "version": 1,
        "changed_at_ms": NOW_MS,
        "observed_at_ms": NOW_MS,
        "confidence": 0.9,
        "reason": "observed",
        "camera_ids": ["demo/north"],
        "plan": None,
    }
    return msgspec.convert(values | more, SlotView)


def seen(*slots: SlotView) -> PublicSite:
    return public_site("Lot", SiteSettings(public=True), {"A": "Row A"}, slots, INTERVALS)


def test_spaces_are_counted_by_zone_and_kind():
    site = seen(
        slot("1"),
        slot("2", state="occupied"),
        slot("3", kind="ev"),
        slot("4", zone_id="B", state="closed"),
        slot("5", zone_id="B", state="unknown"),
    )
    assert site.counts == Counts(free=2, occupied=1, unknown=1, closed=1, total=5)
    assert [(k.kind, k.counts.free, k.counts.total) for k in site.kinds] == [
        ("standard", 1, 4),
        ("ev", 1, 1),
    ]
    assert [(z.zone_id, z.name, z.counts.total) for z in site.zones] == [
        ("A", "Row A", 3),
        ("B", "B", 2),
    ]
    assert [k.kind for k in site.zones[0].kinds] == ["standard", "ev"]


def test_nothing_names_a_space_or_a_camera():
    slots = (slot("SECRET1"), slot("2", camera_ids=["demo/secret"], plan=[[0, 0], [1, 0], [1, 1]]))
    text = msgspec.json.encode(seen(*slots)).decode()
    assert "secret" not in text.lower()
    assert "north" not in text
    assert "Row A" in text  # what is shown is there


def test_the_age_is_that_of_the_camera_seen_longest_ago():
    late_ms = NOW_MS - 30_000
    site = seen(
        slot("1"),
        slot("2", observed_at_ms=NOW_MS - 9_000),  # hidden for a moment: its camera is recent
        slot("3", zone_id="B", camera_ids=["demo/south"], observed_at_ms=late_ms),
    )
    row, other = site.zones
    assert row.observed_at_ms == NOW_MS
    assert row.old_at_ms == NOW_MS + OLD_INTERVALS * 5_000
    assert row.expires_at_ms == NOW_MS + EXPIRES_MS
    assert other.old_at_ms == late_ms + OLD_INTERVALS * 60_000
    assert other.expires_at_ms == late_ms + EXPIRES_INTERVALS * 60_000
    assert (site.observed_at_ms, site.old_at_ms) == (late_ms, row.old_at_ms)
    assert site.seen_at_ms == NOW_MS


def test_a_camera_that_sends_faster_than_its_status_repeats_is_not_old_between_two():
    site = public_site("Lot", SiteSettings(), {}, [slot("1")], {"demo/north": 400})
    assert site.old_at_ms == NOW_MS + OLD_INTERVALS * REFRESH_MS


def test_spaces_that_no_camera_vouches_for_have_no_age():
    site = seen(
        slot("1", reason="corrected", observed_at_ms=NOW_MS - 999_999),
        slot("2", state="closed", observed_at_ms=NOW_MS - 999_999),
        slot("3", state="unknown", reason="covered", observed_at_ms=NOW_MS - 7),
    )
    assert (site.observed_at_ms, site.old_at_ms, site.expires_at_ms) == (None, None, None)
    assert site.seen_at_ms == NOW_MS - 7
    assert seen().seen_at_ms is None


@pytest.mark.parametrize(
    ("reasons", "shown"),
    [
        (["covered"], "view-blocked"),
        (["disagree"], "unclear"),
        (["not observed yet"], "not-set-up"),
        (["silent", "silent", "covered"], "no-picture"),
        (["wrong-password"], "no-picture"),  # only the operator learns that
        ([], None),
    ],
)
def test_the_commonest_reason_is_given_in_words_for_the_public(reasons, shown):
    slots = [slot(str(n), state="unknown", reason=reason) for n, reason in enumerate(reasons)]
    assert seen(slot("known"), *slots).reason == shown
