"""A board without a configuration gets one through the portal and the serial line. The dialogue is
the one in docs/firmware.md."""

import json
import subprocess
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from parking.access.devices import Address, Secrets, as_text, configuration
from tests.firmware.running import HEAP, MICROPYTHON, report
from tools.boards.board import Board
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import ROOT

FILE = {"device_id": "demo/gate-1", "host": "broker.example", "password": "secret", "tls": False}
LIMIT_S = 15
DOUBTS = (
    "after_three_boots_without_an_ack_it_opens_and_then_the_network_is_tried_again",
    "one_that_had_an_ack_is_never_doubted_again",
    "an_answer_that_is_no_acceptance_proves_nothing",
    "a_boot_without_a_broker_gives_up_in_time",
    "a_new_image_is_doubted_before_the_configuration",
    "a_torn_or_missing_file_stops_nothing",
)


def board(folder: Path, **world: object) -> subprocess.Popen[str]:
    request = {"config": None, "world": {"state": str(folder), **world}}
    (folder / "board.json").write_text(json.dumps(request), "utf-8")
    return subprocess.Popen(
        [MICROPYTHON, "-X", HEAP, ROOT / "firmware/sim/run.py", folder / "board.json"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kept(folder: Path) -> dict[str, object] | None:
    saved = json.loads((folder / "board.json").read_text("utf-8"))
    config: dict[str, object] | None = saved["config"]
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


class Form(HTMLParser):
    """The fields of a page and their contents; a browser sends them all."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if name := attributes.get("name") if tag in ("input", "textarea") else None:
            self.fields[name] = attributes.get("value") or ""
            self._text = name if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        self._text = ""


def test_a_browser_that_sends_every_field_leaves_the_pasted_file_as_it_is(tmp_path: Path):
    file = FILE | {"port": 1883, "board": "freenove_s3", "wifi_ssid": "lot", "wifi_password": "k"}
    config = by_a_browser(tmp_path, config=json.dumps(file))
    assert {name: config[name] for name in file} == file


def test_what_a_person_types_goes_before_the_pasted_file(tmp_path: Path):
    config = by_a_browser(tmp_path, config=json.dumps(FILE), wifi_ssid="lot", port="1884")
    assert (config["wifi_ssid"], config["port"]) == ("lot", 1884)


def test_what_the_qr_code_says_and_the_certificate_in_its_own_box_are_enough(tmp_path: Path):
    address = Address.of("mqtts://broker.example:8883")
    code = as_text(configuration("demo/cam-1", Secrets("p"), address))
    authority = certificate(tmp_path)
    config = by_a_browser(tmp_path, config=code, ca=authority, wifi_ssid="lot")
    assert (config["device_id"], config["tls"], config["port"]) == ("demo/cam-1", True, 8883)
    assert str(config["ca"]).split() == authority.split()


def test_without_a_certificate_the_portal_says_what_is_missing(tmp_path: Path):
    address = Address.of("mqtts://broker.example:8883")
    code = as_text(configuration("demo/cam-1", Secrets("p"), address))
    [port] = free_ports(1)
    process = board(tmp_path, portal_port=port)
    try:
        fields = Form(first_answer(f"http://{HOST}:{port}").text).fields
        given = fields | {"config": code, "now_s": str(int(time.time()))}
        answer = httpx.post(f"http://{HOST}:{port}", data=given)
        assert (answer.status_code, "tls needs ca" in answer.text) == (422, True)
    finally:
        process.kill()
        process.communicate()


def by_a_browser(folder: Path, **typed: str) -> dict[str, object]:
    """Return what the board keeps of that when it is typed into its page."""
    [port] = free_ports(1)
    process = board(folder, portal_port=port)
    try:
        fields = Form(first_answer(f"http://{HOST}:{port}").text).fields
        assert typed.keys() <= fields.keys()
        now = {"now_s": str(int(time.time()))}  # by the page's script
        answer = httpx.post(f"http://{HOST}:{port}", data=fields | typed | now)
        assert "Saved" in answer.text, answer.text
        wait_kept(folder)
    finally:
        process.kill()
        process.communicate()
    config = kept(folder)
    assert config is not None
    return config


def certificate(folder: Path) -> str:
    """Return an authority's certificate, in PEM."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=ca"
    command = [*words.split(), "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "ca.pem").read_text("ascii")


def test_the_serial_line_asks_refuses_and_saves(tmp_path: Path):
    now = str(int(time.time()))
    wrong = [now, "lot", "key", "Demo/Gate", "broker.example", "1883", "secret", "no", "", ""]
    right = [now, "", "", "demo/gate-1", "", "", "", "", "", ""]
    config, said = by_serial_line(tmp_path, [*wrong, *right])
    assert (config["device_id"], config["password"]) == ("demo/gate-1", "secret")
    assert (config["tls"], config["wifi_password"]) == (False, "key")
    assert "! device_id is not site/device in [a-z0-9-]" in said
    assert "secret" not in said, "what was typed as a secret is not shown again"


def test_a_file_pasted_after_answers_leaves_only_their_wifi(tmp_path: Path):
    now = str(int(time.time()))
    file = FILE | {"tls": True, "port": 1883, "board": "freenove_s3"}
    first = [now, "lot", "key", "demo/other", "typo.example", "", "x", "", json.dumps(file)]
    again = [now, "", "", "", "", "", "", "", *certificate(tmp_path).split("\n")[:-1], ""]
    config, said = by_serial_line(tmp_path, [*first, *again])
    assert "! tls needs ca" in said
    expected = file | {"wifi_ssid": "lot", "wifi_password": "key"}
    assert {name: config[name] for name in expected} == expected
    assert "-----END CERTIFICATE-----" in str(config["ca"])


def test_a_word_that_is_neither_yes_nor_no_does_not_turn_tls_off(tmp_path: Path):
    now = str(int(time.time()))
    wrong = [now, "lot", "key", "demo/gate-1", "broker.example", "", "secret", "yess", "", ""]
    right = [now, "", "", "", "", "", "", "no", "", ""]
    _, said = by_serial_line(tmp_path, [*wrong, *right])
    assert "! tls has the wrong type" in said


def by_serial_line(folder: Path, lines: list[str]) -> tuple[dict[str, object], str]:
    """Return the board's stored answers and its output."""
    process = board(folder)
    try:
        assert process.stdin is not None
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        wait_kept(folder)
        config = kept(folder)
        assert config is not None
    finally:
        process.kill()
        said, _ = process.communicate()
    return config, said


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_configuration_in_doubt(tmp_path: Path, doubt: str):
    report("proof", doubt, str(tmp_path))


def test_a_typo_in_the_host_opens_the_portal_again_and_again_and_is_mended_there(tmp_path: Path):
    [nobody, port] = free_ports(2)
    typo = FILE | {"host": HOST, "port": nobody, "reconnect_s": 1, "trial_s": 5, "wifi_ssid": "lot"}
    one = Board(tmp_path, typo, {"portal_port": port, "portal_s": 3})
    try:
        for _ in range(2):
            tend_until(one, lambda: asks(port), "the portal is open")
            tend_until(one, lambda: not asks(port), "the portal is shut")
        tried = one.log.count("connecting in")
        tend_until(one, lambda: one.log.count("connecting in") > tried, "it tries the network")
        assert one.log.count("opening the portal for a while") == 2
        mended_by_its_portal(one, port)
    finally:
        one.power_off()


def test_a_certificate_that_tls_rejects_causes_no_endless_loop_of_boots(tmp_path: Path):
    lines = certificate(tmp_path).split("\n")
    lines[2] = "A" * len(lines[2])  # whole, but no certificate
    [port] = free_ports(1)
    bad = FILE | {"tls": True, "ca": "\n".join(lines), "host": "typo", "wifi_ssid": "lot"}
    one = Board(tmp_path, bad, {"portal_port": port})
    try:
        mended_by_its_portal(one, port)
        assert one.log.count("ValueError") == 3, "as many boots ended so"
    finally:
        one.power_off()


def mended_by_its_portal(one: Board, port: int) -> None:
    tend_until(one, lambda: asks(port), "the portal is open")
    request = {"config": json.dumps(FILE), "wifi_ssid": "lot", "now_s": str(int(time.time()))}
    assert "Saved" in httpx.post(f"http://{HOST}:{port}", data=request).text
    known = f"{FILE['device_id']} connecting"
    tend_until(one, lambda: one.log.rstrip().rsplit("\n", 1)[-1].startswith(known), "it goes on")
    config = kept(one.state)
    assert config is not None
    assert (config["host"], config["tls"]) == (FILE["host"], False)


def tend_until(one: Board, holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + 4 * LIMIT_S
    while not holds():
        assert time.monotonic() < ends, f"not {what}: {one.log[-2000:]}"
        one.tend()
        time.sleep(0.1)


def asks(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}").status_code == 200
    except httpx.TransportError:
        return False


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
