"""The address of `make run LAN=1`: which addresses are refused, and with which words."""

import pytest

from parking.core.errors import SettingsError
from tools.stack.network import local_name, refusal
from tools.stack.settings import StackSettings

OWN = {"192.168.1.20": "eth0", "10.1.2.3": "wlan0"}


@pytest.mark.parametrize("address", ["192.168.1.20", "10.1.2.3", "127.0.0.2"])
def test_an_address_of_a_local_network_is_accepted(address: str):
    assert refusal(address, OWN) == ""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0.0.0.0", "every network"),  # noqa: S104 -- refused
        ("127.0.0.1", "this machine only"),
        ("8.8.8.8", "on the internet"),
        ("192.168.1.21", "not an address of this machine; its addresses: 10.1.2.3, 192.168.1.20"),
        ("::1", "IPv6"),
        ("lot.example", "is not an IPv4 address"),
    ],
)
def test_an_unsafe_address_is_refused_in_words(address: str, words: str):
    assert words in refusal(address, {**OWN, "8.8.8.8": "eth1"})


def test_the_stack_does_not_start_there():
    with pytest.raises(SettingsError, match=r"HOST=0\.0\.0\.0 would open the stack"):
        StackSettings.from_env({"LAN_HOST": "0.0.0.0"})  # noqa: S104 -- refused


def test_without_the_setting_nothing_is_open():
    assert StackSettings.from_env({}).lan is None
    assert StackSettings.from_env({"LAN": "0"}).lan is None


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("Gatehouse", "gatehouse.local"),
        ("gate.example.org", "gate.local"),
        ("under_score", ""),
        ("localhost", ""),
        ("", ""),
    ],
)
def test_the_machines_name_on_the_network(hostname: str, name: str):
    assert local_name(hostname) == name
