"""MQTT brokers and clients for tests: aedes as the stack runs it, mosquitto as deploy/ has it."""

import os
import queue
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from parking.stack.checks import HOST, free_ports
from parking.stack.infra import Infra
from parking.stack.secret_files import PasswordFile
from parking.stack.settings import ROOT, Paths

LIMIT_S = 10.0
QUIET_S = 0.5  # long enough for what is on its way on this machine


@dataclass
class Broker:
    """A running broker."""

    port: int
    users: PasswordFile
    pid: int
    reads_by_itself: bool  # else SIGHUP tells it that the password file changed

    def add(self, user: str) -> None:
        self.users.set(user, f"password of {user}")
        self._tell()

    def remove(self, user: str) -> None:
        self.users.remove(user)
        self._tell()

    def _tell(self) -> None:
        if not self.reads_by_itself:
            os.kill(self.pid, signal.SIGHUP)
            time.sleep(0.2)  # mosquitto does not say when it has read the file


class Client:
    """A paho client whose messages can be waited for. `with` it, or `drop` it without goodbye."""

    def __init__(self, broker: Broker, user: str, **options: Any) -> None:
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue(maxsize=1000)
        self._connected: queue.Queue[ReasonCode] = queue.Queue(maxsize=10)
        self._subscribed: queue.Queue[int] = queue.Queue(maxsize=10)
        self._broker = broker
        will: tuple[str, bytes] | None = options.pop("will", None)
        password = options.pop("password", f"password of {user}")
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, **options)
        self.client.username_pw_set(user, password)
        if will is not None:
            self.client.will_set(will[0], will[1], qos=1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = lambda _c, _u, message: self.messages.put_nowait(message)

    def __enter__(self) -> "Client":
        code = self.connect()
        assert not code.is_failure, str(code)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def connect(self) -> ReasonCode:
        self.client.connect(HOST, self._broker.port, keepalive=30)
        self.client.loop_start()
        return self._connected.get(timeout=LIMIT_S)

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
        """Publish what the broker may refuse: some ignore it, some end the connection."""
        self.client.publish(topic, payload, qos=1)
        time.sleep(QUIET_S)

    def next(self, limit_s: float = LIMIT_S) -> mqtt.MQTTMessage:
        return self.messages.get(timeout=limit_s)

    def quiet(self) -> bool:
        """Nothing more arrives."""
        try:
            self.messages.get(timeout=QUIET_S)
        except queue.Empty:
            return True
        return False

    def _on_connect(
        self, _c: Any, _u: Any, _f: Any, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._connected.put_nowait(code)
        if code.is_failure:
            self.client.disconnect()  # paho would try again for ever

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        self._subscribed.put_nowait(mid)


@contextmanager
def aedes(folder: Path) -> Iterator[Broker]:
    paths = Paths(folder, ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("mqtt",)) as infra:
        users = PasswordFile(paths.secrets / "mqtt_passwords")
        yield Broker(infra.mqtt_port, users, infra.pid("mqtt"), reads_by_itself=True)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """The production configuration with another listener; needs mosquitto on PATH."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    [port] = free_ports(1)
    users = PasswordFile(folder / "passwords")
    users.set("bridge", "password of bridge")
    deploy = ROOT / "deploy" / "mosquitto"
    acl = folder / "acl"
    acl.write_text((deploy / "acl").read_text("utf-8"), "utf-8")
    acl.chmod(0o600)
    lines = [
        f"listener {port} {HOST}",
        f"password_file {users.path}",
        f"acl_file {acl}",
        f"persistence_location {folder}/",
        f"include_dir {deploy / 'conf.d'}",
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=log)
    try:
        _await_port(port, folder / "log")
        yield Broker(port, users, process.pid, reads_by_itself=False)
    finally:
        process.terminate()
        process.wait(LIMIT_S)


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
