"""`make run` for tests: the command as a terminal has it, with a folder and ports of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil

from parking.stack.checks import free_ports
from parking.stack.settings import PORTS, ROOT, port_setting

LIMIT_S: Final = 120


def own_env(state: Path) -> dict[str, str]:
    """The environment of a stack that keeps everything in this folder."""
    ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STATE": str(state),
        **{port_setting(name): str(port) for name, port in ports},
    }


class Running:
    """`python -m parking.stack run`, started."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parking.stack", "run"],
                env=env,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, text: str) -> bool:
        """Whether it has, so far; it must not have ended."""
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def family(self) -> list[psutil.Process]:
        """All processes that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)
