"""The boot number: it only grows and never repeats, even after flash is erased.

It begins at (second of provisioning) * 2^20 + a random part and grows by one at each boot. A device
that is erased and provisioned again begins at a later second. Earlier boots cannot have reached
that number, because that would take a million boots a second. So ids stay unique. Comparing numbers
is correct even across a re-flash: the tracker does so to tell which connection is newer.
"""

import struct

_PER_SECOND = 1 << 20
_LIMIT = 1 << 53  # every JSON reader can represent it
_FIRST_S = 1_767_225_600  # 2026-01-01: no device was provisioned earlier


def base(provisioned_at_s, chance):
    """Return the first number of a counter. `chance` is random: 0 <= x < 1. Raises ValueError if
    the clock is wrong."""
    if not _FIRST_S <= provisioned_at_s < _LIMIT // _PER_SECOND:
        raise ValueError("the time of provisioning is wrong")
    return provisioned_at_s * _PER_SECOND + int(chance * _PER_SECOND)


def next_boot(journal, begin, last_seen=0):
    """Count this boot in flash and return its number. `begin` is the first number if flash holds no
    counter. `last_seen` is the highest number known from elsewhere (events in the ring)."""
    known = struct.unpack("<Q", journal.data)[0] if journal.data and len(journal.data) == 8 else 0
    boot_id = max(known + 1, begin, last_seen + 1)
    journal.put(struct.pack("<Q", boot_id))
    return boot_id
