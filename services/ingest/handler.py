"""Decide on a message from the edge: pure decisions, no I/O, no clock.

`handle_message` takes an MQTT message and returns the records for Kafka, and the answer that the
device gets once those are durable. Pictures over HTTP go through the same `handle_frame`. Times are
Unix milliseconds.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from parking.access.plates import sealed_event, without_plates
from parking.core.errors import Invalid
from parking.core.events import (
    DeviceReported,
    FrameReceived,
    GateEventReceived,
    Telemetry,
)
from parking.core.topics import (
    GATE_EVENTS,
    PLATES,
    DeviceTopic,
    holds_pictures,
    mqtt_topic,
    parse_mqtt_topic,
    sender_of,
)
from parking.wire import codec
from parking.wire.ports import Outgoing, Record
from parking.wire.reading import read
from services.ingest.frames import (
    ID_HEX,
    SLOW_CLOCK,
    SOURCE,
    accept_frame,
    choose_time,
    frozen,
    once_a_minute,
    reported,
)
from services.ingest.messages import (
    Ack,
    Context,
    GatePayload,
    Handled,
    Limits,
    Message,
    Reply,
    StatusPayload,
)
from services.ingest.replay import Number
from services.ingest.shares import RATE, Excess

_DETAIL_CHARS: Final = 300


def handle_message(message: Message, context: Context) -> Handled:
    """Decide on one MQTT message. Never raises, whatever the device sent."""
    device = None
    try:
        device = parse_mqtt_topic(message.topic)
        return HANDLERS[device.kind](device, message, context)
    except Invalid as error:
        return refuse(message, error, context.limits, device)


def refuse(
    message: Message, error: Invalid, limits: Limits, device: DeviceTopic | None = None
) -> Handled:
    """Dead-letter the message, without its plate, and answer its sender. Without an answer a gate
    event would be repeated for ever, and an installer would not see what is wrong with the
    pictures."""
    key = None
    if device is not None:
        key = (device.device_id if device.kind == "frame" else device.site_id).encode()
    sender = sender_of(message.topic)
    reply = _reply(sender, device, error) if sender and message.via == "mqtt" else None
    payload = message.payload
    if not holds_pictures(message.topic):
        payload = without_plates(payload)
    letter = dead_letter(message.topic, key, payload, error, message.received_at_ms, limits)
    group = refused_of(device.device_id) if device and device.kind == "frame" else None
    return Handled("refused", (letter,), reply, frame_of=group, reason=error.reason)


def limited(message: Message, excess: Excess) -> Handled:
    """Decide on a message that exceeds its sender's share: it is neither written nor dead-lettered.
    A device gets an ack (a polled camera gets none), and one report a minute goes to the device
    events."""
    sender = sender_of(message.topic) or ""
    reply = None
    if excess.answer and message.via == "mqtt":
        error = Invalid(RATE, excess.detail)
        try:
            reply = _reply(sender, parse_mqtt_topic(message.topic), error)
        except Invalid:
            reply = _reply(sender, None, error)
    outgoing = (once_a_minute(sender, RATE, message.received_at_ms),) if excess.report else ()
    return Handled("limited", outgoing, reply, reason=RATE)


def refused_of(camera_id: str) -> str:
    """Return `Handled.frame_of` for a refused picture. Newer refused pictures of the camera may
    replace it, because refused pictures would otherwise fill the queue; they never replace a good
    one."""
    return f"{camera_id} refused"


def dead_letter(
    place: str, key: bytes | None, payload: bytes, error: Invalid, now_ms: int, limits: Limits
) -> Outgoing:
    """Return the dead letter of a message that was sent to an MQTT topic or an HTTP path
    (`place`)."""
    record = Record(place, -1, -1, key, payload)
    return codec.dead_letter(record, error, SOURCE, now_ms, kept_bytes=limits.frame_max_bytes)


def kafka_refused(handled: Handled, error: Invalid, now_ms: int) -> Handled:
    """Decide on a message whose record Kafka will never accept. Raises the error if the message was
    itself a dead letter."""
    if handled.outcome == "refused":
        raise error
    letters = tuple(codec.refused_letter(m, error, now_ms) for m in handled.outgoing)
    reply = handled.reply
    if reply is not None:
        answer = msgspec.json.decode(reply.payload, type=Ack)
        detail = error.detail[:_DETAIL_CHARS]
        answer = replace(answer, result="rejected", reason=error.reason, detail=detail)
        reply = Reply(reply.topic, msgspec.json.encode(answer), reply.of)
    return Handled("refused", letters, reply, reason=error.reason)


def _number(device: DeviceTopic, captured_at_ms: int | None = None) -> Number | None:
    """Return the message's number. A device counts frames and gate events together, but each lane
    sees only its own."""
    if device.boot_id is None or device.seq is None:
        return None
    sender = f"{device.device_id}/{device.kind}"
    return Number(sender, device.boot_id, device.seq, captured_at_ms or 0)


def handle_frame(device: DeviceTopic, message: Message, context: Context) -> Handled:
    """Decide on one picture that a device sent by MQTT or HTTP. Raises Invalid (jpeg.inspect)."""
    if message.retained:
        return Handled("ignored")  # its age is unknown: it could be days old
    number = _number(device, device.captured_at_ms)
    if number in context.used and not message.redelivered:
        news = once_a_minute(device.device_id, "replay", message.received_at_ms)
        return Handled("replayed", (news,), via=message.via)
    event, record = accept_frame(
        device, message.payload, message.via, message.received_at_ms, context
    )
    plain = device.boot_id is None
    again = plain and context.last_pictures.get(event.camera_id) == event.sha256
    # A message that the broker redelivers (DUP) is written again, because the original may still be
    # waiting for Kafka. The repeat waits too, and has the same id.
    if again and not message.redelivered:
        return Handled("repeated", (frozen(event),), event=event, via=message.via)
    return Handled(
        "frame",
        (record,),
        event=event,
        via=message.via,
        frame_of=event.camera_id,
        picture=event.sha256 if plain else None,
        # A wrong clock must not make all later pictures of the device look old.
        number=number and number._replace(captured_at_ms=_believed(event)),
    )


def _believed(event: FrameReceived) -> int:
    own = event.time_source == "device" or event.time_reason == SLOW_CLOCK
    return (event.captured_at_ms or 0) if own else 0


def _gate(device: DeviceTopic, message: Message, context: Context) -> Handled:
    payload = read(message.payload, GatePayload)
    limits = context.limits
    time = choose_time(payload.captured_at_ms, message.received_at_ms, limits, limits.gate_back_ms)
    event_id = f"{device.device_id}/gate/{device.boot_id}/{device.seq}"
    taken = context.plates.of(device.site_id).take(event_id, payload.plate, payload.plate_hash)
    event = GateEventReceived(
        id=event_id,
        site_id=device.site_id,
        time_ms=time.time_ms,
        device_id=device.device_id,
        gate_id=payload.gate,
        direction=payload.direction,
        via="mqtt",
        time_source=time.source,
        time_reason=time.reason,
        boot_id=device.boot_id,
        seq=device.seq,
        plate_hash=taken.plate_hash,
        plate_near=taken.plate_near,
    )
    records = [codec.outgoing(event, GATE_EVENTS, event.site_id, SOURCE)]
    if sealed := sealed_event(event, taken):
        records.append(codec.outgoing(sealed, PLATES, event.site_id, SOURCE))
    # Written and acked even if known, because the device repeats an event when its ack was lost.
    reply = _reply(device.device_id, device, None)
    return Handled("gate", tuple(records), reply, number=_number(device, payload.captured_at_ms))


def _status(device: DeviceTopic, message: Message, context: Context) -> Handled:
    del context
    if not message.payload:
        return Handled("ignored")  # clears a retained status
    status = read(message.payload, StatusPayload)
    numbers = f"{status.boot_id}/{status.connection}"
    event = DeviceReported(
        id=f"{device.device_id}/status/{numbers}/{status.state}",
        site_id=device.site_id,
        time_ms=message.received_at_ms,
        device_id=device.device_id,
        kind=status.state,
        boot_id=status.boot_id,
        connection=status.connection,
        reason=status.reason,
    )
    reply = None
    if status.state == "online" and not message.retained:
        numbered = dataclasses.replace(device, boot_id=status.boot_id, seq=status.connection)
        reply = _reply(device.device_id, numbered, None)
    return Handled("device", (reported(event),), reply)


def _telemetry(device: DeviceTopic, message: Message, context: Context) -> Handled:
    del context
    telemetry = read(message.payload, Telemetry)
    digest = hashlib.sha256(message.payload).hexdigest()[:ID_HEX]
    event = DeviceReported(
        id=f"{device.device_id}/telemetry/{digest}",
        site_id=device.site_id,
        time_ms=message.received_at_ms,
        device_id=device.device_id,
        kind="telemetry",
        telemetry=telemetry,
    )
    return Handled("device", (reported(event),))


def _reply(device_id: str, device: DeviceTopic | None, error: Invalid | None) -> Reply:
    ack = Ack(
        of=device.kind if device else "topic",
        boot_id=device.boot_id if device else None,
        seq=device.seq if device else None,
        result="rejected" if error else "accepted",
        reason=error.reason if error else None,
        detail=error.detail[:_DETAIL_CHARS] if error else None,
    )
    return Reply(mqtt_topic(device_id, "ack"), msgspec.json.encode(ack), ack.of)


HANDLERS: Final[dict[str, Callable[[DeviceTopic, Message, Context], Handled]]] = {
    "frame": handle_frame,
    "gate": _gate,
    "status": _status,
    "telemetry": _telemetry,
}
