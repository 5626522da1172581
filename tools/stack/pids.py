"""Pid files that survive the supervisor, and the lock that allows one stack per state folder."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

import psutil

from tools.stack.errors import StackError

END_LIMIT_S: Final = 20.0


class PidFile:
    """`run/NAME.pid`: the pid and the start time of the process, because pids are reused."""

    def __init__(self, run_dir: Path, name: str) -> None:
        self._path = run_dir / f"{name}.pid"

    def write(self, pid: int) -> None:
        """Record a running process."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            began = psutil.Process(pid).create_time()
            self._path.write_text(json.dumps({"pid": pid, "began_s": began}), "utf-8")

    def process(self) -> psutil.Process | None:
        """Return the process if it is still the recorded one."""
        try:
            entry = json.loads(self._path.read_text("utf-8"))
            process = psutil.Process(entry["pid"])
            return process if abs(process.create_time() - entry["began_s"]) < 1.0 else None
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)


def end_leftovers(run_dir: Path) -> list[str]:
    """End the processes that a killed supervisor left behind. Returns their names."""
    ended = []
    for path in sorted(run_dir.glob("*.pid")):
        pid_file = PidFile(run_dir, path.stem)
        process = pid_file.process()
        if process is not None:
            # PostgreSQL's SIGTERM waits for its clients; SIGINT ends it cleanly at once.
            process.send_signal(signal.SIGINT if path.stem == "postgres" else signal.SIGTERM)
            if not _ends(process, END_LIMIT_S):
                process.kill()
                _ends(process, 5.0)
            ended.append(path.stem)
        pid_file.remove()
    return ended


def _ends(process: psutil.Process, limit_s: float) -> bool:
    """Wait for it to end. A zombie that its parent has not reaped yet counts as ended."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return True
    return False


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for others that write to the same folder, in this or another process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Lock:
    """Held while a stack runs. The system releases it when the holder ends, for whatever reason."""

    def __init__(self, state: Path) -> None:
        self._path = state / "lock"
        self._file: TextIO | None = None

    def take(self) -> None:
        """Take the lock. Raises StackError if another stack runs in this state folder."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StackError(
                f"a stack already runs here (pid {self.holder()}): `make status` shows it, "
                "`make stop` ends it; STATE=DIR runs a second one beside it"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> int | None:
        """Return the pid of the stack that runs here, or None."""
        try:
            with self._path.open("r+", encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            pass
        return None
