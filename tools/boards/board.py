"""One simulated board: its process, its power, its watchdog (docs/firmware.md)."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
MICROPYTHON: Final = Path(sys.executable).with_name("micropython")
HEAP: Final = "heapsize=4M"  # as on a board with 4 MB of PSRAM
WATCHDOG_S: Final = 30.0


class Board:
    """A board with its own state folder. `config` is None while it is not provisioned.

    Call `tend` repeatedly: it restarts the process when the firmware asks for it or crashes, and
    after `watchdog_s` without a watchdog feed, as the hardware would."""

    def __init__(
        self,
        state: Path,
        config: Mapping[str, Any] | None,
        world: Mapping[str, Any],
        watchdog_s: float = WATCHDOG_S,
    ) -> None:
        self.state = state
        self.boots = 0
        self.bites = 0  # of the watchdog
        self._watchdog_s = watchdog_s
        self._file = state / "board.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._booted_s = 0.0
        state.mkdir(parents=True, exist_ok=True)
        request = {"config": self._provisioned(config), "world": {**world, "state": str(state)}}
        self._file.write_text(json.dumps(request), "utf-8")

    @property
    def log(self) -> str:
        """The output on its serial line over all boots."""
        path = self.state / "serial.log"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def power_on(self) -> None:
        """Start it."""
        self.boots += 1
        self._booted_s = time.time()
        with (self.state / "serial.log").open("ab") as log:
            self._process = subprocess.Popen(
                [MICROPYTHON, "-X", HEAP, ROOT / "firmware/sim/run.py", self._file],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def power_off(self) -> None:
        """Cut the power at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def tend(self) -> bool:
        """Restart it if due. Returns whether it was."""
        if self.running and not self._hangs():
            return False
        self.bites += self.running
        self.power_off()
        self.power_on()
        return True

    def network(self, *, on: bool) -> None:
        """Turn its Wi-Fi on or off."""
        off = self.state / "wifi-off"
        if on:
            off.unlink(missing_ok=True)
        else:
            off.touch()

    def _hangs(self) -> bool:
        try:
            fed_s = (self.state / "wdt").stat().st_mtime
        except FileNotFoundError:
            fed_s = 0.0
        return time.time() - max(fed_s, self._booted_s) > self._watchdog_s

    def _provisioned(self, config: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the configuration with the time of provisioning, which never changes."""
        if config is None:
            return None
        once: dict[str, Any] = {
            "provisioned_at_s": int(time.time()),
            "provisioned_chance": random.random(),  # noqa: S311 -- spreads, guards nothing
        }
        if self._file.exists():
            before = json.loads(self._file.read_text("utf-8"))["config"] or {}
            once = {name: before.get(name, value) for name, value in once.items()}
        return {**defaults(), **once, **config}


def defaults() -> dict[str, Any]:
    """Return the firmware's own defaults from firmware/app/config.py."""
    program = "import sys, json; sys.path.insert(0, 'firmware'); from app import config; "
    program += "print(json.dumps(config.DEFAULTS))"
    done = subprocess.run(
        [MICROPYTHON, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    request: dict[str, Any] = json.loads(done.stdout)
    return request
