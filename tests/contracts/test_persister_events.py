"""ports.EventStore: memory and Postgres pass the same tests."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from parking.core import topics
from parking.core.errors import Fenced, Invalid
from parking.wire.ports import Claim, EventStore, Place, Row
from services.persister.handler import by_kind, plan
from services.persister.memory import MemoryEvents
from services.persister.postgres import PostgresEvents, new_pool, prepare
from tests.support import persisting as make
from tests.support.databases import new_database
from tools.stack.infra import Infra

PLACE: Place = (topics.GATE_EVENTS, 3)
FIRST, SECOND = make.CLAIM, replace(make.CLAIM, generation=2)


class Unfenced(PostgresEvents):
    """The negative control, with the mechanism switched off."""

    fence = ""


@pytest.fixture
async def pool(infra: Infra):
    with new_database(infra) as url:
        await prepare(url)
        async with new_pool(url, 2) as opened:
            yield opened


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
async def events(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    if request.param == "memory":
        yield MemoryEvents()
        return
    with new_database(request.getfixturevalue("infra")) as url:
        await prepare(url)
        async with new_pool(url, 2) as opened:
            yield PostgresEvents(opened)


def gates(*seqs: int, **other: object) -> dict[str, list[Row]]:
    made = [make.out(make.gate("demo", seq, **other), topics.GATE_EVENTS) for seq in seqs]
    return by_kind([plan(make.record(message), make.CLAIM) for message in made])


async def test_a_new_place_begins_at_zero(events: EventStore):
    assert await events.claim(FIRST, [PLACE], {}) == {PLACE: 0}


async def test_rows_and_offsets_are_written_as_one(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    changed = await events.write(FIRST, gates(1, 2), {PLACE: 12})
    assert changed["gate_events"] == 2
    assert await events.claim(FIRST, [PLACE], {}) == {PLACE: 12}


async def test_the_same_events_again_change_nothing(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    await events.write(FIRST, gates(1, 2), {PLACE: 12})
    again = await events.write(FIRST, gates(2, 1, 3), {PLACE: 13})
    assert again["gate_events"] == 1


async def test_an_older_generation_can_neither_write_nor_claim(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    await events.claim(SECOND, [PLACE], {})
    with pytest.raises(Fenced):
        await events.write(FIRST, gates(1), {PLACE: 12})
    with pytest.raises(Fenced) as caught:
        await events.claim(FIRST, [PLACE], {})
    assert caught.value.generations == {PLACE: 2}
    assert (await events.write(SECOND, gates(1), {PLACE: 12}))["gate_events"] == 1


async def test_without_the_fence_an_older_generation_would_write(pool):
    events = Unfenced(pool)
    await events.claim(FIRST, [PLACE], {})
    await events.claim(SECOND, [PLACE], {})
    assert (await events.write(FIRST, gates(1), {PLACE: 12}))["gate_events"] == 1


async def test_a_group_that_counts_again_replaces_only_what_it_saw(events: EventStore):
    await events.claim(replace(FIRST, generation=57), [PLACE], {})
    with pytest.raises(Fenced):
        await events.claim(FIRST, [PLACE], {PLACE: 56})
    assert await events.claim(FIRST, [PLACE], {PLACE: 57}) == {PLACE: 0}
    with pytest.raises(Fenced):
        await events.claim(replace(FIRST, generation=0), [PLACE], {PLACE: 57})


async def test_another_cluster_or_topic_of_the_same_name_begins_at_zero(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    await events.write(FIRST, {}, {PLACE: 12})
    wiped = replace(FIRST, cluster_id="cluster-2")
    assert await events.claim(wiped, [PLACE], {}) == {PLACE: 0}
    made_again = {**FIRST.topic_ids, PLACE[0]: "11111111-0000-0000-0000-000000000000"}
    recreated = Claim(FIRST.cluster_id, made_again, 1)
    assert await events.claim(recreated, [PLACE], {}) == {PLACE: 0}
    assert await events.claim(FIRST, [PLACE], {}) == {PLACE: 12}


async def test_a_place_that_was_never_claimed_cannot_be_written(events: EventStore):
    with pytest.raises(Fenced):
        await events.write(FIRST, gates(1), {PLACE: 12})


async def test_content_that_cannot_be_kept_is_invalid_and_nothing_is_written(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    spoiled = gates(1)
    spoiled["gate_events"] = [{**row, "plate_hash": "a\0b"} for row in spoiled["gate_events"]]
    with pytest.raises(Invalid, match="refused-by-database"):
        await events.write(FIRST, spoiled, {PLACE: 12})
    assert await events.claim(FIRST, [PLACE], {}) == {PLACE: 0}


async def test_known_tells_the_changes_that_have_rows(events: EventStore):
    await events.claim(FIRST, [PLACE], {})
    rows = by_kind([plan(make.change_record(make.change("demo", 1)), make.CLAIM)])
    await events.write(FIRST, rows, {PLACE: 1})
    asked = {f"demo-change-{n}": make.NOW_MS + n * 1000 for n in (1, 2)}
    assert await events.known(asked) == {"demo-change-1"}


async def test_noting_an_object_twice_is_not_an_error(events: EventStore):
    await events.note_objects(["b", "a", "a"], 1)
    await events.note_objects(["a"], 2)
