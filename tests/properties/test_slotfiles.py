"""A layout's slots survive being written in any format and read again, and any file of any kind
gives either slots or a refusal."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, LayoutSlot
from parking.wire.drawings import zones_of
from parking.wire.pklot import smallest_rectangle
from parking.wire.slotfiles import WRITERS, Written, read, write, write_layout

SIZE = (1280, 720)
WRITTEN: list[Written] = ["layout", *WRITERS]

points = st.tuples(st.integers(0, 999), st.integers(0, 999))
corners = st.lists(points, min_size=3, max_size=6, unique=True).map(
    lambda some: [(x / 999, y / 999) for x, y in some]
)
slot_ids = st.text("AZaz09_.-", min_size=1, max_size=6).filter(lambda name: name.strip(".-"))
slots = st.builds(
    LayoutSlot,
    slot_id=slot_ids,
    zone_id=slot_ids,
    polygon=corners,
    kind=st.sampled_from(["standard", "accessible", "ev", "motorcycle"]),
    enabled=st.booleans(),
)
layouts = st.lists(slots, min_size=1, max_size=4, unique_by=lambda slot: slot.slot_id)


def written(format_: Written, some: Sequence[LayoutSlot]) -> bytes:
    if format_ != "layout":
        return write(format_, some, "north.jpg", SIZE)
    return write_layout(
        LayoutPublished(
            id="demo/north/layout/1",
            site_id="demo",
            time_ms=0,
            camera_id="demo/north",
            version=1,
            site_name="Demo",
            camera_name="North",
            interval_ms=1000,
            zones=zones_of(some, {}),
            slots=list(some),
        )
    )


def assert_same(found: Sequence[LayoutSlot], wanted: Sequence[LayoutSlot]) -> None:
    """Compare to a hundredth of a pixel."""
    fields = ("slot_id", "zone_id", "kind", "enabled")
    for one, other in zip(found, wanted, strict=True):
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
        assert len(one.polygon) == len(other.polygon)
        gap = np.abs(np.subtract(one.polygon, other.polygon)) * SIZE
        assert gap.max() <= 0.011


@pytest.mark.parametrize("format_", WRITTEN)
@given(some=layouts)
@settings(max_examples=30, deadline=None)
def test_a_written_file_is_read_as_the_same_slots(format_: Written, some: list[LayoutSlot]):
    file = read(written(format_, some), SIZE)
    assert file.format == format_
    assert file.notes == []
    assert_same(file.slots, some)
    assert file.zones == zones_of(some, {})


@given(some=layouts, way=st.lists(st.sampled_from([*WRITERS]), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_file_may_go_through_several_formats(some: list[LayoutSlot], way: list[Written]):
    found = some
    for format_ in way:
        found = read(written(format_, found), SIZE).slots
    assert_same(found, some)


@given(some=layouts, format_=st.sampled_from(WRITTEN), data=st.data())
@settings(deadline=None)
def test_a_damaged_file_is_read_or_refused(some: list[LayoutSlot], format_: Written, data):
    """One piece of it is replaced by another piece, or by anything."""
    file = written(format_, some)
    start = data.draw(st.integers(0, len(file)))
    end = data.draw(st.integers(start, min(start + 40, len(file))))
    other = data.draw(st.integers(0, len(file) - 1))
    piece = data.draw(st.binary(max_size=8) | st.just(file[other : other + 20]))
    try:
        found = read(file[:start] + piece + file[end:], SIZE).slots
    except Invalid:
        found = []
    assert all(0 <= v <= 1 for slot in found for point in slot.polygon for v in point)


@given(st.lists(points, min_size=3, max_size=12, unique=True))
@settings(max_examples=50, deadline=None)
def test_the_smallest_rectangle_holds_every_corner(some: list[tuple[float, float]]):
    """In the control, it is never larger than the upright one."""
    (x, y), (w, h), turn = smallest_rectangle(some)
    angle = np.radians(turn)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    inside = np.abs((np.array(some) - (x, y)) @ axes.T)
    assert (inside <= np.array([w, h]) / 2 + 1e-6).all()
    assert w * h <= np.prod(np.ptp(some, axis=0)) * 2 + 1e-6
    assert -90 <= turn <= 90
