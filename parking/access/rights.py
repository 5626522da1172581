"""Decide who may do what, from a role or a key's scope, and the site. Pure.

An account has a role per site; `*` stands for all sites. A key has scopes, for some sites or all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Literal

from parking.access.keys import Key

EVERY: Final = "*"


class Role(IntEnum):
    """Each includes the ones below it."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as written in JSON and in Postgres."""
        return self.name.lower()


ROLES: Final = {role.word: role for role in Role}
Grants = Mapping[str, Role]


class Reach(StrEnum):
    """Which sites a request concerns."""

    OPEN = "open"
    """None: everybody may send it."""
    ENTRANCE = "entrance"
    """None: everybody may send it, changes only from our own page: to sign in."""
    ACCOUNT = "account"
    """None: everybody who signed in."""
    SITE = "site"
    """The sites in its path or query; without any, all sites."""
    OWN = "own"
    """As SITE; without any, the handler answers with the sites that the sender may see."""
    BODY = "body"
    """The site in its body: the handler checks it."""
    ALL = "all"
    """All sites."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a request needs: a role or, for a key, a scope ("" if no key may send it). `what` is the
    action's name in the audit log, or "" if it is not logged. A `stream` is checked again while it
    lasts."""

    reach: Reach
    role: Role = Role.VIEWER
    scope: str = ""
    what: str = ""
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sent a request."""

    kind: Literal["nobody", "account", "key"]
    name: str = ""
    grants: Grants = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The sender's name in logs."""
        return f"key {self.name}" if self.kind == "key" else self.name

    @property
    def sites(self) -> frozenset[str] | None:
        """The sites that the sender may see, or None for all of them."""
        return None if EVERY in self.grants else frozenset(self.grants)

    def may(self, need: Need, site_id: str) -> bool:
        """Whether the sender may do this at a site, or at all sites if it is `*`."""
        granted = max(self.grants.get(site_id, 0), self.grants.get(EVERY, 0))
        if self.kind == "key":
            return granted > 0 and need.scope in self.scopes
        return granted >= need.role

    def may_all(self, need: Need, named: Collection[str]) -> bool:
        """Whether the sender may make a request that names these sites."""
        if need.reach in (Reach.OPEN, Reach.ENTRANCE):
            return True
        if need.reach is Reach.ACCOUNT:
            return self.kind == "account"
        if need.reach is Reach.ALL:
            return self.may(need, EVERY)
        if named:
            return all(self.may(need, site) for site in named)
        if need.reach is Reach.SITE:
            return self.may(need, EVERY)
        return any(self.may(need, site) for site in self.grants)


NOBODY: Final = Identity("nobody")
ANYBODY: Final = Identity("nobody", grants={EVERY: Role.VIEWER})
"""The sender of a request without a key when sign-in is off."""


def of_key(key: Key) -> Identity:
    """A key that may write may read, too."""
    scopes = key.scopes | {"read"} if "write" in key.scopes else key.scopes
    # The scopes decide. The role only tells at which sites.
    grants = dict.fromkeys(key.sites, Role.VIEWER)
    return Identity("key", key.name, grants, frozenset(scopes))


def read_grants(roles: Mapping[str, str]) -> Grants:
    """Read roles from Postgres. Roles of a newer version are left out."""
    return {site: ROLES[word] for site, word in roles.items() if word in ROLES}


def write_grants(grants: Grants) -> dict[str, str]:
    """The reverse of `read_grants`."""
    return {site: role.word for site, role in grants.items()}
