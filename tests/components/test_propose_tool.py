"""The command that proposes slots, from boxes to files, and its evaluation."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tools.cli.__main__ import main as parking
from tools.propose import __main__ as propose_command
from tools.propose.__main__ import main
from tools.propose.baseline import cluster_means
from tools.propose.evaluate import Camera, States, compare_states
from tools.propose.recording import BINS, Frame, edges, far_apart, read_frames
from tools.propose.score import Truth, score
from tools.simulator.footage import Shot

BOXES = [(0.1, 0.5, 0.2, 0.7), (0.3, 0.5, 0.4, 0.7)]


def record(time_ms: int, boxes: Sequence[Sequence[float]], status: str = "ok") -> dict[str, object]:
    return {
        "camera_id": "lot/north",
        "time_ms": time_ms,
        "width": 640,
        "height": 480,
        "health": {"status": status},
        "boxes": [{"xyxy": box, "confidence": 0.9, "label": "vehicle"} for box in boxes],
    }


def square(x: float, y: float, side: float) -> np.ndarray:
    return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)])


def frame(boxes: Sequence[Sequence[float]], picture: str = "a.jpg", time_ms: int = 0) -> Frame:
    sightings = np.array(boxes).reshape(-1, 4)
    return Frame(picture, time_ms, (640, 480), sightings, np.full(len(boxes), 0.9))


def test_records_become_a_layout_that_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "detections.jsonl"
    tick = {"camera_id": "lot/north", "time_ms": 3}
    records = [record(n * 1000, BOXES) for n in range(8)]
    file.write_text("\n".join(json.dumps(one) for one in [tick, *records]), "utf-8")
    main(["--boxes", str(file), "--site", "lot", "--out", str(tmp_path / "out")])
    layout = tmp_path / "out" / "north.layout.json"
    slots = json.loads(layout.read_text("utf-8"))["slots"]
    assert len(slots) == 2
    assert all(0 < slot["confidence"] < 1 for slot in slots)
    parking(["layout", "check", str(layout)])
    assert "can be used" in capsys.readouterr().out


def test_a_recording_of_nothing_writes_no_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "detections.jsonl"
    file.write_text("\n".join(json.dumps(record(n, [])) for n in range(8)), "utf-8")
    main(["--boxes", str(file), "--out", str(tmp_path / "out")])
    assert "no vehicle stood still" in capsys.readouterr().out
    assert list((tmp_path / "out").iterdir()) == []


def test_boxes_are_used_again_for_the_same_pictures_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[list[str]] = []

    def look(_: object, device: str, shots: Iterable[Shot]) -> Iterator[dict[str, object]]:
        paths = [shot.path for shot in shots]
        looked_at.append([path.name for path in paths])
        for number, path in enumerate(paths):
            yield {**record(number, []), "camera_id": f"recording/{device}", "picture": path.name}

    monkeypatch.setattr(propose_command, "look", look)
    monkeypatch.setattr(propose_command, "open_analyser", lambda *_: None)
    out = tmp_path / "out"

    def run(site: str, **pictures: bytes) -> list[list[str]]:
        folder = tmp_path / site / "north"
        folder.mkdir(parents=True, exist_ok=True)
        for name, jpeg in pictures.items():
            (folder / f"{name}.jpg").write_bytes(jpeg)
        looked_at.clear()
        main([str(tmp_path / site), "--out", str(out)])
        return list(looked_at)

    assert run("one", a=b"1") == [["a.jpg"]]
    assert run("one") == [], "the same pictures"
    assert run("one", b=b"2") == [["a.jpg", "b.jpg"]], "a picture more"
    assert run("one", b=b"3") == [["a.jpg", "b.jpg"]], "another picture of the same name and size"
    assert run("two", a=b"2") == [["a.jpg"]], "another site's camera of the same name"
    assert run("one") == [], "which takes nothing from the first"


@pytest.mark.parametrize("text", ["{", '{"boxes": [{"xyxy": [1]}]}'])
def test_an_invalid_record_is_reported_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "detections.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(SystemExit, match="propose: "):
        main(["--boxes", str(file), "--out", str(tmp_path / "out")])


def test_frames_that_cannot_be_believed_are_left_out_and_the_rest_put_in_order() -> None:
    records = [record(2, BOXES), record(1, BOXES), record(3, BOXES, "covered")]
    frames = read_frames(records)["north"]
    assert [one.time_ms for one in frames] == [1, 2]


def test_frames_minutes_apart_are_known_by_their_times() -> None:
    assert far_apart([frame([], time_ms=n * 300_000) for n in range(4)])
    assert not far_apart([frame([], time_ms=n * 1000) for n in range(4)])
    assert not far_apart([frame([])])


def test_edges_are_reported_by_their_direction() -> None:
    rows, columns = np.mgrid[0:100, 0:100]
    whole = np.array([(0.1, 0.1, 0.9, 0.9)])
    level = np.asarray(rows // 10 % 2 * 200, np.uint8)
    falling = np.asarray((rows - columns) // 10 % 2 * 200, np.uint8)  # lines run right and down
    assert edges(level, whole)[0, [0, BINS - 1]].sum() > 0.9
    assert edges(falling, whole)[0].argmax() in (BINS // 4 - 1, BINS // 4)
    assert edges(level, whole).shape == (1, BINS)
    assert edges(level, np.zeros((0, 4))).shape == (0, BINS)


def test_a_score_counts_each_slot_once() -> None:
    truth = Truth([square(0.1, 0.1, 0.1), square(0.3, 0.1, 0.1)], np.array([True, False]))
    twice = [square(0.1, 0.1, 0.1), square(0.11, 0.1, 0.1), square(0.8, 0.8, 0.1)]
    for one in score(twice, truth, (640, 480)):
        numbers = one.numbers()
        assert numbers["precision"] == pytest.approx(1 / 3, abs=1e-3)
        assert numbers["precision_inside"] == 0.5
        assert (numbers["recall"], numbers["recall_used"]) == (0.5, 1.0)


def test_an_outline_counts_only_as_far_as_it_overlaps() -> None:
    truth = Truth([square(0.1, 0.1, 0.1)], np.array([True]))
    half, third, centre = score([square(0.14, 0.1, 0.1)], truth, (640, 480))  # IoU 0.43
    assert (half.matched, third.matched, centre.matched) == (0, 1, 1)
    assert [one.matched for one in score([], truth, (640, 480))] == [0, 0, 0]


def test_the_baseline_finds_clusters_and_leaves_single_boxes() -> None:
    frames = [np.array([(0.1, 0.1, 0.2, 0.2)]), np.array([(0.11, 0.1, 0.21, 0.2)])]
    (outline,) = cluster_means([*frames, np.array([(0.6, 0.6, 0.7, 0.7)])], (640, 480))
    np.testing.assert_allclose(outline[0], (0.105, 0.1))
    assert cluster_means([np.zeros((0, 4))], (640, 480)) == []


def test_states_in_proposed_outlines_are_compared_with_the_annotated_ones() -> None:
    truth = Truth([square(0.1, 0.1, 0.2)], np.array([True]))
    frames = [frame([(0.1, 0.05, 0.3, 0.3)], "a.jpg"), frame([], "b.jpg"), frame([], "c.jpg")]
    known: dict[str, dict[str, int | None]] = {
        "a.jpg": {"1": 1},
        "b.jpg": {"1": 1},
        "c.jpg": {"1": None},
    }
    states = States()
    compare_states(Camera(frames, truth, ["1"], known), [square(0.1, 0.1, 0.2)], states)
    assert (states.seen, states.right, states.right_annotated) == (2, 1, 1)
