"""The queue between MQTT and Kafka, and the order of PUBACKs. Pure, bounded, no I/O."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from parking.wire.codec import event_id
from services.ingest.messages import Handled

# A message with the same number may already be on its way to Kafka.
MAX_EVENT_BYTES: Final = 16_000_000


@dataclass(slots=True, eq=False)
class Delivery:
    """A message as received over one connection; `mid` is None for QoS 0, which has no PUBACK."""

    epoch: int
    mid: int | None
    settled: bool = False


class AckOrder:
    """The PUBACKs not yet sent on one connection, in the order of receipt (MQTT 3.1.1, section
    4.6)."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._owed: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._owed)

    def received(self, mid: int | None) -> Delivery:
        """Note a message received on this connection."""
        delivery = Delivery(self.epoch, mid)
        if mid is not None:
            self._owed.append(delivery)
        return delivery

    def settle(self, delivery: Delivery) -> list[int]:
        """Mark the delivery as settled; return the mids that may now be acknowledged, in order."""
        delivery.settled = True
        ready = []
        while self._owed and self._owed[0].settled:
            mid = self._owed.popleft().mid
            if mid is not None:
                ready.append(mid)
        return ready


@dataclass(slots=True, eq=False)
class Item:
    """A decision waiting for Kafka, and the delivery it settles. `sender` is `{site}/{device}`."""

    handled: Handled
    delivery: Delivery
    sender: str = ""

    @property
    def ids(self) -> list[str]:
        """The ids of the events to be written."""
        return [event_id(message) for message in self.handled.outgoing]

    @property
    def size(self) -> int:
        """The number of bytes to be written."""
        return sum(len(record.value or b"") for record in self.handled.outgoing)


class Room:
    """The queue for Kafka. Frames never fill it, because beyond `max_frames` the camera with the
    most frames loses its oldest one. Everything else is kept. At `max_events`, or
    `max_event_bytes`, the queue is full and the caller must stop reading (messages from the current
    read may still be added).

    Senders take turns, one item each, so a flood from one sender delays another by one item per
    turn. A sender's own items keep their order.
    """

    def __init__(
        self, max_frames: int, max_events: int, max_event_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        self._max_frames = max_frames
        self._max_events = max_events
        self._queues: dict[str, deque[Item]] = {}  # by sender; the first has the next turn
        self._count = 0
        self._frames = 0
        self._max_event_bytes = max_event_bytes
        self._event_bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether reading must stop for now."""
        too_many = self._count - self._frames >= self._max_events
        return too_many or self._event_bytes >= self._max_event_bytes

    def put(self, item: Item) -> Item | None:
        """Queue the item; return the older frame that was dropped for it, if any."""
        self._queues.setdefault(item.sender, deque()).append(item)
        self._count += 1
        if item.handled.frame_of is None:
            self._event_bytes += item.size
            return None
        self._frames += 1
        if self._frames <= self._max_frames:
            return None
        cameras = Counter(frame_of for i in self._all() if (frame_of := i.handled.frame_of))
        crowded, _ = cameras.most_common(1)[0]
        oldest = next(i for i in self._all() if i.handled.frame_of == crowded)
        self._queues[oldest.sender].remove(oldest)
        self._count -= 1
        self._frames -= 1
        return oldest

    def _all(self) -> Iterator[Item]:
        return chain.from_iterable(self._queues.values())

    def _next(self) -> Item:
        while True:
            sender, queue = next(iter(self._queues.items()))
            del self._queues[sender]
            if not queue:  # its only item was dropped
                continue
            item = queue.popleft()
            if queue:
                self._queues[sender] = queue  # behind all others
            self._count -= 1
            return item

    def take(self, limit: int) -> list[Item]:
        """Take up to `limit` items: the oldest of each sender in turn."""
        taken = [self._next() for _ in range(min(limit, self._count))]
        self._frames -= sum(1 for item in taken if item.handled.frame_of)
        self._event_bytes -= sum(item.size for item in taken if not item.handled.frame_of)
        return taken

    def thin(self, taken: Iterable[Item]) -> tuple[list[Item], list[Item]]:
        """While Kafka is down, keep only each camera's newest frame of `taken` and the queue.
        Returns the rest of `taken`, and all dropped frames."""
        taken = list(taken)
        waiting = list(self._all())
        newest = {i.handled.frame_of: i for i in (*taken, *waiting) if i.handled.frame_of}

        def stays(item: Item) -> bool:
            camera = item.handled.frame_of
            return camera is None or newest[camera] is item

        given_way = [item for item in (*taken, *waiting) if not stays(item)]
        self._queues = {
            sender: kept
            for sender, queue in self._queues.items()
            if (kept := deque(filter(stays, queue)))
        }
        self._count = sum(map(len, self._queues.values()))
        self._frames = sum(1 for item in self._all() if item.handled.frame_of)
        return list(filter(stays, taken)), given_way
