"""Propose a camera's slots from the vehicles that the detector saw, as the persister stored them.

A day is sampled evenly, so a busy camera costs no more than a slow one. The detector searches the
whole picture of a camera without slots, so boxes are stored for such a camera too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from parking.core.events import CameraId, Count, Polygon, SlotId, TimeMs, Unit
from parking.vision.proposals import Proposal, options_for, propose
from services.notifier.history import History
from services.notifier.views import View

Source = Literal["picture", "day"]
Floats = NDArray[np.float64]

DAY_MS: Final = 86_400_000
MOST_FRAMES: Final = 288
"""The most frames of a day that are looked at: one every five minutes."""
LEAST_STEP_MS: Final = 10_000
"""The shortest time between two of them, where less than a day is stored."""
_REUSED_MS: Final = DAY_MS
"""If a frame repeats an earlier result, that result is at most this much older."""

_FIRST: Final = """
select min(time_ms) as first_ms from captures
where camera_id = %(camera)s and time_ms between %(from_ms)s and %(to_ms)s and status = 'analysed'
"""
# The newest frame of each step that can be trusted. A frame that repeats an earlier result was
# healthy; the boxes are stored with the earlier one.
_FRAMES: Final = """
select chosen.time_ms, chosen.width, chosen.height,
       case when chosen.reused_from is null then chosen.boxes else earlier.boxes end as boxes
from generate_series(%(from_ms)s::bigint, %(to_ms)s::bigint, %(step_ms)s::bigint) as step(start_ms)
cross join lateral (
    select time_ms, width, height, reused_from, boxes from captures
    where camera_id = %(camera)s and status = 'analysed' and width is not null
      and time_ms >= start_ms and time_ms < start_ms + %(step_ms)s
      and (reused_from is not null or health->>'status' = 'ok')
    order by time_ms desc limit 1
) chosen
left join captures earlier
    on earlier.frame_id = chosen.reused_from
    and earlier.time_ms between %(from_ms)s - %(reused_ms)s and %(to_ms)s
order by chosen.time_ms
"""


class ProposedSlot(View, frozen=True, kw_only=True):
    """A proposed slot: `slot_id`, `zone_id` and `polygon` as in a layout."""

    slot_id: SlotId
    zone_id: SlotId
    polygon: Polygon
    confidence: Unit
    frames: Annotated[
        Count, Meta(description="frames in which a vehicle stood there; 0: a gap in a row")
    ]


class SlotProposals(View, frozen=True, kw_only=True):
    """What the frames from `from_ms` to `to_ms` show, `frames` of them. None: both times are 0."""

    camera_id: CameraId
    frames: Count
    from_ms: TimeMs
    to_ms: TimeMs
    slots: list[ProposedSlot]


async def propose_slots(
    history: History, camera_id: str, source: Source, now_ms: int
) -> SlotProposals:
    """Propose slots from the camera's newest healthy picture of the last day, or from the whole
    day. Takes up to some seconds of processor time. Raises Retryable."""
    rows = await _frames(history, camera_id, source, now_ms)
    return await asyncio.to_thread(proposals_of, camera_id, rows)


async def _frames(
    history: History, camera_id: str, source: Source, now_ms: int
) -> Sequence[Mapping[str, Any]]:
    chosen = {"camera": camera_id, "from_ms": now_ms - DAY_MS, "to_ms": now_ms}
    chosen |= {"step_ms": DAY_MS + 1, "reused_ms": _REUSED_MS}
    if source == "day":
        (row,) = await history.rows(_FIRST, chosen)
        first_ms = row["first_ms"]
        if first_ms is None:
            return []
        chosen |= {"from_ms": first_ms, "step_ms": step_ms(now_ms - first_ms)}
    return await history.rows(_FRAMES, chosen)


def step_ms(span_ms: int) -> int:
    """Return the time between two frames of a span, so that there are at most MOST_FRAMES of
    them."""
    return max(LEAST_STEP_MS, span_ms // MOST_FRAMES + 1)


def proposals_of(camera_id: str, rows: Sequence[Mapping[str, Any]]) -> SlotProposals:
    """Return proposals from rows of `captures`, in chronological order. Frames without a known
    result, and those of another size than the newest one, are left out. Blocks."""
    known = [row for row in rows if row["boxes"] is not None]
    size_wh = (known[-1]["width"], known[-1]["height"]) if known else (1, 1)
    frames = [row for row in known if (row["width"], row["height"]) == size_wh]
    times_ms = [row["time_ms"] for row in frames]
    found = propose([_boxes(row) for row in frames], size_wh, options_for(times_ms))
    return SlotProposals(
        camera_id=camera_id,
        frames=len(frames),
        from_ms=times_ms[0] if frames else 0,
        to_ms=times_ms[-1] if frames else 0,
        slots=[_slot(one) for one in found],
    )


def _boxes(row: Mapping[str, Any]) -> Floats:
    return np.array([box["xyxy"] for box in row["boxes"]], np.float64).reshape(-1, 4)


def _slot(one: Proposal) -> ProposedSlot:
    return ProposedSlot(
        slot_id=one.slot_id,
        zone_id=one.zone_id,
        polygon=one.polygon,
        confidence=one.confidence,
        frames=one.frames,
    )
