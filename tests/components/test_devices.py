"""Devices: their passwords, what they are told, and the commands about them."""

import json
import os
from pathlib import Path

import pytest

from parking.__main__ import main
from parking.devices import Address, Devices, as_text, configuration
from parking.errors import Invalid
from parking.secret_files import PasswordFile


def test_a_device_is_added_rotated_and_revoked(tmp_path: Path) -> None:
    users = PasswordFile(tmp_path / "passwords")
    users.set("bridge", "is no device")
    devices = Devices(users.path)
    first = devices.add("demo/cam")
    before = users.path.read_text("utf-8")
    assert devices.names() == ["demo/cam"]
    assert devices.names("other") == []
    assert first not in before
    assert devices.rotate("demo/cam") != first
    assert users.path.read_text("utf-8") != before
    devices.revoke("demo/cam")
    assert devices.names() == []
    assert users.users() == ["bridge"]


@pytest.mark.parametrize(
    "name", ["", "cam", "demo/", "Demo/cam", "demo/#", "+/cam", "a/b/c", "../x"]
)
def test_no_other_name_is_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="bad-device"):
        Devices(tmp_path / "passwords").add(name)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "passwords")
    for change in (devices.rotate, devices.revoke):
        with pytest.raises(Invalid, match="no-device"):
            change("demo/cam")
    devices.add("demo/cam")
    with pytest.raises(Invalid, match="device-exists"):
        devices.add("demo/cam")


def test_the_brokers_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    Devices(path).add("demo/one")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    Devices(path).add("demo/two")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtts://broker.example", Address("broker.example", 8883)),
        ("mqtts://broker.example:9999", Address("broker.example", 9999)),
        ("mqtt://127.0.0.1", Address("127.0.0.1", 1883, tls=False)),
        ("mqtt://[::1]:1", Address("::1", 1, tls=False)),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert Address.of(url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mqtt://broker.example", "plain-text"),
        ("broker.example", "bad-address"),
        ("http://broker.example", "bad-address"),
        ("mqtts://user:pw@broker.example", "bad-address"),
        ("mqtts://broker.example:x", "bad-address"),
        ("mqtts://broker.example/path", "bad-address"),
    ],
)
def test_bad_addresses_are_told(url: str, reason: str) -> None:
    with pytest.raises(Invalid) as told:
        Address.of(url)
    assert told.value.reason == reason
    assert "pw" not in reason


def test_the_configuration_holds_the_authority_where_there_is_one(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----", "ascii")
    told = configuration("demo/cam", "pw", Address.of("mqtts://b", authority))
    assert json.loads(as_text(told)) == {
        "device_id": "demo/cam",
        "password": "pw",
        "host": "b",
        "port": 8883,
        "tls": True,
        "ca": "-----BEGIN CERTIFICATE-----",
    }


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEVICES_FILE", str(tmp_path / "passwords"))
    monkeypatch.setenv("DEVICE_MQTT_URL", "mqtts://broker.example")
    return tmp_path


def test_the_commands(broker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["devices", "add", "demo/cam", "--qr"])
    shown = capsys.readouterr().out
    told = json.loads(shown.splitlines()[0])
    assert told["device_id"] == "demo/cam"
    assert "\u2588" in shown or "\u2580" in shown  # the code's dark squares
    main(["devices", "rotate", "demo/cam", "--config", str(broker / "cam.json")])
    written = json.loads((broker / "cam.json").read_text("utf-8"))
    assert written["password"] != told["password"]
    assert written["password"] not in capsys.readouterr().out
    assert (broker / "cam.json").stat().st_mode & 0o777 == 0o600
    main(["devices", "list"])
    assert capsys.readouterr().out == "demo/cam\n"
    main(["devices", "revoke", "demo/cam"])
    assert Devices(broker / "passwords").names() == []


def test_a_configuration_that_cannot_be_written_is_shown(
    broker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (broker / "file").touch()
    main(["devices", "add", "demo/cam", "--config", str(broker / "file" / "cam.json")])
    shown = capsys.readouterr().out
    assert "cannot be written" in shown
    assert json.loads(shown.splitlines()[1])["device_id"] == "demo/cam"


def test_without_an_address_nothing_is_added(broker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEVICE_MQTT_URL")
    with pytest.raises(SystemExit, match="DEVICE_MQTT_URL"):
        main(["devices", "add", "demo/cam"])
    assert not os.path.exists(broker / "passwords")
