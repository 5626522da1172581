"""The access matrix over two sites: every route, every role and every scope, cell by cell. The
routes come from the application, and a route without a row fails."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from parking.access.bearer import Bearer
from parking.access.keys import KeyFile
from parking.runtime.memory import ManualClock
from services.notifier.api.access import ACCESS, SOCKET
from services.notifier.api.gate import Gate, Guard, Routes
from services.notifier.api.openapi import application
from services.notifier.api.web import Outermost
from tests.support.signed_in import ACCOUNTS, KEYS, OWN_PAGE, House, house

# Who may send a request that concerns site a.
SIGNED_IN = set(ACCOUNTS)
ALL = {"nobody", *ACCOUNTS, *KEYS}
LOOK = {"viewer-a", "operator-a", "admin-a", "viewer-all", "admin-all", "key-read", "key-read-a"}
LOOK |= {"key-write-a"}
COMMAND = {"operator-a", "admin-a", "admin-all", "key-write-a"}
SET_UP = {"admin-a", "admin-all", "key-write-a"}
DEVICES = {"admin-a", "admin-all", "key-devices-a"}
PLATES = {"operator-a", "admin-a", "admin-all", "key-plates-a"}
# Those who get an answer about their own sites, whichever they are.
OWN = LOOK | {"admin-b", "key-write-b"}
BODY = COMMAND | {"admin-b", "key-write-b"}
MANAGE = {"admin-all"}

MATRIX: dict[tuple[str, str], set[str]] = {
    ("GET", "/"): ALL,
    ("GET", "/source"): ALL,
    ("GET", "/openapi.json"): ALL,
    ("GET", "/asyncapi.yaml"): ALL,
    ("GET", "/schemas/asyncapi.yaml"): ALL,
    ("GET", "/docs/cameras.md"): ALL,
    ("GET", "/healthz"): ALL,
    ("GET", "/readyz"): ALL,
    ("GET", "/metrics"): {"viewer-all", "admin-all", "key-read"},
    ("GET", "/api/sign-in"): ALL,
    ("POST", "/api/sign-in"): ALL,
    ("DELETE", "/api/sign-in?as=nobody"): ALL,
    ("POST", "/api/sign-in/oidc"): ALL,
    ("POST", "/api/sign-in/oidc/code"): ALL,
    ("POST", "/api/setup"): ALL,
    ("POST", "/api/links"): ALL,
    ("POST", "/api/password"): SIGNED_IN,
    ("GET", "/api/accounts"): MANAGE,
    ("POST", "/api/accounts"): MANAGE,
    ("PUT", "/api/accounts/nosuch/roles"): MANAGE,
    ("POST", "/api/accounts/nosuch/reset"): MANAGE,
    ("DELETE", "/api/accounts/nosuch"): MANAGE,
    ("GET", "/api/audit"): MANAGE,
    ("GET", "/api/public/a"): ALL,
    ("GET", "/p/sw.js"): ALL,
    ("GET", "/p/a"): ALL,
    ("GET", "/p/a/"): ALL,
    ("GET", "/p/a/wall"): ALL,
    ("GET", "/p/a/app.webmanifest"): ALL,
    ("GET", "/api/sites"): OWN,
    ("GET", "/api/sites/a"): LOOK,
    ("GET", "/api/slots?site=a"): LOOK,
    ("GET", "/api/changes?site=a"): LOOK,
    ("GET", "/api/sessions?site=a"): LOOK,
    ("GET", "/api/cameras?site=a"): LOOK,
    ("GET", "/api/cameras/a/north"): LOOK,
    ("GET", "/api/cameras/a/north/layout"): LOOK,
    ("GET", "/api/cameras/a/north/layout/proposal"): LOOK,
    ("GET", "/api/cameras/a/north/layout/versions"): LOOK,
    ("GET", "/api/cameras/a/north/layout/versions/1"): LOOK,
    ("GET", "/api/cameras/a/north/latest.jpg"): LOOK,
    ("GET", "/api/cameras/a/north/overlay.jpg"): LOOK,
    ("GET", "/api/stream?camera=a/north"): LOOK,
    ("GET", "/api/events"): OWN,
    (SOCKET, "/ws"): OWN,
    ("GET", "/api/history/changes?site=a"): LOOK,
    ("GET", "/api/history/occupancy?site=a"): LOOK,
    ("GET", "/api/history/usage?site=a"): LOOK,
    ("GET", "/api/history/evidence?change=a/A1/2"): OWN,
    ("GET", "/api/history/picture.jpg?change=a/A1/2&which=after"): OWN,
    ("GET", "/api/history/moment?site=a&at_ms=1"): LOOK,
    ("GET", "/api/history/moment.jpg?camera=a/north&at_ms=1"): LOOK,
    ("GET", "/api/captures?camera=a/north"): LOOK,
    ("GET", "/api/sites/a/plates?session=s"): PLATES,
    ("POST", "/api/sites/a/plates/search"): PLATES,
    ("POST", "/api/sessions/entry"): BODY,
    ("POST", "/api/sessions/exit"): BODY,
    ("POST", "/api/sites/a/recount"): COMMAND,
    ("POST", "/api/sites/a/slots/A1/close"): COMMAND,
    ("POST", "/api/sites/a/slots/A1/open"): COMMAND,
    ("POST", "/api/sites/a/slots/A1/correct"): COMMAND,
    ("GET", "/api/cameras/a/north/slot-proposals"): SET_UP,
    ("POST", "/api/cameras/a/north/picture"): SET_UP,
    ("POST", "/api/cameras/a/north/slot-preview"): SET_UP,
    ("POST", "/api/cameras/a/north/slot-file?width=9&height=9"): LOOK,
    ("POST", "/api/cameras/a/north/slot-file/coco?width=9&height=9"): LOOK,
    ("PUT", "/api/cameras/a/north/layout"): SET_UP,
    ("PATCH", "/api/cameras/a/north"): SET_UP,
    ("DELETE", "/api/cameras/a/nosuch"): SET_UP,
    ("PATCH", "/api/sites/a"): SET_UP,
    ("PATCH", "/api/sites/a/slots/A1"): SET_UP,
    ("DELETE", "/api/sites/a/slots/nosuch"): SET_UP,
    ("PATCH", "/api/sites/a/zones/A"): SET_UP,
    ("DELETE", "/api/sites/a/zones/nosuch"): SET_UP,
    ("GET", "/api/sites/a/devices"): DEVICES,
    ("POST", "/api/sites/a/devices"): DEVICES,
    ("POST", "/api/sites/a/devices/nosuch/rotate"): DEVICES,
    ("DELETE", "/api/sites/a/devices/nosuch"): DEVICES,
    ("GET", "/api/sites/a/sources"): DEVICES,
    ("POST", "/api/sites/a/sources/find"): DEVICES,
    ("POST", "/api/sites/a/sources/profiles"): DEVICES,
    ("PUT", "/api/cameras/a/north/source"): DEVICES,
    ("POST", "/api/cameras/a/north/source/try"): DEVICES,
    ("DELETE", "/api/cameras/a/north/source"): DEVICES,
    ("DELETE", "/api/sites/a"): SET_UP,  # the last: it succeeds
}
# What a site's watcher can do to another site only by the query.
TRICKS = (
    "/api/slots?site=b",
    "/api/slots?site=a&site=b",
    "/api/slots?site=b&site=a",
    "/api/slots?camera=a/north&site=b",
    "/api/slots",
    "/api/changes",
    "/api/sessions",
    "/api/cameras",
    "/api/history/changes",
    "/api/captures",
    "/api/captures?camera=a/north&site=b",
    "/api/captures?camera=b/north&site=a",
    "/api/stream?camera=b/north",
    "/api/stream?camera=a/north&camera=b/north",
    "/api/events?site=b",
    "/api/events?site=a&site=b",
    "/api/v1/sites/b",
    "/api/sites/b",
    "/api/cameras/b/north/latest.jpg",
)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


def rows_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return every route of the application, as the keys of ACCESS."""
    found = set()
    for route in _flat(app.routes):
        methods = getattr(route, "methods", None) or {SOCKET}
        found |= {(method, route.path) for method in methods - {"HEAD"}}  # type: ignore[attr-defined] # all have one
    return found


def nothing() -> None:
    """Serve as a route's function."""


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        inner = getattr(route, "original_router", None)  # FastAPI's wrapper of an included router
        yield from [route] if inner is None else _flat(inner.routes)


def test_every_route_has_a_row_and_every_row_a_route():
    assert rows_of(application()) == set(ACCESS)


def test_negative_control_a_new_route_has_no_row():
    app = application()
    app.add_api_route("/api/new", nothing)
    assert rows_of(app) - set(ACCESS) == {("GET", "/api/new")}


def test_the_matrix_here_has_every_row():
    sample = {"site": "a", "device": "north", "slot": "A1", "zone": "A", "name": "asyncapi.yaml"}
    sample |= {"version": "1", "format": "coco"}
    tested = {(method, path.split("?")[0].replace("nosuch", "x")) for method, path in MATRIX}
    for method, template in ACCESS:
        path = template.replace("{path:path}", "")
        names = {**sample, **({"name": "nosuch"} if "accounts" in path else {})}
        wanted = {path.format(**names), path.format(**{**names, "device": "x", "name": "x"})}
        wanted |= {path.format(**{**names, "slot": "x", "zone": "x", "name": "x"})}
        wanted |= {path.format(**{**names, "name": "cameras.md"})}
        assert any((method, one.replace("nosuch", "x")) in tested for one in wanted), template


async def test_only_allowed_cells_pass(home: House):
    wrong = []
    for (method, path), allowed in MATRIX.items():
        for sender in sorted(ALL):
            who = "nobody" if "as=nobody" in path else sender  # signing out ends it for the others
            answer = await home.send(method, path, headers=OWN_PAGE, sender=who)
            passed = answer.status not in (401, 403)
            if method == "POST" and path.split("/")[-1] in ("sign-in", "setup", "links"):
                passed = answer.status == 415  # beyond the gate: it wants a body
            if passed != (sender in allowed):
                wrong.append((method, path, sender, answer.status))
    assert wrong == []


async def test_allowed_reads_do_give_something(home: House):
    """Otherwise the matrix would also hold for an application that answers nothing."""
    missing = ("proposal", "overlay", "moment.jpg")
    no_postgres = ("history/changes", "history/occupancy", "history/usage", "captures", "versions")
    for (method, path), allowed in MATRIX.items():
        if method == "GET" and allowed == LOOK:
            answer = await home.send("GET", path, sender="viewer-a")
            wanted = 404 if any(word in path for word in missing) else 200
            wanted = 503 if any(word in path for word in no_postgres) else wanted
            assert answer.status == wanted, path


async def test_a_site_is_not_reached_by_way_of_another(home: House):
    for path in TRICKS:
        for sender in ("viewer-a", "admin-a", "key-read-a"):
            assert (await home.send("GET", path, sender=sender)).status == 403, path
        assert (await home.send("GET", path)).status == 401, path


async def test_a_passage_is_checked_by_its_body(home: House):
    for site, status in (("a", 202), ("b", 403)):
        for sender in ("operator-a", "key-write-a"):
            answer = await home.send(
                "POST", "/api/sessions/entry", {"site_id": site}, sender=sender
            )
            assert answer.status == status


async def test_nobody_reads_more_than_the_counts_of_public_sites(home: House):
    answer = await home.send("GET", "/api/public/a")
    assert (answer.status, b"slots" in answer.body, b"cameras" in answer.body) == (
        200,
        False,
        False,
    )
    assert (await home.send("GET", "/api/public/b")).status == 404
    for (method, path), allowed in MATRIX.items():
        if method in ("GET", SOCKET) and "nobody" not in allowed:
            assert (await home.send(method, path)).status == 401, path


async def test_a_list_of_sites_has_only_the_senders(home: House):
    for sender, sites in (("viewer-a", ["a"]), ("key-read-a", ["a"]), ("viewer-all", ["a", "b"])):
        listed = (await home.send("GET", "/api/sites", sender=sender)).json()
        assert [site["site_id"] for site in listed] == sites


async def test_streams_without_a_site_carry_only_the_senders(home: House):
    for method, path in (("GET", "/api/events"), (SOCKET, "/ws")):
        answer = await home.stream(method, path, "viewer-a", b"snapshot")
        assert b"Lot a" in answer.body
        assert b"Lot b" not in answer.body
        answer = await home.stream(method, path, "viewer-all", b"snapshot")
        assert b"Lot a" in answer.body
        assert b"Lot b" in answer.body


async def test_a_route_without_a_row_is_for_nobody(tmp_path: Path):
    app = FastAPI()
    app.add_api_route("/api/new", nothing)
    bearer = Bearer(KeyFile(tmp_path / "keys"), ManualClock())
    routes = Routes(list(app.routes))
    app.add_middleware(Gate, guard=Guard(bearer, ManualClock(), None, ()), routes=routes)
    async with house(tmp_path, everybody=False) as made:
        made.app = Outermost(app)
        assert (await made.send("GET", "/api/new")).status == 404


async def test_pictures_of_changes_are_sought_at_the_senders_sites_only(home: House):
    """Such a request names a change, not a site."""
    for sender, sites in (("viewer-a", ["a"]), ("key-read-a", ["a"]), ("viewer-all", None)):
        for path in ("evidence?change=b/A1/2", "picture.jpg?change=b/A1/2&which=after&site=b"):
            answer = await home.send("GET", f"/api/history/{path}", sender=sender)
            assert answer.status in (403, 404)
        assert [asked["sites"] for asked in home.asked.arguments][-1] == sites
        home.asked.arguments.clear()
