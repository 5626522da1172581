"""Records for the tracker's tests: a site with cameras, slots and a gate, made with short calls."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from parking.core.events import (
    DetectionMade,
    DeviceReported,
    Event,
    FrameRef,
    GateEventReceived,
    Health,
    ImageHealth,
    LayoutAdopted,
    Observation,
    ParametersSet,
    Seen,
    SessionChanged,
    SiteCommanded,
    SlotChanged,
    SlotRef,
    TickElapsed,
    TimeSource,
)
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.topics import CAMERA_STATUS, SESSIONS, SLOT_CHANGES, SLOT_STATE

OUTPUTS = (SLOT_CHANGES, SLOT_STATE, CAMERA_STATUS, SESSIONS)
START_MS = 1_700_000_000_000
INTERVAL_MS = 1_000
# By default, and for cameras of up to 12 seconds' interval.
SILENCE_MS = ParametersSet().silence_ms

# What a test writes for an observation: o(ccupied), f(ree), ? (unknown), each with a confidence.
_SEEN: dict[str, Seen] = {"o": "occupied", "f": "free", "?": "unknown"}


class Teller:
    """Makes the records of one site, one second apart unless set otherwise."""

    def __init__(self, site_id: str = "lot") -> None:
        self.site_id = site_id
        self.now_ms = START_MS
        self._frames = 0
        self._ids = 0

    def camera(self, name: str) -> str:
        return f"{self.site_id}/{name}"

    def _id(self, kind: str) -> str:
        self._ids += 1
        return f"{self.site_id}/{kind}/{self._ids}"

    def pass_ms(self, milliseconds: int) -> "Teller":
        self.now_ms += milliseconds
        return self

    def adopt(
        self,
        camera: str,
        *slots: str,
        version: int = 1,
        zone: str = "a",
        interval_ms: int = INTERVAL_MS,
    ) -> SiteCommanded:
        refs = [SlotRef(slot_id=slot, zone_id=zone) for slot in slots]
        return self.command(
            LayoutAdopted(
                camera_id=self.camera(camera),
                version=version,
                interval_ms=interval_ms,
                slots=refs,
            )
        )

    def command(self, command, command_id: str | None = None) -> SiteCommanded:
        return SiteCommanded(
            id=command_id or self._id("command"),
            site_id=self.site_id,
            time_ms=self.now_ms,
            issued_by="test",
            command=command,
        )

    def parameters(self, **values: Any) -> SiteCommanded:
        return self.command(ParametersSet(**values))

    def see(
        self,
        camera: str,
        seen: Mapping[str, str],
        *,
        confidence: float = 0.9,
        health: Health = "ok",
        layout_version: int = 1,
    ) -> DetectionMade:
        """Return a frame, INTERVAL_MS after the record before it. `seen` maps slots to "o", "f" or
        "?", with a confidence after it if it differs ("o0.7")."""
        self.now_ms += INTERVAL_MS
        offset = self.next_offset()
        frame_id = f"{self.camera(camera)}/1/{offset}"
        return DetectionMade(
            id=frame_id,
            site_id=self.site_id,
            time_ms=self.now_ms,
            camera_id=self.camera(camera),
            frame_ref=FrameRef(frame_id=frame_id, partition=0, offset=offset),
            width=640,
            height=480,
            layout_version=layout_version,
            model_id="test",
            health=ImageHealth(status=health, brightness=0.5, sharpness=100.0),
            boxes=[],
            observations=[
                Observation(
                    slot_id=slot, state=_SEEN[word[0]], confidence=float(word[1:] or confidence)
                )
                for slot, word in seen.items()
            ],
            timings_ms={},
        )

    def next_offset(self) -> int:
        """Return the next offset of the frames' one partition."""
        self._frames += 1
        return self._frames

    def tick(self, after_ms: int = 0) -> TickElapsed:
        self.now_ms += after_ms
        tick_id = f"{self.site_id}/tick/{self.now_ms}"
        return TickElapsed(id=tick_id, site_id=self.site_id, time_ms=self.now_ms)

    def device(
        self,
        name: str,
        kind: Literal["online", "offline", "telemetry"],
        boot_id=None,
        connection=None,
        reason: str | None = None,
    ) -> DeviceReported:
        return DeviceReported(
            id=f"{self.camera(name)}/status/{boot_id}/{connection}/{kind}",
            site_id=self.site_id,
            time_ms=self.now_ms,
            device_id=self.camera(name),
            kind=kind,
            boot_id=boot_id,
            connection=connection,
            reason=reason,
        )

    def gate(
        self,
        direction: Literal["entry", "exit"],
        seq: int,
        boot_id: int = 1,
        plate=None,
        time_source: TimeSource = "device",
        near: list[str] | None = None,
    ) -> GateEventReceived:
        self.now_ms += 1
        return GateEventReceived(
            id=f"{self.camera('gate-1')}/gate/{boot_id}/{seq}",
            site_id=self.site_id,
            time_ms=self.now_ms,
            device_id=self.camera("gate-1"),
            gate_id="main",
            direction=direction,
            via="mqtt",
            time_source=time_source,
            boot_id=boot_id,
            seq=seq,
            plate_hash=plate,
            plate_near=near or [],
        )

    def gate_by_api(self, direction: Literal["entry", "exit"], key: str) -> GateEventReceived:
        self.now_ms += 1
        return GateEventReceived(
            id=f"{self.site_id}/api/{key}",
            site_id=self.site_id,
            time_ms=self.now_ms,
            device_id=self.camera("api"),
            gate_id="main",
            direction=direction,
            via="api",
            time_source="receipt",
        )


def fold(records: Sequence[Event], site_id: str = "lot") -> tuple[Site, list[Event]]:
    """Apply all records in order to a new site. Return its state and every output."""
    site, outputs = Site(site_id=site_id), []
    for record in records:
        site, made = step(site, record)
        outputs += made
    return site, outputs


def written_again(t: Teller, made: DetectionMade) -> DetectionMade:
    """Return the detection of the same frame after ingest wrote it to Kafka again."""
    return replace(made, frame_ref=replace(made.frame_ref, offset=t.next_offset()))


def states(site: Site) -> dict[str, str]:
    return {slot_id: slot.state for slot_id, slot in site.slots.items()}


def changes(outputs: Sequence[Event]) -> list[tuple[str, str, str]]:
    """Return (slot, to, reason) of the slot changes, without those of an adoption."""
    return [
        (o.slot_id, o.to_state, o.reason)
        for o in outputs
        if isinstance(o, SlotChanged) and o.version > 1
    ]


def seen_free(t: Teller, camera: str = "a") -> list[Event]:
    """Return slot 1 adopted and seen free often enough to be shown so."""
    return [t.adopt(camera, "1"), *(t.see(camera, {"1": "f"}) for _ in range(2))]


def sessions(outputs: Sequence[Event]) -> list[SessionChanged]:
    return [o for o in outputs if isinstance(o, SessionChanged)]
