"""Propose a layout for a moved camera by moving its outlines with the picture. A person checks and
publishes it. Pure: pictures in, a layout out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import msgspec
import numpy as np
from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import LayoutPublished, LayoutSlot
from parking.core.geometry import is_simple, polygon_area
from parking.core.lots import MIN_AREA
from parking.vision.imagehealth import LEAST, assess
from parking.vision.reference import Picture, make_reference, read_reference, small_grey
from parking.vision.registration import (
    MOVED_FROM,
    Grey,
    Matrix,
    Move,
    Reference,
    edges,
    register,
    transform,
)

_NO: Final = "no-proposal"
_FITS_WELL: Final = 0.45
_AS_IT_IS: Final = ""
_ANOTHER_SHAPE: Final = "of another shape"
# How a picture may have been rotated, how to undo it, and where a point (0..1) ends up.
_TURNS: Final[tuple[tuple[str, Callable[[Grey], Grey], Matrix], ...]] = (
    (_ANOTHER_SHAPE, lambda grey: grey, np.eye(3)),
    ("upside down", lambda grey: grey[::-1, ::-1], np.array([[-1.0, 0, 1], [0, -1, 1], [0, 0, 1]])),
    (
        "turned to the left",
        lambda grey: np.rot90(grey, 3),
        np.array([[0.0, 1, 0], [-1, 0, 1], [0, 0, 1]]),
    ),
    (
        "turned to the right",
        lambda grey: np.rot90(grey, 1),
        np.array([[0.0, -1, 1], [1, 0, 0], [0, 0, 1]]),
    ),
    ("mirrored", lambda grey: grey[:, ::-1], np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])),
)
_LEAST_SEEN: Final = 0.5
"""The share of a moved slot that must be inside the picture."""


class LayoutProposal(msgspec.Struct, frozen=True, kw_only=True):
    """`words`: how the picture is moved against the layout's reference. `layout`: the next one to
    publish, with the new picture as its reference. `left_out`: slots that the camera no longer
    sees; `enabled` is false in the layout."""

    camera_id: str
    version: int
    words: str
    left_out: list[str]
    layout: LayoutPublished


def propose(layout: LayoutPublished, picture: Picture) -> LayoutProposal:
    """The layout, moved to fit the BGR picture. Raises Invalid("no-proposal") with the reason if
    there is none. It takes about 100 ms on one core, and up to a second for a picture that has
    another shape or was rotated or mirrored."""
    reference = read_reference(layout.reference) if layout.reference else None
    if reference is None:
        raise Invalid(_NO, "the layout has no reference picture to compare with")
    grey = small_grey(picture)
    health, _ = assess(grey, None, LEAST)
    if health.status != "ok":
        raise Invalid(_NO, f"the camera's last picture is {health.status}: {health.reason}")
    lies = _found(reference, grey)
    if lies is None:
        raise Invalid(_NO, "the picture shows too little of what the reference picture shows")
    if lies == "in-place":
        raise Invalid(_NO, "the camera has the same view as the layout's reference picture")
    slots, left_out = _moved(layout, lies.matrix)
    return LayoutProposal(
        camera_id=layout.camera_id,
        version=layout.version,
        words=lies.words(picture.shape[1]),
        left_out=left_out,
        layout=replace(layout, slots=slots, reference=make_reference(picture)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Lies:
    """A picture converted to the reference's shape in one way. `back` maps points (0..1) there to
    points of the picture itself."""

    way: str
    move: Move
    back: Matrix

    @property
    def matrix(self) -> Matrix:
        """Maps points (0..1) of the reference to points of the picture."""
        return np.asarray(self.back @ self.move.normalised(), np.float64)

    def words(self, width_px: int) -> str:
        """Describe the move for people."""
        if self.way == _AS_IT_IS:
            return self.move.words(width_px)
        still = self.move.largest < MOVED_FROM
        return self.way if still else f"{self.way}, {self.move.words(width_px)}"


def _found(reference: Reference, grey: Grey) -> _Lies | Literal["in-place"] | None:
    """How the picture is transformed. It may have been moved, squeezed, cropped, letterboxed,
    rotated or mirrored. Returns the first way that fits well, or otherwise the best one."""
    best: _Lies | None = None
    for way, seen, back in _ways(grey, reference.size_wh):
        field = edges(seen)
        move = register(reference, seen, field)
        if move == "in-place":
            if way == _AS_IT_IS:
                return move
            move = Move(np.eye(3), reference.size_wh, reference.agreement(field))
        if move is not None and (best is None or move.agreement > best.move.agreement):
            best = _Lies(way, move, back)
        if best is not None and best.move.agreement >= _FITS_WELL:
            return best
    return best


def _ways(grey: Grey, size_wh: tuple[int, int]) -> Iterator[tuple[str, Grey, Matrix]]:
    squeezed = np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    yield _AS_IT_IS, squeezed, np.eye(3)
    for way, turn, back in _TURNS:
        if way != _ANOTHER_SHAPE or grey.shape != squeezed.shape:
            fitted, scale = _fitted(np.ascontiguousarray(turn(grey)), size_wh)
            yield way, fitted, np.asarray(back @ scale, np.float64)


def _fitted(grey: Grey, size_wh: tuple[int, int]) -> tuple[Grey, Matrix]:
    """Scale the picture into one of `size_wh`, keeping its aspect ratio. Also returns the mapping
    of points there to its own points."""
    height, width = grey.shape
    scale = min(size_wh[0] / width, size_wh[1] / height)
    own = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.zeros(size_wh[::-1], np.uint8)
    canvas[: own[1], : own[0]] = cv2.resize(grey, own, interpolation=cv2.INTER_AREA)
    return canvas, np.diag([size_wh[0] / own[0], size_wh[1] / own[1], 1.0])


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
