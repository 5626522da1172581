"""`tools.suite`, tested against real pytest runs in a folder of their own."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.claims import Claims
from tools import suite
from tools.stack.settings import ROOT

FAILS = "\ndef test_fails():\n    assert False\n"
PASSES = "\ndef test_passes():\n    pass\n"


def fails_once(name: str) -> str:
    """Return a test that fails only in its first run."""
    return f"""
import re
from pathlib import Path

def test_{name}():
    seen = Path(__file__).with_name("{name}.seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with settings of its own, in which only the group `parts` has tests."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(suite, "GROUPS", {"parts": ()})
    monkeypatch.setattr(suite, "ALONE", ("-k", "no_such_test"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_test_that_fails_once_is_run_again_by_itself_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_it.py").write_text(fails_once("busy") + PASSES)
    assert suite.main(["-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  parts | passed only by itself: test_it.py::test_busy"
    assert lines[-2].startswith("  parts | FAILED test_it.py::test_busy")
    assert any("parts | 1 passed" in line for line in lines), "only that one ran again"


@pytest.mark.parametrize(
    ("tests", "arguments"),
    [
        pytest.param(fails_once("busy"), ["--once"], id="not run again when told so"),
        pytest.param(FAILS + PASSES, [], id="fails again"),
        pytest.param("".join(fails_once(f"busy_{n}") for n in range(6)), [], id="too many"),
    ],
)
def test_a_failure_is_not_forgotten(
    folder: Path, capsys: pytest.CaptureFixture[str], tests: str, arguments: list[str]
) -> None:
    (folder / "test_it.py").write_text(tests)
    assert suite.main(["-q", *arguments]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("  parts | FAILED test_it.py::")


def test_a_file_that_cannot_be_imported_fails(folder: Path) -> None:
    (folder / "test_it.py").write_text("import no_such_module")
    assert suite.main(["-q"]) == 2


def test_no_test_chosen_is_told(folder: Path) -> None:
    (folder / "test_it.py").write_text(PASSES)
    assert suite.main(["-q", "-k", "other"]) == suite.NOTHING_CHOSEN


def test_what_did_not_run_again_is_still_failed() -> None:
    beside = [suite.Outcome("parts", 1, ("a", "b"))]
    assert suite.verdict(beside, [suite.Outcome("parts", 0, ("b",))]) == 1
    assert suite.verdict(beside, [suite.Outcome("parts", 0)]) == 0
    assert suite.verdict(beside, [suite.Outcome("parts", suite.NOTHING_CHOSEN, ("a", "b"))]) == 1


def test_two_processes_share_the_files_and_each_test_runs_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process that finishes first takes the next file, while a slow file keeps the other one
    busy."""
    how = ("-p", "tests.support.claims", "--claims={claims}")
    monkeypatch.setattr(suite, "GROUPS", {"servers": how, "others": how})
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    test = "from pathlib import Path\n\ndef test_{0}():\n    Path('{0}').touch(exist_ok=False)\n"
    for name in "abcde":
        (folder / f"test_{name}.py").write_text(test.format(name))
    assert suite.main(["-q", "--once"]) == 0
    assert sorted(file.name for file in folder.glob("?")) == list("abcde")
    said = capsys.readouterr().out
    ran = re.findall(r"\| (\d) passed", said)
    assert sum(map(int, ran)) == 5, said


@pytest.mark.parametrize("chosen", [suite.GROUPS["servers"], suite.UNIT["unit 1"]])
def test_pytest_knows_the_groups_own_options(chosen: Sequence[str], tmp_path: Path) -> None:
    """A folder as an argument of its own would hide tests/conftest.py, which has the options."""
    command = [sys.executable, "-m", "pytest", *(part.format(claims=tmp_path) for part in chosen)]
    ended = subprocess.run(
        [*command, "--collect-only", "--ignore-glob=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == suite.NOTHING_CHOSEN, ended.stderr


def test_a_file_goes_to_who_asks_first(tmp_path: Path) -> None:
    one, other = Claims(tmp_path), Claims(tmp_path)
    assert one.claim(Path("/t/test_a.py"))
    assert not other.claim(Path("/t/test_a.py"))
    assert other.claim(Path("/t/test_b.py"))
    assert one.claim(Path("/t/test_a.py")), "it stays its own"
    assert not one.claim(Path("/t/test_b.py"))


def test_the_ten_slowest_of_all_groups_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [
        suite.Outcome(name, 0, slowest=tuple((float(n), f"call of {name} {n}") for n in range(8)))
        for name in ("parts", "servers")
    ]
    suite.report(groups, [])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == suite.SLOWEST
    assert lines[0] == "slowest |    7.0 s call of servers 7"
    assert lines[-1] == "slowest |    3.0 s call of parts 3"
