"""The stack that cases talk to. It starts at its first use, with its own folder and ports, and
stops with the program."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from parking.access.keys import KeyFile
from tools.stack import services
from tools.stack.checks import HOST, free_ports
from tools.stack.settings import PORTS, ROOT, StackSettings, port_setting

SQUARE: Final = [[0.1, 0.4], [0.3, 0.4], [0.3, 0.6], [0.1, 0.6]]
_UP_LIMIT_S: Final = 300.0
_STOP_LIMIT_S: Final = 60.0
_SEEN_LIMIT_S: Final = 20.0


class World:
    """The environment of cases. Nothing starts before its first use."""

    def __init__(self, environ: Mapping[str, str], without: str = "analytics") -> None:
        self._environ, self._without = environ, without
        self._folder = tempfile.TemporaryDirectory(prefix="cases-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if "api" in self.__dict__:
            self.api.close()
        self._folder.cleanup()

    # ------------------------------------------------------------ the stack
    @property
    def folder(self) -> Path:
        """Return a folder for files."""
        return Path(self._folder.name)

    @cached_property
    def environment(self) -> dict[str, str]:
        """Return the variables that set the stack's folder and ports."""
        ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
        names = [name for name in services.NEEDS if name not in self._without.split(",")]
        own = {"STATE": str(self.folder / "state"), "DEMO": "off", "SERVICES": ",".join(names)}
        own |= {"CACHE": self._environ.get("CACHE", str(ROOT / ".state" / "cache"))}
        own |= {port_setting(name): str(port) for name, port in ports}
        return {**self._environ, "PYTHONPATH": str(ROOT), **own}

    @cached_property
    def settings(self) -> StackSettings:
        """Return the running stack's settings. Starts it first if needed and waits until it is
        ready."""
        log = self.folder / "stack.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools.stack", "run"],
                env=self.environment,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end_s = time.monotonic() + _UP_LIMIT_S
        while "everything is running" not in (text := log.read_text("utf-8", "replace")):
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the stack is not running: {text[-2000:]}")
            time.sleep(0.2)
        return StackSettings.from_env(self.environment)

    @cached_property
    def tool_environment(self) -> dict[str, str]:
        """Return the variables that `eval "$(python -m tools.stack env)"` sets."""
        return {**self.environment, **services.env_for("tool", self.settings)}

    def key(self, name: str, *scopes: str) -> str:
        """Create and return a new API key."""
        return KeyFile(services.key_file(self.settings.paths)).add(name, *scopes)

    # ------------------------------------------------------------ requests
    @cached_property
    def api(self) -> httpx.Client:
        """Return a client for the notifier, with a key that may write."""
        url = f"http://{HOST}:{self.settings.ports['notifier']}"
        headers = {"Authorization": f"Bearer {self.key('cases', 'write', 'devices')}"}
        return httpx.Client(base_url=url, headers=headers, timeout=30)

    @property
    def ingest_url(self) -> str:
        """Return the URL that takes pictures."""
        return f"http://{HOST}:{self.settings.ports['ingest']}"

    def layout(self, site: str, *slots: str, camera: str = "c", **more: Any) -> httpx.Response:
        """Publish a layout with these slots, side by side."""
        placed = [
            {
                "slot_id": slot,
                "zone_id": "Z",
                "polygon": [[x / 5 + i * 0.19, y] for x, y in SQUARE],
            }
            for i, slot in enumerate(slots)
        ]
        usual = {
            "site_name": "Lot",
            "camera_name": camera,
            "interval_ms": 5000,
            "zones": [{"zone_id": "Z", "name": "Z"}],
            "slots": placed,
        }
        return self.api.put(f"/api/cameras/{site}/{camera}/layout", json=usual | more)

    def site(self, site: str) -> dict[str, Any]:
        """Return a site as the API shows it, or {} if there is none."""
        answer = self.api.get(f"/api/sites/{site}")
        return dict(answer.json()) if answer.status_code == 200 else {}

    def until(self, holds: Any, limit_s: float = _SEEN_LIMIT_S) -> bool:
        """Return whether the condition becomes true in time."""
        end_s = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end_s:
                return False
            time.sleep(0.1)
        return True

    def command(self, *arguments: str, alone: bool = False) -> tuple[int, str]:
        """Run `python -m ...` and return its exit status and output. `alone` means that it needs no
        stack."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            env=self.environment if alone else self.tool_environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def words(answer: httpx.Response) -> str:
    """Format an answer as one line."""
    try:
        body = json.dumps(answer.json(), ensure_ascii=False)
    except ValueError:
        body = answer.text
    return f"{answer.status_code} {body[:200]}"
