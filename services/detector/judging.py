"""Decide the state of the requested slots, from vehicles and slot pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from parking.core.events import Box, Observation
from parking.core.geometry import Matches, match_boxes
from parking.runtime.metrics import CLOSER_LOOKS, timed
from parking.wire.ports import Boxes, Detector
from services.detector.astride import (
    Pair,
    Scene,
    elsewhere,
    pairs_in,
    partners,
    raised,
    with_partners,
)
from services.detector.closer import Opinion, doubted, in_doubt, together
from services.detector.ground import Ground
from services.detector.model import Facts, Picture
from services.detector.observing import observation, unit
from services.detector.regions import Region, regions_about, whole
from services.detector.searching import NO_BOXES, search, update
from services.detector.slotnet import SlotNet, doubtful_band
from services.detector.trust import earn, is_trusted, spend

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Searched = Literal["nothing", "slots", "picture"]

SAME_WITHIN: Final = 1.0
"""If no vehicle came or left between two pictures, the slot network's answers (logits) for the slot
differ by less than this. In three sequences with 312 transitions, all but 8 answers differ by more,
and in those 8 the network is sure of "free" both times. Of other patches that changed, 77 to 99
percent differ by less."""
SURE_WITHIN: Final = 0.1
"""P(occupied) is kept on these grounds only if it is this near to 0 or 1. Anything that is nearly
in doubt is judged again."""
_WHOLE_SHARE: Final = 0.75
"""If this share of a layout is judged and nothing is remembered, the whole picture is searched."""


@dataclass(frozen=True, slots=True)
class How:
    """Limits of the work on one picture. `scale` is the relative size of the vehicle model's input;
    1 is as large as the slots need."""

    closer: bool = True
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture in progress: BGR, at the ground's size or half of it. The duration of each stage is
    added to `timings_ms`."""

    picture: Picture
    ground: Ground
    how: How
    timings_ms: dict[str, float]

    @property
    def size_wh(self) -> tuple[int, int]:
        """The picture's width and height."""
        return self.picture.shape[1], self.picture.shape[0]

    def outlines(self, slots: Flags) -> list[Floats]:
        """Return the outlines of these slots [S]."""
        return [self.ground.outlines[index] for index in np.flatnonzero(slots)]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known about a camera's scene: its vehicles, P(occupied) of each slot [S], the slot
    network's last answer, how far those answers are trusted alone (services/detector/trust.py), and
    which slots are under one vehicle."""

    boxes: Boxes
    chances: Floats
    logits: Floats
    trust: float = 0.0
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The result for a picture. `renewed` [S] are the slots that were judged again; the others keep
    their known state. A slot that was not chosen is among them if a vehicle stands across it and a
    chosen one. `searched` says where vehicles were searched for."""

    known: Known
    renewed: Flags
    searched: Searched
    closer: bool = False


class Judge:
    """Judges slots, by boxes alone or by slot network and boxes together.

    The slot network judges each slot first. At lots where its sure answers have proved right, they
    are accepted. For all other slots vehicles are searched for, and both opinions are combined.
    """

    def __init__(self, facts: Facts, slotnet: SlotNet | None, detector: Detector) -> None:
        self.model_id = detector.model_id + (f"+{slotnet.identity}" if slotnet else "")
        self._facts = facts
        self._slotnet = slotnet
        self._detector = detector

    def judge(self, shot: Shot, chosen: Flags, confirm: Flags, known: Known | None) -> Judgement:
        """Judge the slots in `chosen` [S]. Those that are also in `confirm` keep their known state
        where the slot network answers as before. Blocks."""
        known = known or _nothing(len(chosen))
        if not shot.ground.slots:
            return self._search_whole(shot)
        if self._slotnet is None:
            return self._by_boxes(shot, chosen, known)
        with timed("slots", shot.timings_ms):
            indices = np.flatnonzero(chosen)
            seen = self._slotnet.logits(shot.picture, shot.outlines(chosen))
        before, chances = known.logits[indices], known.chances[indices]
        near = np.abs(seen - before) < SAME_WITHIN  # NaN (not known yet) compares as false
        sure = np.minimum(chances, 1 - chances) <= SURE_WITHIN
        confirmed = confirm[indices] & near & sure
        renewed = chosen.copy()
        renewed[indices[confirmed]] = False
        renewed = with_partners(renewed, known.pairs) & chosen
        logits = known.logits.copy()
        logits[indices] = np.where(renewed[indices], seen, before)
        return self._weigh(self._slotnet, shot, renewed, replace(known, logits=logits))

    def observations(self, ground: Ground, judged: Judgement) -> list[Observation]:
        """Return the observations of the slots that were judged again, in order."""
        chances = judged.known.chances
        against = np.zeros(len(chances), np.bool_)
        if self._slotnet is None:
            middle = self._facts.probability(self._facts.threshold)
            band = (np.nextafter(middle, 0), middle)
        else:
            band = doubtful_band(self._slotnet.fusion, chances[~np.isnan(chances)].tolist())
            against = self._slotnet.fusion.contradicted(judged.known.logits, chances)
        ids, pairs = [slot.slot_id for slot in ground.slots], judged.known.pairs
        return [
            observation(
                ids[i],
                float(chances[i]),
                band,
                [ids[j] for j in partners(i, pairs)],
                contradicted=bool(against[i]),
            )
            for i in np.flatnonzero(judged.renewed).tolist()
        ]

    def boxes(self, judged: Judgement) -> list[Box]:
        """Return the vehicles to be drawn."""
        found = judged.known.boxes
        shown = found.scores >= self._facts.threshold
        xyxy, scores = found.xyxy[shown].tolist(), found.scores[shown].tolist()
        return [
            Box(
                xyxy=(unit(x0), unit(y0), unit(x1), unit(y1)),
                confidence=unit(score),
                label=self._facts.label,
            )
            for (x0, y0, x1, y1), score in zip(xyxy, scores, strict=True)
        ]

    def _weigh(self, slotnet: SlotNet, shot: Shot, renewed: Flags, known: Known) -> Judgement:
        """Judge slots again: by the network alone where it is sure and trusted, otherwise by both
        opinions."""
        if not renewed.any():
            return Judgement(known, renewed, "nothing")
        fusion, chances = slotnet.fusion, known.chances.copy()
        was_in_doubt = in_doubt(chances)
        alone = renewed & fusion.sure(known.logits) & is_trusted(known.trust)
        alone &= ~_of_pairs(known.pairs, len(renewed))
        chances[alone] = fusion.alone(known.logits[alone])
        both = renewed & ~alone
        boxes = _without(known.boxes, shot.ground, renewed)
        trust = spend(known.trust, int(alone.sum()))
        pairs = elsewhere(known.pairs, renewed)
        known = replace(known, boxes=boxes, chances=chances, trust=trust, pairs=pairs)
        if not both.any():
            return Judgement(known, renewed, "nothing")
        boxes, match, searched = self._look(shot, both, shot.ground.scales, boxes)
        opinion = Opinion(match.scores, known.logits, match.covered)
        chances[both] = _some(fusion.probabilities(opinion), both)
        known = replace(known, boxes=boxes)
        # A slot in doubt is judged again on the next picture, with a closer look if the doubt
        # remains.
        lasting = both & was_in_doubt & in_doubt(chances)
        closer = shot.how.closer and bool(lasting.any())
        if closer:
            doubt = doubted(np.where(both, chances, np.nan))
            with timed("closer", shot.timings_ms):
                chances[doubt] = self._look_closer(slotnet, shot, doubt, known, match)
        trust = earn(known.trust, fusion, known.logits[both], chances[both])
        outlines = shot.ground.outlines
        scene = Scene(shot.picture, shot.size_wh, outlines, boxes, match, known.logits, chances)
        with timed("slots", shot.timings_ms):
            found = pairs_in(scene, slotnet, renewed)
        chances = raised(chances, found)
        renewed = renewed | _of_pairs(found, len(renewed))
        known = replace(known, chances=chances, trust=trust, pairs=(*pairs, *found))
        return Judgement(known, renewed, searched, closer)

    def _look_closer(
        self, slotnet: SlotNet, shot: Shot, doubt: Flags, known: Known, first: Matches
    ) -> Floats:
        """Return P(occupied) of slots in doubt as the mean of the first look and a closer look,
        whose boxes count twice."""
        CLOSER_LOOKS.inc()
        apart = replace(shot, timings_ms={})  # its stages are reported together as `closer`
        _, again, _ = self._look(apart, doubt, shot.ground.closer_scales, known.boxes)
        mirrored = known.logits.copy()
        mirrored[doubt] = slotnet.logits(shot.picture, shot.outlines(doubt), mirrored=True)
        opinion = together([first, again, again], [known.logits, mirrored])
        return _some(slotnet.fusion.probabilities(opinion), doubt)

    def _look(
        self, shot: Shot, slots: Flags, scales: Floats, boxes: Boxes
    ) -> tuple[Boxes, Matches, Searched]:
        """Search around some slots [S] at scales [S]. Return all vehicles known afterwards, and how
        they fit all slots."""
        wh = shot.size_wh
        halved = max(shot.ground.size_wh) / max(wh)  # 2 where the picture was decoded at half size
        with timed("inference", shot.timings_ms):
            shown = scales * shot.how.scale * halved
            regions, searched = _regions(shot, slots, shown, boxes)
            found = search(shot.picture, regions, self._detector)
        with timed("match", shot.timings_ms):
            boxes = update(boxes, found, regions, wh)
            return boxes, match_boxes(boxes.xyxy, boxes.scores, shot.ground.outlines), searched

    def _by_boxes(self, shot: Shot, chosen: Flags, known: Known) -> Judgement:
        boxes = _without(known.boxes, shot.ground, chosen)
        boxes, match, searched = self._look(shot, chosen, shot.ground.scales, boxes)
        chances = known.chances.copy()
        chances[chosen] = [self._facts.probability(s) for s in match.scores[chosen].tolist()]
        return Judgement(replace(known, boxes=boxes, chances=chances), chosen, searched)

    def _search_whole(self, shot: Shot) -> Judgement:
        scale = shot.ground.size_px / max(shot.size_wh) * shot.how.scale
        with timed("inference", shot.timings_ms):
            boxes = search(shot.picture, whole(shot.size_wh, scale), self._detector)
        return Judgement(replace(_nothing(0), boxes=boxes), np.zeros(0, np.bool_), "picture")


def _nothing(slots: int) -> Known:
    return Known(NO_BOXES, np.full(slots, np.nan), np.full(slots, np.nan))


def _of_pairs(pairs: Sequence[Pair], slots: int) -> Flags:
    flags = np.zeros(slots, np.bool_)
    flags[[row for pair in pairs for row in pair.slots]] = True
    return flags


def _some(values: Sequence[float], which: Flags) -> Floats:
    return np.asarray(values, np.float64)[which]


def _without(boxes: Boxes, ground: Ground, slots: Flags) -> Boxes:
    """Return the vehicles that are not in these slots. In these slots something changed."""
    if not len(boxes.scores):
        return boxes
    match = match_boxes(boxes.xyxy, boxes.scores, ground.outlines)
    removed = match.box_index[slots]
    keep = np.ones(len(boxes.scores), np.bool_)
    keep[removed[removed >= 0]] = False
    return Boxes(boxes.xyxy[keep], boxes.scores[keep])


def _regions(
    shot: Shot, slots: Flags, scales: Floats, boxes: Boxes
) -> tuple[list[Region], Searched]:
    """Return the regions around the slots, or the whole picture where nothing is known about it and
    most slots are requested."""
    if not len(boxes.scores) and slots.mean() >= _WHOLE_SHARE:
        return whole(shot.size_wh, float(scales.max())), "picture"
    outlines = [outline * np.asarray(shot.size_wh) for outline in shot.outlines(slots)]
    return regions_about(outlines, scales[slots].tolist(), shot.size_wh), "slots"
