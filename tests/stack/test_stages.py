"""The notifier names a frozen ingest, detector, tracker or persister until it continues, and the
services downstream miss its heartbeats."""

import logging
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import LIMIT_S, Running, own_env
from tests.support.waiting import wait_until
from tools.sse import Listener
from tools.stack.checks import HOST
from tools.stack.pids import PidFile
from tools.stack.settings import port_setting

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


def ready(url: str) -> dict[str, Any]:
    answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 200, answer.text  # this service itself can still answer
    body: dict[str, Any] = answer.json()
    return body


def misses_heartbeats(url: str) -> bool:
    return "heartbeat" in ready(url).get("still", {})


def metric(url: str, stage: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    name = f'parking_still_seconds{{what="{stage}"}} '
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


def test_each_frozen_stage_is_named_in_turn(tmp_path: Path):
    env = own_env(tmp_path / "state") | {"SERVICES": "ingest,detector,tracker,persister,notifier"}
    url = f"http://{HOST}:{env[port_setting('notifier')]}"
    running = Running(env, tmp_path / "run.log")
    try:
        wait_until(partial(running.said, "everything is running"), LIMIT_S, "everything is running")
        with Listener(f"{url}/api/events?site=demo") as listener:
            wait_until(lambda: bool(listener.of("slot-change")), LIMIT_S, "a change")
            behind = {"ingest": "detector", "detector": "tracker", "tracker": "persister"}
            for stage in ("ingest", "detector", "tracker", "persister"):
                wait_until(lambda: "still" not in ready(url), LIMIT_S, "all of them work")
                service = behind.get(stage, "notifier")
                next_url = f"http://{HOST}:{env[port_setting(service)]}"
                freeze(tmp_path / "state" / "run", stage, (url, next_url), listener)
    finally:
        running.interrupt()


def freeze(run: Path, stage: str, urls: tuple[str, str], listener: Listener) -> None:
    """Freeze one service, wait until it is named everywhere, let it continue, and wait until it is
    no longer named. `urls` are those of the notifier and of the service that reads what the frozen
    one writes."""
    url, next_url = urls
    process = PidFile(run, stage).process()
    assert process is not None
    heard = len(listener.of("ping"))
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_until(lambda: stage in ready(url).get("still", {}), LIMIT_S, f"{stage} named")
        log.info("%s: named after %.1f s", stage, time.monotonic() - began)
        assert metric(url, stage) > 0
        if next_url != url:
            missed = partial(misses_heartbeats, next_url)
            wait_until(missed, LIMIT_S, f"the service behind {stage} misses its heartbeats")
            log.info("%s: missed after %.1f s", stage, time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGCONT)

    def shown() -> bool:
        pings = listener.of("ping")[heard:]
        return any(stage in ping.get("stages_still_since_ms", {}) for ping in pings)

    wait_until(shown, LIMIT_S, f"{stage} on the page's stream")
    wait_until(lambda: stage not in ready(url).get("still", {}), LIMIT_S, f"{stage} works again")
    assert metric(url, stage) == 0
    assert process.is_running()  # nothing was ended for it
