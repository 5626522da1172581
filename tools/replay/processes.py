"""The real services as processes of a replay."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from parking.core.errors import Invalid
from tools.replay.choice import ALWAYS, Choice

HOST: Final = "127.0.0.1"
_READY_LIMIT_S: Final = 120.0
_STOP_LIMIT_S: Final = 20.0
_TAIL: Final = 2_000
PROGRAMS: Final = {"detector": "services.detector", "tracker": "services.tracker"}


def service_env(environ: Mapping[str, str], chosen: Choice, run: str) -> dict[str, str]:
    """Return the environment of a replay's services: this process's Kafka settings, only the chosen
    detector settings and ALWAYS, and the run's name."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in ("MODEL_FILE", "SLOT_MODEL_FILE", "FRAME_MAX_PIXELS", "HTTP_PORT")
        and not name.startswith(("DETECTOR_", "TRACKER_"))
    }
    return {**kept, **chosen.detector, **ALWAYS, "RUN": run, "HTTP_HOST": HOST}


class Process:
    """One service. `start` returns once it is ready."""

    def __init__(self, service: str, env: Mapping[str, str], logs: Path) -> None:
        self._service = service
        self._env = dict(env)
        self._log = logs / f"{service}.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until /readyz reports ready. Raises Invalid with the end of its log."""
        port = _free_port()
        env = {**self._env, "HTTP_PORT": str(port)}
        self._process = self._spawn(env)
        deadline = time.monotonic() + _READY_LIMIT_S
        while not await asyncio.to_thread(_ready, port):
            self.check()
            if time.monotonic() > deadline:
                raise Invalid("not-ready", f"the {self._service} is not ready: {self._tail()}")
            await asyncio.sleep(0.1)

    def check(self) -> None:
        """Raise Invalid if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise Invalid("service-ended", f"the replay's {self._service} exited: {self._tail()}")

    async def stop(self) -> None:
        """Stop it, by force if necessary."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, _STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _spawn(self, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", PROGRAMS[self._service]]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)

    def _tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-_TAIL:]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
