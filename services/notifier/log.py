"""How the notifier reads Kafka: without a group, from positions that it chooses itself."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from parking.wire.ports import Place, Record

Bounds = dict[Place, tuple[int, int]]
"""Maps a place to (first offset still there, next offset to be written)."""


class Log(Protocol):
    """The log. The same tests run against `adapters.KafkaLog` and `adapters.MemoryLog`."""

    async def cluster_id(self) -> str:
        """Return the cluster's id. With another id, known offsets are meaningless. Raises
        Retryable."""

    async def bounds(self, *topics: str) -> Bounds:
        """Return the range of every partition of the topics. Raises Retryable, also when a topic is
        missing."""

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        """Return the records from `starts` up to `ends`, in order within each partition, without
        deleted ones. Raises Retryable when they do not arrive in time."""

    def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        """The same as `read`, in batches, for more than fits into memory. Raises Retryable when no
        progress is made for a long time. The caller must close it."""

    def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        """Yield records from `starts` on, for ever, and [] now and then while none arrive. The
        caller must close it."""

    def reached(self) -> Mapping[Place, int]:
        """Return how far `tail` has read. This may be beyond the last record, because the ends of
        transactions take offsets too."""


async def expired(log: Log, starts: Mapping[Place, int]) -> bool:
    """Return whether records from `starts` on were deleted. Raises Retryable."""
    bounds = await log.bounds(*{topic for topic, _ in starts})
    return any(offset < bounds[place][0] for place, offset in starts.items())
