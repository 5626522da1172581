"""The API's views of accounts (see views.py for all other views)."""

from typing import Literal

import msgspec

from parking.core.events import SiteId, Text, TimeMs
from services.notifier.views import View


class SignInState(View, frozen=True, kw_only=True):
    """Whether one has to sign in here, and who did (`name`, `roles` by site, `*` for all). `setup`:
    there is no account yet; create the administrator with the setup code, or by command.
    `provider`: the name of the OpenID Connect provider that signs people in, too."""

    required: bool
    name: Text | None = None
    roles: dict[str, str] = msgspec.field(default_factory=dict)
    setup: Literal["code", "command"] | None = None
    provider: Text | None = None


class SignedIn(View, frozen=True, kw_only=True):
    """Signed in: the answer sets the cookie."""

    name: Text


class OidcStart(View, frozen=True, kw_only=True):
    """The provider's address to go to; the answer sets a cookie for the way back."""

    address: Text


class AccountView(View, frozen=True, kw_only=True):
    """An account. `roles` by site, `*` for all: viewer, operator or admin. `invited`: it has no
    password yet. `linked`: it signs in with the OpenID Connect provider."""

    name: Text
    roles: dict[str, str]
    invited: bool
    linked: bool
    created_at_ms: TimeMs


class Link(View, frozen=True, kw_only=True):
    """The token of a link to set a password, shown once. The page's address for it is
    `#/link/TOKEN`."""

    name: Text
    token: Text
    expires_at_ms: TimeMs


class AuditEntry(View, frozen=True, kw_only=True):
    """Who did what, to which object of which site, when, and from which address."""

    id: int
    time_ms: TimeMs
    who: Text
    what: Text
    site_id: SiteId | None
    target: Text
    address: Text
