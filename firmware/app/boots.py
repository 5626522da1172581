"""The boot number: it only grows and never repeats, even after flash is erased.

It begins at (second of provisioning) * 2^20 + chance and grows by one each boot. A device that is
erased and provisioned again begins at a later second. Earlier boots cannot have reached that
number: it would take a million boots a second. So ids stay unique, and comparing numbers (the
tracker: is this connection newer?) is correct even across a re-flash.
"""

import struct

_PER_SECOND = 1 << 20
_LIMIT = 1 << 53  # every JSON reader can represent it
_FIRST_S = 1_767_225_600  # 2026-01-01: no device was provisioned before


def base(provisioned_at_s, chance):
    """Return the first number of a counter. `chance`: 0 <= x < 1. Raises ValueError for a wrong
    clock."""
    if not _FIRST_S <= provisioned_at_s < _LIMIT // _PER_SECOND:
        raise ValueError("the time of provisioning is wrong")
    return provisioned_at_s * _PER_SECOND + int(chance * _PER_SECOND)


def next_boot(journal, begin, last_seen=0):
    """Count this boot in flash and return its number. `begin`: the first number if flash has no
    counter; `last_seen`: the highest number known from elsewhere (events in the ring)."""
    known = struct.unpack("<Q", journal.data)[0] if journal.data and len(journal.data) == 8 else 0
    boot_id = max(known + 1, begin, last_seen + 1)
    journal.put(struct.pack("<Q", boot_id))
    return boot_id
