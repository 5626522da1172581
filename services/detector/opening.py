"""The cheap part of looking at a picture, done for each one: decode it, judge its health, see what
changed in its slots."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from msgspec.structs import replace as changed

from parking.alignment import anchor_of, shift_from
from parking.bands import compare
from parking.errors import Invalid
from parking.events import ImageHealth, LayoutPublished
from parking.gating import Due, Limits, View, due_slots
from parking.imagehealth import Grey, Look, Measured, Thresholds, assess, measured
from parking.jpeghead import header_size
from parking.lens import out_of_focus, regions
from parking.metrics import timed
from parking.placement import IN_PLACE
from services.detector.gate import Held
from services.detector.ground import Ground, Grounds
from services.detector.patches import view_of
from services.detector.picture import Picture, decode, decode_grey
from services.detector.placing import Placing

PLACED_EVERY: Final = 60
"""How often, in pictures, a camera whose shift is followed is compared with its layout's
reference."""
DOUBTED_EVERY: Final = 12
"""The same where the last comparison showed a difference that light may have made."""
_ANCHORED_FOR: Final = 60
"""Pictures after which shifts are measured from a newer picture."""


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to analyse, taken at `time_ms`. Without a camera nothing is remembered; without a
    layout there are no slots."""

    jpeg: bytes | None
    camera_id: str | None = None
    layout: LayoutPublished | None = None
    expected_wh: tuple[int, int] | None = None
    frame_id: str | None = None
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the small grey picture shows. The colours are decoded only where a slot is judged."""

    job: Job
    ground: Ground
    seen: Measured
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the change gate saw. `due`: the slots to be judged, all where nothing is held; `shift`:
    against the camera's first picture, None where it cannot be told."""

    view: View
    due: Due
    shift: tuple[float, float] | None
    held: Held | None

    @property
    def jumped(self) -> bool:
        """Whether a camera that was followed cannot be followed on this picture."""
        return self.held is not None and self.shift is None


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture on its way. Without `watched` every slot is judged and nothing is remembered;
    `unseen`: the slots that lie behind a blurred part of the lens."""

    decoded: Decoded
    health: ImageHealth
    watched: Watched | None
    unseen: frozenset[str] = frozenset()


class Opener:
    """Opens pictures. `decode` may run ahead on a thread of its own: it alone uses the grounds."""

    def __init__(self, size_px: int, max_pixels: int, health: Thresholds) -> None:
        self._max_pixels = max_pixels
        self._health = health
        self._grounds = Grounds(size_px)
        self._placing = Placing()

    def decode(self, job: Job) -> Decoded | Invalid:
        """The small grey picture and what it shows."""
        timings: dict[str, float] = {}
        try:
            with timed("decode", timings):
                size_wh = header_size(job.jpeg) if job.jpeg else (1, 1)  # decode refuses it
                ground = self._grounds.of(job.layout, size_wh)
                grey, complaint = decode_grey(job.jpeg, self._max_pixels, job.expected_wh)
            with timed("look", timings):
                seen = measured(grey)
                seen = replace(seen, damage=complaint or seen.damage)
            return Decoded(job, ground, seen, timings)
        except Invalid as error:
            return error

    def colours(self, decoded: Decoded) -> Picture:
        """BGR pixels, half of the picture's size where that is enough. Raises Invalid."""
        job, halve = decoded.job, decoded.ground.halve
        with timed("decode", decoded.timings_ms):
            return decode(job.jpeg, self._max_pixels, job.expected_wh, halve=halve)

    def open(
        self,
        decoded: Decoded,
        looks: MutableMapping[str, Look],
        helds: Mapping[str, Held],
        limits: Limits | None,
        *,
        busy: bool = False,
    ) -> Opened:
        """Health and changes. `looks` is brought up to date. Without `limits`, or without a camera,
        every slot is to be judged. `busy`: a camera of which nothing is known yet is compared with
        its layout's reference later, for that may take as long as judging it."""
        job, timings = decoded.job, decoded.timings_ms
        with timed("health", timings):
            earlier = looks.pop(job.camera_id, None) if job.camera_id else None
            of_camera = self._placing.limits(job.layout, self._health)
            health, look = assess(decoded.seen, earlier, of_camera)
            if job.camera_id and health.status == "ok":
                health, look = self._compared(health, look, job)
        watched = None
        if limits is not None and job.camera_id and job.frame_id:
            with timed("gate", timings):
                watched = self._watch(decoded, helds.get(job.camera_id), limits)
        if job.layout and job.layout.reference and health.status == "ok":
            waits = busy and _may_wait(look, watched)
            waits = waits and self._placing.same_shape(job.layout, look.grey)
            if waits or _is_placed(look, job.layout.id, watched):
                look = replace(look, unplaced=look.unplaced + 1)
            else:
                jumped = watched is not None and watched.jumped
                width_px = decoded.ground.size_wh[0]
                with timed("place", timings):
                    health, look = self._placing.judge(
                        job.layout, width_px, health, look, jumped=jumped
                    )
        if job.camera_id:
            looks[job.camera_id] = look
        unseen: frozenset[str] = frozenset()
        if health.status == "ok" and decoded.ground.slots:
            with timed("look", timings):
                health, unseen = self._behind_blur(decoded, health)
        return Opened(decoded, health, watched, unseen)

    def _behind_blur(
        self, decoded: Decoded, health: ImageHealth
    ) -> tuple[ImageHealth, frozenset[str]]:
        """Which slots lie where the lens is wet or dirty, or out of focus."""
        ground, seen = decoded.ground, decoded.seen
        if seen.fine is None:
            return health, frozenset()
        reference = self._placing.picture_of(ground.layout)
        around = self._grounds.around(ground, seen.fine.size_wh, reference)
        flags = out_of_focus(
            seen.fine.over(around.places), seen.fine.over(around.parts), around.usual
        )
        if not flags.any():
            return health, frozenset()
        parts = regions(flags, around.places, seen.fine.size_wh)
        unseen = frozenset(ground.slots[index].slot_id for index in np.flatnonzero(flags))
        return changed(health, blurred=parts), unseen

    def _compared(self, health: ImageHealth, look: Look, job: Job) -> tuple[ImageHealth, Look]:
        """Held against what the camera showed minutes ago, band by band."""
        fault, recent = compare(look.recent, look.grey, job.time_ms)
        if fault and not (job.layout and self._placing.explains(job.layout, look.grey)):
            health = changed(health, status="damaged", reason=fault)
        return health, replace(look, recent=recent)

    def _watch(self, decoded: Decoded, held: Held | None, limits: Limits) -> Watched:
        """Compare the slots' patches with those of the frames on which they were judged."""
        grey, ground = decoded.seen.grey, decoded.ground
        context = (ground, grey.shape)  # grounds are equal only to themselves
        held = held if held and held.memory.context == context else None
        shift = shift_from(held.anchor, grey) if held else None
        grid = self._grounds.grid(ground, (grey.shape[1], grey.shape[0]))
        view = view_of(grey, grid, context, shift or (0.0, 0.0))
        due = due_slots(view, held.memory if held else None, limits)
        return Watched(view, due, shift, _anchored(held, grey, shift) if held else None)


def _is_placed(look: Look, layout_id: str, watched: Watched | None) -> bool:
    """Whether the camera is known to look where it did: nothing in the picture says otherwise."""
    place = look.place
    return (
        place is not None
        and place.layout_id == layout_id
        and not place.moved
        and place.shape == look.grey.shape
        and watched is not None
        and watched.shift is not None
        and look.unplaced + 1 < (PLACED_EVERY if place.agreement >= IN_PLACE else DOUBTED_EVERY)
    )


def _may_wait(look: Look, watched: Watched | None) -> bool:
    """Whether nothing is known of the camera that its place could make wrong."""
    nothing = watched is not None and watched.held is None
    return nothing and look.unplaced + 1 < PLACED_EVERY


def _anchored(held: Held, grey: Grey, shift: tuple[float, float] | None) -> Held:
    """What is held, with a newer anchor where the old one is not followed any more, or old. Half of
    the shift is given up each time, for errors add up and a mast swings about its place."""
    if shift is not None and held.anchored < _ANCHORED_FOR:
        return replace(held, anchored=held.anchored + 1)
    x, y = shift or (0.0, 0.0)
    return replace(held, anchor=anchor_of(grey, (x / 2, y / 2)), anchored=0)
