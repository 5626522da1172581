"""The provisioning walk-through of docs/firmware.md, as printed by a simulated board and a real
broker:

python -m tests.firmware.transcript      prints what stands there
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from tests.firmware.running import HEAP, MICROPYTHON
from tests.support.brokers import aedes
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

DEVICE = "demo/gate-1"
LIMIT_S = 30.0


def main() -> None:
    """Print the walk-through."""
    with tempfile.TemporaryDirectory() as name, aedes(Path(name) / "broker") as broker:
        broker.add(DEVICE)
        print("# 1. By serial line. Answers follow the colon; what is typed as a secret is ******.")
        serial(Path(name) / "serial", broker.port)
        print("\n# 2. By the captive portal: what a phone does, as curl would say it.")
        portal(Path(name) / "portal", broker.port)


def serial(folder: Path, port: int) -> None:
    """Give a wrong first answer; the board says so and asks again."""
    now = str(int(time.time()))
    wrong = [now, "car-park", "wifi key", "Demo/Gate 1", "localhost", str(port), "x", "no", "", ""]
    right = [now, "", "", DEVICE, "", "", f"password of {DEVICE}", "", "", ""]
    secret = {2, 6, 12, 16}
    with board(folder, {}) as process:
        assert process.stdin is not None
        for index, answer in enumerate([*wrong, *right]):
            print(until(process, ": "), end="")
            print("******" if index in secret and answer else answer)
            process.stdin.write((answer + "\n").encode())
            process.stdin.flush()
        print(until(process, "connected, boot ") + rest_of_line(process))


def portal(folder: Path, port: int) -> None:
    """Act as the phone: ask for anything, get the form, and fill it in, first badly, then well."""
    [own] = free_ports(1)
    config = {"device_id": DEVICE, "host": "localhost", "port": port, "tls": False}
    config |= {"password": f"password of {DEVICE}"}
    shown = json.dumps(config | {"password": "******"})
    with board(folder, {"portal_port": own}) as process:
        url = f"http://{HOST}:{own}"
        page = first_answer(f"{url}/generate_204")
        print(
            f"$ curl http://connectivitycheck.example/generate_204     -> {page.status_code}, ",
            end="",
        )
        print(f"{len(page.content)} bytes: the form, with the fields")
        names = [part.split('"')[0] for part in page.text.split('name="')[1:]]
        print(f"    config (to paste), {', '.join(names)}")
        bad = httpx.post(url, data={"config": json.dumps(config | {"host": ""}), "now_s": now_s()})
        words = bad.text.split("<p class=no>")[1].split("</p>")[0]
        print("$ curl -d config='{... no host ...}' http://192.168.4.1/     -> ", end="")
        print(f"{bad.status_code}: {words}")
        fields = {
            "config": json.dumps(config),
            "wifi_ssid": "car-park",
            "wifi_password": "wifi key",
        }
        good = httpx.post(url, data={**fields, "now_s": now_s()})
        print(f"$ curl -d config='{shown}' \\")
        print("       -d wifi_ssid=car-park -d wifi_password=****** -d now_s=$(date +%s) ", end="")
        print(f"http://192.168.4.1/     -> {good.status_code}: {good.text.split('<p>')[1]}")
        print(until(process, "connected, boot ") + rest_of_line(process))


def now_s() -> str:
    return str(int(time.time()))


class Board(subprocess.Popen[bytes]):
    """A board without a configuration."""

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.communicate()


def board(folder: Path, world: dict[str, object]) -> Board:
    folder.mkdir()
    request = {"config": None, "world": {"state": str(folder), **world}}
    (folder / "board.json").write_text(json.dumps(request), "utf-8")
    command: Sequence[object] = (
        MICROPYTHON,
        "-X",
        HEAP,
        "firmware/sim/run.py",
        folder / "board.json",
    )
    pipe = subprocess.PIPE
    return Board([str(part) for part in command], cwd=ROOT, stdin=pipe, stdout=pipe, bufsize=0)


def until(process: Board, end: str) -> str:
    said = ""
    for char in characters(process):
        said += char
        if said.endswith(end):
            return said
    sys.exit(f"it ended: {said}")


def rest_of_line(process: Board) -> str:
    return until(process, "\n").rstrip("\n")


def characters(process: Board) -> Iterator[str]:
    assert process.stdout is not None
    while char := process.stdout.read(1):
        yield char.decode()


def first_answer(url: str) -> httpx.Response:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
