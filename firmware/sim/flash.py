"""NOR flash: a write only clears bits, an erase sets all bits of a sector, and the power may fail
in the middle of either."""


class PowerCut(BaseException):
    """The power failed, so nothing after the current write happens."""


class Flash:
    """`cut_at`: the n-th write or erase (counted from 1) is torn. `tear` is the share of it that
    happened, 0 to 1: a share of its bytes from the beginning or, if `scattered`, of its bits in
    random order."""

    SECTOR = 4096

    def __init__(self, sectors, image=None):
        self.image = bytearray(image if image is not None else b"\xff" * (sectors * self.SECTOR))
        self.writes = 0
        self.erases = 0
        self.cut_at = 0
        self.tear = 0.5
        self.scattered = False

    def read(self, at, count):
        """Read `count` bytes."""
        return bytes(self.image[at : at + count])

    def write(self, at, data):
        """Clear the bits that are zero in `data`."""
        before = self.image[at : at + len(data)]
        after = bytes(old & new for old, new in zip(before, data))
        self._change(at, before, after)

    def erase(self, sector):
        """Set all bits of the sector to one."""
        self.erases += 1
        at = sector * self.SECTOR
        before = self.image[at : at + self.SECTOR]
        self._change(at, before, b"\xff" * self.SECTOR)

    def _change(self, at, before, after):
        self.writes += 1
        if self.writes == self.cut_at:
            self._store(at, self._torn(before, after))
            raise PowerCut
        self._store(at, after)

    def _torn(self, before, after):
        if not self.scattered:
            kept = int(self.tear * len(after))
            return bytes(after[:kept]) + bytes(before[kept:])
        out, state = bytearray(before), 12345
        for index in range(len(out)):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            mask = state >> 8 & 0xFF if self.tear == 0.5 else 255 if self.tear else 0
            out[index] = before[index] & ~mask & 0xFF | after[index] & mask
        return bytes(out)

    def _store(self, at, data):
        self.image[at : at + len(data)] = data


class FlashFile(Flash):
    """The same flash, stored in a file that outlives the process."""

    def __init__(self, sectors, path):
        try:
            with open(path, "rb") as file:
                image = file.read()
        except OSError:
            image = b"\xff" * (sectors * self.SECTOR)
            with open(path, "wb") as file:
                file.write(image)
        super().__init__(sectors, image)
        self._file = open(path, "r+b")  # noqa: SIM115 -- open as long as the board has power

    def _store(self, at, data):
        super()._store(at, data)
        self._file.seek(at)
        self._file.write(data)
        self._file.flush()
