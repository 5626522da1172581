"""Two trackers, three analytics workers and two gateways run side by side and are killed in turn
under load. Nothing is lost or doubled, and a client of each gateway that resumes misses nothing."""

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from msgspec import to_builtins

from parking.core.events import Cause, SlotChanged
from parking.core.topics import SLOT_CHANGES
from tests.support.askers import Person
from tests.support.pipeline import DRAIN_S, Pipeline
from tests.support.site_feed import Feed
from tests.support.tracker_log import SOURCES, keep_every_record
from tests.support.waiting import PATIENCE, nightly, wait_until
from tools.sse import Arrival, Listener
from tools.stack.checks import HOST, free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]

SITES = 4
BEHIND_MS = 50 * 60_000
SPEED = 6.0
DAY_MS = 86_400_000


@pytest.fixture
def pipeline(tmp_path: Any) -> Iterator[Pipeline]:
    paths = Paths(tmp_path / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as infra:
        keep_every_record(infra)
        yield Pipeline(infra, tmp_path)


@dataclass
class Instance:
    """One process of a service, always on the same port."""

    pipeline: Pipeline
    service: str
    kills: int = 0
    port: str = field(default_factory=lambda: str(free_ports(1)[0]))

    def __post_init__(self) -> None:
        self._process = self._started()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def _started(self) -> subprocess.Popen[bytes]:
        return self.pipeline.spawn(self.service, HTTP_PORT=self.port)

    def ready(self) -> bool:
        if self._process.poll() is not None:
            log = (self.pipeline.folder / f"{self.service}.log").read_text("utf-8", "replace")
            pytest.fail(f"{self.service} ended by itself:\n{log[-4_000:]}")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """Kill the process with kill -9 and start another one in its place."""
        self.end()
        self.kills += 1
        self._process = self._started()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Load:
    """Writes to every site until it is ended: frames and gate events into Kafka, and passages
    through either gateway, each repeated with its own key until it is accepted."""

    def __init__(self, pipeline: Pipeline, feeds: Sequence[Feed], gateways: list[Instance]) -> None:
        self._feeds = feeds
        self._persons = [Person(pipeline, feed) for feed in feeds]
        self._gateways = gateways
        self._stop = threading.Event()
        self.asked_again = 0
        self.error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(PATIENCE * DRAIN_S)
        assert not thread.is_alive()
        assert self.error is None, self.error

    def _run(self) -> None:
        try:
            for number in count():
                if self._stop.wait(0.3):
                    return
                for feed, person in zip(self._feeds, self._persons, strict=True):
                    feed.rounds(1)
                    self._pass(person, number)
        except BaseException as error:  # noqa: BLE001 -- reported by the test's own thread
            self.error = error

    def _pass(self, person: Person, number: int) -> None:
        tries = count(number)

        def taken() -> bool:
            person.url = self._gateways[next(tries) % len(self._gateways)].url
            return person.passes(f"key-{number}")

        wait_until(taken, DRAIN_S, "a passage taken")
        self.asked_again += next(tries) - number - 1


def misses_nothing(events: Sequence[Arrival], changes: Sequence[SlotChanged]) -> int:
    """Check that there is one snapshot, followed by every change of the log, each once and in its
    slot's order, over any number of connections. Return how many changes followed the snapshot."""
    kinds = [arrival.event for arrival in events]
    assert kinds.count("snapshot") == 1
    assert kinds.count("reset") == 0
    (snapshot,) = [a.data for a in events if a.event == "snapshot"]
    held = {s["slot_id"]: s["version"] for site in snapshot["sites"] for s in site["slots"]}
    wanted = [(c.slot_id, c.version, c.id) for c in changes if c.version > held.get(c.slot_id, 0)]
    heard = [a.data for a in events if a.event == "slot-change"]
    assert [(c["slot_id"], c["version"], c["id"]) for c in heard] == wanted
    return len(wanted)


def changes_of(pipeline: Pipeline, site: str) -> list[SlotChanged]:
    found = pipeline.events(site, SLOT_CHANGES)
    return [event for event in found if isinstance(event, SlotChanged)]


@pytest.mark.parametrize("rounds", [1, nightly(8)])
def test_nothing_is_lost_while_each_of_them_is_killed_in_turn(
    pipeline: Pipeline, unique, rounds: int, record_property
):
    feeds = [Feed(pipeline.infra, unique("site"), BEHIND_MS, SPEED) for _ in range(SITES)]
    pipeline.needs("persister")
    with ExitStack() as running:

        def start(service: str, number: int) -> list[Instance]:
            made = [Instance(pipeline, service) for _ in range(number)]
            for one in made:
                running.callback(one.end)
            return made

        trackers, workers, gateways = (
            start("tracker", 2),
            start("analytics", 3),
            start("notifier", 2),
        )
        everyone = [*trackers, *workers, *gateways]
        for feed in feeds:
            feed.begin(silence_ms=DAY_MS)
            feed.rounds(1)
        wait_until(lambda: all([one.ready() for one in everyone]), 120, "all ready")
        watched = feeds[0]
        listeners = [
            running.enter_context(Listener(f"{gateway.url}/api/events?site={watched.site}"))
            for gateway in gateways
        ]
        wait_until(lambda: all(one.of("snapshot") for one in listeners), 30, "a snapshot each")
        load = Load(pipeline, feeds, gateways)
        with load.running():
            for turn in range(3 * rounds):
                fed = watched.turn
                # Each once in three turns: one of each kind at once, or a worker alone.
                for kind in (trackers, workers, gateways):
                    for victim in kind[turn % 3 : turn % 3 + 1]:
                        victim.kill()
                wait_until(
                    lambda: (
                        all([one.ready() for one in everyone]) and watched.turn > fed + 5  # noqa: B023
                    ),
                    120,
                    "all ready again, and more to do",
                )
        wait_until(lambda: pipeline.read_by("tracker", *SOURCES), 120, "the trackers to be done")
        for tracker in trackers:
            tracker.end()
        changes = changes_of(pipeline, watched.site)
        last = {c.id for c in changes[-1:]}
        wait_until(
            lambda: all(last <= {c["id"] for c in one.of("slot-change")} for one in listeners),
            60,
            "both clients to have heard the last change",
        )
        heard = [misses_nothing(list(one.events), changes) for one in listeners]
        for feed in feeds:
            pipeline.check_site(feed.site, feed.gates, feed.frames)
        minutes = sum(len(pipeline.check_occupancy(feed.site)) for feed in feeds)
    assert load.asked_again > 0, "no kill was felt by a client"
    assert min(heard) > 10
    accepted = sum(len(feed.gates) for feed in feeds)
    record_property("kills", ", ".join(f"{one.service} {one.kills}" for one in everyone))
    record_property("gate events", f"{accepted} accepted, 0 lost, 0 doubled")
    record_property("asked again of another gateway", load.asked_again)
    record_property("occupancy records", f"{minutes}, each as computed again")
    record_property("changes heard behind the snapshot", f"{heard}, none missed")
    a_loss_is_noticed(pipeline, feeds[0])


def a_loss_is_noticed(pipeline: Pipeline, feed: Feed) -> None:
    """As the control of the ledger, check that the same check detects one id too many or too
    few."""
    with pytest.raises(AssertionError):
        pipeline.check_rows(feed.site, feed.gates | {"never"}, feed.frames)
    with pytest.raises(AssertionError):
        pipeline.check_rows(feed.site, feed.gates, set(list(feed.frames)[1:]))


def test_the_proof_of_a_client_that_misses_nothing_can_fail():
    """The control has a change that is lost, repeated or out of order, or a second snapshot."""

    def change(version: int) -> SlotChanged:
        cause = Cause(kind="frame", id="f")
        return SlotChanged(
            id=f"c{version}",
            site_id="lot",
            time_ms=1,
            slot_id="1",
            zone_id="a",
            from_state="free",
            to_state="occupied",
            version=version,
            confidence=0.9,
            reason="observed",
            cause=cause,
        )

    snapshot = {"sites": [{"slots": [{"slot_id": "1", "version": 1}]}]}
    first = Arrival("snapshot", "", snapshot, 0.0)
    log = [change(version) for version in (1, 2, 3)]
    two, three = (Arrival("slot-change", "", to_builtins(one), 0.0) for one in log[1:])
    assert misses_nothing([first, two, three], log) == 2
    for wrong in ([first, two], [first, three], [first, three, two], [first, two, two, three]):
        with pytest.raises(AssertionError):
            misses_nothing(wrong, log)
    with pytest.raises(AssertionError):
        misses_nothing([first, two, first, three], log)
