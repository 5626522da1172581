"""One readable log of many processes: a coloured prefix per process, or one JSON object per line.

Every line also goes to `logs/NAME.log`, which stays below a size limit.
"""

import json
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from parking.runtime.printable import one_line

LOG_LIMIT_BYTES: Final = 20_000_000
_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Console:
    """The console and the log files of the stack."""

    def __init__(self, logs: Path, log_format: str = "text", out: TextIO | None = None) -> None:
        self._logs = logs
        self._json = log_format == "json"
        self._out = out
        self._files: dict[str, TextIO] = {}
        self._unwritable = ""
        logs.mkdir(parents=True, exist_ok=True)

    def say(self, text: str, level: str = "info") -> None:
        """Write a line from the supervisor itself."""
        text = one_line(text)
        self._store("stack", f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}")
        self._print("stack", text, level)

    def line(self, name: str, text: str, quiet: bool) -> None:
        """Write a line from a process. Lines of a quiet process are shown only when they report
        trouble."""
        text = one_line(text)
        self._store(name, text)
        if not quiet or any(word in text for word in ("ERROR", "FATAL", "PANIC")):
            self._print(name, text, "info")

    def close(self) -> None:
        """Close the log files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _print(self, name: str, text: str, level: str) -> None:
        out = self._out
        if out is None:
            return
        if self._json:
            text = text if text.startswith("{") else _as_json(name, text, level)
        else:
            text = f"{_paint(name, out)} {text}"
        try:
            print(text, file=out, flush=True)
        except OSError:  # `make run | head` or a closed terminal: the files still get every line
            self._out = None

    def _store(self, name: str, text: str) -> None:
        """Append to the log file. A failure (a full disk) is reported once and otherwise ignored,
        because a process whose output nobody reads would block forever."""
        try:
            self._append(name, text)
            self._unwritable = ""
        except OSError as error:
            if str(error) != self._unwritable:
                self._unwritable = str(error)
                self._print("stack", f"log lines are lost: {error}", "error")

    def _append(self, name: str, text: str) -> None:
        file = self._files.get(name)
        if file is None or file.tell() > LOG_LIMIT_BYTES:
            path = self._logs / f"{name}.log"
            if file is not None:
                file.close()
                path.replace(path.with_suffix(".log.old"))
            file = self._files[name] = path.open("a", encoding="utf-8", buffering=1)
        file.write(text + "\n")


def _as_json(name: str, text: str, level: str) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    return json.dumps({"time": stamp, "level": level, "service": name, "message": text})


def _paint(name: str, out: TextIO) -> str:
    prefix = f"{name:<9} |"
    if not out.isatty():
        return prefix
    return f"\x1b[{_COLOURS[sum(map(ord, name)) % len(_COLOURS)]}m{prefix}\x1b[0m"


def standard_output() -> TextIO:
    """Return the console of `python -m tools.stack run`."""
    return sys.stdout
