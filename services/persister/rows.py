"""Turn events into rows. Pure: an event, its record and its log go in, rows come out.

A row's kind names the statement that writes it (statements.py); its keys are columns.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from parking.core.events import (
    CameraStatusChanged,
    DetectionMade,
    DeviceReported,
    Event,
    FrameReceived,
    GateEventReceived,
    LayoutPublished,
    Observation,
    PlateSealed,
    SessionChanged,
    SlotChanged,
)
from parking.core.topics import LIVE
from parking.wire.ports import Record
from services.persister.captures import RESULT

Rows = list[tuple[str, dict[str, Any]]]
"""(kind, row), in order."""

Mapper = Callable[[Any, Record, str], Rows]

"""Turns an event, its record and its log into rows."""


def frame_rows(event: FrameReceived, record: Record, log_id: str) -> Rows:
    """The frame's part of its captures row."""
    del log_id
    row = fields(
        event,
        "site_id",
        "camera_id",
        "time_ms",
        "received_at_ms",
        "captured_at_ms",
        "recorded_at_ms",
        "time_source",
    ) | fields(event, "via", "width", "height", "size_bytes", "sha256")
    row |= {"frame_id": event.id}
    row |= {"kafka_partition": record.partition, "kafka_offset": record.offset}
    return [camera_row(event.camera_id, event.site_id), ("frames", row)]


def detection_rows(event: DetectionMade, record: Record, log_id: str) -> Rows:
    """The detection's part of its frame's captures row, and a row for each skipped frame."""
    del record, log_id
    common = fields(event, "site_id", "camera_id")
    analysed = {"frame_id": event.frame_ref.frame_id, "time_ms": event.time_ms}
    rows: Rows = [
        camera_row(event.camera_id, event.site_id),
        ("detections", common | analysed | {"status": "analysed"} | result(event)),
    ]
    times: list[int | None] = list(event.skipped_times_ms)
    if len(times) != len(event.skipped_frame_ids):  # detectors before 0.2 do not report them
        times = [None] * len(event.skipped_frame_ids)
    for frame_id, time_ms in zip(event.skipped_frame_ids, times, strict=True):
        skipped = {"frame_id": frame_id, "skipped_for": event.frame_ref.frame_id}
        rows.append(("skips", common | skipped | {"status": "skipped", "time_ms": time_ms}))
    return rows


def result(event: DetectionMade) -> dict[str, Any]:
    """A detection's result. One that repeats an earlier frame's result only names that frame. This
    is so for nineteen in twenty, and a row without boxes and observations takes a tenth of the
    space."""
    if event.reused_from is not None:
        return dict.fromkeys(RESULT) | {"reused_from": event.reused_from}
    columns = fields(
        event,
        "layout_version",
        "model_id",
        "health",
        "boxes",
        "timings_ms",
        "reused_from",
    )
    seen = [_observed(one) for one in event.observations]
    return columns | {"observations": seen, "box_count": len(event.boxes)}


def _observed(seen: Observation) -> dict[str, Any]:
    """An observation as stored, without an empty `straddling`, so that rows stay small."""
    row: dict[str, Any] = msgspec.to_builtins(seen)
    if not seen.straddling:
        del row["straddling"]
    return row


def gate_rows(event: GateEventReceived, record: Record, log_id: str) -> Rows:
    """Return the rows of one gate event."""
    del record, log_id
    row = fields(
        event,
        "id",
        "site_id",
        "device_id",
        "gate_id",
        "direction",
        "time_ms",
        "time_source",
        "time_reason",
    )
    return [("gate_events", row | fields(event, "via", "boot_id", "seq", "plate_hash"))]


def plate_rows(event: PlateSealed, record: Record, log_id: str) -> Rows:
    """The plate of one gate event, as it was sealed."""
    del record, log_id
    return [("plates", fields(event, "id", "site_id", "gate_id", "direction", "time_ms", "sealed"))]


def device_rows(event: DeviceReported, record: Record, log_id: str) -> Rows:
    """Return the rows of one device report."""
    del record, log_id
    row = fields(
        event,
        "id",
        "site_id",
        "device_id",
        "time_ms",
        "kind",
        "boot_id",
        "connection",
        "telemetry",
        "reason",
    )
    known = {"device_id": event.device_id, "site_id": event.site_id}
    return [("devices", known), ("device_events", row)]


def layout_rows(event: LayoutPublished, record: Record, log_id: str) -> Rows:
    """One version of a camera's layout. The store updates cameras, zones and slots to match."""
    del record
    row = fields(event, "camera_id", "version", "site_id", "time_ms") | {
        "log_id": log_id,
        "body": event,
    }
    return [("layouts", row)]


def change_rows(event: SlotChanged, record: Record, log_id: str) -> Rows:
    """One slot change, without its evidence yet, and in the live run also the slot's state."""
    del record
    row = fields(
        event,
        "id",
        "run",
        "site_id",
        "slot_id",
        "zone_id",
        "time_ms",
        "from_state",
        "to_state",
        "version",
    )
    row |= fields(event, "dwell_ms", "confidence", "reason", "camera_id")
    row |= {"cause_kind": event.cause.kind, "cause_id": event.cause.id}
    ref = event.frame_ref
    row |= {
        "frame_id": ref and ref.frame_id,
        "kafka_partition": ref and ref.partition,
        "kafka_offset": ref and ref.offset,
    }
    rows: Rows = [("slot_changes", row | NO_EVIDENCE)]
    if event.run == LIVE:
        state = fields(event, "site_id", "slot_id", "zone_id", "version", "confidence", "reason")
        state |= {"state": event.to_state, "state_log_id": log_id}
        state |= {"changed_at_ms": event.time_ms, "change_id": event.id}
        rows.append(("slot_states", state))
    return rows


def session_rows(event: SessionChanged, record: Record, log_id: str) -> Rows:
    """One step of a stay. The store folds the new ones into `sessions`."""
    del record, log_id
    row = fields(event, "id", "session_id", "run", "site_id", "time_ms", "kind") | {"body": event}
    return [("session_events", row)]


def camera_status_rows(event: CameraStatusChanged, record: Record, log_id: str) -> Rows:
    """A camera's latest status, only in the live run."""
    del record
    if event.run != LIVE:
        return []
    row = fields(event, "camera_id", "site_id", "status", "health", "last_frame_at_ms")
    row |= {"status_log_id": log_id, "status_version": event.version}
    row |= {"status_reason": event.reason, "status_at_ms": event.time_ms}
    return [("camera_status", row)]


NO_EVIDENCE: Final[dict[str, str | None]] = {
    "evidence_key": None,
    "evidence_sha256": None,
    "frame_sha256": None,
    "evidence_missing": None,
}


def picture_row(frame: FrameReceived, key: str, sha256: str) -> tuple[str, dict[str, Any]]:
    """A stored object in its frame's captures row."""
    row = fields(frame, "site_id", "camera_id", "time_ms") | {"frame_id": frame.id}
    return ("pictures", row | {"object_key": key, "object_sha256": sha256})


def camera_row(camera_id: str, site_id: str) -> tuple[str, dict[str, Any]]:
    """A row that says that a camera exists. Its layout has its properties."""
    return ("cameras", {"camera_id": camera_id, "site_id": site_id})


def fields(event: Event, *names: str) -> dict[str, Any]:
    """These fields, as columns of the same names."""
    return {name: getattr(event, name) for name in names}


_STATUS: Final = {"opened": "open"}  # the other kinds are named as the status they lead to


def session_of(event: SessionChanged) -> dict[str, Any]:
    """The whole stay, from one step."""
    row = fields(
        event,
        "run",
        "session_id",
        "site_id",
        "entry_at_ms",
        "exit_at_ms",
        "dwell_ms",
        "entry_gate_id",
    )
    row |= fields(event, "exit_gate_id", "plate_hash", "reason")
    return row | {"status": _STATUS.get(event.kind, event.kind), "updated_at_ms": event.time_ms}


def fold_sessions(steps: list[SessionChanged]) -> list[dict[str, Any]]:
    """Combine steps, in order, into one row per stay. The last step contains the whole stay, so an
    exit that turned out to be another stay's is removed."""
    return list({(step.run, step.session_id): session_of(step) for step in steps}.values())
