"""Live pictures of the cameras that ingest fetches: one connection to ingest a camera, shared by
all viewers of this instance, as ingest's one connection to the camera is shared by all instances.

What ingest does not fetch (its devices send by themselves), or while ingest is away, is shown from
Kafka (pictures.py).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

import aiohttp

from parking.errors import Invalid, Retryable
from parking.mjpeg import Splitter, boundary_of
from parking.ports import Clock
from parking.screen import Screen, Taken
from parking.topics import HTTP_LIVE
from services.notifier.pictures import Pictures
from services.notifier.settings import Limits, LiveSource
from services.notifier.web import ApiError

log = logging.getLogger(__name__)

CONNECT_LIMIT_S: Final = 2.0
SILENCE_S: Final = 15.0  # ingest sends the last picture again before
GRACE_S: Final = 2.0  # a page that is loaded again finds the connection still there
_CHUNK: Final = 65_536
Shown = AsyncGenerator[Taken, None]


class Live:
    """All live cameras of this instance. `run` owns the connections."""

    def __init__(
        self, source: LiveSource, pictures: Pictures, limits: Limits, clock: Clock
    ) -> None:
        self._source = source
        self._pictures = pictures
        self._limits = limits
        self._clock = clock
        self._screens: dict[str, Screen] = {}
        self._connecting: dict[str, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._group: asyncio.TaskGroup | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S)
        headers = {"Authorization": f"Bearer {self._source.key}"}
        connector = aiohttp.TCPConnector(limit=self._limits.watched_cameras, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            self._session, self._group = session, group
            await stop.wait()
            self._session = self._group = None
            for screen in list(self._screens.values()):
                screen.close()

    def check(self) -> None:
        """Raises ApiError 503 when all places are taken."""
        if sum(screen.viewers for screen in self._screens.values()) >= self._limits.viewers:
            raise ApiError(503, "too-many-viewers", "all places are taken: try later")

    async def frames(self, camera_id: str) -> Shown:
        """See Pictures.frames: the latest picture, then live ones; without live ones those that
        come to Kafka."""
        screen = await self._watch(camera_id)
        if screen is not None:
            async with aclosing(self._live(camera_id, screen)) as shown:
                async for picture in shown:
                    yield picture
        async with aclosing(self._pictures.frames(camera_id, drawn=False)) as kept:
            async for picture in kept:
                yield picture

    async def _live(self, camera_id: str, screen: Screen) -> Shown:
        last: Taken | None = None
        async with aclosing(screen.pictures(self._limits.ping_s)) as shown:
            try:
                latest = await self._pictures.latest(camera_id)
                last = latest.jpeg, latest.frame.time_ms
                yield last
            except (ApiError, Retryable):
                pass  # none is kept; the live ones come all the same
            async for taken in shown:
                last = taken or last  # again with its own time: it is no newer for that
                if last is not None:
                    yield last

    def _time_ms(self, jpeg: bytes, last: Taken) -> int:
        """Of a picture from an ingest that does not tell it yet: a repeat is no new picture."""
        return last[1] if jpeg == last[0] else self._clock.now_ms()

    async def _watch(self, camera_id: str) -> Screen | None:
        """The camera's live pictures, connected to once; None when there are none."""
        async with self._connecting.setdefault(camera_id, asyncio.Lock()):
            held = self._screens.get(camera_id)
            if held is not None and not held.is_closed:
                return held
            if len(self._screens) >= self._limits.watched_cameras:
                return None
            return await self._connect(camera_id)

    async def _connect(self, camera_id: str) -> Screen | None:
        session, group = self._session, self._group
        if session is None or group is None:
            return None
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                url = f"{self._source.url}{HTTP_LIVE}/{camera_id}"
                response = await session.get(url, allow_redirects=False)
        except (TimeoutError, aiohttp.ClientError) as error:
            log.warning("ingest gives no live pictures: %s", type(error).__name__)
            return None
        if response.status != 200:
            if response.status != 404:  # 404: a camera that sends by itself
                log.warning("ingest gives no live pictures: it answers %d", response.status)
            response.close()
            return None
        screen = self._screens[camera_id] = Screen()
        group.create_task(self._read(camera_id, screen, response), name=f"live {camera_id}")
        return screen

    async def _read(self, camera_id: str, screen: Screen, response: aiohttp.ClientResponse) -> None:
        """Show what comes, until nobody looks any more or nothing comes."""
        now = asyncio.get_running_loop().time
        watched_s = now()
        last: Taken = (b"", 0)
        async with AsyncExitStack() as leaving:
            leaving.callback(response.close)
            leaving.callback(screen.close)
            leaving.callback(self._screens.pop, camera_id, None)
            try:
                kind = response.headers.get("Content-Type", "")
                splitter = Splitter(boundary_of(kind), self._source.picture_max_bytes)
                while not screen.is_closed and now() - watched_s < GRACE_S:
                    async with asyncio.timeout(SILENCE_S):
                        chunk = await response.content.read(_CHUNK)
                    if not chunk:
                        return
                    for jpeg, time_ms in splitter.timed(chunk)[-1:]:
                        last = (jpeg, self._time_ms(jpeg, last) if time_ms is None else time_ms)
                        screen.show(*last)
                    if screen.is_watched:
                        watched_s = now()
            except (TimeoutError, aiohttp.ClientError, Invalid) as error:
                log.warning("live pictures of %s ended: %s", camera_id, type(error).__name__)
