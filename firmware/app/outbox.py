"""Send gate events in order, one in flight, each until its end-to-end ack.

The broker's PUBACK does not count, because a broker that dies after sending it loses the event.
Only ingest's `ack`, sent once Kafka has the event on disk, removes it from the ring.
"""

import json

from app.clock import AGREE_MS
from app.ring import ANCHOR, ENTRY, EXIT, Event

ACK_TIMEOUT_MS = 10_000
FRESH_MS = 2000  # below this age, the receiver's time is as good as ours
ANCHOR_WAIT_MS = 120_000  # total connected time
DRIFT = 10_000  # crystals are better than 100 ppm
_KINDS = {"entry": ENTRY, "exit": EXIT}


class Outbox:
    """`now_ms` is the monotonic clock and `boot_id` belongs to this boot. `accepted` and `rejected`
    are counts."""

    def __init__(self, ring, clock, boot_id, now_ms):
        self._ring, self._clock, self._boot_id, self._now_ms = ring, clock, boot_id, now_ms
        self._in_flight = None
        self._sent_ms = None
        self._asked_ms = None
        self._waited_ms = 0  # time spent waiting for the clock while connected
        self._anchored = None
        self.accepted = self.rejected = 0

    def add(self, direction, gate, seq, at_ms):
        """Write an event of that (monotonic) moment to flash. Returns False if the ring is full;
        the event is then lost and counted."""
        wall = self._clock.wall_at(at_ms) or 0
        return self._ring.append(Event(_KINDS[direction], self._boot_id, seq, at_ms, wall, gate))

    def anchored(self):
        """Called when the clock becomes known or is corrected. Stores an anchor behind this boot's
        events in flash, so that they get their time even after a power cut."""
        if not self._clock.known or self._anchored == self._clock.jumps:
            return
        if len(self._ring):
            now = self._now_ms()
            anchor = Event(ANCHOR, self._boot_id, 0, now, self._clock.wall_at(now))
            if not self._ring.append(anchor):
                return  # full: tried again when an event is acknowledged
        self._anchored = self._clock.jumps

    def connected(self):
        """On a new connection, send the event in flight again."""
        self._in_flight = None
        self._asked_ms = self._now_ms()

    def next(self):
        """Return the next message as (topic suffix, payload), or None."""
        now = self._now_ms()
        if self._asked_ms is not None:
            self._waited_ms += now - self._asked_ms
        self._asked_ms = now
        event = self._first()
        if event is None:
            return None
        key = (event.boot_id, event.seq)
        if self._in_flight == key and now - self._sent_ms < ACK_TIMEOUT_MS:
            return None
        captured = self._captured(event, now)
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
        """Handle an `ack` (a dict). Returns True if it was for the event at the head."""
        event = self._first()
        if event is None or body.get("of") != "gate":
            return False
        if (body.get("boot_id"), body.get("seq")) != (event.boot_id, event.seq):
            return False
        result = body.get("result")
        if result not in ("accepted", "rejected"):
            return False  # unknown protocol: must not make us drop an event
        if result == "rejected" and body.get("reason") == "rate":
            return False  # rate limit: the event is kept and sent again after ACK_TIMEOUT_MS
        self._ring.done()
        self._in_flight = None
        self.accepted += result == "accepted"
        self.rejected += result == "rejected"
        self.anchored()
        return True

    def _first(self):
        event = self._ring.first()
        while event is not None and event.kind == ANCHOR:  # no remaining event needs it
            self._ring.done()
            event = self._ring.first()
        return event

    def _captured(self, event, now):
        """Return the time that was stored with the event, or else the clock's time for it (None if
        unknown). If the two differ by more than a crystal's drift, the stored time was wrong and
        the clock's is returned."""
        if event.boot_id == self._boot_id:
            known, known_at = self._clock.wall_at(event.mono_ms), now
        else:
            anchor = self._ring.anchor_of(event.boot_id)
            known = anchor and anchor.wall_ms + event.mono_ms - anchor.mono_ms
            known_at = anchor and anchor.mono_ms
        if not event.wall_ms or known is None:
            return event.wall_ms or known
        drift_ms = AGREE_MS + abs(known_at - event.mono_ms) // DRIFT
        return event.wall_ms if abs(known - event.wall_ms) <= drift_ms else known

    def _waits(self, event, now):
        """Return whether its time may still become known. An event of an earlier boot without an
        anchor never gets one. A fresh event needs none, because the time of receipt is used."""
        mine = event.boot_id == self._boot_id
        return mine and self._waited_ms <= ANCHOR_WAIT_MS and now - event.mono_ms > FRESH_MS
