"""`make run` itself: the command, the demo site, Ctrl-C, a second start."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.running import LIMIT_S, Running, own_env
from tests.support.waiting import wait_until
from tools.sse import Listener
from tools.stack.checks import HOST
from tools.stack.settings import ROOT, port_setting

pytestmark = pytest.mark.timeout(300)
KEY_SHOWN = "Your API key, shown only once"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the environment with a folder and ports of the test's own."""
    return own_env(tmp_path / "state")


def stack(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.stack", *arguments]
    return subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def heard(listener: Listener) -> bool:
    return bool(listener.of("slot-change"))


@pytest.fixture
def started(env: dict[str, str], tmp_path: Path) -> Iterator[list[Running]]:
    """End everything that was started, even if the test failed."""
    runs: list[Running] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            run.interrupt()


def test_it_shows_changes_ends_cleanly_and_goes_on(
    env: dict[str, str], tmp_path: Path, started: list[Running]
):
    url = f"http://{HOST}:{env[port_setting('notifier')]}"
    before: dict[str, int] = {}
    for number in (1, 2):
        running = Running(env, tmp_path / f"run-{number}.log")
        started.append(running)
        wait_until(partial(running.said, "everything is running"), LIMIT_S, "everything is running")
        assert running.said(f"open {url}")
        if number == 1:  # printed last
            wait_until(partial(running.said, KEY_SHOWN), LIMIT_S, "the key")
        with Listener(f"{url}/api/events?site=demo") as listener:
            wait_until(partial(heard, listener), LIMIT_S, "a change")
            changes = listener.of("slot-change")
        assert running.said(KEY_SHOWN) == (number == 1)
        for change in changes:  # it continues and does not start again
            assert change["version"] > before.get(change["slot_id"], 0)
        slots = httpx.get(f"{url}/api/slots", params={"site": "demo"}).json()
        assert all(slot["version"] >= before.get(slot["slot_id"], 0) for slot in slots)
        before = {slot["slot_id"]: slot["version"] for slot in slots}
        assert max(before.values()) >= number
        status = stack(env, "status").stdout
        for part in ("kafka", "postgres", "s3", "mqtt", "detector", "notifier", "demo"):
            assert f"{part} " in status
        assert "healthy" in status
        family = running.family()
        assert len(family) >= 10
        assert running.interrupt() == 0
        assert not [process for process in family if process.is_running()]
    assert stack(env, "stop").stdout.strip() == "nothing is running here"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVICES", "ingest,dectector", "there is no service 'dectector'"),
        ("FOOTAGE", "/no/such/folder", "/no/such/folder"),
        ("PORT_KAFKA", "many", "PORT_KAFKA"),
    ],
)
def test_a_wrong_setting_is_reported_before_anything_starts(
    env: dict[str, str], name: str, value: str, words: str
):
    done = stack({**env, name: value}, "run")
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "contains no annotations.json"),
        ("{", "annotations.json, line 1, column 2: not JSON"),
        ('{"frames": [{"file": "none.jpg", "camera": "a"}]}', "1 pictures are missing"),
    ],
)
def test_a_folder_without_footage_is_reported_before_anything_starts(
    env: dict[str, str], tmp_path: Path, text: str | None, words: str
):
    if text is not None:
        (tmp_path / "annotations.json").write_text(text)
    done = stack({**env, "FOOTAGE": str(tmp_path)}, "run")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state" / "data").exists()


def test_a_taken_port_is_named(env: dict[str, str]):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = stack({**env, "PORT_MQTT": str(port)}, "run")
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.nightly  # the firmware has tests of its own in `make test`
def test_devices_of_the_demo_site_run_the_firmware_itself(
    env: dict[str, str], tmp_path: Path, started: list[Running]
):
    """With DEVICES=unix:2, the gate and one camera run the firmware's own files. The other camera
    is the simulator's, in step with them."""
    running = Running(env | {"SERVICES": "ingest", "DEVICES": "unix:2"}, tmp_path / "run.log")
    started.append(running)
    wait_until(partial(running.said, "everything is running"), LIMIT_S, "everything is running")
    url = f"http://{HOST}:{env[port_setting('ingest')]}/metrics"

    def accepted(name: str) -> float:
        lines = httpx.get(url).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    wait_until(lambda: accepted("parking_frames_accepted_total") >= 20, LIMIT_S, "pictures")
    wait_until(lambda: accepted("parking_gate_events_total") >= 3, LIMIT_S, "passings at the gate")
    devices = tmp_path / "state" / "data" / "devices"
    for name in ("gate-1", "north"):
        assert "connected, boot" in (devices / f"board-{name}" / "serial.log").read_text("utf-8")
    assert not (devices / "board-south").exists()
    assert running.interrupt() == 0
    assert not running.process.poll(), "it ended, and every board with it"
