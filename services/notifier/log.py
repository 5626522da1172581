"""How the notifier reads Kafka: without a group, from places it chooses itself."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from parking.ports import Place, Record

Bounds = dict[Place, tuple[int, int]]
"""Place to (first offset still there, next offset to be written)."""


class Log(Protocol):
    """The log as a whole. `adapters.KafkaLog` and `adapters.MemoryLog` pass the same tests."""

    async def cluster_id(self) -> str:
        """Which cluster this is; another id means that offsets mean nothing. Raises Retryable."""

    async def bounds(self, *topics: str) -> Bounds:
        """Of every partition of the topics. Raises Retryable, also when a topic is missing."""

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        """The records from `starts` up to `ends`, in order per partition; those already deleted
        are missing from the answer. Raises Retryable when they cannot be had in time."""

    def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        """As `read`, in batches: for what need not fit into memory. Raises Retryable when nothing
        more comes for long. Close it."""

    def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        """Records from `starts` on, forever; [] now and then while nothing comes. Close it."""

    def reached(self) -> Mapping[Place, int]:
        """How far `tail` has read where nothing came lately: ends of transactions take offsets, so
        that may be beyond the last record."""


async def gone(log: Log, starts: Mapping[Place, int]) -> bool:
    """Whether records from `starts` on are no longer there. Raises Retryable."""
    bounds = await log.bounds(*{topic for topic, _ in starts})
    return any(offset < bounds[place][0] for place, offset in starts.items())
