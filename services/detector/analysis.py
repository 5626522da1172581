"""One picture after another: decode, judge its health, find vehicles, say of each slot what it is.

Blocks and is not safe for several threads: services/detector/adapters.py gives it one of its own.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from parking.errors import Invalid
from parking.events import Box, ImageHealth, LayoutPublished, Observation
from parking.gating import Limits
from parking.imagehealth import Look, Measured, Thresholds, assess, blank_shares, measured
from parking.inputsize import enabled, half_is_enough, input_size
from parking.jpeghead import header_size
from parking.metrics import CLOSER_LOOKS, FRAMES_REUSED, timed
from parking.ports import Boxes, Detector
from services.detector.ahead import Ahead
from services.detector.gate import Gated, Held, gated, view_of
from services.detector.judging import Judge, unit, without_hidden
from services.detector.model import Facts
from services.detector.picture import Picture, decode, small_grey
from services.detector.placing import Placing
from services.detector.slotnet import SlotNet


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to analyse. Without a camera nothing is remembered; without a layout no slots."""

    jpeg: bytes | None
    camera_id: str | None = None
    layout: LayoutPublished | None = None
    expected_wh: tuple[int, int] | None = None
    frame_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a picture says. `timings_ms`: decode, look, health, gate, inference, slots (with closer
    looks: `closer`), match. `reused_from`: the frame that was searched, whose boxes and
    observations these are: nothing has changed since."""

    width: int
    height: int
    health: ImageHealth
    boxes: list[Box]
    observations: list[Observation]
    layout_version: int
    timings_ms: dict[str, float]
    input_size_px: int = 0
    reused_from: str | None = None


Result = Finding | Invalid


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A picture as pixels, and what the small grey one of it shows: of the whole, and of each slot
    the share that shows nothing."""

    job: Job
    picture: Picture
    seen: Measured
    blank: list[float]
    size_wh: tuple[int, int]
    size_px: int
    timings_ms: dict[str, float]


@dataclass(slots=True)
class _Opened:
    """A picture that could be decoded, on its way. `picture` may be half of `size_wh`."""

    job: Job
    picture: Picture
    look: Look
    size_wh: tuple[int, int]
    size_px: int
    health: ImageHealth
    blank: list[float]
    gated: Gated | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """How pictures are analysed. `size_px`: long side of the input where a layout names none; 0: by
    need. `gate`: when the last result is repeated; None: every picture is searched. `closer`: a
    picture with a slot in doubt is searched again, larger."""

    size_px: int = 0
    batch: int = 1
    max_pixels: int = 2_000_000
    health: Thresholds = field(default_factory=Thresholds)
    gate: Limits | None = None
    closer: bool = True


class Analyser:
    """Runs the stages over a chunk of pictures at a time; `turned` is called after each one."""

    def __init__(
        self,
        detector: Detector,
        facts: Facts,
        options: Options,
        turned: Callable[[], None],
        slotnet: SlotNet | None = None,
    ) -> None:
        self.model_id = detector.model_id + (f"+{slotnet.identity}" if slotnet else "")
        self._detector = detector
        self._judge = Judge(facts, slotnet)
        self._facts = facts
        self._options = options
        self._turned = turned
        self._placing = Placing()
        self._ahead = Ahead()

    def each(
        self, jobs: Sequence[Job], looks: dict[str, Look], helds: dict[str, Held] | None = None
    ) -> Iterator[Result]:
        """One result a job, in order, each as soon as its chunk is done. A picture that cannot be
        used gives the Invalid and touches no other. `looks` and `helds` (by camera) are read and
        brought up to date; without `helds` every picture is searched."""
        decoded = self._ahead.each(self._decode, jobs)
        for start in range(0, len(jobs), self._options.batch):
            chunk = jobs[start : start + self._options.batch]
            opened = [self._open(next(decoded), looks, helds or {}) for _ in chunk]
            wanted = [o for o in opened if isinstance(o, _Opened) and _held(o) is None]
            found = iter(self._detect(wanted))
            for one in opened:
                result: Result
                if isinstance(one, Invalid):
                    result = one
                elif (held := _held(one)) is not None:
                    result = self._repeat(one, held, helds)
                else:
                    result = self._conclude(one, next(found), helds)
                self._turned()
                yield result

    def analyse(
        self, jobs: Sequence[Job], looks: dict[str, Look], helds: dict[str, Held] | None = None
    ) -> list[Result]:
        """All of `each`."""
        return list(self.each(jobs, looks, helds))

    def _decode(self, job: Job) -> "_Decoded | Invalid":
        """The picture, half of it where that is enough. Touches nothing: it runs ahead."""
        timings: dict[str, float] = {}
        try:
            with timed("decode", timings):
                size_wh = header_size(job.jpeg) if job.jpeg else (1, 1)  # decode refuses it
                size_px = self._size_px(job, size_wh)
                halve = half_is_enough(job.layout, size_wh, size_px)
                picture = decode(job.jpeg, self._options.max_pixels, job.expected_wh, halve=halve)
            with timed("look", timings):
                grey = small_grey(picture)
                outlines = [np.asarray(slot.polygon) for slot in enabled(job.layout)]
                seen, blank = measured(grey), blank_shares(grey, outlines).tolist()
            return _Decoded(job, picture, seen, blank, size_wh, size_px, timings)
        except Invalid as error:
            return error

    def _open(
        self, decoded: "_Decoded | Invalid", looks: dict[str, Look], helds: Mapping[str, Held]
    ) -> "_Opened | Invalid":
        if isinstance(decoded, Invalid):
            return decoded
        job, timings = decoded.job, decoded.timings_ms
        with timed("health", timings):
            earlier = looks.pop(job.camera_id, None) if job.camera_id else None
            health, look = assess(decoded.seen, earlier, self._options.health)
        if job.layout and job.layout.reference and health.status == "ok":
            with timed("place", timings):
                health, look = self._placing.judge(job.layout, decoded.size_wh[0], health, look)
        if job.camera_id:
            looks[job.camera_id] = look
        opened = _Opened(
            *(job, decoded.picture, look, decoded.size_wh, decoded.size_px),
            *(health, decoded.blank, None, timings),
        )
        opened.gated = self._gate(opened, decoded.seen.grey, helds)
        return opened

    def _gate(self, opened: _Opened, grey: Picture, helds: Mapping[str, Held]) -> Gated | None:
        """Whether the camera's last result holds for this picture; None where that is not asked."""
        job, limits = opened.job, self._options.gate
        if limits is None or not job.camera_id or not job.frame_id or job.layout is None:
            return None
        with timed("gate", opened.timings_ms):
            context = (
                job.layout.id,
                job.layout.time_ms,
                opened.health.status,
                opened.size_wh,
                opened.size_px,
            )
            slots = enabled(job.layout)
            view = view_of(grey, slots, context)
            return gated(view, helds.get(job.camera_id), limits)

    def _detect(self, opened: Sequence[_Opened]) -> list[Boxes]:
        """Pictures of one input size share a call; each is told its share of the time."""
        found: dict[int, Boxes] = {}
        by_size: dict[int, list[int]] = {}
        for index, one in enumerate(opened):
            by_size.setdefault(one.size_px, []).append(index)
        for size_px, indices in by_size.items():
            spent: dict[str, float] = {}
            with timed("inference", spent):
                boxes = self._detector.detect([opened[i].picture for i in indices], size_px)
            for index, one_found in zip(indices, boxes, strict=True):
                opened[index].timings_ms["inference"] = round(spent["inference"] / len(indices), 2)
                found[index] = one_found
        return [found[index] for index in range(len(opened))]

    def _size_px(self, job: Job, size_wh: tuple[int, int]) -> int:
        wanted = job.layout.input_size_px if job.layout else None
        return wanted or self._options.size_px or input_size(job.layout, size_wh).size_px

    def _conclude(
        self, opened: _Opened, found: Boxes, helds: MutableMapping[str, Held] | None
    ) -> Finding:
        observations = self._observe(opened, found)
        with timed("match", opened.timings_ms):
            shown = found.scores >= self._facts.threshold
            xyxy, scores = found.xyxy[shown].tolist(), found.scores[shown].tolist()
            boxes = [
                Box(
                    xyxy=(unit(x0), unit(y0), unit(x1), unit(y1)),
                    confidence=unit(score),
                    label=self._facts.label,
                )
                for (x0, y0, x1, y1), score in zip(xyxy, scores, strict=True)
            ]
        job = opened.job
        if opened.gated and helds is not None and job.camera_id and job.frame_id:
            helds[job.camera_id] = opened.gated.searched(
                job.frame_id, (boxes, observations), helds.get(job.camera_id)
            )
        return _finding(opened, boxes, observations)

    def _repeat(self, opened: _Opened, held: Held, helds: dict[str, Held] | None) -> Finding:
        """The finding of the frame that was searched last, for a picture like it."""
        FRAMES_REUSED.inc()
        if helds is not None and opened.job.camera_id:
            now = helds.get(opened.job.camera_id)
            if now and now.frame_id == held.frame_id:  # else one of the chunk was searched since
                helds[opened.job.camera_id] = now.again()
        return _finding(opened, held.boxes, held.observations, held.frame_id)

    def _observe(self, opened: _Opened, found: Boxes) -> list[Observation]:
        """One observation per enabled slot; all unknown when the picture cannot be believed."""
        slots = enabled(opened.job.layout)
        if opened.health.status != "ok":
            return [Observation(slot_id=s.slot_id, state="unknown", confidence=0.0) for s in slots]
        with timed("slots", opened.timings_ms):
            closer = partial(self._search, opened, found) if self._options.closer else None
            seen = self._judge.observe(opened.picture, found, slots, closer)
        return without_hidden(seen, opened.blank)

    def _search(self, opened: _Opened, found: Boxes, size_px: int) -> Boxes:
        """Once more at that input; `found` is what the first look found."""
        if size_px == opened.size_px:
            return found
        CLOSER_LOOKS.inc()
        job = opened.job
        with timed("closer", opened.timings_ms):
            if max(opened.picture.shape) < min(size_px, max(opened.size_wh)):  # half of it
                with suppress(Invalid):  # half was taken: what refuses the whole changes nothing
                    opened.picture = decode(job.jpeg, self._options.max_pixels, job.expected_wh)
            return self._detector.detect([opened.picture], size_px)[0]


def _held(opened: _Opened) -> Held | None:
    return opened.gated.held if opened.gated else None


def _finding(
    opened: _Opened, boxes: list[Box], observations: list[Observation], source: str | None = None
) -> Finding:
    layout = opened.job.layout
    return Finding(
        width=opened.size_wh[0],
        height=opened.size_wh[1],
        health=opened.health,
        boxes=boxes,
        observations=observations,
        layout_version=layout.version if layout else 0,
        timings_ms=opened.timings_ms,
        input_size_px=opened.size_px,
        reused_from=source,
    )
