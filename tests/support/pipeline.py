"""The whole pipeline behind the cameras on servers of its own. It checks whether anything of a site
was lost or duplicated: Kafka, Postgres, S3 and parking.occupancy are compared with what was sent.
"""

import asyncio
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient

from parking.core.events import DeadLettered, Event, SlotChanged
from parking.core.topics import (
    ANALYTICS_APP,
    CAMERA_STATUS,
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    GATE_EVENTS,
    OCCUPANCY,
    SESSIONS,
    SLOT_CHANGES,
    TRACKER_GROUP,
)
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer
from parking.wire import codec
from tests.support.counting import Counted, expected, reports_of
from tests.support.persister_world import World
from tests.support.tracker_log import SOURCES, Story, read
from tests.support.waiting import wait_until
from tools.stack.checks import free_ports
from tools.stack.infra import Infra
from tools.stack.settings import ROOT

GROUPS: Final = {"tracker": TRACKER_GROUP, "detector": "detector", "analytics": ANALYTICS_APP}
# Short sessions, so that a killed member is noticed early; every frame counts, and every record is
# the test's own.
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "ingest": {"HANDOVER_FRAMES": "1000", "HEARTBEAT_PARTITIONS": "0"},
    "detector": {
        "DETECTOR_SKIP": "off",
        "DETECTOR_LOAD": "off",
        "DETECTOR_SIZE": "320",
        "DETECTOR_THREADS": "1",
        "DETECTOR_FRAME_LIMIT_S": "240",  # a frame may wait for the processor
    },
    "tracker": {"TRACKER_SESSION_S": "6", "TRACKER_TICK_S": "0.5"},
    "analytics": {"ANALYTICS_SESSION_S": "6"},
    "persister": {"PERSISTER_GATHER_MS": "100", "PERSISTER_BATCH": "50"},
    "notifier": {},
}
_IN_HAND: Final = re.compile(r"^FAULT \S+ in hand: (.*)$", re.MULTILINE)
DRAIN_S: Final = 60.0
Place = tuple[str, int]


def record_ids(infra: Infra, *topics: str) -> Counter[str]:
    """Return how often each event was written, by its id."""
    headers = (dict(record.headers) for record in read(infra, *topics))
    return Counter(found.get("ce_id", b"").decode() for found in headers)


@dataclass
class Pipeline:
    """Servers and services. `folder` is for the services' logs."""

    infra: Infra
    folder: Path
    _running: set[str] = field(default_factory=set)

    def needs(self, *services: str) -> None:
        """Start the services that are not running yet."""
        for service in services:
            if service not in self._running:
                self.infra.start_service(service, SETTINGS[service], limit_s=120)
                self._running.add(service)

    def stop(self, service: str) -> None:
        """Stop it gracefully if it runs."""
        if service in self._running:
            self.infra.stop(service)
            self._running.remove(service)

    def spawn(self, service: str, **env: str) -> subprocess.Popen[bytes]:
        """Start the service beside the supervisor, on its own port unless one is given."""
        given = {**self.infra.env_for(service), **SETTINGS[service], "PYTHONPATH": str(ROOT)}
        given |= {"HTTP_PORT": str(free_ports(1)[0])} | env
        command = [sys.executable, "-m", f"services.{service}"]
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.Popen(command, env=given, cwd=ROOT, stdout=log, stderr=log)

    def die(
        self, service: str, fault: str, feed: Callable[[], object], env: Mapping[str, str]
    ) -> list[str]:
        """Run it until it kills itself at the point, and feed it meanwhile. Return its work in
        progress."""
        log = self.folder / f"{service}.log"
        before = len(log.read_bytes()) if log.exists() else 0
        process = self.spawn(service, FAULT=fault, **env)

        def died() -> bool:
            feed()
            try:
                return process.wait(0.7) is not None
            except subprocess.TimeoutExpired:
                return False

        try:
            wait_until(died, DRAIN_S, f"{service} dead at {fault}")
        finally:
            process.kill()
            process.wait()
        text = log.read_bytes()[before:].decode("utf-8", "replace")
        assert process.returncode == -signal.SIGKILL, text[-2_000:]
        return str(_IN_HAND.findall(text)[-1]).split()

    # ------------------------------------------------------------ places
    def committed(self, service: str) -> dict[Place, int]:
        """Return how far the service has read, as it would itself resume."""
        if service == "persister":
            return self.world("").offsets()
        return asyncio.run(self._committed(GROUPS[service]))

    async def _committed(self, group: str) -> dict[Place, int]:
        admin = AIOKafkaAdminClient(**KafkaSettings(self.infra.bootstrap).client())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group)
            return {(place.topic, place.partition): at.offset for place, at in offsets.items()}
        finally:
            await admin.close()

    def read_by(self, service: str, *topics: str) -> bool:
        """Return whether the service has read all that is there now. Does not work for topics with
        transactions."""
        at = self.committed(service)
        return all(at.get(place, 0) >= end for place, end in asyncio.run(self._ends(topics)))

    def wait_read_by(self, service: str, *topics: str) -> None:
        """Wait until it has read them. On failure, report its output and position."""
        try:
            wait_until(lambda: self.read_by(service, *topics), DRAIN_S, f"{service} to be done")
        except TimeoutError as error:
            at, ends = self.committed(service), asyncio.run(self._ends(topics))
            error.add_note(f"(place, end, committed): {[(p, end, at.get(p)) for p, end in ends]}")
            error.add_note(self.infra.log(service)[-3_000:])
            raise

    async def _ends(self, topics: Sequence[str]) -> list[tuple[Place, int]]:
        consumer = new_consumer(KafkaSettings(self.infra.bootstrap))
        await consumer.start()
        try:
            places = await assign_all(consumer, *topics)
            ends = await consumer.end_offsets(places)
            return [((place.topic, place.partition), end) for place, end in ends.items() if end]
        finally:
            await consumer.stop()

    # ------------------------------------------------------------ what came of it
    def world(self, site: str) -> World:
        """Return Postgres and S3."""
        return World(self.infra, self.infra.dsn, site, self.folder)

    def settle(self, site: str, gates: set[str], frames: set[str]) -> list[SlotChanged]:
        """Once everything is worked off, check that nothing is lost or doubled and that everything
        equals a second computation from what was sent. Return the changes."""
        self.needs("tracker", "persister", "analytics")
        self.wait_read_by("tracker", *SOURCES)
        self.stop("tracker")  # its own ticks would go on under the comparison
        changes = self.check_site(site, gates, frames)
        self.needs("tracker")
        return changes

    def check_site(self, site: str, gates: set[str], frames: set[str]) -> list[SlotChanged]:
        """Check the same once no tracker runs."""
        changes = Story(self.infra, site).check()
        self._until(lambda: self.check_rows(site, gates, frames), "rows")
        self._until(lambda: self.check_occupancy(site), "occupancy")
        self.check_no_dead_letters(site)
        return changes

    def _until(self, check: Callable[[], object], what: str) -> None:
        """Wait until it holds. On failure, report the error."""

        def holds() -> bool:
            try:
                check()
            except AssertionError:
                return False
            return True

        try:
            wait_until(holds, DRAIN_S, what)
        except TimeoutError:
            check()

    def check_rows(self, site: str, gates: set[str], frames: set[str]) -> None:
        """Check that every accepted event and every output has one row, and that there are no other
        rows."""
        world, mine = self.world(site), "where site_id = %s"
        for topic, table in ((SLOT_CHANGES, "slot_changes"), (SESSIONS, "session_events")):
            ids = [event.id for event in self.events(site, topic)]
            rows = world.rows(f"select id from {table} {mine}", site)  # noqa: S608
            assert sorted(row["id"] for row in rows) == sorted(ids), topic
            assert len(ids) == len(set(ids)), topic
        rows = world.rows(f"select id from gate_events {mine}", site)  # noqa: S608
        assert sorted(row["id"] for row in rows) == sorted(gates)
        assert gates == {event.id for event in self.events(site, GATE_EVENTS)}
        rows = world.rows(f"select frame_id from captures {mine}", site)  # noqa: S608
        assert sorted(row["frame_id"] for row in rows) == sorted(frames)

    def events(self, site: str, *topics: str) -> list[Event]:
        """Return the events of the site."""
        found = (codec.decode(record) for record in read(self.infra, *topics))
        return [event for event in found if isinstance(event, Event) and event.site_id == site]

    def check_occupancy(self, site: str) -> dict[str, Counted]:
        """Check that a reader of parking.occupancy holds what its inputs lead to."""
        inputs = read(self.infra, SLOT_CHANGES, SESSIONS, CAMERA_STATUS)
        ours = [r for r in inputs if (r.key or b"").decode().split("/")[0] == site]
        found = reports_of(r for r in read(self.infra, OCCUPANCY) if r.key == site.encode())
        wanted = expected(ours, site) if ours else {}
        assert found == wanted
        return found

    def check_no_dead_letters(self, site: str) -> None:
        """Check that there are no dead letters of the site."""
        letters: list[Any] = [
            codec.decode(record)
            for record in read(self.infra, DEAD_LETTERS, DEAD_LETTERS_FRAMES)
            if (record.key or b"").decode("utf-8", "replace").split("/")[0] == site
        ]
        assert [one.reason for one in letters if isinstance(one, DeadLettered)] == []
