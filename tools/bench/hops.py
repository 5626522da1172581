"""Show where the time goes between a frame's publication over MQTT and its change on SSE.

The timestamps of the frame's records in Kafka divide the way into hops, and the detection says how
long each stage of the detector took.
"""

import statistics
from collections.abc import Mapping, Sequence

from parking.core.events import DetectionMade, FrameReceived, SlotChanged
from parking.core.topics import DETECTIONS, FRAMES, SLOT_CHANGES
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer, read_to_end
from parking.wire import codec
from parking.wire.ports import Record

HOPS = (
    "camera to `parking.frames`",
    "detector, from `parking.frames` to `parking.detections`",
    "tracker, from `parking.detections` to `parking.slot-changes`",
    "`parking.slot-changes` to SSE",
)


async def measured(kafka: KafkaSettings, spans: Mapping[str, tuple[float, float]]) -> str:
    """Return a table of the median of each hop in milliseconds. `spans` has each frame's
    publication and the arrival of its change, in Unix milliseconds, keyed by the frame's id."""
    consumer = new_consumer(kafka)
    await consumer.start()
    try:
        places = await assign_all(consumer, FRAMES, DETECTIONS, SLOT_CHANGES)
        await consumer.seek_to_beginning(*places)
        records = await read_to_end(consumer, places)
    finally:
        await consumer.stop()
    return table(records, spans)


def table(records: Sequence[Record], spans: Mapping[str, tuple[float, float]]) -> str:
    """Return the table for frames that are in all three topics."""
    written: dict[str, dict[str, int]] = {topic: {} for topic in (FRAMES, DETECTIONS, SLOT_CHANGES)}
    stages: dict[str, Mapping[str, float]] = {}
    for record in records:
        event = codec.decode(record)
        frame_id = _frame_of(event)
        written[record.topic].setdefault(frame_id, record.timestamp_ms)
        if isinstance(event, DetectionMade):
            stages[frame_id] = event.timings_ms
    whole = [frame_id for frame_id in spans if all(frame_id in ids for ids in written.values())]
    lines = ["| part of the way | p50 ms |", "|---|---|"]
    for number, hop in enumerate(HOPS):
        times = [_moments(spans[i], [written[topic][i] for topic in written]) for i in whole]
        lines.append(f"| {hop} | {_median([t[number + 1] - t[number] for t in times])} |")
    for stage in sorted({stage for frame_id in whole for stage in stages[frame_id]}):
        spent = [stages[i][stage] for i in whole if stage in stages[i]]
        share = f"{len(spent)} of {len(whole)} frames"
        lines.append(f"| detector: {stage} ({share}) | {_median(spent)} |")
    return "\n".join(lines)


def _frame_of(event: object) -> str:
    """The id of the frame that an event belongs to; empty if it belongs to none."""
    match event:
        case FrameReceived():
            return event.id
        case DetectionMade():
            return event.frame_ref.frame_id
        case SlotChanged():
            return event.cause.id
    return ""


def _moments(span: tuple[float, float], written: Sequence[float]) -> list[float]:
    return [span[0], *written, span[1]]


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f}" if values else "-"
