"""Pictures of cameras, read directly from Kafka: the latest one, the same one with its slots drawn
in, and moving pictures while somebody is watching.

A camera's frames are read and drawn once, whatever the number of viewers. A slow viewer misses
frames but never delays anyone else.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import cv2
import numpy as np

from parking.core.errors import Invalid, Retryable
from parking.core.events import FrameReceived, LayoutPublished
from parking.core.topics import FRAMES
from parking.vision import overlay
from parking.vision.reference import decoded
from parking.vision.relocation import LayoutProposal, propose
from parking.wire import codec
from parking.wire.partitioning import partition_of
from parking.wire.ports import Clock, Place, Record
from services.notifier.feed import Feed
from services.notifier.log import Bounds, Log
from services.notifier.readiness import ready_state
from services.notifier.refusals import Busy, NotFound

log = logging.getLogger(__name__)

FRESH_MS: Final = 500
LOOK_BACK: Final = 32
CAMERAS_KEPT: Final = 256
RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame as stored in Kafka."""

    jpeg: bytes
    frame: FrameReceived
    offset: int


@dataclass(slots=True)
class Shelf:
    """The pictures of one camera. While `viewers` is above 0, a task reads its frames."""

    camera_id: str
    newest: Picture | None = None
    read_at_ms: int = 0
    drawn: tuple[int, list[overlay.Mark], bytes] | None = None
    proposed: tuple[int, str, LayoutProposal | Invalid] | None = None
    viewers: int = 0
    reader: asyncio.Task[None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)


class Pictures:
    """All cameras' pictures. `run` owns the readers."""

    def __init__(self, log_: Log, feed: Feed, clock: Clock) -> None:
        self._log = log_
        self._feed = feed
        self._clock = clock
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run the readers of watched cameras until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await stop.wait()
            self._group = None
            for shelf in self._shelves.values():
                if shelf.reader is not None:
                    shelf.reader.cancel()
                async with shelf.came:
                    shelf.came.notify_all()

    async def latest(self, camera_id: str) -> Picture:
        """Return the camera's newest picture. Raises NotFound, Retryable."""
        shelf = self._shelf(camera_id)
        async with shelf.lock:
            age_ms = self._clock.now_ms() - shelf.read_at_ms
            if shelf.viewers == 0 and age_ms > FRESH_MS:
                await self._look(shelf)
        if shelf.newest is None:
            detail = f"no picture of {camera_id} is stored"
            raise NotFound("no-picture", detail)
        return shelf.newest

    async def at(self, camera_id: str, offset: int) -> Picture:
        """The camera's picture at this offset of its partition. Raises NotFound, Retryable."""
        self._shelf(camera_id)
        place, (first, end) = _place(camera_id, await self._log.bounds(FRAMES))
        found = None
        if first <= offset < end:
            records = await self._log.read({place: offset}, {place: offset + 1})
            found = _newest(camera_id, records)
        if found is None:
            detail = "this picture is no longer stored: reload the page for a newer one"
            raise NotFound("no-picture", detail)
        return found

    async def overlay(self, camera_id: str, picture: Picture) -> bytes:
        """Return the picture with the camera's slots drawn in, in their current states."""
        shelf = self._shelf(camera_id)
        marks = [
            overlay.Mark(polygon, state, slot_id)
            for slot_id, polygon, state in self._feed.state.drawing(camera_id)
        ]
        async with shelf.lock:
            if shelf.drawn is None or shelf.drawn[:2] != (picture.offset, marks):
                jpeg = await asyncio.to_thread(draw, picture, marks)
                shelf.drawn = (picture.offset, marks, jpeg)
            return shelf.drawn[2]

    async def proposal(self, layout: LayoutPublished) -> LayoutProposal:
        """Return the layout moved to fit the camera's newest picture; it is computed once per
        picture. Raises NotFound with the reason when there is none, and Retryable."""
        picture = await self.latest(layout.camera_id)
        shelf = self._shelf(layout.camera_id)
        async with shelf.lock:
            key = (picture.offset, layout.id)
            if shelf.proposed is None or shelf.proposed[:2] != key:
                result = await asyncio.to_thread(_proposed, layout, picture.jpeg)
                shelf.proposed = (*key, result)
            result = shelf.proposed[2]
        if isinstance(result, Invalid):
            raise NotFound(result.reason, result.detail)
        return result

    async def frames(
        self, camera_id: str, *, drawn: bool
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield JPEGs of the camera and their times (ms): the latest, then each new one. While no
        new one arrives, the last one is repeated, so that proxies keep the stream open. Raises
        NotFound, Busy, Retryable."""
        shelf = self._enter(camera_id)
        shown: Picture | None = None
        try:
            while self._group is not None:
                if shelf.newest is not None:
                    shown = shelf.newest
                    yield await self._shown(shown, drawn=drawn), shown.frame.time_ms
                await self._next(shelf, shown)
        finally:
            self._leave(shelf)

    def check(self, camera_id: str) -> Shelf:
        """Return the camera's shelf. Raises NotFound for an unknown camera, and Busy when too many
        cameras are being watched. Viewers are counted by api/streams.py."""
        shelf = self._shelf(camera_id)
        watched = [s for s in self._shelves.values() if s.viewers]
        if self._group is None:
            raise Busy("shutdown", "the notifier is stopping: try again")
        if shelf.viewers == 0 and len(watched) >= self._feed.limits.watched_cameras:
            raise Busy("too-many-cameras", "too many cameras are being watched: try again later")
        return shelf

    # ------------------------------------------------------------ readers
    def _enter(self, camera_id: str) -> Shelf:
        shelf = self.check(camera_id)
        if shelf.viewers == 0 and self._group is not None:
            shelf.reader = self._group.create_task(self._follow(shelf), name=f"frames {camera_id}")
        shelf.viewers += 1
        return shelf

    def _leave(self, shelf: Shelf) -> None:
        shelf.viewers -= 1
        if shelf.viewers == 0 and shelf.reader is not None:
            shelf.reader.cancel()
            shelf.reader = None

    async def _shown(self, picture: Picture, *, drawn: bool) -> bytes:
        if not drawn:
            return picture.jpeg
        try:
            return await self.overlay(picture.frame.camera_id, picture)
        except NotFound:
            return picture.jpeg  # it cannot be decoded, or its camera was removed

    async def _next(self, shelf: Shelf, shown: Picture | None) -> None:
        try:
            async with asyncio.timeout(self._feed.limits.ping_s), shelf.came:
                await shelf.came.wait_for(lambda: shelf.newest is not shown or self._group is None)
        except TimeoutError:
            return

    async def _follow(self, shelf: Shelf) -> None:
        """Read the camera's frames until cancelled. After an outage, reading continues."""
        while True:
            try:
                # With a later end than this one, the frames between the two would be left out.
                place, end = await self._look(shelf)
                start = shelf.newest.offset if shelf.newest else end
                async with aclosing(self._log.tail({place: start})) as batches:
                    async for records in batches:
                        await self._put(shelf, records)
            except Retryable as error:
                log.warning("frames of %s: %s", shelf.camera_id, error)
                await asyncio.sleep(RETRY_S)

    async def _look(self, shelf: Shelf) -> tuple[Place, int]:
        """Find the newest frame: among the last frames of its partition (which other cameras may
        share), or where the camera's status says that the last one is. Returns the place and the
        end up to which it searched."""
        place, (first, end) = _place(shelf.camera_id, await self._log.bounds(FRAMES))
        status = self._feed.state.statuses.get(shelf.camera_id)
        known = status.frame_ref.offset if status and status.frame_ref else first
        known = max(known, shelf.newest.offset if shelf.newest else first)
        start = max(first, end - LOOK_BACK, known if known < end else first)
        found = await self._put(shelf, await self._log.read({place: start}, {place: end}))
        unseen = shelf.newest is None or shelf.newest.offset < known
        if not found and unseen and first <= known < start:
            await self._put(shelf, await self._log.read({place: known}, {place: known + 1}))
        shelf.read_at_ms = self._clock.now_ms()
        return place, end

    async def _put(self, shelf: Shelf, records: Sequence[Record]) -> bool:
        picture = _newest(shelf.camera_id, records)
        if picture is None or (shelf.newest and picture.offset <= shelf.newest.offset):
            return picture is not None
        async with shelf.came:
            shelf.newest = picture
            shelf.came.notify_all()
        frame = picture.frame
        self._feed.state.picture_size(frame.camera_id, (frame.width, frame.height))
        return True

    def _shelf(self, camera_id: str) -> Shelf:
        if ready_state(self._feed).camera_view(camera_id) is None:
            raise NotFound("no-camera", f"there is no camera {camera_id!r}")
        shelf = self._shelves.setdefault(camera_id, Shelf(camera_id))
        self._shelves.move_to_end(camera_id)
        if len(self._shelves) > CAMERAS_KEPT:
            idle = next((s for s in self._shelves.values() if not s.viewers), None)
            if idle is not None and idle is not shelf:
                del self._shelves[idle.camera_id]
        return shelf


def draw(picture: Picture, marks: Sequence[overlay.Mark]) -> bytes:
    """Return the picture with its slots, its camera and its time drawn in. Blocks. Raises NotFound
    when it cannot be decoded."""
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise NotFound("bad-picture", "the camera's last picture cannot be decoded")
    time = datetime.fromtimestamp(picture.frame.time_ms / 1000, UTC)
    caption = f"{picture.frame.camera_id}  {time:%Y-%m-%d %H:%M:%S} UTC"
    return overlay.encode(overlay.draw(np.asarray(image, np.uint8), marks, (), caption))


def _proposed(layout: LayoutPublished, jpeg: bytes) -> LayoutProposal | Invalid:
    try:
        return propose(layout, decoded(jpeg))
    except Invalid as error:
        return error


def _place(camera_id: str, bounds: Bounds) -> tuple[Place, tuple[int, int]]:
    place = (FRAMES, partition_of(camera_id, len(bounds)))
    return place, bounds[place]


def _newest(camera_id: str, records: Sequence[Record]) -> Picture | None:
    key = camera_id.encode()
    for record in reversed(records):
        if record.key != key or not record.value:
            continue
        try:
            event = codec.decode(record)
        except Invalid:
            continue
        if isinstance(event, FrameReceived):
            return Picture(record.value, event, record.offset)
    return None
