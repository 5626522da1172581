"""The `ring` partition of an ESP32's flash, for journal.py and the ring. Needs hardware."""

from esp32 import Partition

SECTOR = 4096


class Flash:
    """Has read(at, count), write(at, data) and erase(sector). Writes clear bits and never erase."""

    SECTOR = SECTOR

    def __init__(self):
        found = Partition.find(Partition.TYPE_DATA, label="ring")
        if not found:
            raise OSError("no ring partition: flash with `make flash`")
        self._partition = found[0]

    def read(self, at, count):
        """Read `count` bytes."""
        data = bytearray(count)
        self._partition.readblocks(at // SECTOR, data, at % SECTOR)
        return bytes(data)

    def write(self, at, data):
        """Clear the bits that are zero in `data`. With an offset, the port does not erase first."""
        self._partition.writeblocks(at // SECTOR, data, at % SECTOR)

    def erase(self, sector):
        """Erase to all ones."""
        self._partition.ioctl(6, sector)
