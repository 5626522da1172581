"""A layout for a camera that was moved: its outlines carried along with the picture. Only proposed:
a person looks at it and publishes it. Pure: pictures in, a layout out."""

from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from parking.errors import Invalid
from parking.events import LayoutPublished, LayoutSlot
from parking.geometry import is_simple, polygon_area
from parking.imagehealth import assess
from parking.lots import MIN_AREA
from parking.reference import Picture, make_reference, read_reference, small_grey
from parking.registration import Matrix, edges, register, transform

_NO: Final = "no-proposal"
_LEAST_SEEN: Final = 0.5
"""Share of a moved slot that must lie inside the picture."""


class LayoutProposal(msgspec.Struct, frozen=True, kw_only=True):
    """`words`: how the picture lies against the layout's reference. `layout`: to be published as
    the next one, with the new picture as its reference. `left_out`: slots that the camera no longer
    sees, in it with `enabled` false."""

    camera_id: str
    version: int
    words: str
    left_out: list[str]
    layout: LayoutPublished


def propose(layout: LayoutPublished, picture: Picture) -> LayoutProposal:
    """The layout as it would fit the BGR picture. Raises Invalid("no-proposal") with the reason
    when there is none. Takes about 100 ms on one core."""
    reference = read_reference(layout.reference) if layout.reference else None
    if reference is None:
        raise Invalid(_NO, "the layout has no reference picture to compare with")
    grey = small_grey(picture)
    health, _ = assess(grey, None)
    if health.status != "ok":
        raise Invalid(_NO, f"the camera's last picture is {health.status}: {health.reason}")
    if grey.shape != reference.grey.shape:
        raise Invalid(_NO, "the camera's pictures have another shape than the reference picture")
    move = register(reference, grey, edges(grey))
    if move is None:
        raise Invalid(_NO, "the picture shows too little of what the reference picture shows")
    if move == "in-place":
        raise Invalid(_NO, "the camera looks where the layout's reference picture was taken")
    slots, left_out = _moved(layout, move.normalised())
    return LayoutProposal(
        camera_id=layout.camera_id,
        version=layout.version,
        words=move.words(picture.shape[1]),
        left_out=left_out,
        layout=replace(layout, slots=slots, reference=make_reference(picture)),
    )


def _moved(layout: LayoutPublished, matrix: Matrix) -> tuple[list[LayoutSlot], list[str]]:
    slots, left_out = [], []
    for slot in layout.slots:
        there = transform(matrix, slot.polygon)
        inside = np.clip(there, 0.0, 1.0)
        seen = polygon_area(inside)
        if seen < max(MIN_AREA, _LEAST_SEEN * polygon_area(there)) or not is_simple(inside):
            slots.append(replace(slot, enabled=False))
            left_out += [slot.slot_id] if slot.enabled else []
        else:
            polygon = [(round(float(x), 5), round(float(y), 5)) for x, y in inside]
            slots.append(replace(slot, polygon=polygon))
    return slots, left_out
