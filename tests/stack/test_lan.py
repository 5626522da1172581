"""`make run HOST=127.0.0.2`, which stands for an address on the local network, and what it
opens."""

import json
import shutil
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from parking.access.keys import KeyFile
from tests.support.running import LIMIT_S, Running, own_env
from tests.support.waiting import listens, wait_until
from tools.stack.checks import HOST
from tools.stack.settings import LAN_PORTS, PORTS, ROOT, port_setting

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="needs the whole of 127.0.0.0/8"),
]
OUTSIDE = "127.0.0.2"


def connects(port: int, user: str, password: str, ca: Path) -> bool:
    """Return whether a device can log in over MQTT with TLS."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.tls_set(str(ca))
    client.username_pw_set(user, password)
    codes: list[bool] = []
    client.on_connect = lambda _, __, ___, code, ____: codes.append(not code.is_failure)
    client.connect(OUTSIDE, port)
    client.loop_start()
    try:
        wait_until(lambda: bool(codes), LIMIT_S, "the broker's answer")
    finally:
        client.disconnect()
        client.loop_stop()
    return codes[0]


def test_three_doors_are_open_with_tls_and_keys_and_nothing_else(tmp_path: Path):
    env = own_env(tmp_path / "state") | {
        "LAN_HOST": OUTSIDE,
        "SERVICES": "ingest,notifier",
        "DEMO": "off",
    }
    ports = {name: int(env[port_setting(name)]) for name in PORTS}
    running = Running(env, tmp_path / "run.log")
    try:
        wait_until(partial(running.said, "everything is running"), LIMIT_S, "everything is running")
        wait_until(partial(running.said, "Your API key, shown only once"), LIMIT_S, "the key")
        assert {name for name, port in ports.items() if listens(port, OUTSIDE)} == set(LAN_PORTS)
        ca = tmp_path / "state" / "secrets" / "lan" / "ca.pem"
        trusting = ssl.create_default_context(cafile=str(ca))
        keys = KeyFile(tmp_path / "state" / "secrets" / "api_keys")
        page, intake = (f"https://{OUTSIDE}:{ports[name]}" for name in ("page", "intake"))
        with httpx.Client(verify=trusting) as client:
            read_the_page(client, page, keys.add("visitor", "read"))
            post_a_picture(client, intake, keys.renew("demo/north"))
        log_in(env, ports["mqtts"], tmp_path)
        assert running.interrupt() == 0
    finally:
        if running.process.poll() is None:
            running.interrupt()


def read_the_page(client: httpx.Client, page: str, key: str) -> None:
    assert "<title>" in client.get(page).text
    assert client.get(f"{page}/readyz").status_code == 200
    assert client.get(f"{page}/api/sites").status_code == 401
    with_key = {"Authorization": f"Bearer {key}"}
    assert client.get(f"{page}/api/sites", headers=with_key).status_code == 200
    assert client.get(f"{page}/metrics", headers=with_key).status_code == 404
    assert client.get(page, headers={"Host": "evil.example"}).status_code == 421


def post_a_picture(client: httpx.Client, intake: str, key: str) -> None:
    url = f"{intake}/ingest/v1/frames/demo/north"
    jpeg = (ROOT / "demo" / "north" / "000.jpg").read_bytes()
    headers = {"Content-Type": "image/jpeg"}
    assert client.post(url, content=jpeg, headers=headers).status_code == 401
    headers["Authorization"] = f"Bearer {key}"
    assert client.post(url, content=jpeg, headers=headers).status_code == 202
    assert client.get(f"{intake}/metrics").status_code == 404


def log_in(env: dict[str, str], port: int, folder: Path) -> None:
    """Add a device from another terminal, which gives it the address and the authority with its
    password, and let it log in."""
    other = {name: value for name, value in env.items() if name != "LAN_HOST"}
    shell = f'eval "$("{sys.executable}" -m tools.stack env)"; exec "$@"'
    config = folder / "device.json"
    add = [sys.executable, "-m", "tools.cli", "devices", "add", "demo/gate"]
    add += ["--config", str(config)]
    subprocess.run(
        [str(shutil.which("bash")), "-c", shell, "-", *add], env=other, cwd=ROOT, check=True
    )
    device = json.loads(config.read_text("utf-8"))
    assert (device["host"], device["port"], device["tls"]) == (OUTSIDE, port, True)
    ca = folder / "device-ca.pem"
    ca.write_text(device["ca"], "ascii")
    assert connects(port, "demo/gate", device["password"], ca)
    assert not connects(port, "demo/gate", "wrong", ca)
    assert not listens(port, HOST)
