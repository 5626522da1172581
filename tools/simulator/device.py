"""One simulated device. It behaves like firmware/ on an ESP32-CAM, using a paho client.

The boot counter survives in a file, as in flash. Frames are never queued: a new one replaces one
that the broker has not accepted yet. Gate events wait in order, one in flight, until ingest's
end-to-end `ack` names them.
"""

import json
import logging
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from parking.core.topics import mqtt_topic

log = logging.getLogger(__name__)

ACK_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker's address, and the certificate authority to trust ("" if none)."""

    host: str
    port: int
    ca_file: str = ""


@dataclass(slots=True)
class Counts:
    """Counts of a device's actions."""

    frames_sent: int = 0
    frames_dropped: int = 0
    gate_accepted: int = 0
    gate_rejected: int = 0


@dataclass(slots=True)
class _GateEvent:
    seq: int
    payload: str
    sent_at_s: float = field(default=float("-inf"))


class Device:
    """A connected device. Thread-safe: paho's callbacks come on its own thread."""

    def __init__(self, device_id: str, password: str, broker: Broker, state_dir: Path) -> None:
        self.device_id = device_id
        self.boot_id = _next_boot(state_dir / f"{device_id.replace('/', '_')}.boot")
        self.counts = Counts()
        self.interval_ms: int | None = None
        self._broker = broker
        self._connection = 0
        self._seq = 0
        self._lock = threading.Lock()
        self._waiting: deque[_GateEvent] = deque()
        self._in_flight: MQTTMessageInfo | None = None
        # A clean session, because events survive in the device's ring and old commands are stale.
        # Both brokers require the client id to be the user name, so no other can take its place.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=device_id)
        self._client.username_pw_set(device_id, password)
        if broker.ca_file:
            self._client.tls_set(broker.ca_file)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_pre_connect = self._before_connect
        self._client.on_socket_open = _without_delay
        self._client.on_connect = self._connected
        self._client.on_message = self._received

    def start(self) -> None:
        """Connect in the background and keep connecting."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=15)
        self._client.loop_start()

    def stop(self) -> None:
        """Publish a clean `offline` (no last will) and disconnect."""
        if self._client.is_connected():
            info = self._publish("status", self._status("offline", "stopped"), retain=True)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                info.wait_for_publish(2)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def last_seq(self) -> int:
        """The sequence number of the last frame or gate event."""
        return self._seq

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._client.is_connected()

    def frame(self, jpeg: bytes, captured_at_ms: int, *, wait_s: float = 0.0) -> bool:
        """Send a picture. Returns False if it was dropped because the device is not connected or
        the previous picture is still being sent (after waiting up to `wait_s` for that one)."""
        with self._lock:
            before, self._seq = self._in_flight, self._seq + 1
            seq = self._seq
        if before is not None and not before.is_published() and wait_s > 0:
            before.wait_for_publish(wait_s)
        busy = before is not None and not before.is_published()
        if not self.connected or busy:
            self.counts.frames_dropped += 1
            return False
        suffix = ("frame", self.boot_id, seq, captured_at_ms)
        info = self._client.publish(mqtt_topic(self.device_id, *suffix), jpeg, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            # The connection was lost since the check. paho would raise if this message were checked
            # later.
            self._in_flight = None
            self.counts.frames_dropped += 1
            return False
        self._in_flight = info
        self.counts.frames_sent += 1
        return True

    def gate(self, direction: str, captured_at_ms: int, gate: str = "main") -> None:
        """Queue a gate event, which `pump` sends."""
        with self._lock:
            self._seq += 1
            body = {"direction": direction, "gate": gate, "captured_at_ms": captured_at_ms}
            self._waiting.append(_GateEvent(self._seq, json.dumps(body)))

    def pump(self, now_s: float) -> int:
        """Send the oldest gate event, and again if its ack is late. Returns the number waiting."""
        with self._lock:
            event = self._waiting[0] if self._waiting else None
            if event and self.connected and now_s - event.sent_at_s >= ACK_TIMEOUT_S:
                event.sent_at_s = now_s
                topic = mqtt_topic(self.device_id, "gate", self.boot_id, event.seq)
                self._client.publish(topic, event.payload, qos=1)
            return len(self._waiting)

    def telemetry(self, uptime_s: float) -> None:
        """Publish the device's telemetry."""
        body = {"rssi_dbm": -60.0, "uptime_s": round(uptime_s, 1), "firmware": "simulator"}
        self._publish("telemetry", body | {"frames_dropped": self.counts.frames_dropped}, qos=0)

    def _status(self, state: str, reason: str) -> dict[str, Any]:
        return {
            "state": state,
            "boot_id": self.boot_id,
            "connection": self._connection,
            "reason": reason,
        }

    def _publish(
        self, suffix: str, body: dict[str, Any], *, qos: int = 1, retain: bool = False
    ) -> MQTTMessageInfo:
        topic = mqtt_topic(self.device_id, suffix)
        return self._client.publish(topic, json.dumps(body), qos=qos, retain=retain)

    def _before_connect(self, client: Client, _: Any) -> None:
        # The last will carries the number of its connection.
        self._connection += 1
        will = json.dumps(self._status("offline", "connection lost"))
        client.will_set(mqtt_topic(self.device_id, "status"), will, qos=1, retain=True)

    def _connected(self, client: Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            log.error("%s: the broker refused the connection: %s", self.device_id, reason)
            return
        client.subscribe([(mqtt_topic(self.device_id, name), 1) for name in ("ack", "command")])
        self._publish("status", self._status("online", "connected"), retain=True)
        with self._lock:
            for event in self._waiting:
                event.sent_at_s = float("-inf")

    def _received(self, _: Client, __: Any, message: MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
            if message.topic.endswith("/ack"):
                if body["result"] == "rejected":
                    reason = f"{body.get('reason')} ({body.get('detail')})"
                    log.warning("%s: %s was refused: %s", self.device_id, body["of"], reason)
                # `rate`: too many at once. The event is kept and sent again after ACK_TIMEOUT_S.
                if body["of"] == "gate" and body.get("reason") != "rate":
                    self._acked(int(body["boot_id"]), int(body["seq"]), str(body["result"]))
            elif "interval_ms" in body:
                self.interval_ms = max(100, int(body["interval_ms"]))
        except (KeyError, TypeError, ValueError):
            log.warning("%s: not understood on %s", self.device_id, message.topic)

    def _acked(self, boot_id: int, seq: int, result: str) -> None:
        with self._lock:
            first = self._waiting[0] if self._waiting else None
            if boot_id != self.boot_id or first is None or first.seq != seq:
                return
            self._waiting.popleft()
        if result == "accepted":
            self.counts.gate_accepted += 1
        else:
            self.counts.gate_rejected += 1


def _without_delay(_: Client, __: Any, connection: Any) -> None:
    """Send small packets (acks, gate events) at once, instead of letting them wait for each
    other."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _next_boot(path: Path) -> int:
    """Count the boot, as the firmware does in flash. If it is killed in the middle, the old count
    stays."""
    try:
        boot_id = int(path.read_text("utf-8")) + 1
    except FileNotFoundError:
        boot_id = 1
    except ValueError:
        # Ids must never repeat, and the clock's seconds exceed any count of boots.
        boot_id = int(time.time())
        log.warning("%s cannot be read, so this boot is number %d", path, boot_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(str(boot_id), "utf-8")
    new.replace(path)
    return boot_id
