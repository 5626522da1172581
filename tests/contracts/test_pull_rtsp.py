"""RTSP cameras: H.264 over TCP from a real server on 127.0.0.1, decoded by the process of the real
decoder. Each fault ends with a reason and delays no other camera."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing

import cv2
import numpy as np
import psutil
import pytest

from parking.core.topics import DEVICE_EVENTS, FRAMES
from services.ingest.messages import Limits
from services.ingest.pull import puller as puller_module
from services.ingest.pull import rtspcam
from services.ingest.pull.camerafile import Camera, Credential
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.networks import Networks
from services.ingest.pull.pipe import Order
from services.ingest.pull.puller import Source
from services.ingest.pull.rtspcam import RtspCamera
from services.ingest.pull.sources import sources
from services.ingest.pull.streams import STREAMS_A_READER, Reader, Stream, Streams
from tests.support.cameras import PASSWORD, USER, http_cameras
from tests.support.pulling import LIMITS, LOOPBACK, pulling
from tests.support.rtsp_cameras import (
    RtspCameras,
    rtsp_cameras,
)
from tests.support.waiting import until

LIMIT_S = 3.0  # a busy computer needs a moment to answer as its own camera
LOGIN = Credential(username=USER, password=PASSWORD)
NewSource = Callable[[Camera], Source]
EARLIER: set[int] = set()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(puller_module, "MAX_DELAY_S", 0.05)
    monkeypatch.setattr(puller_module, "MAX_SPREAD_S", 0.01)
    monkeypatch.setattr(rtspcam, "MAX_KEY_GAP_BYTES", 1_000_000)
    EARLIER.update(readers())


@pytest.fixture
async def streams() -> AsyncIterator[Streams]:
    made = Streams(LIMITS)
    yield made
    await made.close()


@pytest.fixture
def new_source(streams: Streams) -> NewSource:
    return sources(LOOPBACK, LIMITS, LIMIT_S, streams)


def camera(own: RtspCameras, path: str, login: Credential | None = None) -> Camera:
    return Camera("demo/cam", "rtsp", own.url(path), 0.05, login)


async def one_picture(source: Source) -> bytes:
    given = source.pictures(lambda: "picture")
    try:
        return await anext(given)
    finally:
        await given.aclose()


async def all_pictures(source: Source) -> None:
    async with asyncio.timeout(20):
        async for _ in source.pictures(lambda: "picture"):
            pass


@pytest.mark.parametrize("path", ["/live", "/sets-in-band", "/login"])
async def test_key_pictures_become_frames(path: str, new_source: NewSource):
    async with rtsp_cameras() as own:
        one = camera(own, path, LOGIN if path == "/login" else None)
        async with pulling(one, new_source=new_source) as world:
            await until(lambda: len(world.events(FRAMES, "demo/cam")) >= 3)
            assert own.asked[path] == 1, "one connection for all pictures"
        await until(lambda: own.methods["TEARDOWN"] == 1)
    assert "Basic" not in "".join(own.heads), "the camera knows better"
    counts = [head.partition("nc=")[2][:8] for head in own.heads if "nc=" in head]
    assert len(set(counts)) == len(counts), "a login used twice looks like a replay"
    frames = world.events(FRAMES, "demo/cam")
    assert {(frame.via, frame.width, frame.height) for frame in frames} == {("rtsp", 64, 48)}
    assert [event.kind for event in world.events(DEVICE_EVENTS, "demo/cam")] == ["online"]


async def test_nothing_is_decoded_while_no_picture_is_wanted(streams: Streams, monkeypatch):
    async def decoded(*_: object) -> bytes:
        raise AssertionError("nobody wants it")

    monkeypatch.setattr(Stream, "jpeg", decoded)
    async with rtsp_cameras() as own:
        own.pause_s = 0.001
        wanted = iter(["nothing"] * 30)
        source = RtspCamera(camera(own, "/live"), LOOPBACK.of_all(), streams, LIMIT_S)
        given = source.pictures(lambda: next(wanted, "end"))
        assert [jpeg async for jpeg in given] == []


async def test_a_camera_removed_while_its_connection_ends_is_let_go(
    new_source: NewSource, monkeypatch: pytest.MonkeyPatch
):
    ending = asyncio.Event()

    async def finish_never(relaying: asyncio.Task[None], limit_s: float) -> None:
        ending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(rtspcam, "finish", finish_never)
    async with rtsp_cameras() as own:
        given = new_source(camera(own, "/live")).pictures(lambda: "picture")
        await anext(given)
        closing = asyncio.ensure_future(given.aclose())
        await ending.wait()
        assert own.open == 1
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await until(lambda: own.open == 0)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/mute", "timeout"),
        ("/stalls", "timeout"),
        ("/ends", "cut-off"),
        ("/no-key", "no-key-picture"),
        ("/loses-packets", "undecodable"),
        ("/slice-missing", "undecodable"),
        ("/other-codec", "no-video"),
        ("/poison", "undecodable"),
        ("/endless-picture", "too-large or undecodable"),  # as fast as the computer is
        ("/redirect", "redirected"),
        ("/login", "password-needed"),
        ("/noise", "bad-answer"),
        ("/empty-packets", "no-key-picture or too-large"),  # as fast as the computer is
    ],
)
async def test_a_bad_camera_ends_in_a_reason(path: str, reason: str, new_source: NewSource):
    async with rtsp_cameras() as own, http_cameras() as others:
        own.redirect_to = own.url("/live")
        good = Camera("demo/good", "snapshot", others.url("/capture"), 0.05)
        with pytest.raises(CameraFault) as caught:
            await all_pictures(new_source(camera(own, path)))
        assert caught.value.reason in reason.split(" or ")
        await until(lambda: own.open == 0)
        async with pulling(camera(own, path), good, new_source=new_source) as world:
            await until(lambda: len(world.events(FRAMES, "demo/good")) >= 3)


async def test_an_incomplete_key_picture_is_skipped_and_three_in_a_row_are_reported(
    new_source: NewSource,
):
    """FFmpeg fills such a picture in and logs that. Without its message the picture would look
    real."""
    async with rtsp_cameras() as own:
        own.damaged = itertools.cycle([True, True, False])
        assert await one_picture(new_source(camera(own, "/live")))
        own.damaged = itertools.repeat(True)
        with pytest.raises(CameraFault, match="undecodable: its key picture"):
            await one_picture(new_source(camera(own, "/live")))


async def test_a_wrong_password_is_reported_and_not_printed(new_source: NewSource):
    wrong = Credential(username=USER, password="wrong-canary")
    async with rtsp_cameras() as own:
        with pytest.raises(CameraFault) as caught:
            await one_picture(new_source(camera(own, "/login", wrong)))
        assert caught.value.reason == "wrong-password"
        assert "canary" not in str(caught.value) + "".join(own.heads)


async def test_an_address_outside_the_networks_is_not_connected_to(streams: Streams):
    async with rtsp_cameras() as own:
        source = RtspCamera(
            camera(own, "/live"), Networks.parse(["192.168.0.0/16"]), streams, LIMIT_S
        )
        with pytest.raises(CameraFault, match="forbidden-address"):
            await one_picture(source)
        assert own.heads == []


async def test_a_camera_that_is_left_hears_of_it(new_source: NewSource):
    async with rtsp_cameras() as own:
        await one_picture(new_source(camera(own, "/live")))
        await until(lambda: own.methods["TEARDOWN"] == 1)
        await until(lambda: own.open == 0)


async def test_a_login_that_ffmpeg_would_cut_off_is_refused(new_source: NewSource):
    long = Credential(username=USER, password="p" * 130)
    async with rtsp_cameras() as own:
        with pytest.raises(CameraFault, match="login-too-long"):
            await one_picture(new_source(camera(own, "/login", long)))
        assert own.heads == []


# ---------------------------------------------------------------- the readers
async def test_a_few_cameras_share_a_reader(streams: Streams):
    new_source = sources(LOOPBACK, LIMITS, 20, streams)
    async with rtsp_cameras() as own, AsyncExitStack() as stack:
        for number in range(STREAMS_A_READER + 1):
            one = Camera(f"demo/cam-{number}", "rtsp", own.url("/live"))
            given = new_source(one).pictures(lambda: "picture")
            await stack.enter_async_context(aclosing(given))
            assert await anext(given)
        assert (streams.started, len(children())) == (2, 2)


async def test_a_hanging_reader_is_replaced(streams: Streams, new_source: NewSource, monkeypatch):
    monkeypatch.setattr(rtspcam, "_DECODE_LIMIT_S", 0.3)
    async with rtsp_cameras() as own:
        given = new_source(camera(own, "/live")).pictures(lambda: "picture")
        await anext(given)
        (pid,) = children()
        with monkeypatch.context() as patch:
            strike(patch, signal.SIGSTOP)
            with pytest.raises(CameraFault, match="decoder-hung"):
                await anext(given)
        monkeypatch.undo()
        assert await one_picture(new_source(camera(own, "/live")))
        assert (streams.started, pid in children()) == (2, False)


async def test_a_reader_that_hangs_before_it_takes_a_stream_is_replaced(new_source: NewSource):
    async with rtsp_cameras() as own:
        await one_picture(new_source(camera(own, "/live")))
        os.kill(children()[0], signal.SIGSTOP)
        with pytest.raises(CameraFault, match="decoder-hung"):
            await one_picture(new_source(camera(own, "/live")))
        assert await one_picture(new_source(camera(own, "/live")))


async def test_a_dead_reader_is_replaced_and_only_the_guilty_camera_is_set_apart(
    streams: Streams, new_source: NewSource, monkeypatch
):
    async with rtsp_cameras() as own:
        guilty = camera(own, "/live")
        others = [Camera(f"demo/other-{n}", "rtsp", own.url("/live")) for n in range(2)]
        async with AsyncExitStack() as stack:
            shown = [new_source(one).pictures(lambda: "picture") for one in (guilty, *others)]
            for given in shown:
                await stack.enter_async_context(aclosing(given))
                await anext(given)
            with monkeypatch.context() as patch:
                strike(patch, signal.SIGKILL)
                with pytest.raises(CameraFault, match="decoder-died"):
                    await anext(shown[0])
            for given in shown[1:]:
                with pytest.raises(CameraFault, match="decoder-died"):
                    await anext(given)
        async with AsyncExitStack() as stack:
            for one in (guilty, *others):
                given = new_source(one).pictures(lambda: "picture")
                await stack.enter_async_context(aclosing(given))
                assert await anext(given)
            assert len(children()) == 2, "one for the guilty camera, one for the others"


async def test_a_picture_is_made_to_fit_the_limits():
    streams = Streams(Limits(frame_max_pixels=1_000))
    try:
        async with rtsp_cameras() as own:
            source = sources(LOOPBACK, LIMITS, LIMIT_S, streams)(camera(own, "/live"))
            jpeg = await one_picture(source)
    finally:
        await streams.close()
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (27, 36)


async def test_a_reader_sees_no_secret_of_ingest(new_source: NewSource, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "canary-of-the-bridge")
    async with rtsp_cameras() as own:
        await one_picture(new_source(camera(own, "/login", LOGIN)))
    reader = psutil.Process(children()[0])
    assert "PYTHONPATH" in reader.environ()
    assert "canary" not in repr(reader.environ()) + repr(reader.cmdline())


def strike(patch: pytest.MonkeyPatch, signal_: signal.Signals) -> None:
    """Send the reader the signal with the next picture that it decodes."""
    send = Reader.send

    def deadly(reader: Reader, order: Order) -> None:
        if order.kind == "decode":
            os.kill(children()[0], signal_)
        send(reader, order)

    patch.setattr(Reader, "send", deadly)


def readers() -> list[int]:
    found = psutil.Process().children()
    return [one.pid for one in found if "services.ingest.pull.video" in one.cmdline()]


def children() -> list[int]:
    """Return the readers of this test alone, because those of an earlier one may still be
    ending."""
    return [pid for pid in readers() if pid not in EARLIER]
