"""One picture after another: decode, judge its health, find vehicles, say of each slot what it is.

Blocks and is not safe for several threads: services/detector/adapters.py gives it one of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from parking.errors import Invalid
from parking.events import Box, ImageHealth, LayoutPublished, Observation
from parking.geometry import match_boxes
from parking.imagehealth import Look, Thresholds, assess, blank_shares
from parking.metrics import STAGE_SECONDS
from parking.ports import Boxes, Detector
from services.detector.model import Facts
from services.detector.picture import Picture, decode, small_grey
from services.detector.placing import Placing

HIDDEN_FROM: Final = 0.5
"""Share of a slot's box that must show nothing; see parking.imagehealth.blank_shares."""


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to analyse. Without a camera nothing is remembered; without a layout no slots."""

    jpeg: bytes | None
    camera_id: str | None = None
    layout: LayoutPublished | None = None
    expected_wh: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a picture says. `timings_ms`: decode, health, inference, match."""

    width: int
    height: int
    health: ImageHealth
    boxes: list[Box]
    observations: list[Observation]
    layout_version: int
    timings_ms: dict[str, float]


@dataclass(slots=True)
class _Opened:
    """A picture that could be decoded, on its way."""

    job: Job
    picture: Picture
    look: Look
    health: ImageHealth
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """How pictures are analysed. `size_px`: long side of the input where a layout names none."""

    size_px: int = 640
    batch: int = 1
    max_pixels: int = 2_000_000
    health: Thresholds = field(default_factory=Thresholds)


class Analyser:
    """Runs the stages over a chunk of pictures at a time; `turned` is called after each chunk."""

    def __init__(
        self, detector: Detector, facts: Facts, options: Options, turned: Callable[[], None]
    ) -> None:
        self.model_id = detector.model_id
        self._detector = detector
        self._facts = facts
        self._options = options
        self._turned = turned
        self._placing = Placing()

    def analyse(self, jobs: Sequence[Job], looks: dict[str, Look]) -> list[Finding | Invalid]:
        """One result a job, in order. A picture that cannot be used gives the Invalid and touches
        no other. `looks` (by camera) is read and brought up to date."""
        results: list[Finding | Invalid] = []
        for start in range(0, len(jobs), self._options.batch):
            opened = [self._open(job, looks) for job in jobs[start : start + self._options.batch]]
            found = iter(self._detect([o for o in opened if isinstance(o, _Opened)]))
            results += [
                self._conclude(o, next(found)) if isinstance(o, _Opened) else o for o in opened
            ]
            self._turned()
        return results

    def _open(self, job: Job, looks: dict[str, Look]) -> "_Opened | Invalid":
        timings: dict[str, float] = {}
        try:
            with _timed("decode", timings):
                picture = decode(job.jpeg, self._options.max_pixels, job.expected_wh)
        except Invalid as error:
            return error
        with _timed("health", timings):
            earlier = looks.pop(job.camera_id, None) if job.camera_id else None
            health, look = assess(small_grey(picture), earlier, self._options.health)
        if job.layout and job.layout.reference and health.status == "ok":
            with _timed("place", timings):
                health, look = self._placing.judge(job.layout, picture.shape[1], health, look)
        if job.camera_id:
            looks[job.camera_id] = look
        return _Opened(job, picture, look, health, timings)

    def _detect(self, opened: Sequence[_Opened]) -> list[Boxes]:
        """Pictures of one input size share a call; each is told its share of the time."""
        found: dict[int, Boxes] = {}
        by_size: dict[int, list[int]] = {}
        for index, one in enumerate(opened):
            by_size.setdefault(self._size_px(one.job), []).append(index)
        for size_px, indices in by_size.items():
            spent: dict[str, float] = {}
            with _timed("inference", spent):
                boxes = self._detector.detect([opened[i].picture for i in indices], size_px)
            for index, one_found in zip(indices, boxes, strict=True):
                opened[index].timings_ms["inference"] = round(spent["inference"] / len(indices), 2)
                found[index] = one_found
        return [found[index] for index in range(len(opened))]

    def _size_px(self, job: Job) -> int:
        wanted = job.layout.input_size_px if job.layout else None
        return wanted or self._options.size_px

    def _conclude(self, opened: _Opened, found: Boxes) -> Finding:
        with _timed("match", opened.timings_ms):
            observations = self._observe(opened, found)
            shown = found.scores >= self._facts.threshold
            boxes = [
                Box(
                    xyxy=(_unit(x0), _unit(y0), _unit(x1), _unit(y1)),
                    confidence=_unit(score),
                    label=self._facts.label,
                )
                for (x0, y0, x1, y1), score in zip(
                    found.xyxy[shown].tolist(), found.scores[shown].tolist(), strict=True
                )
            ]
        height, width = opened.picture.shape[:2]
        layout = opened.job.layout
        return Finding(
            width=width,
            height=height,
            health=opened.health,
            boxes=boxes,
            observations=observations,
            layout_version=layout.version if layout else 0,
            timings_ms=opened.timings_ms,
        )

    def _observe(self, opened: _Opened, found: Boxes) -> list[Observation]:
        """One observation per enabled slot; all unknown when the picture cannot be believed."""
        layout = opened.job.layout
        slots = [slot for slot in layout.slots if slot.enabled] if layout else []
        if opened.health.status != "ok":
            return [Observation(slot_id=s.slot_id, state="unknown", confidence=0.0) for s in slots]
        outlines = [np.asarray(slot.polygon, np.float64) for slot in slots]
        scores = match_boxes(found.xyxy, found.scores, outlines).scores.tolist()
        seen = [self._state(s.slot_id, score) for s, score in zip(slots, scores, strict=True)]
        return without_hidden(seen, blank_shares(opened.look.grey, outlines).tolist())

    def _state(self, slot_id: str, score: float) -> Observation:
        occupied = self._facts.probability(score)
        if score >= self._facts.threshold:
            return Observation(slot_id=slot_id, state="occupied", confidence=_unit(occupied))
        return Observation(slot_id=slot_id, state="free", confidence=_unit(1 - occupied))


def without_hidden(seen: Sequence[Observation], blank: Sequence[float]) -> list[Observation]:
    """The observations, unknown where more than half of a slot's box shows nothing at all: behind
    a leaf or snow on the lens, in a lamp's glare, in the dark."""
    return [
        Observation(slot_id=one.slot_id, state="unknown", confidence=0.0)
        if share > HIDDEN_FROM
        else one
        for one, share in zip(seen, blank, strict=True)
    ]


def _unit(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


@contextmanager
def _timed(stage: str, timings_ms: dict[str, float]) -> Iterator[None]:
    start_s = time.perf_counter()
    yield
    spent_s = time.perf_counter() - start_s
    STAGE_SECONDS.labels(stage).observe(spent_s)
    timings_ms[stage] = round(spent_s * 1000, 2)
