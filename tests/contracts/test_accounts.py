"""The storage of accounts: memory and Postgres behave alike."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import psycopg
import pytest

from parking.access.account_memory import MemoryAccounts
from parking.access.account_postgres import PostgresAccounts
from parking.access.account_store import SIGN_INS_EACH, AccountStore, Entry, Expiry
from parking.access.rights import EVERY, Role
from parking.core.errors import Invalid, Retryable
from services.persister.migrate import migrate
from tests.support.databases import new_database
from tools.stack.infra import Infra

EXPIRY = Expiry(idle_ms=1000, most_ms=5000)
VIEWER = {"a": Role.VIEWER}


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.stack)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AccountStore]:
    if request.param == "memory":
        yield MemoryAccounts()
        return
    with new_database(request.getfixturevalue("infra")) as url:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await migrate(connection)
        postgres = PostgresAccounts(url)
        yield postgres
        await postgres.close()


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(Invalid) as caught:
        await work
    return caught.value.reason


async def test_of_many_at_once_one_is_the_first(store: AccountStore):
    tries = [store.create_first(f"name-{n}", "hash", n) for n in range(8)]
    assert sum(await asyncio.gather(*tries)) == 1
    (account,) = await store.accounts()
    assert (account.grants, account.has_password) == ({EVERY: Role.ADMIN}, True)
    assert await store.password_hash(account.name) == "hash"
    assert await store.password_hash("nobody") is None


async def test_accounts_are_added_changed_and_removed(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    await store.add("bob", VIEWER, 2)
    assert await refused(store.add("bob", VIEWER, 3)) == "account-exists"
    await store.grant("bob", {"a": Role.OPERATOR, "b": Role.VIEWER})
    _, bob = await store.accounts()
    assert (bob.grants, bob.has_password) == ({"a": Role.OPERATOR, "b": Role.VIEWER}, False)
    await store.remove("bob")
    assert [account.name for account in await store.accounts()] == ["ann"]
    for work in (
        store.grant("bob", VIEWER),
        store.remove("bob"),
        store.set_password("bob", "hash"),
        store.sign_in("token", "bob", "here", 1),
        store.add_link("token", "bob", 1),
    ):
        assert await refused(work) == "no-account"


async def test_the_last_administrator_stays(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    await store.add("bob", {EVERY: Role.ADMIN}, 2)  # invited, without a password
    assert await refused(store.remove("ann")) == "last-admin"
    assert await refused(store.grant("ann", VIEWER)) == "last-admin"
    await store.set_password("bob", "hash")
    answers = await asyncio.gather(store.remove("ann"), store.remove("bob"), return_exceptions=True)
    assert sum(isinstance(answer, Invalid) for answer in answers) == 1
    assert len(await store.accounts()) == 1


async def test_sign_ins_expire_and_end(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    await store.sign_in("token", "ann", "here", 1000)
    found = await store.signed_in("token", EXPIRY, 1999)
    assert found is not None
    assert found.name == "ann"
    assert await store.signed_in("other", EXPIRY, 1999) is None
    assert await store.signed_in("token", EXPIRY, 6000) is None
    await store.sign_out("token")
    assert await store.signed_in("token", EXPIRY, 1500) is None
    await store.sign_in("again", "ann", "here", 2000)
    await store.set_password("ann", "new")
    assert await store.signed_in("again", EXPIRY, 2000) is None


async def test_a_used_sign_in_lasts_until_its_end(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    day = Expiry(idle_ms=100_000, most_ms=300_000)
    await store.sign_in("token", "ann", "here", 0)
    assert await store.signed_in("token", day, 90_000)
    assert await store.signed_in("token", day, 180_000)
    assert await store.signed_in("token", day, 270_000)
    assert await store.signed_in("token", day, 300_000) is None


async def test_an_account_has_a_bounded_number_of_sign_ins(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    for number in range(SIGN_INS_EACH + 1):
        await store.sign_in(f"token-{number}", "ann", "here", 1000 + number)
    assert await store.signed_in("token-0", EXPIRY, 1100) is None
    assert await store.signed_in("token-1", EXPIRY, 1100)
    assert await store.signed_in(f"token-{SIGN_INS_EACH}", EXPIRY, 1100)


async def test_links_work_once_and_not_late(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    await store.add("bob", VIEWER, 1)
    await store.add_link("first", "bob", 1000)
    await store.add_link("second", "bob", 1000)
    assert await store.use_link("first", "hash", 1) is None
    assert await store.use_link("second", "hash", 1000) is None
    tries = [store.use_link("second", "hash", 999) for _ in range(4)]
    assert sorted(map(str, await asyncio.gather(*tries))) == ["None", "None", "None", "bob"]
    assert await store.password_hash("bob") == "hash"


async def test_a_subject_is_linked_to_one_account_and_an_account_to_one(store: AccountStore):
    await store.create_first("ann", "hash", 1)
    await store.add("bob", VIEWER, 2)
    assert await store.subject_account("issuer", "s1") is None
    assert await store.link_subject("nobody", "issuer", "s1") is False
    tries = [store.link_subject(name, "issuer", "s1") for name in ("bob", "ann")]
    assert sorted(await asyncio.gather(*tries)) == [False, True]
    owner = await store.subject_account("issuer", "s1")
    assert owner is not None
    other = "ann" if owner == "bob" else "bob"
    assert await store.link_subject(owner, "issuer", "s1") is True  # again
    assert await store.link_subject(owner, "issuer", "s2") is False
    assert [a.linked for a in await store.accounts()] == [owner == "ann", owner == "bob"]
    assert await store.link_subject(other, "other-issuer", "s1") is True
    assert await store.link_subject(owner, "other-issuer", "s2") is True  # a new provider
    assert await store.subject_account("issuer", "s1") is None
    await store.set_password("bob", "new")
    assert await store.subject_account("other-issuer", "s1" if other == "bob" else "s2") == "bob"
    await store.remove("bob")
    assert await store.subject_account("other-issuer", "s1" if other == "bob" else "s2") is None


async def test_the_audit_log_is_read_page_by_page_and_ends(store: AccountStore):
    for number in range(5):
        await store.note(Entry(number, "ann", "close slot", "a", f"A{number}", "here"))
    first = await store.audit(2, None)
    assert [entry.target for entry in first] == ["A4", "A3"]
    assert [entry.target for entry in await store.audit(2, first[-1].id)] == ["A2", "A1"]
    await store.create_first("ann", "hash", 1)
    await store.sign_in("old", "ann", "here", 0)
    await store.add_link("link", "ann", 3)
    await store.tidy(EXPIRY, audit_before_ms=3, now_ms=5000)
    assert [entry.target for entry in await store.audit(9, None)] == ["A4", "A3"]
    assert await store.signed_in("old", EXPIRY, 1) is None
    assert await store.use_link("link", "hash", 1) is None


async def test_without_tables_or_server_it_is_an_outage(infra: Infra):
    with new_database(infra) as url:
        empty = PostgresAccounts(url)
        with pytest.raises(Retryable, match="persister"):
            await empty.accounts()
        await empty.close()
