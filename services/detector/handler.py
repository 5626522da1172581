"""The detector's decisions: which frames to analyse, and what to write about them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from parking import codec
from parking.deadletters import was_replayed
from parking.errors import Invalid, Newer
from parking.events import DetectionMade, FrameReceived, FrameRef
from parking.imagehealth import Look
from parking.metrics import DEAD_LETTERS, FRAMES_ANALYSED, FRAMES_SKIPPED, RECORDS_IGNORED
from parking.ports import Clock, Outgoing, Record
from parking.topics import DETECTIONS, FRAMES, LAYOUTS
from services.detector.analysis import Finding, Job, Result
from services.detector.gate import Held
from services.detector.layouts import Layouts
from services.detector.recent import Helds, Latest, Looks, Shown

SERVICE: Final = "detector"

Analyse = Callable[[Sequence[Job], dict[str, Look], dict[str, Held]], AsyncGenerator[Result]]
Tell = Callable[[list[Outgoing]], Awaitable[None]]

# A write takes about as long as it takes to know a picture again; those that are known share one.
TELL_EVERY_MS: Final = 100


@dataclass(slots=True)
class Tools:
    """What the handlers work with. `analyse`: one result a job, in order, as they are done; `skip`:
    when behind, only a camera's newest frame; `order`: sort key of a camera's turn in a batch."""

    analyse: Analyse
    model_id: str
    layouts: Layouts
    looks: Looks
    latest: Latest
    clock: Clock
    skip: bool = True
    order: Callable[[str], float] = field(default=lambda _: 0.0)
    helds: Helds = field(default_factory=Helds)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose metadata could be read."""

    record: Record
    meta: FrameReceived


def accept(record: Record) -> Frame:
    """Read a frame's metadata. Raises Invalid."""
    meta = codec.decode(record)
    if not isinstance(meta, FrameReceived):
        raise Invalid("wrong-type", f"{meta.TYPE} in {record.topic}")
    if (record.key or b"") != meta.camera_id.encode():
        raise Invalid("wrong-key", f"key {record.key!r} with a frame of {meta.camera_id}"[:400])
    if meta.camera_id.split("/")[0] != meta.site_id:
        raise Invalid("wrong-site", f"camera {meta.camera_id} is not of site {meta.site_id}")
    if not record.value:
        raise Invalid("empty", "a frame without a picture")
    return Frame(record, meta)


def choose(frames: Sequence[Frame], skip: bool) -> list[list[Frame]]:
    """Groups of which one frame is to be analysed, the best candidate last: with `skip` one group a
    camera, oldest first; otherwise each frame alone. Groups keep the log's order. A frame sent
    again from the dead letters is older than its place in the log says. It takes no newer frame's
    place and is not passed over: it is a group of its own, behind all others."""
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
    """Detections of the chosen frames, and a dead letter for each that no retry can mend. A camera
    whose newest frame cannot be decoded is told by the one before it. With `tell`, which returns
    once they are durable, they are told as they are made, lest the first wait for the last of a
    long batch; what is left is returned. The batch may come again: then they are told again."""
    looks, helds = tools.looks.before(records), tools.helds.before(records)
    now_ms = told_ms = tools.clock.now_ms()
    written: list[Outgoing] = []
    frames = []
    for record in records:
        try:
            frames.append(accept(record))
        except Newer:
            RECORDS_IGNORED.labels("newer").inc()
        except Invalid as error:
            written.append(_set_aside(record, error, tools.clock))
    groups = choose(frames, tools.skip)
    if tools.skip:
        groups.sort(key=lambda group: tools.order(group[-1].meta.camera_id))
    while groups:
        chosen = [(group.pop(), group) for group in groups]
        jobs = [_job(frame, tools.layouts) for frame, _ in chosen]
        groups = []
        async with aclosing(tools.analyse(jobs, looks, helds)) as results:
            for frame, older in chosen:
                result = await anext(results)
                if isinstance(result, Invalid):
                    written.append(_set_aside(frame.record, result, tools.clock))
                    groups += [older] if older else []
                else:
                    written.append(_told(frame, older, result, tools, now_ms))
                if tell and tools.clock.now_ms() - told_ms >= TELL_EVERY_MS:
                    await tell(written)
                    written, told_ms = [], tools.clock.now_ms()
    return written


async def handle_layouts(records: Sequence[Record], tools: Tools) -> list[Outgoing]:
    """Take layouts in; what cannot be used is set aside."""
    return [
        _set_aside(record, error, tools.clock) for record, error in tools.layouts.apply_all(records)
    ]


def _job(frame: Frame, layouts: Layouts) -> Job:
    meta = frame.meta
    return Job(
        jpeg=frame.record.value,
        camera_id=meta.camera_id,
        layout=layouts.of(meta.camera_id),
        expected_wh=(meta.width, meta.height),
        frame_id=meta.id,
        time_ms=meta.time_ms,
    )


def _told(
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
        # `queue`: in Kafka, from the broker's clock at the append to ours at the batch's start.
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


HANDLERS: Final = {FRAMES: handle_frames, LAYOUTS: handle_layouts}
