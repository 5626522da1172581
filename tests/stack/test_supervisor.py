"""The supervisor, with small processes of the test's own."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import until
from tools.stack import status
from tools.stack import supervisor as module
from tools.stack.backoff import Backoff
from tools.stack.checks import NotReady
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.pids import PidFile, end_leftovers
from tools.stack.settings import Paths
from tools.stack.space import Space
from tools.stack.supervisor import Part, Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); {SLEEPER}"


async def at_once() -> None:
    return


def python(name: str, program: str, **changes: object) -> Part:
    return replace(
        Part(name, (sys.executable, "-c", program), {}, at_once),
        **changes,  # type: ignore[arg-type] # fields of Part
    )


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Supervisor]:
    console = Console(tmp_path / "logs")
    running = Supervisor(tmp_path / "run", console, lambda: Backoff(first_s=0.05, tries=2))
    yield running
    await running.close()
    console.close()


async def test_a_killed_process_is_started_again(keeper: Supervisor) -> None:
    keeper.start(python("a", SLEEPER))
    await keeper.healthy(["a"], 10.0)
    first = keeper.signal("a", signal.SIGKILL)
    unit = keeper.units["a"]
    await until(lambda: unit.starts == 2 and unit.healthy.is_set())
    assert unit.process is not None
    assert unit.process.pid != first


async def test_a_process_that_will_not_run_is_given_up(keeper: Supervisor, tmp_path: Path) -> None:
    keeper.start(python("a", "print('no such luck'); raise SystemExit(3)", ready=never))
    await asyncio.wait_for(keeper.failed.wait(), 10.0)
    assert (keeper.units["a"].starts, keeper.units["a"].state) == (3, "failed")
    assert "no such luck" in (tmp_path / "logs" / "a.log").read_text("utf-8")
    assert "it exited 3 times, last status 3" in (tmp_path / "logs" / "stack.log").read_text()
    with pytest.raises(StackError, match="a is failed"):
        await keeper.healthy(["a"], 5.0)


class Disk(Space):
    """A disk whose free space the test sets."""

    free = 0

    def free_bytes(self) -> int:
        return self.free


async def test_what_a_full_disk_ends_starts_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts again as often as needed and with all its attempts, and nothing is given up."""
    monkeypatch.setattr(module, "SPACE_POLL_S", 0.01)
    console, disk = Console(tmp_path / "logs"), Disk(tmp_path)
    keeper = Supervisor(tmp_path / "run", console, lambda: Backoff(first_s=0.01, tries=1), disk)
    states: list[str] = []
    keeper.changed = lambda: states.append(keeper.units["a"].state)
    try:
        keeper.start(python("a", "raise SystemExit(1)", ready=never))
        unit = keeper.units["a"]
        for round_ in range(1, 4):
            await until(lambda: unit.state == "no space")
            assert unit.starts == round_
            disk.free = disk.enough_bytes - 1
            await asyncio.sleep(0.05)
            assert unit.state == "no space", "hysteresis: a little room is not enough"
            disk.free = disk.enough_bytes if round_ == 3 else 0
            if round_ < 3:  # room for a moment: it ends again
                disk.free = disk.enough_bytes
                await until(lambda: unit.state != "no space")
                disk.free = 0
        await asyncio.wait_for(keeper.failed.wait(), 10.0)
        assert unit.state == "failed", "NC: with room on the disk its tries count"
        assert unit.starts == 5
    finally:
        await keeper.close()
        console.close()
    log = (tmp_path / "logs" / "stack.log").read_text("utf-8")
    assert log.count("is full (0 MB free): it continues at 250 MB") == 3


async def test_files_that_cannot_be_written_end_nothing(keeper: Supervisor, tmp_path: Path) -> None:
    """To the supervisor's files this looks like a full disk, because their folder is not a
    folder."""
    (tmp_path / "run").write_text("in the way")
    paths = Paths(tmp_path, tmp_path)
    keeper.changed = lambda: status.write(paths, keeper)
    keeper.start(python("a", SLEEPER))
    await keeper.healthy(["a"], 10.0)
    keeper.signal("a", signal.SIGKILL)
    unit = keeper.units["a"]
    await until(lambda: unit.starts == 2 and unit.healthy.is_set())
    (tmp_path / "run").unlink()
    await keeper.stop("a")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["a"]["state"] == "stopped"
    assert "no pid file for a" in (tmp_path / "logs" / "stack.log").read_text("utf-8")


async def test_wrong_settings_are_reported_at_the_first_start(keeper: Supervisor) -> None:
    keeper.start(python("a", "raise SystemExit(2)", ready=never))
    await asyncio.wait_for(keeper.failed.wait(), 10.0)
    assert keeper.units["a"].starts == 1


async def test_parts_wait_for_what_they_need(keeper: Supervisor) -> None:
    gate = asyncio.Event()

    async def when_opened() -> None:
        if not gate.is_set():
            raise NotReady("closed")

    keeper.start(python("first", SLEEPER, ready=when_opened))
    keeper.start(python("second", SLEEPER, needs=("first",)))
    await until(lambda: keeper.units["first"].state == "starting")
    assert keeper.units["second"].starts == 0
    gate.set()
    await keeper.healthy(["first", "second"], 10.0)


async def test_the_end_is_bounded_and_leaves_nobody(keeper: Supervisor) -> None:
    keeper.start(python("deaf", DEAF, stop_limit_s=0.3))
    keeper.start(python("parent", PARENT))
    await keeper.healthy(["deaf", "parent"], 10.0)
    pids = [unit.process.pid for unit in keeper.units.values() if unit.process]
    parent = psutil.Process(pids[1])
    await until(lambda: bool(parent.children()))
    family = [psutil.Process(pids[0]), parent, *parent.children()]
    await asyncio.wait_for(keeper.close(), 10.0)
    _, alive = psutil.wait_procs(family, timeout=5.0)
    assert not alive


async def test_a_stuck_process_is_replaced(
    keeper: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATCH_EVERY_S", 0.05)
    lives = keeper.units

    async def well_from_the_second_life_on() -> None:
        if lives["a"].starts < 2:
            raise NotReady("stuck")

    keeper.start(python("a", SLEEPER, watch=well_from_the_second_life_on))
    await until(lambda: lives["a"].starts == 2 and lives["a"].healthy.is_set())


async def test_an_endless_line_does_not_grow_memory(keeper: Supervisor, tmp_path: Path) -> None:
    keeper.start(python("a", "print('x' * 3_000_000, flush=True); print('end', flush=True)"))
    log = tmp_path / "logs" / "a.log"
    await until(lambda: log.exists() and "end" in log.read_text("utf-8"))
    assert max(map(len, log.read_text("utf-8").splitlines())) <= 3 * module.LINE_LIMIT_BYTES


def test_leftovers_of_a_killed_supervisor_are_ended(tmp_path: Path) -> None:
    command = f"[sys.executable, '-c', {SLEEPER!r}]"
    program = f"import subprocess as s, sys; print(s.Popen({command}, stdout=-3, stderr=-3).pid)"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    orphan = psutil.Process(int(started.stdout))
    PidFile(tmp_path, "orphan").write(orphan.pid)
    (tmp_path / "other.pid").write_text(json.dumps({"pid": orphan.pid, "began_s": 1.0}))
    assert PidFile(tmp_path, "other").process() is None  # that pid began later: another process
    assert end_leftovers(tmp_path) == ["orphan"]
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert not list(tmp_path.glob("*.pid"))


async def never() -> None:
    raise NotReady("never")


async def test_a_command_that_cannot_be_started_is_reported_and_ends_the_wait(
    keeper: Supervisor, tmp_path: Path
):
    keeper.start(replace(python("lost", SLEEPER), command=("/no/such/program",)))
    with pytest.raises(StackError, match="lost is failed"):
        await keeper.healthy(["lost"], 10)
    assert keeper.failed.is_set()
    assert "gave up on lost: FileNotFoundError" in (tmp_path / "logs" / "stack.log").read_text()


async def test_a_check_that_crashes_is_reported_and_its_part_is_given_up(
    keeper: Supervisor, tmp_path: Path
):
    async def broken() -> None:
        raise ValueError("a fault of the check")

    keeper.start(python("unasked", SLEEPER, ready=broken))
    with pytest.raises(StackError, match="unasked is failed"):
        await keeper.healthy(["unasked"], 20)
    assert (
        "unasked: ValueError: a fault of the check" in (tmp_path / "logs" / "stack.log").read_text()
    )
