"""Make room for the `ring` partition in the partition table of an ESP32's flash.

The file system gives up its last 128 kB. Everything else stays where the board's build of
MicroPython has it. Pure: bytes in, bytes out.
"""

import hashlib
import struct
from typing import Final

_ENTRY: Final = "<HBBII16sI"  # magic, type, subtype, offset, size, label, flags
_BYTES: Final = 32
_MAGIC: Final = 0x50AA
_MD5: Final = 0xEBEB
_TABLE_BYTES: Final = 0xC00
_DATA: Final = 1
_USER: Final = 0x40  # a subtype that no system uses
RING_BYTES: Final = 128 * 1024
RING: Final = "ring"


class NoRoom(ValueError):
    """The table cannot be changed. The message gives the reason."""


def with_ring(table: bytes) -> tuple[bytes, int, int]:
    """Return the table with a ring partition, and the position of the file system (offset, new size
    in bytes). A table that already has one is returned unchanged. Raises NoRoom."""
    entries = _entries(table)
    found = [e for e in entries if _label(e) in ("vfs", "ffat")]
    if not found:
        raise NoRoom("this table has no file system (vfs)")
    _, _, _, offset, size, _, _ = found[0]
    if any(_label(entry) == RING for entry in entries):
        return table, offset, size
    if size < 4 * RING_BYTES:
        raise NoRoom(f"the file system has only {size} bytes")
    rest = size - RING_BYTES
    changed = [(*e[:4], rest, *e[5:]) if e is found[0] else e for e in entries]
    label = RING.encode().ljust(16, b"\0")
    changed.append((_MAGIC, _DATA, _USER, offset + rest, RING_BYTES, label, 0))
    packed = b"".join(struct.pack(_ENTRY, *entry) for entry in changed)
    packed += struct.pack("<H", _MD5) + b"\xff" * 14 + hashlib.md5(packed).digest()  # noqa: S324
    if len(packed) > _TABLE_BYTES:
        raise NoRoom("the table is full")
    return packed.ljust(_TABLE_BYTES, b"\xff"), offset, rest


def _entries(table: bytes) -> list[tuple[int, int, int, int, int, bytes, int]]:
    found = []
    for at in range(0, len(table) - _BYTES + 1, _BYTES):
        entry = struct.unpack(_ENTRY, table[at : at + _BYTES])
        if entry[0] != _MAGIC:
            break
        found.append(entry)
    if not found:
        raise NoRoom("this is not a partition table")
    return found


def _label(entry: tuple[int, int, int, int, int, bytes, int]) -> str:
    return entry[5].rstrip(b"\0").decode(errors="replace")
