"""The interfaces between the decision logic and the outside world.

The real adapters are in `parking/runtime/kafka.py` and each service's `adapters.py`. The in-memory
ones are in `parking/runtime/memory.py`. Both pass the same contract tests (`tests/contracts/`).
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
    """One record to write. If `partition` is None, murmur2 of the key determines it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


Row = Mapping[str, Any]
"""Maps column to value. Values are JSON values or event parts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Partitions owned under one generation of a consumer group. `topic_ids` is Kafka's own id of
    each topic, which differs for a recreated topic and for a topic in another cluster."""

    cluster_id: str
    topic_ids: Mapping[str, str]
    generation: int

    def log_id(self, topic: str) -> str:
        """Identify one log of a topic. Versions and offsets are valid only within it."""
        return f"{self.cluster_id}/{self.topic_ids[topic]}"


@dataclass(frozen=True, slots=True)
class Boxes:
    """Vehicles in one picture: `xyxy` float32 [N, 4] normalised to 0..1, `scores` float32 [N]."""

    xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class Consumer(Protocol):
    """Reads a group member's share of some topics, in order per partition."""

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """Wait up to `timeout_ms`. Returns [] if nothing arrived. Raises Retryable if Kafka is
        down."""

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit next offsets. Places lost in a rebalance are left out silently, because their new
        owner reads the records again and every effect is idempotent."""

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """Continue reading from these offsets."""


class Producer(Protocol):
    """Writes records with acks=all."""

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """Write all messages and return each one's (partition, offset) once all are durable. The
        order within a partition is kept. Raises Retryable on an outage, in which case some may have
        been written. Raises Refused for those that Kafka will never accept, once all others are
        durable."""


class ObjectStore(Protocol):
    """S3. Methods raise Retryable if the store is down. Writing a key again is safe."""

    async def put(self, key: str, data: bytes, *, content_type: str = "image/jpeg") -> str:
        """Store the data and, once it is durable, return the sha256 (hex) of what was stored."""

    async def get(self, key: str) -> bytes:
        """The object's bytes. Raises KeyError if there is no such object."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove the objects. A missing object is not an error."""

    async def list(self, prefix: str, limit: int) -> list[str]:
        """Up to `limit` keys that begin with `prefix`, in key order."""


class EventStore(Protocol):
    """Stores rows and the offsets they came from in one transaction. Methods raise Retryable on an
    outage and Fenced if another generation owns a place."""

    async def claim(
        self, claim: Claim, places: Sequence[Place], replacing: Mapping[Place, int]
    ) -> dict[Place, int]:
        """Own the places from now on and return the next offset of each, which is 0 for a new
        place. A higher generation is replaced only if it is still the one given in `replacing`."""

    async def known(self, changes: Mapping[str, int]) -> set[str]:
        """The ids of those slot changes that already have a row. `changes` maps id to time (Unix
        milliseconds)."""

    async def note_objects(self, keys: Sequence[str], now_ms: int) -> None:
        """Note the keys of objects durably before the objects are put. Objects that no row names
        later are swept."""

    async def write(
        self, claim: Claim, rows: Mapping[str, Sequence[Row]], offsets: Mapping[Place, int]
    ) -> dict[str, int]:
        """Write rows by kind and the next offsets in one transaction, and return the number of
        changed rows by kind. The first record of an id wins. Raises Invalid if the content of a row
        cannot be stored."""


class Detector(Protocol):
    """Finds vehicles. It blocks, so call it off the event loop."""

    model_id: str

    def detect(self, images_bgr: Sequence[npt.NDArray[np.uint8]], size_px: int) -> list[Boxes]:
        """One `Boxes` per picture ([H, W, 3] uint8 BGR); `size_px` is the long side of the
        input."""


class Clock(Protocol):
    """Wall-clock time and waiting, so that tests control both."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
