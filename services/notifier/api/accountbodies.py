"""What clients send to sign in and to manage accounts (see bodies.py for all other bodies)."""

from typing import Annotated

from msgspec import Meta, Struct

Short = Annotated[str, Meta(max_length=200)]
Roles = Annotated[
    dict[str, str], Meta(description='by site, or at "*" for all: viewer, operator or admin')
]


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in."""

    name: Short
    password: Short


class FirstAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The administrator; `code`: the setup code."""

    name: Short
    password: Short
    code: Short


class OidcReturn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the provider sent the browser back with."""

    state: Short = ""
    code: Annotated[str, Meta(max_length=4000)] = ""
    error: Short = ""


class LinkUse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of an invitation or of a password reset, and the new password."""

    token: Short
    password: Short


class NewPassword(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The current password, and the new one."""

    old: Short
    new: Short


class Invitation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account."""

    name: Annotated[str, Meta(max_length=60)]
    roles: Roles


class NewRoles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """They replace the account's present ones."""

    roles: Roles
