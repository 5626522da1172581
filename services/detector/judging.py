"""From vehicles and slots to what each slot is, for the slots that are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from parking.events import Box, Observation
from parking.geometry import Matches, match_boxes
from parking.metrics import CLOSER_LOOKS, timed
from parking.ports import Boxes, Detector
from services.detector.closer import Opinion, doubted, in_doubt, together
from services.detector.ground import Ground
from services.detector.model import Facts, Picture
from services.detector.observing import told as observation
from services.detector.observing import unit
from services.detector.regions import Region, regions_about, whole
from services.detector.searching import NO_BOXES, search, updated
from services.detector.slotnet import SlotNet, doubtful_band
from services.detector.trust import earned, spent, trusted

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Searched = Literal["nothing", "slots", "picture"]

SAME_WITHIN: Final = 2.0
"""The slot network's answers (logits) for one slot in two pictures, between which nothing changed,
differ by less than this or `SAME_SHARE` of the earlier one."""
SAME_SHARE: Final = 0.4
_WHOLE_SHARE: Final = 0.75
"""Where so much of a layout is judged without a memory, the whole picture is searched."""


@dataclass(frozen=True, slots=True)
class How:
    """What may be spent on a picture. `scale`: of what the vehicle model is shown, 1 is as large as
    the slots need."""

    closer: bool = True
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a camera's scene: its vehicles, of each slot [S] P(occupied) and the slot
    network's last answer, and how far that may be believed alone (services/detector/trust.py)."""

    boxes: Boxes
    chances: Floats
    logits: Floats
    trust: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a picture said. `told` [S]: slots judged anew, others keep what was known; `searched`:
    where vehicles were looked for."""

    known: Known
    told: Flags
    searched: Searched
    closer: bool = False


class Judge:
    """Says of slots what they are: by boxes alone, or by slot network and boxes together.

    The slot network sees each slot first. On a lot where its sure answers have held, they are told;
    about all other slots vehicles are searched, and both opinions are weighed."""

    def __init__(self, facts: Facts, slotnet: SlotNet | None, detector: Detector) -> None:
        self.model_id = detector.model_id + (f"+{slotnet.identity}" if slotnet else "")
        self._facts = facts
        self._slotnet = slotnet
        self._detector = detector

    def judge(
        self,
        picture: Picture,
        ground: Ground,
        wanted: tuple[Flags, Flags],
        known: Known | None,
        how: How,
        timings_ms: dict[str, float],
    ) -> Judgement:
        """`wanted`: which slots [S] are judged, and which of them need only be confirmed: nothing
        changed there. `picture` is BGR, whole or half of the ground's size. Blocks."""
        asked, confirm = wanted
        known = known or _nothing(len(asked))
        if not ground.slots:
            return self._search_whole(picture, ground, how, timings_ms)
        if self._slotnet is None:
            return self._by_boxes(picture, ground, (asked, known), how, timings_ms)
        with timed("slots", timings_ms):
            indices = np.flatnonzero(asked)
            said = self._slotnet.logits(picture, [ground.outlines[i] for i in indices])
        before = known.logits[indices]
        near = np.abs(said - before) < np.maximum(SAME_WITHIN, SAME_SHARE * np.abs(before))
        confirmed = confirm[indices] & near & ~self._unsure(known.chances[indices])  # NaN: not so
        told = asked.copy()
        told[indices[confirmed]] = False
        logits = known.logits.copy()
        logits[indices] = np.where(confirmed, logits[indices], said)
        known = replace(known, logits=logits)
        return self._weigh(picture, ground, (told, known), how, timings_ms)

    def observations(self, ground: Ground, judged: Judgement) -> list[Observation]:
        """Of the slots that were told, in order."""
        chances = judged.known.chances
        if self._slotnet is None:
            middle = self._facts.probability(self._facts.threshold)
            band = (np.nextafter(middle, 0), middle)
        else:
            band = doubtful_band(self._slotnet.fusion, chances[~np.isnan(chances)].tolist())
        return [
            observation(ground.slots[i].slot_id, float(chances[i]), band)
            for i in np.flatnonzero(judged.told)
        ]

    def boxes(self, judged: Judgement) -> list[Box]:
        """The vehicles to be drawn."""
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

    def _unsure(self, chances: Floats) -> Flags:
        """Told as unknown, or not known at all."""
        assert self._slotnet is not None  # noqa: S101 -- narrows; only called with a network
        fusion = self._slotnet.fusion
        unsure: Flags = ~((chances <= fusion.low) | (chances >= fusion.high))
        return unsure

    def _weigh(
        self,
        picture: Picture,
        ground: Ground,
        asked: tuple[Flags, Known],
        how: How,
        timings_ms: dict[str, float],
    ) -> Judgement:
        assert self._slotnet is not None  # noqa: S101 -- narrows
        told, known = asked
        fusion = self._slotnet.fusion
        chances = known.chances.copy()
        if not told.any():
            return Judgement(known, told, "nothing")
        alone = told & fusion.sure(known.logits) & trusted(known.trust)
        chances[alone] = fusion.alone(known.logits[alone])
        both = told & ~alone
        boxes = _without(known.boxes, ground, told)
        known = replace(known, chances=chances, trust=spent(known.trust, int(alone.sum())))
        if not both.any():
            return Judgement(replace(known, boxes=boxes), told, "nothing")
        where = (both, ground.scales * how.scale)
        boxes, match, searched = self._look(picture, ground, where, boxes, timings_ms)
        opinion = Opinion(match.scores, known.logits, match.covered)
        chances[both] = _some(fusion.probabilities(opinion), both)
        closer = how.closer and in_doubt(chances[both])
        if closer:
            doubt = doubted(np.where(both, chances, np.nan))
            with timed("closer", timings_ms):
                larger = (doubt, ground.closer_scales * how.scale)
                chances[doubt] = self._closer(picture, ground, (larger, known, boxes), match)
        trust = earned(known.trust, fusion, known.logits[both], chances[both])
        known = replace(known, boxes=boxes, trust=trust)
        return Judgement(known, told, searched, closer)

    def _closer(
        self,
        picture: Picture,
        ground: Ground,
        asked: tuple[tuple[Flags, Floats], Known, Boxes],
        first: Matches,
    ) -> Floats:
        """P(occupied) of slots in doubt by a closer look, which counts twice, and the first one."""
        assert self._slotnet is not None  # noqa: S101 -- narrows
        where, known, boxes = asked
        doubt, _ = where
        CLOSER_LOOKS.inc()
        _, again, _ = self._look(picture, ground, where, boxes, {})
        outlines = [ground.outlines[i] for i in np.flatnonzero(doubt)]
        mirrored = known.logits.copy()
        mirrored[doubt] = self._slotnet.logits(picture, outlines, mirrored=True)
        opinion = together([first, again, again], [known.logits, mirrored])
        return _some(self._slotnet.fusion.probabilities(opinion), doubt)

    def _look(
        self,
        picture: Picture,
        ground: Ground,
        where: tuple[Flags, Floats],
        boxes: Boxes,
        timings_ms: dict[str, float],
    ) -> tuple[Boxes, Matches, Searched]:
        """Search about some slots [S] at scales [S]; all vehicles known then, and how they fit all
        slots."""
        wh = (picture.shape[1], picture.shape[0])
        shown = max(ground.size_wh) / max(wh)  # 2 where the picture was decoded at half its size
        with timed("inference", timings_ms):
            slots, scales = where
            regions, searched = _regions(ground, (slots, scales * shown), wh, boxes)
            found = search(picture, regions, self._detector)
        with timed("match", timings_ms):
            boxes = updated(boxes, found, regions, wh)
            return boxes, match_boxes(boxes.xyxy, boxes.scores, ground.outlines), searched

    def _by_boxes(
        self,
        picture: Picture,
        ground: Ground,
        asked: tuple[Flags, Known],
        how: How,
        timings_ms: dict[str, float],
    ) -> Judgement:
        told, known = asked
        boxes = _without(known.boxes, ground, told)
        where = (told, ground.scales * how.scale)
        boxes, match, searched = self._look(picture, ground, where, boxes, timings_ms)
        chances = known.chances.copy()
        chances[told] = [self._facts.probability(s) for s in match.scores[told].tolist()]
        return Judgement(replace(known, boxes=boxes, chances=chances), told, searched)

    def _search_whole(
        self, picture: Picture, ground: Ground, how: How, timings_ms: dict[str, float]
    ) -> Judgement:
        wh = (picture.shape[1], picture.shape[0])
        with timed("inference", timings_ms):
            boxes = search(picture, whole(wh, ground.size_px / max(wh) * how.scale), self._detector)
        nobody = np.zeros(0, np.bool_)
        return Judgement(Known(boxes, np.zeros(0), np.zeros(0)), nobody, "picture")


def _nothing(slots: int) -> Known:
    return Known(NO_BOXES, np.full(slots, np.nan), np.full(slots, np.nan))


def _some(values: Sequence[float], which: Flags) -> Floats:
    return np.asarray(values, np.float64)[which]


def _without(boxes: Boxes, ground: Ground, slots: Flags) -> Boxes:
    """The vehicles that do not stand in these slots: something changed there."""
    if not len(boxes.scores):
        return boxes
    match = match_boxes(boxes.xyxy, boxes.scores, ground.outlines)
    gone = match.box_index[slots]
    keep = np.ones(len(boxes.scores), np.bool_)
    keep[gone[gone >= 0]] = False
    return Boxes(boxes.xyxy[keep], boxes.scores[keep])


def _regions(
    ground: Ground, where: tuple[Flags, Floats], wh: tuple[int, int], boxes: Boxes
) -> tuple[list[Region], Searched]:
    """About the slots; the whole picture where nothing is known of it and most are asked for."""
    slots, scales = where
    if not len(boxes.scores) and slots.mean() >= _WHOLE_SHARE:
        return whole(wh, float(scales.max())), "picture"
    indices = np.flatnonzero(slots)
    outlines = [ground.outlines[i] * np.asarray(wh) for i in indices]
    return regions_about(outlines, scales[indices].tolist(), wh), "slots"
