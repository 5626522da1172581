"""Read an ONNX file's metadata without a runtime, so that every backend reads the same metadata."""

from collections.abc import Iterator
from typing import Final

_KEPT: Final = frozenset({1, 2, 14})
_METADATA: Final = 14  # metadata_props of ModelProto; each is {1: key, 2: value}


def onnx_metadata(data: bytes) -> dict[str, str]:
    """Return the file's metadata. Raises ValueError or IndexError when it is not an ONNX file."""
    entries = [
        dict(_fields(memoryview(body)))
        for field, body in _fields(memoryview(data))
        if field == _METADATA
    ]
    return {entry[1].decode(): entry.get(2, b"").decode() for entry in entries}


def _fields(data: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of a protobuf message that are needed; the large graph is skipped."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            _, position = _varint(data, position)
            continue
        if wire in (1, 5):
            position += 8 if wire == 1 else 4
            continue
        if wire != 2:
            raise ValueError(f"not an ONNX file: wire type {wire}")
        length, position = _varint(data, position)
        if field in _KEPT:
            yield field, bytes(data[position : position + length])
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
