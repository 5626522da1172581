"""What goes into and out of ingest's decisions, and what devices send and are told."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from parking.events import FrameReceived, SlotId, Text, Via
from parking.ids import PlateHash
from parking.ports import Outgoing
from parking.topics import FRAME_MAX_BYTES
from services.ingest.clocks import Clocks
from services.ingest.replay import Number

Outcome = Literal["frame", "repeated", "replayed", "gate", "device", "refused", "ignored"]

_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken. The clock bounds say how far a device's time may lie from receipt."""

    frame_max_bytes: int = FRAME_MAX_BYTES
    frame_max_pixels: int = 2_000_000
    clock_back_ms: int = 3_600_000
    gate_back_ms: int = 7 * 86_400_000  # a device keeps gate events in flash through an outage
    clock_ahead_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Message:
    """What a device published, or a camera gave when asked. `redelivered`: the broker says it has
    sent it before (DUP)."""

    topic: str
    payload: bytes
    received_at_ms: int
    retained: bool = False
    redelivered: bool = False
    via: Via = "mqtt"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is published to a device once the outgoing records are durable."""

    topic: str
    payload: bytes
    of: str = "gate"


@dataclass(frozen=True, slots=True)
class Handled:
    """The decision. `frame_of`: the camera whose newer frame may replace this one while it waits
    (of refused ones, its newer refused one);
    `picture`: sha256 of a plain frame, to know the same one again; `number`: the device's, to know
    it again; `reason`: why it was refused; `via`: the way it came; `event`: the picture's."""

    outcome: Outcome
    outgoing: tuple[Outgoing, ...] = ()
    reply: Reply | None = None
    frame_of: str | None = None
    picture: str | None = None
    number: Number | None = None
    reason: str = ""
    via: Via = "mqtt"
    event: FrameReceived | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision needs besides the message: the limits, each plain camera's last picture (its
    `Handled.picture`), the numbers used and the devices' clocks, all kept by the caller."""

    limits: Limits = Limits()
    last_pictures: Mapping[str, str] = field(default_factory=dict)
    used: Container[Number] = ()
    clocks: Clocks = field(default_factory=Clocks)


class GatePayload(msgspec.Struct, frozen=True, kw_only=True):
    """What a device publishes to `gate/{boot_id}/{seq}`."""

    direction: Literal["entry", "exit"]
    gate: SlotId
    captured_at_ms: _Number | None = None
    plate_hash: PlateHash | None = None


class StatusPayload(msgspec.Struct, frozen=True, kw_only=True):
    """What a device, or its last will, publishes to `status`."""

    state: Literal["online", "offline"]
    boot_id: _Number
    connection: _Number
    reason: Text | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """What a device hears, only after Kafka (or its dead-letter topic) has the message: of every
    gate event, of its `online` (so that new firmware knows that it reaches the end), and of
    whatever else was refused. `of`: the kind of topic; the numbers are those of the topic, where it
    has any, and boot and connection of a status."""

    of: Literal["frame", "gate", "status", "telemetry", "topic"]
    boot_id: int | None
    seq: int | None
    result: Literal["accepted", "rejected"]
    reason: str | None = None
    detail: str | None = None
