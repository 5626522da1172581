"""Poll cameras that do not publish: RTSP, MJPEG and HTTP snapshots.

    cameras file --> Puller --> one task a camera --> Lane (Room, Kafka)
                                       |
                                       +--> viewers (live.py), while somebody watches

Each camera has its own task, interval and back-off, and every wait is limited, so no camera can
delay another. One connection to a camera serves Kafka and all viewers.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Literal, Protocol

from parking.core.errors import SettingsError
from parking.core.orientation import UPRIGHT, Orientation
from parking.runtime import metrics
from parking.runtime.screen import Screen, Taken
from parking.wire.ports import Clock
from services.ingest.handover import Delivery
from services.ingest.messages import Handled, Limits, Message, Reply
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.pulled import VIA, checked, fetched, reached

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 60.0
# Cameras lock an account after a few wrong logins, and that locks out the operator too.
WRONG_LOGIN_DELAY_S: Final = 300.0
# Up to this interval a stream stays open between pictures. Above it, each picture opens it.
HELD_PACE_S: Final = 10.0
LIVE_PACE_S: Final = 0.2
MAX_SPREAD_S: Final = 3.0
FAILURES_TO_OFFLINE: Final = 3
# A damaged picture in a stream is skipped. This many in a row end the connection.
DAMAGED_MOST: Final = 3
RELOAD_S: Final = 2.0

Receive = Callable[[Message, Delivery], Handled]
Want = Literal["picture", "nothing", "end"]


class Source(Protocol):
    """One camera's pictures (httpcam.HttpCamera, rtspcam.RtspCamera)."""

    def pictures(self, want: Callable[[], Want]) -> AsyncGenerator[bytes, None]:
        """Yield JPEGs while `want()` returns `picture`. At `nothing` the connection is kept; at
        `end` it is closed. Each wait is limited. Raises CameraFault when nothing arrives."""


class CameraFiles(Protocol):
    """The cameras and their logins, as read from their files."""

    def read(self) -> dict[str, Camera] | None:
        """All cameras, or None when nothing has changed. Raises SettingsError."""


class Pull:
    """One camera's task: polls at its interval, and reports when it goes online or offline."""

    def __init__(self, camera: Camera, source: Source, puller: "Puller") -> None:
        self.camera = camera
        self.screen = Screen()
        self._source = source
        self._puller = puller
        self._due_s = 0.0
        self._failures = 0
        self._damaged = 0
        self._reported: str | None = None  # reason of the last offline report, "" for online
        self._fault: CameraFault | None = None

    async def run(self) -> None:
        """Run until cancelled. The first poll is at a random time within the first interval, so
        that not all cameras start at once."""
        spread_s = min(self.camera.interval_s, MAX_SPREAD_S)
        await asyncio.sleep(random.uniform(0, spread_s))  # noqa: S311 -- no secret
        while True:
            try:
                await self._connection()
            except CameraFault as fault:
                await self._wait(self._failed(fault))
            except Exception:  # whatever a camera sends must not stop the other cameras
                log.exception("camera %s: ingest could not handle it", self.camera.camera_id)
                await self._wait(self._failed(CameraFault("internal-error", "see ingest's log")))
            else:
                await self._wait(self._pause_s())

    def leave(self) -> None:
        """Note that the camera is no longer in the cameras file, nor among the page's cameras."""
        if self._reported is not None:
            self._puller.tell(self.camera.camera_id, "it is no longer polled")
        _forget(self.camera.camera_id)

    async def _connection(self) -> None:
        """Poll for as long as the connection is worth keeping. Raises CameraFault."""
        started_s, pictures = _now_s(), 0
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
        """Pass a picture to the viewers, and to Kafka when one is due. Raises CameraFault when the
        picture is not acceptable."""
        now_s = _now_s()
        if now_s >= self._due_s:
            # Counted from when it was due, to keep the interval. Missed ones are not made up for.
            late = now_s - self._due_s > self.camera.interval_s
            self._due_s = (now_s if late else self._due_s) + self.camera.interval_s
            handled = self._puller.receive(self.camera, jpeg)
            if handled.outcome == "refused":
                self._due_s = 0.0
                self._refused(handled.reason)
                return
        if self.screen.is_watched:
            try:
                self.screen.show(*self._puller.checked(jpeg, self.camera.turn))
            except CameraFault as fault:
                self._refused(fault.reason)
                return
        self._failures, self._damaged, self._fault = 0, 0, None
        metrics.PULL_UP.labels(self.camera.camera_id).set(1)
        self._tell(None)

    def _refused(self, reason: str) -> None:
        """Count a damaged picture. Raises CameraFault after too many in a row."""
        self._damaged += 1
        if self.camera.kind == "snapshot" or self._damaged >= DAMAGED_MOST:
            self._damaged = 0
            raise CameraFault(reason, "it sends no acceptable pictures")
        metrics.PULL_FAILURES.labels(self.camera.camera_id, reason).inc()

    def _failed(self, fault: CameraFault) -> float:
        """Count and report the fault; return how many seconds to wait."""
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
        # Half fixed, half jitter: never immediately, and never all cameras of a switch together.
        return ceiling_s * random.uniform(0.5, 1)  # noqa: S311 -- no secret

    def _pause_s(self) -> float:
        if self.screen.is_watched:
            return LIVE_PACE_S
        return max(0.0, self._due_s - _now_s())

    async def _wait(self, seconds: float) -> None:
        """Wait. A viewer ends the wait early, unless the camera is failing."""
        if self._fault is not None:
            await asyncio.sleep(seconds)
        else:
            await self.screen.watched_within(seconds)

    def _tell(self, fault: CameraFault | None) -> None:
        """Report the camera as online, or as offline with the fault. It is reported once, and again
        when the reason changes."""
        state = fault.reason if fault else ""
        words = str(fault) if fault else None
        if state != self._reported and self._puller.tell(self.camera.camera_id, words):
            self._reported = state


class Puller:
    """All polled cameras. It is a lane's source (bridge.Link) that has nothing to acknowledge.
    `turns` is kept up to date with the cameras file, for all lanes."""

    def __init__(
        self,
        files: CameraFiles,
        new_source: Callable[[Camera], Source],
        limits: Limits,
        clock: Clock,
        turns: dict[str, Orientation] | None = None,
    ) -> None:
        self._turns = turns if turns is not None else {}
        self._limits = limits
        self._files = files
        self._new_source = new_source
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._tellings = 0
        self._pulls: dict[str, tuple[Pull, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._receive: Receive
        self._has_room: Callable[[], bool]

    async def run(
        self, receive: Receive, has_room: Callable[[], bool], stop: asyncio.Event
    ) -> None:
        """Run until `stop` is set, and apply changes of the files. Raises what a camera's task
        raises, which is an internal fault."""
        self._receive, self._has_room = receive, has_room
        stopped = asyncio.ensure_future(stop.wait())
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while not stop.is_set():
                    self._reload(group)
                    await asyncio.wait({stopped}, timeout=RELOAD_S)
                self._group = None
                for _, task in self._pulls.values():
                    task.cancel()
        finally:
            stopped.cancel()

    def refresh(self) -> None:
        """Apply changes now. After this, no picture of a removed camera is accepted."""
        if self._group is not None:
            self._reload(self._group)

    def settle(self, delivery: Delivery) -> None:
        """Do nothing, because nobody waits for it."""

    def publish(self, reply: Reply) -> None:
        """Do nothing, because a polled camera gets no answers."""

    def receive(self, camera: Camera, jpeg: bytes) -> Handled:
        """Send a picture to Kafka, or drop it while Kafka is down and too many are waiting."""
        taken = fetched(camera.camera_id, camera.kind, jpeg, self._clock.now_ms())
        return self._receive(taken, Delivery(0, None)) if self._has_room() else Handled("ignored")

    def checked(self, jpeg: bytes, turn: Orientation) -> Taken:
        """Return the picture for viewers. Raises CameraFault."""
        return checked(jpeg, self._limits, turn), self._clock.now_ms()

    def tell(self, camera_id: str, reason: str | None) -> bool:
        """Report that a camera is online, or offline for this reason. Returns False when the queue
        is full; the caller tries again later."""
        if not self._has_room():
            return False
        self._tellings += 1
        log.info("camera %s: %s", camera_id, "online" if reason is None else f"offline, {reason}")
        cause = f"{self._started_ms}/{self._tellings}"
        news = reached(camera_id, reason, cause, self._clock.now_ms())
        self._receive(news, Delivery(0, None))
        return True

    def screen(self, camera_id: str) -> Screen | None:
        """Return where to watch a camera's pictures, or None when it is not polled here."""
        found = self._pulls.get(camera_id)
        return found[0].screen if found else None

    def _reload(self, group: asyncio.TaskGroup) -> None:
        try:
            cameras = self._files.read()
        except SettingsError as error:  # the last valid file stays in force
            metrics.PULL_FILE_FAULTS.set(len(error.problems))
            for problem in error.problems:
                log.error("invalid cameras file, the last valid one stays in force: %s", problem)
            return
        if cameras is None:
            return
        metrics.PULL_FILE_FAULTS.set(0)
        self._turns.clear()
        self._turns.update({c.camera_id: c.turn for c in cameras.values() if c.turn != UPRIGHT})
        cameras = {name: one for name, one in cameras.items() if one.kind != "device"}
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
        log.info("polling %d cameras", len(self._pulls))


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _forget(camera_id: str) -> None:
    """Remove the metrics of cameras that are no longer in the file."""
    metrics.PULL_UP.remove_by_labels({"camera": camera_id})
    metrics.PULL_FAILURES.remove_by_labels({"camera": camera_id})
