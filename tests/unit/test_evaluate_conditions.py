"""Accuracy by condition: what a frame's condition is, and what is counted."""

from pathlib import Path

import pytest

from services.detector.analysis import Analyser, Options
from services.detector.judging import Judge
from services.detector.model import Facts
from tests.support.detector_tools import WhiteDetector
from tools.evaluate.conditions import condition_of, frames_in, measure, table

DEMO = Path(__file__).parents[2] / "demo"


@pytest.mark.parametrize(
    ("weather", "file", "condition"),
    [
        ("sunny", "images/a.jpg", "sunny"),
        ("overcast", "images/a.jpg", "cloudy"),
        ("night, snow", "lot000/008.jpg", "night, snow"),
        ("unknown", "images/gopr0093.jpg", "night"),
        ("unknown", "images/gopr6740.jpg", "fog at night"),
        ("unknown", "images/gopr6588.jpg", "day"),
    ],
)
def test_a_frame_s_condition_is_recorded_or_was_seen_by_a_person(weather, file, condition):
    assert condition_of({"weather": weather, "file": file}) == condition


def test_each_condition_counts_its_own_frames_and_slots():
    condition, frame = next(frames_in([DEMO]))
    assert condition == "sunny"
    analyser = Analyser(Judge(Facts(), None, WhiteDetector()), Options(), lambda: None)
    frames = [("sunny", frame), ("night", frame), ("night", frame)]
    tallies = measure(frames, {"demo": analyser})
    slots = len(frame.truth)
    rows = table("demo", tallies).splitlines()
    assert [row.split(" | ")[:3] for row in rows[2:]] == [
        ["| night", "2", str(2 * slots)],
        ["| sunny", "1", str(slots)],
    ]
    for tally in tallies.values():
        assert sum(tally.share(what) for what in ("right", "wrong", "unknown")) == pytest.approx(1)
