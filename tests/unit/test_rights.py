"""Who may do what, decided without I/O."""

import pytest

from parking.access.keys import Key
from parking.access.rights import (
    ANYBODY,
    EVERY,
    NOBODY,
    Identity,
    Need,
    Reach,
    Role,
    of_key,
    read_grants,
    write_grants,
)

LOOK = Need(Reach.SITE, Role.VIEWER, "read")
COMMAND = Need(Reach.SITE, Role.OPERATOR, "write")
MANAGE = Need(Reach.ALL, Role.ADMIN)


def account(**grants: Role) -> Identity:
    return Identity(
        "account", "ann", {EVERY if site == "every" else site: r for site, r in grants.items()}
    )


@pytest.mark.parametrize("role", Role)
def test_a_role_includes_those_below_it_and_none_above(role: Role):
    ann = account(a=role)
    for other in Role:
        assert ann.may(Need(Reach.SITE, other), "a") == (other <= role)


def test_a_role_counts_only_at_its_site():
    ann = account(a=Role.ADMIN)
    assert ann.may_all(COMMAND, ["a"])
    assert not ann.may_all(COMMAND, ["b"])
    assert not ann.may_all(LOOK, ["a", "b"])
    assert ann.sites == frozenset({"a"})


def test_a_role_at_all_sites_counts_everywhere():
    ann = account(every=Role.OPERATOR, a=Role.VIEWER)
    assert ann.may_all(COMMAND, ["a", "b"])
    assert ann.sites is None


def test_without_a_site_all_of_them_are_meant():
    assert not account(a=Role.ADMIN).may_all(LOOK, [])
    assert account(every=Role.VIEWER).may_all(LOOK, [])
    own = Need(Reach.OWN, Role.VIEWER, "read")
    assert account(a=Role.VIEWER).may_all(own, [])
    assert not NOBODY.may_all(own, [])


def test_accounts_are_managed_by_administrators_of_all_sites():
    assert account(every=Role.ADMIN).may_all(MANAGE, [])
    assert not account(a=Role.ADMIN).may_all(MANAGE, ["a"])
    assert not of_key(Key("k", frozenset({"write", "devices"}))).may_all(MANAGE, [])


def test_a_key_goes_by_its_scopes_and_sites():
    key = of_key(Key("k", frozenset({"write"}), frozenset({"a"})))
    assert key.may_all(COMMAND, ["a"])
    assert key.may_all(LOOK, ["a"])
    assert not key.may_all(COMMAND, ["b"])
    assert not of_key(Key("k", frozenset({"read"}))).may_all(COMMAND, ["a"])
    assert not of_key(Key("k", frozenset({"devices"}))).may_all(LOOK, ["a"])


def test_without_sign_in_everybody_may_look_and_nobody_command():
    assert ANYBODY.may_all(LOOK, ["a"])
    assert not ANYBODY.may_all(COMMAND, ["a"])
    assert not NOBODY.may_all(LOOK, ["a"])


def test_only_accounts_have_a_password():
    own = Need(Reach.ACCOUNT)
    assert account(a=Role.VIEWER).may_all(own, [])
    assert not ANYBODY.may_all(own, [])
    assert not of_key(Key("k", frozenset({"write"}))).may_all(own, [])


def test_roles_survive_json_and_unknown_ones_are_left_out():
    grants = {"a": Role.VIEWER, EVERY: Role.ADMIN}
    assert read_grants(write_grants(grants)) == grants
    assert read_grants({"a": "emperor"}) == {}
