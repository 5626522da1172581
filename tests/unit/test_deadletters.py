"""Which dead letters are selected, which can be replayed, and that each is sent once."""

import dataclasses
from typing import Any

import pytest

from parking.core.errors import Invalid
from parking.core.events import TickElapsed
from parking.core.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_MARKS,
    DETECTIONS,
    FRAMES,
    GATE_EVENTS,
    HTTP_FRAMES,
    LAYOUTS,
    PLATES,
    of_run,
)
from parking.runtime.deadletters_log import Replay
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryConsumer, MemoryProducer
from parking.wire import codec
from parking.wire.deadletters import (
    CLAIM_MS,
    REPLAYED_FROM,
    Letter,
    Mark,
    Selection,
    letter_of,
    mark,
    named,
    obstacle,
    original,
)
from parking.wire.ports import Outgoing, Record

TICK = codec.outgoing(
    TickElapsed(id="lot/tick/5", site_id="lot", time_ms=5), DETECTIONS, "lot", "tracker"
)


def poison(offset: int, topic: str = DETECTIONS, value: bytes = b"{", **more: Any) -> Record:
    return Record(topic, more.pop("partition", 3), offset, b"lot", value, TICK.headers, **more)


class Bench:
    """Dead letters and marks in memory, and replays of them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.producer = MemoryProducer(self.broker)

    def letter(self, record: Record, service: str = "tracker", **more: Any) -> Letter:
        error = Invalid(more.pop("reason", "bad-json"), "line 1")
        message = codec.dead_letter(record, error, service, more.pop("now_ms", 99), **more)
        partition, offset = self.broker.append(message)
        return letter_of(self.broker.read((message.topic, partition), offset, 1)[0])

    def replay(self, run: str, *, again: bool = False) -> Replay:
        reader = MemoryConsumer(self.broker, run, DEAD_LETTERS_MARKS)
        return Replay(self.producer, reader, run, again=again)

    async def started(self, run: str, *, again: bool = False) -> Replay:
        replay = self.replay(run, again=again)
        await replay.begin(len(self.broker.records(DEAD_LETTERS_MARKS)))
        return replay

    def sent(self) -> list[Record]:
        return [r for topic in (DETECTIONS, GATE_EVENTS) for r in self.broker.records(topic)]


def test_the_original_comes_back_as_it_was_and_says_from_where():
    letter = Bench().letter(poison(42))
    again = original(letter)
    assert (again.topic, again.key, again.value) == (DETECTIONS, b"lot", b"{")
    assert again.headers == (*TICK.headers, (REPLAYED_FROM, b"parking.dead-letters/0/0"))
    assert again.partition is None  # its key chooses, as it did


def test_what_is_set_aside_once_more_names_its_last_letter_only():
    bench = Bench()
    first = original(bench.letter(poison(42)))
    record = Record(first.topic, 3, 90, first.key, first.value, first.headers)
    names = [value for name, value in original(bench.letter(record)).headers if name == "ce_id"]
    froms = [v for name, v in original(bench.letter(record)).headers if name == REPLAYED_FROM]
    assert (names, froms) == ([b"lot/tick/5"], [b"parking.dead-letters/0/2"])


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (Selection(), {0, 1, 2}),
        (Selection(reasons=frozenset({"bad-json"})), {0, 2}),
        (Selection(services=frozenset({"persister"})), {2}),
        (Selection(topics=frozenset({GATE_EVENTS, FRAMES})), {1}),
        (Selection(since_ms=200), {1, 2}),
        (Selection(until_ms=200), {0}),
        (Selection(since_ms=200, until_ms=300), {1}),
        (Selection(names=frozenset({"events/2"})), {2}),
        (Selection(reasons=frozenset({"bad-json"}), since_ms=200), {2}),
    ],
)
def test_letters_are_chosen_by_reason_service_topic_time_and_name(chosen, names):
    bench = Bench()
    letters = [
        bench.letter(poison(1), now_ms=100),
        bench.letter(poison(2, GATE_EVENTS), reason="bad-schema", now_ms=200),
        bench.letter(poison(3), "persister", now_ms=300),
    ]
    assert {index for index, letter in enumerate(letters) if chosen.holds(letter)} == names


@pytest.mark.parametrize("name", ["17", "events", "events/x", "events/-1", "other/1", ""])
def test_an_invalid_name_is_reported(name):
    with pytest.raises(Invalid, match="events/17"):
        named(name)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (poison(1, "parking/v1/demo/north/gate/1/2", partition=-1), "received by MQTT"),
        (poison(1, f"{HTTP_FRAMES}/demo/north", partition=-1), "received by HTTP"),
        (poison(1, "pull/demo/north", partition=-1), "polled from a camera"),
        (poison(1, of_run(DETECTIONS, "a")), "letters cannot be sent to topic"),
        (poison(1, DEAD_LETTERS), "letters cannot be sent to topic"),
        (poison(1, PLATES), "contain no plates"),
        (poison(1, value=b"x" * 1_000_001), "first 64 kB of its 1000001 bytes"),
        (poison(1, value=b""), "no content"),
        (poison(1, LAYOUTS), "last record of a key"),
        (dataclasses.replace(poison(1), headers=(("h", b"x" * 20_000),)), "headers were not kept"),
        (dataclasses.replace(poison(1), headers=(("h" * 501, b"x"),)), "headers were not kept"),
        (poison(1), None),
    ],
)
def test_what_cannot_be_sent_again_says_why(record, says):
    why = obstacle(Bench().letter(record))
    assert why is None if says is None else says in (why or "")


def test_a_letter_of_a_version_before_has_no_headers():
    letter = Bench().letter(poison(1))
    event = type(letter.event)(
        **{f: getattr(letter.event, f) for f in letter.event.__struct_fields__} | {"headers": None}
    )
    assert "older version" in (obstacle(dataclasses.replace(letter, event=event)) or "")


async def test_a_letter_is_sent_once_by_all_replays_and_again_on_request():
    bench = Bench()
    letters = [bench.letter(poison(1)), bench.letter(poison(2, GATE_EVENTS))]
    first = await (await bench.started("a")).send(letters)
    assert ([x.name for x in first.sent], len(bench.sent())) == (["events/0", "events/1"], 2)
    second = await (await bench.started("b")).send(letters)
    assert (second.sent, second.before) == ([], ["events/0", "events/1"])
    assert len(bench.sent()) == 2
    third = await (await bench.started("c", again=True)).send(letters)
    assert (len(third.sent), len(bench.sent())) == (2, 4)
    fourth = await (await bench.started("d")).send(letters)
    assert (fourth.sent, len(bench.sent())) == ([], 4)


async def test_letters_of_two_services_about_one_record_send_it_once():
    bench = Bench()
    letters = [bench.letter(poison(1)), bench.letter(poison(1), "persister")]
    replay = await bench.started("a", again=True)
    outcome = await replay.send(letters[:1])
    late = await replay.send(letters[1:])
    both = await (await bench.started("b", again=True)).send(letters)
    assert [len(outcome.sent), len(late.sent), len(both.sent)] == [1, 0, 1]
    assert both.doubled == ["events/1"]
    assert len(bench.sent()) == 2


async def test_the_first_claim_of_two_concurrent_replays_counts():
    """Both have read the marks before either one claims."""
    bench = Bench()
    letter = bench.letter(poison(1))
    one, two = await bench.started("a"), await bench.started("b")
    claim = Mark(kind="claimed", run="a")
    await bench.producer.send([mark(letter, claim)])  # `a` continues with its next step
    outcome = await two.send([letter])
    assert (outcome.sent, outcome.elsewhere, bench.sent()) == ([], ["events/0"], [])
    assert len((await one.send([letter])).sent) == 1
    assert len(bench.sent()) == 1


async def test_what_a_replay_that_ended_had_claimed_is_free_after_a_while():
    bench = Bench()
    letter = bench.letter(poison(1))
    await bench.producer.send([mark(letter, Mark(kind="claimed", run="dead"))])
    bench.clock.advance(CLAIM_MS)
    assert (await (await bench.started("b")).send([letter])).sent == []
    bench.clock.advance(CLAIM_MS + 1)
    assert len((await (await bench.started("c")).send([letter])).sent) == 1


async def test_records_kafka_refuses_are_reported_and_the_others_are_sent():
    bench = Bench()
    huge = bench.letter(poison(1, value=b"x" * 1_200_000), kept_bytes=2_000_000)
    fine = bench.letter(poison(2))
    outcome = await (await bench.started("a")).send([huge, fine])
    assert ([x.name for x in outcome.sent], list(outcome.refused)) == (["events/1"], ["events/0"])
    again = await (await bench.started("b")).send([huge, fine])
    assert again.before == ["events/1"]


async def test_a_plan_writes_nothing():
    bench = Bench()
    todo, outcome = (await bench.started("a")).plan(
        [bench.letter(poison(1)), bench.letter(poison(2, LAYOUTS))]
    )
    assert ([x.name for x in todo], list(outcome.refused)) == (["events/0"], ["events/1"])
    assert bench.broker.records(DEAD_LETTERS_MARKS) == bench.sent() == []


async def test_marks_of_another_version_end_it_before_anything_is_sent():
    bench = Bench()
    letter = bench.letter(poison(1))
    bench.broker.append(Outgoing(DEAD_LETTERS_MARKS, b"x", b'{"kind":"lent","run":"z"}'))
    with pytest.raises(Invalid, match="bad-mark"):
        await bench.started("a")
    with pytest.raises(Invalid, match="bad-mark"):
        await bench.replay("a").send([letter])
    assert bench.sent() == []
