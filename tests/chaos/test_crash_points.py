"""Every service is killed at each of its crash points, ten times, and nothing is lost or
duplicated. Depending on the point, work in progress is delivered again or was already acknowledged.

`make test` tries three points once; `make test-nightly` tries all of them.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from parking.core.topics import FRAMES, GATE_EVENTS, LAYOUTS, SITE_COMMANDS
from tests.support.askers import Device, Person, Pictures
from tests.support.crash_points import CONSUMERS, DETECTOR, INGEST, NOTIFIER, Point, params
from tests.support.pipeline import Pipeline, record_ids
from tests.support.site_feed import Feed
from tests.support.tracker_log import keep_every_record
from tests.support.waiting import wait_until
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Run one stack for all points. Each point has a site of its own."""
    folder = tmp_path_factory.mktemp("points")
    paths = Paths(folder / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ) as infra:
        keep_every_record(infra)
        yield Pipeline(infra, folder)


class Tally:
    """The results of the kills at one point."""

    def __init__(self, point: Point, record_property: Callable[[str, object], None]) -> None:
        self._point = point
        self._record = record_property
        self.in_hand = self.again = 0

    def add(self, in_hand: int, again: int) -> None:
        self.in_hand += in_hand
        self.again += again

    def check(self) -> None:
        """Check that the point lies where it says it does: before the acknowledgement of the work,
        or after it."""
        words = f"{self._point.runs} kills, {self.in_hand} in hand, {self.again} given again"
        self._record(self._point.name, words)
        assert (self.again > 0) == self._point.comes_again, words


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property) -> Tally:
    return Tally(request.getfixturevalue("point"), record_property)


# ---------------------------------------------------------------- what reads Kafka
def uncommitted(pipeline: Pipeline, service: str, in_hand: list[str]) -> int:
    """Count the records after those that the dead process had acknowledged."""
    at = pipeline.committed(service)
    places = [name.rsplit("/", 2) for name in in_hand]
    return sum(int(offset) >= at.get((topic, int(n)), 0) for topic, n, offset in places)


@pytest.mark.parametrize("point", params(CONSUMERS))
def test_a_consumer_killed_between_two_effects(
    pipeline: Pipeline, unique, point: Point, tally: Tally
):
    feed, parameters = Feed(pipeline.infra, unique("site")), {}
    if point.name == "tracker.after-ticks":  # cameras already silent when first seen
        feed = Feed(pipeline.infra, feed.site, behind_ms=70_000)
    if point.service == "analytics":  # minutes that pass in seconds
        feed = Feed(pipeline.infra, feed.site, behind_ms=55 * 60_000, speed=20)
        parameters = {"silence_ms": 86_400_000}
    pipeline.needs("tracker", "persister", "analytics")
    feed.begin(**parameters)
    pipeline.stop(point.service)
    for run in range(point.runs):
        # Not always the first time, so that there is progress between the kills.
        fault = f"{point.name}:kill:{1 + run % 3}"
        in_hand = pipeline.die(point.service, fault, feed.rounds, {})
        tally.add(len(in_hand), uncommitted(pipeline, point.service, in_hand))
    changes = pipeline.settle(feed.site, feed.gates, feed.frames)
    assert changes
    if point.service == "persister":
        assert pipeline.world(feed.site).check_evidence() > 0
    tally.check()


# ---------------------------------------------------------------- the detector
@pytest.mark.parametrize("point", params(DETECTOR))
def test_the_detector_killed_between_two_effects(
    pipeline: Pipeline, unique, point: Point, tally: Tally
):
    site = unique("site")
    pipeline.needs("tracker", "persister", "analytics")
    pictures = Pictures(pipeline, site)
    pictures.send(1)
    for _ in range(point.runs):
        in_hand = pipeline.die("detector", f"{point.name}:kill", pictures.send, {})
        tally.add(len(in_hand), uncommitted(pipeline, "detector", in_hand))
        # In order in between: a frame that is alone in hand at two kills becomes a dead letter.
        pipeline.needs("detector")
        try:
            pipeline.wait_read_by("detector", FRAMES)
        finally:
            pipeline.stop("detector")
    pipeline.settle(site, set(), pictures.frames)
    rows = pipeline.world(site).rows("select status from captures where site_id = %s", site)
    assert {row["status"] for row in rows} == {"analysed"}
    tally.check()


# ---------------------------------------------------------------- what is asked from outside
class Asked:
    """The clients' requests by event id, and how often each was written when its service died.
    Without an answer, a client repeats its request or the broker delivers it again."""

    def __init__(self, pipeline: Pipeline, tally: Tally) -> None:
        self._pipeline = pipeline
        self._tally = tally
        self._written: list[dict[str, int]] = []

    def died(self, in_hand: list[str]) -> None:
        found = record_ids(self._pipeline.infra, FRAMES, GATE_EVENTS, SITE_COMMANDS)
        self._written.append({name: found[name] for name in in_hand})

    def check(self) -> None:
        found = record_ids(self._pipeline.infra, FRAMES, GATE_EVENTS, SITE_COMMANDS)
        for written in self._written:
            again = sum(found[name] > count for name, count in written.items())
            self._tally.add(len(written), again)
        self._tally.check()


@pytest.mark.parametrize("point", params(INGEST))
def test_the_bridge_killed_between_two_effects(
    pipeline: Pipeline, unique, point: Point, tally: Tally
):
    site, asked = unique("site"), Asked(pipeline, tally)
    pipeline.needs("ingest", "tracker", "persister", "analytics")
    port = pipeline.infra.env_for("ingest")["HTTP_PORT"]
    by_http = point.name == "ingest.after-picture"
    with Device(pipeline, site) as device:
        pipeline.stop("ingest")
        for run in range(point.runs):

            def feed(seq: int = run) -> None:
                if by_http:
                    device.post(port, seq)
                else:
                    device.publish()

            fault = f"{point.name}:kill:{1 if by_http else 1 + run % 3}"
            asked.died(pipeline.die("ingest", fault, feed, {"HTTP_PORT": port}))
        pipeline.needs("ingest")
        device.publish()
        if by_http:
            assert all(device.post(port, run) for run in range(point.runs))
        wait_until(device.acked, 60, "every passage acknowledged")
        pipeline.settle(site, device.gates, device.frames)
    asked.check()


@pytest.mark.parametrize("point", params(NOTIFIER))
def test_the_gateway_killed_between_two_effects(
    pipeline: Pipeline, unique, point: Point, tally: Tally
):
    feed, asked = Feed(pipeline.infra, unique("site")), Asked(pipeline, tally)
    pipeline.needs("tracker", "persister", "analytics")
    feed.begin()
    feed.rounds()
    person = Person(pipeline, feed)
    asks = person.publishes if point.name == "notifier.after-layout" else person.passes
    port = pipeline.infra.env_for("notifier")["HTTP_PORT"]
    for run in range(point.runs):
        # Not accepted, except for requests sent before the process was ready.
        feed_it = (lambda key: lambda: asks(key))(f"k{run}")
        asked.died(pipeline.die("notifier", f"{point.name}:kill", feed_it, {"HTTP_PORT": port}))
    pipeline.needs("notifier")
    for run in range(point.runs):
        wait_until(lambda: asks(f"k{run}"), 30, "taken")  # noqa: B023 -- called at once
    pipeline.stop("notifier")
    pipeline.settle(feed.site, feed.gates, feed.frames)
    if point.name == "notifier.after-layout":
        adopted = record_ids(pipeline.infra, LAYOUTS)
        names = [f"{feed.site}/k{run}/layout/1" for run in range(point.runs)]
        assert [adopted[name] for name in names] == [1] * point.runs
    asked.check()
