"""Fast and slow clients of the live routes, and pictures, over memory and over real Kafka."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable

import cv2
import httpx
import numpy as np
import psutil
import pytest
import websockets
from msgspec.structs import replace
from prometheus_client import REGISTRY

from parking.core.events import FrameRef
from parking.core.topics import FRAME_PARTITIONS, FRAMES, SLOT_CHANGES
from parking.runtime.kafka import KafkaSettings
from parking.wire.partitioning import partition_of
from services.notifier.adapters import MemoryLog
from services.notifier.log import Bounds
from services.notifier.settings import Limits
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import changed, frame, layout, record, status
from tools.stack.checks import HOST

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.stack)])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    kafka = None
    if request.param == "kafka":
        kafka = KafkaSettings(request.getfixturevalue("infra").bootstrap)
    made = Backend(kafka)
    yield made
    await made.close()


@pytest.fixture
def site(unique: Callable[[str], str]) -> str:
    return unique("site")


async def test_websocket_tells_the_same(backend: Backend, site: str):
    await backend.write(record(layout(site)))
    async with Instance(backend) as notifier:
        address = f"ws://{HOST}:{notifier.port}/ws?site={site}"
        async with websockets.connect(address) as socket:
            snapshot = json.loads(await asyncio.wait_for(socket.recv(), 10))
            assert snapshot["type"] == "snapshot"
            await backend.write(record(changed(site, 1)))
            change = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert (change["type"], change["data"]["version"]) == ("slot-change", 1)
        await backend.write(record(changed(site, 2)))
        await notifier.seen(site, 2)
        async with websockets.connect(f"{address}&last_event_id={change['id']}") as socket:
            again = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert (again["data"]["version"], again["id"] > "") == (2, True)


async def test_a_quiet_stream_is_pinged(backend: Backend, site: str):
    await backend.write(record(layout(site)))
    async with (
        Instance(backend, Given(Limits(ping_s=0.2))) as notifier,
        notifier.events(site=site) as events,
    ):
        assert (await events.only("ping", 2))[1].data["time_ms"] > 0


async def test_a_frozen_client_is_cut_off_and_others_do_not_notice(backend: Backend, site: str):
    limits = Limits(queue_messages=50, send_timeout_s=1.0)
    slots = tuple(f"S{n}" for n in range(400))
    await backend.write(record(layout(site, slots=slots)))
    async with Instance(backend, Given(limits)) as notifier, notifier.events(site=site) as healthy:
        await healthy.next()
        frozen = socket.socket()
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        frozen.connect((HOST, notifier.port))
        frozen.sendall(f"GET /api/events?site={site} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert await _until(lambda: _held(frozen.getsockname()[1]))
        slow, timeouts = _closed("slow"), _closed("send-timeout")
        got = 0
        for number in range(1, 400):  # until the kernel's buffers of the frozen one are full
            many = (replace(changed(site, number * 100 + n), reason="x" * 500) for n in range(40))
            await backend.write(*map(record, many))
            got += len(await healthy.only("slot-change", 40))
            if _closed("slow") > slow:
                break
        assert got == number * 40
        assert _closed("slow") == slow + 1
        assert await _until(lambda: _closed("send-timeout") > timeouts)
        assert await _until(lambda: not _held(frozen.getsockname()[1]))
        frozen.close()


async def test_frames_are_read_only_while_somebody_watches(backend: Backend, site: str):
    await backend.write(record(layout(site)))
    async with Instance(backend) as notifier:
        camera = f"{site}/north"
        assert (await notifier.http.get(f"/api/cameras/{camera}/latest.jpg")).status_code == 404
        async with (
            notifier.http.stream("GET", f"/api/stream?camera={camera}") as plain,
            notifier.http.stream("GET", f"/api/stream?camera={camera}&overlay=1") as drawn,
        ):
            assert plain.headers["content-type"].startswith("multipart/x-mixed-replace")
            parts, overlays = _parts(plain), _parts(drawn)
            for seq in range(1, 4):
                await backend.write(frame(site, seq, _jpeg(seq), (320, 240)))
                assert await anext(parts) == _jpeg(seq)
                marked = await anext(overlays)
                assert marked != _jpeg(seq)
                assert marked[:2] == b"\xff\xd8"
            shelf = notifier.pictures.check(camera)
            assert (shelf.viewers, shelf.reader is not None) == (2, True)
        assert await _until(lambda: not shelf.viewers and shelf.reader is None)
        view = (await notifier.http.get(f"/api/cameras/{camera}")).json()
        assert (view["width"], view["height"]) == (320, 240)


async def test_the_picture_that_comes_while_a_viewer_is_let_in_is_shown(site: str):
    class Late(MemoryLog):
        async def bounds(self, *topics: str) -> Bounds:
            known = await super().bounds(*topics)
            if FRAMES in topics and not written:  # just after the reader got the end offset
                written.extend(await backend.write(frame(site, 1, _jpeg(1), (320, 240))))
            return known

    backend = Backend(None)
    written: list[tuple[int, int]] = []
    await backend.write(record(layout(site)))
    async with (
        Instance(backend, log=Late(backend.broker)) as notifier,
        notifier.http.stream("GET", f"/api/stream?camera={site}/north") as shown,
    ):
        assert await anext(_parts(shown)) == _jpeg(1)
    assert written


async def test_the_latest_picture_is_found_where_the_status_says(backend: Backend, site: str):
    one, other = _same_partition(site)
    await backend.write(record(layout(one)))
    ((partition, offset),) = await backend.write(frame(one, 1, _jpeg(1), (320, 240)))
    await backend.write(*(frame(other, n, _jpeg(9), (320, 240)) for n in range(40)))
    ref = FrameRef(frame_id=f"{one}/north/1/1", partition=partition, offset=offset)
    await backend.write(record(status(one, 1, ref)))
    async with Instance(backend) as notifier:
        answer = await notifier.http.get(f"/api/cameras/{one}/north/latest.jpg")
        assert answer.content == _jpeg(1)
        assert answer.headers["x-frame-id"] == f"{one}/north/1/1"
        drawn = await notifier.http.get(f"/api/cameras/{one}/north/overlay.jpg")
        assert drawn.headers["content-type"] == "image/jpeg"
        picture = cv2.imdecode(np.frombuffer(drawn.content, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (240, 320, 3)
        missing = await notifier.http.get(f"/api/cameras/{other}/south/latest.jpg")
        assert (missing.status_code, missing.json()["error"]) == (404, "no-camera")


async def test_log_reads_what_was_written_in_order(backend: Backend, site: str):
    log = backend.log()
    writes = [record(changed(site, n)) for n in range(1, 6)]
    bounds: Bounds = await log.bounds(SLOT_CHANGES)
    ((partition, first), *_) = await backend.write(*writes)
    place = (SLOT_CHANGES, partition)
    assert (await log.bounds(SLOT_CHANGES))[place][1] >= bounds[place][1] + 5
    got = await log.read({place: first + 1}, {place: first + 4})
    assert [r.offset for r in got] == [first + 1, first + 2, first + 3]
    assert [r.value for r in got] == [w.value for w in writes[1:4]]
    assert await log.read({place: first}, {place: first}) == []
    scanned = [r async for b in log.scan({place: first + 1}, {place: first + 4}) for r in b]
    assert scanned == got
    assert [b async for b in log.scan({place: first}, {place: first})] == []
    assert await log.cluster_id() == await backend.log().cluster_id()
    tail = log.tail({place: first + 3})
    seen: list[int] = []
    while len(seen) < 2:
        seen += [r.offset for r in await anext(tail)]
    await tail.aclose()
    assert seen[:2] == [first + 3, first + 4]


def _closed(reason: str) -> float:
    return REGISTRY.get_sample_value("parking_sse_closed_total", {"reason": reason}) or 0.0


async def _until(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        await asyncio.sleep(0.02)
    return False


def _held(port: int) -> bool:
    """Return whether the notifier still holds a socket to the client at that port."""
    connections = psutil.Process().net_connections("tcp")
    return port in {getattr(c.raddr, "port", None) for c in connections}


def _jpeg(number: int) -> bytes:
    image = np.full((240, 320, 3), number * 20, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def _same_partition(prefix: str) -> tuple[str, str]:
    home = partition_of(f"{prefix}/north", FRAME_PARTITIONS)
    names = (f"{prefix}-{n}" for n in range(1000))
    return prefix, next(n for n in names if partition_of(f"{n}/north", FRAME_PARTITIONS) == home)


async def _parts(response: httpx.Response) -> AsyncIterator[bytes]:
    rest = b""
    chunks = response.aiter_raw()
    while True:
        head, found, body = rest.partition(b"\r\n\r\n")
        if found:
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.startswith(b"Content-Length")
            )
            if len(body) >= length:
                yield body[:length]
                rest = body[length:]
                continue
        rest += await asyncio.wait_for(anext(chunks), 10)
