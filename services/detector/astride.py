"""Use the slot network to confirm that a vehicle stands across two slots.

The network judges the place half-way between the two slots as if it were a slot. A vehicle stands
across both only if it fills that place better than its own slot, and if its own slot is not free.
Both slots are then occupied with at least the probability of that place. A vehicle that drives past
in front of two free slots does not stand across them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parking.core.geometry import Matches
from parking.core.straddling import astride
from parking.wire.ports import Boxes
from services.detector.closer import Opinion
from services.detector.crops import Picture
from services.detector.slotnet import SlotNet

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BETWEEN_FROM: Final = 2.0
"""The lowest answer (logit) of the slot network for the place between both slots that confirms a
vehicle there."""
BETTER_BY: Final = 1.0
"""That answer must exceed the one for the vehicle's own slot by at least this much."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two slots, by row, under one vehicle. `chance` is P(occupied) of the place between them."""

    slots: tuple[int, int]
    chance: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture (BGR, `size_wh` pixels), the outlines of its slots (normalised), the vehicles known
    in it and how they fit the slots, the slot network's answers [S] and P(occupied) [S]."""

    picture: Picture
    size_wh: tuple[int, int]
    outlines: Sequence[Floats]
    boxes: Boxes
    match: Matches
    logits: Floats
    chances: Floats


def pairs_in(scene: Scene, net: SlotNet, among: Flags) -> tuple[Pair, ...]:
    """Return the pairs with at least one slot in `among` [S]. Blocks."""
    wh = np.asarray(scene.size_wh, np.float64)
    pixels = [outline * wh for outline in scene.outlines]
    boxes = scene.boxes
    found = [
        one
        for one in astride(boxes.xyxy * np.tile(wh, 2), boxes.scores, pixels, scene.match)
        if (among[one.own] or among[one.other]) and scene.chances[one.own] > net.fusion.low
    ]
    places = [between(scene.outlines[one.own], scene.outlines[one.other]) for one in found]
    logits = net.logits(scene.picture, places)
    scores = boxes.scores[[one.box for one in found]].astype(np.float64)
    chances = net.fusion.probabilities(Opinion(scores, logits, np.zeros(len(found))))
    return tuple(
        Pair((one.own, one.other), chance)
        for one, logit, chance in zip(found, logits.tolist(), chances, strict=True)
        if logit >= max(BETWEEN_FROM, scene.logits[one.own] + BETTER_BY)
        and chance >= net.fusion.high
    )


def between(first: Floats, second: Floats) -> Floats:
    """Return the first outline, moved half of the way to the second."""
    way = (second.min(axis=0) + second.max(axis=0) - first.min(axis=0) - first.max(axis=0)) / 2
    moved: Floats = first + way / 2
    return moved


def with_partners(slots: Flags, pairs: Iterable[Pair]) -> Flags:
    """Return these slots [S] together with the other slot of each of their pairs."""
    more = slots.copy()
    for pair in pairs:
        more[list(pair.slots)] |= slots[list(pair.slots)].any()
    return more


def elsewhere(pairs: Iterable[Pair], slots: Flags) -> tuple[Pair, ...]:
    """Return the pairs with none of these slots [S]."""
    return tuple(pair for pair in pairs if not slots[list(pair.slots)].any())


def raised(chances: Floats, pairs: Iterable[Pair]) -> Floats:
    """Return P(occupied) [S], where the slots of each pair are at least as likely to be occupied as
    the place between them."""
    more = chances.copy()
    for pair in pairs:
        rows = list(pair.slots)
        more[rows] = np.fmax(more[rows], pair.chance)
    return more


def partners(slot: int, pairs: Iterable[Pair]) -> list[int]:
    """Return the other slots under this slot's vehicle, by row, in order."""
    together = {row for pair in pairs if slot in pair.slots for row in pair.slots}
    return sorted(together - {slot})
