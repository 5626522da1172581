"""A name that changes its address between check and connection (DNS rebinding) does not get
through."""

import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.ingest.pull.camerafile import Camera
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.httpcam import HttpCamera
from services.ingest.pull.networks import Networks
from services.ingest.pull.rtspcam import RtspCamera
from services.ingest.pull.streams import Streams
from tests.support.cameras import HttpCameras, http_cameras
from tests.support.pulling import LIMITS, MAX_BYTES

ALLOWED, FORBIDDEN = "192.0.2.10", "127.0.0.1"  # a documentation address; the server's own
NETWORKS = Networks.parse([f"{ALLOWED}/32"])
NAME = "camera.example"


class Rebinding(AbstractResolver):
    """Resolves to the allowed address first and from then on to the forbidden one."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    def next(self) -> str:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=self.next(),
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Release nothing."""


def camera(own: HttpCameras, kind: Any = "snapshot") -> Camera:
    scheme = "rtsp" if kind == "rtsp" else "http"
    return Camera("demo/cam", kind, f"{scheme}://{NAME}:{own.port}/capture", 1)


async def reason_of(source: Any) -> str:
    given = source.pictures(lambda: "picture")
    with pytest.raises(CameraFault) as caught:
        await anext(given)
    return caught.value.reason


async def test_http_the_address_that_is_checked_is_the_one_connected_to():
    resolver = Rebinding(ALLOWED, FORBIDDEN)
    async with http_cameras() as own:
        source = HttpCamera(camera(own), NETWORKS, MAX_BYTES, 0.3, resolver)
        # First the allowed address is tried (nobody is there), then the forbidden one refused.
        assert await reason_of(source) in ("timeout", "unreachable", "refused")
        assert await reason_of(source) == "forbidden-address"
        assert (own.asked.total(), resolver.asked) == (0, 2)


async def test_rtsp_the_address_that_is_checked_is_the_one_connected_to():
    resolver = Rebinding(ALLOWED, FORBIDDEN)
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [resolver.next()]

    async with http_cameras() as own:
        source = RtspCamera(camera(own, "rtsp"), NETWORKS, Streams(LIMITS), 0.3, resolve)
        assert await reason_of(source) in ("timeout", "unreachable", "refused")
        assert await reason_of(source) == "forbidden-address"
        assert own.open.total() == 0
    assert asked == [NAME, NAME]


async def test_a_name_with_a_good_and_a_bad_address_is_connected_to_the_good_one_only():
    networks = Networks.parse(["127.0.0.1/32"])

    async def resolve(host: str, port: int) -> list[str]:
        return ["169.254.169.254", "127.0.0.1"]

    async with http_cameras() as own:
        source = RtspCamera(camera(own, "rtsp"), networks, Streams(LIMITS), 0.5, resolve)
        assert await reason_of(source) == "bad-answer"  # it reached the one that speaks HTTP
        assert own.open.total() + own.asked.total() > 0


async def test_a_redirect_to_a_forbidden_place_is_not_followed():
    async with http_cameras() as own, http_cameras() as inner:
        own.redirect_to = inner.url("/capture")
        networks = Networks.parse(["127.0.0.1"])
        one = Camera("demo/cam", "snapshot", own.url("/redirect"), 1)
        assert await reason_of(HttpCamera(one, networks, MAX_BYTES, 5)) == "redirected"
        assert inner.asked.total() == 0


async def test_negative_control_checking_a_name_first_and_connecting_then_is_not_enough():
    """The guard does not do this: look the name up, check it, and let the client look it up
    again."""
    resolver = Rebinding(ALLOWED, FORBIDDEN)
    async with http_cameras() as own:
        [found] = await resolver.resolve(NAME)
        NETWORKS.check(found["host"])  # passes
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(camera(own).url) as response,
        ):
            assert response.status == 200
        assert own.asked["/capture"] == 1, "the tests above could not have failed"
