"""Heartbeats as records. Ingest writes them, and the detector and the tracker pass them on.

    ingest -> parking.frames -> detector -> parking.detections -> tracker -> parking.camera-status

A heartbeat stays in its partition number, so it waits in the same queues as the pictures there. It
ends up in a compacted topic, which keeps one per partition. Readers that do not know its type
ignore it (docs/decisions/0027).
"""

from typing import Final

from msgspec.structs import replace

from parking.core.errors import Invalid
from parking.core.events import HeartbeatPassed
from parking.core.topics import CAMERA_STATUS, DETECTIONS, FRAMES
from parking.wire import codec
from parking.wire.ports import Outgoing, Record

KEY: Final = b"/heartbeat"
"""No camera or site has such an id."""
_TYPE: Final = HeartbeatPassed.TYPE.encode()


def new_heartbeats(partitions: int, now_ms: int) -> list[Outgoing]:
    """Ingest's heartbeats, one for each of the first `partitions` partitions of parking.frames."""
    return [
        _outgoing(
            HeartbeatPassed(
                id=f"heartbeat/{number}/{now_ms}", time_ms=now_ms, partitions=partitions
            ),
            *(FRAMES, number, "ingest"),
        )
        for number in range(partitions)
    ]


def is_heartbeat(record: Record) -> bool:
    """Whether the record is marked as a heartbeat. Every record of a topic passes here, so most are
    told apart by their key alone."""
    return record.key == KEY and codec.header(record, "ce_type") == _TYPE


def read(record: Record) -> HeartbeatPassed | None:
    """The heartbeat in a record, or None for any other or damaged record."""
    if not is_heartbeat(record):
        return None
    try:
        event = codec.decode(record)
    except Invalid:
        return None
    return event if isinstance(event, HeartbeatPassed) else None


def from_detector(record: Record, now_ms: int) -> list[Outgoing]:
    """What the detector passes on from a record of parking.frames: [] if it is not a heartbeat."""
    event = read(record)
    if event is None:
        return []
    passed = replace(event, detector_at_ms=now_ms)
    return [_outgoing(passed, DETECTIONS, record.partition, "detector")]


def from_tracker(record: Record, now_ms: int) -> list[Outgoing]:
    """What the tracker passes on from a record of parking.detections: [] if it is not a
    heartbeat."""
    event = read(record)
    if event is None:
        return []
    passed = replace(event, tracker_at_ms=now_ms)
    return [_outgoing(passed, CAMERA_STATUS, record.partition, "tracker")]


def _outgoing(event: HeartbeatPassed, topic: str, partition: int, source: str) -> Outgoing:
    headers = codec.cloud_headers(event, source)
    return Outgoing(topic, KEY, codec.to_json(event), headers, partition)
