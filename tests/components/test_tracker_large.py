"""The largest possible site fits into a checkpoint, and a larger one is refused."""

import zlib

import pytest

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import (
    Event,
    LayoutAdopted,
    LayoutPublished,
    LayoutSlot,
    SlotRef,
)
from parking.core.occupancy import step
from parking.core.sessions import OPEN_LIMIT
from parking.core.site import SITE_SIGHTS, SITE_SLOTS, Site
from parking.core.topics import (
    FRAME_MAX_BYTES,
    SITE_MAX_BYTES,
)
from services.tracker import checkpoints
from tests.support.tracking import Teller, fold

SITE = "s" * 40


def name(prefix: str, number: int) -> str:
    """Return a name as long as an id may be."""
    return f"{prefix}{number:04d}".ljust(40, "x")


def adopt(t: Teller, camera: int, slots: range, version: int = 1):
    refs = [SlotRef(slot_id=name("s", n), zone_id=name("z", n)) for n in slots]
    order = LayoutAdopted(
        camera_id=t.camera(name("c", camera)), version=version, interval_ms=1000, slots=refs
    )
    return t.command(order)


def largest(cameras: int, slots: int) -> tuple[int, Site]:
    """Return the largest state, in bytes before compression: a site whose cameras see a thousand
    slots each and fall silent while every vehicle overstays."""
    t = Teller(SITE)
    starts = [lots.MAX_SLOTS * camera % slots for camera in range(cameras)]
    views = [range(start, start + lots.MAX_SLOTS) for start in starts]
    records: list[Event] = [adopt(t, camera, view) for camera, view in enumerate(views)]
    records += [t.gate("entry", seq, plate=f"{seq:064d}") for seq in range(OPEN_LIMIT)]
    records.append(t.parameters(overstay_ms=60_000))
    site, _ = fold(records, SITE)
    sizes = []
    for _ in range(2):
        for camera, view in enumerate(views):
            seen = {name("s", number): "o0.9876543210987654" for number in view}
            site, _ = step(site, t.see(name("c", camera), seen))
            sizes.append(size_of(site))
    site, _ = step(site, t.tick(3_600_000))
    return max(*sizes, size_of(site)), site


def size_of(site: Site) -> int:
    value = checkpoints.site_record(0, site).value or b""
    size = len(zlib.decompress(value))
    assert len(value) < size / 4
    return size


def test_a_site_of_a_thousand_slots_seen_by_four_cameras_fits():
    size, site = largest(4, lots.MAX_SLOTS)
    assert len(site.slots) == lots.MAX_SLOTS
    assert FRAME_MAX_BYTES < size < SITE_MAX_BYTES


def test_the_largest_site_there_can_be_fits():
    size, site = largest(SITE_SIGHTS // lots.MAX_SLOTS, SITE_SLOTS)
    assert len(site.slots) == SITE_SLOTS
    assert size < SITE_MAX_BYTES


def test_a_layout_that_makes_the_site_too_large_is_refused_and_a_smaller_one_taken():
    t = Teller(SITE)
    cameras = SITE_SIGHTS // lots.MAX_SLOTS
    full = [adopt(t, camera, range(lots.MAX_SLOTS)) for camera in range(cameras)]
    site, _ = fold(full, SITE)
    with pytest.raises(Invalid, match="name slots 10001 times; the limit is 10000") as caught:
        step(site, adopt(t, cameras, range(1)))
    assert caught.value.reason == "site-too-large"
    site, _ = step(site, adopt(t, 0, range(500), version=2))
    site, _ = step(site, adopt(t, cameras, range(500)))
    with pytest.raises(Invalid, match="name slots 10001 times"):
        step(site, adopt(t, 0, range(501), version=3))


def test_slots_that_no_camera_names_any_more_count():
    t = Teller(SITE)
    size = lots.MAX_SLOTS
    turns = SITE_SLOTS // size
    views = [range(turn * size, (turn + 1) * size) for turn in range(turns + 1)]
    records = [adopt(t, 0, view, version) for version, view in enumerate(views, start=1)]
    site, _ = fold(records[:-1], SITE)
    with pytest.raises(Invalid, match="including former ones"):
        step(site, records[-1])
    assert step(site, adopt(t, 0, views[0], version=9))[0].cameras[t.camera(name("c", 0))].slot_ids


def test_layouts_that_together_are_too_large_are_reported_before_they_are_published():
    def layout(camera: int, first: int) -> LayoutPublished:
        slots = [
            LayoutSlot(slot_id=name("s", n), zone_id="z", polygon=[(0, 0), (1, 0), (1, 1)])
            for n in range(first, first + lots.MAX_SLOTS)
        ]
        return LayoutPublished(
            id=f"{camera}",
            site_id=SITE,
            time_ms=1,
            camera_id=f"{SITE}/c{camera}",
            version=1,
            site_name="",
            camera_name="",
            interval_ms=1000,
            zones=[],
            slots=slots,
        )

    layouts = [layout(n, n * lots.MAX_SLOTS) for n in range(SITE_SLOTS // lots.MAX_SLOTS)]
    assert lots.check_site(layouts) == []
    (fault,) = lots.check_site([*layouts, layout(99, 9_000)])
    assert "would have 5000 slots" in fault
