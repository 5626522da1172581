"""Fetches pictures from cameras that do not send: RTSP, MJPEG and HTTP snapshots.

    cameras file --> Puller --> one task a camera --> Lane (Room, Kafka)
                                       |
                                       +--> viewers (live.py), while somebody watches

Each camera has a task, a pace and a back-off of its own, and every wait in it is bounded, so no
camera can hold up another. One connection to a camera serves Kafka and all viewers.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Literal, Protocol

from parking import metrics
from parking.errors import Invalid, SettingsError
from parking.ports import Clock
from parking.screen import Screen, Taken
from services.ingest.camerafile import Camera
from services.ingest.faults import CameraFault
from services.ingest.handover import Delivery
from services.ingest.jpeg import inspect
from services.ingest.messages import Handled, Limits, Message, Reply
from services.ingest.pulled import VIA, fetched, reached

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 60.0
# Cameras lock an account after a few wrong logins, and the operator with it.
WRONG_LOGIN_DELAY_S: Final = 300.0
# A stream is held open between pictures up to this pace; beyond, it is opened for each.
HELD_PACE_S: Final = 10.0
LIVE_PACE_S: Final = 0.2
MAX_SPREAD_S: Final = 3.0
FAILURES_TO_OFFLINE: Final = 3
RELOAD_S: Final = 2.0

Receive = Callable[[Message, Delivery], Handled]
Want = Literal["picture", "nothing", "end"]


class Source(Protocol):
    """One camera's pictures (httpcam.HttpCamera, rtspcam.RtspCamera)."""

    def pictures(self, want: Callable[[], Want]) -> AsyncGenerator[bytes, None]:
        """JPEGs, as long as `want()` says `picture`; at `nothing` the connection is kept, at `end`
        it is closed. Each wait is bounded. Raises CameraFault when nothing comes."""


class CameraFiles(Protocol):
    """The cameras and their logins, as they stand in their files."""

    def read(self) -> dict[str, Camera] | None:
        """All cameras, or None when nothing has changed. Raises SettingsError."""


class Pull:
    """One camera's task: fetches at the camera's pace, tells when it comes and goes."""

    def __init__(self, camera: Camera, source: Source, puller: "Puller") -> None:
        self.camera = camera
        self.screen = Screen()
        self._source = source
        self._puller = puller
        self._due_s = 0.0
        self._failures = 0
        self._told: str | None = None  # the reason it was told offline for, "" for online
        self._fault: CameraFault | None = None

    async def run(self) -> None:
        """Until cancelled. Begins within the first interval, not at once with all the others."""
        spread_s = min(self.camera.interval_s, MAX_SPREAD_S)
        await asyncio.sleep(random.uniform(0, spread_s))  # noqa: S311 -- no secret
        while True:
            try:
                await self._connection()
            except CameraFault as fault:
                await self._wait(self._failed(fault))
            except Exception:  # whatever a camera can send must not end the others
                log.exception("camera %s: ingest could not handle it", self.camera.camera_id)
                await self._wait(self._failed(CameraFault("internal-error", "see ingest's log")))
            else:
                await self._wait(self._pause_s())

    def leave(self) -> None:
        """It is no longer in the file."""
        if self._told is not None:
            self._puller.tell(self.camera.camera_id, "removed from the cameras file")
        _forget(self.camera.camera_id)

    async def _connection(self) -> None:
        """Fetch for as long as a connection is worth holding. Raises CameraFault."""
        started_s = _now_s()
        pictures = 0
        async with aclosing(self._source.pictures(self._want)) as given:
            async for jpeg in given:
                if pictures == 0:
                    metrics.PULL_SECONDS.labels(VIA[self.camera.kind]).observe(_now_s() - started_s)
                pictures += 1
                self._take(jpeg)
        if pictures == 0:
            raise CameraFault("no-picture", "the connection ended without one")

    def _want(self) -> Want:
        if self.screen.is_watched or _now_s() >= self._due_s:
            return "picture"
        return "nothing" if self.camera.interval_s <= HELD_PACE_S else "end"

    def _take(self, jpeg: bytes) -> None:
        """A picture is there: to the viewers, and to Kafka when it is time. Raises CameraFault when
        it is none that can be taken."""
        now_s = _now_s()
        if now_s >= self._due_s:
            # From when it was due, so that the pace is kept; but nothing is made up for.
            late = now_s - self._due_s > self.camera.interval_s
            self._due_s = (now_s if late else self._due_s) + self.camera.interval_s
            handled = self._puller.receive(self.camera, jpeg)
            if handled.outcome == "refused":
                self._due_s = 0.0
                raise CameraFault(handled.reason, "what it sends is no picture that can be taken")
        if self.screen.is_watched:
            self.screen.show(*self._puller.checked(jpeg))
        self._failures, self._fault = 0, None
        metrics.PULL_UP.labels(self.camera.camera_id).set(1)
        self._tell(None)

    def _failed(self, fault: CameraFault) -> float:
        """Count and tell; how long to wait, in seconds."""
        camera_id = self.camera.camera_id
        metrics.PULL_FAILURES.labels(camera_id, fault.reason).inc()
        metrics.PULL_UP.labels(camera_id).set(0)
        if self._fault is None or self._fault.reason != fault.reason:
            log.warning("camera %s at %s: %s", camera_id, self.camera.shown, fault)
        self._failures += 1
        self._fault = fault
        if self._failures >= FAILURES_TO_OFFLINE or fault.reason == "wrong-password":
            self._tell(fault)
        ceiling_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures - 1, 10))
        if fault.reason == "wrong-password":
            ceiling_s = WRONG_LOGIN_DELAY_S
        # Half fixed, half jitter: never at once, never all cameras of a switch together.
        return ceiling_s * random.uniform(0.5, 1)  # noqa: S311 -- no secret

    def _pause_s(self) -> float:
        if self.screen.is_watched:
            return LIVE_PACE_S
        return max(0.0, self._due_s - _now_s())

    async def _wait(self, seconds: float) -> None:
        """A viewer need not wait for the next picture; a failing camera is left alone."""
        if self._fault is not None:
            await asyncio.sleep(seconds)
        else:
            await self.screen.watched_within(seconds)

    def _tell(self, fault: CameraFault | None) -> None:
        """Online, or offline with the fault; told once, and again when the reason is another."""
        state = fault.reason if fault else ""
        words = str(fault) if fault else None
        if state != self._told and self._puller.tell(self.camera.camera_id, words):
            self._told = state


class Puller:
    """All pulled cameras; a lane's outer side (bridge.Link), which has nothing to acknowledge."""

    def __init__(
        self,
        files: CameraFiles,
        new_source: Callable[[Camera], Source],
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._files = files
        self._new_source = new_source
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._tellings = 0
        self._pulls: dict[str, tuple[Pull, asyncio.Task[None]]] = {}
        self._receive: Receive
        self._has_room: Callable[[], bool]

    async def run(
        self, receive: Receive, has_room: Callable[[], bool], stop: asyncio.Event
    ) -> None:
        """Until `stop`; takes up changes of the files. Raises what a camera's task raises, which is
        a fault of ours."""
        self._receive, self._has_room = receive, has_room
        stopped = asyncio.ensure_future(stop.wait())
        try:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    self._reload(group)
                    await asyncio.wait({stopped}, timeout=RELOAD_S)
                for _, task in self._pulls.values():
                    task.cancel()
        finally:
            stopped.cancel()

    def settle(self, delivery: Delivery) -> None:
        """Nobody waits for it."""

    def publish(self, reply: Reply) -> None:
        """A camera that is asked is told nothing."""

    def receive(self, camera: Camera, jpeg: bytes) -> Handled:
        """To Kafka; while Kafka is away and too much waits, pictures are let go."""
        if not self._has_room():
            return Handled("ignored")
        taken = fetched(camera.camera_id, camera.kind, jpeg, self._clock.now_ms())
        return self._receive(taken, Delivery(0, None))

    def checked(self, jpeg: bytes) -> Taken:
        """The picture for people's eyes: whole, and without its EXIF. Raises CameraFault."""
        try:
            limits = self._limits
            found = inspect(jpeg, limits.frame_max_bytes, limits.frame_max_pixels)
            return found.data, self._clock.now_ms()
        except Invalid as error:
            raise CameraFault(error.reason, error.detail) from error

    def tell(self, camera_id: str, reason: str | None) -> bool:
        """Report that a camera came, or went for this reason; False when there is no room, and
        later is time too."""
        if not self._has_room():
            return False
        self._tellings += 1
        cause = f"{self._started_ms}/{self._tellings}"
        log.info("camera %s: %s", camera_id, "online" if reason is None else f"offline, {reason}")
        news = reached(camera_id, reason, cause, self._clock.now_ms())
        self._receive(news, Delivery(0, None))
        return True

    def screen(self, camera_id: str) -> Screen | None:
        """Where a camera's pictures can be watched; None when it is not fetched here."""
        found = self._pulls.get(camera_id)
        return found[0].screen if found else None

    def _reload(self, group: asyncio.TaskGroup) -> None:
        try:
            cameras = self._files.read()
        except SettingsError as error:  # the last good file counts on
            metrics.PULL_FILE_FAULTS.set(len(error.problems))
            for problem in error.problems:
                log.error("the cameras file is not taken up: %s", problem)
            return
        if cameras is None:
            return
        metrics.PULL_FILE_FAULTS.set(0)
        for camera_id, (pull, task) in list(self._pulls.items()):
            if cameras.get(camera_id) != pull.camera:
                del self._pulls[camera_id]
                task.cancel()
                pull.screen.close()
                if camera_id not in cameras:
                    pull.leave()
        for camera_id, camera in cameras.items():
            if camera_id not in self._pulls:
                pull = Pull(camera, self._new_source(camera), self)
                self._pulls[camera_id] = (pull, group.create_task(pull.run(), name=camera_id))
        log.info("%d cameras are fetched", len(self._pulls))


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _forget(camera_id: str) -> None:
    """A camera that left leaves no series behind."""
    metrics.PULL_UP.remove_by_labels({"camera": camera_id})
    metrics.PULL_FAILURES.remove_by_labels({"camera": camera_id})
