"""Control groups that limit memory and processor time (tools/bench/confined.py), tested with real
ones where they can be created."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bench.confined import Group


@pytest.fixture
def group() -> Iterator[Group]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    try:
        with Group("test", 200, 0.2) as group:
            yield group
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")


def run(group: Group, script: str) -> int:
    command = group.command([sys.executable, "-c", script])
    return subprocess.run(command, check=False).returncode


def test_a_process_beyond_the_limit_is_ended_and_one_below_is_not(group: Group) -> None:
    assert run(group, "x = b'1' * 100_000_000") == 0
    assert group.read().killed == 0
    assert run(group, "x = b'1' * 300_000_000") == -9
    found = group.read()
    assert found.killed >= 1
    assert 190 < found.peak_mb <= 200


def test_processor_time_is_limited(group: Group) -> None:
    began_s = time.monotonic()
    busy = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    assert run(group, busy) == 0
    found, passed_s = group.read(), time.monotonic() - began_s
    assert found.cpu_s < 0.3 * passed_s
    assert found.throttled > 0.5


def test_the_groups_processes_end_with_it(group: Group) -> None:
    with Group("short", 200, 1.0) as short:
        process = subprocess.Popen(short.command(["sleep", "60"]))
        deadline_s = time.monotonic() + 10
        while not short.read().own_mb and time.monotonic() < deadline_s:
            time.sleep(0.02)
    assert process.wait(5) == -9
    assert not any(folder.exists() for folder in short.folders.values())


def test_version_2_is_read_by_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch, Group("two", 900, 0.5, tmp_path) as group:
        [folder] = group.folders.values()
        assert (folder / "memory.max").read_text("utf-8") == "900000000"
        assert (folder / "cpu.max").read_text("utf-8") == "50000 100000"
        for name, text in {
            "memory.peak": "700000000",
            "memory.stat": "anon 500000000\nfile 1",
            "memory.swap.current": "3000000",
            "memory.events": "low 0\nmax 4\noom_kill 1",
            "cpu.stat": "usage_usec 2500000\nnr_periods 10\nnr_throttled 5",
        }.items():
            (folder / name).write_text(text, "utf-8")
        found = group.read()
        patch.setattr(Path, "rmdir", lambda _: None)  # a real one is empty
    assert (found.peak_mb, found.own_mb, found.swap_mb) == (700, 500, 3)
    assert (found.at_limit, found.killed, found.cpu_s, found.throttled) == (4, 1, 2.5, 0.5)
