"""Where a connection may go: allowed addresses, and forbidden ones that look allowed."""

import pytest

from services.ingest.pull.networks import PRIVATE, Forbidden, Networks, SiteNetworks


def allows(networks: list[str], address: str) -> bool:
    try:
        Networks.parse(networks).check(address)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("address", ["10.1.2.3", "172.31.0.1", "192.168.1.20", "fd12::1"])
def test_private_networks_are_allowed_by_default(address):
    assert allows([*PRIVATE], address)


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "127.0.0.1", "169.254.169.254", "0.0.0.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "2001:4860::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8"),
        *("fd00:ec2::254", "", "localhost", "10.0.0.1 ", "0x7f.1", "2130706433"),
    ],
)
def test_nothing_else_is_allowed_by_default(address):
    assert not allows([*PRIVATE], address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "169.254.169.254", "169.254.7.7", "224.0.0.1", "::ffff:0:0", "240.0.0.1"),
        *("::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "100.100.100.200", "168.63.129.16"),
    ],
)
def test_a_network_of_everything_does_not_mean_what_is_special(address):
    assert not allows(["0.0.0.0/0", "::/0"], address)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("0.0.0.0/0", "8.8.8.8"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("::1", "::1"),
        ("169.254.0.0/16", "169.254.7.7"),
        ("169.254.169.254", "169.254.169.254"),
        ("192.168.1.20", "192.168.1.20"),
    ],
)
def test_what_is_named_is_allowed(network, address):
    assert allows([network], address)


def test_link_local_as_a_whole_does_not_name_the_metadata_service():
    assert not allows(["169.254.0.0/16"], "169.254.169.254")


@pytest.mark.parametrize("name", ["", "10.0.0.0/33", "home", "10.0.0.1/8"])
def test_an_invalid_network_is_reported(name):
    with pytest.raises(ValueError, match=r".+"):
        Networks.parse(["192.168.0.0/16", name])


def at_site(entries: str, site_id: str, address: str) -> bool:
    try:
        SiteNetworks.parse(entries.split(",")).of(site_id).check(address)
    except Forbidden:
        return False
    return True


SHARED_AND_OWN = "10.0.0.0/8, north=10.1.0.0/16,north=192.168.7.4,south=10.1.9.0/24"


@pytest.mark.parametrize(
    ("site_id", "address", "allowed"),
    [
        ("north", "10.1.2.3", True),
        ("north", "192.168.7.4", True),
        ("north", "10.2.0.1", True),
        ("south", "10.1.2.3", False),
        ("south", "::ffff:10.1.2.3", False),
        ("south", "192.168.7.4", False),
        ("south", "10.2.0.1", True),
        ("other", "10.1.9.1", False),
        ("other", "10.2.0.1", True),
        ("north", "10.1.9.1", True),
        ("south", "10.1.9.1", True),
        ("north", "172.16.0.1", False),
    ],
)
def test_a_sites_network_is_for_that_site_only(site_id, address, allowed):
    assert at_site(SHARED_AND_OWN, site_id, address) is allowed


def test_a_sites_network_does_not_mean_what_is_special():
    assert not at_site("north=0.0.0.0/0", "north", "127.0.0.1")
    assert at_site("north=0.0.0.0/0", "north", "8.8.8.8")
    assert not at_site("0.0.0.0/0,north=0.0.0.0/0", "south", "8.8.8.8")


def test_entries_without_a_site_mean_what_they_always_did():
    for address in ("10.1.2.3", "8.8.8.8", "127.0.0.1", "fd00:ec2::254"):
        assert at_site(",".join(PRIVATE), "north", address) is allows([*PRIVATE], address)


def test_the_operators_commands_reach_the_networks_of_all_sites():
    SiteNetworks.parse(SHARED_AND_OWN.split(",")).of_all().check("10.1.9.1")


@pytest.mark.parametrize("name", ["=10.0.0.0/8", "North=10.0.0.0/8", "a/b=10.0.0.0/8", "north="])
def test_an_invalid_site_or_network_is_reported(name):
    with pytest.raises(ValueError, match=r".+"):
        SiteNetworks.parse(["192.168.0.0/16", name])
