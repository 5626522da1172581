"""Where a connection may go: allowed addresses, and forbidden ones that look allowed."""

import pytest

from services.ingest.pull.networks import PRIVATE, Forbidden, Networks


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
