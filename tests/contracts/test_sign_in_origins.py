"""The page at one origin and the API at another: which pages may change something with the
cookie."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.signed_in import OWN_PAGE, House, house

PAGE, ELSEWHERE = "https://app.parking.test", "https://parking.pages.test"
EVIL = "https://evil.parking.test"
CLOSE = ("POST", "/api/sites/a/slots/A1/close", {"reason": "x"})


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, origins=[PAGE, ELSEWHERE]) as made:
        yield made


def sent_from(origin: str | None, fetch_site: str | None) -> dict[str, str]:
    """Return the headers of a browser whose page is at `origin`."""
    headers = {"Origin": origin, "Sec-Fetch-Site": fetch_site, "X-Requested-With": "page"}
    return {name: value for name, value in headers.items() if value is not None}


@pytest.mark.parametrize(
    ("origin", "fetch_site", "status"),
    [
        (PAGE, "same-site", 202),
        (PAGE, None, 202),  # an old browser
        (OWN_PAGE["Origin"], "same-origin", 202),
        (EVIL, "same-site", 403),  # the browser sends it the cookie all the same
        (None, "same-site", 403),
        ("null", "same-site", 403),
        (OWN_PAGE["Origin"], "same-site", 403),  # a page that lies about its origin
        (ELSEWHERE, "cross-site", 403),
    ],
)
async def test_a_named_page_of_the_same_site_may_change_something(
    home: House, origin: str | None, fetch_site: str | None, status: int
):
    cookie = {"Cookie": home.headers["admin-all"]["Cookie"]}
    method, path, body = CLOSE
    answer = await home.send(method, path, body, {**cookie, **sent_from(origin, fetch_site)})
    assert answer.status == status, answer.body
    assert answer.status == 202 or answer.json()["error"] == "foreign-origin"


async def test_a_page_of_another_site_learns_why_signing_in_does_not_work(home: House):
    ann = {"name": "admin-all", "password": "wrong password"}
    for origin, words in ((ELSEWHERE, "another site"), (EVIL, "CORS_ORIGINS")):
        headers = sent_from(origin, "cross-site")
        answer = await home.send("POST", "/api/sign-in", ann, headers)
        assert (answer.status, answer.json()["error"]) == (403, "foreign-origin")
        assert words in answer.json()["detail"]
    answer = await home.send("POST", "/api/sign-in", ann, sent_from(PAGE, "same-site"))
    assert (answer.status, answer.cookie) == (401, "")


async def test_only_named_pages_may_read_with_the_cookie(home: House):
    cookie = {"Cookie": home.headers["viewer-a"]["Cookie"]}
    for origin, allowed in ((PAGE, True), (EVIL, False)):
        answer = await home.send("GET", "/api/sites/a", None, {**cookie, "Origin": origin})
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        if allowed:
            assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "content-type,idempotency-key,x-requested-with"}
    answer = await home.send("OPTIONS", CLOSE[1], None, {**preflight, **wanted})
    assert answer.status == 200
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-origin"] == PAGE
