"""Rate limits of an HTTP server: per address, key and site, in requests and in bytes."""

from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from parking.access.keys import KeyFile
from parking.access.visitors import visitors
from parking.core.shares import MAX_KEYS, Buckets, Rate
from parking.runtime.rates import RateLimits, Rates

LIMITS = RateLimits(
    each_requests=2, each_bytes=1_000, site_requests=3, site_bytes=10_000, burst_s=2
)
FRAMES = "/ingest/v1/frames"


class World:
    """A server whose response is as long as the request asks for, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.keys = KeyFile(folder / "keys")
        self.app = Rates(_answer, visitors(self.keys), LIMITS, lambda: self.now_s)

    async def get(self, path: str = "/", address: str = "10.0.0.1", key: str = "") -> int:
        return (await self.ask(path, address, key)).status_code

    async def ask(
        self, path: str = "/", address: str = "10.0.0.1", key: str = "", body: bytes = b""
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            return await http.post(path, headers=headers, content=body)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await request.body()
    answer: Response = PlainTextResponse("x" * int(request.query_params.get("bytes", "0")))
    await answer(scope, receive, send)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def refused(reason: str) -> float:
    name = "parking_refused_requests_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


async def test_an_address_is_rate_limited_and_gets_a_retry_time(world: World):
    before = refused("address-requests")
    assert [await world.get() for _ in range(5)] == [200] * 4 + [429]
    answer = await world.ask()
    assert (answer.headers["retry-after"], answer.json()["error"]) == ("1", "rate")
    assert refused("address-requests") == before + 2
    assert await world.get(address="10.0.0.2") == 200
    world.now_s += 1
    assert [await world.get() for _ in range(3)] == [200, 200, 429]


async def test_a_key_has_a_share_of_its_own_and_an_unknown_one_has_none(world: World):
    key = world.keys.add("console", "write")
    assert [await world.get(key="pk_unknown") for _ in range(5)] == [200] * 4 + [429]
    assert [await world.get(key=key) for _ in range(5)] == [200] * 4 + [429]


@pytest.mark.parametrize("upload", [True, False])
async def test_bytes_count_in_both_directions(world: World, upload: bool):
    for expected in (200, 200, 429):
        path, body = ("/", b"x" * 1_500) if upload else ("/?bytes=1500", b"")
        assert (await world.ask(path, body=body)).status_code == expected
    world.now_s += 1  # 1,000 of 3,000 bytes are paid off, and 2,000 were free
    assert await world.get() == 429
    world.now_s += 1
    assert await world.get() == 200


async def test_the_cameras_of_one_site_leave_the_others_theirs(world: World):
    cameras = [f"demo/cam{n}" for n in range(4)]
    keys = {camera: world.keys.add(camera, "frames") for camera in [*cameras, "other/cam"]}
    statuses = [await world.get(f"{FRAMES}/{c}", key=keys[c]) for c in cameras for _ in range(2)]
    assert statuses == [200] * 6 + [429] * 2
    assert await world.get(f"{FRAMES}/other/cam", key=keys["other/cam"]) == 200


async def test_nobody_without_a_key_uses_up_a_site(world: World):
    for number in range(10):
        assert await world.get("/api/v1/sites/demo", address=f"10.0.1.{number}") == 200
    assert await world.get("/api/v1/sites/demo", key=world.keys.add("console", "write")) == 200


async def test_probes_are_always_answered(world: World):
    assert {await world.get("/healthz") for _ in range(9)} == {200}


def test_what_is_remembered_is_bounded():
    buckets = Buckets(Rate(1, 1))
    for number in range(MAX_KEYS + 9):
        buckets.use(("address", str(number)), 1, 0.0)
    assert len(buckets) == MAX_KEYS
