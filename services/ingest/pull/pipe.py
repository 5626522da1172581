"""The protocol between ingest and a video reader (video.py): a length, then that many bytes of
msgpack."""

import struct
from typing import Final, Literal

import msgspec

LENGTH: Final = struct.Struct(">I")


class Order(msgspec.Struct, frozen=True, array_like=True):
    """An order to the reader: open `stream` at `url`, decode its last key picture, or end it."""

    kind: Literal["open", "decode", "close"]
    stream: int
    url: str = ""


class News(msgspec.Struct, frozen=True, array_like=True):
    """News from the reader. `key`: a key picture has arrived. `picture`: `data` is its JPEG.
    `damaged`: it cannot be decoded completely. `end`: nothing more follows, for the reason in
    `text`, which is empty if the end was requested."""

    kind: Literal["ready", "key", "picture", "damaged", "end"]
    stream: int = 0
    data: bytes = b""
    text: str = ""


def packed(message: Order | News) -> bytes:
    """Return the message as it goes through the pipe."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body
