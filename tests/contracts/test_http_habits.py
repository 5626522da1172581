"""HTTP behaviour that browsers, proxies and probes rely on."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from parking.access.keys import KeyFile
from parking.core.errors import SettingsError
from parking.runtime.asgi import Habits
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.runtime.ops import KEEP_ALIVE_S, Health, HttpSettings
from parking.runtime.settings import Reader
from services.ingest.http import Intake, new_app
from services.ingest.messages import Limits
from services.notifier.api.dashboard import dashboard_routes
from services.notifier.api.origins import may_read
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import layout, record
from tools.stack.checks import HOST

SLOTS = tuple(f"A{n}" for n in range(60))


@pytest.fixture
async def notifier(tmp_path: Path) -> AsyncIterator[Instance]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>lot</title>")
    (tmp_path / "assets" / "app-1f.js").write_text("let lot = 1;\n" * 20_000)
    (tmp_path / "assets" / "x.png").write_bytes(b"\x89PNG" + bytes(5_000))
    backend = Backend(None)
    await backend.write(record(layout("demo", slots=SLOTS)))
    async with Instance(backend, Given(dashboard=tmp_path)) as running:
        await running.http.get("/api/sites/demo")
        yield running


@pytest.mark.parametrize(
    "path",
    ["/", "/api/sites", "/api/sites/demo", "/healthz", "/metrics", "/openapi.json", "/nosuch",
     "/assets/app-1f.js", "/api/nosuch", "/api/sites/none"],
)  # fmt: skip
async def test_head_is_get_without_the_body(notifier: Instance, path: str):
    got, head = await notifier.http.get(path), await notifier.http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # which differs from one moment to the next
        assert head.headers.get("content-length") == got.headers.get("content-length")


@pytest.mark.parametrize("path", ["/api/events", "/api/events?site=demo"])
async def test_head_of_a_stream_without_end_is_answered_and_follows_nothing(
    notifier: Instance, path: str
):
    head = await asyncio.wait_for(notifier.http.head(path), 5)
    assert (head.status_code, head.headers["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    assert not notifier.feed._clients  # noqa: SLF001


async def test_head_ends_a_stream_that_watches_for_nobody():
    ended = asyncio.Event()

    async def body():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            ended.set()

    transport = httpx.ASGITransport(Habits(StreamingResponse(body())))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await asyncio.wait_for(http.head("/"), 5)).status_code == 200
    assert ended.is_set()


async def test_a_method_a_path_does_not_allow_is_reported_with_the_allowed_ones(notifier: Instance):
    wrong = await notifier.http.post("/api/sites")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/api/sites/demo", "/openapi.json", "/assets/app-1f.js"])
async def test_text_is_compressed_for_clients_that_accept_it(notifier: Instance, path: str):
    for accepted, packed in (
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0, br", False),
        ("", False),
    ):
        async with notifier.http.stream("GET", path, headers={"Accept-Encoding": accepted}) as got:
            raw = b"".join([part async for part in got.aiter_raw()])
        assert (got.headers.get("content-encoding") == "gzip") is packed, accepted
        assert got.headers["vary"] == "Accept-Encoding"
        plain = gzip.decompress(raw) if packed else raw
        if path.endswith(".js"):
            assert len(plain) == 260_000
        assert (len(raw) < len(plain) / 3) is packed


@pytest.mark.parametrize("path", ["/assets/x.png", "/api/changes", "/api/nosuch", "/"])
async def test_pictures_and_trifles_stay_as_they_are(notifier: Instance, path: str):
    got = await notifier.http.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in got.headers


async def test_a_range_of_a_script_is_not_compressed(notifier: Instance):
    got = await notifier.http.get(
        "/assets/app-1f.js", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-2999"}
    )
    assert (got.status_code, len(got.content)) == (206, 3_000)
    assert "content-encoding" not in got.headers


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/sits", 404, "application/json"),
        ("/api", 404, "application/json"),
        ("/API/sites", 404, "application/json"),
        ("/api/sites/demo/", 404, "application/json"),
        ("/sites/demo", 404, "text/html; charset=utf-8"),
        ("/dashbord", 404, "text/html; charset=utf-8"),
        ("/", 200, "text/html; charset=utf-8"),
        ("/api/events?site=none", 404, "application/json"),
    ],
)
async def test_a_mistyped_address_says_so(notifier: Instance, path: str, status: int, kind: str):
    got = await notifier.http.get(path)
    assert (got.status_code, got.headers["content-type"]) == (status, kind)


@pytest.mark.parametrize("url", ["", "https://example.org/parking"])
async def test_users_of_the_page_find_the_source_code(url: str):
    app = FastAPI()
    app.include_router(dashboard_routes(Path("not-built"), url))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.get("/source")
    assert answer.headers.get("location", "") == url
    assert (answer.status_code == 302) is bool(url)
    assert bool(url) or "SOURCE_URL" in answer.text


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "APPLICATION/json; charset=UTF-8"],
)
async def test_media_types_are_read_in_any_case(notifier: Instance, content_type: str):
    got = await notifier.http.post(
        "/api/sessions/entry", content="{", headers={"Content-Type": content_type}
    )
    assert got.status_code == 401  # it is the key that is missing


async def test_ingest_tells_404_and_405_as_it_tells_everything(tmp_path: Path):
    broker = MemoryBroker()
    intake = Intake(KeyFile(tmp_path / "keys"), MemoryProducer(broker), Limits(), ManualClock())
    transport = httpx.ASGITransport(new_app(intake, Health()))
    client = httpx.AsyncClient(transport=transport, base_url="http://x")
    for method, path, status, error in (
        ("GET", "/nosuch", 404, "not-found"),
        ("GET", "/ingest/v1/frames/demo/north", 405, "method-not-allowed"),
        ("POST", "/ingest/v1/frames/demo", 404, "not-found"),
        ("PUT", "/ingest/v1/frames/demo/north", 405, "method-not-allowed"),
    ):
        got = await client.request(method, path)
        assert (got.status_code, got.json()["error"]) == (status, error)
        assert "/ingest/v1/frames/SITE/CAMERA" in got.json()["detail"]


async def test_two_lengths_in_one_request_are_refused(notifier: Instance):
    """Two proxies may each read a different length, so the rest could be a smuggled request."""
    reader, writer = await asyncio.open_connection(HOST, notifier.port)
    writer.write(
        b"POST /api/sessions/entry HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert line.split()[1] == b"400"


def test_idle_connections_outlive_those_of_proxies():
    assert KEEP_ALIVE_S > 75
    read = HttpSettings.read(Reader({"HTTP_KEEP_ALIVE_S": "120"}), 8080)
    assert (read.keep_alive_s, HttpSettings(HOST, 1).keep_alive_s) == (120, KEEP_ALIVE_S)
    env = Reader({"HTTP_KEEP_ALIVE_S": "0"})
    HttpSettings.read(env, 8080)
    with pytest.raises(SettingsError, match="HTTP_KEEP_ALIVE_S"):
        env.done()


NAMED = ["https://lot.example"]


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "anything", True),
        ("https://lot.example", "lot.example:443", True),
        ("https://lot.example", "127.0.0.1:8080", True),  # a proxy with another Host
        ("https://LOT.example:443", "internal", True),
        ("http://lot.example", "lot.example", False),  # another scheme
        ("https://lot.example:8443", "lot.example:8443", False),
        ("http://evil.example", "evil.example", False),  # its name points at us
        ("http://evil.example:8080", "evil.example:8080", False),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("https://10.0.0.5", "10.0.0.5:443", True),
        ("https://10.0.0.5", "10.0.0.5", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8080", False),  # another program here
        ("http://parking.local:8080", "parking.local:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://parking:8080", "parking:8080", True),
        ("http://localhost.evil.example", "localhost.evil.example", False),
        ("null", "null", False),
        ("", "", False),
        ("http://[", "[", False),
        ("file://", "", False),
        ("http://127.0.0.1/x", "127.0.0.1", False),
    ],
)
def test_whose_pages_may_open_a_socket(origin: str | None, host: str, allowed: bool):
    assert may_read(origin, host, NAMED) is allowed
    assert not may_read("https://other.example", host, NAMED)


async def test_a_refused_socket_is_one_line_of_the_log(
    notifier: Instance, caplog: pytest.LogCaptureFixture
):
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for path, origin, status in (
        ("/ws", "https://evil.example", b"403"),
        ("/ws?site=none", "", b"404"),
        ("/ws", "", b"101"),
    ):
        with caplog.at_level("INFO"):
            reader, writer = await asyncio.open_connection(HOST, notifier.port)
            said = f"Origin: {origin}\r\n" if origin else ""
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{said}{upgrade}\r\n".encode())
            line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
        assert line.split()[1] == status
    assert not [one for one in caplog.records if one.levelname in ("ERROR", "WARNING")]
    assert sum("refused" in one.getMessage() for one in caplog.records) == 2
