"""Start processes in order, check their health, restart them, and end them cleanly.

Each process leads a session of its own, so that Ctrl-C reaches only the supervisor and a process's
children end with it. Each process has one task. A process that cannot be kept
running sets `failed`.
"""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.stack.backoff import SETTINGS_FAULT, Backoff
from tools.stack.checks import NotReady
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.patience import POLL_S, Check, until_ready
from tools.stack.pids import PidFile
from tools.stack.processes import exit_of, kill_group, status_text
from tools.stack.space import Space

SPACE_POLL_S: Final = 2.0
WATCH_EVERY_S: Final = 5.0
MISSED_CHECKS: Final = 6  # consecutive failed checks (30 s) until a process counts as stuck
LINE_LIMIT_BYTES: Final = 65_536


async def always_well() -> None:
    """The check for parts that have none of their own."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process, with how to start, check and stop it."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    ready: Check  # raises NotReady until the process does its work
    watch: Check = always_well  # checked while it runs; a process that stays silent is restarted
    needs: tuple[str, ...] = ()  # parts that must be healthy first
    stage: int = 0  # ended from the highest stage down
    quiet: bool = False  # its log goes to its file; the console shows errors only
    stop_signal: signal.Signals = signal.SIGTERM
    start_limit_s: float = 60.0
    stop_limit_s: float = 15.0
    port: int | None = None


@dataclass(slots=True)
class Unit:
    """A part and its current state."""

    part: Part
    backoff: Backoff
    task: asyncio.Task[None]
    state: str = "waiting"  # waiting|starting|healthy|restarting|no space|stopped|failed
    starts: int = 0
    process: asyncio.subprocess.Process | None = None
    healthy: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False


class Supervisor:
    """Keeps parts running until `close`."""

    def __init__(
        self,
        run_dir: Path,
        console: Console,
        backoff: Callable[[], Backoff] = Backoff,
        space: Space | None = None,
    ) -> None:
        self.units: dict[str, Unit] = {}
        self.failed = asyncio.Event()
        self.changed: Callable[[], None] = lambda: None
        self._run_dir = run_dir
        self._console = console
        self._backoff = backoff
        self._space = space or Space(run_dir)

    def start(self, part: Part) -> None:
        """Start a part and keep it running. Returns at once. The part must not be running
        already."""
        known = self.units.get(part.name)
        if known is not None and known.state not in {"stopped", "failed"}:
            raise StackError(f"{part.name} is already {known.state}")
        task = asyncio.create_task(self._keep(part.name), name=part.name)
        self.units[part.name] = Unit(part, self._backoff(), task)

    async def healthy(self, names: Iterable[str], limit_s: float = math.inf) -> None:
        """Wait until all are healthy. Raises StackError naming those that are not, when the limit
        is reached or a part is given up."""
        pending = [self.units[name] for name in names]
        deadline = time.monotonic() + limit_s
        while late := [unit for unit in pending if not unit.healthy.is_set()]:
            if time.monotonic() > deadline or any(unit.state == "failed" for unit in late):
                states = ", ".join(f"{unit.part.name} is {unit.state}" for unit in late)
                within = "" if math.isinf(limit_s) else f" within {limit_s:.0f} s"
                raise StackError(f"not healthy{within}: {states}; see the logs")
            await asyncio.sleep(POLL_S)

    async def stop(self, name: str) -> None:
        """Stop a part for good: send its signal, wait for a limited time, then send SIGKILL."""
        unit = self.units[name]
        unit.stopping = True
        if unit.process is not None:
            await self._end(unit, unit.process)
            await asyncio.wait({unit.task}, timeout=3.0)
        unit.task.cancel()  # it may still wait for what it needs, or for its next start
        await asyncio.wait({unit.task})
        self._set(unit, "stopped")

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a part's process only (a test's kill -9, SIGSTOP). Returns its pid."""
        process = self.units[name].process
        if process is None or process.returncode is not None:
            raise StackError(f"{name} is not running")
        os.kill(process.pid, number)
        return process.pid

    def kill_all(self) -> None:
        """End every process at once, without a chance to clean up."""
        for unit in self.units.values():
            unit.stopping = True
            if unit.process is not None and unit.process.returncode is None:
                kill_group(unit.process.pid)

    async def close(self) -> None:
        """End everything, the highest stage first."""
        for stage in sorted({unit.part.stage for unit in self.units.values()}, reverse=True):
            names = [
                n for n, u in self.units.items() if u.part.stage == stage and u.state != "stopped"
            ]
            await asyncio.gather(*(self.stop(name) for name in names))

    async def _keep(self, name: str) -> None:
        """Keep a part running. Any error is reported here and the part given up, because nobody
        awaits this task."""
        unit = self.units[name]
        try:
            await self._keep_running(unit)
        except Exception as error:  # noqa: BLE001 -- reported, and ends the stack
            self._set(unit, "failed")
            self._console.say(f"gave up on {name}: {type(error).__name__}: {error}", "error")
            self.failed.set()

    async def _keep_running(self, unit: Unit) -> None:
        await asyncio.gather(*(self.units[name].healthy.wait() for name in unit.part.needs))
        while True:
            began = time.monotonic()
            status = await self._live(unit)
            if unit.stopping:
                return
            if await self._waited_for_space(unit, status):
                continue
            wait_s = unit.backoff.after_exit(status, time.monotonic() - began)
            if wait_s is None:
                self._give_up(unit, status)
                return
            self._set(unit, "restarting")
            self._console.say(
                f"{unit.part.name} exited ({status_text(status)}); it restarts in {wait_s:.1f} s"
            )
            await asyncio.sleep(wait_s)

    async def _waited_for_space(self, unit: Unit, status: int) -> bool:
        """If a process ended because the disk was full, wait without limit until there is space.
        This does not count as a failure, and the restart count is reset."""
        if status == SETTINGS_FAULT or not self._space.is_low():
            return False
        self._set(unit, "no space")
        name = unit.part.name
        self._console.say(f"{name} exited ({status_text(status)}): {self._space.reason()}", "error")
        while not self._space.is_enough():  # noqa: ASYNC110 -- no event tells of free space
            await asyncio.sleep(SPACE_POLL_S)
        self._console.say(f"{name} restarts: the disk has space again")
        unit.backoff.failures = 0
        return True

    async def _live(self, unit: Unit) -> int:
        """Live through one life of the process, from start to end. Returns its exit status."""
        process = await self._spawn(unit)
        output = asyncio.create_task(self._pump(unit, process))
        guard = asyncio.create_task(self._guard(unit, process))
        try:
            return await exit_of(process)
        finally:
            guard.cancel()
            kill_group(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({output, guard}, timeout=1.0)
            output.cancel()
            unit.healthy.clear()
            with contextlib.suppress(OSError):  # the file now names a process that has ended
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
        try:
            PidFile(self._run_dir, part.name).write(process.pid)
        except OSError as error:  # a full disk must not end what runs
            self._console.say(f"no pid file for {part.name}: {error}", "warning")
        return process

    async def _guard(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        """Report when the process is healthy. End it if it does not become or stay healthy."""
        name = unit.part.name
        try:
            if await until_ready(unit.part.ready, process.pid, unit.part.start_limit_s):
                unit.healthy.set()
                self._set(unit, "healthy")
                await self._gets_stuck(unit)
            else:
                limit_s = unit.part.start_limit_s
                self._console.say(f"{name} made no progress for {limit_s:.0f} s", "error")
        except Exception as error:  # noqa: BLE001 -- a check's own error, reported here
            kind = "" if isinstance(error, StackError) else f"{type(error).__name__}: "
            self._console.say(f"{name}: {kind}{error}", "error")
            unit.backoff.tries = 0  # a restart would not help
        await self._end(unit, process)

    async def _gets_stuck(self, unit: Unit) -> None:
        """Check it until the check has failed for too long. Runs forever if it has no check."""
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
                    self._console.say(f"{unit.part.name} is unhealthy ({reason}), {count}")

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
                    await exit_of(process)
            except TimeoutError:
                self._console.say(
                    f"{unit.part.name} did not exit within {limit_s:.0f} s of {number.name}",
                    "warning",
                )

    async def _pump(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        """Forward the process's output line by line. An endless line is cut off."""
        assert process.stdout is not None  # noqa: S101 -- requested with PIPE; mypy cannot know
        rest = b""
        while chunk := await process.stdout.read(LINE_LIMIT_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_LIMIT_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._console.line(unit.part.name, line.decode("utf-8", "replace"), unit.part.quiet)

    def _give_up(self, unit: Unit, status: int) -> None:
        self._set(unit, "failed")
        wrong = status == SETTINGS_FAULT
        why = "its settings are wrong" if wrong else f"it exited {unit.backoff.failures} times"
        self._console.say(
            f"gave up on {unit.part.name}: {why}, last {status_text(status)}. See its log.",
            "error",
        )
        self.failed.set()

    def _set(self, unit: Unit, state: str) -> None:
        unit.state = state
        self.changed()
