"""The points where a test may kill a process."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.support.crash_points import EVERY
from tools.stack.settings import ROOT

PROGRAM = """
from parking.runtime.faults import fault, holding
for name in "abc":
    holding([name, name * 2])
    fault("there")
    print(name, flush=True)
"""


def run(setting: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FAULT": setting}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("setting", "passed", "in_hand"),
    [("there:kill", "", "a aa"), ("there:kill:3", "a\nb\n", "c cc")],
)
def test_a_point_ends_the_process_and_says_what_was_in_hand(setting, passed, in_hand):
    ended = run(setting)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, passed)
    assert ended.stderr == f"FAULT there in hand: {in_hand}\n"


@pytest.mark.parametrize("setting", ["", "elsewhere:kill", "there:dance"])
def test_without_the_setting_it_does_nothing(setting):
    ended = run(setting)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\nb\nc\n", "")


def test_every_point_of_the_code_is_killed_by_a_test_and_every_service_has_some():
    text = "".join(path.read_text("utf-8") for path in (ROOT / "services").rglob("*.py"))
    found = re.findall(r'\bfault\("([^"]+)"\)', text)
    assert sorted(found) == sorted(point.name for point in EVERY)
    assert len(found) == len(set(found)) >= 12
    services = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert {point.service for point in EVERY} == services
