"""The firmware's MQTT client against real brokers: a herd after a restart, TLS with passwords and
X.509, and the MJPEG stream on a device's own port."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.firmware.running import HEAP, MICROPYTHON, PROGRAMS
from tests.support.brokers import MOSQUITTO, NEEDS_MOSQUITTO, aedes
from tests.support.ingest_process import picture
from tests.support.waiting import wait_until
from tools.boards.board import Board
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
HERD, BASE_S = 40, 8.0  # as dense as 200 devices over the firmware's 40 s


def test_a_herd_comes_back_spread_out(tmp_path: Path):
    with aedes(tmp_path / "broker") as broker:
        for n in range(HERD):
            broker.users.set(f"herd/cam-{n}", f"password of herd/cam-{n}")
        program = [str(MICROPYTHON), "-X", HEAP, str(PROGRAMS / "herd.py"), str(broker.port)]
        out = tmp_path / "herd.log"
        with out.open("w") as log:
            herd = subprocess.Popen([*program, str(HERD), str(BASE_S)], cwd=ROOT, stdout=log)
        try:
            wait_until(lambda: len(moments(out)) == HERD, 60, "all connected")
            os.kill(broker.pid, signal.SIGKILL)  # it is started again at once
            wait_until(lambda: len(moments(out)) == 2 * HERD, 90, "all back")
        finally:
            herd.kill()
            herd.wait()
        assert out.read_text().count("lost") >= HERD, "every one lost its connection"
        assert busiest(moments(out)[HERD:]) <= 20


def moments(log: Path) -> list[int]:
    lines = log.read_text("utf-8").splitlines()
    return [int(line.split()[2]) for line in lines if line.startswith("connected ")]


def busiest(times_ms: list[int]) -> int:
    return max(sum(a <= b < a + 1000 for b in times_ms) for a in times_ms)


# ---------------------------------------------------------------- TLS
def openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Path:
    """Return an authority (ca), the broker's certificate, a device's, and a stranger's
    authority."""
    folder: Path = tmp_path_factory.mktemp("pki")
    for name in ("ca", "stranger"):
        subject = ["-subj", f"/CN={name}", "-days", 2, "-out", folder / f"{name}.pem"]
        openssl("req", "-x509", *rsa(folder / f"{name}.key"), *subject)
    san = folder / "san"
    san.write_text("subjectAltName=DNS:localhost")
    for name, who in (("broker", "/CN=localhost"), ("device", "/CN=tls\\/cam")):
        request = folder / f"{name}.csr"
        openssl("req", *rsa(folder / f"{name}.key"), "-subj", who, "-out", request)
        signed = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"]
        out = ["-days", 2, "-extfile", san, "-out", folder / f"{name}.pem"]
        openssl("x509", "-req", "-in", request, *signed, *out)
    return folder


def rsa(key: Path) -> list[object]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", key]


@contextmanager
def mosquitto_tls(folder: Path, pki: Path, *more: str) -> Iterator[int]:
    [port] = free_ports(1)
    folder.mkdir()
    lines = [f"listener {port} {HOST}", f"cafile {pki}/ca.pem", f"certfile {pki}/broker.pem"]
    lines += [f"keyfile {pki}/broker.key", "user root", *more]
    (folder / "conf").write_text("\n".join(lines) + "\n")
    assert MOSQUITTO is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-v", "-c", folder / "conf"], stderr=log, stdout=log)
    try:
        wait_until(lambda: b"running" in (folder / "log").read_bytes(), 10, "mosquitto runs")
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    made: list[Board] = []

    def make(**config: object) -> Board:
        settings = {"device_id": "tls/cam", "host": "localhost", "reconnect_s": 1, "interval_ms": 0}
        made.append(Board(tmp_path / f"board-{len(made)}", settings | config, {}))
        made[-1].power_on()
        return made[-1]

    yield make
    for one in made:
        one.power_off()


@NEEDS_MOSQUITTO
def test_tls_with_a_password_and_the_authority_that_is_configured(board, pki: Path, tmp_path: Path):
    ca, stranger = ((pki / f"{name}.pem").read_text("utf-8") for name in ("ca", "stranger"))
    with mosquitto_tls(tmp_path / "broker", pki, "allow_anonymous true") as port:
        good = board(port=port, ca=ca, password="p")
        wait_until(lambda: "connected, boot" in good.log, 20, f"connected: {good.log}")
        bad = board(port=port, ca=stranger, password="p")
        wait_until(lambda: bad.log.count("connecting") >= 3, 30, "refused twice")
        assert "connected, boot" not in bad.log, "NC: another authority's broker is not believed"
        other = board(port=port, ca=ca, password="p", host=HOST)
        wait_until(lambda: other.log.count("connecting") >= 3, 30, "refused twice")
        assert "connected, boot" not in other.log, "NC: a certificate for another name"


@NEEDS_MOSQUITTO
def test_x509_instead_of_a_password(board, pki: Path, tmp_path: Path):
    ca = (pki / "ca.pem").read_text("utf-8")
    own = {name: (pki / f"device.{end}").read_text("utf-8") for name, end in PEM}
    rules = ("require_certificate true", "use_identity_as_username true")
    with mosquitto_tls(tmp_path / "broker", pki, *rules) as port:
        good = board(port=port, ca=ca, **own)
        wait_until(lambda: "connected, boot" in good.log, 20, f"connected: {good.log}")
        bad = board(port=port, ca=ca, password="p")
        wait_until(lambda: bad.log.count("connecting") >= 3, 30, "refused twice")
        assert "connected, boot" not in bad.log, "NC: no certificate, no connection"


PEM = (("cert", "pem"), ("key", "key"))


# ---------------------------------------------------------------- the stream
def test_the_mjpeg_stream_wants_its_token_and_plays(tmp_path: Path):
    [port] = free_ports(1)
    file = tmp_path / "1.jpg"
    file.write_bytes(picture())
    token = "0123456789abcdef"
    settings = {"device_id": "demo/cam", "host": HOST, "port": 1, "tls": False, "password": "p"}
    settings |= {"stream_port": port, "stream_token": token}
    world = {"frames": [str(file)], "interval_ms": 1000, "length": 1}
    board = Board(tmp_path / "board", settings, world)
    board.power_on()
    url = f"http://{HOST}:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert httpx.get(f"{url}/picture").status_code == 401
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, board.log
                time.sleep(0.1)
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/picture", headers=bearer).content == file.read_bytes()
        seen = b""
        with httpx.stream("GET", f"{url}/stream?token={token}") as answer:
            assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
            for piece in answer.iter_raw():
                seen += piece
                if seen.count(b"--picture") >= 3:
                    break
        assert seen.count(file.read_bytes()) >= 2
    finally:
        board.power_off()
