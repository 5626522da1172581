"""The detector's decisions: which frames to analyse, and what to write about them."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from parking.core.errors import Invalid, Newer
from parking.core.events import DetectionMade, FrameReceived, FrameRef
from parking.core.topics import DETECTIONS, FRAMES, LAYOUTS, LOOKS
from parking.runtime.metrics import DEAD_LETTERS, FRAMES_ANALYSED, FRAMES_SKIPPED, RECORDS_IGNORED
from parking.vision.imagehealth import Look
from parking.wire import codec
from parking.wire.deadletters import was_replayed
from parking.wire.heartbeats import from_detector, is_heartbeat
from parking.wire.ports import Clock, Outgoing, Record
from services.detector.analysis import Finding, Job, Result
from services.detector.gate import LastView
from services.detector.layouts import Layouts
from services.detector.learning import Days
from services.detector.recent import LastViews, Latest, Looks, Shown

log = logging.getLogger(__name__)

SERVICE: Final = "detector"

Analyse = Callable[[Sequence[Job], dict[str, Look], dict[str, LastView]], AsyncGenerator[Result]]
Tell = Callable[[list[Outgoing]], Awaitable[None]]

# A write takes about as long as recognising an unchanged picture, so unchanged pictures share a
# write.
TELL_EVERY_MS: Final = 100


@dataclass(slots=True)
class Tools:
    """The handlers' dependencies. `analyse` yields one result per job, in order, as each is done.
    With `skip`, only a camera's newest frame is analysed when the detector is behind. `order` is
    the sort key for a camera's turn in a batch."""

    analyse: Analyse
    model_id: str
    layouts: Layouts
    looks: Looks
    latest: Latest
    clock: Clock
    skip: bool = True
    order: Callable[[str], float] = field(default=lambda _: 0.0)
    last_views: LastViews = field(default_factory=LastViews)
    days: Days = field(default_factory=Days)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame with its parsed metadata."""

    record: Record
    meta: FrameReceived


def accept(record: Record) -> Frame:
    """Read a frame's metadata. Raises Invalid."""
    meta = codec.decode(record)
    if not isinstance(meta, FrameReceived):
        raise Invalid("wrong-type", f"{meta.TYPE} in {record.topic}")
    if (record.key or b"") != meta.camera_id.encode():
        raise Invalid(
            "wrong-key",
            f"key {record.key!r} does not match the frame's camera {meta.camera_id}"[:400],
        )
    if meta.camera_id.split("/")[0] != meta.site_id:
        raise Invalid(
            "wrong-site", f"camera {meta.camera_id} does not belong to site {meta.site_id}"
        )
    if not record.value:
        raise Invalid("empty", "a frame without a picture")
    return Frame(record, meta)


def choose(frames: Sequence[Frame], skip: bool) -> list[list[Frame]]:
    """Group frames so that one per group is analysed, the best candidate last. With `skip` there is
    one group per camera, oldest first; otherwise one per frame. Groups keep the log's order. A
    frame replayed from the dead letters is older than its place in the log suggests. It neither
    replaces a newer frame nor is skipped; it gets its own group, after all others."""
    if not skip:
        return [[frame] for frame in frames]
    again: list[list[Frame]] = []
    cameras: dict[str, list[Frame]] = {}
    for frame in frames:
        if was_replayed(frame.record):
            again.append([frame])
        else:
            cameras.setdefault(frame.meta.camera_id, []).append(frame)
    groups = [sorted(group, key=lambda frame: frame.record.offset) for group in cameras.values()]
    return [*groups, *again]


async def handle_frames(
    records: Sequence[Record], tools: Tools, tell: Tell | None = None
) -> list[Outgoing]:
    """Return detections of the chosen frames, and a dead letter for each frame that no retry can
    fix. If a camera's newest frame cannot be decoded, the previous one is used instead. `tell`
    publishes results and returns once they are durable; with `tell`, results are published as they
    become ready, so that the first does not wait for the whole batch, and only the rest is
    returned. If the batch is delivered again, they are published again. Heartbeats are passed on
    after all frames."""
    looks, last_views = tools.looks.before(records), tools.last_views.before(records)
    now_ms = written_ms = tools.clock.now_ms()
    frames, written = _accepted(records, tools.clock)
    groups = choose(frames, tools.skip)
    if tools.skip:
        groups.sort(key=lambda group: tools.order(group[-1].meta.camera_id))
    while groups:
        chosen = [(group.pop(), group) for group in groups]
        jobs = [_job(frame, tools) for frame, _ in chosen]
        groups = []
        async with aclosing(tools.analyse(jobs, looks, last_views)) as results:
            for frame, older in chosen:
                result = await anext(results)
                if isinstance(result, Invalid):
                    written.append(_set_aside(frame.record, result, tools.clock))
                    groups += [older] if older else []
                else:
                    written.append(_outgoing(frame, older, result, tools, now_ms))
                    written += _learnt(result, tools)
                if tell and tools.clock.now_ms() - written_ms >= TELL_EVERY_MS:
                    await tell(written)
                    written, written_ms = [], tools.clock.now_ms()
    passed_ms = tools.clock.now_ms()
    return written + [one for record in records for one in from_detector(record, passed_ms)]


async def handle_layouts(records: Sequence[Record], tools: Tools) -> list[Outgoing]:
    """Apply layouts, and dead-letter unusable ones."""
    return [
        _set_aside(record, error, tools.clock) for record, error in tools.layouts.apply_all(records)
    ]


def _accepted(records: Sequence[Record], clock: Clock) -> tuple[list[Frame], list[Outgoing]]:
    """Return the frames, and a dead letter for each record that is neither a frame nor a
    heartbeat."""
    frames, letters = [], []
    for record in records:
        if is_heartbeat(record):
            continue
        try:
            frames.append(accept(record))
        except Newer:
            RECORDS_IGNORED.labels("newer").inc()
        except Invalid as error:
            letters.append(_set_aside(record, error, clock))
    return frames, letters


async def handle_looks(records: Sequence[Record], tools: Tools) -> list[Outgoing]:
    """Apply what detectors have learnt of cameras' usual looks; unusable ones are dead-lettered."""
    return [
        _set_aside(record, error, tools.clock) for record, error in tools.days.apply_all(records)
    ]


def _learnt(finding: Finding, tools: Tools) -> list[Outgoing]:
    """For parking.looks, where there is something new. What decides about health is logged."""
    day = finding.learnt
    if day is None:
        return []
    before = tools.days.of(day.camera_id)
    if day.usual is not None and (before is None or before.usual is None):
        log.info("%s: its usual look is learnt: %s", day.camera_id, day.usual)
    if day.refused and (before is None or before.began_ms != day.began_ms):
        log.warning("%s: its first day is not its usual look: %s", day.camera_id, day.refused)
    tools.days.put(day)
    return [codec.outgoing(day, LOOKS, day.camera_id, SERVICE)]


def _job(frame: Frame, tools: Tools) -> Job:
    meta = frame.meta
    return Job(
        jpeg=frame.record.value,
        camera_id=meta.camera_id,
        layout=tools.layouts.of(meta.camera_id),
        expected_wh=(meta.width, meta.height),
        frame_id=meta.id,
        time_ms=meta.time_ms,
        still=meta.via == "api",
        day=tools.days.of(meta.camera_id),
    )


def _outgoing(
    frame: Frame, skipped: Sequence[Frame], finding: Finding, tools: Tools, now_ms: int
) -> Outgoing:
    record, meta = frame.record, frame.meta
    FRAMES_ANALYSED.labels(finding.health.status).inc()
    FRAMES_SKIPPED.inc(len(skipped))
    event = DetectionMade(
        id=meta.id,
        site_id=meta.site_id,
        time_ms=meta.time_ms,
        camera_id=meta.camera_id,
        frame_ref=FrameRef(
            topic=record.topic, frame_id=meta.id, partition=record.partition, offset=record.offset
        ),
        width=finding.width,
        height=finding.height,
        layout_version=finding.layout_version,
        model_id=tools.model_id,
        health=finding.health,
        boxes=finding.boxes,
        observations=finding.observations,
        # `queue` is the time in Kafka, from the append by the broker's clock to the start of the
        # batch by ours.
        timings_ms={"queue": float(max(0, now_ms - record.timestamp_ms)), **finding.timings_ms},
        skipped_frame_ids=[frame.meta.id for frame in skipped],
        skipped_times_ms=[frame.meta.time_ms for frame in skipped],
        input_size_px=finding.input_size_px or None,
        reused_from=finding.reused_from,
        effort=finding.effort,
    )
    tools.latest.keep(Shown(record.value or b"", event, tools.layouts.of(meta.camera_id)))
    return codec.outgoing(event, DETECTIONS, meta.site_id, SERVICE)


def _set_aside(record: Record, error: Invalid, clock: Clock) -> Outgoing:
    DEAD_LETTERS.labels(SERVICE, error.reason).inc()
    return codec.dead_letter(record, error, SERVICE, clock.now_ms())


HANDLERS: Final = {FRAMES: handle_frames, LAYOUTS: handle_layouts, LOOKS: handle_looks}
