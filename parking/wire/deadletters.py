"""Select dead letters, decide whether they can be sent again, and record which were. Pure.

A dead letter has the original's bytes, key, headers and place, so it can be sent again to its
topic. Marks in a separate topic (DEAD_LETTERS_MARKS, one partition) record which originals were
sent. A replay claims an original there before it sends it. If there are two claims, the first in
the log counts. So two operators who replay at the same time do not send the same original twice.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from parking.core.errors import Invalid
from parking.core.events import DeadLettered
from parking.core.topics import (
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
from parking.wire import codec
from parking.wire.ports import Outgoing, Record

REPLAYED_FROM: Final = "parking-replayed-from"
"""Header of a record that was sent again. It holds the dead letter's topic, partition and
offset."""

# How long a claim counts if its replay never marked the letter as sent. Sending takes seconds, so
# after this time the process has ended or Kafka was down for a long time.
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
    """One record of a dead-letter topic. `name` is `events/17` or `frames/17`, where 17 is its
    offset."""

    name: str
    record: Record
    event: DeadLettered

    @property
    def origin(self) -> str:
        """The original's name. It is the same in all dead letters about it, whichever service wrote
        them."""
        event = self.event
        if event.partition is None or event.offset is None:
            return event.id
        return f"{event.topic}/{event.partition}/{event.offset}/{event.sha256[:16]}"


def letter_of(record: Record) -> Letter:
    """Parse a record of a dead-letter topic. Raises Invalid if it is not a dead letter."""
    event = codec.decode(record)
    if not isinstance(event, DeadLettered):
        raise Invalid("no-letter", f"{event.TYPE} in {record.topic}")
    shelf = next(shelf for shelf, topic in _SHELVES.items() if topic == record.topic)
    return Letter(f"{shelf}/{record.offset}", record, event)


def named(name: str) -> tuple[str, int]:
    """Topic and offset of the dead letter with this name. Raises Invalid("bad-letter")."""
    shelf, _, offset = name.partition("/")
    if shelf not in _SHELVES or not (offset.isascii() and offset.isdecimal()):
        raise Invalid("bad-letter", f"{name!r}: a letter is named events/17 or frames/17")
    return _SHELVES[shelf], int(offset)


# ---------------------------------------------------------------- selection
@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of dead letters. An empty set matches all. `names` are as in Letter.name, and
    `topics` are the originals' topics. The times (Unix ms) are when the dead letter was written,
    and `until_ms` is exclusive."""

    names: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int | None = None

    def holds(self, letter: Letter) -> bool:
        """Whether the filter selects this dead letter."""
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
        """The dead-letter topics that can contain such dead letters."""
        if not self.names:
            return list(_SHELVES.values())
        return sorted({named(name)[0] for name in self.names})


def _in(value: str, wanted: frozenset[str]) -> bool:
    return not wanted or value in wanted


# ---------------------------------------------------------------- sending again
def obstacle(letter: Letter) -> str | None:
    """Why the original cannot be sent again, in words for people, or None if it can."""
    event = letter.event
    topic = TOPICS.get(event.topic)
    if topic is None or event.topic in _PRIVATE:
        return _no_topic(event.topic)
    if holds_plates(event.topic):
        return "dead letters contain no plates, which must not be kept that long"
    if event.truncated:
        return f"only the first 64 kB of its {event.length} bytes were kept"
    if not event.length:
        return "the original has no content"
    if event.headers is None:
        return "its headers were not kept (an older version wrote the letter, or they exceed 16 kB)"
    if topic.compacted:
        return f"{event.topic} keeps the last record of a key: publish a new one instead"
    if hashlib.sha256(letter.record.value or b"").hexdigest() != event.sha256:
        return "its bytes differ from the original: the checksum does not match"
    return None


def _no_topic(place: str) -> str:
    if place.startswith(f"{MQTT_ROOT}/"):
        return "it was received by MQTT: only its device can send it again"
    if place.startswith("/"):
        return "it was received by HTTP: its sender must post it again"
    if place.startswith(f"{PULLED}/"):
        return "it was polled from a camera: newer pictures have replaced it"
    return f"dead letters cannot be sent to topic {place}"


def original(letter: Letter) -> Outgoing:
    """The original record, with the place from which it was sent again. Its key determines the
    partition."""
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
    """A record in the topic of marks, whose key is the original. `run` names the replay that wrote
    it. `again` means: send it even though it was sent before."""

    kind: Literal["claimed", "sent"]
    run: str
    again: bool = False


def mark(letter: Letter, of: Mark) -> Outgoing:
    """Return a mark as a record."""
    return Outgoing(DEAD_LETTERS_MARKS, letter.origin.encode(), msgspec.json.encode(of))


@dataclass(slots=True)
class _Claim:
    run: str
    at_ms: int
    sent: bool = False


@dataclass(slots=True)
class Marks:
    """The marks, folded in log order. Timestamps are the broker's."""

    _claims: dict[str, _Claim] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Apply one record. Raises Invalid("bad-mark") if it has another version."""
        try:
            note = msgspec.json.decode(record.value or b"", type=Mark)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Invalid("bad-mark", f"{record.topic} at {record.offset}: {error}") from error
        origin = (record.key or b"").decode()
        claim = self._claims.get(origin)
        if note.kind == "claimed":
            if claim is None or self._free(claim, note, record.timestamp_ms):
                self._claims[origin] = _Claim(note.run, record.timestamp_ms)
        elif claim is None or claim.run == note.run:
            self._claims[origin] = _Claim(note.run, record.timestamp_ms, sent=True)

    def is_sent(self, letter: Letter) -> bool:
        """Whether the original was sent again."""
        claim = self._claims.get(letter.origin)
        return claim is not None and claim.sent

    def is_owner(self, letter: Letter, run: str) -> bool:
        """Whether this replay should send it."""
        claim = self._claims.get(letter.origin)
        return claim is not None and claim.run == run and not claim.sent

    @staticmethod
    def _free(claim: _Claim, note: Mark, now_ms: int) -> bool:
        """Whether another replay may take it."""
        if claim.sent:
            return note.again
        return claim.run == note.run or now_ms - claim.at_ms > CLAIM_MS


def unique(letters: Sequence[Letter]) -> list[Letter]:
    """The first dead letter of each original."""
    return list({letter.origin: letter for letter in reversed(letters)}.values())[::-1]
