"""The gateway's limits for clients, over real sockets: connections and memory."""

import asyncio
import gc
import json
import socket
import weakref
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from parking.access.keys import KeyFile
from parking.runtime import asgi
from parking.runtime.connections import _Bounded
from services.notifier import clients
from services.notifier.settings import Limits
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import frame, layout, record
from tools.stack.checks import HOST

SITE = "demo"
PATHS = ["/api/events", "/api/stream?camera=demo/north"]


async def backend(slots: int = 2) -> Backend:
    made = Backend(None)
    names = tuple(f"S{n}" for n in range(slots))
    await made.write(record(layout(SITE, slots=names)), frame(SITE, 1, b"\xff\xd8", (8, 8)))
    return made


def stingy(**more: int) -> Limits:
    few = {"clients": 4, "clients_each": 9, "clients_kept": 1} | more
    same = {name.replace("clients", "viewers"): number for name, number in few.items()}
    return Limits(**few, **same)


async def opened(notifier: Instance, path: str, count: int, key: str = "") -> list[int]:
    """Return the statuses of this many streams, which are requested at the same time and kept
    open."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with AsyncExitStack() as stack:

        async def one() -> int:
            stream = notifier.http.stream("GET", path, headers=headers)
            return (await stack.enter_async_context(stream)).status_code

        statuses = await asyncio.gather(*(one() for _ in range(count)))
        if key == "":
            notifier.kept = stack.pop_all()  # type: ignore[attr-defined]
        return sorted(statuses)


@pytest.mark.parametrize("path", PATHS)
async def test_no_more_streams_than_places_and_some_are_kept_for_keys(path: str, tmp_path: Path):
    key = KeyFile(tmp_path / "keys").add("console", "write")
    given = Given(stingy(), keys=tmp_path / "keys")
    async with Instance(await backend(), given) as notifier:
        assert await opened(notifier, path, 12) == [200] * 3 + [503] * 9
        assert await opened(notifier, path, 2, key) == [200, 503]
        refused = await notifier.http.get(path)
        assert refused.json()["error"] == "all-places-taken"
        assert int(refused.headers["retry-after"]) > 0
        await notifier.kept.aclose()  # type: ignore[attr-defined]
        await until(lambda: not notifier.feed._clients)  # noqa: SLF001
        assert await opened(notifier, path, 4) == [200] * 3 + [503]
        await notifier.kept.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PATHS)
async def test_one_address_has_its_share_of_streams(path: str):
    given = Given(stingy(clients_each=2))
    async with Instance(await backend(), given) as notifier:
        assert await opened(notifier, path, 6) == [200] * 2 + [429] * 4
        await notifier.kept.aclose()  # type: ignore[attr-defined]


async def test_a_websocket_takes_a_place_too():
    async with Instance(await backend(), Given(stingy(clients_each=1))) as notifier:
        address = f"ws://{HOST}:{notifier.port}/ws"
        async with websockets.connect(address):
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(address)
            assert refused.value.response.status_code == 429
            assert json.loads(refused.value.response.body)["error"] == "share-taken"
            assert (await notifier.http.get("/api/events")).status_code == 429


@pytest.mark.parametrize(("piece_bytes", "bounded"), [(clients.PIECE_BYTES, True), (10**9, False)])
async def test_a_frozen_client_holds_no_copy_of_the_snapshot(
    monkeypatch: pytest.MonkeyPatch, piece_bytes: int, bounded: bool
):
    """In the control, the whole snapshot is written at once and waits in the socket's buffer."""
    monkeypatch.setattr(clients, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(asgi, "PIECE_BYTES", piece_bytes)
    async with Instance(await backend(6_000), Given(Limits(send_timeout_s=2.0))) as notifier:
        with ExitStack() as closing:
            frozen = [closing.enter_context(freeze(notifier.port)) for _ in range(6)]
            await until(lambda: len(notifier.feed._clients) == len(frozen))  # noqa: SLF001
            ports = [port_of(client) for client in frozen]
            await until(lambda: all(buffered(ports)))
            size_bytes = notifier.feed.openings.size_bytes
            assert size_bytes > 1_000_000
            assert (max(buffered(ports)) < 200_000) is bounded
            await until(lambda: not any(buffered(ports)))
            assert not notifier.feed._clients  # noqa: SLF001
            assert notifier.feed.openings.size_bytes == size_bytes, "one, for those to come"


@pytest.mark.parametrize(("tells", "tasks_each"), [(True, 1), (False, 4)], ids=["ours", "control"])
async def test_a_stream_is_one_task_and_ends_with_its_connection(
    monkeypatch: pytest.MonkeyPatch, tells: bool, tasks_each: int
):
    """In the control, a connection does not report that it is lost, as with other servers."""
    if not tells:
        monkeypatch.delattr(_Bounded, "call_when_lost")
    async with Instance(await backend(), Given()) as notifier:

        async def read(count: int) -> AsyncExitStack:
            stack = AsyncExitStack()
            for _ in range(count):
                reader, writer = await asyncio.open_connection(HOST, notifier.port)
                stack.callback(writer.close)
                writer.write(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"event: snapshot")
            return stack

        async with await read(1):
            await until(lambda: len(notifier.feed._clients) == 1)  # noqa: SLF001
        await until(lambda: not notifier.feed._clients)  # noqa: SLF001
        before = len(asyncio.all_tasks())
        async with await read(5):
            await until(lambda: len(asyncio.all_tasks()) == before + 5 * tasks_each)
        await until(lambda: len(asyncio.all_tasks()) == before)
        assert not notifier.feed._clients  # noqa: SLF001


async def test_clients_that_stay_do_not_keep_their_snapshot():
    async with Instance(await backend(), Given()) as notifier:
        batches = notifier.feed.follow(None, None)
        snapshot = weakref.ref((await anext(batches))[0])
        waiting = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        notifier.feed.openings.forget()
        gc.collect()
        assert snapshot() is None
        waiting.cancel()
        await asyncio.wait([waiting])
        await batches.aclose()


def freeze(port: int) -> socket.socket:
    """Open a client that requests events and reads none."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((HOST, port))
    client.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def port_of(client: socket.socket) -> int:
    port: int = client.getsockname()[1]
    return port


def buffered(ports: Sequence[int]) -> list[int]:
    """Return the bytes that wait in our process to be sent to the client of each port; 0 once the
    client is gone. Memory is searched only once for all of them, because that takes long."""
    waiting = dict.fromkeys(ports, 0)
    for transport in (o for o in gc.get_objects() if type(o) is _SelectorSocketTransport):
        port = (transport.get_extra_info("peername") or ("", 0))[1]
        is_ours = transport.get_extra_info("sockname")[1] != port
        if port in waiting and is_ours and not transport.is_closing():
            waiting[port] += transport.get_write_buffer_size()
    return list(waiting.values())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 -- sockets and counters have no event to wait for
            await asyncio.sleep(0.02)
