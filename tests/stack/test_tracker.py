"""The tracker on a real Kafka of its own: crash points, outages, and its state computed again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from parking.core import lots
from parking.core.events import SlotChanged
from parking.core.topics import DEAD_LETTERS, DETECTIONS, GATE_EVENTS, SITE_COMMANDS, SLOT_CHANGES
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.support.tracker_log import (
    Story,
    as_record,
    dead_letter_reasons,
    drained,
    keep_every_record,
    read,
    send,
    story,
    wait_applied,
)
from tests.support.tracking import Teller, written_again
from tests.support.waiting import wait_until
from tools.stack import services
from tools.stack.checks import free_ports
from tools.stack.infra import PARTS, Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SETTINGS = {"TRACKER_SESSION_S": "6", "TRACKER_TICK_S": "0.5"}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Run Kafka alone, because the tracker reads whole topics and must not share them with other
    tests."""
    paths = Paths(tmp_path_factory.mktemp("tracker") / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as running:
        keep_every_record(running)
        yield running


@pytest.fixture
def tracker(kafka: Infra) -> Iterator[Infra]:
    """Run a tracker and stop it at the end."""
    kafka.start_service("tracker", SETTINGS)
    yield kafka
    kafka.stop("tracker")


@pytest.fixture
def teller(unique) -> Teller:
    teller = Teller(unique("site"))
    teller.now_ms = time.time_ns() // 1_000_000
    return teller


def test_what_it_wrote_is_what_step_recomputes(tracker: Infra, teller: Teller):
    send(tracker, story(teller, 30))
    changes = drained(tracker, teller.site_id, 60).check()
    assert len(changes) >= 20


def test_a_batch_that_ingest_wrote_twice_tells_nothing_twice(tracker: Infra, teller: Teller):
    """The bridge was killed between Kafka's acknowledgement and its own, so the same ids appear at
    higher offsets. There are enough of them to flip the slot back and forth if they counted as
    evidence."""
    t = teller
    frames = [t.see("a", {"1": word}) for word in "ffoooffo"]
    doubled = [*frames, *(written_again(t, frame) for frame in frames[2:])]
    send(tracker, [as_record(t.adopt("a", "1"), SITE_COMMANDS)])
    wait_until(lambda: last_change(tracker, t.site_id) is not None, 20, "an adopted slot")
    send(tracker, [as_record(made, DETECTIONS) for made in [*doubled, t.see("a", {"1": "f"})]])
    changes = drained(tracker, t.site_id, len(doubled) + 1).check()
    shown = ["unknown", "free", "occupied", "free"]
    assert [change.to_state for change in changes if change.reason != "silent"] == shown
    assert len({change.id for change in changes}) == len(changes)


def test_a_site_of_a_thousand_slots_seen_by_four_cameras_works_and_is_restored(
    tracker: Infra, teller: Teller
):
    """Its entry is larger than the record limit of any other topic."""
    t = teller
    slots = [f"{number:04d}".ljust(40, "x") for number in range(lots.MAX_SLOTS)]
    cameras = [camera.ljust(40, "x") for camera in "abcd"]
    send(
        tracker,
        [as_record(t.adopt(camera, *slots, zone="z" * 40), SITE_COMMANDS) for camera in cameras],
    )
    wait_until(lambda: last_change(tracker, t.site_id) is not None, 30, "adopted slots")
    seen = dict.fromkeys(slots, "o0.9876543210987654")
    frames = [t.see(camera, seen) for _ in range(2) for camera in cameras]
    send(tracker, [as_record(made, DETECTIONS) for made in frames])
    wait_applied(tracker, t.site_id, len(frames))
    starts = tracker.starts("tracker")
    tracker.kill("tracker")
    tracker.wait_restarted("tracker", starts + 1)
    send(
        tracker,
        [as_record(t.see(camera, dict.fromkeys(slots, "f")), DETECTIONS) for camera in cameras],
    )
    story = drained(tracker, t.site_id, len(frames) + len(cameras))
    occupied = [change for change in story.check() if change.to_state == "occupied"]
    assert len(occupied) == lots.MAX_SLOTS


def last_change(infra: Infra, site_id: str) -> tuple[str, str] | None:
    """Return state and reason of the site's latest change."""
    events = [codec.decode(r) for r in read(infra, SLOT_CHANGES)]
    ours = [e for e in events if isinstance(e, SlotChanged) and e.site_id == site_id]
    return (ours[-1].to_state, ours[-1].reason) if ours else None


def test_silence_becomes_unknown_by_its_own_ticks(tracker: Infra, teller: Teller):
    t = teller
    commands = [t.parameters(silence_ms=15_000), t.adopt("a", "1")]
    send(tracker, [as_record(command, SITE_COMMANDS) for command in commands])
    wait_until(lambda: last_change(tracker, t.site_id) is not None, 20, "an adopted slot")
    send(tracker, [as_record(t.see("a", {"1": "f"}), DETECTIONS) for _ in range(2)])
    unknown = ("unknown", "silent")
    wait_until(lambda: last_change(tracker, t.site_id) == unknown, 40, "an unknown slot")
    changes = drained(tracker, t.site_id, 2).check()
    assert [change.to_state for change in changes] == ["unknown", "free", "unknown"]


def test_poison_goes_to_the_dead_letters_and_stops_nothing(tracker: Infra, teller: Teller):
    key = teller.site_id.encode()
    good = story(teller, 6)
    bad = [
        Outgoing(DETECTIONS, key, b"{", good[2].headers),
        Outgoing(SITE_COMMANDS, key, None, good[0].headers),
        Outgoing(GATE_EVENTS, key, b"\x00\xff", ()),
    ]
    send(tracker, [*good[:7], *bad, *good[7:]])
    drained(tracker, teller.site_id, 12).check()
    letters = [r for r in read(tracker, DEAD_LETTERS) if r.key == key]
    found = sorted(
        zip(dead_letter_reasons(letters), (r.value or b"" for r in letters), strict=True)
    )
    assert found == [("bad-json", b"{"), ("empty", b""), ("no-type", b"\x00\xff")]


# ---------------------------------------------------------------- crashes
@pytest.mark.nightly  # `make test` kills it at a crash point, frozen, and beside a second one
def test_kills_in_mid_flight(tracker: Infra, teller: Teller):
    messages = story(teller, 40)
    for start in range(0, len(messages), 51):
        starts = tracker.starts("tracker")
        send(tracker, messages[start : start + 51])
        tracker.kill("tracker")
        tracker.wait_restarted("tracker", starts + 1)
    assert drained(tracker, teller.site_id, 80).check()


def test_kafka_stopped_for_longer_than_any_flush_and_a_kill_on_top(tracker: Infra, teller: Teller):
    messages = story(teller, 20)
    send(tracker, messages[:60])
    starts = tracker.starts("tracker")
    tracker.kill("kafka", signal.SIGSTOP)
    try:
        wait_until(lambda: "Kafka has not answered since" in not_ready(tracker), 10, "the reason")
        assert health(tracker) == 200, "nobody heals an outage by a new start"
        time.sleep(8)
    finally:
        tracker.kill("kafka", signal.SIGCONT)
    wait_until(lambda: not not_ready(tracker), 30, "a ready tracker")
    tracker.kill("tracker")
    tracker.wait_restarted("tracker", starts + 1)
    send(tracker, messages[60:])
    assert drained(tracker, teller.site_id, 40).check()


def test_a_second_tracker_comes_takes_its_share_and_dies(tracker: Infra, unique):
    tellers = [Teller(unique("site")) for _ in range(4)]
    stories = [story(t, 30) for t in tellers]
    env = tracker.env_for("tracker") | SETTINGS | {"PYTHONPATH": str(ROOT)}
    env["HTTP_PORT"] = str(free_ports(1)[0])
    second = None
    try:
        for start in range(0, 152, 38):
            send(tracker, [message for s in stories for message in s[start : start + 38]])
            if start == 38:
                second = subprocess.Popen([sys.executable, "-m", "services.tracker"], env=env)
                wait_until(lambda: _ready(env["HTTP_PORT"]), 60, "a second tracker")
            if start == 114 and second:
                second.kill()
        for t in tellers:
            wait_applied(tracker, t.site_id, 60)
        tracker.stop("tracker")
    finally:
        if second:
            second.kill()
            second.wait()
    for t in tellers:
        assert Story(tracker, t.site_id).check()


# ---------------------------------------------------------------- standing still
def health(infra: Infra) -> int:
    return httpx.get(infra.url("tracker") + "/healthz").status_code


def not_ready(infra: Infra) -> str:
    """Return why /readyz answers 503; "" if it answers 200."""
    answer = httpx.get(infra.url("tracker") + "/readyz")
    return "" if answer.status_code == 200 else answer.text


@pytest.mark.nightly
def test_an_agent_that_hangs_is_started_again(kafka: Infra, teller: Teller):
    with_site = [as_record(teller.adopt("a", "1"), SITE_COMMANDS)]
    kafka.start_service("tracker", SETTINGS)
    send(kafka, with_site)
    wait_until(lambda: last_change(kafka, teller.site_id) is not None, 20, "an adopted slot")
    kafka.stop("tracker")
    settings = SETTINGS | {"TRACKER_STALL_S": "5"}
    real = services.part("tracker", kafka.settings, PARTS, settings)
    kafka.run_part(replace(real, command=(sys.executable, "-m", "tests.stack.stuck_tracker")))
    try:
        wait_until(lambda: kafka.starts("tracker") >= 2, 90, "a second start")
    finally:
        kafka.stop("tracker")


@pytest.mark.nightly
def test_an_outage_longer_than_the_limit_of_standing_still_starts_nothing_again(
    kafka: Infra, teller: Teller
):
    kafka.start_service("tracker", SETTINGS | {"TRACKER_STALL_S": "5"})
    try:
        messages = story(teller, 20)
        send(kafka, messages[:60])
        starts = kafka.starts("tracker")
        kafka.kill("kafka", signal.SIGSTOP)
        until = time.monotonic() + 15
        while time.monotonic() < until:
            assert health(kafka) == 200
        kafka.kill("kafka", signal.SIGCONT)
        send(kafka, messages[60:])
        wait_applied(kafka, teller.site_id, 40)
        assert (health(kafka), kafka.starts("tracker")) == (200, starts)
    finally:
        kafka.kill("kafka", signal.SIGCONT)
        kafka.stop("tracker")


# ---------------------------------------------------------------- the end
@pytest.mark.parametrize("kafka_stopped", [False, True])
def test_sigterm_ends_it_in_bounded_time_with_or_without_kafka(kafka: Infra, kafka_stopped: bool):
    env = kafka.env_for("tracker") | SETTINGS | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "services.tracker"], env=env, cwd=ROOT)
    try:
        wait_until(lambda: _ready(env["HTTP_PORT"]), 60, "a ready tracker")
        if kafka_stopped:
            kafka.kill("kafka", signal.SIGSTOP)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - started < 10
    finally:
        if kafka_stopped:
            kafka.kill("kafka", signal.SIGCONT)
        process.kill()


def _ready(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
