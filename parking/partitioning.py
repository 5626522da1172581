"""Where a key's records lie: every producer partitions by murmur2 of the key."""

from aiokafka.partitioner import murmur2

from parking.errors import Invalid
from parking.ports import Record
from parking.topics import SITE_PARTITIONS


def partition_of(key: str | bytes, partitions: int = SITE_PARTITIONS) -> int:
    """The partition of a key in a topic of so many (of those keyed by site unless told)."""
    raw = key.encode() if isinstance(key, str) else key
    return int(murmur2(raw) & 0x7FFFFFFF) % partitions


def check_place(record: Record, site_id: str) -> None:
    """A site lives in the partition of its key, or two workers would have it. Raises Invalid."""
    if record.key != site_id.encode():
        raise Invalid("wrong-key", f"a record of site {site_id} has key {record.key!r:.100}")
    expected = partition_of(record.key)
    if record.partition != expected:
        raise Invalid(
            "wrong-partition",
            f"site {site_id} belongs in partition {expected}, not {record.partition}: "
            "its producer must partition by murmur2 of the key",
        )
