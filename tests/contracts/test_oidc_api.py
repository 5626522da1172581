"""The routes for signing in with an OpenID Connect provider: cookies, rights, audit log,
outages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parking.access.rights import EVERY, Role
from parking.runtime.memory import ManualClock
from services.notifier.api.routes_oidc import COOKIE
from tests.support.openid_provider import OpenIdProvider, openid_provider
from tests.support.signed_in import GOOD, OWN_PAGE, Answer, House, house

ANN = "ann@example.org"
BEGIN, FINISH = "/api/v1/sign-in/oidc", "/api/v1/sign-in/oidc/code"


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with openid_provider(ManualClock()) as started:
        yield started


@pytest.fixture
async def home(provider: OpenIdProvider, tmp_path: Path) -> AsyncIterator[House]:
    """Run a notifier to which Ann is invited as a viewer of site a."""
    async with house(tmp_path, provider=provider.registered) as made:
        await made.store.add(ANN, {"a": Role.VIEWER}, 0)
        yield made


async def begin(home: House, provider: OpenIdProvider) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers that the browser sends from then on, and what it brings back."""
    answer = await home.send("POST", BEGIN, {}, OWN_PAGE)
    cookie = answer.headers["set-cookie"]
    parts = ("HttpOnly", "SameSite=strict", "Max-Age=600", "Path=/api")
    assert [part for part in parts if part not in cookie] == []
    address = answer.json()["address"]
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F" in address
    headers = {**OWN_PAGE, "Cookie": cookie.partition(";")[0]}
    return headers, provider.sign_in(address)


async def sign_in(home: House, provider: OpenIdProvider) -> Answer:
    """Go from the button to the response."""
    headers, returned = await begin(home, provider)
    return await home.send("POST", FINISH, returned, headers)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["error"]


async def test_somebody_signs_in_and_the_audit_log_says_how(home: House, provider: OpenIdProvider):
    assert (await home.send("GET", "/api/sign-in")).json()["provider"] == "Work account"
    answer = await sign_in(home, provider)
    assert (answer.status, answer.json()) == (200, {"name": ANN})
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]
    home.headers["ann"] = {"Cookie": f"parking_session={answer.cookie}"}
    state = (await home.send("GET", "/api/sign-in", sender="ann")).json()
    assert (state["name"], state["provider"]) == (ANN, "Work account")
    assert (await home.send("GET", "/api/sites/a", sender="ann")).status == 200
    assert (await home.send("GET", "/api/sites/b", sender="ann")).status == 403
    entry = (await home.store.audit(1, None))[0]
    assert (entry.who, entry.what, entry.target, entry.address) == (
        ANN,
        "sign in by OpenID Connect",
        "subject subject-1, linked now",
        "192.0.2.7",
    )
    listed = (await home.send("GET", "/api/accounts", sender="admin-all")).json()
    (account,) = (one for one in listed if one["name"] == ANN)
    assert (account["invited"], account["linked"]) == (True, True)


async def test_somebody_who_was_not_invited_is_in_the_audit_log(
    home: House, provider: OpenIdProvider
):
    provider.email = "eve@example.org"
    assert refusal(await sign_in(home, provider)) == (403, "not-invited")
    entry = (await home.store.audit(1, None))[0]
    assert (entry.who, entry.what) == ("unknown", "sign-in failed by OpenID Connect")
    assert "eve@example.org" in entry.target


async def test_the_cookie_of_the_attempt_is_needed(home: House, provider: OpenIdProvider):
    headers, returned = await begin(home, provider)
    assert refusal(await home.send("POST", FINISH, returned, OWN_PAGE)) == (401, "wrong-state")
    assert (await home.send("POST", FINISH, returned, headers)).status == 200


async def test_over_https_both_cookies_are_secure(home: House, provider: OpenIdProvider):
    home.scheme = "https"
    answer = await home.send("POST", BEGIN, {}, OWN_PAGE)
    assert "; Secure" in answer.headers["set-cookie"]
    assert "; Secure" in (await sign_in(home, provider)).headers["set-cookie"]


async def test_while_the_provider_is_away_passwords_work(tmp_path: Path):
    async with openid_provider(ManualClock()) as stopped:
        away = stopped.registered
    async with house(tmp_path, provider=away) as home:
        await home.store.add(ANN, {EVERY: Role.VIEWER}, 0)
        await home.sign_ins.set_password(ANN, GOOD)
        answer = await home.send("POST", BEGIN, {}, OWN_PAGE)
        assert refusal(answer) == (503, "no-provider")
        assert "A password still works" in answer.json()["detail"]
        signed = await home.send("POST", "/api/sign-in", {"name": ANN, "password": GOOD}, OWN_PAGE)
        assert signed.status == 200


async def test_only_our_own_page_may_begin_or_finish(home: House):
    for path in (BEGIN, FINISH):
        foreign = {"Origin": "https://evil.example", "X-Requested-With": "page"}
        assert refusal(await home.send("POST", path, {}, foreign)) == (403, "foreign-origin")
        bare = {"Sec-Fetch-Site": "same-origin", "X-Requested-With": "page"}
        assert refusal(await home.send("POST", path, {}, bare)) == (400, "no-origin")


async def test_without_a_provider_there_is_nothing_to_begin(tmp_path: Path):
    async with house(tmp_path) as home:
        assert (await home.send("GET", "/api/sign-in")).json()["provider"] is None
        for path in (BEGIN, FINISH):
            answer = await home.send("POST", path, {}, OWN_PAGE)
            assert refusal(answer) == (404, "no-provider")
