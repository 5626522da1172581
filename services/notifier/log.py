"""How the notifier reads Kafka: without a group, from places that it chooses itself."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from parking.wire.ports import Place, Record

Bounds = dict[Place, tuple[int, int]]
"""Place to (first offset still there, next offset to be written)."""


class Log(Protocol):
    """The log. `adapters.KafkaLog` and `adapters.MemoryLog` pass the same tests."""

    async def cluster_id(self) -> str:
        """The cluster's id; with another id, known offsets are meaningless. Raises Retryable."""

    async def bounds(self, *topics: str) -> Bounds:
        """The range of every partition of the topics. Raises Retryable, also when a topic is
        missing."""

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        """The records from `starts` up to `ends`, in order per partition, without deleted ones.
        Raises Retryable when they do not arrive in time."""

    def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        """As `read`, in batches, for more than fits into memory. Raises Retryable when no progress
        is made for long. Close it."""

    def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        """Records from `starts` on, for ever; [] now and then while nothing comes. Close it."""

    def reached(self) -> Mapping[Place, int]:
        """How far `tail` has read. Ends of transactions take offsets, so this may be beyond the
        last record."""


async def expired(log: Log, starts: Mapping[Place, int]) -> bool:
    """Whether records from `starts` on were deleted. Raises Retryable."""
    bounds = await log.bounds(*{topic for topic, _ in starts})
    return any(offset < bounds[place][0] for place, offset in starts.items())
