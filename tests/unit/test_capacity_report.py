"""The tables and the plot of `make bench-capacity`."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tools.bench.capacity import plot
from tools.bench.capacity.ages import Change, FrameReport
from tools.bench.capacity.report import Case, Report
from tools.bench.capacity.results import Point, as_json, failures, spent_ms
from tools.bench.capacity.search import Reached

SEEN = Change("lot-000/c0", 7, 12_000, frozenset({"c0-1"}), 400)
LOST = replace(SEEN, seq=8, seen_after_ms=None)
POINT = Point(
    "current",
    5.0,
    100,
    window_s=60,
    frames=1200,
    published=1100,
    age_p50_s=0.3,
    age_p99_s=1.25,
    cpu_s={"kafka": 6.0, "detector": 24.0, "cameras": 3.0, "bench": 1.0, "others": 6.0},
    memory_mb={"kafka": 300.0, "detector": 400.0, "cameras": 50.0, "bench": 90.0},
    cores=2,
    changes=[SEEN],
    still=550,
    still_ms=8,
    changed_ms=120,
)
FAILED = replace(POINT, cameras=128, age_p99_s=31.0, changes=[LOST], failures=["p99 age 31.0 s"])


def test_cpu_leaves_the_cameras_and_the_bench_out():
    assert POINT.stack_cpu_s == 30
    assert POINT.cpu_share == 0.25
    assert POINT.others_share == 0.05
    assert POINT.cpu_s_a_camera_hour() == pytest.approx(18)
    assert POINT.cpu_s_a_camera_hour("detector") == pytest.approx(14.4)
    assert POINT.cpu_ms_a_frame() == pytest.approx(25)
    assert POINT.stack_memory_mb == 700


def test_what_makes_a_number_of_cameras_fail():
    assert failures(5.0, float("nan"), [SEEN]) == []
    assert failures(5.01, 0.1, []) == ["p99 age 5.0 s"]
    assert failures(1, 6, []) == ["p99 of changes on the page 6.0 s"]
    assert failures(1, 1, [SEEN, LOST]) == ["1 of 2 changes of scene lost"]


def test_still_frames_are_distinguished_from_changed_ones():
    reports = [
        FrameReport("a/b", 1, 10, frozenset(), 4.0),
        FrameReport("a/b", 2, 20, frozenset(), 6.0),
        FrameReport("a/b", 3, 30, frozenset({"1"}), 90.0),
        FrameReport("a/b", 4, 40, None, 110.0),
    ]
    assert spent_ms(reports) == (5.0, 100.0, 2)


def test_the_table_shows_the_most_cameras_that_were_served():
    report = Report(
        "a machine",
        ["Row naive is skipped: why."],
        [
            Case("current", 5.0, [FAILED, POINT], Reached(100)),
            Case("before", 5.0, [replace(FAILED, row="before")], Reached(0)),
            Case("naive", 5.0),
        ],
    )
    text = report.markdown()
    cells = {line.split(" | ")[0]: line.split(" | ")[2] for line in text.splitlines()[4:9]}
    assert cells == {
        "| row": "cameras",
        "| ---": "---",
        "| current": "100",
        "| before": "0",
        "| naive": "not measured",
    }
    assert "| 18 | 25, 20 | 0.30, 1.25 | -, - | 700 | 1, 0 | 8, 120 (50%) |" in text
    assert "no: p99 age 31.0 s" in text
    assert "Row naive is skipped: why." in text


def test_a_number_that_was_only_measured_says_whether_it_was_served():
    text = Report("", cases=[Case("current", 5.0, [FAILED])]).markdown()
    assert "| 128 (not served) |" in text
    open_end = Case("current", 5.0, [POINT], Reached(100, open_end=True))
    assert "| at least 100 |" in Report("", cases=[open_end]).markdown()


def test_raw_numbers_hold_each_change():
    body = as_json(FAILED)
    assert body["cameras"] == 128
    assert body["changes"] == [
        {
            "camera": "lot-000/c0",
            "frame": "lot-000/c0/1/8",
            "at_ms": 12_000,
            "slots": ["c0-1"],
            "seen_after_ms": None,
        }
    ]
    assert json.loads(json.dumps(body))["failures"] == ["p99 age 31.0 s"]


def test_the_plot_holds_each_row_and_marks_what_was_not_served():
    drawn = plot.draw({"current <5 s>": [FAILED, POINT]})
    root = ElementTree.fromstring(drawn)  # noqa: S314 -- our own
    circles = [element for element in root if element.tag.endswith("circle")]
    hollow = [circle for circle in circles if circle.get("fill") == "white"]
    assert (len(circles), len(hollow)) == (4, 2)
    assert "current &lt;5 s&gt;" in drawn
    # More cameras to the right, an older age further up.
    (served, failed) = sorted(circles[:2], key=lambda circle: float(circle.get("cx", "0")))
    assert failed.get("fill") == "white"
    assert float(failed.get("cy", "0")) < float(served.get("cy", "0"))


def test_a_plot_without_numbers_can_be_drawn():
    ElementTree.fromstring(plot.draw({}))  # noqa: S314 -- our own
    unknown = Point("naive", 5.0, 4, failures=["only 1 of 4 cameras were judged within 90 s"])
    root = ElementTree.fromstring(plot.draw({"naive": [unknown]}))  # noqa: S314 -- our own
    assert not [element for element in root if element.tag.endswith("circle")]
