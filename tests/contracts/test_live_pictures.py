"""Live pictures go from a camera through ingest and the notifier to many viewers, over one
connection to the camera. A slow viewer delays nobody, and the camera is released with the last
viewer."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from parking.access.keys import KeyFile
from parking.core.topics import FRAMES
from parking.runtime.memory import MemoryProducer
from parking.runtime.ops import Health, HttpSettings, SystemClock, http_loop
from parking.wire import mjpeg
from services.ingest import live as live_module
from services.ingest.http import Intake, new_app
from services.ingest.pull import puller as puller_module
from services.ingest.pull.camerafile import Camera
from services.notifier.settings import Limits, LiveSource
from tests.support.cameras import HttpCameras, http_cameras, jpeg
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import frame, layout, record
from tests.support.pulling import LIMITS, World, jpegs, pulling, source, timed_jpegs
from tests.support.waiting import until
from tools.stack.checks import HOST, free_ports

pytestmark = pytest.mark.timeout(60)
SITE = "demo"
CAMERA = f"{SITE}/north"
KEPT = b"\xff\xd8\xff\xda\x00\x02kept\xff\xd9"
STREAM = f"/api/stream?camera={CAMERA}"


@dataclass
class Ingest:
    """Ingest's HTTP side together with a puller."""

    url: str
    world: World
    cameras: HttpCameras
    stop: asyncio.Event
    running: "asyncio.Task[None]"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "MAX_SPREAD_S", 0.01)
    monkeypatch.setattr(puller_module, "LIVE_PACE_S", 0.02)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys")


@asynccontextmanager
async def ingest(
    keys: KeyFile, path: str, kind, interval_s: float = 3600, new_source=None
) -> AsyncIterator[Ingest]:
    async with http_cameras() as own:
        camera = Camera(CAMERA, kind, own.url(path), interval_s)
        async with pulling(camera, new_source=new_source) as world:
            producer = MemoryProducer(world.broker)
            intake = Intake(keys, producer, LIMITS, SystemClock(), world.puller.screen)
            port, stop = free_ports(1)[0], asyncio.Event()
            loop = http_loop(new_app(intake, Health()), HttpSettings(HOST, port))
            running = asyncio.ensure_future(loop(stop))
            url = f"http://{HOST}:{port}"
            async with httpx.AsyncClient() as client:
                await until(lambda: running.done() or world.puller.screen(CAMERA))
                await answers(client, url)
            try:
                yield Ingest(url, world, own, stop, running)
            finally:
                stop.set()
                await running


async def answers(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def notifier(where: LiveSource, limits: Limits | None = None) -> AsyncIterator[Instance]:
    backend = Backend(None)
    await backend.write(record(layout(SITE)))
    given = Given(live=where, limits=limits or Limits())
    async with Instance(backend, given) as running:
        await until(lambda: running.feed.state.camera_view(CAMERA) is not None)
        running.backend = backend  # type: ignore[attr-defined]
        yield running
    await backend.close()


@pytest.mark.parametrize(("kind", "path"), [("mjpeg", "/stream"), ("snapshot", "/capture")])
async def test_all_viewers_share_one_connection_which_ends_with_the_last(keys, kind, path):
    key = keys.add("notifier", "live")
    async with ingest(keys, path, kind) as behind:
        # One picture an hour goes to Kafka; live viewing is separate.
        await until(lambda: len(behind.world.events(FRAMES, CAMERA)) == 1)
        where = LiveSource(behind.url, key)
        async with notifier(where) as one, notifier(where) as two, AsyncExitStack() as viewers:
            given = []
            for instance in (one, one, one, two):
                stream = instance.http.stream("GET", STREAM)
                given.append(jpegs(await viewers.enter_async_context(stream)))
            for shown in given:
                pictures = [await anext(shown) for _ in range(5)]
                assert len(set(pictures)) == 5
            assert behind.cameras.most_open[path] == 1
            screen = behind.world.puller.screen(CAMERA)
            assert screen is not None
            assert screen.viewers == 2, "one for each instance"
            for shown in given:
                await shown.aclose()
            await viewers.aclose()
            await until(lambda: screen.viewers == 0)
            await until(lambda: behind.cameras.open[path] == 0)
        assert len(behind.world.events(FRAMES, CAMERA)) == 1, "Kafka's pace is its own"


async def test_negative_control_a_connection_for_each_viewer_would_be_counted():
    async with http_cameras() as own:
        one = Camera(CAMERA, "mjpeg", own.url("/stream"), 1)
        each = [source(one).pictures(lambda: "picture") for _ in range(4)]
        for given in each:
            await anext(given)
        assert own.most_open["/stream"] == 4
        for given in each:
            await given.aclose()


async def test_a_viewer_that_takes_nothing_holds_up_no_other(keys):
    key = keys.add("notifier", "live")
    async with ingest(keys, "/stream", "mjpeg") as behind:
        limits = Limits(send_timeout_s=1.0)
        async with notifier(LiveSource(behind.url, key), limits) as one:
            reader, writer = await asyncio.open_connection(HOST, one.port, limit=1)
            writer.write(f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await reader.read(1)
            screen = behind.world.puller.screen(CAMERA)
            async with one.http.stream("GET", STREAM) as response:
                shown = jpegs(response)
                for _ in range(200):
                    await anext(shown)
                await shown.aclose()
            writer.close()
            assert screen is not None
            await until(lambda: screen.viewers == 0)


async def test_what_ingest_does_not_fetch_is_shown_from_kafka(keys):
    key = keys.add("notifier", "live")
    async with ingest(keys, "/stream", "mjpeg") as behind:
        behind.world.files.set()
        await until(lambda: behind.world.puller.screen(CAMERA) is None)
        async with notifier(LiveSource(behind.url, key)) as one:
            await one.backend.write(frame(SITE, 1, KEPT, (320, 240)))  # type: ignore[attr-defined]
            async with one.http.stream("GET", STREAM) as response:
                assert await anext(jpegs(response)) == KEPT


async def test_when_ingest_goes_away_kafka_takes_over(keys):
    key = keys.add("notifier", "live")
    async with (
        ingest(keys, "/stream", "mjpeg") as behind,
        notifier(LiveSource(behind.url, key)) as one,
        one.http.stream("GET", STREAM) as response,
    ):
        shown = jpegs(response)
        await anext(shown)
        behind.world.files.set()  # the camera is taken out
        await one.backend.write(frame(SITE, 1, KEPT, (320, 240)))  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            while await anext(shown) != KEPT:
                pass
        await shown.aclose()


class Dying:
    """A camera that sends two pictures while it is watched and then hangs."""

    async def pictures(self, want) -> AsyncGenerator[bytes, None]:
        for number in range(3):  # the first is for Kafka
            while want() != "picture":  # noqa: ASYNC110 -- asked as the real ones ask
                await asyncio.sleep(0.01)
            yield jpeg(number)
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("ingest_again_s", "notifier_again_s", "older"),
    [(0.05, 15.0, False), (5.0, 0.05, False), (0.05, 15.0, True)],
    ids=["ingest repeats", "the notifier repeats", "an ingest that tells no times"],
)
async def test_a_picture_that_is_sent_again_keeps_its_time(
    keys, monkeypatch, ingest_again_s, notifier_again_s, older
):
    """A page recognises a dead camera by the age of its picture."""
    monkeypatch.setattr(live_module, "PING_S", ingest_again_s)
    if older:
        without = re.compile(rb"X-Time-Ms: .*\r\n")
        monkeypatch.setattr(live_module, "part", lambda *it: without.sub(b"", mjpeg.part(*it)))
    key, began_ms = keys.add("notifier", "live"), SystemClock().now_ms()
    async with (
        ingest(keys, "/", "mjpeg", new_source=lambda _: Dying()) as behind,
        notifier(LiveSource(behind.url, key), Limits(ping_s=notifier_again_s)) as one,
        one.http.stream("GET", STREAM) as response,
    ):
        shown = timed_jpegs(response)
        times: dict[bytes, list[int]] = {}
        async with asyncio.timeout(10):
            while len(times.get(jpeg(2), ())) < 5:
                picture, time_ms = await anext(shown)
                assert time_ms is not None
                times.setdefault(picture, []).append(time_ms)
        await shown.aclose()
    assert [len(set(some)) for some in times.values()] == [1] * len(times)
    assert began_ms <= times[jpeg(2)][0] <= SystemClock().now_ms()


async def test_only_a_key_of_its_scope_watches(keys):
    frames_key, live_key = keys.add("demo/cam", "frames"), keys.add("notifier", "live")
    async with ingest(keys, "/stream", "mjpeg") as behind, httpx.AsyncClient() as client:
        address = f"{behind.url}/ingest/v1/live/{CAMERA}"
        for key, status in ((None, 401), ("pk_wrong", 401), (frames_key, 403)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert (await client.get(address, headers=headers)).status_code == status
        headers = {"Authorization": f"Bearer {live_key}"}
        other = await client.get(f"{behind.url}/ingest/v1/live/demo/other", headers=headers)
        assert (other.status_code, other.json()["error"]) == (404, "not-fetched")


async def test_places_are_bounded(keys):
    key = keys.add("notifier", "live")
    async with (
        ingest(keys, "/stream", "mjpeg") as behind,
        notifier(LiveSource(behind.url, key), Limits(viewers=1)) as one,
        one.http.stream("GET", STREAM) as response,
    ):
        shown = jpegs(response)
        await anext(shown)
        assert (await one.http.get(STREAM)).status_code == 503
        await shown.aclose()
