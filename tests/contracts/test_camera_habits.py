"""Habits of cameras in the field (docs/cameras.md): each camera gives whole pictures over one
connection, and none that offers Digest gets a password in clear text."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import cv2
import numpy as np
import pytest

from services.ingest.jpeg import inspect
from services.ingest.pull.camerafile import Camera, Credential
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.puller import Source
from services.ingest.pull.sources import sources
from services.ingest.pull.streams import Streams
from tests.support.cameras import (
    LOGIN_HABITS,
    PASSWORD,
    SNAPSHOT_HABITS,
    STREAM_HABITS,
    USER,
    http_cameras,
)
from tests.support.pulling import LIMITS, LOOPBACK
from tests.support.rtsp_cameras import LOGINS, REQUESTS, greys, rtsp_cameras

LIMIT_S = 2.0
LOGIN = Credential(username=USER, password=PASSWORD)
VIDEO = [
    *("/live", "/sets-in-band", "/sets-marked", "/slices", "/slices-marked", "/no-marker"),
    *("/channels-2-3", "/space-in-rtpmap", "/two-videos"),
    *REQUESTS,
    *LOGINS,
]
NewSource = Callable[[Camera], Source]


@pytest.fixture
async def new_source() -> AsyncIterator[NewSource]:
    streams = Streams(LIMITS)
    yield sources(LOOPBACK, LIMITS, LIMIT_S, streams)
    await streams.close()


async def pictures(source: Source, count: int) -> list[bytes]:
    """Return the first so many pictures of one connection."""
    found: list[bytes] = []
    async with aclosing(source.pictures(lambda: "picture")) as given:
        async for jpeg in given:
            found.append(jpeg)
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize("path", SNAPSHOT_HABITS)
async def test_snapshots(path: str, new_source: NewSource):
    async with http_cameras() as own:
        (jpeg,) = await pictures(new_source(Camera("demo/cam", "snapshot", own.url(path))), 1)
    assert inspect(jpeg, 1_000_000, 1_000_000).width == 64


@pytest.mark.parametrize("path", LOGIN_HABITS)
async def test_logins(path: str, new_source: NewSource):
    async with http_cameras() as own:
        one = Camera("demo/cam", "snapshot", own.url(path), credential=LOGIN)
        assert len(await pictures(new_source(one), 1)) == 1
        assert "Authorization: Basic" not in "".join(own.headers)


@pytest.mark.parametrize("path", STREAM_HABITS)
async def test_streams(path: str, new_source: NewSource):
    async with http_cameras() as own:
        found = await pictures(new_source(Camera("demo/cam", "mjpeg", own.url(path))), 8)
        assert own.asked[path] == 1
    assert {inspect(jpeg, 1_000_000, 1_000_000).width for jpeg in found} == {64}
    assert len(set(found)) == 8


@pytest.mark.parametrize("path", VIDEO)
async def test_video(path: str, new_source: NewSource):
    async with rtsp_cameras() as own:
        login = LOGIN if path in LOGINS else None
        one = Camera("demo/cam", "rtsp", own.url(path), credential=login)
        found = await pictures(new_source(one), 4)
        assert own.asked[path] == 1
        assert "Basic" not in "".join(own.heads)
    # The camera's greys are video levels (16..235); a JPEG's are 0..255.
    sent = [[(grey - 16) * 255 / 219 for grey in greys(number)] for number in range(60)]
    for jpeg in found:
        assert min(np.abs(np.subtract(middles(jpeg), one)).max() for one in sent) <= 6


def middles(jpeg: bytes) -> list[int]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return [int(grey) for grey in image[8::16, 8::16].ravel()]


async def test_a_session_that_ends_early_is_kept_alive(new_source: NewSource):
    async with rtsp_cameras() as own:
        one = Camera("demo/cam", "rtsp", own.url("/short-timeout"))
        async with aclosing(new_source(one).pictures(lambda: "picture")) as given:
            async for _ in given:
                if own.methods["GET_PARAMETER"] + own.methods["OPTIONS"] >= 4:
                    break
        assert own.methods["PLAY"] == 1


async def test_negative_control_half_a_picture_is_refused(new_source: NewSource):
    async with rtsp_cameras() as own:
        one = Camera("demo/cam", "rtsp", own.url("/slice-missing"))
        with pytest.raises(CameraFault, match="undecodable: its key picture lacks parts"):
            await pictures(new_source(one), 1)
