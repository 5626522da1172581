"""From the first administrator to the end of a revoked stream, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parking.access.rights import EVERY, Role
from parking.access.sign_ins import EACH_PAIR, KEPT_MS, LINK_MS
from parking.core.errors import Retryable
from services.notifier.api.access import SOCKET
from tests.support.signed_in import CODE, GOOD, OWN_PAGE, House, house

ANN = {"name": "Ann", "password": GOOD}
STREAMS = (("GET", "/api/events"), (SOCKET, "/ws"), ("GET", "/api/stream?camera=a/north"))


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, everybody=False) as made:
        yield made


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


async def post(made: House, path: str, body: Any, **more: Any) -> Any:
    return await made.send("POST", path, body, OWN_PAGE, **more)


async def test_the_first_start_creates_the_administrator_once(empty: House):
    state = (await empty.send("GET", "/api/sign-in")).json()
    assert (state["required"], state["setup"], state["name"]) == (True, "code", None)
    wrong = await post(empty, "/api/setup", {**ANN, "code": "guess"})
    weak = await post(empty, "/api/setup", {**ANN, "password": "password1234", "code": CODE})
    assert (wrong.status, weak.status) == (401, 422)
    assert await empty.store.accounts() == []
    answer = await post(empty, "/api/setup", {**ANN, "code": CODE})
    assert (answer.status, answer.json()) == (200, {"name": "ann"})
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie  # it came over http
    empty.headers["ann"] = {"Cookie": f"parking_session={answer.cookie}", **OWN_PAGE}
    state = (await empty.send("GET", "/api/sign-in", sender="ann")).json()
    assert (state["name"], state["roles"], state["setup"]) == ("ann", {EVERY: "admin"}, None)
    again = await post(empty, "/api/setup", {**ANN, "name": "eve", "code": CODE})
    assert again.status == 409


async def test_without_a_setup_code_the_page_cannot_create_the_administrator(tmp_path: Path):
    async with house(tmp_path, code="", everybody=False) as made:
        assert (await made.send("GET", "/api/sign-in")).json()["setup"] == "command"
        assert (await post(made, "/api/setup", {**ANN, "code": ""})).status == 401


async def test_signing_in_and_out(empty: House):
    await post(empty, "/api/setup", {**ANN, "code": CODE})
    assert (await post(empty, "/api/sign-in", {**ANN, "password": "wrong"})).status == 401
    answer = await post(empty, "/api/sign-in", ANN)
    empty.headers["ann"] = {"Cookie": f"parking_session={answer.cookie}", **OWN_PAGE}
    assert (await empty.send("GET", "/api/sites/a", sender="ann")).status == 200
    out = await empty.send("DELETE", "/api/sign-in", sender="ann")
    assert (out.status, "Max-Age=0" in out.headers["set-cookie"]) == (204, True)
    assert (await empty.send("GET", "/api/sites/a", sender="ann")).status == 401
    log = [(entry.who, entry.what) for entry in await empty.store.audit(9, None)]
    assert log == [
        ("ann", "sign out"),
        ("ann", "sign in"),
        ("ann", "sign-in failed"),
        ("ann", "sign in"),
        ("ann", "create administrator"),
    ]


async def test_too_many_guesses_get_429_and_a_time_to_wait(empty: House):
    await post(empty, "/api/setup", {**ANN, "code": CODE})
    for _ in range(EACH_PAIR):
        await post(empty, "/api/sign-in", {**ANN, "password": "wrong"})
    answer = await post(empty, "/api/sign-in", ANN)
    assert (answer.status, answer.json()["error"]) == (429, "too-many-tries")
    assert int(answer.headers["retry-after"]) > 0
    failures = [e for e in await empty.store.audit(99, None) if e.what == "sign-in failed"]
    assert len(failures) == EACH_PAIR


async def test_over_https_the_cookie_is_secure(empty: House):
    await post(empty, "/api/setup", {**ANN, "code": CODE})
    empty.scheme = "https"
    answer = await post(empty, "/api/sign-in", ANN)
    assert "; Secure" in answer.headers["set-cookie"]


FOREIGN: list[dict[str, str]] = [
    {"X-Requested-With": "page"},  # nothing proves where it comes from
    {"Origin": "http://127.0.0.1:8080"},  # a form of our origin sends no header
    {"Origin": "https://evil.example", "X-Requested-With": "page"},
    {"Origin": "null", "X-Requested-With": "page"},
    {"Sec-Fetch-Site": "cross-site", "X-Requested-With": "page"},
    {"Sec-Fetch-Site": "same-site", **OWN_PAGE},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_other_pages_change_nothing(home: House, headers: dict[str, str]):
    cookie = {"Cookie": home.headers["admin-all"]["Cookie"]}
    for method, path, body in (
        ("POST", "/api/sites/a/slots/A1/close", {"reason": "x"}),
        ("DELETE", "/api/accounts/viewer-a", None),
        ("POST", "/api/sign-in", ANN),
        ("DELETE", "/api/sign-in", None),
    ):
        answer = await home.send(method, path, body, {**cookie, **headers})
        assert (answer.status, answer.json()["error"]) in (
            (403, "foreign-origin"),
            (403, "no-header"),
        )
    assert (await home.send("GET", "/api/sites/a", None, cookie)).status == 200


async def test_somebody_is_invited_and_signs_in_by_the_link(home: House):
    bob = {"name": "Bob", "roles": {"a": "operator"}}
    invited = await home.send("POST", "/api/accounts", bob, sender="admin-all")
    assert (invited.status, invited.json()["name"]) == (201, "bob")
    again = await home.send("POST", "/api/accounts", bob, sender="admin-all")
    assert again.status == 409
    accounts = (await home.send("GET", "/api/accounts", sender="admin-all")).json()
    (account,) = (one for one in accounts if one["name"] == "bob")
    assert (account["roles"], account["invited"]) == ({"a": "operator"}, True)
    link = {"token": invited.json()["token"], "password": GOOD}
    assert (await post(home, "/api/links", {**link, "password": "short"})).status == 422
    answer = await post(home, "/api/links", link)
    home.headers["bob"] = {"Cookie": f"parking_session={answer.cookie}", **OWN_PAGE}
    closing = {"reason": "works"}
    path = "/api/sites/a/slots/A1/close"
    assert (await home.send("POST", path, closing, sender="bob")).status == 202
    assert (await post(home, "/api/links", link)).status == 401
    entry = (await home.store.audit(1, None))[0]
    assert (entry.who, entry.what, entry.site_id, entry.address) == (
        "bob",
        "close slot",
        "a",
        "192.0.2.7",
    )
    assert entry.target == "sites/a/slots/A1/close"


async def test_a_reset_link_expires_and_leaves_the_password_until_it_is_used(home: House):
    answer = await home.send("POST", "/api/accounts/viewer-a/reset", sender="admin-all")
    assert (await home.send("GET", "/api/sites/a", sender="viewer-a")).status == 200
    await home.clock.sleep(LINK_MS / 1000)
    late = await post(home, "/api/links", {"token": answer.json()["token"], "password": GOOD})
    assert late.status == 401


async def test_a_used_reset_link_ends_every_sign_in_of_the_account(home: House):
    stream = await home.opened("GET", "/api/events", "viewer-a")
    answer = await home.send("POST", "/api/accounts/viewer-a/reset", sender="admin-all")
    used = await post(home, "/api/links", {"token": answer.json()["token"], "password": GOOD})
    assert (used.status, used.json()) == (200, {"name": "viewer-a"})
    assert (await stream).status == 200  # it ended
    assert (await home.send("GET", "/api/sites/a", sender="viewer-a")).status == 401
    assert (await home.send("GET", "/api/sites/a", sender="operator-a")).status == 200
    entries = [(entry.who, entry.what) for entry in await home.store.audit(3, None)]
    assert entries == [
        ("viewer-a", "sign in"),
        ("viewer-a", "set password by link"),
        ("admin-all", "reset password"),
    ]


async def test_a_new_password_of_ones_own_ends_other_sign_ins(empty: House):
    first = await post(empty, "/api/setup", {**ANN, "code": CODE})
    empty.headers["ann"] = {"Cookie": f"parking_session={first.cookie}", **OWN_PAGE}
    new = {"old": GOOD, "new": "another " + GOOD}
    wrong = await empty.send("POST", "/api/password", {**new, "old": "wrong"}, sender="ann")
    assert (wrong.status, wrong.json()["error"]) == (403, "wrong-password")
    changed = await empty.send("POST", "/api/password", new, sender="ann")
    assert changed.status == 200
    assert (await empty.send("GET", "/api/sites/a", sender="ann")).status == 401
    empty.headers["ann"] = {"Cookie": f"parking_session={changed.cookie}"}
    assert (await empty.send("GET", "/api/sites/a", sender="ann")).status == 200


async def test_roles_change_at_once_and_the_last_administrator_stays(home: House):
    roles = {"roles": {"b": "viewer"}}
    path = "/api/accounts/viewer-a/roles"
    assert (await home.send("PUT", path, roles, sender="admin-all")).status == 204
    assert (await home.send("GET", "/api/sites/a", sender="viewer-a")).status == 403
    assert (await home.send("GET", "/api/sites/b", sender="viewer-a")).status == 200
    for method, path, body in (
        ("PUT", "/api/accounts/admin-all/roles", roles),
        ("DELETE", "/api/accounts/admin-all", None),
    ):
        answer = await home.send(method, path, body, sender="admin-all")
        assert (answer.status, answer.json()["error"]) == (409, "last-admin")
    bad = await home.send("PUT", path, {"roles": {"a": "king"}}, sender="admin-all")
    assert bad.status in (405, 422)


@pytest.mark.parametrize(("method", "path"), STREAMS)
async def test_a_revocation_ends_the_stream(home: House, method: str, path: str):
    """Another process revokes, so only the store knows. The clock stands for the time for which
    this process may trust what it knows. What remains is the interval of the checks (15 s, here 10
    ms)."""
    stream = await home.opened(method, path, "viewer-a")
    still = await home.opened(method, path, "operator-a")
    await asyncio.sleep(0.05)  # five checks: they end nothing that is allowed
    assert not stream.done()
    await home.store.remove("viewer-a")
    await home.clock.sleep(KEPT_MS / 1000)
    answer = await stream
    assert answer.status in (200, 101)
    assert method != SOCKET or answer.headers["close"] == "1008"
    assert not still.done()
    await home.store.grant("operator-a", {"b": Role.ADMIN})
    await home.clock.sleep(KEPT_MS / 1000)
    await still
    assert (await home.send(method, path, sender="viewer-a")).status == 401


async def test_a_removed_key_ends_its_stream(home: House):
    stream = await home.opened("GET", "/api/events", "key-read")
    await asyncio.sleep(0.05)  # five checks
    assert not stream.done()
    home.keys.remove("key-read")
    assert (await stream).status == 200


async def test_while_the_store_is_down_nobody_gets_in_and_keys_work(home: House):
    class Down:
        def __getattr__(self, name: str) -> Any:
            async def away(*_: Any, **__: Any) -> None:
                raise Retryable("Postgres is away")

            return away

    home.sign_ins.store = Down()
    assert (await home.send("GET", "/api/sites/a", sender="viewer-a")).status == 503
    assert (await post(home, "/api/sign-in", ANN)).status == 503
    assert (await home.send("GET", "/api/sites/a", sender="key-read-a")).status == 200
    closing = {"reason": "works"}
    path = "/api/sites/a/slots/A1/close"
    assert (await home.send("POST", path, closing, sender="key-write-a")).status == 202
