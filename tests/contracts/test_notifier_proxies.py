"""Streams through a proxy that cuts idle streams and buffers small pieces. For the same in a
browser, see tests/browser/test_two_origins.py."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import websockets

from services.notifier.settings import Limits
from tests.support.edge import Edge, served
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import layout, record, state, status
from tests.support.waiting import until
from tools.stack.certificates import Certificates
from tools.stack.checks import HOST

IDLE_S = 1.0
OFTEN_S, SELDOM_S = 0.15, 60  # the default of 15 s against 100 s; nothing in time


@dataclass
class Door:
    """A notifier behind a proxy, and a client that trusts the proxy's certificate."""

    edge: Edge
    http: httpx.AsyncClient
    trust: ssl.SSLContext

    @property
    def socket_url(self) -> str:
        return f"{self.http.base_url}".replace("https:", "wss:").rstrip("/") + "/ws"


@asynccontextmanager
async def door(folder: Path, ping_s: float) -> AsyncIterator[Door]:
    backend = Backend(None)
    await backend.write(*[record(one) for one in (layout("a"), state("a", 3), status("a"))])
    files = Certificates(folder)
    files.prepare((HOST,))
    trust = ssl.create_default_context(cafile=str(files.authority))
    async with Instance(backend, Given(limits=Limits(ping_s=ping_s))) as notifier:
        edge = Edge(notifier.url, idle_s=IDLE_S)
        async with served(edge, files) as port:
            client = httpx.AsyncClient(
                base_url=f"https://{HOST}:{port}", verify=trust, http2=True, timeout=20
            )
            async with client:
                yield Door(edge, client, trust)


async def pings(found: Door, count: int) -> None:
    """Read that many pings from /api/events. Raises EOFError if the stream ends."""
    async with found.http.stream("GET", "/api/events") as answer:
        assert answer.http_version == "HTTP/2"
        async for line in answer.aiter_lines():
            count -= line == "event: ping"
            if count == 0:
                return
    raise EOFError("the stream ended")


async def socket_pings(found: Door, count: int) -> None:
    async with websockets.connect(found.socket_url, ssl=found.trust, proxy=None) as socket:
        async for message in socket:
            count -= '"type":"ping"' in str(message).replace(" ", "")
            if count == 0:
                return
    raise EOFError("the socket was closed")


READERS = pytest.mark.parametrize("read", [pings, socket_pings])


@READERS
async def test_a_quiet_stream_outlasts_the_proxys_limit(tmp_path: Path, read):
    async with door(tmp_path, OFTEN_S) as found:
        await read(found, round(3 * IDLE_S / OFTEN_S))
        assert found.edge.cuts == 0


@READERS
async def test_negative_control_without_heartbeats_the_proxy_cuts_it(tmp_path: Path, read):
    async with door(tmp_path, SELDOM_S) as found:
        with pytest.raises(EOFError):
            await read(found, 1)
        assert found.edge.cuts == 1


async def test_events_pass_a_proxy_that_buffers_because_they_ask_for_it(tmp_path: Path):
    async with door(tmp_path, OFTEN_S) as found:
        await pings(found, 1)
        assert found.edge.kept_back == 0
        found.edge.obedient = False  # negative control: a proxy that buffers all the same
        reading = asyncio.ensure_future(pings(found, 1))
        await until(lambda: found.edge.kept_back > 5)
        assert not reading.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
