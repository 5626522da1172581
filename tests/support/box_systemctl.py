"""systemctl for a namespace without systemd: it starts deploy/box's units as their lines say.

It knows what these units use: User, Environment, EnvironmentFile, RuntimeDirectory,
WorkingDirectory, ExecStartPre, ExecStart, oneshot, restarts, KillSignal, UMask and drop-ins, but
none of the hardening. It uses the standard library only and runs as `systemctl` in the namespace
(tests/support/start_box).
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

UNITS = Path("/etc/systemd/system")
RUN = Path("/run/box-units")
LOGS = Path("/var/log/box-units")

Unit = dict[str, list[str]]


def read(name: str) -> Unit:
    """Return the lines of a unit and its drop-ins, by key, with %i filled in."""
    stem, _, instance = name.partition("@")
    template = f"{stem}@.service" if instance else name
    files = [UNITS / template, *sorted((UNITS / f"{template}.d").glob("*.conf"))]
    unit: Unit = defaultdict(list)
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            key, assigned, value = line.partition("=")
            if assigned and not line.startswith("#"):
                unit[key].append(value.replace("%i", instance.removesuffix(".service")))
    return unit


def environment(unit: Unit) -> dict[str, str]:
    """Return the environment of the unit's processes, with nothing of ours except PATH."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    for line in unit["Environment"]:
        env |= dict(word.split("=", 1) for word in shlex.split(line))
    for place in unit["EnvironmentFile"]:
        file = Path(place.removeprefix("-"))
        if place.startswith("-") and not file.exists():
            continue
        for line in file.read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                name, value = line.split("=", 1)
                env[name] = value
    return env


def as_user(unit: Unit, command: str) -> list[str]:
    """Return the command line, run as the unit's user."""
    user = unit["User"][0]
    change = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--no-new-privs"]
    return [*change, *shlex.split(command)]


def start(name: str) -> None:
    """Start a unit unless it runs. Exits with a message if a oneshot fails."""
    if (RUN / name).exists():
        return
    unit = read(name)
    for folder in unit["RuntimeDirectory"]:
        shutil.rmtree(f"/run/{folder}", ignore_errors=True)
        Path(f"/run/{folder}").mkdir(0o700)
        shutil.chown(f"/run/{folder}", unit["User"][0])
    before = unit["ExecStartPre"]
    once = unit["Type"] == ["oneshot"]
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        for command in [*before, *(unit["ExecStart"] if once else ())]:
            done = launch(unit, command, log.fileno()).wait()
            if done != 0:
                sys.exit(f"systemctl: {name} failed: {command}")
        RUN.mkdir(parents=True, exist_ok=True)
        if once:
            (RUN / name).write_text("0", "utf-8")
        elif os.fork() == 0:
            os.setsid()
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            os.closerange(3, 256)  # above all the lock of deploy/box
            keep(name, unit)
            os._exit(0)
        else:
            while not (RUN / name).exists():
                time.sleep(0.02)


def launch(unit: Unit, command: str, log: int) -> "subprocess.Popen[bytes]":
    """Start one process of a unit in a process group of its own."""
    return subprocess.Popen(
        as_user(unit, command),
        env=environment(unit),
        cwd=unit["WorkingDirectory"][0],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        umask=int((unit["UMask"] or ["022"])[0], 8),
        start_new_session=True,
    )


def keep(name: str, unit: Unit) -> None:
    """Run the unit until SIGTERM, and start it again when it ends."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    (RUN / name).write_text(str(os.getpid()), "utf-8")
    while not ended.is_set():
        process = launch(unit, unit["ExecStart"][0], 1)
        while process.poll() is None and not ended.wait(0.1):
            pass
        if ended.is_set():
            number = signal.Signals[(unit["KillSignal"] or ["SIGTERM"])[0]]
            only = unit["KillMode"] == ["mixed"]
            (os.kill if only else os.killpg)(process.pid, number)
            try:
                process.wait(float((unit["TimeoutStopSec"] or ["90"])[0]))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        else:
            ended.wait(2)
    (RUN / name).unlink()


def stop(name: str) -> None:
    """Stop a unit and wait until it has ended."""
    try:
        keeper = int((RUN / name).read_text("utf-8"))
    except FileNotFoundError:
        return
    if keeper == 0:
        (RUN / name).unlink()
        return
    os.kill(keeper, signal.SIGTERM)
    while (RUN / name).exists():
        time.sleep(0.05)


def main(arguments: Sequence[str]) -> None:
    """Act as systemctl. Start and stop act, and the other verbs have nothing to do here."""
    verb, *names = [word for word in arguments if not word.startswith("--")]
    action = {"start": start, "stop": stop}.get(verb)
    for name in names if action else ():
        assert action is not None
        action(name if name.endswith(".service") else f"{name}.service")


if __name__ == "__main__":
    main(sys.argv[1:])
