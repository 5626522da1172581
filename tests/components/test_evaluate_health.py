"""How tools/evaluate damages pictures, and how it counts the results."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from parking.core.errors import Invalid
from services.detector.analysis import Job
from tests.components.test_placement import frame
from tests.support.detector_tools import analyser
from tools.evaluate.corrupt import KINDS, STRENGTHS, corrupt
from tools.evaluate.health import CLEAN, measure, sample
from tools.evaluate.looks import look_at

DEMO = Path(__file__).parents[2] / "demo"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_damage_is_the_same_every_time_and_grows(kind):
    picture = frame(20)
    first, again = (corrupt(picture, kind, 5, "a seed") for _ in range(2))
    assert first.shape == picture.shape
    assert (first == again).all()
    mild = corrupt(picture, kind, 1, "a seed")

    def harm(damaged: np.ndarray) -> float:
        return float(np.abs(damaged.astype(np.int16) - picture).mean())

    assert 0 < harm(mild) < harm(first)


def test_an_unknown_strength_is_refused():
    for strength in (0, len(STRENGTHS) + 1):
        with pytest.raises(ValueError, match="strength"):
            corrupt(frame(20), "fog", strength, "a seed")


def test_the_sample_is_drawn_by_the_seed_and_counted_whole(tmp_path):
    (tmp_path / "demo").symlink_to(DEMO)
    frames = sample(tmp_path, 2, seed=1)
    assert [f.name for f in frames] == [f.name for f in sample(tmp_path, 2, seed=1)]
    assert [f.name for f in frames] != [f.name for f in sample(tmp_path, 2, seed=2)]
    tallies = measure(frames, {"demo": analyser().analyse}, ["cover-whole"])
    assert set(tallies) == {(CLEAN, 0), *(("cover-whole", s) for s in STRENGTHS)}
    slots = sum(len(f.truth) for f in frames)
    for tally in tallies.values():
        assert sum(tally.slots[k] for k in ("right", "wrong", "unknown")) == slots
    whole = tallies["cover-whole", 5]
    assert (whole.share("unknown"), whole.health["covered"]) == (1.0, 2)
    json.dumps(whole.row())


def test_a_refused_frame_is_unknown_and_ends_nothing(tmp_path):
    (tmp_path / "demo").symlink_to(DEMO)
    (one,) = sample(tmp_path, 1, seed=1)

    def refuses_the_damaged(jobs, looks):
        if len(jobs[0].jpeg) == (one.folder / one.labels["file"]).stat().st_size:
            return analyser().analyse(jobs, looks)
        return [Invalid("undecodable", "its last block is blank")]

    tallies = measure([one], {"demo": refuses_the_damaged}, ["jpeg"])
    assert tallies["jpeg", 5].share("unknown") == 1.0
    assert tallies["jpeg", 5].health == {"undecodable": 1}
    assert tallies[CLEAN, 0].health == {"ok": 1}


def test_only_what_the_clean_frame_had_right_is_spoilt(tmp_path):
    """The detector of this test finds no vehicles in the footage, so occupied slots are wrong from
    the start."""
    (tmp_path / "demo").symlink_to(DEMO)
    tallies = measure(sample(tmp_path, 1, seed=1), {"demo": analyser().analyse}, ["jpeg"])
    assert tallies[CLEAN, 0].slots["wrong"] > 0
    assert tallies[CLEAN, 0].slots["spoilt"] == tallies["jpeg", 1].slots["spoilt"] == 0


def test_the_damage_is_judged_with_a_reference_of_the_same_camera(tmp_path):
    (tmp_path / "demo").symlink_to(DEMO)
    (one,) = sample(tmp_path, 1, seed=1)
    assert one.layout.reference is not None
    jpeg = (one.folder / one.labels["file"]).read_bytes()
    (found,) = analyser().analyse([Job(jpeg, None, one.layout)], {})
    assert getattr(found, "health").status == "ok"  # noqa: B009 -- a Finding, or it fails here


def test_normal_looks_are_counted_with_and_without_their_references():
    greys = [cv2.cvtColor(frame(number), cv2.COLOR_BGR2GRAY) for number in (10, 24)]
    counts = look_at([[np.asarray(grey * 0.5 + 100, np.uint8) for grey in greys]])
    assert counts == {
        "references": 1,
        "pairs": 1,
        "fixed": 1,
        "own": 0,
        "fog fixed": 1,
        "fog own": 1,
    }
