"""A notifier as its process runs it, inside the test's event loop, and clients that read from
it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from parking.access.devices import Address, Devices
from parking.access.keys import KeyFile
from parking.access.plates import Plates
from parking.access.sign_ins import SignIns
from parking.core.events import LayoutPublished
from parking.runtime.kafka import KafkaSettings
from parking.runtime.memory import MemoryBroker, MemoryProducer
from parking.runtime.ops import Health, HttpSettings, SystemClock, http_loop
from parking.runtime.tls import TlsListener
from parking.wire.ports import Outgoing, Producer
from services.notifier.adapters import KafkaLog, LateProducer, MemoryLog
from services.notifier.api.app import Parts, make_app
from services.notifier.cameras import PolledCameras
from services.notifier.evidence import Evidence
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.live import Live
from services.notifier.log import Log
from services.notifier.moments import Moments
from services.notifier.pictures import Pictures
from services.notifier.previews import Previews
from services.notifier.settings import Limits, LiveSource
from services.notifier.tail import follow_log
from tools.stack.checks import HOST, free_ports

LIMIT_S = 20.0


C = TypeVar("C", KafkaLog, LateProducer)


class Backend:
    """Where the records are: real Kafka or memory. Both behave the same for the notifier."""

    def __init__(self, kafka: KafkaSettings | None) -> None:
        self._kafka = kafka
        self.broker = MemoryBroker()
        self._open: list[KafkaLog | LateProducer] = []
        self.producer: Producer = MemoryProducer(self.broker)
        if kafka is not None:
            self.producer = self._kept(LateProducer(kafka))

    def log(self) -> Log:
        if self._kafka is None:
            return MemoryLog(self.broker)
        return self._kept(KafkaLog(self._kafka))

    async def write(self, *messages: Outgoing) -> list[tuple[int, int]]:
        return await self.producer.send(messages)

    async def close(self) -> None:
        for client in self._open:
            await client.close()

    def _kept(self, client: C) -> C:
        self._open.append(client)
        return client


@dataclass
class Given:
    """The settings that a test may choose."""

    limits: Limits = field(default_factory=Limits)
    keys: Path = Path("no-keys")
    history: History | None = None
    evidence: Evidence | None = None
    moments: Moments | None = None
    origins: Sequence[str] = ()
    hosts: tuple[str, ...] = ()
    dashboard: Path = Path("not-built")
    devices: Path | None = None
    live: LiveSource | None = None
    plates: Plates = field(default_factory=Plates)
    tls: TlsListener | None = None
    sign_ins: SignIns | None = None
    secure_cookie: bool = False
    previews: Previews | None = None


class Instance:
    """One notifier: `async with Instance(backend) as notifier: notifier.http ...`"""

    def __init__(
        self, backend: Backend, given: Given | None = None, log: Log | None = None
    ) -> None:
        given = given or Given()
        clock = SystemClock()
        self.health = Health()
        self._log = log or backend.log()
        self.feed = Feed(self._log, clock, given.limits)
        self.pictures = Pictures(log or backend.log(), self.feed, clock)
        self.live = Live(given.live, self.pictures, given.limits, clock) if given.live else None
        keys = KeyFile(given.keys)
        parts = Parts(
            feed=self.feed,
            pictures=self.pictures,
            history=given.history,
            evidence=given.evidence,
            moments=given.moments,
            producer=backend.producer,
            keys=keys,
            clock=clock,
            health=self.health,
            devices=Devices(given.devices, keys) if given.devices else None,
            address=Address("broker.example", 8883) if given.devices else None,
            live=self.live,
            cameras=PolledCameras(given.live) if given.live else None,
            plates=given.plates,
            sign_ins=given.sign_ins,
            secure_cookie=given.secure_cookie,
            previews=given.previews,
        )
        self.app = make_app(parts, given.origins, given.dashboard)
        self.port = free_ports(1)[0]
        self._http = HttpSettings(HOST, self.port, allowed_hosts=given.hosts, tls=given.tls)
        self.url = f"http://{HOST}:{self.port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=LIMIT_S)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        clock = SystemClock()
        loops = [
            http_loop(self.app, self._http)(self._stop),
            follow_log(self._stop, log_=self._log, feed=self.feed, health=self.health, clock=clock),
            self.pictures.run(self._stop),
        ]
        loops += [self.live.run(self._stop)] if self.live else []
        self._tasks = [asyncio.ensure_future(loop) for loop in loops]
        async with asyncio.timeout(LIMIT_S):
            while not await self._answers():
                for task in self._tasks:
                    assert not task.done(), task.result()
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.aclose()
        self._stop.set()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*self._tasks)

    async def _answers(self) -> bool:
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def seen(self, site: str, version: int, slot: str = "A1") -> None:
        """Wait until this instance holds that version."""
        async with asyncio.timeout(LIMIT_S):
            await self.feed.until(
                lambda: (
                    (held := self.feed.state.slots.get((site, slot))) is not None
                    and held.version >= version
                )
            )

    async def holds_layout(self, camera_id: str, layout: LayoutPublished) -> bool:
        """Wait until it is the camera's layout in this instance."""
        async with asyncio.timeout(LIMIT_S):
            await self.feed.until(lambda: self.feed.state.layouts.get(camera_id) == layout)
        return True

    @asynccontextmanager
    async def events(self, **options: str) -> AsyncIterator["Events"]:
        """Follow /api/events with `site`, `last_event_id` and `header` (Last-Event-ID)."""
        header = options.pop("header", "")
        headers = {"Last-Event-ID": header} if header else {}
        async with self.http.stream(
            "GET", "/api/events", params=options, headers=headers
        ) as response:
            yield Events(response)


@dataclass
class Event:
    type: str
    id: str
    data: Any


class Events:
    """A small reader of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event:
        """Return the next event that has data."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(LIMIT_S):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    return Event(fields.get("event", "message"), fields.get("id", ""), data)
                else:
                    fields = {}
        raise EOFError("the stream ended")

    async def only(self, kind: str, count: int) -> list[Event]:
        """Return the next `count` events of a type and skip others."""
        found: list[Event] = []
        while len(found) < count:
            event = await self.next()
            if event.type == kind:
                found.append(event)
        return found
