"""Every route: who may use it, what it returns, and which records a write creates."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from parking.access.bearer import WINDOW_MS, WRONG_LIMIT, Attempts
from parking.access.keys import SCOPES, KeyFile
from parking.core.topics import GATE_EVENTS, SITE_COMMANDS
from parking.runtime.memory import ManualClock
from services.notifier.api import openapi
from services.notifier.api.web import BODY_MAX_BYTES, HEADERS
from services.notifier.history import History
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.notifying import SQUARE, changed, frame, layout, record, session, state, status

LAYOUT: dict[str, Any] = {
    "site_name": "Demo",
    "camera_name": "North",
    "interval_ms": 500,
    "zones": [{"zone_id": "A", "name": "Row A"}],
    "slots": [{"slot_id": "A1", "zone_id": "A", "polygon": SQUARE}],
}

# Every route of the notifier but those of accounts (test_access.py). A route that is missing here
# fails a test.
READS = {
    "/api/sites": 200,
    "/api/sites/demo": 200,
    "/api/public/demo": 404,  # the site is not public
    "/api/slots": 200,
    "/api/cameras": 200,
    "/api/cameras/demo/north": 200,
    "/api/cameras/demo/north/layout": 200,
    "/api/cameras/demo/north/layout/proposal": 404,  # the layout has no reference
    "/api/cameras/demo/north/latest.jpg": 200,
    "/api/cameras/demo/north/overlay.jpg": 404,  # the picture is none
    "/api/changes": 200,
    "/api/sessions": 200,
    "/api/events": 200,
    "/api/stream?camera=demo/north": 200,
    "/api/history/changes": 503,
    "/api/history/occupancy?site=demo": 503,
    "/api/history/usage?site=demo": 503,
    "/api/history/evidence?change=demo/A1/2": 503,
    "/api/history/picture.jpg?change=demo/A1/2&which=after": 503,
    "/api/history/moment?site=demo&at_ms=1": 503,
    "/api/history/moment.jpg?camera=demo/north&at_ms=1": 503,
    "/api/captures": 503,
    "/healthz": 200,
    "/readyz": 200,
    "/metrics": 200,
    "/openapi.json": 200,
    "/asyncapi.yaml": 307,
    "/schemas/asyncapi.yaml": 200,
    "/schemas/slot-changed.v1.json": 200,
    "/schemas/nosuch.json": 404,
    "/docs/cameras.md": 200,
    "/docs/nosuch.md": 404,
    "/": 200,
}
WRITES: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {
    ("POST", "/api/sessions/entry"): (202, {"site_id": "demo"}),
    ("POST", "/api/sessions/exit"): (202, {"site_id": "demo"}),
    ("POST", "/api/sites/demo/slots/A1/close"): (202, {"reason": "works"}),
    ("POST", "/api/sites/demo/slots/A1/open"): (202, {}),
    ("POST", "/api/sites/demo/slots/A1/correct"): (202, {"state": "free"}),
    ("POST", "/api/sites/demo/recount"): (202, {"number_in": 42}),
    ("PUT", "/api/cameras/demo/north/layout"): (200, LAYOUT),
    ("PATCH", "/api/cameras/demo/north"): (202, {"name": "Mast"}),
    ("PATCH", "/api/sites/demo"): (202, {"name": "Lot"}),
    ("PATCH", "/api/sites/demo/zones/A"): (202, {"name": "Row"}),
    ("PATCH", "/api/sites/demo/slots/A1"): (202, {"slot_id": "B1"}),
    ("DELETE", "/api/sites/demo/slots/B1"): (202, {}),
    ("DELETE", "/api/sites/demo/zones/A"): (202, {}),
    ("DELETE", "/api/cameras/demo/north"): (202, {}),
    ("DELETE", "/api/sites/demo"): (202, {}),
}
# Those of devices, in an order in which each can succeed.
DEVICES: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {
    ("POST", "/api/sites/demo/devices"): (201, {"device": "north"}),
    ("GET", "/api/sites/demo/devices"): (200, {}),
    ("POST", "/api/sites/demo/devices/north/rotate"): (201, {}),
    ("DELETE", "/api/sites/demo/devices/north"): (204, {}),
}
# Reading that needs a key as well: test_notifier_plates.py.
PLATES = {("GET", "/api/sites/demo/plates"), ("POST", "/api/sites/demo/plates/search")}
# With an ingest or rows of their own: test_camera_setup.py, test_camera_search.py,
# test_picture_upload.py, test_notifier_proposals.py, test_notifier_slotfiles.py and
# test_notifier_versions.py.
ELSEWHERE = {
    ("GET", "/api/sites/demo/sources"),
    ("POST", "/api/sites/demo/sources/find"),
    ("POST", "/api/sites/demo/sources/profiles"),
    ("PUT", "/api/cameras/demo/north/source"),
    ("DELETE", "/api/cameras/demo/north/source"),
    ("POST", "/api/cameras/demo/north/source/try"),
    ("POST", "/api/cameras/demo/north/picture"),
    ("GET", "/api/cameras/demo/north/slot-proposals"),
    ("POST", "/api/cameras/demo/north/slot-file"),
    ("POST", "/api/cameras/demo/north/slot-file/coco"),
    ("POST", "/api/cameras/demo/north/slot-preview"),
    ("GET", "/api/cameras/demo/north/layout/versions"),
    ("GET", "/api/cameras/demo/north/layout/versions/1"),
}
ROLES = {
    "none": (401, "no-key"),
    "wrong": (401, "unknown-key"),
    "frames": (403, "wrong-scope"),
    "write": (403, "wrong-scope"),
    "devices": (403, "wrong-scope"),
}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    file = KeyFile(tmp_path / "keys")
    names = {scope: "demo/cam" if scope == "frames" else scope for scope in SCOPES}
    made = {scope: file.add(name, scope) for scope, name in names.items()}
    return {"none": "", "wrong": "pk_wrong", **made}


@pytest.fixture
async def backend() -> Backend:
    made = Backend(None)
    await made.write(
        record(layout("demo")), record(state("demo", 3)), record(status("demo")),
        record(session("demo", 1, "opened")), record(changed("demo", 3, "free")),
        frame("demo", 1, b"\xff\xd8no picture\xff\xd9", (320, 240)),
    )  # fmt: skip
    return made


@pytest.fixture
async def notifier(
    backend: Backend, keys: dict[str, str], tmp_path: Path
) -> AsyncIterator[Instance]:
    given = Given(
        keys=tmp_path / "keys",
        origins=["https://lot.example"],
        devices=tmp_path / "passwords",
    )
    async with Instance(backend, given) as running:
        yield running


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


async def answer(notifier: Instance, method: str, path: str, **more: Any) -> httpx.Response:
    """Return the response; for a stream, only its head."""
    async with notifier.http.stream(method, path, **more) as response:
        if not response.headers.get("content-type", "").startswith(
            ("text/event-stream", "multipart")
        ):
            await response.aread()
        return response


def test_every_route_is_in_the_tables():
    named = {"site": "demo", "device": "north", "slot": "A1", "zone": "A"}
    named |= {"version": "1", "format": "coco"}
    described = {
        (method.upper(), path.format(**named).replace("/api/v1", "/api"))
        for path, methods in openapi.generated()["paths"].items()
        for method in methods
        if "accounts" not in methods[method].get("tags", ())
    }
    reads = {("GET", path.split("?")[0]) for path in READS}
    writes = {(method, path.replace("/B1", "/A1")) for method, path in WRITES}
    assert described - {("GET", "/ws")} <= reads | writes | set(DEVICES) | PLATES | ELSEWHERE
    assert writes | set(DEVICES) | PLATES | ELSEWHERE <= described


async def test_every_address_has_one_with_the_version(notifier: Instance):
    for path in ("/api/sites", "/api/sites/demo", "/api/cameras/demo/north/layout", "/api/nosuch"):
        old, new = [await notifier.http.get(p) for p in (path, path.replace("/api", "/api/v1"))]
        assert (new.status_code, new.headers["content-type"]) == (
            old.status_code,
            old.headers["content-type"],
        )
        assert new.content == old.content
    for lost in ("/api/v1", "/api/v2/sites", "/api/v1sites"):
        assert (await notifier.http.get(lost)).status_code == 404


def test_the_openapi_file_is_one_that_generators_understand():
    """No reference is dangling, and no tuple uses keywords that few tools know."""
    described = openapi.generated()
    text = json.dumps(described)
    names = described["components"]["schemas"].keys()
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= names
    assert '"prefixItems"' not in text
    assert '"items": false' not in text
    assert "101" in described["paths"]["/ws"]["get"]["responses"]
    ids = re.findall(r'"operationId": "([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for methods in described["paths"].values():
        for one in methods.values():
            assert "405" in one["responses"] or "101" in one["responses"]


@pytest.mark.parametrize("role", ROLES)
async def test_reading_is_open_to_all(notifier: Instance, keys: dict[str, str], role: str):
    for path, expected in READS.items():
        response = await answer(notifier, "GET", path, headers=bearing(keys[role]))
        assert response.status_code == expected, f"{role} {path}"
        for name, value in HEADERS.items():
            assert response.headers[name] == value, path


@pytest.mark.parametrize("role", ROLES)
async def test_each_route_that_is_not_open_needs_its_own_scope(
    notifier: Instance, backend: Backend, keys: dict[str, str], role: str
):
    before = {topic: len(backend.broker.records(topic)) for topic in (GATE_EVENTS, SITE_COMMANDS)}
    for scope, routes in (("write", WRITES), ("devices", DEVICES)):
        for (method, path), (expected, body) in routes.items():
            response = await answer(notifier, method, path, json=body, headers=bearing(keys[role]))
            if role == scope:
                assert response.status_code == expected, f"{role} {path} {response.text}"
                continue
            assert response.status_code == ROLES[role][0], f"{role} {path} {response.text}"
            assert response.json()["error"] == ROLES[role][1]
            assert "key" in response.json()["detail"]
    after = {topic: len(backend.broker.records(topic)) for topic in before}
    assert (after == before) == (role != "write")


async def test_a_device_that_posts_has_a_key_for_as_long_as_it_is_a_device(
    notifier: Instance, keys: dict[str, str], tmp_path: Path
):
    path, headers = "/api/sites/demo/devices", bearing(keys["devices"])
    file = KeyFile(tmp_path / "keys")
    body = {"device": "post", "http": True}
    first = (await notifier.http.post(path, json=body, headers=headers)).json()
    assert file.check(first["api_key"], "frames")
    assert first["api_key"] not in (tmp_path / "keys").read_text("utf-8")
    plain = (await notifier.http.post(path, json={"device": "mqtt"}, headers=headers)).json()
    assert "api_key" not in plain
    second = (await notifier.http.post(f"{path}/post/rotate", headers=headers)).json()
    assert not file.check(first["api_key"], "frames")
    assert file.check(second["api_key"], "frames")
    late = (await notifier.http.post(f"{path}/mqtt/rotate?http=true", headers=headers)).json()
    assert file.check(late["api_key"], "frames")
    listed = (await notifier.http.get(path, headers=headers)).json()
    assert {d["device_id"]: (d["may_connect"], d["may_post"]) for d in listed} == {
        "demo/cam": (False, True),
        "demo/mqtt": (True, True),
        "demo/north": (False, False),
        "demo/post": (True, True),
    }
    assert (await notifier.http.delete(f"{path}/post", headers=headers)).status_code == 204
    assert not file.check(second["api_key"], "frames")


async def test_a_devices_password_is_shown_once_and_its_name_is_checked(
    notifier: Instance, keys: dict[str, str], tmp_path: Path
):
    path, headers = "/api/sites/demo/devices", bearing(keys["devices"])
    made = await notifier.http.post(path, json={"device": "gate-2"}, headers=headers)
    settings = made.json()
    assert (settings["device_id"], settings["host"]) == ("demo/gate-2", "broker.example")
    assert settings["tls"] is True
    assert settings["password"] not in (tmp_path / "passwords").read_text("utf-8")
    again = await notifier.http.post(path, json={"device": "gate-2"}, headers=headers)
    assert (again.status_code, again.json()["error"]) == (409, "device-exists")
    for name in ("", "Gate", "a/b", "+", "#", "a" * 41):
        refused = await notifier.http.post(path, json={"device": name}, headers=headers)
        assert refused.status_code == 422, name
    listed = (await notifier.http.get(path, headers=headers)).json()
    # A camera that was seen, or has a key, and no password (any more) is listed, too.
    assert {d["device_id"]: d["may_connect"] for d in listed} == {
        "demo/cam": False,
        "demo/gate-2": True,
        "demo/north": False,
    }
    gone = await notifier.http.delete(f"{path}/nobody", headers=headers)
    assert (gone.status_code, gone.json()["error"]) == (404, "no-device")


@pytest.mark.parametrize(
    ("content", "kind", "status_code", "error"),
    [
        (b"{}", "text/plain", 415, "not-json"),
        (b"{", "application/json", 400, "bad-json"),
        (b"\xff\xfe", "application/json", 400, "bad-json"),
        (b"[]", "application/json", 422, "bad-schema"),
        (b'{"site_id": "Demo"}', "application/json", 422, "bad-schema"),
        (b'{"site_id": "demo", "gate": "x"}', "application/json", 422, "bad-schema"),
        (b'{"site_id": "elsewhere"}', "application/json", 404, "no-site"),
        (b" " * (BODY_MAX_BYTES + 1), "application/json", 413, "too-large"),
    ],
)
async def test_a_bad_body_is_reported_in_one_form(
    notifier: Instance,
    keys: dict[str, str],
    content: bytes,
    kind: str,
    status_code: int,
    error: str,
):
    headers = {**bearing(keys["write"]), "Content-Type": kind}
    response = await notifier.http.post("/api/sessions/entry", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status_code, error)
    assert response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status_code", "error"),
    [
        ("/api/sites/elsewhere", 404, "no-site"),
        ("/api/cameras/demo/south", 404, "no-camera"),
        ("/api/cameras/demo/south/layout", 404, "no-layout"),
        ("/api/slots?state=full", 422, "bad-request"),
        ("/api/changes?limit=0", 422, "bad-request"),
        ("/api/changes?limit=x", 422, "bad-request"),
        ("/api/stream?camera=demo", 422, "bad-request"),
        ("/api/stream?camera=demo/south", 404, "no-camera"),
        ("/api/nothing", 404, "not-found"),
        ("/assets/../../../etc/passwd.txt", 404, "not-found"),
        ("/%2e%2e/%2e%2e/etc/passwd.txt", 404, "not-found"),
        ("/api/history/changes", 503, "no-history"),
        ("/api/history/occupancy?site=demo", 503, "no-history"),
        ("/api/history/usage?site=demo", 503, "no-history"),
        ("/api/history/usage", 422, "bad-request"),
        ("/api/history/evidence?change=x", 503, "no-pictures"),
        ("/api/history/evidence?change=%00", 422, "bad-request"),
        ("/api/history/picture.jpg?change=x&which=during", 422, "bad-request"),
        ("/api/history/moment?site=demo&at_ms=1", 503, "no-history"),
        ("/api/history/moment?site=demo", 422, "bad-request"),
        ("/api/history/usage?site=demo&range=decade", 422, "bad-request"),
        ("/api/history/usage?site=demo&from_day=2026-05-01", 422, "bad-range"),
    ],
)
async def test_every_error_has_the_same_form(
    notifier: Instance, path: str, status_code: int, error: str
):
    response = await notifier.http.get(path)
    assert (response.status_code, response.json()["error"]) == (status_code, error)
    assert response.json()["detail"]


async def test_an_invalid_method_is_reported(notifier: Instance):
    response = await notifier.http.delete("/api/sites")
    assert (response.status_code, response.json()["error"]) == (405, "method-not-allowed")


def test_wrong_keys_are_forgotten_after_a_minute_and_counted_by_address():
    clock = ManualClock()
    attempts = Attempts(clock)
    assert [attempts.too_many("a") for _ in range(WRONG_LIMIT + 1)][-1]
    assert not attempts.too_many("b")
    clock.advance(WINDOW_MS + 1)
    assert not attempts.too_many("a")


async def test_only_listed_origins_may_read_from_a_browser(notifier: Instance):
    for origin, allowed in (("https://lot.example", True), ("https://evil.example", False)):
        response = await notifier.http.get("/api/sites", headers={"Origin": origin})
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed


async def test_the_dashboard_is_served_and_other_addresses_say_that_nothing_is_there(
    backend: Backend, tmp_path: Path
):
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<title>lot</title>")
    (tmp_path / "dist" / "assets" / "app-1f.js").write_text("1")
    (tmp_path / "secret.txt").write_text("no")
    async with Instance(backend, Given(dashboard=tmp_path / "dist")) as notifier:
        lost = await notifier.http.get("/sites/demo")
        assert (lost.status_code, lost.headers["content-type"]) == (404, "text/html; charset=utf-8")
        page = await notifier.http.get("/")
        assert (page.text, page.headers["cache-control"]) == ("<title>lot</title>", "no-cache")
        script = await notifier.http.get("/assets/app-1f.js")
        assert "immutable" in script.headers["cache-control"]
        assert "unsafe" not in script.headers["content-security-policy"]
        for path in ("/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/none.js"):
            assert (await notifier.http.get(path)).status_code == 404


async def test_without_a_dashboard_a_page_says_how_to_build_it(notifier: Instance):
    page = await notifier.http.get("/")
    assert "make dashboard" in page.text


async def test_live_state_works_while_postgres_is_away(backend: Backend):
    history = History("postgresql://nobody@127.0.0.1:1/none")
    async with Instance(backend, Given(history=history)) as notifier:
        for path in ("/api/history/changes", "/api/captures"):
            response = await notifier.http.get(path)
            assert (response.status_code, response.json()["error"]) == (503, "unavailable")
        assert (await notifier.http.get("/api/sites")).json()[0]["counts"]["free"] == 1
        assert (await notifier.http.get("/healthz")).status_code == 200
    await history.close()


def test_the_openapi_file_is_what_the_routes_say():
    assert openapi.FILE.read_text("utf-8") == openapi.text(), "run `make schemas`"
