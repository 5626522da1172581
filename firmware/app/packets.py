"""MQTT 3.1.1 packets as bytes; no I/O."""

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
PING = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

REFUSALS = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker refuses the client id",
    3: "the broker is not ready",
    4: "wrong user name or password",
    5: "not allowed",
}


def string(text):
    """Encode a length-prefixed string (str or bytes)."""
    raw = text if isinstance(text, (bytes, bytearray)) else text.encode()
    return len(raw).to_bytes(2, "big") + raw


def length(count):
    """Encode MQTT's variable-length integer."""
    out = bytearray()
    while True:
        count, low = count >> 7, count & 0x7F
        out.append(low | (0x80 if count else 0))
        if not count:
            return bytes(out)


def packet(first, body):
    """Build a whole packet."""
    return bytes((first,)) + length(len(body)) + body


def connect(client_id, user, password, keepalive_s, will):
    """Build CONNECT with a clean session: events survive in the device's ring, and old commands are
    stale. `will` is (topic, payload) with QoS 1, retained. `user` is "" if there is none, because a
    certificate identifies the device."""
    flags = 0x02 | 0x04 | 0x08 | 0x20
    tail = string(client_id) + string(will[0]) + string(will[1])
    if user:
        flags |= 0x80 | 0x40
        tail += string(user) + string(password)
    return packet(0x10, string("MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big") + tail)


def subscribe(packet_id, topics):
    """Build SUBSCRIBE to these topics with QoS 1."""
    body = packet_id.to_bytes(2, "big")
    for topic in topics:
        body += string(topic) + b"\x01"
    return packet(0x82, body)


def publish_head(topic, size_bytes, qos, retain, packet_id):
    """Build PUBLISH up to its payload, which is sent separately so that a picture is never
    copied."""
    body = string(topic) + (packet_id.to_bytes(2, "big") if qos else b"")
    first = 0x30 | qos << 1 | (1 if retain else 0)
    return bytes((first,)) + length(len(body) + size_bytes) + body


def puback(packet_id):
    """Build PUBACK."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def parse_publish(flags, body):
    """Parse a received PUBLISH into (topic, payload, packet id or None). Raises ValueError."""
    size = int.from_bytes(body[:2], "big")
    qos = flags >> 1 & 3
    at = 2 + size + (2 if qos else 0)
    if at > len(body) or qos > 1:
        raise ValueError("malformed PUBLISH")
    packet_id = int.from_bytes(body[2 + size : at], "big") if qos else None
    return bytes(body[2 : 2 + size]).decode(), bytes(body[at:]), packet_id
