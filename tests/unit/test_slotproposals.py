"""Proposals from rows of `captures`: which frames count, and how often a place was taken."""

from typing import Any

import msgspec
import pytest

from parking.vision.proposals import options_for
from services.notifier.slotproposals import (
    DAY_MS,
    LEAST_STEP_MS,
    MOST_FRAMES,
    SlotProposals,
    proposals_of,
    step_ms,
)

MINUTE = 60_000
LEFT, RIGHT = (0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.8, 0.6)


def row(minute: int, *boxes: tuple[float, ...], width: int = 1280) -> dict[str, Any]:
    """Return a row as Postgres gives it."""
    seen = [{"xyxy": list(box), "confidence": 0.9, "label": "vehicle"} for box in boxes]
    return {"time_ms": minute * MINUTE, "width": width, "height": 720, "boxes": seen}


def places(found: SlotProposals) -> list[tuple[str, int]]:
    """Return where each proposal is, and in how many frames it was taken."""
    return [
        ("left" if one.polygon[0][0] < 0.5 else "right", one.frames)
        for one in sorted(found.slots, key=lambda one: one.polygon[0][0])
    ]


def test_one_picture_gives_every_vehicle():
    found = proposals_of("demo/north", [row(0, LEFT, RIGHT)])
    assert (found.frames, places(found)) == (1, [("left", 1), ("right", 1)])


def test_over_a_day_a_place_counts_as_often_as_a_vehicle_stood_there():
    """In the control, a vehicle that was seen once in several frames only passed by."""
    rows = [row(5 * n, LEFT) for n in range(6)] + [row(30, LEFT, RIGHT), row(35)]
    found = proposals_of("demo/north", rows)
    assert (found.frames, places(found)) == (8, [("left", 7)])
    assert (found.from_ms, found.to_ms) == (0, 35 * MINUTE)


def test_frames_of_another_size_or_without_a_known_result_do_not_count():
    old = [row(5 * n, RIGHT, width=640) for n in range(9)]
    rows = [*old, {**row(50), "boxes": None}, row(55, LEFT), row(60, LEFT)]
    found = proposals_of("demo/north", rows)
    assert (found.frames, places(found)) == (2, [("left", 2)])


def test_nothing_stored_is_no_fault():
    found = proposals_of("demo/north", [])
    assert msgspec.to_builtins(found) == {
        "camera_id": "demo/north", "frames": 0, "from_ms": 0, "to_ms": 0, "slots": [],
    }  # fmt: skip
    assert proposals_of("demo/north", [row(0)]).frames == 1


def test_the_options_fit_the_frames_pace():
    single, minutes = options_for([0]), options_for([0, 5 * MINUTE, 10 * MINUTE])
    seconds = options_for([10_000 * n for n in range(20)])
    assert [(one.apart, one.min_frames) for one in (single, minutes, seconds)] == [
        (True, 1),
        (True, 2),
        (False, 5),
    ]
    assert options_for([0, 10_000, 20_000]).min_frames == 3


@pytest.mark.parametrize("span_ms", [0, 1, MINUTE, DAY_MS // 2, DAY_MS])
def test_the_number_of_frames_is_bounded(span_ms: int):
    step = step_ms(span_ms)
    assert step >= LEAST_STEP_MS
    assert len(range(0, span_ms + 1, step)) <= MOST_FRAMES
