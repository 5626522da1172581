"""The event stream and the pictures: memory and real Kafka pass the same tests."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace as replaced

import pytest

from parking.runtime.kafka import KafkaSettings
from services.notifier.ring import FromRing, FromTopic, Ring, format_id, parse_id
from services.notifier.settings import Limits
from tests.support.notifier_instance import Backend, Event, Given, Instance
from tests.support.notifying import changed, layout, record, session, sites_apart, state, status

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.stack)])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    kafka = None
    if request.param == "kafka":
        kafka = KafkaSettings(request.getfixturevalue("infra").bootstrap)
    made = Backend(kafka)
    yield made
    await made.close()


@pytest.fixture
def site(unique: Callable[[str], str]) -> str:
    return unique("site")


def numbers(site: str, events: list[Event]) -> list[int]:
    return [event.data["version"] for event in events if event.data["site_id"] == site]


async def test_first_a_snapshot_then_changes_with_rising_places(backend: Backend, site: str):
    await backend.write(
        record(layout(site)), record(state(site, 3)), record(status(site)),
        record(session(site, 1, "opened")), record(changed(site, 3, "free")),
    )  # fmt: skip
    async with Instance(backend) as notifier, notifier.events(site=site) as events:
        headers = events.response.headers
        assert headers["x-accel-buffering"] == "no"
        assert headers["cache-control"] == "no-store, no-transform"
        assert headers["content-type"].startswith("text/event-stream")
        snapshot = await events.next()
        assert snapshot.type == "snapshot"
        (shown,) = snapshot.data["sites"]
        assert (shown["site_id"], shown["counts"]["free"], shown["open_sessions"]) == (site, 1, 1)
        assert [change["version"] for change in snapshot.data["changes"]] == [3]
        await backend.write(record(changed(site, 4)), record(status(site, 2)))
        change = (await events.only("slot-change", 1))[0]
        assert change.data["to_state"] == "occupied"
        before, after = parse_id(snapshot.id), parse_id(change.id)
        assert before is not None
        assert after is not None
        assert before[0] == after[0]
        assert sum(after[1].values()) > sum(before[1].values())
        assert (await notifier.http.get("/api/slots", params={"site": site})).json()[0][
            "version"
        ] == 4


async def test_another_instance_continues_without_gap_or_double(backend: Backend, site: str):
    await backend.write(record(layout(site)))
    async with Instance(backend) as first, Instance(backend) as second:
        async with first.events(site=site) as events:
            last_id = (await events.next()).id
            await backend.write(*(record(changed(site, n)) for n in range(1, 6)))
            got = await events.only("slot-change", 3)
            last_id = got[-1].id
        await backend.write(*(record(changed(site, n)) for n in range(6, 30)))
        await second.seen(site, 29)
        async with second.events(site=site, header=last_id) as events:
            missed = await events.only("slot-change", 26)
            await backend.write(record(changed(site, 30)))
            live = await events.only("slot-change", 1)
        assert numbers(site, got) == [1, 2, 3]
        assert numbers(site, missed) == list(range(4, 30))
        assert numbers(site, live) == [30]


async def test_without_its_last_id_a_client_would_lose_changes(backend: Backend, site: str):
    """As the negative control, this shows that the two tests around it rely on the id."""
    await backend.write(record(layout(site)))
    async with Instance(backend) as notifier:
        async with notifier.events(site=site) as events:
            await events.next()
        await backend.write(*(record(changed(site, n)) for n in range(1, 8)))
        await notifier.seen(site, 7)
        async with notifier.events(site=site) as events:
            assert (await events.next()).type == "snapshot"
            await backend.write(record(changed(site, 8)))
            assert numbers(site, await events.only("slot-change", 1)) == [8]


@pytest.mark.parametrize("at", ["ring", "topic"])
async def test_the_tests_see_it_when_nothing_is_made_up_for(
    backend: Backend, site: str, at: str, monkeypatch: pytest.MonkeyPatch
):
    """As the negative control, a gateway that continues from now, whatever the id says, loses
    changes."""
    if at == "ring":
        forgetful = FromRing({}, [])
        monkeypatch.setattr(Ring, "plan", lambda ring, *_: replaced(forgetful, vector=ring.next))
    else:
        monkeypatch.setattr(
            Ring, "plan", lambda ring, *_: FromTopic(dict(ring.next), dict(ring.next))
        )
    await backend.write(record(layout(site)))
    async with Instance(backend) as notifier:
        async with notifier.events(site=site) as events:
            last_id = (await events.next()).id
        await backend.write(*(record(changed(site, n)) for n in range(1, 8)))
        await notifier.seen(site, 7)
        async with notifier.events(site=site, header=last_id) as events:
            await backend.write(record(changed(site, 8)))
            assert numbers(site, await events.only("slot-change", 1)) == [8]  # 1 to 7 are lost


async def test_older_than_the_ring_is_read_from_the_topic(backend: Backend, site: str):
    one, other = sites_apart(site)
    async with Instance(backend, Given(Limits(ring_changes=12))) as notifier:
        async with notifier.events() as events:
            last_id = (await events.next()).id
        writes = [record(changed(s, n)) for n in range(1, 41) for s in (one, other)]
        await backend.write(*writes)
        await notifier.seen(one, 40)
        await notifier.seen(other, 40)
        assert parse_id(last_id) is not None
        async with notifier.events(last_event_id=last_id) as events:
            missed = [
                event
                for event in await events.only("slot-change", 80)
                if event.data["site_id"] in (one, other)
            ]
        assert numbers(one, missed) == list(range(1, 41))
        assert numbers(other, missed) == list(range(1, 41))


async def test_an_interrupted_catch_up_continues_where_it_stopped(backend: Backend, site: str):
    await backend.write(record(layout(site)))
    async with Instance(backend) as notifier:
        async with notifier.events(site=site) as events:
            last_id = (await events.next()).id
        await backend.write(*(record(changed(site, n)) for n in range(1, 31)))
        await notifier.seen(site, 30)
        got: list[int] = []
        for take in (7, 1, 12, 10):
            async with notifier.events(site=site, header=last_id) as events:
                part = await events.only("slot-change", take)
            got += numbers(site, part)
            last_id = part[-1].id
        assert got == list(range(1, 31))


async def test_where_it_cannot_continue_it_says_why_and_sends_everything(
    backend: Backend, site: str
):
    await backend.write(record(changed(site, 1)))
    limits = Limits(ring_changes=12, resume_changes=20)
    async with Instance(backend, Given(limits)) as notifier:
        await backend.write(*(record(changed(site, n)) for n in range(2, 60)))
        await notifier.seen(site, 59)
        ring = notifier.feed.ring
        far = dict.fromkeys(ring.next, 10**9)
        cases = {
            "7": "malformed",
            format_id("another", ring.next): "another-cluster",
            format_id(ring.cluster_id, {0: 1}): "other-partitions",
            format_id(ring.cluster_id, far): "beyond-the-end",
            format_id(ring.cluster_id, {**ring.next, _home(notifier, site): 0}): "too-many",
        }
        for last_id, reason in cases.items():
            async with notifier.events(site=site, header=last_id) as events:
                reset, snapshot = await events.next(), await events.next()
                assert (reset.type, reset.data) == ("reset", {"reason": reason})
                assert snapshot.type == "snapshot"
                newest = snapshot.data["changes"][0]["version"]
                await backend.write(record(changed(site, newest + 1)))
                assert numbers(site, await events.only("slot-change", 1)) == [newest + 1]


async def test_a_resumed_client_hears_cameras_layouts_and_sessions_as_they_are(
    backend: Backend, site: str
):
    async with Instance(backend) as notifier:
        await backend.write(record(layout(site)), record(status(site)))
        await notifier.feed.until(lambda: site in notifier.feed.state.site_ids())
        async with notifier.events(site=site) as events:
            last_id = (await events.next()).id
        await backend.write(record(status(site, 5)), record(session(site, 1, "opened")))
        await notifier.feed.until(lambda: notifier.feed.state.open_count(site) == 1)
        async with notifier.events(site=site, header=last_id) as events:
            received = {}
            while "site-sessions" not in received:
                event = await events.next()
                received[event.type] = event.data
        assert received["camera-status"]["version"] == 5
        assert received["layout"]["version"] == 1
        assert received["site-sessions"] == {"site_id": site, "open_sessions": 1}


def _home(notifier: Instance, site: str) -> int:
    latest = notifier.feed.ring.latest(1, site)[0]
    return next(
        c.partition
        for c in notifier.feed.ring._changes  # noqa: SLF001
        if c.event.id == latest.id
    )
