"""The README's pictures, which are put together from single ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.screenshots.__main__ import FRAME_MS, convert


def shot(folder: Path, name: str, grey: int) -> None:
    assert cv2.imwrite(str(folder / name), np.full((80, 128, 3), grey, np.uint8))


def test_single_pictures_become_one_that_moves(tmp_path: Path):
    for name, grey in (
        ("desk.png", 9),
        ("phone.png", 99),
        ("moving-00.png", 9),
        ("moving-01.png", 250),
    ):
        shot(tmp_path, name, grey)
    written = convert(tmp_path, tmp_path / "out")
    assert [path.name for path in written] == [
        "dashboard.webp",
        "dashboard-phone.webp",
        "dashboard-live.webp",
    ]
    read, moving = cv2.imreadanimation(str(written[-1]))
    assert read
    assert [frame.shape[:2] for frame in moving.frames] == [(50, 80)] * 2
    assert list(moving.durations) == [FRAME_MS] * 2
    first, second = (float(frame[..., :3].mean()) for frame in moving.frames)
    assert (round(first, -1), round(second, -1)) == (10, 250)


def test_a_picture_that_was_not_taken_is_named(tmp_path: Path):
    shot(tmp_path, "desk.png", 9)
    with pytest.raises(FileNotFoundError, match=r"phone\.png"):
        convert(tmp_path, tmp_path / "out")
