"""Choose partitions: every producer partitions by murmur2 of the key."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from aiokafka.partitioner import DefaultPartitioner, murmur2

from parking.core.errors import Invalid
from parking.core.topics import SITE_PARTITIONS
from parking.wire.ports import Record

_ANY: Final = DefaultPartitioner()


def partition_of(key: str | bytes, partitions: int = SITE_PARTITIONS) -> int:
    """The partition of a key in a topic with this many partitions (by default that of site-keyed
    topics)."""
    return _hash(key.encode() if isinstance(key, str) else key) % partitions


def partitioner(key: bytes | None, every: Sequence[int], available: Sequence[int]) -> int:
    """aiokafka's own choice of a partition. The hash is pure Python and costs more than the rest of
    a small record. It is cached because keys repeat."""
    return every[_hash(key) % len(every)] if key is not None else _ANY(key, every, available)


@lru_cache(maxsize=16_384)
def _hash(key: bytes) -> int:
    return int(murmur2(key) & 0x7FFFFFFF)


def check_place(record: Record, site_id: str) -> None:
    """A site must be in the partition of its key, or two workers would own it. Raises Invalid."""
    if record.key != site_id.encode():
        raise Invalid("wrong-key", f"a record of site {site_id} has key {record.key!r:.100}")
    expected = partition_of(record.key)
    if record.partition != expected:
        raise Invalid(
            "wrong-partition",
            f"site {site_id} belongs in partition {expected}, not {record.partition}: "
            "its producer must partition by murmur2 of the key",
        )
