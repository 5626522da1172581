"""Dead letters: which are meant, which can be sent again, and which were. Pure.

A letter holds the original's bytes, key, headers and place, so it can be sent again to the topic it
came from. Marks in a topic of their own (DEAD_LETTERS_MARKS, one partition) say which originals
were sent. A replay claims an original there before it sends it; of two claims the first in the log
counts. So two operators at the same time do not send the same original.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from parking import codec
from parking.errors import Invalid
from parking.events import DeadLettered
from parking.ports import Outgoing, Record
from parking.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEAD_LETTERS_MARKS,
    MQTT_ROOT,
    PULLED,
    TOPICS,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
    holds_plates,
)

REPLAYED_FROM: Final = "parking-replayed-from"
"""Header of a record that was sent again: the letter's topic, partition and offset."""

# A claim whose replay never said that it sent the letter counts for so long. Sending what was
# claimed takes seconds; the process that claimed it has ended, or Kafka was away for long.
CLAIM_MS: Final = 300_000

_SHELVES: Final = {"events": DEAD_LETTERS, "frames": DEAD_LETTERS_FRAMES}
_PRIVATE: Final = {
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEAD_LETTERS_MARKS,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of a dead-letter topic. `name`: `events/17` or `frames/17`, its offset."""

    name: str
    record: Record
    event: DeadLettered

    @property
    def origin(self) -> str:
        """Names the original: the same in all letters about it, whichever service wrote them."""
        event = self.event
        if event.partition is None or event.offset is None:
            return event.id
        return f"{event.topic}/{event.partition}/{event.offset}/{event.sha256[:16]}"


def letter_of(record: Record) -> Letter:
    """A record of a dead-letter topic. Raises Invalid when it is none."""
    event = codec.decode(record)
    if not isinstance(event, DeadLettered):
        raise Invalid("no-letter", f"{event.TYPE} in {record.topic}")
    shelf = next(shelf for shelf, topic in _SHELVES.items() if topic == record.topic)
    return Letter(f"{shelf}/{record.offset}", record, event)


def named(name: str) -> tuple[str, int]:
    """Topic and offset of the letter of this name. Raises Invalid("bad-letter")."""
    shelf, _, offset = name.partition("/")
    if shelf not in _SHELVES or not (offset.isascii() and offset.isdecimal()):
        raise Invalid("bad-letter", f"{name!r}: a letter is named events/17 or frames/17")
    return _SHELVES[shelf], int(offset)


# ---------------------------------------------------------------- selection
@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; an empty set means any. `names`: as Letter.name; times in Unix ms,
    when the letter was written, `until_ms` excluded; `topics`: where the originals came from."""

    names: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int | None = None

    def holds(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        event = letter.event
        return (
            _in(letter.name, self.names)
            and _in(event.reason, self.reasons)
            and _in(event.service, self.services)
            and _in(event.topic, self.topics)
            and self.since_ms <= event.time_ms
            and (self.until_ms is None or event.time_ms < self.until_ms)
        )

    def sources(self) -> list[str]:
        """The dead-letter topics that can hold such letters."""
        if not self.names:
            return list(_SHELVES.values())
        return sorted({named(name)[0] for name in self.names})


def _in(value: str, wanted: frozenset[str]) -> bool:
    return not wanted or value in wanted


# ---------------------------------------------------------------- sending again
def obstacle(letter: Letter) -> str | None:
    """Why the original cannot be sent again, for people; None when it can."""
    event = letter.event
    topic = TOPICS.get(event.topic)
    if topic is None or event.topic in _PRIVATE:
        return _no_topic(event.topic)
    if holds_plates(event.topic):
        return "letters hold no plates, which must not be kept for so long"
    if event.truncated:
        return f"only the first 64 kB of its {event.length} bytes were kept"
    if not event.length:
        return "the original has no content"
    if event.headers is None:
        return "its headers were not kept (an older version set it aside, or they exceed 16 kB)"
    if topic.compacted:
        return f"{event.topic} keeps the last record of a key: publish a new one instead"
    if hashlib.sha256(letter.record.value or b"").hexdigest() != event.sha256:
        return "its bytes are not those of the original: the checksum differs"
    return None


def _no_topic(place: str) -> str:
    if place.startswith(f"{MQTT_ROOT}/"):
        return "it came by MQTT: only its device can send it again"
    if place.startswith("/"):
        return "it came by HTTP: its sender has to post it again"
    if place.startswith(f"{PULLED}/"):
        return "it was fetched from a camera: newer pictures have taken its place"
    return f"{place} is no topic that letters are sent to"


def original(letter: Letter) -> Outgoing:
    """The original as it was, and where it was sent again from. Its key chooses the partition."""
    record, kept = letter.record, letter.event.headers or []
    headers = tuple((name, value or b"") for name, value in kept if name != REPLAYED_FROM)
    place = f"{record.topic}/{record.partition}/{record.offset}".encode()
    return Outgoing(
        letter.event.topic, record.key, record.value, (*headers, (REPLAYED_FROM, place))
    )


def was_replayed(record: Record) -> bool:
    """Whether a record was sent again from the dead letters."""
    return any(name == REPLAYED_FROM for name, _ in record.headers)


# ---------------------------------------------------------------- marks
class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the marks; its key is the original. `run` names the replay that wrote it;
    `again`: it is to be sent although it was sent before."""

    kind: Literal["claimed", "sent"]
    run: str
    again: bool = False


def mark(letter: Letter, of: Mark) -> Outgoing:
    """A mark as a record."""
    return Outgoing(DEAD_LETTERS_MARKS, letter.origin.encode(), msgspec.json.encode(of))


@dataclass(slots=True)
class _Claim:
    run: str
    at_ms: int
    sent: bool = False


@dataclass(slots=True)
class Marks:
    """What the marks say, folded in the order of the log. Times are the broker's."""

    _claims: dict[str, _Claim] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Take one record in. Raises Invalid("bad-mark") for one of another version."""
        try:
            told = msgspec.json.decode(record.value or b"", type=Mark)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Invalid("bad-mark", f"{record.topic} at {record.offset}: {error}") from error
        origin = (record.key or b"").decode()
        held = self._claims.get(origin)
        if told.kind == "claimed":
            if held is None or self._free(held, told, record.timestamp_ms):
                self._claims[origin] = _Claim(told.run, record.timestamp_ms)
        elif held is None or held.run == told.run:
            self._claims[origin] = _Claim(told.run, record.timestamp_ms, sent=True)

    def is_sent(self, letter: Letter) -> bool:
        """Whether the original was sent again."""
        held = self._claims.get(letter.origin)
        return held is not None and held.sent

    def is_owner(self, letter: Letter, run: str) -> bool:
        """Whether this replay is the one to send it."""
        held = self._claims.get(letter.origin)
        return held is not None and held.run == run and not held.sent

    @staticmethod
    def _free(held: _Claim, told: Mark, now_ms: int) -> bool:
        """Whether another may take it."""
        if held.sent:
            return told.again
        return held.run == told.run or now_ms - held.at_ms > CLAIM_MS


def unique(letters: Sequence[Letter]) -> list[Letter]:
    """One letter an original, the first."""
    return list({letter.origin: letter for letter in reversed(letters)}.values())[::-1]
