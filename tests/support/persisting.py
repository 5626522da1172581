"""Events, frames and changes for the persister's tests, and the records made from them."""

import hashlib
from dataclasses import dataclass

from parking.core import events as ev
from parking.core.topics import FRAMES, SLOT_CHANGES, TOPICS, evidence_key
from parking.wire import codec
from parking.wire.ports import Claim, Outgoing, Record

NOW_MS = 1_790_000_000_000
CLAIM = Claim(
    "cluster-1", {name: f"00000000-0000-0000-0000-{i:012}" for i, name in enumerate(TOPICS)}, 1
)


def jpeg(number: int) -> bytes:
    return b"\xff\xd8" + b"%d" % number * 1000 + b"\xff\xd9"


def frame(site: str, seq: int, picture: bytes | None = None) -> tuple[ev.FrameReceived, Outgoing]:
    picture = jpeg(seq) if picture is None else picture
    camera_id = f"{site}/north"
    event = ev.FrameReceived(
        id=f"{camera_id}/1/{seq}",
        site_id=site,
        time_ms=NOW_MS + seq * 1000,
        camera_id=camera_id,
        via="mqtt",
        width=640,
        height=480,
        size_bytes=len(picture),
        sha256=hashlib.sha256(picture).hexdigest(),
        received_at_ms=NOW_MS + seq * 1000 + 40,
        time_source="device",
        captured_at_ms=NOW_MS + seq * 1000,
        boot_id=1,
        seq=seq,
    )
    return event, codec.outgoing_frame(event, picture, "ingest")


def detection(
    of: ev.FrameReceived, place: tuple[int, int] = (0, 0), skipped: list[str] | None = None
) -> ev.DetectionMade:
    """Return the records of a frame, with the frames that were skipped for it before it."""
    return ev.DetectionMade(
        id=of.id,
        site_id=of.site_id,
        time_ms=of.time_ms,
        camera_id=of.camera_id,
        frame_ref=ev.FrameRef(frame_id=of.id, partition=place[0], offset=place[1]),
        width=of.width,
        height=of.height,
        layout_version=1,
        model_id="test",
        health=ev.ImageHealth(status="ok", brightness=0.5, sharpness=100.0),
        boxes=[ev.Box(xyxy=(0.1, 0.1, 0.2, 0.2), confidence=0.9, label="car")],
        observations=[ev.Observation(slot_id="A1", state="occupied", confidence=0.9)],
        timings_ms={"detect": 12.5},
        skipped_frame_ids=skipped or [],
        skipped_times_ms=[NOW_MS + int(name.rsplit("/", 1)[1]) * 1000 for name in skipped or []],
    )


@dataclass(frozen=True)
class At:
    """Where a frame lies."""

    frame: ev.FrameReceived
    partition: int = 0
    offset: int = 0


def change(site: str, number: int, at: At | None = None, **other: object) -> ev.SlotChanged:
    """Return a change that a frame caused or, without one, a tick."""
    ref = at and ev.FrameRef(frame_id=at.frame.id, partition=at.partition, offset=at.offset)
    cause = (
        ev.Cause(kind="frame", id=at.frame.id)
        if at
        else ev.Cause(kind="tick", id=f"{site}/tick/{number}")
    )
    values: dict[str, object] = {
        "id": f"{site}-change-{number}",
        "site_id": site,
        "time_ms": NOW_MS + number * 1000,
        "slot_id": "A1",
        "zone_id": "A",
        "from_state": "free",
        "to_state": "occupied",
        "version": number,
        "dwell_ms": 1000,
        "confidence": 0.9,
        "reason": "seen",
        "cause": cause,
        "camera_id": at and at.frame.camera_id,
        "frame_ref": ref,
    }
    return ev.SlotChanged(**(values | other))  # type: ignore[arg-type] # a test's free choice


def key_of(event: ev.FrameReceived) -> str:
    return evidence_key(event.camera_id, event.id, event.time_ms)


def layout(
    site: str, version: int, slot_ids: list[str], camera: str = "north", **other: object
) -> ev.LayoutPublished:
    values: dict[str, object] = {
        "id": f"{site}/{camera}/layout/{version}",
        "site_id": site,
        "time_ms": NOW_MS + version,
        "camera_id": f"{site}/{camera}",
        "version": version,
        "site_name": "Old Harbour",
        "camera_name": camera.title(),
        "interval_ms": 1000,
        "zones": [ev.Zone(zone_id="A", name="Zone A")],
        "slots": [
            ev.LayoutSlot(slot_id=s, zone_id="A", polygon=[(0.1, 0.1), (0.2, 0.1), (0.2, 0.2)])
            for s in slot_ids
        ],
    }
    return ev.LayoutPublished(**(values | other))  # type: ignore[arg-type] # a test's free choice


def session(site: str, number: int, kind: str, **other: object) -> ev.SessionChanged:
    values: dict[str, object] = {
        "id": f"{site}-session-{number}-{kind}",
        "site_id": site,
        "time_ms": NOW_MS + number,
        "session_id": f"{site}-session-{number}",
        "kind": kind,
        "cause": ev.Cause(kind="gate", id=f"{site}/gate/gate/1/{number}"),
    }
    return ev.SessionChanged(**(values | other))  # type: ignore[arg-type] # a test's free choice


def gate(site: str, seq: int, **other: object) -> ev.GateEventReceived:
    values: dict[str, object] = {
        "id": f"{site}/gate/gate/1/{seq}",
        "site_id": site,
        "time_ms": NOW_MS + seq,
        "device_id": f"{site}/gate",
        "gate_id": "main",
        "direction": "entry",
        "via": "mqtt",
        "time_source": "device",
        "boot_id": 1,
        "seq": seq,
    }
    return ev.GateEventReceived(**(values | other))  # type: ignore[arg-type] # a test's free choice


def device(site: str, number: int, time_ms: int = NOW_MS) -> ev.DeviceReported:
    return ev.DeviceReported(
        id=f"{site}/north/telemetry/{number}",
        site_id=site,
        time_ms=time_ms,
        device_id=f"{site}/north",
        kind="telemetry",
        telemetry=ev.Telemetry(rssi_dbm=-60.5, uptime_s=float(number)),
    )


def camera_status(site: str, version: int, **other: object) -> ev.CameraStatusChanged:
    values: dict[str, object] = {
        "id": f"{site}/north/camera-status/{version}",
        "site_id": site,
        "time_ms": NOW_MS + version,
        "camera_id": f"{site}/north",
        "status": "online",
        "reason": "frames come",
        "version": version,
    }
    return ev.CameraStatusChanged(**(values | other))  # type: ignore[arg-type] # a test's choice


def out(event: ev.Event, topic: str) -> Outgoing:
    return codec.outgoing(event, topic, event.site_id, "test")


def record(message: Outgoing, offset: int = 0, partition: int = 0) -> Record:
    return Record(
        message.topic, partition, offset, message.key, message.value, message.headers, NOW_MS
    )


def change_record(event: ev.SlotChanged, offset: int = 0) -> Record:
    return record(out(event, SLOT_CHANGES), offset)


def frame_record(seq: int, site: str = "demo", offset: int = 0) -> Record:
    message = frame(site, seq)[1]
    assert message.topic == FRAMES
    return record(message, offset)
