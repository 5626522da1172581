"""A board's gate uses pins that nothing else on the board uses, and the wiring pictures show
those."""

import re
from pathlib import Path
from typing import Any

import pytest

from tools.stack.settings import ROOT

BOARDS = sorted(path.stem for path in (ROOT / "firmware/boards").glob("[a-z]*.py"))
TAKEN = {
    # Lamp; the flash's voltage; the serial line; PSRAM.
    "ai_thinker": {4, 12, 1, 3, 16},
    # LED, RGB LED; SD card; USB; PSRAM; serial line; what is read at power-on.
    "freenove_s3": {2, 48, 38, 39, 40, 19, 20, 35, 36, 37, 43, 44, 0, 3, 45, 46},
    # LED and SD card; microphone; serial line; what is read at power-on.
    "xiao_s3_sense": {21, 7, 8, 9, 41, 42, 43, 44, 0, 3, 45, 46},
}


def pins(board: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    path = ROOT / "firmware/boards" / f"{board}.py"
    exec(compile(path.read_text("utf-8"), board, "exec"), found)  # noqa: S102 -- our own file
    return found


@pytest.mark.parametrize("board", BOARDS)
def test_the_gate_has_pins_of_its_own(board: str):
    found = pins(board)
    gate = [*found["GATE"], *found["TRIGGERS"]]
    assert len(set(gate)) == 4
    camera = {*found["CAMERA"].pop("data_pins"), *found["CAMERA"].values()}
    assert not (camera | TAKEN[board]) & set(gate)


@pytest.mark.parametrize("board", ["ai_thinker", "freenove_s3"])
def test_what_is_shown_is_what_the_firmware_uses(board: str):
    gate = pins(board)["GATE"]
    picture = (ROOT / f"docs/wiring-{board.replace('_', '-')}.svg").read_text("utf-8")
    shown = re.findall(r">GPIO(\d+)<", picture)
    assert shown == [str(number) for number in gate]
    row = next(line for line in page().splitlines() if f"`{board}`" in line and "GPIO" in line)
    assert f"GPIO {gate[0]}, {gate[1]} |" in row
    assert "GPIO {}, {} |".format(*pins(board)["TRIGGERS"]) in row


def page() -> str:
    return Path(ROOT / "docs/firmware.md").read_text("utf-8")
