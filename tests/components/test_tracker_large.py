"""The largest site there can be fits into its one record in Kafka, and a larger one is refused."""

import pytest

from parking import codec, lots
from parking.errors import Invalid
from parking.events import (
    CameraStatusChanged,
    DeadLettered,
    Event,
    LayoutAdopted,
    LayoutPublished,
    LayoutSlot,
    SiteCommanded,
    SlotRef,
)
from parking.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.occupancy import step
from parking.ports import Record
from parking.sessions import OPEN_LIMIT
from parking.site import SITE_SIGHTS, SITE_SLOTS, Site
from parking.topics import (
    CAMERA_STATUS,
    DEAD_LETTERS,
    DETECTIONS,
    ENVELOPE_BYTES,
    FRAME_MAX_BYTES,
    SITE_COMMANDS,
    SITE_MAX_BYTES,
)
from services.tracker import handler
from services.tracker.tracker import MemoryTable, Tracker
from tests.tracking import Teller, fold

SITE = "s" * 40


def name(prefix: str, number: int) -> str:
    """As long as an id may be."""
    return f"{prefix}{number:04d}".ljust(40, "x")


def adopt(t: Teller, camera: int, slots: range, version: int = 1):
    refs = [SlotRef(slot_id=name("s", n), zone_id=name("z", n)) for n in slots]
    order = LayoutAdopted(
        camera_id=t.camera(name("c", camera)), version=version, interval_ms=1000, slots=refs
    )
    return t.command(order)


def largest(cameras: int, slots: int) -> tuple[int, Site]:
    """The largest entry, in bytes, of a site whose cameras see a thousand slots each and at last,
    while every vehicle overstays, fall silent."""
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
            site, outputs = step(site, t.see(name("c", camera), seen))
            sizes.append(entry_size(site, outputs))
    site, outputs = step(site, t.tick(3_600_000))
    return max(*sizes, entry_size(site, outputs)), site


def entry_size(site: Site, outputs: list[Event]) -> int:
    record = Record(DETECTIONS, 0, 0, SITE.encode(), b"")
    return len(handler.encode(handler.next_entry(record, {}, site, outputs)))


def test_a_site_of_a_thousand_slots_seen_by_four_cameras_fits():
    size, site = largest(4, lots.MAX_SLOTS)
    assert len(site.slots) == lots.MAX_SLOTS
    assert FRAME_MAX_BYTES + ENVELOPE_BYTES < size < SITE_MAX_BYTES  # too much for other topics


def test_the_largest_site_there_can_be_fits():
    size, site = largest(SITE_SIGHTS // lots.MAX_SLOTS, SITE_SLOTS)
    assert len(site.slots) == SITE_SLOTS
    assert size < SITE_MAX_BYTES


def test_a_layout_that_makes_the_site_too_large_is_refused_and_a_smaller_one_taken():
    t = Teller(SITE)
    cameras = SITE_SIGHTS // lots.MAX_SLOTS
    full = [adopt(t, camera, range(lots.MAX_SLOTS)) for camera in range(cameras)]
    site, _ = fold(full, SITE)
    with pytest.raises(Invalid, match="name slots 10001 times, of 10000 at most") as caught:
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
    with pytest.raises(Invalid, match="its former ones included"):
        step(site, records[-1])
    assert step(site, adopt(t, 0, views[0], version=9))[0].cameras[t.camera(name("c", 0))].slot_ids


def test_layouts_that_together_are_too_large_are_told_before_they_are_published():
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


async def test_a_record_that_would_outgrow_kafka_is_set_aside_and_the_site_goes_on(monkeypatch):
    monkeypatch.setattr(handler, "SITE_MAX_BYTES", 5_000)
    broker = MemoryBroker()
    tracker = Tracker(MemoryTable(), MemoryProducer(broker), ManualClock(), "live")
    t = Teller("lot")
    for event in (t.adopt("a", "1"), t.adopt("b", *(str(n) for n in range(99))), t.see("a", {})):
        topic = SITE_COMMANDS if isinstance(event, SiteCommanded) else DETECTIONS
        partition, offset = broker.append(codec.outgoing(event, topic, "lot", "test"))
        await tracker.apply(broker.read((topic, partition), offset, 1)[0])
    (letter,) = (codec.decode(record) for record in broker.records(DEAD_LETTERS))
    assert isinstance(letter, DeadLettered)
    assert letter.reason == "site-too-large"
    cameras = [codec.decode(record) for record in broker.records(CAMERA_STATUS)]
    assert [c.camera_id for c in cameras if isinstance(c, CameraStatusChanged)] == ["lot/a"] * 2
