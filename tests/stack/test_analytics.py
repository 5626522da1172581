"""Analytics on a real Kafka of its own: killed midway, or computed again, it gives the result of
its inputs, and of transactions it counts only committed records."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from parking.core.events import OccupancyMeasured
from parking.core.topics import (
    ANALYTICS_APP,
    ANALYTICS_CHANGELOG,
    CAMERA_STATUS,
    OCCUPANCY,
    SESSIONS,
    SLOT_CHANGES,
)
from parking.runtime.kafka import KafkaSettings, assign_all, new_consumer
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing
from tests.support.counting import MINUTE_MS, Counted, Lot, expected, reports_of
from tests.support.tracker_log import read, send
from tests.support.transactions import transact
from tests.support.waiting import wait_until
from tools.stack import services
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SETTINGS = {"ANALYTICS_SESSION_S": "6"}
INPUTS = (SLOT_CHANGES, SESSIONS, CAMERA_STATUS)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Run Kafka alone, because analytics reads whole topics and must not share them with other
    tests."""
    paths = Paths(tmp_path_factory.mktemp("analytics") / "state", ROOT / ".state" / "cache")
    with Infra(paths, os.environ, parts=("kafka",)) as running:
        yield running


@pytest.fixture
def analytics(kafka: Infra) -> Iterator[Infra]:
    """Run the service and stop it at the end."""
    kafka.start_service("analytics", SETTINGS)
    yield kafka
    kafka.stop("analytics")


def story(site_id: str, minutes: int) -> list[Outgoing]:
    """Return minutes of a lot, the last of them now, with slots that change, cameras and a gate.
    Some records are late and some are doubled."""
    lot = Lot(site_id, time.time_ns() // 1_000_000 - minutes * MINUTE_MS)
    messages: list[Outgoing] = []
    for turn in range(minutes * 6):
        lot.now_ms += 10_000
        slot = str(turn * 7 % 12)
        late_ms = lot.now_ms - turn % 4 * 20_000
        change = lot.change(slot, ("free", "occupied", "unknown")[turn % 3], time_ms=late_ms)
        gate = lot.entry() if turn % 3 else lot.exit(late_ms)
        messages += [change, gate, lot.status("north"), lot.status("south", late_ms)]
        if turn % 5 == 0:
            messages.append(change)
    return messages


def found(infra: Infra, site_id: str) -> dict[str, Counted]:
    ours = [record for record in read(infra, OCCUPANCY) if record.key == site_id.encode()]
    return reports_of(ours)


def due(infra: Infra, site_id: str) -> dict[str, Counted]:
    ours = [r for r in read(infra, *INPUTS) if (r.key or b"").decode().split("/")[0] == site_id]
    return expected(ours, site_id)


def wait_equal(infra: Infra, site_id: str) -> dict[str, Counted]:
    wanted = due(infra, site_id)
    try:
        wait_until(lambda: found(infra, site_id) == wanted, 40, "what the inputs say")
    except TimeoutError:
        assert found(infra, site_id) == wanted
    return wanted


def test_killed_midway_it_comes_to_what_the_inputs_say(
    analytics: Infra, unique, record_property
) -> None:
    site = unique("site")
    messages = story(site, 40)
    kills = 4
    part = len(messages) // kills
    for turn in range(kills):
        starts = analytics.starts("analytics")
        before = len(read(analytics, OCCUPANCY))
        send(analytics, messages[turn * part : (turn + 1) * part])
        wait_until(lambda: len(read(analytics, OCCUPANCY)) > before, 40, "minutes")  # noqa: B023
        analytics.kill("analytics")
        analytics.wait_restarted("analytics", starts + 1)
    send(analytics, messages[kills * part :])
    wanted = wait_equal(analytics, site)
    written = [r for r in read(analytics, OCCUPANCY) if r.key == site.encode()]
    record_property("kills, minutes, records", f"{kills}, {len(wanted)}, {len(written)}")
    assert len(wanted) > 70, "zone and gates, of nearly 40 minutes"


def test_computed_again_from_its_inputs_it_is_the_same(kafka: Infra, unique) -> None:
    site = unique("site")
    kafka.start_service("analytics", SETTINGS)
    send(kafka, story(site, 15))
    before = wait_equal(kafka, site)
    offset = len(read(kafka, OCCUPANCY))
    env = kafka.env_for("analytics") | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "services.analytics", "--recompute"]
    running = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert running.returncode == 1
    assert "is every worker stopped?" in running.stderr
    kafka.stop("analytics")
    subprocess.run(command, env=env, cwd=ROOT, check=True, timeout=60)
    kafka.start_service("analytics", SETTINGS)
    try:
        again = len(before) + offset
        wait_until(lambda: len(read(kafka, OCCUPANCY)) >= again, 40, "all minutes once more")
        assert wait_equal(kafka, site) == before
    finally:
        kafka.stop("analytics")


def test_only_committed_transactions_count(analytics: Infra, unique) -> None:
    site = unique("site")
    lot, doubt = Lot(site, time.time_ns() // 1_000_000 - 10 * MINUTE_MS), Lot(site)
    doubt.now_ms = lot.now_ms
    kept = [lot.change(str(slot), "free") for slot in range(5)]
    undone = [doubt.change(str(slot), "occupied") for slot in range(9)]
    for message in kept:
        transact(analytics, undone, commit=False)
        transact(analytics, [message], commit=True)
    lot.now_ms += 5 * MINUTE_MS
    transact(analytics, [lot.status()], commit=True)
    wait_equal(analytics, site)
    last = list(found(analytics, site).values())[-1]
    assert isinstance(last, OccupancyMeasured)
    assert (last.free, last.occupied) == (5, 0)
    # Offsets have holes by now: faust must get past them, or all is read again at each start.
    wait_until(lambda: asyncio.run(behind(analytics)) <= 1, 20, "commits up to the last marker")


async def behind(infra: Infra) -> int:
    """Return how far the group's commits of the changes are behind, in the partition where the lag
    is largest."""
    consumer = new_consumer(KafkaSettings(infra.bootstrap))
    group = new_consumer(KafkaSettings(infra.bootstrap), group=ANALYTICS_APP)
    await consumer.start()
    await group.start()
    try:
        places = await assign_all(consumer, SLOT_CHANGES)
        ends = await consumer.end_offsets(places)
        left = [ends[p] - (await group.committed(p) or 0) for p in places if ends[p]]
        return int(max(left))
    finally:
        await consumer.stop()
        await group.stop()


def test_a_busy_computer_loses_nothing_that_was_never_committed(kafka: Infra, unique) -> None:
    """faust drops what it fetches between the restored table and the inputs, and aiokafka seeks
    back only where something was committed."""
    kafka.start_service("analytics", SETTINGS)
    first = unique("site")
    send(kafka, story(first, 5))
    wait_equal(kafka, first)  # there is a table to restore
    kafka.stop("analytics")
    places = asyncio.run(never_committed(kafka))
    names = (unique("site") for _ in range(1_000))
    sites = list(islice((name for name in names if partition_of(name.encode()) in places), 4))
    send(kafka, [message for site in sites for message in story(site, 5)])
    real = services.part("analytics", kafka.settings, ("kafka",), SETTINGS)
    starved = (sys.executable, "-m", "tests.stack.starved_analytics")
    kafka.run_part(replace(real, command=starved))
    try:
        for site in sites:
            wait_equal(kafka, site)
    finally:
        kafka.stop("analytics")


async def never_committed(infra: Infra) -> set[int]:
    """Return the partitions of the changes for which the group has committed nothing."""
    group = new_consumer(KafkaSettings(infra.bootstrap), group=ANALYTICS_APP)
    await group.start()
    try:
        places = await assign_all(group, SLOT_CHANGES)
        return {place.partition for place in places if not await group.committed(place)}
    finally:
        await group.stop()


def test_a_stale_value_behind_a_newer_one_is_not_restored(kafka: Infra, unique) -> None:
    """A worker that was frozen, replaced and woke up wrote these records, which faust cannot
    prevent."""
    site = unique("site")
    messages = story(site, 10)
    kafka.start_service("analytics", SETTINGS)
    send(kafka, messages[:120])
    wait_equal(kafka, site)
    stale = latest_values(kafka, site)
    send(kafka, messages[120:160])
    wait_equal(kafka, site)
    kafka.stop("analytics")
    send(kafka, stale)
    kafka.start_service("analytics", SETTINGS)
    try:
        send(kafka, messages[160:])
        wait_equal(kafka, site)
    finally:
        kafka.stop("analytics")
    assert "skipped a stale value" in kafka.log("analytics")


def latest_values(infra: Infra, site_id: str) -> list[Outgoing]:
    """Return the latest value of each key of the site, as records to be written once more."""
    ours = [r for r in read(infra, ANALYTICS_CHANGELOG) if site_id.encode() in (r.key or b"")]
    held = {r.key: (r.value, r.partition) for r in ours}
    return [
        Outgoing(ANALYTICS_CHANGELOG, key, value, partition=partition)
        for key, (value, partition) in held.items()
    ]


def test_values_stay_small_for_a_site_of_any_size(
    analytics: Infra, unique, record_property
) -> None:
    site = unique("site")
    lot = Lot(site, time.time_ns() // 1_000_000 - 5 * MINUTE_MS)
    send(analytics, [lot.change(f"{slot:04}", "free") for slot in range(1_000)])
    lot.now_ms += 3 * MINUTE_MS
    send(analytics, [lot.status()])
    wait_equal(analytics, site)
    sizes = [
        len(record.value or b"")
        for record in read(analytics, ANALYTICS_CHANGELOG)
        if (record.key or b"").startswith(site.encode())
    ]
    record_property("bytes a value at 1,000 slots", max(sizes))
    assert max(sizes) < 1_000
