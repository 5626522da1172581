"""/ws: who may read it, and what a client can do to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import websockets
from prometheus_client import REGISTRY
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from parking.core.errors import Retryable
from parking.wire.ports import Place, Record
from services.notifier.adapters import MemoryLog
from services.notifier.ring import format_id
from services.notifier.settings import Limits
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import changed, record
from tools.stack.checks import HOST

PARTNER = "https://lot.example"


@pytest.fixture
async def notifier() -> AsyncIterator[Instance]:
    async with Instance(Backend(None), Given(origins=[PARTNER])) as running:
        yield running


def address(notifier: Instance, more: str = "") -> str:
    return f"ws://{HOST}:{notifier.port}/ws{more}"


async def heard(socket: websockets.ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 10))
    return message


@pytest.mark.parametrize("origin", [None, "its own", "its own, by TLS", PARTNER])
async def test_programs_its_own_pages_and_those_named_may_read(
    notifier: Instance, origin: str | None
):
    own = f"{HOST}:{notifier.port}"
    known = {"its own": f"http://{own}", "its own, by TLS": f"https://{own}"}
    given = known.get(origin, origin) if origin else None
    async with websockets.connect(address(notifier), origin=given) as socket:  # type: ignore[arg-type]
        assert (await heard(socket))["type"] == "snapshot"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://[", f"http://{HOST}", "file://"]
)
async def test_pages_of_other_sites_may_not(notifier: Instance, origin: str):
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(address(notifier), additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"] == "foreign-origin"


@pytest.mark.parametrize(
    ("host", "line"), [("evil.example", b"421"), (HOST, b"101"), ("lot.example", b"101")]
)
async def test_a_name_that_others_point_at_us_is_not_ours(host: str, line: bytes):
    given = Given(origins=[PARTNER], hosts=("lot.example",))
    async with Instance(Backend(None), given) as notifier:
        reader, writer = await asyncio.open_connection(HOST, notifier.port)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: https://lot.example\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == line
        writer.close()


async def test_without_named_origins_only_its_own_pages_may():
    async with Instance(Backend(None)) as notifier:
        with pytest.raises(InvalidStatus):
            await websockets.connect(address(notifier), additional_headers={"Origin": PARTNER})


async def test_a_client_that_talks_is_still_heard(notifier: Instance):
    """A client would count as dead if its answer to a ping were not read."""
    async with websockets.connect(address(notifier), ping_interval=None) as socket:
        await heard(socket)
        async with asyncio.timeout(5):
            for _ in range(3):
                await socket.send("anybody there?")
                await (await socket.ping())


async def test_a_client_that_disconnects_is_removed_at_once(notifier: Instance):
    before = following()
    async with websockets.connect(address(notifier)) as socket:
        await heard(socket)
        assert following() == before + 1
    async with asyncio.timeout(5):  # the next ping would come after 15 s
        while following() != before:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.01)


async def test_no_client_can_leave_much_behind(notifier: Instance):
    async with websockets.connect(address(notifier), compression="deflate") as socket:
        assert socket.protocol.extensions == []
        await heard(socket)
        await socket.send("x" * 4097)
        with pytest.raises(ConnectionClosedError) as closed:
            await heard(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_refused_client_gets_the_reason():
    async with (
        Instance(Backend(None), Given(Limits(clients=1))) as notifier,
        websockets.connect(address(notifier)) as socket,
    ):
        await heard(socket)
        with pytest.raises(InvalidStatus) as refused:
            await websockets.connect(address(notifier))
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body)["error"] == "all-places-taken"


async def test_an_outage_while_missed_records_are_read_is_reported(unique: Callable[[str], str]):
    class Away(MemoryLog):
        async def read(
            self, starts: Mapping[Place, int], ends: Mapping[Place, int]
        ) -> list[Record]:
            if away:
                raise Retryable("Kafka could not be read: é" + "x" * 200)
            return await super().read(starts, ends)

    away: list[bool] = []
    site, backend = unique("site"), Backend(None)
    log = Away(backend.broker)
    async with Instance(backend, Given(Limits(ring_changes=1)), log=log) as notifier:
        place = format_id(notifier.feed.ring.cluster_id, notifier.feed.ring.next)
        await backend.write(*(record(changed(site, n)) for n in range(1, 9)))
        await notifier.seen(site, 8)
        away.append(True)
        async with websockets.connect(address(notifier, f"?last_event_id={place}")) as socket:
            with pytest.raises(ConnectionClosedError) as closed:
                await heard(socket)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason[:5]) == (1013, "Kafka")


def following() -> float:
    return REGISTRY.get_sample_value("parking_sse_clients") or 0.0
