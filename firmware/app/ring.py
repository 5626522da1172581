"""Gate events in flash: written once, kept until the end-to-end ack, in the order they happened.

It is a ring of sectors. Slot 0 of each sector is its header, and every other slot holds one event
with its CRC. Nothing is ever rewritten: an acknowledgement clears one word of the event to zero,
and a sector is erased only when all its events are acknowledged. An event that a power cut tore has
no matching CRC and is skipped. If an acknowledgement is torn, the event stays and is sent again
with the same id.

A full ring keeps the oldest events and refuses new ones (`refused` counts them, and telemetry
reports the count). So the stored events have no gaps, and none is dropped for a newer one.
"""

import struct
from array import array
from binascii import crc32

_SLOT = 64
_BLANK = b"\xff" * _SLOT
_HEADER = "<4sI"
_MAGIC = b"GAT1"
_STATE = 60  # offset of the word that an acknowledgement clears
_ZERO = b"\0\0\0\0"
_EVENT = "<BBHQIqq24s"
NAME_BYTES = 24

ENTRY, EXIT, ANCHOR = 0xA1, 0xA2, 0xA3


class Event:
    """One gate event, or the moment at which the clock of a boot became known (ANCHOR)."""

    def __init__(self, kind, boot_id, seq, mono_ms, wall_ms=0, gate="main"):
        self.kind, self.boot_id, self.seq = kind, boot_id, seq
        self.mono_ms, self.wall_ms, self.gate = mono_ms, wall_ms, gate

    def pack(self):
        """Return it as 60 bytes with its CRC."""
        name = self.gate.encode()[:NAME_BYTES]
        body = struct.pack(
            _EVENT,
            self.kind,
            len(name),
            0,
            self.boot_id,
            self.seq,
            self.mono_ms,
            self.wall_ms,
            name,
        )
        return body + struct.pack("<I", crc32(body))


def unpack(raw):
    """Read the event in a slot. Returns None if it is torn."""
    if crc32(raw[:56]) != struct.unpack("<I", raw[56:60])[0]:
        return None
    kind, size, _, boot_id, seq, mono_ms, wall_ms, name = struct.unpack(_EVENT, raw[:56])
    if kind not in (ENTRY, EXIT, ANCHOR) or size > NAME_BYTES:
        return None
    return Event(kind, boot_id, seq, mono_ms, wall_ms, name[:size].decode())


class Ring:
    """`flash` is as in journal.py. The ring uses `count` of its sectors, starting at `first`.

    `torn` counts events found torn and `refused` events that found no room. `last_boot` is the
    highest boot number found when the ring was opened, or 0."""

    def __init__(self, flash, first, count):
        self._flash, self._first, self._count = flash, first, count
        self._slots = flash.SECTOR // _SLOT
        self._order = []  # sectors in use, oldest first
        self._blank = set()  # sectors known to be erased
        self._generation = 0
        self._next = self._slots  # the next slot to write in the newest sector
        # Slots of events without their ack, oldest first: a circle of fixed size, so that a full
        # ring needs no more memory, nor another piece of it, than an empty one.
        self._live = array("H", bytes(2 * count * (self._slots - 1)))
        self._head = self._held = 0
        self._anchors = {}  # keyed by boot: the newest one stored
        self.torn = self.refused = self.last_boot = 0
        self._scan()
        self._tidy()

    def __len__(self):
        return self._held

    @property
    def capacity(self):
        """Return how many events fit when all sectors are free."""
        return self._count * (self._slots - 1)

    def first(self):
        """Return the oldest event without its ack, or None. It stays until `done`."""
        while self._held:
            event = unpack(self._flash.read(self._at(0), _SLOT))
            if event is not None:
                return event
            self.torn += 1  # it was whole once; it must not block later events
            self._drop()
            self._tidy()
        return None

    def anchor_of(self, boot_id):
        """Return the newest stored ANCHOR of that boot, or None."""
        return self._anchors.get(boot_id)

    def append(self, event):
        """Store an event. Returns False if the ring is full; the event is then lost and counted in
        `refused`."""
        raw = event.pack()
        while self._next < self._slots or self._open():
            at = self._order[-1] * self._flash.SECTOR + self._next * _SLOT
            self._next += 1
            self._flash.write(at, raw)
            if self._flash.read(at, len(raw)) == raw:  # otherwise a worn cell: try the next slot
                self._hold(at, event)
                return True
        self.refused += event.kind != ANCHOR
        return False

    def done(self):
        """Mark the oldest event as acknowledged, so that it is never sent again."""
        event = self.first()
        if event is None:
            return
        self._flash.write(self._at(0) + _STATE, _ZERO)
        anchor = self._anchors.get(event.boot_id)
        if event.kind == ANCHOR and anchor is not None and anchor.mono_ms == event.mono_ms:
            self._anchors.pop(event.boot_id)
        self._drop()
        self._tidy()

    def _drop(self):
        self._head = (self._head + 1) % len(self._live)
        self._held -= 1

    def _open(self):
        """Begin another sector. Returns False if all of them hold events without their ack."""
        free = [s for s in self._sectors() if s not in self._order]
        if not free:
            return False
        # The one erased longest ago comes first, so that wear spreads over all of them.
        newest = self._order[-1] if self._order else self._first - 1
        sector = min(free, key=lambda s: (s - newest - 1) % self._count)
        if sector not in self._blank:
            self._flash.erase(sector)
        self._blank.discard(sector)
        self._generation += 1
        head = struct.pack(_HEADER, _MAGIC, self._generation)
        self._flash.write(sector * self._flash.SECTOR, head + struct.pack("<I", crc32(head)))
        self._order.append(sector)
        self._next = 1
        self._tidy()
        return True

    def _tidy(self):
        """Erase the sectors older than the oldest event, except the one being written."""
        size = self._flash.SECTOR
        keep = self._at(0) // size if self._held else self._order[-1] if self._order else None
        while len(self._order) > 1 and self._order[0] != keep:
            sector = self._order[0]
            self._flash.write(sector * size + _STATE, _ZERO)  # a torn erase finds it retired
            self._flash.erase(sector)
            self._blank.add(sector)
            self._order.pop(0)

    def _sectors(self):
        return range(self._first, self._first + self._count)

    def _scan(self):
        size, found = self._flash.SECTOR, []
        for sector in self._sectors():
            raw = self._flash.read(sector * size, _SLOT)
            head = raw[:8]
            whole = crc32(head) == struct.unpack("<I", raw[8:12])[0] and head[:4] == _MAGIC
            if whole and raw[_STATE:] == _BLANK[_STATE:]:
                found.append((struct.unpack(_HEADER, head)[1], sector))
        for generation, sector in sorted(found):
            self._order.append(sector)
            self._generation = generation
            self._next = 1
            for slot in range(1, self._slots):
                self._look(sector * size + slot * _SLOT, slot)

    def _look(self, at, slot):
        raw = self._flash.read(at, _SLOT)
        if raw == _BLANK:
            return
        self._next = slot + 1
        event = unpack(raw)
        if event is None:
            self.torn += 1
            return
        self.last_boot = max(self.last_boot, event.boot_id)
        if raw[_STATE:] != _ZERO:
            self._hold(at, event)

    def _hold(self, at, event):
        if event.kind == ANCHOR:
            self._anchors[event.boot_id] = event
        self._live[(self._head + self._held) % len(self._live)] = at // _SLOT
        self._held += 1

    def _at(self, index):
        return self._live[(self._head + index) % len(self._live)] * _SLOT
