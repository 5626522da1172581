"""The live feed: the folded state, the ring, and the clients that follow it.

One instance has one `Feed`. `take()` folds records and hands each event, encoded once, to every
client that wants it; it never waits.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any, Final

import msgspec

from parking.core.errors import Invalid, Newer, Retryable
from parking.core.topics import SLOT_CHANGES
from parking.runtime.metrics import END_TO_END_SECONDS, RECORDS_IGNORED, SSE_CLIENTS
from parking.wire.partitioning import partition_of
from parking.wire.ports import Clock, Place, Record
from services.notifier import handler
from services.notifier.clients import Client, Message, Sites, counted
from services.notifier.log import Log
from services.notifier.openings import Openings
from services.notifier.resuming import TopicReads, in_batches, missed_changes
from services.notifier.ring import Ahead, Change, FromRing, FromTopic, Plan, Reset, Ring
from services.notifier.settings import Limits
from services.notifier.state import NOT_READ_YET, LiveState
from services.notifier.views import Snapshot

log = logging.getLogger(__name__)

SNAPSHOT_CHANGES: Final = 50
CATCH_UP_LIMIT_S: Final = 5.0
LARGE_SENDS: Final = 8
"""How many WebSocket clients are sent a large message at the same time, because each needs a copy
of it."""
_json: Final = msgspec.json.Encoder()


class Feed:
    """Folds what the tail reads and serves the followers, all in one event loop."""

    def __init__(self, log_: Log, clock: Clock, limits: Limits) -> None:
        self.state = LiveState()
        self.limits = limits
        self.moved = 0  # followers that have read their first messages, and those that have ended
        self.positions: dict[Place, int] = {}
        self._ring: Ring | None = None
        self._live_from: dict[int, int] = {}
        self._log = log_
        self._clock = clock
        self._clients: set[Client] = set()
        self._ended = False
        self.openings = Openings()
        self._still: dict[str, Any] = {}  # the same values as in a ping
        self.large_sends = asyncio.Semaphore(LARGE_SENDS)
        self._topic_reads = TopicReads(log_, limits)
        self._read = asyncio.Condition()

    # ------------------------------------------------------------ what the tail does
    async def begin(
        self, cluster_id: str, state: LiveState, starts: dict[Place, int], live_from: dict[int, int]
    ) -> None:
        """Start after the compacted topics were read into `state`; continue from `starts`. Changes
        before `live_from` (the next offsets of slot-changes at the start) are old, so they only
        fill the ring."""
        changes = {p: offset for (topic, p), offset in starts.items() if topic == SLOT_CHANGES}
        self._ring = Ring(cluster_id, changes, self.limits.ring_changes)
        self._live_from = live_from
        self.positions = dict(starts)
        self.state = state
        self.openings.forget()
        async with self._read:
            self._read.notify_all()

    @property
    def ready(self) -> bool:
        """Whether the state is complete, that is, everything from before the start was folded."""
        ends = {(SLOT_CHANGES, p): end for p, end in self._live_from.items()}
        return self._ring is not None and all(self.positions[p] >= ends[p] for p in ends)

    @property
    def ring(self) -> Ring:
        """The ring of the last changes. Raises Retryable before the start."""
        if self._ring is None:
            raise Retryable(NOT_READ_YET)
        return self._ring

    async def take(self, records: Sequence[Record]) -> None:
        """Fold records in the order of each partition, and send the resulting messages to the
        clients."""
        for record in records:
            self.positions[record.topic, record.partition] = record.offset + 1
            self._take(record)
        if records:
            async with self._read:
                self._read.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the tail has read what `holds` asks for."""
        async with self._read:
            await self._read.wait_for(holds)

    def _take(self, record: Record) -> None:
        before = self.state.revision
        update = fold(self.state, record)
        if record.topic == SLOT_CHANGES:
            self._take_change(record, update)
        elif update is not None:
            self._publish(Message(update.type, update.data, None, update.site_id))
        elif self.state.revision != before:
            self.openings.forget()

    def _take_change(self, record: Record, update: handler.Update | None) -> None:
        change = update.change if update else None
        if update is None or change is None:
            self.ring.skip(record.partition, record.offset)
            return
        self.ring.push(Change(record.partition, record.offset, change, update.data))
        if record.offset < self._live_from.get(record.partition, 0):
            self.openings.forget()
            return
        self._publish(Message(update.type, update.data, self.ring.id, update.site_id))
        if change.cause.kind == "frame":
            END_TO_END_SECONDS.observe(max(0, self._clock.now_ms() - change.time_ms) / 1000)

    def _publish(self, message: Message) -> None:
        self.openings.published(message)
        for client in tuple(self._clients):
            client.offer(message)
            if client.closed:
                self._clients.discard(client)

    def stands_still(self, since_ms: int | None) -> None:
        """Note since when (Unix ms) Kafka has not answered; None means that it answers."""
        self._set_still("still_since_ms", since_ms)

    def stages_stand_still(self, since_ms: Mapping[str, int]) -> None:
        """Note that these stages have made no progress since the given times (Unix ms), although
        records are waiting."""
        self._set_still("stages_still_since_ms", dict(since_ms) or None)

    def _set_still(self, name: str, value: object) -> None:
        self._still = {n: v for n, v in (self._still | {name: value}).items() if v is not None}
        self._publish(self._ping())

    def close(self) -> None:
        """End all streams, because the process ends."""
        self._ended = True
        for client in tuple(self._clients):
            client.close("shutdown")
        self._clients.clear()

    # ------------------------------------------------------------ what clients do
    def client(self, chosen: str | Sites) -> Client:
        """Return a queue for `follow`, for callers that need to know when it is disconnected."""
        return Client(chosen, self.limits.queue_messages)

    async def follow(
        self, chosen: str | Sites, last_id: str | None, client: Client | None = None
    ) -> AsyncGenerator[list[Message], None]:
        """For one site, several or all (None), yield a snapshot and every change after it or, with
        a `last_id`, the missed changes and every later one. A ping is sent every `ping_s` in any
        case, because pages set their clocks by it. The stream ends when the client is too slow or
        the process ends. Raises Retryable."""
        client = client or self.client(chosen)
        SSE_CLIENTS.inc()
        try:
            empty = True
            with ExitStack() as using:
                for first in await self._opening(client, last_id, using):
                    empty = not first
                    yield counted(first)
                    del first  # or a snapshot would last as long as its clients
            del using
            self.moved += 1
            # A ping confirms to a client that it missed nothing, even where no site exists.
            if empty or self._still:
                yield counted([self._ping()])
            async for messages in self._live(client):
                yield counted(messages)
        finally:
            SSE_CLIENTS.dec()
            self.moved += 1
            self._clients.discard(client)
            client.leave()

    async def _live(self, client: Client) -> AsyncGenerator[list[Message], None]:
        """Yield published messages, and pings, until the client is disconnected."""
        now_s, ping_s = asyncio.get_running_loop().time, self.limits.ping_s
        ping_due_s = now_s() + ping_s
        while True:
            if now_s() >= ping_due_s:
                ping_due_s = now_s() + ping_s
                yield [self._ping()]
            try:
                messages = await client.next(ping_due_s)
            except TimeoutError:
                continue
            if not messages:
                return
            yield messages

    def _ping(self) -> Message:
        return Message("ping", _json.encode({"time_ms": self._clock.now_ms(), **self._still}))

    async def _opening(
        self, client: Client, last_id: str | None, using: ExitStack
    ) -> Iterator[list[Message]]:
        """Yield a client's first messages. Everything published after the client was attached is in
        its queue. `using` is closed once all of the first messages were sent."""
        if not last_id:
            return iter([self._snapshot_for(client, using)])
        plan = self._plan(client, last_id)
        if isinstance(plan, Ahead):
            plan = await self._caught_up(client, last_id, plan)
        if isinstance(plan, Reset):
            return iter([self._reset(client, plan, using)])
        self._attach(client)  # no await since the plan was made, so no gap
        # Send the current state of what slot-changes does not contain, because the client may have
        # missed it.
        now = handler.current(self.state, client.sites)
        if isinstance(plan, FromRing):
            changes: list[Change] | Reset = plan.changes
        else:
            changes = await self._topic_reads.read(plan, using)
        if isinstance(changes, Reset):
            return iter([self._reset(client, changes, using)])
        again = missed_changes(self.ring.cluster_id, plan.vector, changes, client.sites)
        return in_batches(chain(again, (Message(t.type, t.data, None, t.site_id) for t in now)))

    def _reset(self, client: Client, reset: Reset, using: ExitStack) -> list[Message]:
        client.forget()
        first = Message("reset", _json.encode({"reason": reset.reason}))
        return [first, *self._snapshot_for(client, using)]

    def _snapshot_for(self, client: Client, using: ExitStack) -> list[Message]:
        self._attach(client)
        now_ms, place = self._clock.now_ms(), (self.state.revision, self.ring.id)
        sites = client.sites
        opening = self.openings.get(sites, place, now_ms, lambda: self._snapshot(sites))
        messages = opening.messages(sites)
        self.openings.begin(opening, client)
        using.callback(self.openings.end, opening, client)
        return messages

    def _attach(self, client: Client) -> None:
        if self._ended:
            client.close("shutdown")
        else:
            self._clients.add(client)

    def _plan(self, client: Client, last_id: str) -> Plan:
        ring = self.ring
        if client.sites is None:
            return ring.plan(last_id)
        return ring.plan(last_id, {partition_of(site, len(ring.next)) for site in client.sites})

    async def _caught_up(
        self, client: Client, last_id: str, plan: Ahead
    ) -> Reset | FromRing | FromTopic:
        """Wait until this instance has read as far as the instance that was ahead, if the log goes
        that far."""
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

    def _snapshot(self, chosen: Sites) -> Message:
        """Return all that a page needs when it starts."""
        sites = self.state.site_ids() if chosen is None else sorted(chosen)
        views = [self.state.site_view(site) for site in sites]
        if chosen is None:
            cameras = self.state.camera_views()
        else:
            cameras = [view for site in sites for view in self.state.camera_views(site)]
        body = Snapshot(
            time_ms=self._clock.now_ms(),
            sites=[view for view in views if view is not None],
            cameras=cameras,
            changes=self.ring.latest(SNAPSHOT_CHANGES, chosen),
        )
        return Message("snapshot", _json.encode(body), self.ring.id)


def fold(state: LiveState, record: Record) -> handler.Update | None:
    """Apply a record. A record that cannot be read is counted and skipped."""
    try:
        return handler.fold(state, record)
    except Invalid as error:
        RECORDS_IGNORED.labels("newer" if isinstance(error, Newer) else "invalid").inc()
        log.warning("%s/%d at %d: %s", record.topic, record.partition, record.offset, error)
        return None
