"""Sign-in: exchanges names and passwords for tokens, and looks up the account of a token.

A token is 256 random bits in a cookie, and the store has only its hash. The account of a token is
cached for KEPT_MS, or for STALE_MS while the store is down, so a revocation reaches every process
within a minute. Wrong passwords are limited per account, per address, and for both together.
"""

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from parking.access.account_store import Account, AccountStore, Expiry
from parking.access.bearer import Failures, KeyRefused
from parking.access.passwords import Passwords, require_good
from parking.access.rights import EVERY, ROLES, Grants, Identity
from parking.core.errors import Invalid, Retryable
from parking.core.ids import PART
from parking.wire.ports import Clock

KEPT_MS: Final = 10_000
STALE_MS: Final = 40_000
TOKENS_KEPT: Final = 10_000
WINDOW_MS: Final = 600_000
EACH_PAIR: Final = 10
"""Wrong passwords for one account from one address. Others cannot lock its owner out."""
EACH_ACCOUNT: Final = 100
EACH_ADDRESS: Final = 30
LINK_MS: Final = 3 * 86_400_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,59}")
_SITE: Final = re.compile(PART)


class SignInRefused(KeyRefused):
    """The same for sign-ins: status, reason, detail and headers."""


@dataclass(slots=True)
class _Known:
    identity: Identity
    at_ms: int


class SignIns:
    """For one process."""

    def __init__(
        self, store: AccountStore, passwords: Passwords, clock: Clock, expiry: Expiry
    ) -> None:
        self.store = store
        self.expiry = expiry
        self._passwords = passwords
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._by_pair = Failures(clock, EACH_PAIR, WINDOW_MS)
        self._by_account = Failures(clock, EACH_ACCOUNT, WINDOW_MS)
        self._by_address = Failures(clock, EACH_ADDRESS, WINDOW_MS)

    # ------------------------------------------------------------ who is it
    async def identity(self, token: str) -> Identity | None:
        """Whom the token stands for, or None if it has ended. Raises Retryable."""
        key, now_ms = hashed(token), self._clock.now_ms()
        known = self._known.get(key)
        if known is not None and now_ms - known.at_ms < KEPT_MS:
            return known.identity
        try:
            account = await self.store.signed_in(key, self.expiry, now_ms)
        except Retryable:
            if known is not None and now_ms - known.at_ms < STALE_MS:
                return known.identity
            raise
        if account is None:
            self._known.pop(key, None)
            return None
        self._known[key] = _Known(identity_of(account), now_ms)
        self._known.move_to_end(key)
        if len(self._known) > TOKENS_KEPT:
            self._known.popitem(last=False)
        return self._known[key].identity

    def forget(self) -> None:
        """Ask the store again, because something changed."""
        self._known.clear()

    # ------------------------------------------------------------ in and out
    async def sign_in(self, name: str, password: str, address: str) -> str:
        """Return a new token. Raises SignInRefused 401 or 429, Retryable."""
        name = name.strip().lower()
        self.take(name, address)
        if not await self._fits(name, password, address):
            detail = "the name or the password is wrong"
            raise SignInRefused(401, "wrong-password", detail)
        self.give_back(name, address)
        return await self.open(name, address)

    async def open(self, name: str, address: str) -> str:
        """A token for an account whose password was just checked or set."""
        token = secrets.token_urlsafe(32)
        await self.store.sign_in(hashed(token), name, address, self._clock.now_ms())
        return token

    async def sign_out(self, token: str) -> None:
        """End it."""
        await self.store.sign_out(hashed(token))
        self._known.pop(hashed(token), None)

    # ------------------------------------------------------------ passwords
    async def create_first(self, name: str, password: str, right_code: bool, address: str) -> str:
        """Create the administrator and return the name as stored. Raises Invalid, SignInRefused,
        Retryable."""
        self.take("", address)
        if not right_code:
            detail = (
                "the setup code is wrong; it was shown where the system was started "
                "(docs/security.md)"
            )
            raise SignInRefused(401, "wrong-code", detail)
        self.give_back("", address)
        name = fit_name(name)
        require_good(password, name)
        hash_ = await self._passwords.hash(password)
        if not await self.store.create_first(name, hash_, self._clock.now_ms()):
            raise SignInRefused(409, "set-up", "an administrator already exists: sign in")
        return name

    async def change_password(self, name: str, old: str, new: str, address: str) -> None:
        """Change an account's own password and end its sign-ins. Raises Invalid, SignInRefused,
        Retryable."""
        self.take(name, address)
        if not await self._fits(name, old, address):
            raise SignInRefused(403, "wrong-password", "the current password is wrong")
        self.give_back(name, address)
        await self.set_password(name, new)

    async def set_password(self, name: str, new: str) -> None:
        """Set an account's password and end its sign-ins. Raises Invalid, Retryable."""
        require_good(new, name)
        await self.store.set_password(name, await self._passwords.hash(new))
        self.forget()

    async def link(self, name: str) -> tuple[str, int]:
        """A token with which the account's password can be set once, and when it expires (Unix ms).
        Raises Invalid, Retryable."""
        token, until_ms = secrets.token_urlsafe(32), self._clock.now_ms() + LINK_MS
        await self.store.add_link(hashed(token), name, until_ms)
        return token, until_ms

    async def use_link(self, token: str, password: str, address: str) -> str:
        """Set the password and return the account's name. Raises Invalid, SignInRefused,
        Retryable."""
        require_good(password, "")
        self.take("", address)
        try:
            hash_ = await self._passwords.hash(password)
            name = await self.store.use_link(hashed(token), hash_, self._clock.now_ms())
        except Retryable:
            self.give_back("", address)
            raise
        if name is None:
            detail = "this link was already used or has expired: ask an administrator for a new one"
            raise SignInRefused(401, "no-link", detail)
        self.give_back("", address)
        self.forget()
        return name

    async def _fits(self, name: str, password: str, address: str) -> bool:
        """Whether it is the account's password. An outage does not count as a wrong one. Raises
        Retryable."""
        try:
            hash_ = await self.store.password_hash(name) if _NAME.fullmatch(name) else None
            return await self._passwords.fits(password[:1000], hash_)
        except Retryable:
            self.give_back(name, address)
            raise

    def _limits(self, name: str, address: str) -> list[tuple[Failures, str]]:
        if not name:
            return [(self._by_address, address)]
        pair = f"{address} {name}"
        return [(self._by_address, address), (self._by_account, name), (self._by_pair, pair)]

    def take(self, name: str, address: str) -> None:
        """Count an attempt as failed until it is given back. If the name is "", it counts only by
        its address. Raises SignInRefused 429."""
        waits = [failures.wait_s(who) for failures, who in self._limits(name, address)]
        if max(waits):
            detail = f"too many failed tries: try again in {max(waits)} s"
            raise SignInRefused(429, "too-many-tries", detail, {"Retry-After": str(max(waits))})
        for failures, who in self._limits(name, address):
            failures.add(who)

    def give_back(self, name: str, address: str) -> None:
        """Take back an attempt that succeeded or that an outage prevented."""
        for failures, who in self._limits(name, address):
            failures.take_back(who)


def identity_of(account: Account) -> Identity:
    """The account as the sender of requests."""
    return Identity("account", account.name, account.grants)


def hashed(token: str) -> str:
    """The token's hash, as it is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def fit_name(name: str) -> str:
    """The name in the form in which it is stored. Raises Invalid."""
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        detail = "a name has up to 60 characters: a-z 0-9 . _ @ -, a letter or digit first"
        raise Invalid("bad-name", detail)
    return name


def fit_grants(roles: Mapping[str, str]) -> Grants:
    """Check roles that come from outside. Raises Invalid."""
    for site, word in roles.items():
        if site != EVERY and not _SITE.fullmatch(site):
            raise Invalid("bad-role", f"{site[:60]!a} is not a site's id, nor * for all sites")
        if word not in ROLES:
            raise Invalid("bad-role", f"{word[:60]!a} is not one of {', '.join(ROLES)}")
    if not roles or len(roles) > 1000:
        raise Invalid("bad-role", "an account needs a role at a site, or at * for all sites")
    return {site: ROLES[word] for site, word in roles.items()}
