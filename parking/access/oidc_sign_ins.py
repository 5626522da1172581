"""Sign in with an OpenID Connect provider: who returns from it, and which account is theirs.

The provider only says who somebody is. An administrator has invited them by e-mail address and
assigned the roles. The first sign-in links the account to the provider's subject. From then on only
that subject can use it, whatever address it has.
"""

import hmac
from dataclasses import dataclass

from parking.access.oidc import Attempt, Person
from parking.access.oidc_client import OidcClient
from parking.access.sign_ins import SignInRefused, SignIns
from parking.core.errors import Retryable


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser brings back from the provider: a code, or an error."""

    state: str
    code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who signed in. `linked` means that the account was linked to this subject just now."""

    name: str
    token: str
    subject: str
    linked: bool


@dataclass(frozen=True, slots=True)
class OidcSignIns:
    """For one process."""

    sign_ins: SignIns
    client: OidcClient

    @property
    def label(self) -> str:
        """The provider's name on the page."""
        return self.client.provider.label

    async def begin(self, redirect: str) -> tuple[str, str]:
        """The secret for the browser's cookie, and the address to send the browser to. Raises
        Retryable."""
        attempt = Attempt.new()
        return attempt.secret, await self.client.address(attempt, redirect)

    async def finish(
        self, secret: str, returned: Returned, redirect: str, address: str
    ) -> Admitted:
        """Sign in whoever returned. `secret` is from the browser's cookie, `redirect` is the same
        as in `begin`, and `address` is the browser's. Raises SignInRefused, Retryable."""
        self.sign_ins.take("", address)
        try:
            attempt = _attempt(secret, returned, self.label)
            person = await self.client.person(attempt, returned.code, redirect)
            name, linked = await self._account(person)
            token = await self.sign_ins.open(name, address)
        except Retryable:
            self.sign_ins.give_back("", address)
            raise
        self.sign_ins.give_back("", address)
        return Admitted(name, token, person.sub, linked)

    async def _account(self, person: Person) -> tuple[str, bool]:
        """The account's name, and whether it was linked just now. Raises SignInRefused."""
        issuer, label = self.client.provider.issuer, self.label
        name = await self.sign_ins.store.subject_account(issuer, person.sub)
        if name is not None:
            return name, False
        if not person.email:
            detail = f"{label} shared no e-mail address of yours, which an invitation needs"
            raise SignInRefused(403, "no-email", detail)
        email = person.email.strip().lower()[:254]
        if not person.has_verified_email:
            detail = f"{label} has not verified that {email!a} is yours: verify it there first"
            raise SignInRefused(403, "email-not-verified", detail)
        store = self.sign_ins.store
        # Beyond ASCII, lower() makes different letters equal.
        is_plain = person.email.isascii() and email.isprintable()
        if not (is_plain and await store.link_subject(email, issuer, person.sub)):
            detail = (
                f"{email!a} at {label} has no account here: ask an administrator to invite exactly"
                " this address (or to remove the account and invite it again, if it was recreated"
                f" at {label})"
            )
            raise SignInRefused(403, "not-invited", detail)
        return email, True


def _attempt(secret: str, returned: Returned, label: str) -> Attempt:
    """The attempt to which this is the answer. Raises SignInRefused."""
    attempt = Attempt(secret)
    right = hmac.compare_digest(attempt.state.encode(), returned.state.encode())
    if not secret or not right:
        detail = "this sign-in was not started in this browser, or took too long: sign in again"
        raise SignInRefused(401, "wrong-state", detail)
    if not returned.code:
        why = returned.error if returned.error.isascii() else ""
        words = "you did not allow it" if why == "access_denied" else f"it says {why[:60]!a}"
        raise SignInRefused(401, "denied", f"{label} did not sign you in: {words}")
    return attempt
