"""How the tracker's process ends when faust does not: a supervisor goes by its status."""

import os
import signal
import subprocess
import sys

import httpx

from parking.stack.checks import free_ports
from parking.stack.settings import ROOT
from tests.waiting import wait_until


def hanging(*arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    (port,) = free_ports(1)
    env = {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.components.hanging_tracker", *arguments]
    process = subprocess.Popen(command, env=os.environ | env, cwd=ROOT, stderr=subprocess.PIPE)
    return process, f"http://127.0.0.1:{port}"


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_crash_of_faust_is_a_failure_though_faust_does_not_stop():
    process, _ = hanging("crashed")
    with process:
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"the fetcher died" in told


def test_a_stop_that_was_asked_for_is_a_success_though_faust_does_not_stop():
    process, url = hanging()
    with process:
        try:
            wait_until(lambda: alive(url), 20, "a tracker that runs")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
