import random

import pytest

from services.notifier.ring import (
    Ahead,
    Change,
    FromRing,
    FromTopic,
    Reset,
    Ring,
    format_id,
    parse_id,
)
from tests.support.notifying import changed

CLUSTER = "bBx3-_9aQqCmN1"


def entry(partition: int, offset: int, site: str = "demo") -> Change:
    event = changed(site, offset + 1, slot=f"P{partition}")
    return Change(partition, offset, event, b"{}")


def ring_of(*places: tuple[int, int], size: int = 100) -> Ring:
    ring = Ring(CLUSTER, {0: 0, 1: 0, 2: 0}, size)
    for partition, offset in places:
        ring.push(entry(partition, offset))
    return ring


def test_an_id_reads_back_as_it_was_written():
    vector = {0: 12, 7: 0, 11: 10**15}
    assert parse_id(format_id(CLUSTER, vector)) == (CLUSTER, vector)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "~0:1",
        f"{CLUSTER}~",
        f"{CLUSTER}~0:1,",
        f"{CLUSTER}~0:-1",
        f"{CLUSTER}~0:1,0:2",
        f"{CLUSTER}~0:1 ",
        f"{CLUSTER}~0:1\n",
        f"{CLUSTER}~0:" + "9" * 30,
        f"{CLUSTER}~0:\u0661",
        "a" * 5000,
    ],
)
def test_an_invalid_id_resets(text: str):
    assert ring_of((0, 0)).plan(text) == Reset("malformed")


def test_another_cluster_or_other_partitions_reset():
    ring = ring_of((0, 0))
    assert ring.plan(format_id("other", ring.next)) == Reset("another-cluster")
    assert ring.plan(format_id(CLUSTER, {0: 0, 1: 0})) == Reset("other-partitions")


def test_from_the_ring_comes_exactly_what_is_missing_in_order():
    ring = ring_of((0, 0), (1, 0), (0, 1), (2, 0), (1, 1))
    plan = ring.plan(format_id(CLUSTER, {0: 1, 1: 1, 2: 0}))
    assert isinstance(plan, FromRing)
    assert [(c.partition, c.offset) for c in plan.changes] == [(0, 1), (2, 0), (1, 1)]


def test_any_place_on_the_way_leads_to_the_end_without_gap_or_double():
    chance = random.Random(7)  # noqa: S311 -- an order, not a secret
    offsets = {0: 0, 1: 0, 2: 0}
    ring, ids, pushed = Ring(CLUSTER, offsets, 1000), [], []
    ids.append(ring.id)
    for _ in range(300):
        partition = chance.randrange(3)
        ring.push(entry(partition, offsets[partition]))
        pushed.append((partition, offsets[partition]))
        offsets[partition] += 1
        ids.append(ring.id)
    for number, last_id in enumerate(ids):
        plan = ring.plan(last_id)
        assert isinstance(plan, FromRing)
        assert [(c.partition, c.offset) for c in plan.changes] == pushed[number:]


def test_older_than_the_ring_is_read_from_the_topic():
    ring = ring_of(*((0, n) for n in range(10)), size=4)
    assert isinstance(ring.plan(format_id(CLUSTER, {0: 6, 1: 0, 2: 0})), FromRing)
    plan = ring.plan(format_id(CLUSTER, {0: 5, 1: 0, 2: 0}))
    assert plan == FromTopic({0: 5, 1: 0, 2: 0}, {0: 10, 1: 0, 2: 0})


def test_a_quiet_partition_stays_in_reach_beside_busy_ones():
    ring = ring_of((1, 0), *((0, n) for n in range(10)), size=4)
    assert isinstance(ring.plan(format_id(CLUSTER, {0: 8, 1: 1, 2: 0})), FromRing)


def test_a_client_of_one_site_misses_nothing_of_other_partitions():
    ring = ring_of(*((0, n) for n in range(10)), (1, 0), (1, 1), size=4)
    plan = ring.plan(format_id(CLUSTER, {0: 0, 1: 1, 2: 0}), {1})
    assert isinstance(plan, FromRing)
    assert [(c.partition, c.offset) for c in plan.changes] == [(1, 1)]


def test_a_position_this_instance_has_not_reached_is_distinguished_from_the_past():
    ring = ring_of((0, 0))
    assert ring.plan(format_id(CLUSTER, {0: 2, 1: 0, 2: 0})) == Ahead({0: 2, 1: 0, 2: 0})


def test_a_record_that_could_not_be_read_counts_as_passed():
    ring = ring_of((0, 0))
    ring.skip(0, 1)
    ring.push(entry(0, 2))
    assert ring.next[0] == 3
    assert isinstance(ring.plan(format_id(CLUSTER, {0: 1, 1: 0, 2: 0})), FromRing)


def test_the_last_changes_are_reported_once_each_newest_first_by_site():
    ring = ring_of((0, 0), (0, 1))
    ring.push(Change(0, 2, ring.latest(1)[0], b"{}"))  # the same change, written again
    ring.push(entry(1, 0, site="other"))
    assert [change.id for change in ring.latest(10)] == ["other-P1-1", "demo-P0-2", "demo-P0-1"]
    assert [change.id for change in ring.latest(1, "demo")] == ["demo-P0-2"]
