"""Sign in with an OpenID Connect provider over real HTTP: who gets in, and which lies are
rejected."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from argon2 import PasswordHasher

from parking.access.account_memory import MemoryAccounts
from parking.access.account_store import Expiry
from parking.access.oidc import LEEWAY_S
from parking.access.oidc_client import KEPT_MS, OidcClient
from parking.access.oidc_sign_ins import Admitted, OidcSignIns, Returned
from parking.access.passwords import Passwords
from parking.access.rights import EVERY, Role
from parking.access.sign_ins import EACH_ADDRESS, SignInRefused, SignIns
from parking.core.errors import Retryable
from parking.runtime.memory import ManualClock
from tests.support.openid_provider import CLIENT, TTL_S, OpenIdProvider, openid_provider

ANN = "ann@example.org"
PAGE = "https://lot.example/"
START_S = ManualClock().now_ms() // 1000


@dataclass
class World:
    """Ann is invited as a viewer of site a."""

    provider: OpenIdProvider
    clock: ManualClock
    store: MemoryAccounts
    oidc: OidcSignIns

    async def begin(self) -> tuple[str, Returned]:
        """Return a browser's secret, and what it brings back from the provider."""
        secret, address = await self.oidc.begin(PAGE)
        return secret, Returned(**self.provider.sign_in(address))

    async def sign_in(self) -> Admitted:
        """Go from the button to the account."""
        return await self.finish(*await self.begin())

    async def finish(self, secret: str, returned: Returned) -> Admitted:
        return await self.oidc.finish(secret, returned, PAGE, "here")

    async def refused(self, secret: str = "", returned: Returned | None = None) -> SignInRefused:
        """Return why a sign-in, or this last step of one, is refused."""
        if returned is None:
            secret, returned = await self.begin()
        with pytest.raises(SignInRefused) as caught:
            await self.finish(secret, returned)
        return caught.value


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, store = ManualClock(), MemoryAccounts()
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    sign_ins = SignIns(store, Passwords(hasher), clock, Expiry(3_600_000, 86_400_000))
    await store.add(ANN, {"a": Role.VIEWER}, 0)
    async with openid_provider(clock) as provider:
        client = OidcClient(provider.registered, clock)
        yield World(provider, clock, store, OidcSignIns(sign_ins, client))


async def test_an_invited_person_signs_in_and_has_the_roles_given_here(world: World):
    done = await world.sign_in()
    assert (done.name, done.subject, done.linked) == (ANN, "subject-1", True)
    identity = await world.oidc.sign_ins.identity(done.token)
    assert identity is not None
    assert identity.grants == {"a": Role.VIEWER}
    assert (await world.sign_in()).linked is False


async def test_afterwards_only_the_subject_counts(world: World):
    await world.sign_in()
    world.provider.email, world.provider.verified = "ann.new@example.org", False
    assert (await world.sign_in()).name == ANN
    world.provider.subject = "subject-2"  # somebody who got her address
    world.provider.email, world.provider.verified = ANN, True
    assert (await world.refused()).reason == "not-invited"


async def test_a_removed_account_is_out(world: World):
    await world.store.add("admin", {EVERY: Role.ADMIN}, 0)
    await world.store.set_password("admin", "hash")
    done = await world.sign_in()
    await world.store.remove(ANN)
    assert await world.oidc.sign_ins.identity(done.token) is None
    assert (await world.refused()).reason == "not-invited"


async def test_an_address_may_come_from_the_userinfo(world: World):
    world.provider.email = None
    assert (await world.sign_in()).name == ANN
    assert "/userinfo" in world.provider.asked


async def test_an_address_may_be_written_in_capitals(world: World):
    world.provider.email = "Ann@Example.org"
    assert (await world.sign_in()).name == ANN


@pytest.mark.parametrize("email", ["eve@example.org", "a\x00nn@example.org", "x" * 300])
async def test_nobody_else_gets_in(world: World, email: str):
    world.provider.email = email
    refused = await world.refused()
    assert (refused.status, refused.reason) == (403, "not-invited")


async def test_an_address_that_is_not_verified_is_not_enough(world: World):
    world.provider.verified = False
    assert (await world.refused()).reason == "email-not-verified"
    world.provider.email, world.provider.metadata = None, {"userinfo_endpoint": ""}
    await world.clock.sleep(KEPT_MS / 1000)
    assert (await world.refused()).reason == "no-email"


LIES: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"iss": "https://other.example"},
    {"iss": None},
    {"aud": "other"},
    {"aud": ["other"]},
    {"aud": None},
    {"aud": [CLIENT, "other"], "azp": "other"},
    {"exp": START_S - LEEWAY_S},
    {"exp": None},
    {"iat": START_S + LEEWAY_S + 1},
    {"sub": ""},
    {"sub": None},
    {"sub": "a\n"},
    {"email": 5},
    {"at_hash": "another"},
]


@pytest.mark.parametrize("claims", LIES, ids=str)
async def test_each_claim_is_checked(world: World, claims: dict[str, Any]):
    world.provider.claims = claims
    refused = await world.refused()
    assert (refused.status, refused.reason) == (401, "bad-token")
    assert not any(one.linked for one in await world.store.accounts())


async def test_control_several_audiences_and_a_late_clock_are_fine(world: World):
    times = {"exp": START_S - LEEWAY_S + 1, "iat": START_S + LEEWAY_S}
    world.provider.claims = {"aud": [CLIENT, "other"], "azp": CLIENT, **times}
    assert (await world.sign_in()).name == ANN


@pytest.mark.parametrize(
    "fault", ["signs with the client's secret", "signs with another key", "does not sign"]
)
async def test_the_signature_is_checked(world: World, fault: str):
    world.provider.fault = fault
    assert (await world.refused()).reason == "bad-token"


async def test_a_userinfo_about_somebody_else_is_not_taken(world: World):
    world.provider.email, world.provider.fault = None, "mixes people up"
    assert (await world.refused()).reason == "bad-token"


async def test_a_token_that_expired_is_not_taken(world: World):
    world.provider.claims = {"exp": START_S + TTL_S}
    secret, returned = await world.begin()
    await world.clock.sleep(TTL_S + LEEWAY_S)
    assert (await world.refused(secret, returned)).reason == "bad-token"


async def test_the_answer_belongs_to_the_browser_that_began(world: World):
    secret, returned = await world.begin()
    other, _ = await world.begin()
    for wrong in ("", other):
        assert (await world.refused(wrong, returned)).reason == "wrong-state"
    assert (await world.refused(secret, Returned("", returned.code))).reason == "wrong-state"
    assert "/token" not in world.provider.asked
    assert (await world.finish(secret, returned)).name == ANN


async def test_a_code_of_another_attempt_is_not_taken(world: World):
    """Because of PKCE: the provider issued the code for another browser's challenge."""
    _, stolen = await world.begin()
    secret, own = await world.begin()
    refused = await world.refused(secret, Returned(own.state, stolen.code))
    assert refused.reason == "code-refused"


async def test_a_code_works_once(world: World):
    secret, returned = await world.begin()
    assert (await world.finish(secret, returned)).name == ANN
    assert (await world.refused(secret, returned)).reason == "code-refused"


async def test_a_refusal_of_the_provider_is_said(world: World):
    world.provider.fault = "denies"
    refused = await world.refused()
    assert (refused.reason, "you did not allow it" in refused.detail) == ("denied", True)


async def test_failures_are_limited_per_address(world: World):
    secret, returned = await world.begin()
    for _ in range(EACH_ADDRESS):
        assert (await world.refused("guess", returned)).status == 401
    assert (await world.refused(secret, returned)).status == 429
    assert "/token" not in world.provider.asked
    done = await world.oidc.finish(secret, returned, PAGE, "elsewhere")
    assert done.name == ANN


async def test_a_new_key_of_the_provider_needs_no_restart(world: World):
    await world.sign_in()
    world.provider.rotate()
    assert (await world.sign_in()).name == ANN
    assert world.provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize("fault", ["huge", "redirects", "hangs"])
async def test_a_strange_provider_is_an_outage(world: World, fault: str):
    world.provider.fault = fault
    client = OidcClient(world.provider.registered, world.clock, limit_s=0.05)
    with pytest.raises(Retryable, match="A password still works") as caught:
        await OidcSignIns(world.oidc.sign_ins, client).begin(PAGE)
    assert caught.value.reason == "no-provider"
    assert "/elsewhere" not in world.provider.asked


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 5},
    ],
    ids=str,
)
async def test_metadata_that_is_not_safe_is_not_used(world: World, metadata: dict[str, Any]):
    world.provider.metadata = metadata
    with pytest.raises(Retryable):
        await world.oidc.begin(PAGE)


async def test_a_provider_without_public_keys_is_not_used(world: World):
    world.provider.metadata = {"id_token_signing_alg_values_supported": ["HS256", "none"]}
    assert (await world.refused()).reason == "bad-provider"


async def test_a_provider_that_wants_the_secret_in_the_body_gets_it_there(world: World):
    world.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await world.sign_in()).name == ANN


async def test_a_wrong_client_secret_is_said_and_is_no_failed_try(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as changed:
        changed.setattr("tests.support.openid_provider.SECRET", "changed")
        for _ in range(EACH_ADDRESS + 1):
            secret, returned = await world.begin()
            with pytest.raises(Retryable, match="OIDC_CLIENT_SECRET"):
                await world.finish(secret, returned)
    assert (await world.sign_in()).name == ANN
