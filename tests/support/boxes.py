"""A computer for deploy/box in namespaces of this one, and releases to install on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.waiting import wait_until
from tools.stack.settings import ROOT

SUPPORT: Final = ROOT / "tests" / "support"
SYSTEMCTL: Final = SUPPORT / "box_systemctl.py"
CONTENT: Final = (
    "LICENSE pyproject.toml dashboard demo deploy docs models parking requirements schemas"
    " services tools"
)


def release(to: Path, version: str, migration: str = "") -> Path:
    """Return an unpacked release of this checkout, packed as by `make release`, with a page that is
    only one line. `migration` is the SQL of one more migration, 9999_test.sql."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run([*listed, *CONTENT.split()], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, names.stdout.decode().split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
    page = to / "dashboard" / "dist" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html><title>Smart Parking</title>", "utf-8")
    project = to / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(text.replace('\nversion = "', f'\nversion = "{version}"\n# "', 1), "utf-8")
    if migration:
        folder = to / "services" / "persister" / "migrations"
        (folder / "9999_test.sql").write_text(migration, "utf-8")
    return to


class Box:
    """One computer: `with Box(folder) as box: box.run("...")`, with the folder on a real disk.
    `systemctl` is the program that it has by this name, and `venv` the releases' Python
    environment."""

    def __init__(
        self, folder: Path, systemctl: Path = SYSTEMCTL, venv: Path = ROOT / ".venv"
    ) -> None:
        self.folder = folder
        self.share = folder / "share"
        self.share.mkdir(parents=True)
        shutil.copy(systemctl, self.share / "systemctl.py")
        self._venv = venv
        self.ready_s = "600"

    def __enter__(self) -> "Box":
        python = Path(sys.executable)
        reached = [ROOT / ".venv", python.parent, python.resolve().parent, Path(sys.base_prefix)]
        command = ["unshare", "-mnpf", "--kill-child", SUPPORT / "start_box", self.folder, *reached]
        self._process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        started = self.folder / "started"
        wait_until(lambda: started.exists() or self._process.poll() is not None, 20, "namespace")
        if self._process.poll() is not None:
            _, error = self._process.communicate()
            raise OSError(f"no namespace could be made: {error}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._pid = children.read_text("utf-8").split()[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command line there as root. Return its output. Raises AssertionError unless it ends
        as expected."""
        inside = ["nsenter", "-t", self._pid, "-m", "-n", "-p", "chroot", self.folder / "root"]
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PARKING_VENV": str(self._venv.resolve()),
            "PARKING_JARS": str((ROOT / ".state" / "cache" / "maven").resolve()),
            "READY_S": self.ready_s,
        }
        done = subprocess.run(
            [*map(str, inside), "bash", "-c", command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
        )
        assert (done.returncode != 0) == fails, f"{command}: {done.stdout}\n{self._logs()}"
        return done.stdout

    def rows(self, table: str) -> set[str]:
        """Return a table's rows as JSON."""
        query = f"select to_jsonb(t) from {table} t"  # noqa: S608 -- the test's own names
        return set(filter(None, self.sql(query).splitlines()))

    def sql(self, query: str) -> str:
        """Return what the database's superuser reads."""
        return self.run(
            f'. /opt/smart-parking/current/deploy/box/lib; sql -d parking -Atc "{query}"'
        )

    def _logs(self) -> str:
        folder = self.folder / "upper" / "var" / "log" / "box-units"
        logs = sorted(folder.glob("*.log")) if folder.exists() else []
        return "\n".join(f"== {log.name}\n{log.read_text('utf-8')[-1500:]}" for log in logs)


def can_make_namespaces() -> bool:
    """Return whether a Box can be created here."""
    programs = ("unshare", "nsenter", "ip", "setpriv", "flock", "openssl")
    return os.geteuid() == 0 and all(map(shutil.which, programs))


def can_run() -> bool:
    """Return whether the servers' programs are here too."""
    return can_make_namespaces() and all(map(shutil.which, ("mosquitto", "java", "ss")))
