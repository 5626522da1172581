"""`make run` for tests: the command as in a terminal, with its own folder and ports."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil

from tools.stack.checks import free_ports
from tools.stack.settings import PORTS, ROOT, port_setting

LIMIT_S: Final = 120


def own_env(state: Path) -> dict[str, str]:
    """Return the environment of a stack that keeps everything in this folder."""
    ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STATE": str(state),
        **{port_setting(name): str(port) for name, port in ports},
    }


class Running:
    """`python -m tools.stack run`, started."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.stack", "run"],
                env=env,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, text: str) -> bool:
        """Return whether it has printed that so far. It must not have ended."""
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def family(self) -> list[psutil.Process]:
        """Return all processes that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """Press Ctrl-C. Return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)
