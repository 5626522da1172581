"""A puller with its lane over memory, for contract tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from parking.codec import decode
from parking.errors import SettingsError
from parking.memory import MemoryBroker, MemoryProducer
from parking.mjpeg import Splitter, boundary_of
from parking.networks import Networks
from parking.ops import Health, SystemClock
from services.ingest.bridge import Lane
from services.ingest.camerafile import Camera
from services.ingest.decoder import Decoder
from services.ingest.handover import Room
from services.ingest.messages import Limits
from services.ingest.pulled import handle_pulled
from services.ingest.puller import Puller, Source
from services.ingest.sources import sources

LOOPBACK = Networks.parse(["127.0.0.1/32", "::1/128"])
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
    """What the puller made of its cameras."""

    def __init__(self, files: Listed, new_source: Callable[[Camera], Source] | None) -> None:
        self.broker = MemoryBroker()
        self.files = files
        self.health = Health()
        clock = SystemClock()
        self.puller = Puller(files, new_source or source, LIMITS, clock)
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
        )

    def events(self, topic: str, camera_id: str) -> list[Any]:
        found = [decode(record) for record in self.broker.records(topic)]
        return [event for event in found if event.id.startswith(f"{camera_id}/")]


def source(camera: Camera, networks: Networks = LOOPBACK, limit_s: float = LIMIT_S) -> Source:
    """How ingest fetches it; RTSP cameras need a decoder that somebody closes."""
    return sources(networks, LIMITS, limit_s, Decoder(LIMITS))(camera)


@asynccontextmanager
async def pulling(
    *cameras: Camera, new_source: Callable[[Camera], Source] | None = None
) -> AsyncIterator[World]:
    world, stop = World(Listed(*cameras), new_source), asyncio.Event()
    running = asyncio.ensure_future(world.lane.run(stop))
    try:
        yield world
    finally:
        stop.set()
        await asyncio.wait_for(running, 5)


async def jpegs(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The pictures of an MJPEG answer."""
    async with aclosing(timed_jpegs(response)) as shown:
        async for jpeg, _ in shown:
            yield jpeg


async def timed_jpegs(response: httpx.Response) -> AsyncGenerator[tuple[bytes, int | None], None]:
    """The pictures of an MJPEG answer, and their times where they are told."""
    splitter = Splitter(boundary_of(response.headers["content-type"]), 1_000_000)
    async for chunk in response.aiter_raw():
        for picture in splitter.timed(chunk):
            yield picture
