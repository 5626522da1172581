"""Which gate event is sent, and when it is done: one in flight, in order, until the end-to-end ack.

The broker's PUBACK means nothing here: a broker that dies after it has lost the event. Only
ingest's `ack`, sent once Kafka has the event on disk, takes it out of the ring.
"""

import json

from app.ring import ANCHOR, ENTRY, EXIT, Event

ACK_TIMEOUT_MS = 10_000
FRESH_MS = 2000  # younger than this, the time of receipt is as good as our own
ANCHOR_WAIT_MS = 120_000
_KINDS = {"entry": ENTRY, "exit": EXIT}


class Outbox:
    """`now_ms`: the monotonic clock; `boot_id`: of this boot. `accepted`, `rejected`: counts."""

    def __init__(self, ring, clock, boot_id, now_ms):
        self._ring, self._clock, self._boot_id, self._now_ms = ring, clock, boot_id, now_ms
        self._in_flight = None
        self._sent_ms = None
        self._connected_ms = None
        self.accepted = self.rejected = 0
        self._anchored = False

    def add(self, direction, gate, seq, at_ms):
        """Write an event of that moment (monotonic) to flash. False when the ring is full: it is
        lost and counted."""
        wall = self._clock.wall_at(at_ms) or 0
        return self._ring.append(Event(_KINDS[direction], self._boot_id, seq, at_ms, wall, gate))

    def anchored(self):
        """The clock has become known. Events of this boot that are still in flash without a time
        must get it after a power cut too, so the anchor is kept behind them."""
        if not self._anchored and len(self._ring):
            now = self._now_ms()
            self._ring.append(Event(ANCHOR, self._boot_id, 0, now, self._clock.wall_at(now)))
        self._anchored = True

    def connected(self):
        """A new connection: whatever was in flight is sent again."""
        self._in_flight = None
        self._connected_ms = self._now_ms()

    def next(self):
        """What is to be published now, as (topic suffix, payload); None for nothing yet."""
        event = self._first()
        if event is None:
            return None
        now = self._now_ms()
        key = (event.boot_id, event.seq)
        if self._in_flight == key and now - self._sent_ms < ACK_TIMEOUT_MS:
            return None
        captured = self._captured(event)
        if captured is None and self._waits(event, now):
            return None
        self._in_flight, self._sent_ms = key, now
        body = {
            "direction": "entry" if event.kind == ENTRY else "exit",
            "gate": event.gate,
            "captured_at_ms": captured,
        }
        return ("gate", event.boot_id, event.seq), json.dumps(body)

    def acked(self, body):
        """An `ack` arrived (a dict). True when it was for the event at the head."""
        event = self._first()
        if event is None or body.get("of") != "gate":
            return False
        if (body.get("boot_id"), body.get("seq")) != (event.boot_id, event.seq):
            return False
        self._ring.done()
        self._in_flight = None
        if body.get("result") == "accepted":
            self.accepted += 1
        else:
            self.rejected += 1
        return True

    def _first(self):
        event = self._ring.first()
        while event is not None and event.kind == ANCHOR:  # nothing before it needs it any more
            self._ring.done()
            event = self._ring.first()
        return event

    def _captured(self, event):
        if event.wall_ms:
            return event.wall_ms
        if event.boot_id == self._boot_id:
            return self._clock.wall_at(event.mono_ms)
        anchor = self._ring.anchor_of(event.boot_id)
        return None if anchor is None else anchor.wall_ms + event.mono_ms - anchor.mono_ms

    def _waits(self, event, now):
        """Whether its time may still become known. An event of an earlier boot without an anchor
        has none, and one that is fresh needs none: receipt tells it."""
        mine = event.boot_id == self._boot_id
        waited = self._connected_ms is not None and now - self._connected_ms > ANCHOR_WAIT_MS
        return mine and not waited and now - event.mono_ms > FRESH_MS
