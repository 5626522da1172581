"""No request makes the notifier fail: hostile addresses, parameters, headers and bodies are sent to
every route by a client with all rights."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from parking.access.keys import KeyFile
from services.notifier.api import openapi
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import changed, layout, record, state, status

pytestmark = pytest.mark.timeout(120)

HOSTILE = (
    "",
    "%00",
    "demo%00",
    "a" * 41,
    "a" * 256,
    "a" * 5000,
    "%C3%A9" * 128,  # 128 characters, 256 bytes
    "x/" * 2100,
    "/".join(["y" * 200] * 25),
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2F%2Fetc%2Fpasswd",
    "C:%5Cwindows",
    "%FF%FE",
    "%ED%A0%80",
    "%F0%9F%9A%97",
    "%0D%0AX: y",
    "'%3B drop table slot_changes--",
    "{}",
    "%7B%7Bsite%7D%7D",
    "-1",
    "9" * 400,
    "NaN",
)
FOUND = {
    "name": "ann",
    "site": "demo",
    "device": "north",
    "slot": "A1",
    "zone": "A",
    "version": "1",
    "format": "coco",
}
BODIES = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 5000, b"[" * 60_000, b"9" * 5000)
HEADERS = ("", "\x7f", "\xff\xfe", "a" * 5000, "Bearer", "Bearer \xe9", "~" * 300, "k~1:2")


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    """Return headers that open every route."""
    made = KeyFile(tmp_path / "keys").add("everything", "write", "devices")
    return {"Authorization": f"Bearer {made}"}


@pytest.fixture
async def notifier(tmp_path: Path) -> AsyncIterator[Instance]:
    backend = Backend(None)
    events = (layout("demo"), state("demo", 3), status("demo"), changed("demo", 3, "free"))
    await backend.write(*map(record, events))
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<title>lot</title>")
    given = Given(
        keys=tmp_path / "keys", devices=tmp_path / "passwords", dashboard=tmp_path / "dist"
    )
    async with Instance(backend, given) as running:
        yield running


def addresses() -> Iterator[tuple[str, str]]:
    """Return (method, address) for every route, with each of its parts and parameters hostile in
    turn."""
    for path, methods in openapi.generated()["paths"].items():
        for method, route in methods.items():
            names = {p["name"]: p["in"] for p in route.get("parameters", ())}
            for name, place in names.items():
                for hostile in HOSTILE:
                    parts = FOUND | {name: hostile}
                    more = f"?{name}={hostile}" if place == "query" else ""
                    yield method.upper(), path.format_map(parts) + more
    for hostile in HOSTILE:
        for path in ("/", "/assets/", "/sites/", "/api/", "/ws/", "/healthz/", "/api/sites/demo/"):
            yield "GET", path + hostile


def noise(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Return random bytes as addresses."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    for _ in range(count):
        yield "GET", "/" + quote(chance.randbytes(chance.randrange(1, 400)))


async def failing(http: httpx.AsyncClient, method: str, path: str, **more: object) -> str | None:
    """Return what went wrong if the notifier is to blame and not its caller. Postgres and the
    broker are unavailable here, so 503 with a message is right."""
    url = httpx.URL(str(http.base_url)).copy_with(raw_path=path.encode("ascii"))
    async with http.stream(method, url, **more) as response:  # type: ignore[arg-type]
        if response.status_code < 500:
            return None
        await response.aread()
        if response.status_code == 503 and response.json()["error"] != "internal":
            return None
        return f"{response.status_code} {method} {path[:100]} {len(path)} {response.text[:200]}"


async def test_no_address_makes_it_fail(notifier: Instance, key: dict[str, str]):
    tried = [*addresses(), *noise(7, 300)]
    faults = [await failing(notifier.http, method, p, headers=key) for method, p in tried]
    assert [fault for fault in faults if fault] == []
    assert len(tried) > 800


async def test_no_header_and_no_body_makes_it_fail(notifier: Instance, key: dict[str, str]):
    faults = []
    for path, methods in openapi.generated()["paths"].items():
        for method in map(str.upper, methods):
            address = path.format_map(FOUND)
            for value in HEADERS:
                names = ("Authorization", "Last-Event-ID", "Idempotency-Key", "Origin", "Range")
                headers = {name: value.encode("latin-1") for name in names}
                faults.append(await failing(notifier.http, method, address, headers=headers))
            for body in BODIES if method != "GET" else ():
                more = {"headers": key | {"Content-Type": "application/json"}, "content": body}
                faults.append(await failing(notifier.http, method, address, **more))
    assert [fault for fault in faults if fault] == []
