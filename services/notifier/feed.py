"""The live feed: the folded state, the ring, and the clients that follow it.

One instance has one `Feed`. `take()` folds records and hands each event, encoded once, to every
client that wants it; it never waits.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final

import msgspec

from parking.errors import Invalid, Newer, Retryable
from parking.metrics import (
    END_TO_END_SECONDS,
    RECORDS_IGNORED,
    SSE_CLIENTS,
    SSE_EVENTS,
)
from parking.partitioning import partition_of
from parking.ports import Clock, Place, Record
from parking.topics import SLOT_CHANGES
from services.notifier import handler
from services.notifier.clients import Client, Message
from services.notifier.log import Log, gone
from services.notifier.ring import (
    Ahead,
    Change,
    FromRing,
    FromTopic,
    Plan,
    Reset,
    Ring,
    format_id,
    missed,
)
from services.notifier.settings import Limits
from services.notifier.state import LiveState
from services.notifier.views import Snapshot

log = logging.getLogger(__name__)

SNAPSHOT_CHANGES: Final = 50
SNAPSHOTS_KEPT: Final = 100
SNAPSHOT_MS: Final = 1000
CATCH_UP_LIMIT_S: Final = 5.0
_json: Final = msgspec.json.Encoder()


class Feed:
    """Folds what the tail reads and serves those who follow. All of it in one event loop."""

    def __init__(self, log_: Log, clock: Clock, limits: Limits) -> None:
        self.state = LiveState()
        self.limits = limits
        self.positions: dict[Place, int] = {}
        self._ring: Ring | None = None
        self._live_from: dict[int, int] = {}
        self._log = log_
        self._clock = clock
        self._clients: set[Client] = set()
        self._ended = False
        self._snapshots: dict[str | None, tuple[tuple[int, str], int, bytes]] = {}
        self._read = asyncio.Condition()

    # ------------------------------------------------------------ what the tail does
    async def begin(
        self,
        cluster_id: str,
        state: LiveState,
        starts: dict[Place, int],
        live_from: dict[int, int],
    ) -> None:
        """The compacted topics were read, into `state`; go on from `starts`. Changes before
        `live_from` (next offsets of slot-changes when this began) are told as past: they fill the
        ring only."""
        changes = {p: offset for (topic, p), offset in starts.items() if topic == SLOT_CHANGES}
        self._ring = Ring(cluster_id, changes, self.limits.ring_changes)
        self._live_from = live_from
        self.positions = dict(starts)
        self.state = state
        async with self._read:
            self._read.notify_all()

    @property
    def ready(self) -> bool:
        """The state is complete: all that was there at the start is folded."""
        ends = {(SLOT_CHANGES, p): end for p, end in self._live_from.items()}
        return self._ring is not None and all(self.positions[p] >= ends[p] for p in ends)

    @property
    def ring(self) -> Ring:
        """Raises Retryable before the start."""
        if self._ring is None:
            raise Retryable("the current state is still being read from Kafka")
        return self._ring

    async def take(self, records: Sequence[Record]) -> None:
        """Fold records in the order of each partition, and tell the clients."""
        for record in records:
            self.positions[record.topic, record.partition] = record.offset + 1
            self._take(record)
        if records:
            async with self._read:
                self._read.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the tail reads."""
        async with self._read:
            await self._read.wait_for(holds)

    def _take(self, record: Record) -> None:
        told = fold(self.state, record)
        if record.topic == SLOT_CHANGES:
            self._take_change(record, told)
        elif told is not None:
            self._publish(Message(told.type, told.data, None, told.site_id))

    def _take_change(self, record: Record, told: handler.Told | None) -> None:
        change = told.change if told else None
        if told is None or change is None:
            self.ring.skip(record.partition, record.offset)
            return
        self.ring.push(Change(record.partition, record.offset, change, told.data))
        if record.offset < self._live_from.get(record.partition, 0):
            return
        self._publish(Message(told.type, told.data, self.ring.id, told.site_id))
        if change.cause.kind == "frame":
            END_TO_END_SECONDS.observe(max(0, self._clock.now_ms() - change.time_ms) / 1000)

    def _publish(self, message: Message) -> None:
        for client in tuple(self._clients):
            client.offer(message)
            if client.closed:
                self._clients.discard(client)

    def close(self) -> None:
        """The process ends: so do all streams."""
        self._ended = True
        for client in tuple(self._clients):
            client.close("shutdown")
        self._clients.clear()

    # ------------------------------------------------------------ what clients do
    @property
    def full(self) -> bool:
        """No more clients are taken."""
        return len(self._clients) >= self.limits.clients

    async def follow(
        self, site_id: str | None, last_id: str | None
    ) -> AsyncGenerator[list[Message], None]:
        """A snapshot and every change after it; or, with a `last_id`, what was missed and every
        change after it. A ping every `ping_s`, whatever else is told: pages set their clocks by
        it. Ends when the client was too slow or the process ends. Raises Retryable."""
        client = Client(site_id, self.limits.queue_messages)
        now_s, ping_s = asyncio.get_running_loop().time, self.limits.ping_s
        SSE_CLIENTS.inc()
        try:
            # Who has missed nothing of a system without sites is told so by a ping.
            messages = await self._opening(client, last_id) or [self._ping()]
            ping_due_s = now_s() + ping_s
            while messages:
                for message in messages:
                    SSE_EVENTS.labels(message.type).inc()
                yield messages
                if now_s() >= ping_due_s:
                    messages, ping_due_s = [self._ping()], now_s() + ping_s
                    continue
                try:
                    messages = await client.next(ping_due_s - now_s())
                except TimeoutError:
                    messages = [self._ping()]
                    ping_due_s = now_s() + ping_s
        finally:
            SSE_CLIENTS.dec()
            self._clients.discard(client)

    def _ping(self) -> Message:
        return Message("ping", b'{"time_ms":%d}' % self._clock.now_ms())

    async def _opening(self, client: Client, last_id: str | None) -> list[Message]:
        """What the client gets first. From its attachment on, everything is in its queue."""
        if not last_id:
            return [self._snapshot_for(client)]
        plan = self._plan(client, last_id)
        if isinstance(plan, Ahead):
            plan = await self._caught_up(client, last_id, plan)
        if isinstance(plan, Reset):
            return self._reset(client, plan)
        self._attach(client)  # nothing was awaited since the plan was made: no gap
        now = self._now(client.site_id)
        changes = plan.changes if isinstance(plan, FromRing) else await self._from_topic(plan)
        if isinstance(changes, Reset):
            return self._reset(client, changes)
        return [*self._replay(plan.vector, changes, client.site_id), *now]

    def _reset(self, client: Client, reset: Reset) -> list[Message]:
        client.forget()
        told = Message("reset", _json.encode({"reason": reset.reason}))
        return [told, self._snapshot_for(client)]

    def _snapshot_for(self, client: Client) -> Message:
        self._attach(client)
        return self.snapshot(client.site_id)

    def _attach(self, client: Client) -> None:
        if self._ended:
            client.close("shutdown")
        else:
            self._clients.add(client)

    def _plan(self, client: Client, last_id: str) -> Plan:
        ring = self.ring
        if client.site_id is None:
            return ring.plan(last_id)
        return ring.plan(last_id, {partition_of(client.site_id, len(ring.next))})

    async def _caught_up(
        self, client: Client, last_id: str, plan: Ahead
    ) -> Reset | FromRing | FromTopic:
        """Another instance was faster: wait until this one has read as far, if there is that far
        to read."""
        bounds = await self._log.bounds(SLOT_CHANGES)
        if any(offset > bounds[SLOT_CHANGES, p][1] for p, offset in plan.vector.items()):
            return Reset("beyond-the-end")
        try:
            async with asyncio.timeout(CATCH_UP_LIMIT_S), self._read:
                while isinstance(again := self._plan(client, last_id), Ahead):
                    await self._read.wait()
                return again
        except TimeoutError:
            return Reset("not-read-yet")

    async def _from_topic(self, plan: FromTopic) -> list[Change] | Reset:
        """The missed records, read again from Kafka, or why they cannot be had."""
        starts = {(SLOT_CHANGES, p): offset for p, offset in plan.vector.items()}
        ends = {(SLOT_CHANGES, p): offset for p, offset in plan.until.items()}
        if await gone(self._log, starts):
            return Reset("too-old")
        if missed(plan.vector, plan.until) > self.limits.resume_changes:
            return Reset("too-many")
        records = await self._log.read(starts, ends)
        if await gone(self._log, starts):
            return Reset("too-old")  # retention was faster than we
        changes = []
        for record in records:
            told = handler.readable(record)
            if told is not None and told.change is not None:
                changes.append(Change(record.partition, record.offset, told.change, told.data))
        return changes

    def _replay(
        self, vector: Mapping[int, int], changes: Sequence[Change], site_id: str | None
    ) -> list[Message]:
        """The missed changes, each with the place of this client after it."""
        seen = dict(vector)
        messages = []
        for change in changes:
            seen[change.partition] = change.offset + 1
            if site_id in (None, change.event.site_id):
                place = format_id(self.ring.cluster_id, seen)
                messages.append(Message("slot-change", change.data, place, change.event.site_id))
        return messages

    def _now(self, site_id: str | None) -> list[Message]:
        """What has no place in slot-changes, as it is now: a resumed client may have missed it."""
        told = handler.current(self.state, site_id)
        return [Message(t.type, t.data, None, t.site_id) for t in told]

    def snapshot(self, site_id: str | None) -> Message:
        """All a page needs to begin; made once for all who ask within a second."""
        now_ms, place = self._clock.now_ms(), (self.state.revision, self.ring.id)
        held = self._snapshots.get(site_id)
        if held is None or held[0] != place or now_ms - held[1] > SNAPSHOT_MS:
            sites = self.state.site_ids() if site_id is None else [site_id]
            views = [self.state.site_view(site) for site in sites]
            body = Snapshot(
                time_ms=now_ms,
                sites=[view for view in views if view is not None],
                cameras=self.state.camera_views(site_id),
                changes=self.ring.latest(SNAPSHOT_CHANGES, site_id),
            )
            held = (place, now_ms, _json.encode(body))
            if len(self._snapshots) > SNAPSHOTS_KEPT:
                self._snapshots.clear()
            self._snapshots[site_id] = held
        return Message("snapshot", held[2], self.ring.id)


def fold(state: LiveState, record: Record) -> handler.Told | None:
    """Apply a record; one that cannot be read is counted and passed over."""
    try:
        return handler.fold(state, record)
    except Invalid as error:
        RECORDS_IGNORED.labels("newer" if isinstance(error, Newer) else "invalid").inc()
        log.warning("%s/%d at %d: %s", record.topic, record.partition, record.offset, error)
        return None
