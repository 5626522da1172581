"""One real day of a real lot goes through MQTT, Kafka, YOLO, Postgres, S3 and SSE, and one vehicle
goes through the gate of another lot."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from parking.core.events import SlotChanged
from parking.core.topics import SLOT_CHANGES
from parking.wire import codec
from tests.conftest import shared_data
from tests.support import misread, proofs
from tests.support.playing import EVERY_FRAME, Play, playing
from tests.support.recorded import behind
from tests.support.tracker_log import read
from tests.support.waiting import wait_until
from tools.sse import Listener
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

FRAMES = 132
CAMERA = "pklot-ufpr05-day/ufpr05"
Change = dict[str, Any]


class Result:
    """The output after the whole day was played."""

    def __init__(self, play: Play, listener: Listener) -> None:
        self.play = play
        self.changes = listener.of("slot-change")
        self.snapshot = listener.of("snapshot")[0]
        self.captures = {
            int(row["frame_id"].rsplit("/", 1)[1]): row
            for row in play.rows("select * from captures order by time_ms")
        }
        self.results = {
            int(row["frame_id"].rsplit("/", 1)[1]): row["observations"]
            for row in play.rows("select frame_id, observations from capture_results")
        }
        self.rows = play.rows("select * from slot_changes order by slot_id, version")


def _reported(play: Play, listener: Listener) -> bool:
    """Return whether rows and SSE hold each change in Kafka. (Those of the adoption are in the
    snapshot.)"""
    changes = [codec.decode(record) for record in read(play.infra, SLOT_CHANGES)]
    made = {c.id for c in changes if isinstance(c, SlotChanged) and c.version > 1}
    heard = {change["id"] for change in listener.of("slot-change")}
    return bool(made) and made <= heard and play.count("slot_changes", "version > 1") == len(made)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    folder = shared_data("pklot-ufpr05-day")
    scratch = tmp_path_factory.mktemp("day")
    paths = Paths(scratch / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as infra, playing(infra, folder, scratch) as play:
        plates = misread.settings(scratch)
        ingest = EVERY_FRAME["ingest"] | plates
        play.start_services({**EVERY_FRAME, "ingest": ingest, "notifier": plates})
        # A detector that lags on a busy machine must not make the camera seem silent.
        play.publish_layouts(interval_ms=600_000)
        # Nor may the first pictures come before the tracker knows of any slot.
        slots = len(play.truth()[CAMERA][1])
        wait_until(lambda: len(read(infra, SLOT_CHANGES)) >= slots, 60, "an adopted layout")
        with play.listening() as listener, play.played_once(interval_ms=250):
            analysed = "status = 'analysed'"
            wait_until(
                lambda: play.count("captures", analysed) >= FRAMES, 400, "132 analysed frames"
            )
            wait_until(lambda: not behind(infra), 60, "a tracker that has applied them")
            wait_until(
                lambda: _reported(play, listener), 30, "every change in its row and over SSE"
            )
            yield Result(play, listener)


def test_every_frame_has_one_captures_row_and_was_analysed(day: Result):
    assert sorted(day.captures) == list(range(1, FRAMES + 1))
    assert day.play.count("captures") == FRAMES
    assert {row["status"] for row in day.captures.values()} == {"analysed"}


def test_observations_agree_with_the_annotations_frame_by_frame(day: Result, record_property):
    right = wrong = 0
    for seq, truth in day.play.truth()[CAMERA].items():
        seen = {o["slot_id"]: o["state"] for o in day.results[seq]}
        for slot, occupied in truth.items():
            if occupied is not None:
                expected = "occupied" if occupied else "free"
                right, wrong = right + (seen[slot] == expected), wrong + (seen[slot] != expected)
    record_property("observations right", f"{right} of {right + wrong}")
    assert right / (right + wrong) >= 0.97


def states_by_frame(changes: list[Change], frames: int) -> list[dict[str, str]]:
    """Return what a viewer of the changes sees after each frame."""
    shown: dict[str, str] = {}
    by_seq: dict[int, list[Change]] = {}
    for change in changes:
        if change["cause"]["kind"] == "frame":
            by_seq.setdefault(int(change["cause"]["id"].rsplit("/", 1)[1]), []).append(change)
    result = []
    for seq in range(1, frames + 1):
        shown |= {change["slot_id"]: change["to_state"] for change in by_seq.get(seq, [])}
        result.append(dict(shown))
    return result


def test_the_state_over_sse_follows_the_annotations_within_the_hysteresis_delay(
    day: Result, record_property
):
    """A shown state may be the truth of this frame or of the one before, because hysteresis waits
    for two observations."""
    truth = day.play.truth()[CAMERA]
    shown = states_by_frame(day.changes, FRAMES)
    right = total = 0
    for seq in range(3, FRAMES + 1):
        for slot in truth[seq]:
            labels = {truth[seq][slot], truth[seq - 1][slot]} - {None}
            if labels:
                state = shown[seq - 1].get(slot)
                total += 1
                right += any(state == ("occupied" if label else "free") for label in labels)
    record_property("shown states right", f"{right} of {total}")
    assert right / total >= 0.97


def test_sse_rows_and_api_tell_the_same(day: Result):
    over_sse = {c["id"]: (c["slot_id"], c["to_state"], c["version"]) for c in day.changes}
    in_rows = {r["id"]: (r["slot_id"], r["to_state"], r["version"]) for r in day.rows}
    missing = {key: in_rows[key] for key in in_rows.keys() - over_sse.keys()}
    # What happened before the listener came is in its snapshot.
    assert all(version == 1 for _, _, version in missing.values()), missing
    assert over_sse.items() <= in_rows.items()
    last = {row["slot_id"]: row["to_state"] for row in day.rows}
    assert day.play.slots() == last
    assert {s["slot_id"]: s["state"] for s in day.play.rows("select * from slots")} == last


def test_versions_count_up_without_a_gap(day: Result):
    for slot in {row["slot_id"] for row in day.rows}:
        versions = [row["version"] for row in day.rows if row["slot_id"] == slot]
        assert versions == list(range(1, len(versions) + 1))


def test_every_change_by_a_frame_has_its_evidence_with_its_own_sha256(day: Result):
    assert proofs.every_change_by_a_frame_has_its_evidence(day.play) > 100


def test_a_misread_plate_closes_its_stay_and_is_in_clear_only_for_those_who_may_see_it(
    day: Result,
):
    infra = day.play.infra
    misread.drive_through(infra)
    stay = misread.stay(infra)
    assert (stay["status"], stay["reason"]) == ("closed", "plate-near")
    for scopes, status in (((), 401), (("write",), 403)):
        answer = misread.asked(infra, stay["session_id"], *scopes)
        assert answer.status_code == status
        assert misread.ENTRY not in answer.text
    shown = misread.asked(infra, stay["session_id"], "plates").json()
    assert (shown["entry_plate"], shown["exit_plate"]) == (misread.ENTRY, misread.EXIT)
    # The search finds the passages' device, and no plate.
    assert {"parking.gate-events", "parking.plates", "gate_events", "plates"} <= {
        *misread.places(infra, misread.DEVICE)
    }
    assert misread.places(infra, misread.ENTRY) == misread.places(infra, misread.EXIT) == []


def test_nothing_is_in_dead_letters(day: Result):
    proofs.no_dead_letters(day.play)
