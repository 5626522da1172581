"""RTSP cameras: H.264 over TCP from a real server on 127.0.0.1, decoded by the real decoder's
process; what is wrong ends in a reason and holds up nobody."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from typing import Any

import cv2
import numpy as np
import psutil
import pytest

from parking.networks import Networks
from parking.topics import DEVICE_EVENTS, FRAMES
from services.ingest import puller as puller_module
from services.ingest import rtspcam
from services.ingest.camerafile import Camera, Credential
from services.ingest.decoder import Decoder
from services.ingest.faults import CameraFault
from services.ingest.messages import Limits
from services.ingest.puller import Source
from services.ingest.rtsp import Session
from services.ingest.rtspcam import RtspCamera
from services.ingest.sources import sources
from tests.cameras import PASSWORD, USER, http_cameras
from tests.h264 import key_picture
from tests.pulling import LIMITS, LOOPBACK, pulling
from tests.rtsp_cameras import HEIGHT_MB, PPS, SPS, WIDTH_MB, RtspCameras, greys, rtsp_cameras
from tests.waiting import until

LIMIT_S = 0.4
LOGIN = Credential(username=USER, password=PASSWORD)
START = b"\0\0\0\1"
VIDEO = b"".join(START + one for one in (SPS, PPS, key_picture(greys(0))))
NewSource = Callable[[Camera], Source]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(puller_module, "MAX_DELAY_S", 0.05)
    monkeypatch.setattr(puller_module, "MAX_SPREAD_S", 0.01)
    monkeypatch.setattr(rtspcam, "MAX_KEY_BYTES", 1_000_000)


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    made = Decoder(LIMITS)
    yield made
    await made.close()


@pytest.fixture
def new_source(decoder: Decoder) -> NewSource:
    return sources(LOOPBACK, LIMITS, LIMIT_S, decoder)


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


def middle_greys(jpeg: bytes) -> list[int]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (16 * HEIGHT_MB, 16 * WIDTH_MB)
    return [int(grey) for grey in image[8::16, 8::16].ravel()]


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


async def test_the_picture_is_what_the_camera_saw(new_source: NewSource):
    async with rtsp_cameras() as own:
        jpeg = await one_picture(new_source(camera(own, "/live")))
    # The camera's greys are video levels (16..235); a JPEG's are 0..255.
    expected = [(grey - 16) * 255 / 219 for grey in greys(0)]
    assert np.allclose(middle_greys(jpeg), expected, atol=4)


async def test_nothing_is_decoded_while_no_picture_is_wanted(decoder: Decoder):
    async with rtsp_cameras() as own:
        own.pause_s = 0.001
        wanted = iter(["nothing"] * 30)
        source = RtspCamera(camera(own, "/live"), LOOPBACK, decoder, LIMIT_S)
        given = source.pictures(lambda: next(wanted, "end"))
        assert [jpeg async for jpeg in given] == []
        assert decoder.started == 0


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/mute", "timeout"),
        ("/stalls", "timeout"),
        ("/ends", "cut-off"),
        ("/no-key", "no-key-picture"),
        ("/loses-packets", "no-key-picture"),
        ("/other-codec", "no-video"),
        ("/poison", "undecodable"),
        ("/endless-picture", "too-large"),
        ("/redirect", "redirected"),
        ("/login", "password-needed"),
        ("/noise", "bad-answer"),
        ("/empty-packets", "bad-answer"),
    ],
)
async def test_a_bad_camera_ends_in_a_reason(path: str, reason: str, new_source: NewSource):
    async with rtsp_cameras() as own, http_cameras() as others:
        own.redirect_to = own.url("/live")
        good = Camera("demo/good", "snapshot", others.url("/capture"), 0.05)
        with pytest.raises(CameraFault) as caught:
            await all_pictures(new_source(camera(own, path)))
        assert caught.value.reason == reason
        await until(lambda: own.open == 0)
        async with pulling(camera(own, path), good, new_source=new_source) as world:
            await until(lambda: len(world.events(FRAMES, "demo/good")) >= 3)


async def test_a_key_picture_that_lacks_parts_is_passed_over_and_three_in_a_row_are_told(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
):
    """FFmpeg fills such a picture in, and says so; without its words it would look real."""
    whole, cut = VIDEO, VIDEO[: len(VIDEO) * 2 // 3]
    assert await decoder.jpeg(whole)
    with pytest.raises(CameraFault, match="undecodable: its key picture"):
        await decoder.jpeg(cut)
    assert await decoder.jpeg(whole), "the same child goes on"
    assert decoder.started == 1
    async with rtsp_cameras() as own:
        given = [iter([cut, cut, whole, cut, cut, cut])]

        async def next_picture(*_: object) -> bytes:
            return next(given[0])

        monkeypatch.setattr(RtspCamera, "_key_picture", next_picture)
        source = RtspCamera(camera(own, "/live"), LOOPBACK, decoder, LIMIT_S)
        pictures = source.pictures(lambda: "picture")
        assert await anext(pictures)
        with pytest.raises(CameraFault, match="undecodable"):
            await anext(pictures)


async def test_a_wrong_password_is_told_and_not_repeated(new_source: NewSource):
    wrong = Credential(username=USER, password="wrong-canary")
    async with rtsp_cameras() as own:
        with pytest.raises(CameraFault) as caught:
            await one_picture(new_source(camera(own, "/login", wrong)))
        assert caught.value.reason == "wrong-password"
        assert "canary" not in str(caught.value) + "".join(own.heads)


async def test_an_address_outside_the_networks_is_not_connected_to(decoder: Decoder):
    async with rtsp_cameras() as own:
        source = RtspCamera(
            camera(own, "/live"), Networks.parse(["192.168.0.0/16"]), decoder, LIMIT_S
        )
        with pytest.raises(CameraFault, match="forbidden-address"):
            await one_picture(source)
        assert own.heads == []


async def test_a_flood_that_is_there_already_leaves_others_their_turn():
    reader, turns = asyncio.StreamReader(), 0
    writer: Any = None  # nothing is asked
    last = b"\x80" * 20
    reader.feed_data(b"$\1\0\0" * 10_000 + b"$\0\0\x14" + last)
    session = Session(Camera("demo/cam", "rtsp", "rtsp://127.0.0.1/", 1), reader, writer)
    session._asked_s = asyncio.get_running_loop().time()  # noqa: SLF001 -- it has played
    reading = asyncio.ensure_future(session.packet())
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert await reading == last
    assert turns > 100


# ---------------------------------------------------------------- the decoder
async def test_a_hanging_decoder_is_ended_and_the_next_picture_is_decoded(decoder: Decoder):
    await decoder.jpeg(VIDEO)
    (pid,) = children()
    os.kill(pid, signal.SIGSTOP)
    decoder._limit_s = 0.3  # noqa: SLF001 -- the hang is ours
    with pytest.raises(CameraFault, match="decoder-hung"):
        await decoder.jpeg(VIDEO)
    decoder._limit_s = 5  # noqa: SLF001
    assert await decoder.jpeg(VIDEO)
    assert (decoder.started, pid in children()) == (2, False)


async def test_a_dead_decoder_is_replaced(decoder: Decoder):
    await decoder.jpeg(VIDEO)
    os.kill(children()[0], signal.SIGKILL)
    with pytest.raises(CameraFault, match="decoder-died"):
        await decoder.jpeg(VIDEO)
    assert await decoder.jpeg(VIDEO)


async def test_a_decoder_that_is_given_up_answers_nobody_later(decoder: Decoder):
    first, second = (
        b"".join((START + SPS, START + PPS, START + key_picture(greys(n)))) for n in (1, 5)
    )
    await decoder.jpeg(VIDEO)
    waiting = asyncio.ensure_future(decoder.jpeg(first))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert np.allclose(
        middle_greys(await decoder.jpeg(second)),
        [(grey - 16) * 255 / 219 for grey in greys(5)],
        atol=4,
    )


ENDLESS = """
import sys
from services.ingest.pipe import ANSWER
sys.stdout.buffer.write(ANSWER.pack(True, 60_000_000))
while True:
    sys.stdout.buffer.write(bytes(65_536))
"""


async def test_a_decoder_that_is_given_up_in_the_midst_of_an_answer_holds_nobody_up(
    decoder: Decoder,
):
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENDLESS), stdin=PIPE, stdout=PIPE
    )
    answer: Any = child.stdout
    decoder._child = child  # noqa: SLF001 -- one that answers too much
    waiting = asyncio.ensure_future(decoder.jpeg(VIDEO))
    await until(lambda: len(answer._buffer) > 131_072)  # noqa: SLF001 -- more than it takes in
    waiting.cancel()
    async with asyncio.timeout(4):
        await asyncio.gather(waiting, return_exceptions=True)
        assert child.returncode is not None
    assert await decoder.jpeg(VIDEO)


async def test_a_picture_is_made_to_fit_the_limits():
    decoder = Decoder(Limits(frame_max_pixels=1_000))
    try:
        jpeg = await decoder.jpeg(VIDEO)
    finally:
        await decoder.close()
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (27, 36)


async def test_the_decoder_sees_no_secret_of_ingest(decoder: Decoder, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "canary-of-the-bridge")
    await decoder.jpeg(VIDEO)
    environment = psutil.Process(children()[0]).environ()
    assert "PYTHONPATH" in environment
    assert "canary" not in repr(environment)


def children() -> list[int]:
    found = psutil.Process().children()
    return [one.pid for one in found if "services.ingest.decode" in one.cmdline()]
