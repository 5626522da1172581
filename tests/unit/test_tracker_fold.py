"""A batch that is folded at once has the same effects as its records one after the other."""

import dataclasses

import pytest

from parking.core.events import HeartbeatPassed, Recounted
from parking.core.topics import DEAD_LETTERS, DETECTIONS
from parking.wire import codec
from parking.wire.ports import Outgoing, Record
from services.tracker.fold import Folded, fold
from tests.support.tracker_memory import PARTITION, Bench

NOW_MS = 1_700_000_000_000
TOO_LONG = "k" * 300
"""Valid as a command's id; the sessions that it would open have longer ids, which are not."""


def each_alone(records: list[Record]) -> Folded:
    folded = Folded()
    for record in records:
        folded.add(fold([record], dict(folded.sites), "live", NOW_MS))
    return folded


def effects(folded: Folded) -> dict[str, object]:
    """Return everything in it. Exceptions are equal only to themselves, so they are compared as
    texts."""
    texts = {
        "newer": [(record, str(error)) for record, error in folded.newer],
        "refused": [(record, str(error)) for record, error in folded.refused],
    }
    names = [field.name for field in dataclasses.fields(folded)]
    return {name: getattr(folded, name) for name in names} | texts


def retyped(record: Record, of_type: str) -> Record:
    """Return the record with another event type."""
    headers = tuple((k, of_type.encode() if k == "ce_type" else v) for k, v in record.headers)
    return dataclasses.replace(record, headers=headers)


def heartbeat(bench: Bench) -> Record:
    event = HeartbeatPassed(id="heartbeat/1", time_ms=NOW_MS, partitions=1)
    headers = codec.cloud_headers(event, "detector")
    message = Outgoing(DETECTIONS, b"/heartbeat", codec.to_json(event), headers, PARTITION)
    return bench.logged(message)


@pytest.fixture
def records() -> list[Record]:
    """Return good, doubled, damaged, newer and refused records in turns."""
    bench, t = Bench(), Bench().teller
    enters = bench.record(t.gate("entry", 1))
    leaves = bench.record(t.gate("exit", 3))
    return [
        *bench.story(),
        enters,
        dataclasses.replace(enters, value=b"{"),
        heartbeat(bench),
        enters,
        retyped(leaves, "parking.gate-event-received.v9"),
        retyped(leaves, "somebody.elses"),
        bench.record(t.gate("entry", 2)),
        leaves,
        bench.record(t.tick(after_ms=600_000)),
    ]


@pytest.fixture
def refused() -> Record:
    bench = Bench()
    return bench.record(bench.teller.command(Recounted(number_in=7), TOO_LONG))


def test_a_batch_is_folded_like_its_records_one_after_the_other(records: list[Record]):
    together = fold(records, {}, "live", NOW_MS)
    assert effects(together) == effects(each_alone(records))
    assert [error.reason for _, error in together.refused] == ["bad-json", "unknown-type"]
    assert len(together.newer) == 1
    assert len(together.ignored) == 1


@pytest.mark.parametrize("at", [0, 5, 13])
def test_a_record_whose_output_is_not_valid_changes_nothing(
    records: list[Record], refused: Record, at: int
):
    without = fold(records, {}, "live", NOW_MS)
    batch = [*records[:at], refused, *records[at:]]
    folded = fold(batch, {}, "live", NOW_MS)
    assert effects(folded) == effects(each_alone(batch))
    assert folded.sites == without.sites
    assert folded.events == without.events
    assert refused in [record for record, _ in folded.refused]
    letters = [one for one in folded.messages if one.topic == DEAD_LETTERS]
    assert len(letters) == 3
    outputs = [one for one in folded.messages if one.topic != DEAD_LETTERS]
    assert outputs == [one for one in without.messages if one.topic != DEAD_LETTERS]


def test_the_sites_passed_in_stay_as_they_are(records: list[Record], refused: Record):
    before = fold(records[:4], {}, "live", NOW_MS).sites
    copy = dict(before)
    fold([*records[4:], refused], before, "live", NOW_MS)
    assert before == copy
