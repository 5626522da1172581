"""The cheap part of every analysis: decode a picture, judge its health, and find the slots that
changed."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from msgspec.structs import replace as changed

from parking.core.errors import Invalid
from parking.core.events import ImageHealth, LayoutPublished, LookLearned
from parking.core.jpeghead import header
from parking.core.orientation import UPRIGHT, Orientation
from parking.runtime.metrics import timed
from parking.vision.alignment import anchor_of, shift_from
from parking.vision.bands import compare
from parking.vision.gating import Due, Limits, View, due_slots
from parking.vision.imagehealth import Grey, Look, Measured, Thresholds, assess, measured
from parking.vision.lens import out_of_focus, regions
from parking.vision.placement import IN_PLACE
from parking.vision.turning import as_stored
from services.detector.gate import LastView
from services.detector.ground import Ground, Grounds
from services.detector.learning import Learning, newer
from services.detector.patches import view_of
from services.detector.picture import Picture, decode, decode_grey
from services.detector.placing import Placing

PLACED_EVERY: Final = 60
"""A camera whose shift is tracked is compared with its layout's reference once per this many
pictures."""
DOUBTED_EVERY: Final = 12
"""The same after a comparison that showed a difference which light may have caused."""
_ANCHORED_FOR: Final = 60
"""After this many pictures shifts are measured from a newer picture."""


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to analyse, taken at `time_ms`. Without a camera nothing is remembered; without a
    layout there are no slots. `still` means that somebody uploaded the picture, perhaps repeatedly,
    so that an identical picture does not mean a frozen camera. `day` is what has been learnt about
    the camera's usual look."""

    jpeg: bytes | None
    camera_id: str | None = None
    layout: LayoutPublished | None = None
    expected_wh: tuple[int, int] | None = None
    frame_id: str | None = None
    time_ms: int = 0
    still: bool = False
    day: LookLearned | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The content of the small grey picture. Colours are decoded only when a slot is judged."""

    job: Job
    ground: Ground
    seen: Measured
    timings_ms: dict[str, float]
    orientation: Orientation = UPRIGHT


@dataclass(frozen=True, slots=True)
class Watched:
    """The result of the change gate. `due` are the slots to judge: all of them if nothing is
    remembered. `shift` is relative to the camera's first picture, and None where it cannot be
    measured."""

    view: View
    due: Due
    shift: tuple[float, float] | None
    last: LastView | None

    @property
    def jumped(self) -> bool:
        """Whether the camera is tracked but cannot be tracked on this picture."""
        return self.last is not None and self.shift is None


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture in progress. Without `watched` every slot is judged and nothing is remembered.
    `unseen` are the slots behind a blurred part of the lens. `learnt` is what to store about the
    camera's usual look."""

    decoded: Decoded
    health: ImageHealth
    watched: Watched | None
    unseen: frozenset[str] = frozenset()
    learnt: LookLearned | None = None


class Opener:
    """Opens pictures. `decode` may run ahead on its own thread, because only it uses the
    grounds."""

    def __init__(self, size_px: int, max_pixels: int, health: Thresholds) -> None:
        self._max_pixels = max_pixels
        self._health = health
        self._grounds = Grounds(size_px)
        self._placing = Placing()
        self._learning = Learning(self._placing)

    def decode(self, job: Job) -> Decoded | Invalid:
        """Return the small grey picture and its content."""
        timings: dict[str, float] = {}
        try:
            with timed("decode", timings):
                # Without a picture, decode refuses the job.
                stored_wh, orientation = header(job.jpeg) if job.jpeg else ((1, 1), UPRIGHT)
                ground = self._grounds.of(job.layout, orientation.size(*stored_wh))
                grey, complaint = decode_grey(job.jpeg, self._max_pixels, job.expected_wh)
            with timed("look", timings):
                seen = measured(grey, as_stored(grey, orientation))
                seen = replace(seen, damage=complaint or seen.damage)
            return Decoded(job, ground, seen, timings, orientation)
        except Invalid as error:
            return error

    def colours(self, decoded: Decoded) -> Picture:
        """Return BGR pixels, at half the picture's size where that is enough. Raises Invalid."""
        job, halve = decoded.job, decoded.ground.halve
        with timed("decode", decoded.timings_ms):
            return decode(job.jpeg, self._max_pixels, job.expected_wh, halve=halve)

    def open(
        self,
        decoded: Decoded,
        looks: MutableMapping[str, Look],
        last_views: Mapping[str, LastView],
        limits: Limits | None,
        *,
        busy: bool = False,
    ) -> Opened:
        """Judge health and changes. Updates `looks`. Without `limits`, or without a camera, every
        slot is due. `busy` postpones the comparison of an unknown camera with its layout's
        reference, which may take as long as judging the camera's slots."""
        job, timings = decoded.job, decoded.timings_ms
        with timed("health", timings):
            earlier = looks.pop(job.camera_id, None) if job.camera_id else None
            day = newer(earlier.day if earlier else None, job.day)
            earlier = None if job.still else earlier
            of_camera = self._learning.limits(job.layout, day, self._health)
            health, look = assess(decoded.seen, earlier, of_camera)
            if job.camera_id and health.status == "ok":
                health, look = self._compared(health, look, decoded)
        watched = None
        if limits is not None and job.camera_id and job.frame_id:
            with timed("gate", timings):
                watched = self._watch(decoded, last_views.get(job.camera_id), limits)
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
        health, day, learnt = self._learn(decoded, health, day)
        if job.camera_id:
            looks[job.camera_id] = replace(look, day=day)
        unseen: frozenset[str] = frozenset()
        if health.status == "ok" and decoded.ground.slots:
            with timed("look", timings):
                health, unseen = self._behind_blur(decoded, health)
        return Opened(decoded, health, watched, unseen, learnt)

    def _learn(
        self, decoded: Decoded, health: ImageHealth, day: LookLearned | None
    ) -> tuple[ImageHealth, LookLearned | None, LookLearned | None]:
        """Note the picture for the camera's usual look: the health with what that changes, what is
        known now, and the same if it must be written."""
        job = decoded.job
        health = self._learning.explain(job.layout, day, health, self._health)
        if not (job.camera_id and job.frame_id and job.layout):
            return health, day, None
        camera = (job.camera_id, job.frame_id, job.time_ms)
        noted, write = self._learning.note(camera, job.layout, day, (decoded.seen, health))
        return health, noted, noted if write else None

    def _behind_blur(
        self, decoded: Decoded, health: ImageHealth
    ) -> tuple[ImageHealth, frozenset[str]]:
        """Return the slots where the lens is wet, dirty or out of focus."""
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

    def _compared(
        self, health: ImageHealth, look: Look, decoded: Decoded
    ) -> tuple[ImageHealth, Look]:
        """Compare the picture with the camera's picture of some minutes ago, band by band in stored
        orientation."""
        job = decoded.job
        rows = as_stored(look.grey, decoded.orientation)
        fault, recent = compare(look.recent, rows, job.time_ms)
        if fault and not (job.layout and self._placing.explains(job.layout, look.grey)):
            health = changed(health, status="damaged", reason=fault)
        return health, replace(look, recent=recent)

    def _watch(self, decoded: Decoded, last: LastView | None, limits: Limits) -> Watched:
        """Compare the patches of the slots with those of the frames on which they were judged."""
        grey, ground = decoded.seen.grey, decoded.ground
        context = (ground, grey.shape)  # each ground is equal only to itself
        last = last if last and last.memory.context == context else None
        shift = shift_from(last.anchor, grey) if last else None
        grid = self._grounds.grid(ground, (grey.shape[1], grey.shape[0]))
        view = view_of(grey, grid, context, shift or (0.0, 0.0))
        due = due_slots(view, last.memory if last else None, limits)
        return Watched(view, due, shift, _anchored(last, grey, shift) if last else None)


def _is_placed(look: Look, layout_id: str, watched: Watched | None) -> bool:
    """Return whether the camera is known to point where it did, and nothing in the picture
    contradicts that."""
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
    """Return whether nothing is remembered about the camera that a move could make wrong."""
    nothing = watched is not None and watched.last is None
    return nothing and look.unplaced + 1 < PLACED_EVERY


def _anchored(last: LastView, grey: Grey, shift: tuple[float, float] | None) -> LastView:
    """Return the remembered view, with a newer anchor where the old one is lost or old. Half of the
    shift is dropped each time, because errors add up and a mast swings around its position."""
    if shift is not None and last.anchored < _ANCHORED_FOR:
        return replace(last, anchored=last.anchored + 1)
    x, y = shift or (0.0, 0.0)
    return replace(last, anchor=anchor_of(grey, (x / 2, y / 2)), anchored=0)
