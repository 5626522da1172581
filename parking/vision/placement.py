"""Detect, frame by frame, whether a camera still points where its layout's reference picture did.
Pure: `step(reference, layout_id, grey, earlier) -> Place`.

Every frame gets the cheap check. The picture is registered, which is expensive, only if the edges
agree less than they must (`IN_PLACE`). This is done at once if the agreement changed, and otherwise
after 2, 4, 8 .. 64 frames, so that a night without any agreement costs little.
"""

from dataclasses import dataclass, replace
from typing import Final

from parking.vision.bands import against_reference, as_before, explains, shifted_rows
from parking.vision.registration import Floats, Grey, Move, Reference, edges, register

IN_PLACE: Final = 0.7
"""From this agreement, the camera cannot have moved. Pictures moved by 1.2 % or more had at most
0.62."""
_CHANGED_BY: Final = 0.1
_GAP: Final = 2
_LONGEST: Final = 64
_NOTHING_ALIKE: Final = 0.09
"""Clean pictures of six sets had at least 0.12. Pictures that moved so far that registration fails
had at most 0.08."""
_AS_BRIGHT: Final = 0.6


@dataclass(frozen=True, slots=True)
class Placement:
    """What is known about a camera's direction. `move` is how it moved, or None if it is in place
    or `lost`. `lost` means a well lit picture that shows nothing of the reference. This may pass (a
    truck in front of the lens), but until then the slots are not visible. `settled` is the
    agreement of each band when the camera was last in place. `torn` means that rows of this picture
    are where no camera would show them. `shape` is that of the grey pictures to which this
    applies."""

    layout_id: str
    agreement: float
    move: Move | None = None
    lost: bool = False
    frames: int = 0
    wait: int = 2
    settled: Floats | None = None
    torn: bool = False
    shape: tuple[int, ...] | None = None

    @property
    def moved(self) -> bool:
        """Whether the layout's outlines must not be trusted."""
        return self.move is not None or self.lost

    def in_place(self) -> "Placement":
        """The placement of a camera that is back in its place, detected at once."""
        return replace(self, move=None, lost=False, frames=0, wait=_GAP)

    def words(self, width_px: int) -> str:
        """The reason in words for people, in pixels of a picture of this width."""
        if self.move is not None:
            return f"the picture is {self.move.words(width_px)} away from the layout's reference"
        if self.lost:
            return "the picture shows nothing that the layout's reference picture shows"
        return (
            "the picture has another shape than the layout's reference, so the outlines may not fit"
        )


def step(
    reference: Reference,
    layout_id: str,
    grey: Grey,
    earlier: Placement | None,
    skipped: int = 0,
    *,
    jumped: bool = False,
) -> Placement:
    """Update with one more frame. Pass only healthy pictures of the reference's size. `skipped` is
    the number of frames since the last one passed. `jumped` means that the picture is shifted by
    more than the wind does, or does not show what the ones before it did, so it is registered
    now."""
    field = edges(grey)
    agreement = reference.agreement(field)
    bands = against_reference(reference, field)
    known = earlier if earlier and earlier.layout_id == layout_id else None
    if not explains(reference, field, known.move if known else None) and shifted_rows(
        reference, field, bands
    ):
        found = register(reference, grey, field)
        move = found if isinstance(found, Move) else None
        if not explains(reference, field, move):
            return replace(known or Placement(layout_id, agreement), frames=_LONGEST, torn=True)
        return Placement(layout_id, agreement, move, settled=known.settled if known else None)
    if agreement >= IN_PLACE:  # the next low agreement is checked at once
        return Placement(layout_id, agreement, frames=_LONGEST, settled=bands)
    if known is not None:
        known = replace(known, frames=known.frames + skipped, torn=False)
        if known.moved and agreement > known.agreement + _CHANGED_BY and _is_back(known, bands):
            return replace(known.in_place(), agreement=agreement)
        if not (jumped or _due(known, agreement)):
            return replace(known, frames=known.frames + 1)
    wait = min(known.wait * 2, _LONGEST) if known else 2
    known = known or Placement(layout_id, agreement)
    before = replace(known, agreement=agreement, frames=0, wait=wait)
    return _registered(reference, grey, field, bands, before)


def _registered(
    reference: Reference, grey: Grey, field: Floats, bands: Floats, before: Placement
) -> Placement:
    """Run the expensive check. `before` is what was known before this picture, with this picture's
    agreement."""
    found = register(reference, grey, field)
    if found == "in-place":
        return replace(before, move=None, lost=False, settled=bands)
    if found is not None:
        return replace(before, move=found, lost=False)
    bright = float(grey.mean()) >= _AS_BRIGHT * float(reference.grey.mean())
    if not bright:  # a night picture shows nothing, so earlier knowledge stays valid
        return before
    lost = before.agreement < _NOTHING_ALIKE  # it may pass, so check again soon
    return replace(before, lost=lost, wait=_GAP if lost else before.wait)


def _is_back(known: Placement, bands: Floats) -> bool:
    return known.settled is not None and as_before(bands, known.settled)


def _due(known: Placement, agreement: float) -> bool:
    """Whether to register again."""
    frames = known.frames + 1
    changed = abs(agreement - known.agreement) > _CHANGED_BY
    return frames >= known.wait or (changed and (known.moved or frames >= _GAP))
