"""A notifier and an ingest that polls cameras, over memory, for tests that add cameras."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from parking.access.camera_logins import LoginKey
from parking.access.keys import KeyFile
from parking.runtime.memory import MemoryProducer
from parking.runtime.ops import Health, HttpSettings, SystemClock, http_loop
from services.ingest.http import Intake, new_app
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.finding import Finder
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.setup import Setup, setup_routes
from services.ingest.pull.stored import AllCameras, StoredCameras
from services.notifier.feed import Feed
from services.notifier.settings import LiveSource
from tests.support.cameras import HttpCameras, http_cameras
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.pulling import LIMIT_S, LIMITS, LOOPBACK, Listed, World, source
from tests.support.waiting import listens, until
from tools.stack.checks import HOST, free_ports


@dataclass
class Rig:
    http: httpx.AsyncClient
    world: World
    setup: Setup
    backend: Backend
    feed: Feed
    devices: HttpCameras

    def body(self, path: str = "/capture", **more: Any) -> dict[str, Any]:
        url = self.devices.url(path)
        return {"version": 0, "kind": "snapshot", "url": url, "interval_s": 3600, **more}


@asynccontextmanager
async def rig(
    folder: Path,
    *in_file: Camera,
    scopes=("live", "cameras"),
    with_key=True,
    finder: Finder | None = None,
    networks: SiteNetworks = LOOPBACK,
) -> AsyncIterator[Rig]:
    keys = KeyFile(folder / "keys")
    ingest_key, key = keys.add("notifier", *scopes), keys.add("admin", "devices", "write")
    stored = StoredCameras(LoginKey(bytes(range(32))))
    stored.ready = True
    cameras = AllCameras(Listed(*in_file), stored)
    world = World(cameras, None)  # type: ignore[arg-type] # it is a CameraFiles, too
    setup = Setup(
        stored,
        cameras,
        world.puller,
        MemoryProducer(world.broker),
        partial(source, networks=networks),
        finder or Finder(networks, LIMIT_S),
        LIMITS,
        SystemClock(),
    )
    routes = partial(setup_routes, setup=setup if with_key else None)
    intake = Intake(keys, MemoryProducer(world.broker), LIMITS, SystemClock(), routes=routes)
    port, stop = free_ports(1)[0], asyncio.Event()
    loops = [
        asyncio.ensure_future(http_loop(new_app(intake, Health()), HttpSettings(HOST, port))(stop)),
        asyncio.ensure_future(world.lane.run(stop)),
    ]
    backend = Backend(None)
    backend.broker, backend.producer = world.broker, MemoryProducer(world.broker)
    live = LiveSource(f"http://{HOST}:{port}", ingest_key)
    given = Given(live=live, keys=folder / "keys")
    try:
        async with http_cameras() as devices, Instance(backend, given) as notifier:
            await until(lambda: loops[0].done() or listens(port))
            notifier.http.headers["Authorization"] = f"Bearer {key}"
            yield Rig(notifier.http, world, setup, backend, notifier.feed, devices)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loops), 10)
        await backend.close()
