"""Which boot this is: a number that only grows and never comes twice, however flash is treated.

It begins at (second of provisioning) * 2^20 + chance and counts one a boot. A device that is erased
and provisioned again begins at a later second, beyond any count of boots since the earlier one: a
million of them would have to fit into each second. So ids stay unique, and whoever compares numbers
(the tracker: is this connection newer?) is right across a re-flash too.
"""

import struct

_PER_SECOND = 1 << 20
_LIMIT = 1 << 53  # every reader of JSON can hold it
_FIRST_S = 1_767_225_600  # 2026-01-01: no device was provisioned before


def base(provisioned_at_s, chance):
    """Where a counter begins. `chance`: 0 <= x < 1. Raises ValueError for a wrong clock."""
    if not _FIRST_S <= provisioned_at_s < _LIMIT // _PER_SECOND:
        raise ValueError("the time of provisioning is wrong")
    return provisioned_at_s * _PER_SECOND + int(chance * _PER_SECOND)


def next_boot(journal, begin, last_seen=0):
    """Count this boot in flash and return its number. `begin`: where a counter without a past
    begins; `last_seen`: the highest number known from elsewhere (events in the ring)."""
    known = struct.unpack("<Q", journal.data)[0] if journal.data and len(journal.data) == 8 else 0
    boot_id = max(known + 1, begin, last_seen + 1)
    journal.put(struct.pack("<Q", boot_id))
    return boot_id
