"""Every service is killed once by kill -9 while a real day is played, and nothing is lost or
doubled.

Each kill waits for progress after the one before, so that it hits work in progress. A second test
kills the detector in the middle of a batch, once as shipped and once with its guarantee switched
off, so that it commits before it works. In that negative control the test must find frames that
nobody analysed.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.support import proofs
from tests.support.playing import EVERY_FRAME, SERVICES, Play, playing
from tests.support.waiting import wait_until
from tools.sse import Arrival
from tools.stack import services
from tools.stack.infra import PARTS, Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

FRAMES = 132
PROGRESS = 15
DRAIN_S = 60


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    folder = shared_data("pklot-ufpr05-day")
    paths = Paths(tmp_path / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as infra, playing(infra, folder, tmp_path) as running:
        yield running


def analysed(play: Play) -> int:
    return play.count("captures", "status = 'analysed'")


def at_least(play: Play, frames: int) -> bool:
    return analysed(play) >= frames


def test_nothing_is_lost_and_nothing_doubled(play: Play, record_property):
    play.start_services(EVERY_FRAME)
    play.publish_layouts(interval_ms=60_000)
    with play.listening() as listener:
        simulator = play.simulator("--once", "--every-frame", "--interval-ms", "250")
        try:
            for number, service in enumerate(SERVICES, start=1):
                reached = number * PROGRESS
                wait_until(partial(at_least, play, reached), 120, f"{reached} frames")
                starts = play.infra.starts(service)
                play.infra.kill(service)
                play.infra.wait_restarted(service, starts + 1)
            assert simulator.wait(300) == 0
        finally:
            simulator.kill()
        wait_until(lambda: analysed(play) >= FRAMES, DRAIN_S, f"{FRAMES} analysed frames")
        rows = play.rows("select id, slot_id, version, to_state from slot_changes")
        wait_until(lambda: seen_everywhere(play, listener.events), DRAIN_S, "SSE caught up")

    seqs = [int(r["frame_id"].rsplit("/", 1)[1]) for r in play.rows("select * from captures")]
    assert sorted(seqs) == list(range(1, FRAMES + 1))
    assert {r["status"] for r in play.rows("select status from captures")} == {"analysed"}
    rows = play.rows("select id, slot_id, version from slot_changes")
    per_slot: dict[str, list[int]] = {}
    for row in rows:
        per_slot.setdefault(row["slot_id"], []).append(row["version"])
    assert all(sorted(v) == list(range(1, len(v) + 1)) for v in per_slot.values()), per_slot
    changes_seen = [data for event, _, data, _ in listener.events if event == "slot-change"]
    assert {change["id"] for change in changes_seen} <= {row["id"] for row in rows}
    proofs.one_to_one((c["id"], (c["slot_id"], c["version"])) for c in changes_seen)
    nothing_applied_twice(listener.events)
    proofs.every_change_has_one_version(play)
    proofs.no_dead_letters(play)
    assert proofs.every_change_by_a_frame_has_its_evidence(play) > 0
    written = proofs.every_frame_of_the_log_has_its_row(play)
    record_property("kills", f"{len(SERVICES)}, one a service")
    record_property("frames", f"{FRAMES} sent, {len(seqs)} rows, 0 lost, 0 doubled")
    record_property("written again", f"{written - FRAMES} records of frames, without effect")
    record_property("changes", f"{len(rows)} rows, versions without a gap in {len(per_slot)} slots")


def nothing_applied_twice(events: list[Arrival]) -> None:
    """Check that a browser that applies only higher versions applies no change and no version
    twice, even after a reconnect or a snapshot."""
    held: dict[str, int] = {}
    applied: Counter[tuple[str, Any]] = Counter()
    for event, _, data, _ in events:
        if event == "snapshot":
            held = {slot["slot_id"]: slot["version"] for slot in slots_of(data)}
        elif event == "slot-change" and data["version"] > held.get(data["slot_id"], 0):
            held[data["slot_id"]] = data["version"]
            applied.update([("id", data["id"]), (data["slot_id"], data["version"])])
    assert applied
    assert max(applied.values()) == 1, applied.most_common(5)


def test_the_proof_of_nothing_applied_twice_can_fail():
    """In the control, a change comes again under a new version, as happened when a frame was
    written twice."""

    def change(version: int) -> Arrival:
        return Arrival("slot-change", "", {"id": "a", "slot_id": "1", "version": version}, 0.0)

    nothing_applied_twice([change(1), change(1)])
    with pytest.raises(AssertionError):
        nothing_applied_twice([change(1), change(2)])
    with pytest.raises(AssertionError):
        proofs.one_to_one([("a", ("1", 1)), ("a", ("1", 2))])


def seen_everywhere(play: Play, events: list[Arrival]) -> bool:
    """Return whether what a browser holds (the snapshot, then higher versions) is what Postgres
    holds."""
    held: dict[str, tuple[int, str]] = {}
    for event, _, data, _ in list(events):
        if event == "snapshot":
            held = {s["slot_id"]: (s["version"], s["state"]) for s in slots_of(data)}
        elif event == "slot-change" and data["version"] > held.get(data["slot_id"], (0, ""))[0]:
            held[data["slot_id"]] = (data["version"], data["to_state"])
    rows = play.rows("select slot_id, version, state from slots")
    return held == {row["slot_id"]: (row["version"], row["state"]) for row in rows}


def slots_of(snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    return [slot for site in snapshot["sites"] for slot in site["slots"]]


@pytest.mark.nightly
@pytest.mark.parametrize("order", ["work-first", "commit-first"])
def test_a_detector_killed_at_work_loses_nothing_unless_it_commits_first(
    play: Play, order: str, tmp_path: Path, record_property
):
    """Both are killed between taking a batch and reporting it. `commit-first` is the control."""
    mark = tmp_path / "was-killed"
    killed = {"ORDER": order, "KILL_AFTER": str(PROGRESS), "KILL_ONCE": str(mark)}
    for service in SERVICES:
        if service != "detector":
            play.infra.start_service(service, EVERY_FRAME.get(service, {}))
    real = services.part(
        "detector", play.infra.settings, PARTS, {**EVERY_FRAME["detector"], **killed}
    )
    play.infra.run_part(
        replace(real, command=(sys.executable, "-m", "tests.chaos.killed_detector"))
    )
    play.publish_layouts(interval_ms=60_000)
    simulator = play.simulator("--once", "--every-frame", "--interval-ms", "10")
    try:
        assert simulator.wait(300) == 0
    finally:
        simulator.kill()
    received = "status in ('received', 'analysed', 'skipped')"
    wait_until(lambda: play.count("captures", received) >= FRAMES, 120, "all frames received")
    last = "status = 'analysed' and right(frame_id, 4) = '/132'"
    wait_until(lambda: play.count("captures", last) == 1, 120, "the last frame")
    assert mark.exists(), "it was never killed"
    lost = FRAMES - analysed(play)
    record_property("lost", f"{order}: {lost} of {FRAMES} frames without an analysis")
    assert (lost > 0) == (order == "commit-first")


def test_the_killed_detector_is_the_real_one_but_for_the_order():
    """Make sure the control proves something: it imports the service and replaces only its loop."""
    script = Path(__file__).with_name("killed_detector.py").read_text("utf-8")
    assert "services.detector" in script
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.killed_detector", "--help"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
