"""Where accounts are stored: the port, and the rules that every store shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from parking.access.rights import EVERY, Grants, Role
from parking.core.errors import Invalid

SIGN_INS_EACH = 50
"""How many sign-ins an account may have at a time. The next one ends the oldest."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person. `has_password` is False until the invitation is used. `linked` means that the
    person signs in with the OpenID Connect provider."""

    name: str
    grants: Grants
    created_at_ms: int
    has_password: bool
    linked: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether it may manage accounts."""
        return self.grants.get(EVERY) == Role.ADMIN


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit log: who did what, where, when, and from which address."""

    time_ms: int
    who: str
    what: str
    site_id: str | None
    target: str
    address: str
    id: int = 0


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a sign-in ends: some time after its last use, or after its start."""

    idle_ms: int
    most_ms: int


class AccountStore(Protocol):
    """Each method is atomic and durable when it returns. All raise Retryable while the store is
    down. Tokens are passed as hashes."""

    async def accounts(self) -> Sequence[Account]:
        """All accounts, sorted by name."""

    async def create_first(self, name: str, password_hash: str, now_ms: int) -> bool:
        """Create the administrator, unless there is an account. Returns whether it was created."""

    async def add(self, name: str, grants: Grants, now_ms: int) -> None:
        """Add an account without a password. Raises Invalid `account-exists`."""

    async def grant(self, name: str, grants: Grants) -> None:
        """Replace its roles. Raises Invalid `no-account`, `last-admin`."""

    async def remove(self, name: str) -> None:
        """Remove the account with its sign-ins and links. Raises Invalid `no-account`,
        `last-admin`."""

    async def password_hash(self, name: str) -> str | None:
        """The hash, or None if there is no such account or it has no password yet."""

    async def set_password(self, name: str, password_hash: str) -> None:
        """Set the password, and end the account's sign-ins and links. Raises Invalid
        `no-account`."""

    async def sign_in(self, token: str, name: str, address: str, now_ms: int) -> None:
        """Open a sign-in. Raises Invalid `no-account`."""

    async def signed_in(self, token: str, expiry: Expiry, now_ms: int) -> Account | None:
        """Return the account of a sign-in that has not expired, and note its use."""

    async def sign_out(self, token: str) -> None:
        """End a sign-in. If there is none, nothing happens."""

    async def add_link(self, token: str, name: str, expires_at_ms: int) -> None:
        """Add a link, which replaces the account's other links. Raises Invalid `no-account`."""

    async def use_link(self, token: str, password_hash: str, now_ms: int) -> str | None:
        """Set the password of the link's account and return its name, or None if the link was used
        or has expired."""

    async def subject_account(self, issuer: str, subject: str) -> str | None:
        """The name of the account that is linked to this subject of an OpenID Connect issuer."""

    async def link_subject(self, name: str, issuer: str, subject: str) -> bool:
        """Link an account to a subject permanently. A link to another issuer is replaced. Returns
        False if there is no such account, it has another subject of this issuer, or the subject has
        another account."""

    async def note(self, entry: Entry) -> None:
        """Add a line to the audit log."""

    async def audit(self, limit: int, before_id: int | None) -> Sequence[Entry]:
        """Lines of the audit log, newest first. `before_id` restricts them to older ones."""

    async def tidy(self, expiry: Expiry, audit_before_ms: int, now_ms: int) -> None:
        """Delete expired sign-ins and links, and old lines of the audit log."""


def require_admin(accounts: Sequence[Account]) -> None:
    """Require that the accounts left after a change include somebody who can sign in and manage
    accounts. Raises Invalid."""
    if not any(account.is_admin and account.has_password for account in accounts):
        detail = "this is the last administrator who can sign in: make another account admin first"
        raise Invalid("last-admin", detail)


def no_account(name: str) -> Invalid:
    """For stores."""
    return Invalid("no-account", f"there is no account {name!r}")


def account_exists(name: str) -> Invalid:
    """For stores."""
    return Invalid("account-exists", f"account {name!r} already exists")
