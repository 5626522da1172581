"""A tracker that froze while processing a batch and was replaced writes nothing when it wakes up.

In each round a tracker freezes just before a transaction or in the middle of one, for longer than
its session. Another one takes over its partitions and continues. The first one wakes up and must
end, and then the second one is killed. At the end everything is recomputed, and nothing may be lost
or appear twice. Without the fence (the control) the records of the tracker that woke up are found.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parking.wire.ports import Outgoing
from tests.support.tracker_log import Story, keep_every_record, send, story, wait_applied
from tests.support.tracking import Teller
from tests.support.waiting import nightly, wait_until
from tools.stack.checks import free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(2400)]

POINTS = ("tracker.before-write", "tracker.in-transaction")
EACH_ROUND = 5
"""Rounds of the story in a round of the test: two frames, a gate event, two doubled records."""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Infra]:
    paths = Paths(tmp_path / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as running:
        keep_every_record(running)
        yield running


class Round:
    """Two trackers, the first of which freezes."""

    def __init__(self, kafka: Infra, module: str) -> None:
        self._kafka = kafka
        self._module = module

    def tracker(self, fault: str = "") -> subprocess.Popen[bytes]:
        settings = {"TRACKER_SESSION_S": "6", "PYTHONPATH": str(ROOT), "FAULT": fault}
        env = self._kafka.env_for("tracker") | settings
        env["HTTP_PORT"] = str(free_ports(1)[0])
        return subprocess.Popen([sys.executable, "-m", self._module], env=env, cwd=ROOT)

    def play(self, messages: list[Outgoing], site_id: str, frame: int, point: str) -> int:
        """Return the exit status of the tracker that woke up; 0 if it did not end."""
        first = self.tracker(f"{point}:freeze")
        second = None
        try:
            send(self._kafka, messages)
            wait_until(lambda: frozen(first.pid), 60, "a frozen tracker")
            second = self.tracker()
            wait_applied(self._kafka, site_id, frame)
            first.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + 30
            while first.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                if self._module != "services.tracker":
                    deadline = min(deadline, time.monotonic() + 5)
            return first.poll() or 0
        finally:
            for process in (first, second):
                if process:
                    process.kill()
                    process.wait()


def frozen(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    return stat.rpartition(")")[2].split()[0] == "T"


def played(kafka: Infra, rounds: int, module: str) -> tuple[Story, list[int]]:
    teller = Teller("frozen")
    messages = story(teller, EACH_ROUND * rounds)
    size = (len(messages) - 2) // rounds
    statuses = []
    for number in range(rounds):
        begin = 0 if not number else 2 + number * size
        some = messages[begin : 2 + (number + 1) * size]
        frame = 2 * EACH_ROUND * (number + 1)
        point = POINTS[number % len(POINTS)]
        statuses.append(Round(kafka, module).play(some, teller.site_id, frame, point))
    return Story(kafka, teller.site_id), statuses


@pytest.mark.parametrize("rounds", [2, nightly(30)])
def test_one_that_was_replaced_writes_nothing(kafka: Infra, rounds: int, record_property: Any):
    found, statuses = played(kafka, rounds, "services.tracker")
    changes = found.check()
    assert changes
    ended = statuses.count(1)
    record_property("woken", f"{rounds}: {ended} ended, {rounds - ended} joined again")
    record_property("changes", f"{len(changes)}, each once")
    record_property("damage", found.damage())
    assert set(list(found.damage().values())[1:]) == {0}
    # With its batch still to be written it is refused; in the middle of a transaction it may have
    # waited too long to try, and joins again as a member that has nothing.
    assert statuses[0] == 1


@pytest.mark.parametrize("rounds", [1, nightly(10)])
def test_without_the_fence_what_it_wrote_is_found(kafka: Infra, rounds: int, record_property: Any):
    found, _ = played(kafka, rounds, "tests.chaos.unfenced_tracker")
    with pytest.raises(AssertionError):
        found.check()
    damage = found.damage()
    record_property("damage", damage)
    assert damage["changes reported twice"] + damage["slot states that do not grow"] > 0
