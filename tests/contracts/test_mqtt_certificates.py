"""Devices with certificates: deploy/mosquitto/x509.conf.example is used unchanged on this
machine."""

import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from parking.core.topics import mqtt_topic
from tests.support.brokers import LIMIT_S, MOSQUITTO, until
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

OPENSSL = shutil.which("openssl")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not (MOSQUITTO and OPENSSL), reason="needs mosquitto, openssl"),
]
AUTHORITY = """
[ca]
default_ca = own
[own]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/devices-ca.crt
private_key = {folder}/devices-ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
[any]
commonName = supplied
"""


class Authority:
    """Creates certificates in its folder, and revokes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "index").touch()
        (folder / "serial").write_text("01")
        (folder / "ca.conf").write_text(AUTHORITY.format(folder=folder))
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
        self.openssl(f"req -x509 {key} -subj /CN=authority", "devices-ca")
        self.certificate("localhost", "server")
        self.list_revoked()

    def certificate(self, name: str, file: str) -> None:
        """Create a certificate for the common name `name`."""
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        subject = name.replace("/", "\\/")
        self.openssl(f"req -new {key} -subj /CN={subject}", file, ".csr")
        self._run(
            ["ca", "-batch", "-config", "ca.conf", "-in", f"{file}.csr", "-out", f"{file}.crt"]
        )

    def revoke(self, file: str) -> None:
        self._run(["ca", "-config", "ca.conf", "-revoke", f"{file}.crt"])
        self.list_revoked()

    def list_revoked(self) -> None:
        self._run(["ca", "-config", "ca.conf", "-gencrl", "-out", "devices.crl"])

    def openssl(self, command: str, file: str, ending: str = ".crt") -> None:
        self._run([*command.split(" "), "-keyout", f"{file}.key", "-out", f"{file}{ending}"])

    def _run(self, command: list[str]) -> None:
        program = [str(OPENSSL), *command]
        subprocess.run(program, cwd=self.folder, check=True, capture_output=True)


class Broker:
    """Mosquitto with the example's listener."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.folder = folder
        self.port = free_ports(1)[0]
        text = (ROOT / "deploy" / "mosquitto" / "x509.conf.example").read_text("utf-8")
        for theirs, ours in {
            "listener 8885": f"per_listener_settings true\nlistener {self.port} {HOST}",
            "/etc/mosquitto/certs": str(folder),
            "/etc/mosquitto/acl": str(folder / "acl"),
        }.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
        (folder / "mosquitto.conf").write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        shutil.copy(ROOT / "deploy" / "mosquitto" / "acl", folder / "acl")
        (folder / "acl").chmod(0o600)
        assert MOSQUITTO is not None
        self.log = (folder / "log").open("w")
        command = [MOSQUITTO, "-v", "-c", str(folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log)

    def reports_of(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    def connects(self, file: str | None, publish: str = "") -> bool:
        """Return whether a device with that certificate can connect (and publish its message, if
        any)."""
        context = ssl.create_default_context(cafile=str(self.folder / "devices-ca.crt"))
        if file:
            context.load_cert_chain(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "any", protocol=mqtt.MQTTv5)
        client.tls_set_context(context)
        client.tls_insecure_set(True)  # its authority identifies it; its name does not matter here
        codes: list[object] = []
        client.on_connect = lambda *given: codes.append(given[3].is_failure)
        client.on_publish = lambda *given: codes.append(given[3].is_failure)
        try:
            client.connect(HOST, self.port, keepalive=15)
            client.loop_start()
            expected = 1
            if publish and until(lambda: len(codes) == 1, 5):
                client.publish(publish, b"x", qos=1)
                expected = 2
            return until(lambda: len(codes) == expected, 3) and not any(codes)
        except (ssl.SSLError, OSError):
            return False
        finally:
            client.disconnect()
            client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    try:
        assert until(lambda: "running" in running.reports_of()), running.reports_of()
        yield running
    finally:
        running.process.terminate()
        running.process.wait(LIMIT_S)
        running.log.close()


def test_a_certificate_names_the_device_and_can_be_taken_back(
    broker: Broker, unique: Callable[[str], str]
) -> None:
    site = unique("site")
    broker.authority.certificate(f"{site}/cam", "cam")
    broker.authority.certificate(f"{site}/other", "other")
    assert broker.connects("cam", mqtt_topic(f"{site}/cam", "status"))
    assert not broker.connects("cam", mqtt_topic(f"{site}/other", "status"))
    assert not broker.connects(None)
    broker.authority.revoke("cam")
    broker.process.send_signal(signal.SIGHUP)
    assert until(lambda: not broker.connects("cam"))
    assert broker.connects("other")
