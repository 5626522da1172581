"""A puller with its lane over memory, for contract tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from parking.core.errors import SettingsError
from parking.runtime.memory import MemoryBroker, MemoryProducer
from parking.runtime.ops import Health, SystemClock
from parking.wire.codec import decode
from parking.wire.mjpeg import Splitter
from services.ingest.bridge import Lane
from services.ingest.handover import Room
from services.ingest.messages import Limits
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.pulled import handle_pulled
from services.ingest.pull.puller import Puller, Source
from services.ingest.pull.sources import sources
from services.ingest.pull.streams import Streams
from services.ingest.replay import Known
from services.ingest.shares import Shares

LOOPBACK = SiteNetworks.parse(["127.0.0.1/32", "::1/128"])
MAX_BYTES = 60_000
LIMIT_S = 0.4
LIMITS = Limits(frame_max_bytes=MAX_BYTES)


class Listed:
    """puller.CameraFiles whose content is set by hand."""

    def __init__(self, *cameras: Camera) -> None:
        self.content: dict[str, Camera] | SettingsError | None
        self.set(*cameras)

    def set(self, *cameras: Camera) -> None:
        self.content = {camera.camera_id: camera for camera in cameras}

    def read(self) -> dict[str, Camera] | None:
        content, self.content = self.content, None
        if isinstance(content, SettingsError):
            raise content
        return content


class World:
    """The frames and reports that the puller produced from its cameras."""

    def __init__(
        self,
        files: Listed,
        new_source: Callable[[Camera], Source] | None,
        shares: Shares | None = None,
    ) -> None:
        self.broker = MemoryBroker()
        self.files = files
        self.health = Health()
        clock = SystemClock()
        known = Known()
        self.turns = known.turns
        self.puller = Puller(files, new_source or source, LIMITS, clock, self.turns)
        producer = MemoryProducer(self.broker)
        self.lane = Lane(
            "pull",
            self.puller,
            Room(32, 200),
            producer,
            LIMITS,
            health=self.health,
            clock=clock,
            decide=handle_pulled,
            known=known,
            shares=shares,
        )

    def events(self, topic: str, camera_id: str) -> list[Any]:
        found = [decode(record) for record in self.broker.records(topic)]
        return [event for event in found if event.id.startswith(f"{camera_id}/")]


def source(camera: Camera, networks: SiteNetworks = LOOPBACK, limit_s: float = LIMIT_S) -> Source:
    """Return how ingest fetches it. RTSP cameras need streams that must be closed."""
    return sources(networks, LIMITS, limit_s, Streams(LIMITS))(camera)


@asynccontextmanager
async def pulling(
    *cameras: Camera,
    new_source: Callable[[Camera], Source] | None = None,
    shares: Shares | None = None,
) -> AsyncIterator[World]:
    world, stop = World(Listed(*cameras), new_source, shares), asyncio.Event()
    running = asyncio.ensure_future(world.lane.run(stop))
    try:
        yield world
    finally:
        stop.set()
        await asyncio.wait_for(running, 5)


async def jpegs(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Return the pictures of an MJPEG response."""
    async with aclosing(timed_jpegs(response)) as shown:
        async for jpeg, _ in shown:
            yield jpeg


async def timed_jpegs(response: httpx.Response) -> AsyncGenerator[tuple[bytes, int | None], None]:
    """Return the pictures of an MJPEG response, with their times if given."""
    splitter = Splitter(1_000_000)
    async for chunk in response.aiter_raw():
        for picture in splitter.timed(chunk):
            yield picture
