"""Propose slots where vehicles stop. Pure: boxes of a recording in, outlines out.

A place where vehicles stand again and again is a slot (places). The boxes of all such places
determine the camera's view of the ground (ground). Cars side by side form rows, and a row gives its
slots their direction and width (slotrows). A person checks the result before it is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from parking.core import lots
from parking.core.events import LayoutPublished, LayoutSlot, Zone
from parking.core.geometry import FOOTPRINT, is_simple, points_in_polygon, polygon_area
from parking.vision.ground import Camera, Floats, find_camera, settled, stands
from parking.vision.places import Place, find_stays, gather
from parking.vision.slotrows import find_rows

_EDGE: Final = 0.004
"""A box this close to the picture's edge is cut off: its slot is not fully visible."""
_WORST_FIT: Final = 0.5
"""A box that is less like a car seen from the camera than this (a window, a bush, half a car) is
not a vehicle."""
_APART_M: Final = 1.5
"""Two vehicles cannot stand closer than this, middle to middle. Closer boxes are two detections of
one vehicle."""
_SEEN_SHARE: Final = 0.65
"""Minimum share of a slot that must be inside the picture."""
_ALONE: Final = 0.5
"""Weight of a place without neighbours, which may be a car at the kerb, a skip or a waiting car."""
_FILLED: Final = 0.75
DRAWN_M: Final = 0.3
"""Outlines are drawn this high above the ground, through the bodies of the cars, because people
draw them there and that is where the footprints of boxes are."""
_ENOUGH: Final = 8
_MOST_AT_ONCE: Final = 40
"""The value of `Options.most` while somebody waits for the answer."""
APART_MS: Final = 120_000
"""Frames at least this far apart never show a moving vehicle twice."""
SINGLES: Final = "Z"
"""The zone of slots that belong to no row."""


@dataclass(frozen=True, slots=True)
class Options:
    """`min_frames` and `min_share` are the number of frames, and the share of all frames, in which
    something must stand at a place. With None, it is 2 frames if they are `apart` and otherwise 5,
    because a queue also stands for a moment. `region` is a normalised outline outside which nothing
    is proposed. `apart` means that the frames are minutes apart or more, so that what is seen twice
    at one place stood there, even in frames far from each other. `fill_gaps` proposes the missing
    slots of a row. `most` limits the places from which the camera is estimated to the most used
    ones, because more take longer."""

    min_frames: int | None = None
    min_share: float = 0.02
    region: Sequence[tuple[float, float]] | None = None
    apart: bool = False
    fill_gaps: bool = True
    least_confidence: float = 0.0
    most: int = 80


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed slot. `polygon` has 4 corners normalised to the picture. `frames` is the number of
    frames in which something stood there, and 0 for a filled gap."""

    slot_id: str
    zone_id: str
    polygon: list[tuple[float, float]]
    confidence: float
    frames: int


@dataclass(frozen=True, slots=True)
class _Draft:
    outline: Floats
    confidence: float
    frames: int


def propose(
    frames: Sequence[ArrayLike], size_wh: tuple[int, int], options: Options | None = None
) -> list[Proposal]:
    """Proposals, named row by row in reading order. `frames` holds the normalised boxes [N, 4] xyxy
    of every frame of one camera that never moved, in order of time. `size_wh` is the size of the
    picture in pixels. The same boxes always give the same proposals."""
    chosen = options or Options()
    places = _believed(gather(find_stays(frames), 1 if chosen.apart else 2), len(frames), chosen)
    if not places:
        return []
    ratio = size_wh[1] / size_wh[0]
    boxes = np.array([place.box for place in places])
    boxes[:, :4] = (boxes[:, :4] - 0.5) * (1, ratio, 1, ratio)
    changing = [_changes(place, len(frames)) for place in places]
    telling = boxes[changing] if sum(changing) >= _ENOUGH else boxes
    camera = find_camera(telling[: chosen.most])
    if camera is None:
        drafts = [_footprint(place, len(frames)) for place in places]
        rows = [sorted(drafts, key=lambda one: float(one.outline[:, 0].mean()))]
    else:
        rows = _on_ground(camera, boxes, ratio, places, len(frames))
    return _named(_kept(rows, chosen))


def are_apart(times_ms: Sequence[int]) -> bool:
    """Tell whether the usual time between frames is APART_MS or more. False for a single frame."""
    return len(times_ms) > 1 and float(np.median(np.diff(times_ms))) >= APART_MS


def options_for(times_ms: Sequence[int]) -> Options:
    """Options for frames with these timestamps, in order. A single frame shows where vehicles are
    but not whether they stand still, so all of them count."""
    apart = len(times_ms) == 1 or are_apart(times_ms)
    least = max(1, min(_least(apart), len(times_ms)))
    return Options(apart=apart, min_frames=least, most=_MOST_AT_ONCE)


def _least(apart: bool) -> int:
    return 2 if apart else 5


def layout_of(proposals: Sequence[Proposal], layout: LayoutPublished) -> LayoutPublished:
    """`layout` with the proposals for its zones and slots."""
    zones = sorted({one.zone_id for one in proposals})
    return msgspec.structs.replace(
        layout,
        zones=[
            Zone(zone_id=zone, name="Single places" if zone == SINGLES else f"Row {zone}")
            for zone in zones
        ],
        slots=[
            LayoutSlot(slot_id=one.slot_id, zone_id=one.zone_id, polygon=one.polygon)
            for one in proposals
        ],
    )


def _believed(places: Sequence[Place], count: int, options: Options) -> list[Place]:
    """Return places that are regularly used, fully visible and in the region."""
    frames = options.min_frames or _least(options.apart)
    least = max(frames, options.min_share * count)
    kept = []
    for place in places:
        standing = len(place.frames)
        x0, y0, x1, y1 = place.box[:4]
        cut = min(x0, y0) < _EDGE or max(x1, y1) > 1 - _EDGE
        foot = ((x0 + x1) / 2, y1 - FOOTPRINT / 2 * (y1 - y0))
        inside = options.region is None or points_in_polygon([foot], options.region)[0]
        if standing >= least and place.passed <= standing and not cut and inside:
            kept.append(place)
    return kept


def _changes(place: Place, count: int) -> bool:
    """Tell whether the place was seen free, or with another vehicle. Something that never changes
    may be a window or a bush and must not be used to estimate the camera."""
    return len(place.stays) > 1 or len(place.frames) < 0.9 * count


def _evidence(place: Place, count: int) -> float:
    """The confidence (0..1) that vehicles park here regularly."""
    weight = len(place.stays) + 4 * len(place.frames) / count
    return weight / (weight + 1)


def _footprint(place: Place, count: int) -> _Draft:
    """The lower part of the box, used if the ground is not known."""
    x0, y0, x1, y1 = place.box[:4]
    top = y1 - FOOTPRINT * (y1 - y0)
    outline = np.array([(x0, top), (x1, top), (x1, y1), (x0, y1)])
    return _Draft(outline, _ALONE * _evidence(place, count), len(place.frames))


def _on_ground(
    camera: Camera, boxes: Floats, ratio: float, places: Sequence[Place], count: int
) -> list[list[_Draft]]:
    chosen = _vehicles(camera, boxes)
    boxes, places = boxes[chosen], [places[index] for index in chosen]
    rows = []
    for row in find_rows(camera, boxes):
        known = [slot for slot in row if slot.source >= 0]
        sure = _ALONE if len(known) == 1 else 1.0
        evidence = {slot.source: _evidence(places[slot.source], count) for slot in known}
        least = min(evidence.values())
        drafts = []
        for slot in row:
            outline = camera.outline(slot.outline, DRAWN_M) / (1, ratio) + 0.5
            if slot.source >= 0:
                frames = len(places[slot.source].frames)
                drafts.append(_Draft(outline, sure * evidence[slot.source], frames))
            else:
                drafts.append(_Draft(outline, _FILLED * least, 0))
        rows.append(drafts)
    return rows


def _vehicles(camera: Camera, boxes: Floats) -> list[int]:
    """Return the boxes, best first, that look like a car and are not inside a better one."""
    at = stands(camera, boxes)
    centres = at.centres[np.arange(len(boxes)), settled(at)]
    fits = at.misfit.min(axis=1) <= _WORST_FIT
    chosen: list[int] = []
    for index in np.flatnonzero(fits).tolist():
        away = np.linalg.norm(centres[chosen] - centres[index], axis=-1)
        if not len(away) or away.min() >= _APART_M:
            chosen.append(index)
    return chosen


def _kept(rows: list[list[_Draft]], options: Options) -> list[list[_Draft]]:
    """Drop proposals that are doubtful, mostly outside the picture or region, or covered by a
    better one."""
    kept = []
    for row in rows:
        good = []
        for one in row:
            clipped = np.clip(one.outline, 0, 1)
            whole = polygon_area(one.outline)
            seen = polygon_area(clipped) >= max(_SEEN_SHARE * whole, 2 * lots.MIN_AREA)
            sure = one.confidence >= options.least_confidence
            wanted = one.frames > 0 or options.fill_gaps
            middle = clipped.mean(axis=0)
            inside = options.region is None or points_in_polygon([middle], options.region)[0]
            if seen and sure and wanted and inside and is_simple(clipped.round(5)):
                good.append(_Draft(clipped.round(5), one.confidence, one.frames))
        kept.append(good)
    best = sorted((one for row in kept for one in row), key=lambda one: -one.confidence)
    taken: list[_Draft] = []
    for one in best:
        if not any(_over(one.outline, other.outline) for other in _near(one, taken)):
            taken.append(one)
    free = {id(one) for one in taken}
    return [left for row in kept if (left := [one for one in row if id(one) in free])]


def _near(one: _Draft, others: Sequence[_Draft]) -> list[_Draft]:
    """Those whose bounding boxes touch its own, because only they can overlap it."""
    if not others:
        return []
    low, high = one.outline.min(axis=0), one.outline.max(axis=0)
    lows = np.array([other.outline.min(axis=0) for other in others])
    highs = np.array([other.outline.max(axis=0) for other in others])
    meet = ((lows <= high) & (highs >= low)).all(axis=1)
    return [others[index] for index in np.flatnonzero(meet).tolist()]


def _over(first: Floats, second: Floats) -> bool:
    """Return whether the centre of one outline is inside the other, so that they are the same
    slot."""
    return bool(
        points_in_polygon([first.mean(axis=0)], second)[0]
        or points_in_polygon([second.mean(axis=0)], first)[0]
    )


def _named(rows: list[list[_Draft]]) -> list[Proposal]:
    """Name rows A, B, ... from top to bottom and slots from left to right. Single slots come
    last."""
    long = [row for row in rows if len(row) > 1]
    single = [row[0] for row in rows if len(row) == 1]
    long = [sorted(row, key=_left) for row in long]
    long.sort(
        key=lambda row: (float(np.mean([one.outline[:, 1].mean() for one in row])), _left(row[0]))
    )
    single.sort(key=lambda one: (float(one.outline[:, 1].mean()), _left(one)))
    zones = [(_letters(i), row) for i, row in enumerate(long)]
    named = []
    for zone, row in [*zones, (SINGLES, single)]:
        for number, one in enumerate(row, 1):
            corners = [(float(x), float(y)) for x, y in one.outline]
            named.append(
                Proposal(f"{zone}{number:02}", zone, corners, round(one.confidence, 3), one.frames)
            )
    return named


def _left(one: _Draft) -> float:
    return float(one.outline[:, 0].mean())


def _letters(index: int) -> str:
    """A to Y, then AA, AB, ... Z is reserved for single slots."""
    head, letter = divmod(index, 25)
    return (_letters(head - 1) if head else "") + chr(ord("A") + letter)
