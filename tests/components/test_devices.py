"""Devices: their passwords, their configurations, and the commands that manage them."""

import contextlib
import errno
import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parking.access.devices import Address, Devices, Secrets, as_text, configuration
from parking.access.keys import KeyFile
from parking.access.secret_files import PasswordFile, write_private
from parking.core.errors import Invalid
from tools.cli.__main__ import main


def test_a_device_is_added_rotated_and_revoked(tmp_path: Path) -> None:
    users = PasswordFile(tmp_path / "passwords")
    users.set("bridge", "is no device")
    devices = Devices(users.path)
    first = devices.add("demo/cam")
    before = users.path.read_text("utf-8")
    assert devices.names() == ["demo/cam"]
    assert devices.names("other") == []
    assert first.password not in before
    assert first.api_key == ""
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


def test_missing_and_duplicate_devices_are_rejected(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "passwords")
    for change in (devices.rotate, devices.revoke):
        with pytest.raises(Invalid, match="no-device"):
            change("demo/cam")
    devices.add("demo/cam")
    with pytest.raises(Invalid, match="device-exists"):
        devices.add("demo/cam")


def test_concurrent_creation_of_a_device_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, names = threading.Barrier(2), Devices.names

    def slowly(self: Devices, site_id: str | None = None) -> list[str]:
        found = names(self, site_id)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # until the other one has looked, too
        return found

    def add(_: int) -> Secrets | Invalid:
        try:
            return Devices(tmp_path / "passwords").add("demo/cam")
        except Invalid as error:
            return error

    monkeypatch.setattr(Devices, "names", slowly)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(add, range(2), timeout=10))
    (refusal,) = (one for one in results if isinstance(one, Invalid))
    assert refusal.reason == "device-exists"


def test_only_a_device_is_revoked(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    operator = keys.add("ops", "write")
    with pytest.raises(Invalid, match="no-device"):
        Devices(tmp_path / "passwords", keys).revoke("ops")
    assert keys.check(operator, "write")


def test_a_key_in_use_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    in_the_field = keys.add("demo/cam", "frames")
    devices = Devices(tmp_path / "passwords", keys)
    with pytest.raises(Invalid, match="already has an API key"):
        devices.add("demo/cam", http=True)
    assert devices.names() == []
    assert keys.check(in_the_field, "frames")


def test_a_key_for_http_is_issued_renewed_and_taken_back_with_its_device(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    devices = Devices(tmp_path / "passwords", keys)
    devices.add("demo/mqtt")
    first = devices.add("demo/cam", http=True).api_key
    assert keys.check(first, "frames")
    assert (devices.posting(), devices.posting("other")) == (["demo/cam"], [])
    second = devices.rotate("demo/cam").api_key
    assert not keys.check(first, "frames")
    assert keys.check(second, "frames")
    assert devices.rotate("demo/mqtt").api_key == ""
    devices.revoke("demo/cam")
    assert not keys.check(second, "frames")
    assert keys.check(devices.rotate("demo/mqtt", http=True).api_key, "frames")
    assert (devices.names(), devices.posting()) == (["demo/mqtt"], ["demo/mqtt"])


def test_a_camera_that_only_has_a_key_is_shut_out_too(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    secret = keys.add("demo/cam", "frames")
    Devices(tmp_path / "passwords", keys).revoke("demo/cam")
    assert not keys.check(secret, "frames")
    assert not (tmp_path / "passwords").exists()


def test_without_a_file_of_keys_none_is_promised(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "passwords")
    with pytest.raises(Invalid, match="KEYS_FILE"):
        devices.add("demo/cam", http=True)
    assert devices.names() == []


def test_a_device_that_posts_gets_the_url(tmp_path: Path) -> None:
    address = Address.of("mqtts://b", post="https://ingest.example/")
    settings = configuration("demo/cam", Secrets("pw", "pk_1"), address)
    assert settings["api_key"] == "pk_1"
    assert settings["post_url"] == "https://ingest.example/ingest/v1/frames/"
    assert "post_url" not in configuration("demo/cam", Secrets("pw"), address)
    assert "post_url" not in configuration("demo/cam", Secrets("pw", "pk_1"), Address("b", 1))


@pytest.mark.parametrize(
    ("post", "reason"),
    [("http://ingest.example", "plain-text"), ("mqtts://x", "bad-address"), ("x", "bad-address")],
)
def test_bad_addresses_to_post_to_are_reported(post: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        Address.of("mqtts://b", post=post)
    assert caught.value.reason == reason


def test_a_file_without_a_final_newline_locks_nobody_out(tmp_path: Path) -> None:
    users = PasswordFile(tmp_path / "passwords")
    users.path.write_text("bridge:$7$1000$salt$hash", "utf-8")  # as an editor may leave it
    users.set("demo/cam", "one")
    first, second = users.path.read_text("utf-8").splitlines()
    assert first == "bridge:$7$1000$salt$hash"
    assert second.startswith("demo/cam:$7$")


def test_secrets_are_on_the_disk_before_they_take_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, sync = tmp_path / "passwords", [], os.fsync

    def noted(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        synced.append((is_folder, path.exists(), is_folder or os.fstat(handle).st_size))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_private(path, "secret")
    assert synced == [(False, False, 6), (True, True, True)]


def test_what_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passwords"
    write_private(path, "before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "says the test")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="says the test"):
        write_private(path, "after")
    assert [one.name for one in tmp_path.iterdir()] == ["passwords"]
    assert path.read_text("utf-8") == "before"


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
def test_bad_addresses_are_reported(url: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        Address.of(url)
    assert caught.value.reason == reason
    assert "pw" not in reason


def test_the_configuration_holds_the_authority_where_there_is_one(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----", "ascii")
    settings = configuration("demo/cam", Secrets("pw"), Address.of("mqtts://b", authority))
    assert json.loads(as_text(settings)) == {
        "device_id": "demo/cam",
        "password": "pw",
        "host": "b",
        "port": 8883,
        "tls": True,
        "ca": "-----BEGIN CERTIFICATE-----",
    }


def test_a_file_that_is_not_a_certificate_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ca.key").write_text("-----BEGIN PRIVATE KEY-----", "ascii")
    with pytest.raises(Invalid, match="no certificate"):
        Address.of("mqtts://b", tmp_path / "ca.key")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEVICES_FILE", str(tmp_path / "passwords"))
    monkeypatch.setenv("DEVICE_MQTT_URL", "mqtts://broker.example")
    return tmp_path


def test_the_commands(broker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["devices", "add", "demo/cam", "--qr"])
    shown = capsys.readouterr().out
    settings = json.loads(shown.splitlines()[0])
    assert settings["device_id"] == "demo/cam"
    assert "\u2588" in shown or "\u2580" in shown  # the code's dark squares
    main(["devices", "rotate", "demo/cam", "--config", str(broker / "cam.json")])
    written = json.loads((broker / "cam.json").read_text("utf-8"))
    assert written["password"] != settings["password"]
    assert written["password"] not in capsys.readouterr().out
    assert (broker / "cam.json").stat().st_mode & 0o777 == 0o600
    main(["devices", "list"])
    assert capsys.readouterr().out == "demo/cam  mqtt\n"
    main(["devices", "revoke", "demo/cam"])
    assert "KEYS_FILE is not set" in capsys.readouterr().out
    assert Devices(broker / "passwords").names() == []


def test_what_the_firmware_still_needs_is_said(
    broker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The firmware accepts no TLS without the authority's certificate, which does not fit into a QR
    code."""

    def reports_of(*command: str) -> str:
        main(["devices", *command])
        return capsys.readouterr().out

    for command in (["add", "demo/cam"], ["rotate", "demo/cam", "--config", str(broker / "c")]):
        assert "NO CERTIFICATE AUTHORITY" in reports_of(*command)
    (broker / "ca.pem").write_text("-----BEGIN CERTIFICATE-----", "ascii")
    monkeypatch.setenv("DEVICE_CA_FILE", str(broker / "ca.pem"))
    shown = reports_of("rotate", "demo/cam", "--qr")
    assert "NO CERTIFICATE" not in shown
    assert "The QR code has no room" in shown
    assert "The QR code" not in reports_of("rotate", "demo/cam")
    plain = ["--url", "mqtt://127.0.0.1", "--qr"]
    monkeypatch.delenv("DEVICE_CA_FILE")
    assert "certificate" not in reports_of("rotate", "demo/cam", *plain).lower()


def test_an_option_goes_before_its_setting_and_leaves_the_others(
    broker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (broker / "ca.pem").write_text("-----BEGIN CERTIFICATE-----", "ascii")
    monkeypatch.setenv("KEYS_FILE", str(broker / "keys"))
    monkeypatch.setenv("DEVICE_MQTT_URL", "mqtts://one.example")
    monkeypatch.setenv("DEVICE_HTTP_URL", "https://ingest.example")

    def reports_of(*options: str) -> dict[str, object]:
        main(["devices", "rotate", "demo/cam", "--http", *options])
        shown: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[0])
        return shown

    main(["devices", "add", "demo/cam"])
    capsys.readouterr()
    both = reports_of("--ca", str(broker / "ca.pem"), "--url", "mqtts://two.example")
    assert (both["host"], both["ca"]) == ("two.example", "-----BEGIN CERTIFICATE-----")
    assert str(both["post_url"]).startswith("https://ingest.example")
    other = reports_of("--post-url", "http://other.example", "--allow-plaintext")
    assert other["host"] == "one.example"
    assert str(other["post_url"]).startswith("http://other.example")


def test_the_commands_about_keys_for_http(
    broker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYS_FILE", str(broker / "keys"))
    keys = KeyFile(broker / "keys")

    def reports_of(*command: str) -> str:
        main(["devices", *command])
        return capsys.readouterr().out

    shown = reports_of("add", "demo/cam", "--http")
    first = json.loads(shown.splitlines()[0])["api_key"]
    assert keys.check(first, "frames")
    assert "DEVICE_HTTP_URL" in shown
    assert reports_of("list") == "demo/cam  mqtt http\n"
    monkeypatch.setenv("DEVICE_HTTP_URL", "https://ingest.example")
    second = json.loads(reports_of("rotate", "demo/cam").splitlines()[0])
    assert second["post_url"].startswith("https://ingest.example/")
    assert keys.check(second["api_key"], "frames")
    assert not keys.check(first, "frames")
    assert "KEYS_FILE" not in reports_of("revoke", "demo/cam")
    assert keys.names() == []


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
    assert not (broker / "passwords").exists()
