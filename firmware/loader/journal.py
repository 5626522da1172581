"""Keep the newest version of a small record in two sectors of flash, safe from power cuts.

Each record is written after the last one. Once a sector is full, the other one is erased and used.
So if the newest record is torn, the previous one is always whole.
"""

import struct
from binascii import crc32

_SLOT = 64
_HEAD = "<HBBI"  # magic, length, unused, count
_MAGIC = 0x4A52
DATA_BYTES = 52


class Journal:
    """`flash` has read(at, n), write(at, data), erase(sector) and SECTOR (bytes). A write only ever
    clears bits. `first` is the first of its two sectors."""

    def __init__(self, flash, first):
        self._flash = flash
        self._first = first
        self._count = 0
        self._sector = first
        self._slot = 0
        self.data = None
        self._scan()

    def put(self, data):
        """Store new data (at most DATA_BYTES bytes). After a power cut, either this or the previous
        data is read. Raises OSError if every cell that was tried is worn."""
        if len(data) > DATA_BYTES:
            raise ValueError("too long")
        head = struct.pack(_HEAD, _MAGIC, len(data), 0, self._count + 1) + data
        head += b"\0" * (_SLOT - 4 - len(head))
        raw = head + struct.pack("<I", crc32(head))
        for _ in range(self._flash.SECTOR // _SLOT):
            at = self._free()
            self._flash.write(at, raw)
            if self._flash.read(at, _SLOT) == raw:  # otherwise a worn cell: try the next slot
                self._count += 1
                self.data = bytes(data)
                return
        raise OSError("the flash is worn out")

    def _free(self):
        """Return the place of the next record. If the newest sector is full, erase the other
        one."""
        if self._slot >= self._flash.SECTOR // _SLOT:
            self._sector = self._first + (self._sector == self._first)
            self._flash.erase(self._sector)
            self._slot = 0
        self._slot += 1
        return self._sector * self._flash.SECTOR + (self._slot - 1) * _SLOT

    def _scan(self):
        flash, per_sector = self._flash, self._flash.SECTOR // _SLOT
        for sector in (self._first, self._first + 1):
            used = 0
            for slot in range(per_sector):
                raw = flash.read(sector * flash.SECTOR + slot * _SLOT, _SLOT)
                if raw != b"\xff" * _SLOT:
                    used = slot + 1
                    self._look(sector, raw)
            if self._sector == sector:
                self._slot = used
        if self.data is None:  # no whole record: the first put erases a sector
            self._slot = per_sector
            self._sector = self._first + 1

    def _look(self, sector, raw):
        magic, length, _, count = struct.unpack(_HEAD, raw)
        whole = magic == _MAGIC and length <= DATA_BYTES
        if whole and crc32(raw[:-4]) == struct.unpack("<I", raw[-4:])[0] and count > self._count:
            self._count, self._sector = count, sector
            self.data = bytes(raw[8 : 8 + length])
