"""Sign-ins over accounts in memory: limits, expiry, revocation, links, the first administrator."""

import asyncio

import pytest
from argon2 import PasswordHasher

from parking.access.account_memory import MemoryAccounts
from parking.access.account_store import Account, Expiry
from parking.access.bearer import Failures
from parking.access.passwords import WAITING, Passwords, require_good
from parking.access.rights import EVERY, Role
from parking.access.sign_ins import (
    EACH_ACCOUNT,
    EACH_ADDRESS,
    EACH_PAIR,
    KEPT_MS,
    LINK_MS,
    STALE_MS,
    WINDOW_MS,
    SignInRefused,
    SignIns,
    fit_grants,
    fit_name,
)
from parking.core.errors import Invalid, Retryable
from parking.runtime.memory import ManualClock

GOOD = "correct horse battery"
EXPIRY = Expiry(idle_ms=3_600_000, most_ms=7_200_000)
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Store(MemoryAccounts):
    """A store that can be unavailable."""

    down = False

    async def signed_in(self, token: str, expiry: Expiry, now_ms: int) -> Account | None:
        if self.down:
            raise Retryable("down")
        return await MemoryAccounts.signed_in(self, token, expiry, now_ms)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Store()
        self.sign_ins = SignIns(self.store, Passwords(QUICK), self.clock, EXPIRY)

    async def admin(self) -> str:
        await self.sign_ins.create_first("Ann", GOOD, True, "here")
        return await self.sign_ins.sign_in("ann", GOOD, "here")

    async def refused(self, name: str, password: str, address: str = "there") -> SignInRefused:
        with pytest.raises(SignInRefused) as caught:
            await self.sign_ins.sign_in(name, password, address)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_account_is_the_administrator_and_there_is_only_one_first(world: World):
    token = await world.admin()
    identity = await world.sign_ins.identity(token)
    assert identity is not None
    assert (identity.name, identity.grants) == ("ann", {EVERY: Role.ADMIN})
    with pytest.raises(SignInRefused, match="already"):
        await world.sign_ins.create_first("bob", GOOD, True, "here")


async def test_without_the_setup_code_nobody_is_first(world: World):
    for _ in range(EACH_ADDRESS):
        with pytest.raises(SignInRefused, match="setup code"):
            await world.sign_ins.create_first("eve", GOOD, False, "there")
    with pytest.raises(SignInRefused) as caught:
        await world.sign_ins.create_first("eve", GOOD, True, "there")
    assert caught.value.status == 429
    assert await world.store.accounts() == []


async def test_wrong_passwords_and_unknown_names_look_alike(world: World):
    await world.admin()
    wrong, unknown = await world.refused("ann", "wrong"), await world.refused("nobody", GOOD)
    assert (wrong.status, wrong.reason, str(wrong)) == (401, unknown.reason, str(unknown))


async def test_guesses_are_limited_per_account_from_any_address(world: World):
    await world.admin()
    for number in range(EACH_ACCOUNT):
        assert (await world.refused("ann", "wrong", f"address-{number}")).status == 401
    refused = await world.refused("ann", GOOD, "another")
    assert (refused.status, refused.headers["Retry-After"]) == (429, str(WINDOW_MS // 1000))
    await world.clock.sleep(WINDOW_MS / 1000)
    assert await world.sign_ins.sign_in("ann", GOOD, "another")


async def test_guesses_are_limited_per_address_for_any_account(world: World):
    await world.admin()
    for number in range(EACH_ADDRESS):
        assert (await world.refused(f"name-{number}", "wrong")).status == 401
    assert (await world.refused("ann", GOOD)).status == 429
    assert await world.sign_ins.sign_in("ann", GOOD, "elsewhere")


async def test_others_guesses_do_not_keep_the_owner_out(world: World):
    await world.admin()
    for _ in range(EACH_PAIR):
        assert (await world.refused("ann", "wrong", "there")).status == 401
    assert (await world.refused("ann", GOOD, "there")).status == 429
    assert await world.sign_ins.sign_in("ann", GOOD, "here")


async def test_an_outage_is_no_wrong_password(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.admin()

    async def away(_: str) -> str | None:
        raise Retryable("Postgres is away")

    with monkeypatch.context() as outage:
        outage.setattr(world.store, "password_hash", away)
        for _ in range(2 * EACH_ADDRESS):
            with pytest.raises(Retryable):
                await world.sign_ins.sign_in("ann", GOOD, "here")
    assert await world.sign_ins.sign_in("ann", GOOD, "here")


async def test_right_passwords_are_not_limited(world: World):
    await world.admin()
    for _ in range(2 * EACH_ADDRESS):
        await world.sign_ins.sign_in("ann", GOOD, "here")


async def test_many_guesses_at_once_are_limited_as_well(world: World):
    await world.admin()
    tries = [world.sign_ins.sign_in("ann", "wrong", "there") for _ in range(WAITING)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    statuses = [answer.status for answer in answers if isinstance(answer, SignInRefused)]
    assert (statuses.count(401), statuses.count(429)) == (EACH_PAIR, WAITING - EACH_PAIR)


def test_limits_keep_little():
    failures = Failures(ManualClock(), 2, WINDOW_MS, kept=3)
    for who in ("a", "a", "a", "b", "c"):
        failures.add(who)
    assert failures.wait_s("a") > 0
    failures.add("d")
    assert failures.wait_s("a") == 0


async def test_a_sign_in_ends_when_it_is_idle_or_old(world: World):
    token = await world.admin()
    await world.clock.sleep(EXPIRY.idle_ms / 1000 - 1)
    assert await world.sign_ins.identity(token) is not None
    await world.clock.sleep(EXPIRY.idle_ms / 1000 - 1)
    assert await world.sign_ins.identity(token) is not None
    await world.clock.sleep(60)
    assert await world.sign_ins.identity(token) is None
    other = await world.sign_ins.sign_in("ann", GOOD, "here")
    await world.clock.sleep(EXPIRY.idle_ms / 1000)
    assert await world.sign_ins.identity(other) is None


async def test_a_removed_account_is_known_no_longer_than_it_is_kept(world: World):
    await world.admin()
    await world.store.add("bob", {"a": Role.VIEWER}, 0)
    await world.sign_ins.set_password("bob", GOOD)
    token = await world.sign_ins.sign_in("bob", GOOD, "here")
    assert await world.sign_ins.identity(token)
    await world.store.remove("bob")  # by another process
    await world.clock.sleep(KEPT_MS / 1000)
    assert await world.sign_ins.identity(token) is None


async def test_while_the_store_is_down_a_sign_in_lasts_less_than_a_minute(world: World):
    token = await world.admin()
    assert await world.sign_ins.identity(token)
    world.store.down = True
    await world.clock.sleep(STALE_MS / 1000 - 1)
    assert await world.sign_ins.identity(token)
    await world.clock.sleep(1)
    with pytest.raises(Retryable):
        await world.sign_ins.identity(token)


async def test_signing_out_ends_it_here_at_once(world: World):
    token = await world.admin()
    assert await world.sign_ins.identity(token)
    await world.sign_ins.sign_out(token)
    assert await world.sign_ins.identity(token) is None


async def test_a_new_password_ends_all_sign_ins(world: World):
    token = await world.admin()
    with pytest.raises(SignInRefused, match="current password"):
        await world.sign_ins.change_password("ann", "wrong", GOOD + "!", "here")
    await world.sign_ins.change_password("ann", GOOD, "another " + GOOD, "here")
    assert await world.sign_ins.identity(token) is None
    assert (await world.refused("ann", GOOD)).status == 401


async def test_a_link_sets_the_password_once(world: World):
    await world.admin()
    await world.store.add("bob", {"a": Role.VIEWER}, 0)
    old, _ = await world.sign_ins.link("bob")
    link, _ = await world.sign_ins.link("bob")
    for token, status in ((old, 401), ("no-link", 401)):
        with pytest.raises(SignInRefused) as caught:
            await world.sign_ins.use_link(token, GOOD, "here")
        assert caught.value.status == status
    assert await world.sign_ins.use_link(link, GOOD, "here") == "bob"
    with pytest.raises(SignInRefused):
        await world.sign_ins.use_link(link, GOOD, "here")
    late, _ = await world.sign_ins.link("bob")
    await world.clock.sleep(LINK_MS / 1000)
    with pytest.raises(SignInRefused):
        await world.sign_ins.use_link(late, GOOD, "here")


@pytest.mark.parametrize(
    "bad", ["short", "aaaaaaaaaaaaaaaa", "password123456", "ann-ann-ann-ann", "x" * 201]
)
def test_obvious_passwords_are_refused(bad: str):
    with pytest.raises(Invalid):
        require_good(bad, "ann")
    require_good(GOOD, "ann")


def test_names_and_roles_from_outside():
    assert fit_name(" Ann@Example.org ") == "ann@example.org"
    for name in ("x/", "-ann", "a" * 61, "ann\n/", "änn"):
        with pytest.raises(Invalid):
            fit_name(name)
    assert fit_grants({"*": "admin", "demo": "viewer"})[EVERY] is Role.ADMIN
    for roles in ({}, {"demo": "king"}, {"De mo": "viewer"}, {"demo\n": "viewer"}):
        with pytest.raises(Invalid):
            fit_grants(roles)


async def test_no_more_passwords_wait_than_allowed():
    passwords = Passwords(QUICK)
    tries = [passwords.hash(GOOD) for _ in range(WAITING + 1)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, Retryable) for answer in answers) == 1
