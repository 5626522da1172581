"""Between MQTT and Kafka: what waits, and which PUBACK may go next. Pure, bounded, no I/O."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from parking.codec import event_id
from services.ingest.messages import Handled

# As much again may be on its way to Kafka.
MAX_EVENT_BYTES: Final = 16_000_000


@dataclass(slots=True, eq=False)
class Delivery:
    """A message as it came over one connection; `mid` is None for QoS 0, which has no PUBACK."""

    epoch: int
    mid: int | None
    settled: bool = False


class AckOrder:
    """The PUBACKs that one connection owes, in the order of receipt (MQTT 3.1.1, 4.6)."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._owed: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._owed)

    def received(self, mid: int | None) -> Delivery:
        """Note a message of this connection."""
        delivery = Delivery(self.epoch, mid)
        if mid is not None:
            self._owed.append(delivery)
        return delivery

    def settle(self, delivery: Delivery) -> list[int]:
        """The delivery needs nothing more; the mids that may be acknowledged now, in order."""
        delivery.settled = True
        ready = []
        while self._owed and self._owed[0].settled:
            mid = self._owed.popleft().mid
            if mid is not None:
                ready.append(mid)
        return ready


@dataclass(slots=True, eq=False)
class Item:
    """A decision that waits for Kafka, and the delivery it settles."""

    handled: Handled
    delivery: Delivery

    @property
    def ids(self) -> list[str]:
        """Of the events that are to be written."""
        return [event_id(message) for message in self.handled.outgoing]

    @property
    def size(self) -> int:
        """Bytes that are to be written."""
        return sum(len(record.value or b"") for record in self.handled.outgoing)


class Room:
    """What waits for Kafka. Frames never fill it: beyond `max_frames` the camera with most of them
    loses its oldest. Everything else is kept; at `max_events`, or `max_event_bytes`, the room is
    full and its caller has to stop reading (what one read brings may still come in)."""

    def __init__(
        self, max_frames: int, max_events: int, max_event_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        self._max_frames = max_frames
        self._max_events = max_events
        self._waiting: deque[Item] = deque()
        self._frames = 0
        self._max_event_bytes = max_event_bytes
        self._event_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """No more is to be read for now."""
        too_many = len(self._waiting) - self._frames >= self._max_events
        return too_many or self._event_bytes >= self._max_event_bytes

    def put(self, item: Item) -> Item | None:
        """Let it wait; the older frame that gave way, if one had to."""
        self._waiting.append(item)
        if item.handled.frame_of is None:
            self._event_bytes += item.size
            return None
        self._frames += 1
        if self._frames <= self._max_frames:
            return None
        cameras = Counter(frame_of for i in self._waiting if (frame_of := i.handled.frame_of))
        crowded, _ = cameras.most_common(1)[0]
        oldest = next(i for i in self._waiting if i.handled.frame_of == crowded)
        self._waiting.remove(oldest)
        self._frames -= 1
        return oldest

    def take(self, limit: int) -> list[Item]:
        """Up to `limit` items, oldest first."""
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._frames -= sum(1 for item in taken if item.handled.frame_of)
        self._event_bytes -= sum(item.size for item in taken if not item.handled.frame_of)
        return taken

    def thin(self, taken: Iterable[Item]) -> tuple[list[Item], list[Item]]:
        """Kafka is away: of `taken` and of what waits only each camera's newest frame stays.
        Returns what stays of `taken`, and all that gave way."""
        taken = list(taken)
        newest = {i.handled.frame_of: i for i in (*taken, *self._waiting) if i.handled.frame_of}

        def stays(item: Item) -> bool:
            camera = item.handled.frame_of
            return camera is None or newest[camera] is item

        given_way = [item for item in (*taken, *self._waiting) if not stays(item)]
        self._waiting = deque(filter(stays, self._waiting))
        self._frames = sum(1 for item in self._waiting if item.handled.frame_of)
        return list(filter(stays, taken)), given_way
