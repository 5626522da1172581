"""Analyse pictures one by one: decode, judge health, find the slots that changed, and judge those.

The code blocks and is not thread-safe, so services/detector/adapters.py runs it on a thread of its
own.
"""

import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from parking.core.errors import Invalid
from parking.core.events import Box, Effort, ImageHealth, LookLearned, Observation
from parking.runtime.metrics import FRAMES_REUSED, LOAD_LEVEL, SLOTS_DEFERRED, SLOTS_JUDGED, timed
from parking.vision.alignment import anchor_of
from parking.vision.gating import Limits, remember
from parking.vision.imagehealth import Look, Thresholds, blank_shares
from services.detector.ahead import Ahead
from services.detector.astride import with_partners
from services.detector.gate import LastView
from services.detector.judging import How, Judge, Judgement, Shot
from services.detector.load import CLOSER, REFRESH, SIZE, SMALLER, Load
from services.detector.observing import without_blurred, without_hidden
from services.detector.opening import Job as Job
from services.detector.opening import Opened, Opener, Watched

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one picture. `timings_ms` has the keys decode, look, health, gate, place,
    slots, inference, closer and match. `reused_from` is the frame judged last; its boxes and
    observations are repeated because nothing has changed since. `learnt` is what to store about
    the camera's usual look."""

    width: int
    height: int
    health: ImageHealth
    boxes: list[Box]
    observations: list[Observation]
    layout_version: int
    timings_ms: dict[str, float]
    input_size_px: int = 0
    reused_from: str | None = None
    effort: Effort = field(default_factory=Effort)
    learnt: LookLearned | None = None


Result = Finding | Invalid


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of an analysis besides the models. `size_px` is the model's input size where the
    layout sets none; 0 chooses it as needed. Without a `gate`, every slot of every picture is
    judged. With `closer`, slots in doubt are searched again at a larger scale."""

    size_px: int = 0
    max_pixels: int = 2_000_000
    health: Thresholds = field(default_factory=Thresholds)
    gate: Limits | None = None
    closer: bool = True


class Analyser:
    """Turns pictures into findings. `turned` is called after each picture. Without `load` nothing
    is ever left out."""

    def __init__(
        self,
        judge: Judge,
        options: Options,
        turned: Callable[[], None],
        load: Load | None = None,
    ) -> None:
        self.model_id = judge.model_id
        self._judge = judge
        self._options = options
        self._turned = turned
        self._load = load or Load(budget=float("inf"))
        self._opener = Opener(options.size_px, options.max_pixels, options.health)
        self._ahead = Ahead()

    @property
    def overloaded(self) -> bool:
        """Whether something is left out now because the machine is busy."""
        return self._load.overloaded

    def order(self, camera_id: str) -> float:
        """Sort key: cameras with a waiting change come first."""
        return self._load.order(camera_id)

    def each(
        self,
        jobs: Sequence[Job],
        looks: dict[str, Look],
        last_views: dict[str, LastView] | None = None,
    ) -> Iterator[Result]:
        """Yield one result per job, in order, each as soon as it is done. An unusable picture
        yields its Invalid and affects no other picture. `looks` and `last_views` (by camera) are
        read and updated; without `last_views` every slot is judged."""
        decoded = self._ahead.each(self._opener.decode, jobs)
        for _ in jobs:
            start_s = time.perf_counter()
            one = next(decoded)
            if isinstance(one, Invalid):
                result: Result = one
            else:
                limits = self._options.gate if last_views is not None else None
                busy = self._load.level >= REFRESH
                opened = self._opener.open(one, looks, last_views or {}, limits, busy=busy)
                result = self._conclude(opened, last_views)
            self._turned()
            judged = isinstance(result, Finding) and _was_judged(result.effort)
            self._load.add_work(time.perf_counter() - start_s, judged=judged)
            LOAD_LEVEL.set(self._load.level)
            yield result

    def analyse(
        self,
        jobs: Sequence[Job],
        looks: dict[str, Look],
        last_views: dict[str, LastView] | None = None,
    ) -> list[Result]:
        """Return all results of `each`."""
        return list(self.each(jobs, looks, last_views))

    def _conclude(self, opened: Opened, last_views: MutableMapping[str, LastView] | None) -> Result:
        try:
            return self._find(opened, last_views)
        except Invalid as error:  # colours show damage that grey does not
            return error

    def _find(self, opened: Opened, last_views: MutableMapping[str, LastView] | None) -> Finding:
        slots = opened.decoded.ground.slots
        if opened.health.status != "ok":
            blind = [Observation(slot_id=s.slot_id, state="unknown", confidence=0.0) for s in slots]
            return self._finding(opened, (), blind, Effort(load_level=self._load.level))
        if opened.watched is None or last_views is None:
            every = np.ones(len(slots), np.bool_)
            judged = self._judge_slots(opened, None, every, ~every)
            boxes, seen = self._judge.boxes(judged), self._observe(opened, judged)
            return self._finding(opened, boxes, seen, self._effort(judged, len(slots)))
        return self._follow(opened, opened.watched, last_views)

    def _follow(
        self, opened: Opened, watched: Watched, last_views: MutableMapping[str, LastView]
    ) -> Finding:
        """Judge the slots that changed; keep the known result for the rest."""
        camera_id, due = opened.decoded.job.camera_id or "", watched.due
        wanted = due.urgent | (due.refresh & (self._load.level < REFRESH))
        if wanted.any() and not self._load.may_judge(camera_id):
            if due.urgent.any():
                self._load.defer(camera_id)
            return self._repeat(opened, watched, last_views, due.urgent)
        self._load.settle(camera_id)
        if not wanted.any():
            return self._repeat(opened, watched, last_views, wanted)
        count = len(opened.decoded.ground.slots)
        if not count:
            wanted = np.ones_like(wanted)  # the picture is searched as a whole
        elif watched.last:
            wanted = with_partners(wanted, watched.last.known.pairs)
        judged = self._judge_slots(opened, watched.last, wanted[:count], due.confirm[:count])
        wanted = wanted | judged.renewed if count else wanted
        chosen = wanted[:count]
        last = self._hold(opened, watched, wanted, judged)
        last_views[camera_id] = last
        seen = [
            replace(one, since_ms=None) if now else one
            for one, now in zip(last.observations, chosen, strict=True)
        ]
        SLOTS_JUDGED.inc(int(chosen.sum()))
        return self._finding(opened, last.boxes, seen, self._effort(judged, int(chosen.sum())))

    def _repeat(
        self,
        opened: Opened,
        watched: Watched,
        last_views: MutableMapping[str, LastView],
        waiting: Flags,
    ) -> Finding:
        """Return the known result for a picture on which nothing is judged, without the slots in
        `waiting`."""
        deferred = int(waiting.sum())
        SLOTS_DEFERRED.inc(deferred)
        effort, last = Effort(load_level=self._load.level, deferred=deferred), watched.last
        if last is None:
            return self._finding(opened, (), (), effort)
        last_views[opened.decoded.job.camera_id or ""] = last.again()
        seen = [one for one, waits in zip(last.observations, waiting, strict=False) if not waits]
        if deferred:
            return self._finding(opened, last.boxes, seen, effort)
        FRAMES_REUSED.inc()
        return self._finding(opened, last.boxes, seen, effort, last.frame_id)

    def _judge_slots(
        self, opened: Opened, last: LastView | None, chosen: Flags, confirm: Flags
    ) -> Judgement:
        level, decoded = self._load.level, opened.decoded
        how = How(
            closer=self._options.closer and level < CLOSER,
            scale=SMALLER if level >= SIZE else 1.0,
        )
        shot = Shot(self._opener.colours(decoded), decoded.ground, how, decoded.timings_ms)
        return self._judge.judge(shot, chosen, confirm, last.known if last else None)

    def _observe(self, opened: Opened, judged: Judgement) -> list[Observation]:
        """Observe the slots that are judged again."""
        ground = opened.decoded.ground
        with timed("match", opened.decoded.timings_ms):
            outlines = [ground.outlines[i] for i in np.flatnonzero(judged.renewed)]
            blank = blank_shares(opened.decoded.seen.grey, outlines).tolist()
            return without_hidden(self._judge.observations(ground, judged), blank)

    def _hold(self, opened: Opened, watched: Watched, wanted: Flags, judged: Judgement) -> LastView:
        """Return what to remember after the slots in `wanted` were judged."""
        job, last, seen = opened.decoded.job, watched.last, iter(self._observe(opened, judged))
        before = last.observations if last else ()
        observations = tuple(
            replace(next(seen) if renewed else before[index], since_ms=job.time_ms)
            if chosen
            else before[index]
            for index, (renewed, chosen) in enumerate(zip(judged.renewed, wanted, strict=False))
        )
        states = [str(one.state) for one in observations] or ["seen"] * len(wanted)
        return LastView(
            remember(watched.view, last.memory if last else None, wanted, states),
            judged.known,
            observations,
            tuple(self._judge.boxes(judged)),
            job.frame_id or "",
            last.anchor if last else anchor_of(opened.decoded.seen.grey),
            last.anchored if last else 0,
        )

    def _effort(self, judged: Judgement, slots: int) -> Effort:
        return Effort(
            load_level=self._load.level,
            judged=slots,
            searched=judged.searched,
            closer=judged.closer,
        )

    def _finding(
        self,
        opened: Opened,
        boxes: Sequence[Box],
        seen: Sequence[Observation],
        effort: Effort,
        source: str | None = None,
    ) -> Finding:
        decoded = opened.decoded
        layout = decoded.job.layout
        return Finding(
            width=decoded.ground.size_wh[0],
            height=decoded.ground.size_wh[1],
            health=opened.health,
            boxes=list(boxes),
            observations=without_blurred(seen, opened.unseen),
            layout_version=layout.version if layout else 0,
            timings_ms=decoded.timings_ms,
            input_size_px=decoded.ground.size_px,
            reused_from=source,
            effort=effort,
            learnt=opened.learnt,
        )


def _was_judged(effort: Effort) -> bool:
    return effort.judged > 0 or effort.searched != "nothing"
