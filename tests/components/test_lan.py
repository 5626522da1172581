"""`make run LAN=1` without servers: the certificates, the environment and the printed lines."""

import datetime as dt
import io
import ssl
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from parking.core.errors import SettingsError
from parking.runtime.settings import Reader
from parking.runtime.tls import TlsListener, without_metrics
from tools.stack import mqtt, services
from tools.stack.certificates import RENEW_DAYS, SERVER_DAYS, Certificates
from tools.stack.console import Console
from tools.stack.lan import open_to_lan, qr_code, show_lan
from tools.stack.network import Lan, remember, remembered
from tools.stack.settings import PORTS, SERVICES, Paths, StackSettings

LAN = Lan("127.0.0.2", "gatehouse.local", ("10.1.2.3",))
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def settings(tmp_path: Path, lan: Lan | None = LAN) -> StackSettings:
    return StackSettings(Paths(tmp_path, tmp_path), PORTS, SERVICES, lan=lan)


def test_a_certificate_stays_until_the_address_changes_or_it_expires_soon(tmp_path: Path):
    files = Certificates(tmp_path)
    assert files.prepare(LAN.names, NOW)
    authority, first = files.authority.read_bytes(), files.fingerprint()
    assert not files.prepare(LAN.names, NOW)
    assert not files.prepare(LAN.names, NOW + dt.timedelta(SERVER_DAYS - RENEW_DAYS - 2))
    assert files.fingerprint() == first
    assert files.prepare(LAN.names, NOW + dt.timedelta(SERVER_DAYS - RENEW_DAYS))
    assert files.prepare(("10.1.2.3",), NOW)
    assert files.fingerprint() != first
    assert files.authority.read_bytes() == authority  # devices that know it need nothing new


def test_a_certificate_of_another_authority_is_replaced(tmp_path: Path):
    Certificates(tmp_path / "a").prepare(LAN.names)
    Certificates(tmp_path / "b").prepare(LAN.names)
    (tmp_path / "b" / "ca.pem").replace(tmp_path / "a" / "ca.pem")
    (tmp_path / "b" / "ca.key").replace(tmp_path / "a" / "ca.key")
    assert Certificates(tmp_path / "a").prepare(LAN.names)


def test_private_keys_are_the_owners_only(tmp_path: Path):
    Certificates(tmp_path / "lan").prepare(LAN.names)
    assert (tmp_path / "lan").stat().st_mode & 0o777 == 0o700
    for name in ("ca.key", "server.key"):
        assert (tmp_path / "lan" / name).stat().st_mode & 0o777 == 0o600


def test_the_doors_have_tls_and_keys_and_nothing_else_changes(tmp_path: Path):
    given = settings(tmp_path)
    mqtt.certificates(given.paths).prepare(LAN.names)
    for service in SERVICES:
        env = services.env_for(service, given)
        plain = services.env_for(service, settings(tmp_path, None))
        added = {name: value for name, value in env.items() if plain.get(name) != value}
        assert env["HTTP_HOST"] == "127.0.0.1"
        assert {"notifier": "8443", "ingest": "8444"}.get(service) == added.get("HTTPS_PORT")
        assert (added.get("SIGN_IN") == "required") == (service == "notifier")
        if service not in ("notifier", "ingest"):
            assert not added
    tool = services.env_for("tool", given)
    assert tool["DEVICE_MQTT_URL"] == "mqtts://127.0.0.2:8883"
    assert tool["DEVICE_HTTP_URL"] == "https://127.0.0.2:8444"
    assert "CERTIFICATE" in Path(tool["DEVICE_CA_FILE"]).read_text("utf-8")


def test_other_terminals_know_the_running_stacks_address(tmp_path: Path):
    file = tmp_path / "run" / "lan"
    assert remembered(file) is None
    remember(file, LAN)
    assert remembered(file) == Lan(LAN.address, LAN.name)
    remember(file, None)
    assert remembered(file) is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_address_as_a_code_and_a_log_does_not(tmp_path: Path):
    given, console = settings(tmp_path), Console(tmp_path / "logs")
    open_to_lan(given, console)
    terminal, log = Terminal(), io.StringIO()
    show_lan(given, console, terminal)
    show_lan(given, console, log)
    console.close()
    assert qr_code("https://127.0.0.2:8443/") in terminal.getvalue()
    assert "\x1b" not in log.getvalue()
    said = (tmp_path / "logs" / "stack.log").read_text("utf-8")
    for words in (
        "https://127.0.0.2:8443",
        "mqtts://127.0.0.2:8883",
        "gatehouse.local",
        "10.1.2.3",
    ):
        assert words in said


def test_the_network_needs_a_sign_in():
    environ = {"LAN_HOST": "127.0.0.2"}
    assert StackSettings.from_env(environ).sign_in == "required"
    with pytest.raises(SettingsError, match="SIGN_IN=off would show everything"):
        StackSettings.from_env(environ | {"SIGN_IN": "off"})


def read_tls(environ: dict[str, str]) -> TlsListener | None:
    env = Reader(environ)
    listener = TlsListener.read(env)
    env.done()
    return listener


def test_https_needs_its_certificate(tmp_path: Path):
    files = Certificates(tmp_path)
    files.prepare(LAN.names)
    whole = {
        "HTTPS_HOST": "127.0.0.2",
        "HTTPS_CERT_FILE": str(files.chain),
        "HTTPS_KEY_FILE": str(files.key),
    }
    assert read_tls({}) is None
    assert read_tls(whole) == TlsListener("127.0.0.2", 8443, files.chain, files.key)
    for name in whole:
        with pytest.raises(SettingsError, match=f"{name} missing"):
            read_tls({one: value for one, value in whole.items() if one != name})
    with pytest.raises(SettingsError, match="cannot be used"):
        read_tls({**whole, "HTTPS_KEY_FILE": str(files.authority)})


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics\n"])
async def test_the_network_sees_no_metrics(path: str):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("numbers")(scope, receive, send)

    transport = httpx.ASGITransport(without_metrics(app))
    async with httpx.AsyncClient(transport=transport, base_url="https://lot") as client:
        answer = await client.get(quote(path))
        other = await client.get("/readyz")
    assert (answer.status_code, other.text) == (404, "numbers")


def test_a_client_that_trusts_the_authority_accepts_the_server(tmp_path: Path):
    files = Certificates(tmp_path)
    files.prepare(LAN.names)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.chain, files.key)
    client = ssl.create_default_context(cafile=str(files.authority))
    for name in LAN.names:
        handshake(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server, "10.1.2.3")


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=name)
    theirs = server.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
