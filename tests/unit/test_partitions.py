"""The ring partition is cut off the file system, and nothing else in the table changes."""

import hashlib
import struct

import pytest

from tools.boards.partitions import RING_BYTES, NoRoom, with_ring

ENTRIES = (
    (1, 2, 0x9000, 0x6000, b"nvs"),
    (1, 1, 0xF000, 0x1000, b"phy_init"),
    (0, 0, 0x10000, 0x1F0000, b"factory"),
    (1, 0x81, 0x200000, 0x200000, b"vfs"),
)


def table(*entries: tuple[int, int, int, int, bytes]) -> bytes:
    packed = b"".join(
        struct.pack("<HBBII16sI", 0x50AA, kind, sub, at, size, name, 0)
        for kind, sub, at, size, name in entries
    )
    packed += struct.pack("<H", 0xEBEB) + b"\xff" * 14 + hashlib.md5(packed).digest()  # noqa: S324
    return packed.ljust(0xC00, b"\xff")


def test_the_file_system_gives_up_its_end():
    made, offset, size = with_ring(table(*ENTRIES))
    vfs = (1, 0x81, 0x200000, 0x200000 - RING_BYTES, b"vfs")
    ring = (1, 0x40, 0x400000 - RING_BYTES, RING_BYTES, b"ring")
    assert made == table(*ENTRIES[:3], vfs, ring)
    assert (offset, size) == (0x200000, 0x200000 - RING_BYTES)


def test_a_table_that_has_a_ring_stays():
    made, _, _ = with_ring(table(*ENTRIES))
    assert with_ring(made)[0] == made


@pytest.mark.parametrize(
    "wrong", [b"\xff" * 0xC00, table(*ENTRIES[:3]), table((1, 0x81, 0x200000, 0x20000, b"vfs"))]
)
def test_a_table_without_room_is_refused(wrong: bytes):
    with pytest.raises(NoRoom):
        with_ring(wrong)
