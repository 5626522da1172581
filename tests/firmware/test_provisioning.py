"""A board without a configuration is given one, by the portal and by the serial line; what was said
is what docs/firmware.md shows."""

import json
import subprocess
import time
from pathlib import Path

import httpx

from parking.stack.checks import HOST, free_ports
from parking.stack.settings import ROOT
from tests.firmware.running import HEAP, MICROPYTHON

FILE = {"device_id": "demo/gate-1", "host": "broker.example", "password": "secret", "tls": False}
LIMIT_S = 15


def board(folder: Path, **world: object) -> subprocess.Popen[str]:
    told = {"config": None, "world": {"state": str(folder), **world}}
    (folder / "board.json").write_text(json.dumps(told), "utf-8")
    return subprocess.Popen(
        [MICROPYTHON, "-X", HEAP, ROOT / "firmware/sim/run.py", folder / "board.json"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kept(folder: Path) -> dict[str, object] | None:
    told = json.loads((folder / "board.json").read_text("utf-8"))
    config: dict[str, object] | None = told["config"]
    return config


def test_the_portal_asks_refuses_and_saves(tmp_path: Path):
    [port] = free_ports(1)
    process = board(tmp_path, portal_port=port)
    url = f"http://{HOST}:{port}"
    try:
        page = first_answer(f"{url}/generate_204")
        assert "<form" in page.text, "whatever a phone asks, it gets the form"
        now = str(int(time.time()))
        bad = httpx.post(url, data={"config": json.dumps(FILE | {"host": ""}), "now_s": now})
        assert bad.status_code == 422
        assert "host is missing" in bad.text
        assert httpx.post(url, data={"config": json.dumps(FILE)}).status_code == 422, "no clock"
        good = httpx.post(url, data={"config": json.dumps(FILE), "now_s": now, "wifi_ssid": "lot"})
        assert (good.status_code, "Saved" in good.text) == (200, True)
        wait_kept(tmp_path)
        config = kept(tmp_path)
        assert config is not None
        assert (config["device_id"], config["wifi_ssid"]) == ("demo/gate-1", "lot")
        assert config["provisioned_at_s"] == int(now)
    finally:
        process.kill()
        process.communicate()


def test_the_serial_line_asks_refuses_and_saves(tmp_path: Path):
    now = str(int(time.time()))
    wrong = [now, "lot", "key", "Demo/Gate", "broker.example", "1883", "secret", "no", ""]
    right = [now, "", "", "demo/gate-1", "", "", "", "", ""]
    process = board(tmp_path)
    try:
        assert process.stdin is not None
        process.stdin.write("\n".join([*wrong, *right]) + "\n")
        process.stdin.flush()
        wait_kept(tmp_path)
        config = kept(tmp_path)
        assert config is not None
        assert (config["device_id"], config["password"]) == ("demo/gate-1", "secret")
        assert (config["tls"], config["wifi_password"]) == (False, "key")
    finally:
        process.kill()
        said, _ = process.communicate()
    assert "! device_id is not site/device in [a-z0-9-]" in said
    assert "secret" not in said, "what was typed as a secret is not shown again"


def first_answer(url: str) -> httpx.Response:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "no portal"
            time.sleep(0.05)


def wait_kept(folder: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if kept(folder) is not None:
                return
        except ValueError:
            pass  # it is being written
        assert time.monotonic() < deadline, "not saved"
        time.sleep(0.05)
