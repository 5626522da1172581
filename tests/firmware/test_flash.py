"""`make flash` without IMAGE, played to a folder that stands for the board's file system. The files
are copied, and what would run on the board runs under MicroPython with a simulated flash. mpremote
and the serial line themselves are not part of this."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.firmware.running import MICROPYTHON
from tools.boards import flash
from tools.boards.on_board import NotReady, target
from tools.stack.settings import ROOT

ESP32 = f"""
import sys
sys.path.append("{ROOT}/firmware")
from sim.flash import FlashFile

class Partition:
    TYPE_DATA = 1

    @staticmethod
    def find(_kind, label):
        return [Partition()] if label == "ring" else []

    def __init__(self):
        self.flash = FlashFile(32, "ring.bin")

    def readblocks(self, block, data, offset):
        data[:] = self.flash.read(block * 4096 + offset, len(data))

    def writeblocks(self, block, data, offset):
        self.flash.write(block * 4096 + offset, data)

    def ioctl(self, _op, block):
        self.flash.erase(block)
"""
MACHINE = """
class WDT:
    def __init__(self, timeout):
        print("watchdog", timeout)

    def feed(self):
        print("fed")

class Timer:
    PERIODIC = 1

    def __init__(self, _number):
        pass

    def init(self, mode, period, callback):
        assert period < 60000
        callback(self)
"""
BEGIN = """
from loader.journal import Journal
from loader.partition import Flash
from loader.slots import Slots
slots = Slots(Journal(Flash(), 2))
print(*slots.begin())
"""


class Machine:
    """The board: its files, and what it printed last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "esp32.py").write_text(ESP32, "utf-8")
        (folder / "machine.py").write_text(MACHINE, "utf-8")

    def says(self, code: str) -> str:
        done = subprocess.run(
            [MICROPYTHON, "-c", code], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def play(self, command: Sequence[str]) -> str:
        """Do what mpremote would do. Return everything that was printed."""
        assert list(command[1:5]) == ["-m", "mpremote", "connect", "PORT"]
        said, step = "", list[str]()
        for word in (*command[5:], "+"):
            if word != "+":
                step.append(word)
                continue
            match step:
                case ["exec", code]:
                    said += self.says(code)
                case ["fs", "cp", "-r", source, ":"]:
                    shutil.copytree(source, self.folder / Path(source).name, dirs_exist_ok=True)
                case ["fs", "cp", source, to]:
                    shutil.copy(source, self.folder / to.removeprefix(":"))
                case [] | ["reset"]:
                    pass
                case _:
                    pytest.fail(f"mpremote does not know {step}")
            step = []
        return said

    def flash(self, folder: Path, *, cut: bool = False) -> tuple[str, bool]:
        """Run `make flash` without IMAGE. With `cut`, the cable is pulled before the last step.
        Return the output and whether it succeeded."""
        folder.mkdir()
        slot, trial = target(self.play(flash.look("PORT", folder)))
        command = flash.copy("PORT", folder, slot, trial, None)
        if cut:
            command = command[: command.index(str(folder / slot))]
            command = [*command, str(folder / slot), ":"]
        assert "watchdog 60000\nfed" in self.play(command)
        return slot, trial

    def boot(self) -> list[str]:
        """Return the slot that boots, and whether it is on trial."""
        return self.says(BEGIN).split()


@pytest.fixture
def board(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "board")


def test_the_slot_that_runs_is_never_written_and_the_other_one_is_on_trial(
    board: Machine, tmp_path: Path
):
    assert board.flash(tmp_path / "1") == ("a", False)
    assert (board.folder / "a/app/main.mpy").exists()
    assert board.boot() == ["a", "False"]
    (board.folder / "a/app/mark").touch()
    (board.folder / "b/app").mkdir(parents=True)
    (board.folder / "b/app/old.mpy").touch()
    assert board.flash(tmp_path / "2") == ("b", True)
    assert (board.folder / "a/app/mark").exists(), "what works stays as it is"
    assert not (board.folder / "b/app/old.mpy").exists(), "nothing of an older image is left"
    assert board.boot() == ["b", "True"]
    board.says(BEGIN.replace("*slots.begin()", "slots.confirm()"))
    assert board.flash(tmp_path / "3") == ("a", True), "it runs from b now"
    assert not (board.folder / "a/app/mark").exists()
    boots = [board.boot() for _ in range(4)]
    assert boots == [["a", "True"]] * 3 + [["b", "False"]], "no ack in three boots: back"


def test_a_cable_pulled_while_copying_leaves_what_works(board: Machine, tmp_path: Path):
    board.flash(tmp_path / "1", cut=True)
    assert board.flash(tmp_path / "2") == ("a", False), "there was nothing whole yet"
    board.flash(tmp_path / "3")
    assert board.boot() == ["b", "True"]
    assert board.flash(tmp_path / "4", cut=True) == ("b", True)
    assert board.boot() == ["a", "False"], "no half of an image is tried, though one was on trial"


def test_a_board_without_a_ring_gets_its_own_message():
    for said in ("board: no ring partition: flash with `make flash`", "", "slot c runs"):
        with pytest.raises(NotReady):
            target(said)


@pytest.mark.parametrize(("runs", "written"), [("new", "a"), ("a", "b"), ("b", "a")])
def test_a_dry_run_says_every_command_and_needs_no_board(
    runs: str, written: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.argv", ["flash", "--port", "PORT", "--dry-run", runs])
    flash.main()
    said = capsys.readouterr().out
    assert f"/{written} : + fs cp" in said
    assert ("on trial" in said) == ("install()" in said) == (runs != "new")


def test_a_configuration_that_the_board_would_not_take_is_not_copied(tmp_path: Path) -> None:
    file = tmp_path / "cam.json"
    file.write_text('{"wifi_ssid": "lot", "tls": true}', "utf-8")
    with pytest.raises(SystemExit, match="has no ca"):
        flash._stamped(file, "ai_thinker", tmp_path)  # noqa: SLF001 -- the step before anything is copied


def test_the_configuration_gets_the_name_of_its_board(tmp_path: Path) -> None:
    """Otherwise the firmware would use the default board's pins."""
    file = tmp_path / "cam.json"
    file.write_text('{"wifi_ssid": "lot", "tls": false}', "utf-8")
    out = tmp_path / "out"
    out.mkdir()
    stamped = flash._stamped(file, "xiao_s3_sense", out)  # noqa: SLF001 -- as above
    assert json.loads(stamped.read_text("utf-8"))["board"] == "xiao_s3_sense"
    with pytest.raises(SystemExit, match="is for the board xiao_s3_sense, not for ai_thinker"):
        flash._stamped(stamped, "ai_thinker", out)  # noqa: SLF001
