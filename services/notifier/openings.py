"""Snapshots for new clients, encoded once and shared.

A large snapshot is shared for `KEPT_MS`. A client gets it and then the messages published since, so
clients that arrive between two changes do not each need their own encoding. The memory of all
snapshots still being read is limited. Above the limit, the clients that are reading the oldest one
are disconnected, and reconnect for a newer one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.notifier.clients import Client, Message, Sites, includes, sites_of

KEPT_MS: Final = 4_000
SHARED_BYTES: Final = 65_536
"""A smaller snapshot is encoded again after each change."""
SINCE_MAX: Final = 256
SITES_KEPT: Final = 100
BYTES_MAX: Final = 32_000_000

Place = tuple[int, str]
"""The state's revision and the id of the last change in a snapshot."""


@dataclass(slots=True, eq=False)
class Opening:
    """A snapshot, the messages published since, and the clients that have not yet read it."""

    message: Message
    place: Place
    made_at_ms: int
    since: list[Message] = field(default_factory=list)
    readers: set[Client] = field(default_factory=set)

    @property
    def size_bytes(self) -> int:
        """Size of the snapshot alone. The messages since then are shared with the clients'
        queues."""
        return len(self.message.data)

    def messages(self, chosen: str | Sites) -> list[Message]:
        """Return the first messages for a client of one site, or of several."""
        sites = sites_of(chosen)
        return [self.message, *(m for m in self.since if includes(sites, m.site_id))]


class Openings:
    """The snapshots in use, keyed by the sites in them."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._current: dict[Sites, Opening] = {}
        self._read: list[Opening] = []

    @property
    def size_bytes(self) -> int:
        """Size of all snapshots that are current or still being read."""
        return sum(opening.size_bytes for opening in {*self._current.values(), *self._read})

    def get(self, sites: Sites, place: Place, now_ms: int, make: Callable[[], Message]) -> Opening:
        """Return the sites' snapshot: the current one while it may be shared, otherwise a new
        one."""
        opening = self._current.get(sites)
        if opening is None or not _fits(opening, place, now_ms):
            if len(self._current) >= SITES_KEPT:
                self._current.clear()
            self._current.pop(sites, None)
            opening = Opening(make(), place, now_ms)
            self._current[sites] = opening
        return opening

    def published(self, message: Message) -> None:
        """Add a message for every client that gets the current snapshot."""
        for sites, opening in tuple(self._current.items()):
            opening.since.append(message)
            if len(opening.since) > SINCE_MAX:
                del self._current[sites]

    def forget(self) -> None:
        """Forget the current snapshot, because the state changed without a message."""
        self._current.clear()

    def begin(self, opening: Opening, client: Client) -> None:
        """Note that the client is being sent this snapshot. Other clients may be disconnected to
        make room for it."""
        if opening not in self._read:
            self._read.append(opening)
        opening.readers.add(client)
        while self.size_bytes > self._bytes_max and self._read[0] is not opening:
            oldest = self._read.pop(0)
            for slow in oldest.readers:
                slow.close("slow")

    def end(self, opening: Opening, client: Client) -> None:
        """Note that the client has received the snapshot, or has disconnected."""
        opening.readers.discard(client)
        if not opening.readers and opening in self._read:
            self._read.remove(opening)


def _fits(opening: Opening, place: Place, now_ms: int) -> bool:
    fresh = now_ms - opening.made_at_ms <= KEPT_MS
    large = opening.size_bytes >= SHARED_BYTES
    return fresh and (large or opening.place == place)
