"""Find out whether a moved picture is its layout's reference picture turned or mirrored, because
the camera was remounted or its settings were changed. Pure."""

from typing import Final

import cv2
import numpy as np

from parking.core.orientation import UPRIGHT, Orientation
from parking.vision.registration import Grey, Move, Reference, edges, register
from parking.vision.turning import as_shown

_SURE_FROM: Final = 0.3
"""Minimum agreement of a turned picture. No pair of pictures from different cameras had more than
0.21."""
_BETTER_BY: Final = 0.06
_SAME_WAY: Final = (Orientation(0, True), Orientation(180), Orientation(180, True))
_OTHER_WAY: Final = (
    Orientation(90),
    Orientation(270),
    Orientation(90, True),
    Orientation(270, True),
)


def sides_swapped(reference: Reference, grey: Grey) -> bool:
    """Whether one is portrait and the other landscape."""
    width, height = reference.size_wh
    return bool((width > height) != (grey.shape[1] > grey.shape[0]))


def find_turn(reference: Reference, grey: Grey, move: Move | None) -> Orientation | None:
    """What would turn the picture back, or None if it is not turned or shows too little. `move` is
    its registration without a turn. Takes up to a second on one core."""
    swapped = sides_swapped(reference, grey)
    if move is not None and not swapped:
        quarters = _quarters_back(move)
        return Orientation(quarters) if quarters else None
    least = max(_SURE_FROM, _agreement_as_it_is(reference, grey) + _BETTER_BY)
    for turn in _OTHER_WAY if swapped else _SAME_WAY:
        seen = _fitted(as_shown(grey, turn), reference)
        field = edges(seen)
        found = register(reference, seen, field)
        if isinstance(found, Move) and found.agreement >= least:
            back = turn.then(Orientation(_quarters_back(found)))
            return None if back == UPRIGHT else back
        if found == "in-place" and reference.agreement(field) >= least:
            return turn
    return None


def turn_words(back: Orientation) -> str:
    """How the picture is turned, in words for people. `back` is what would turn it back."""
    degrees = -back.rotate % 360
    if back.mirror:
        ways = {0: "mirrored left to right", 180: "mirrored top to bottom"}
        return ways.get(degrees, "mirrored and turned by 90 degrees")
    way = {90: " clockwise", 270: " counter-clockwise"}.get(degrees, "")
    return f"turned by {min(degrees, 360 - degrees)} degrees{way}"


def _quarters_back(move: Move) -> int:
    return -90 * round(move.turn_deg / 90) % 360


def _agreement_as_it_is(reference: Reference, grey: Grey) -> float:
    return reference.agreement(edges(_fitted(grey, reference)))


def _fitted(grey: Grey, reference: Reference) -> Grey:
    if grey.shape == reference.grey.shape:
        return grey
    return np.asarray(cv2.resize(grey, reference.size_wh, interpolation=cv2.INTER_AREA), np.uint8)
