"""Starts processes in order, sees that they are healthy, starts them again, ends them cleanly.

Each process leads a session of its own, so that Ctrl-C reaches the supervisor alone and a process's
children end with it. One task a process; a process that cannot be kept running sets `failed`.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parking.stack.backoff import Backoff
from parking.stack.checks import NotReady
from parking.stack.console import Console
from parking.stack.errors import StackError
from parking.stack.pids import PidFile

Check = Callable[[], Awaitable[None]]

POLL_S: Final = 0.1
EXIT_POLL_S: Final = 0.05
WATCH_EVERY_S: Final = 5.0
MISSED_CHECKS: Final = 6  # in a row, then the process counts as stuck: 30 s
LINE_LIMIT_BYTES: Final = 65_536


async def always_well() -> None:
    """A check for those who cannot be asked."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process: how to start it, how to tell that it is there, how to end it."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    ready: Check  # raises NotReady until the process does its work
    watch: Check = always_well  # asked while it runs; one that stays silent is replaced
    needs: tuple[str, ...] = ()  # parts that must be healthy first
    stage: int = 0  # ended from the highest stage down
    quiet: bool = False  # its log goes to its file; the console shows errors only
    stop_signal: signal.Signals = signal.SIGTERM
    start_limit_s: float = 60.0
    stop_limit_s: float = 15.0
    port: int | None = None


@dataclass(slots=True)
class Unit:
    """A part and what became of it."""

    part: Part
    backoff: Backoff
    task: asyncio.Task[None]
    state: str = "waiting"  # waiting | starting | healthy | restarting | stopped | failed
    starts: int = 0
    process: asyncio.subprocess.Process | None = None
    healthy: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False


class Supervisor:
    """Keeps parts running until `close`."""

    def __init__(
        self, run_dir: Path, console: Console, backoff: Callable[[], Backoff] = Backoff
    ) -> None:
        self.units: dict[str, Unit] = {}
        self.failed = asyncio.Event()
        self.changed: Callable[[], None] = lambda: None
        self._run_dir = run_dir
        self._console = console
        self._backoff = backoff

    def start(self, part: Part) -> None:
        """Begin to keep a part running; returns at once. It must not be running already."""
        known = self.units.get(part.name)
        if known is not None and known.state not in {"stopped", "failed"}:
            raise StackError(f"{part.name} is {known.state} already")
        task = asyncio.create_task(self._keep(part.name), name=part.name)
        self.units[part.name] = Unit(part, self._backoff(), task)

    async def healthy(self, names: Iterable[str], limit_s: float) -> None:
        """Wait until all are healthy. Raises StackError naming those that are not."""
        pending = [self.units[name] for name in names]
        deadline = time.monotonic() + limit_s
        while late := [unit for unit in pending if not unit.healthy.is_set()]:
            if time.monotonic() > deadline or any(unit.state == "failed" for unit in late):
                told = ", ".join(f"{unit.part.name} is {unit.state}" for unit in late)
                raise StackError(f"not healthy within {limit_s:.0f} s: {told}; see the logs")
            await asyncio.sleep(POLL_S)

    async def stop(self, name: str) -> None:
        """End a part and leave it ended: its signal, a bounded wait, then SIGKILL."""
        unit = self.units[name]
        unit.stopping = True
        if unit.process is not None:
            await self._end(unit, unit.process)
            await asyncio.wait({unit.task}, timeout=3.0)
        unit.task.cancel()  # it may still wait for what it needs, or for its next start
        await asyncio.wait({unit.task})
        self._set(unit, "stopped")

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a part's process alone (a test's kill -9, SIGSTOP); its pid."""
        process = self.units[name].process
        if process is None or process.returncode is not None:
            raise StackError(f"{name} does not run")
        os.kill(process.pid, number)
        return process.pid

    def kill_all(self) -> None:
        """End every process at once, without a chance to clean up."""
        for unit in self.units.values():
            unit.stopping = True
            if unit.process is not None and unit.process.returncode is None:
                _kill_group(unit.process.pid)

    async def close(self) -> None:
        """End everything, the highest stage first."""
        for stage in sorted({unit.part.stage for unit in self.units.values()}, reverse=True):
            names = [
                n for n, u in self.units.items() if u.part.stage == stage and u.state != "stopped"
            ]
            await asyncio.gather(*(self.stop(name) for name in names))

    async def _keep(self, name: str) -> None:
        """Whatever goes wrong here is told, and gives the part up: nobody waits for this task."""
        unit = self.units[name]
        try:
            await self._keep_running(unit)
        except Exception as error:  # noqa: BLE001 -- told, and ends the stack
            self._set(unit, "failed")
            self._console.say(f"{name} is given up: {type(error).__name__}: {error}", "error")
            self.failed.set()

    async def _keep_running(self, unit: Unit) -> None:
        await asyncio.gather(*(self.units[name].healthy.wait() for name in unit.part.needs))
        while True:
            began = time.monotonic()
            status = await self._live(unit)
            if unit.stopping:
                return
            wait_s = unit.backoff.after_exit(status, time.monotonic() - began)
            if wait_s is None:
                self._give_up(unit, status)
                return
            self._set(unit, "restarting")
            self._console.say(
                f"{unit.part.name} ended ({_told(status)}); starts again in {wait_s:.1f} s"
            )
            await asyncio.sleep(wait_s)

    async def _live(self, unit: Unit) -> int:
        """One life of the process, from start to end; its exit status."""
        process = await self._spawn(unit)
        output = asyncio.create_task(self._pump(unit, process))
        guard = asyncio.create_task(self._guard(unit, process))
        try:
            return await _exit_of(process)
        finally:
            guard.cancel()
            _kill_group(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({output, guard}, timeout=1.0)
            output.cancel()
            unit.healthy.clear()
            PidFile(self._run_dir, unit.part.name).remove()

    async def _spawn(self, unit: Unit) -> asyncio.subprocess.Process:
        part = unit.part
        self._set(unit, "starting")
        unit.starts += 1
        unit.process = process = await asyncio.create_subprocess_exec(
            *part.command,
            env=dict(part.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        PidFile(self._run_dir, part.name).write(process.pid)
        return process

    async def _guard(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        """Tell when the process is healthy; end it when it never is, or no longer."""
        name = unit.part.name
        try:
            if await self._becomes_ready(unit):
                unit.healthy.set()
                self._set(unit, "healthy")
                await self._gets_stuck(unit)
            else:
                limit_s = unit.part.start_limit_s
                self._console.say(f"{name} was not ready in {limit_s:.0f} s", "error")
        except Exception as error:  # noqa: BLE001 -- a check's own fault, told; nothing else would
            kind = "" if isinstance(error, StackError) else f"{type(error).__name__}: "
            self._console.say(f"{name}: {kind}{error}", "error")
            unit.backoff.tries = 0  # starting it again would not help
        await self._end(unit, process)

    async def _gets_stuck(self, unit: Unit) -> None:
        """Ask how it is until it did not answer well for too long; for ever where nobody asks."""
        missed = 0
        while missed < MISSED_CHECKS:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                await unit.part.watch()
                missed = 0
            except NotReady as reason:
                if not unit.stopping:
                    missed += 1
                    count = f"{missed} of {MISSED_CHECKS}"
                    self._console.say(f"{unit.part.name} is not well ({reason}), {count}")

    async def _becomes_ready(self, unit: Unit) -> bool:
        """Ask until it is ready (True) or its time is over (False)."""
        deadline = time.monotonic() + unit.part.start_limit_s
        while time.monotonic() < deadline:
            try:
                await unit.part.ready()
                return True
            except NotReady:
                await asyncio.sleep(POLL_S)
        return False

    async def _end(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        for number, limit_s in (
            (unit.part.stop_signal, unit.part.stop_limit_s),
            (signal.SIGKILL, 5.0),
        ):
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                async with asyncio.timeout(limit_s):
                    await _exit_of(process)
            except TimeoutError:
                self._console.say(
                    f"{unit.part.name} did not end {limit_s:.0f} s after {number.name}", "warning"
                )

    async def _pump(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        """Hand the process's output on, line by line; an endless line is cut."""
        assert process.stdout is not None  # noqa: S101 -- asked for above; mypy cannot know
        rest = b""
        while chunk := await process.stdout.read(LINE_LIMIT_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_LIMIT_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._console.line(unit.part.name, line.decode("utf-8", "replace"), unit.part.quiet)

    def _give_up(self, unit: Unit, status: int) -> None:
        self._set(unit, "failed")
        why = "its settings are wrong" if status == 2 else f"it ended {unit.backoff.failures} times"
        self._console.say(
            f"{unit.part.name} is given up: {why}, last {_told(status)}. Its log tells more.",
            "error",
        )
        self.failed.set()

    def _set(self, unit: Unit, state: str) -> None:
        unit.state = state
        self.changed()


async def _exit_of(process: asyncio.subprocess.Process) -> int:
    """Its exit status; process.wait() would wait for all who inherited its output, too."""
    while process.returncode is None:  # noqa: ASYNC110 -- asyncio has no event for this
        await asyncio.sleep(EXIT_POLL_S)
    return process.returncode


def _kill_group(leader: int) -> None:
    """End what a process left behind in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _told(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
