"""Inputs and outputs of ingest's decisions, and the messages that devices send."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from parking.access.plates import MadeHash, Plates, ReadPlate
from parking.core.events import FrameReceived, SlotId, Text, Via
from parking.core.orientation import Orientation
from parking.core.topics import FRAME_MAX_BYTES
from parking.wire.ports import Outgoing
from services.ingest.clocks import Clocks
from services.ingest.replay import Number

Outcome = Literal[
    "frame", "repeated", "replayed", "gate", "device", "refused", "limited", "ignored"
]

_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for messages that are accepted. The clock limits say how far a device's time may be
    from the time of receipt."""

    frame_max_bytes: int = FRAME_MAX_BYTES
    frame_max_pixels: int = 2_000_000
    clock_back_ms: int = 3_600_000
    gate_back_ms: int = 7 * 86_400_000  # devices keep gate events in flash through an outage
    clock_ahead_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a device published, or a picture polled from a camera. `redelivered` says that
    the broker has sent it before (DUP)."""

    topic: str
    payload: bytes
    received_at_ms: int
    retained: bool = False
    redelivered: bool = False
    via: Via = "mqtt"


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to a device, published once the outgoing records are durable."""

    topic: str
    payload: bytes
    of: str = "gate"


@dataclass(frozen=True, slots=True)
class Handled:
    """A decision. `frame_of` is the camera whose newer frame may replace this one while it waits (a
    refused frame is replaced only by a newer refused one). `picture` is the sha256 of a plain frame
    and `number` is the device's number; both are used to recognise a repeat. `reason` says why the
    message was refused, `via` how it arrived, and `event` is the picture's event."""

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
    """What a decision needs besides the message: the limits; each plain camera's last picture (its
    `Handled.picture`), the used numbers and the devices' clocks, all kept by the caller; the rules
    for plates; and the rotation that makes each camera's pictures upright."""

    limits: Limits = Limits()
    last_pictures: Mapping[str, str] = field(default_factory=dict)
    used: Container[Number] = ()
    clocks: Clocks = field(default_factory=Clocks)
    plates: Plates = field(default_factory=Plates)
    turns: Mapping[str, Orientation] = field(default_factory=dict)


class GatePayload(msgspec.Struct, frozen=True, kw_only=True):
    """What a device publishes to `gate/{boot_id}/{seq}`."""

    direction: Literal["entry", "exit"]
    gate: SlotId
    captured_at_ms: _Number | None = None
    plate: ReadPlate | None = None
    plate_hash: MadeHash | None = None


class StatusPayload(msgspec.Struct, frozen=True, kw_only=True):
    """What a device, or its last will, publishes to `status`."""

    state: Literal["online", "offline"]
    boot_id: _Number
    connection: _Number
    reason: Text | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a device, sent only after Kafka (or its dead-letter topic) has the message: for
    every gate event, for its `online` (so that new firmware knows that the whole path works), and
    for any other refused message. `of`: the kind of topic. The numbers are those of the topic, if
    it has any, and boot and connection of a status."""

    of: Literal["frame", "gate", "status", "telemetry", "topic"]
    boot_id: int | None
    seq: int | None
    result: Literal["accepted", "rejected"]
    reason: str | None = None
    detail: str | None = None
