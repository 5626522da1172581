"""The interfaces between decisions and the outside world.

Real adapters are `parking/runtime/kafka.py` and each service's `adapters.py`. In-memory ones are in
`parking/runtime/memory.py`. Both pass the same contract tests (`tests/contracts/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Headers = tuple[tuple[str, bytes], ...]
Place = tuple[str, int]
"""A topic and a partition."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record read from Kafka. `timestamp_ms` is the broker's (LogAppendTime)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write. `partition` None: by murmur2 of the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


Row = Mapping[str, Any]
"""Column to value; values are JSON values or event parts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Partitions owned under one generation of a consumer group. `topic_ids`: Kafka's own id of
    each topic; a recreated topic has a new one, and so has a topic in another cluster."""

    cluster_id: str
    topic_ids: Mapping[str, str]
    generation: int

    def log_id(self, topic: str) -> str:
        """Identifies one log of a topic: versions and offsets count within it."""
        return f"{self.cluster_id}/{self.topic_ids[topic]}"


@dataclass(frozen=True, slots=True)
class Boxes:
    """Vehicles in one picture: `xyxy` float32 [N, 4] normalised to 0..1, `scores` float32 [N]."""

    xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class Consumer(Protocol):
    """Reads a group's share of some topics, in order per partition."""

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """Wait up to `timeout_ms`; [] when nothing came. Raises Retryable when Kafka is down."""

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit next offsets. Places lost in a rebalance are left out silently: their new owner
        reads the records again, and every effect is idempotent."""

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """Read on from these offsets."""


class Producer(Protocol):
    """Writes records with acks=all."""

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """Write all, return each one's (partition, offset) once all are durable. Order within a
        partition is kept. Raises Retryable on an outage; some may then have been written. Raises
        Refused for those that Kafka never accepts, once all others are durable."""


class ObjectStore(Protocol):
    """S3. Methods raise Retryable when the store is down; writing a key again is safe."""

    async def put(self, key: str, data: bytes, *, content_type: str = "image/jpeg") -> str:
        """Store and return the sha256 (hex) of what was stored, once it is durable."""

    async def get(self, key: str) -> bytes:
        """The object's bytes. Raises KeyError when there is none."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove the objects; a missing object is not an error."""

    async def list(self, prefix: str, limit: int) -> list[str]:
        """Up to `limit` keys that begin with `prefix`, in key order."""


class EventStore(Protocol):
    """Stores rows and the offsets they came from in one transaction. Methods raise Retryable on an
    outage and Fenced when another generation owns a place."""

    async def claim(
        self, claim: Claim, places: Sequence[Place], replacing: Mapping[Place, int]
    ) -> dict[Place, int]:
        """Own the places from now on; return the next offset of each, 0 for a new one. A higher
        generation is replaced only if it is still the one given in `replacing`."""

    async def known(self, changes: Mapping[str, int]) -> set[str]:
        """The slot changes (id to time, Unix milliseconds) that already have a row."""

    async def note_objects(self, keys: Sequence[str], now_ms: int) -> None:
        """Durable before the objects are put; objects that no row names later are swept."""

    async def write(
        self, claim: Claim, rows: Mapping[str, Sequence[Row]], offsets: Mapping[Place, int]
    ) -> dict[str, int]:
        """Write rows by kind and the next offsets in one transaction; return rows changed by
        kind. The first record of an id wins. Raises Invalid when the content of a row cannot be
        stored."""


class Detector(Protocol):
    """Finds vehicles. Blocks: call it off the event loop."""

    model_id: str

    def detect(self, images_bgr: Sequence[npt.NDArray[np.uint8]], size_px: int) -> list[Boxes]:
        """One `Boxes` per picture ([H, W, 3] uint8 BGR); `size_px` is the long side of the
        input."""


class Clock(Protocol):
    """Wall time and waiting, so that tests control both."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
