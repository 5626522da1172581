"""Live pictures of the cameras that ingest polls. There is one connection to ingest per camera,
shared by all viewers of this instance, just as all instances share ingest's one connection to the
camera.

Cameras that ingest does not poll (devices that publish) are shown from Kafka (pictures.py), and so
are all cameras while ingest is down.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

import aiohttp

from parking.core.errors import Invalid, Retryable
from parking.core.topics import HTTP_LIVE
from parking.runtime.screen import Screen, Taken
from parking.wire.mjpeg import Splitter, check_type
from parking.wire.ports import Clock
from services.notifier.pictures import Pictures
from services.notifier.refusals import NotFound
from services.notifier.settings import Limits, LiveSource

log = logging.getLogger(__name__)

CONNECT_LIMIT_S: Final = 2.0
SILENCE_S: Final = 15.0  # ingest repeats the last picture more often
GRACE_S: Final = 2.0  # a reloaded page finds the connection still open
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
        """Run until `stop` is set."""
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

    async def frames(self, camera_id: str) -> Shown:
        """See Pictures.frames. Yields the latest picture, then live ones. If there are no live
        ones, yields those from Kafka."""
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
            except (NotFound, Retryable):
                pass  # no picture is stored, but live ones arrive anyway
            async for taken in shown:
                last = taken or last  # repeated with its own time, so it is not newer
                if last is not None:
                    yield last

    def _time_ms(self, jpeg: bytes, last: Taken) -> int:
        """Return the time of a picture from an older ingest that sends no time. A repeated picture
        is not a new one."""
        return last[1] if jpeg == last[0] else self._clock.now_ms()

    async def _watch(self, camera_id: str) -> Screen | None:
        """Return the camera's live pictures, connected on first use; None if there are none."""
        async with self._connecting.setdefault(camera_id, asyncio.Lock()):
            current = self._screens.get(camera_id)
            if current is not None and not current.is_closed:
                return current
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
            log.warning("no live pictures from ingest: %s", type(error).__name__)
            return None
        if response.status != 200:
            if response.status != 404:  # 404 means that the camera publishes by itself
                log.warning("no live pictures from ingest: it sent status %d", response.status)
            response.close()
            return None
        screen = self._screens[camera_id] = Screen()
        group.create_task(self._read(camera_id, screen, response), name=f"live {camera_id}")
        return screen

    async def _read(self, camera_id: str, screen: Screen, response: aiohttp.ClientResponse) -> None:
        """Show pictures until nobody is watching any more or no more pictures arrive."""
        now = asyncio.get_running_loop().time
        watched_s = now()
        last: Taken = (b"", 0)
        async with AsyncExitStack() as leaving:
            leaving.callback(response.close)
            leaving.callback(screen.close)
            leaving.callback(self._screens.pop, camera_id, None)
            try:
                check_type(response.headers.get("Content-Type", ""))
                splitter = Splitter(self._source.picture_max_bytes)
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
