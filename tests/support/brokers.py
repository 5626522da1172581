"""MQTT brokers and clients for tests: aedes as the stack runs it, and mosquitto as deploy/
configures it."""

import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from parking.access.secret_files import PasswordFile
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

LIMIT_S = 10.0
QUIET_S = 0.5  # long enough for what is on its way on this machine

MOSQUITTO = shutil.which(
    "mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
)
NEEDS_MOSQUITTO = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@dataclass
class Broker:
    """A running broker. `kill` (-9) ends it and `back` starts it again. `store` is the file in
    which its sessions survive, if there is one, and `log` is its output (mosquitto)."""

    port: int
    users: PasswordFile
    pid: int
    reads_by_itself: bool  # otherwise SIGHUP makes it read the changed password file
    bridge_port: int = 0  # where the bridge has a listener of its own
    kill: Callable[[], None] = lambda: None
    back: Callable[[], None] = lambda: None
    store: Path | None = None
    log: Path | None = None
    shown: Path | None = None  # the output of the embedded one

    def add(self, user: str) -> None:
        if not (user == "bridge" and self.bridge_port):  # that listener's file holds it
            self.users.set(user, f"password of {user}")
        self.reread()

    def port_of(self, user: str) -> int:
        return self.bridge_port if user == "bridge" and self.bridge_port else self.port

    def remove(self, user: str) -> None:
        self.users.remove(user)
        self.reread()

    def rotate(self, user: str) -> None:
        self.users.set(user, "another password")
        self.reread()

    def reread(self) -> None:
        """Make it read its files again."""
        if not self.reads_by_itself:
            os.kill(self.pid, signal.SIGHUP)
            time.sleep(0.2)  # mosquitto does not say when it has read the file


class Client:
    """A paho client whose messages can be waited for. Use it in a `with`, or `drop` it without a
    goodbye."""

    def __init__(self, broker: Broker, user: str, **options: Any) -> None:
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue(maxsize=1000)
        self._connected: queue.Queue[ReasonCode] = queue.Queue(maxsize=10)
        self._subscribed: queue.Queue[int] = queue.Queue(maxsize=10)
        self._port = broker.port_of(user)
        self.lost = False  # the broker ended a connection
        will: tuple[str, bytes] | None = options.pop("will", None)
        password = options.pop("password", f"password of {user}")
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, **options)
        self.client.username_pw_set(user, password)
        if will is not None:
            self.client.will_set(will[0], will[1], qos=1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = lambda _c, _u, message: self.messages.put_nowait(message)

    def __enter__(self) -> "Client":
        code = self.connect()
        assert not code.is_failure, str(code)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def connect(self) -> ReasonCode:
        self.client.connect(HOST, self._port, keepalive=30)
        self.client.loop_start()
        return self._connected.get(timeout=LIMIT_S)

    def visit(self) -> None:
        """Connect if the broker allows it, stay as long as messages may be on their way, and
        leave."""
        self.connect()
        time.sleep(QUIET_S)
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self) -> None:
        """Lose the connection without MQTT's goodbye, as a device without power does."""
        connection = self.client.socket()
        self.client.loop_stop()
        if isinstance(connection, socket.socket):
            connection.close()

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        self._subscribed.get(timeout=LIMIT_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(LIMIT_S)

    def try_publish(self, topic: str, payload: bytes) -> None:
        """Publish something that the broker may refuse. Some brokers ignore it, and some end the
        connection."""
        self.client.publish(topic, payload, qos=1)
        time.sleep(QUIET_S)

    def next(self, limit_s: float = LIMIT_S) -> mqtt.MQTTMessage:
        return self.messages.get(timeout=limit_s)

    def rest(self) -> list[mqtt.MQTTMessage]:
        """Return all messages until none arrives any more."""
        messages = []
        with suppress(queue.Empty):
            while True:
                messages.append(self.messages.get(timeout=QUIET_S))
        return messages

    def quiet(self) -> bool:
        """Return whether nothing more arrives."""
        return not self.rest()

    def _on_connect(
        self, _c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._connected.put_nowait(code)
        if code.is_failure:
            self.client.disconnect()  # paho would try again for ever

    def _on_disconnect(
        self, _c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Properties | None
    ) -> None:
        self.lost = self.lost or code.is_failure

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        self._subscribed.put_nowait(mid)


@contextmanager
def aedes(folder: Path) -> Iterator[Broker]:
    paths = Paths(folder, ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("mqtt",)) as infra:
        users = PasswordFile(paths.secrets / "mqtt_passwords")
        log = paths.logs / "mqtt.log"
        broker = Broker(infra.mqtt_port, users, infra.pid("mqtt"), reads_by_itself=True)
        broker.shown = log

        def kill() -> None:
            infra.kill("mqtt", signal.SIGKILL)
            infra.stop("mqtt")  # else its supervisor would start it again, later and later

        def back() -> None:
            infra.start("mqtt")
            broker.pid = infra.pid("mqtt")

        broker.kill, broker.back = kill, back
        yield broker


@contextmanager
def mosquitto(folder: Path, *, acl: bool = True) -> Iterator[Broker]:
    """Run the production configuration on free ports, without TLS. This needs mosquitto on PATH."""
    assert MOSQUITTO is not None
    port, bridge_port = free_ports(2)
    users, bridge = PasswordFile(folder / "passwords"), PasswordFile(folder / "bridge_passwords")
    users.set("nobody/yet", "password")
    bridge.set("bridge", "password of bridge")
    deploy = ROOT / "deploy" / "mosquitto"
    shutil.copy(deploy / "acl", folder)
    (folder / "acl").chmod(0o600)
    shutil.copytree(deploy / "conf.d", folder / "conf.d")
    text = (deploy / "mosquitto.conf").read_text("utf-8")
    left_out = "certfile|keyfile|tls_version" if acl else "certfile|keyfile|tls_version|acl_file"
    text = re.sub(rf"^({left_out}) .*\n", "", text, flags=re.MULTILINE)
    for theirs, ours in {
        "listener 8883": f"listener {port} {HOST}",
        "listener 8884": f"listener {bridge_port} {HOST}",
        "/etc/mosquitto": str(folder),
        "/var/lib/mosquitto": str(folder),
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    if os.geteuid() == 0:
        text += "user root\n"
    (folder / "mosquitto.conf").write_text(text, "utf-8")
    command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
    store = folder / "mosquitto.db"
    broker = Broker(port, users, 0, False, bridge_port, store=store, log=folder / "log")
    with (folder / "log").open("w") as log, ExitStack() as running:

        def back() -> None:
            process = running.enter_context(_process(command, log))
            _await_port(port, folder / "log")
            broker.pid, broker.kill = process.pid, partial(_kill, process)

        back()
        broker.back = back
        yield broker


@contextmanager
def _process(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(LIMIT_S)


def until(holds: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    """Return whether the condition held within the limit."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text("utf-8"))


EACH: Final = (
    pytest.param(aedes, id="aedes"),
    pytest.param(mosquitto, marks=NEEDS_MOSQUITTO, id="mosquitto"),
)
"""Parameters of a fixture for tests that run with both."""
