"""Read settings: one frozen dataclass per service, built once from the environment.

All missing and bad values are reported together, each with its name, what is wrong and what to do.
A secret `NAME` may also be given as `NAME_FILE`, the path of a file that contains it. Secrets never
have a default.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from parking.core.errors import Invalid, SettingsError
from parking.core.topics import FRAME_MAX_BYTES, LIVE, of_run
from parking.runtime.hosts import is_loopback
from parking.runtime.settingnames import misspelt


class Reader:
    """Reads typed values from an environment and collects every fault; `done()` raises them all."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        """A string. Without a default, it must be set."""
        value = self._environ.get(name, "")
        if value:
            return value
        if default is None:
            self.problems.append(f"{name} is not set")
            return ""
        return default

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of `allowed`."""
        value = self.text(name, default)
        if value not in allowed:
            self.problems.append(f"{name}={value!r} is not one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer within low..high."""
        return int(self.number(name, default, low, high, whole=True))

    def number(
        self, name: str, default: float, low: float, high: float, *, whole: bool = False
    ) -> float:
        """A number within low..high."""
        raw = self._environ.get(name, "")
        if not raw:
            return default
        try:
            value = int(raw) if whole else float(raw)
        except ValueError:
            self.problems.append(f"{name}={raw!r} is not a {'whole ' if whole else ''}number")
            return default
        if not low <= value <= high:
            self.problems.append(f"{name}={raw} is outside {low}..{high}")
            return default
        return value

    def flag(self, name: str, default: bool) -> bool:
        """`on` or `off` (true/false, 1/0, yes/no are understood)."""
        value = self._environ.get(name, "").lower()
        if not value:
            return default
        if value in {"on", "true", "1", "yes"}:
            return True
        if value not in {"off", "false", "0", "no"}:
            self.problems.append(f"{name}={value!r} is not on or off")
        return False

    def secret(self, name: str, *, optional: bool = False) -> str:
        """A secret from `NAME`, or from the file named by `NAME_FILE`."""
        path = self._environ.get(f"{name}_FILE", "")
        if path:
            return self._secret_file(name, Path(path))
        value = self._environ.get(name, "")
        if not value and not optional:
            self.problems.append(
                f"{name} is not set: give it, or the path of a file in {name}_FILE"
            )
        return value

    def file(self, name: str) -> Path:
        """The path of a file that must exist."""
        path = Path(self.text(name) or os.devnull)
        if not path.exists():
            self.problems.append(f"{name}={str(path)!r}: no such file")
        return path

    def done(self) -> None:
        """Raise SettingsError with every problem found, including misspelt names."""
        problems = [*self.problems, *misspelt(self._environ)]
        if problems:
            raise SettingsError(problems)

    def _secret_file(self, name: str, path: Path) -> str:
        try:
            mode = path.stat().st_mode
            value = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            self.problems.append(f"{name}_FILE={str(path)!r} cannot be read: {error.strerror}")
            return ""
        if mode & (stat.S_IRWXG | stat.S_IRWXO) and not str(path).startswith("/run/secrets/"):
            self.problems.append(f"{name}_FILE={str(path)!r} is open to others: chmod 600 it")
        if not value:
            self.problems.append(f"{name}_FILE={str(path)!r} is empty")
        return value


def frame_max_bytes(env: Reader) -> int:
    """FRAME_MAX_BYTES: the largest picture that any service accepts."""
    return env.integer("FRAME_MAX_BYTES", FRAME_MAX_BYTES, 10_000, 20_000_000)


def require_loopback(env: Reader, bootstrap: str, security: str) -> None:
    """Sending unencrypted over a network must be enabled explicitly."""
    for place in filter(None, (one.strip() for one in bootstrap.split(","))):
        if not is_loopback(place.rpartition(":")[0].strip("[]")):
            env.problems.append(
                f"KAFKA_SECURITY={security} would send pictures and events to {place!r} in plain"
                " text: use SASL_SSL, or set KAFKA_ALLOW_PLAINTEXT=on"
            )
            return


def read_run(env: Reader, replays: bool) -> str:
    """Read RUN, which is the live run by default. Other runs are allowed only with `replays`."""
    run = env.text("RUN", LIVE)
    try:
        of_run("", run)
    except Invalid as error:
        env.problems.append(f"RUN: {error.detail}")
        return LIVE
    if run != LIVE and not replays:
        env.problems.append(f"RUN={run}: this service supports only the live topics")
    return run
