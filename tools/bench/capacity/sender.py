"""The minimal part of MQTT 3.1.1 that a camera needs: connect, publish at QoS 1, read the PUBACKs.

There is one connection per camera, all in one event loop, because a hundred clients with a thread
each would use more CPU than the measured services.
"""

import asyncio
import struct
from typing import Final

_CONNECT: Final = 0x10
_CONNACK: Final = 2
_PUBLISH_QOS1: Final = 0x32
_RETAIN: Final = 0x01
_PUBACK: Final = 4
_KEEPALIVE_S: Final = 600
_USER_PASSWORD_CLEAN: Final = 0xC2


class Sender:
    """One device's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packet = 0
        self._acked = 0

    @classmethod
    async def connect(cls, address: tuple[str, int], device_id: str, password: str) -> "Sender":
        """Connect a device. Raises ConnectionError if the broker refuses it."""
        reader, writer = await asyncio.open_connection(*address)
        head = _text("MQTT") + bytes((4, _USER_PASSWORD_CLEAN)) + struct.pack(">H", _KEEPALIVE_S)
        body = head + _text(device_id) + _text(device_id) + _text(password)
        writer.write(bytes((_CONNECT,)) + length_bytes(len(body)) + body)
        kind, answer = await _packet(reader)
        if kind != _CONNACK or answer[1] != 0:
            writer.close()
            raise ConnectionError(f"{device_id}: the broker answered {kind}: {answer!r}")
        return cls(reader, writer)

    @property
    def busy(self) -> bool:
        """Whether the broker has yet to acknowledge the last message."""
        return self._acked != self._packet

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message to the connection. Does not wait."""
        self._packet = self._packet % 65535 + 1
        name = _text(topic) + struct.pack(">H", self._packet)
        kind = _PUBLISH_QOS1 | (_RETAIN if retain else 0)
        head = bytes((kind,)) + length_bytes(len(name) + len(payload)) + name
        self._writer.writelines((head, payload))

    async def listen(self) -> None:
        """Take acknowledgements until the connection ends, then raise IncompleteReadError."""
        while True:
            kind, body = await _packet(self._reader)
            if kind == _PUBACK:
                (self._acked,) = struct.unpack(">H", body[:2])

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def length_bytes(length: int) -> bytes:
    """Encode MQTT's variable-length integer."""
    coded = bytearray()
    while True:
        length, low = divmod(length, 128)
        coded.append(low | (0x80 if length else 0))
        if not length:
            return bytes(coded)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the next packet's type and body."""
    kind = (await reader.readexactly(1))[0] >> 4
    length, shift = 0, 0
    while True:
        low = (await reader.readexactly(1))[0]
        length |= (low & 0x7F) << shift
        shift += 7
        if not low & 0x80:
            return kind, await reader.readexactly(length)
