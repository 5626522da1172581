"""What the persister does with a batch, and in which order. Everything is in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from parking.core import topics
from parking.core.errors import Fenced, Retryable, SettingsError
from parking.core.events import FrameRef
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryObjectStore, MemoryProducer
from parking.wire.codec import META_HEADER, header
from parking.wire.ports import Claim, Place, Record, Row
from services.persister.evidence import Missing, Policy
from services.persister.handler import Tools, handle
from services.persister.memory import MemoryEvents
from services.persister.settings import Settings
from tests.support import persisting as make

ENV = {"KAFKA_BOOTSTRAP": "localhost:9092", "DATABASE_URL": "postgresql://x"}


class Journal(MemoryEvents):
    """Records what was there when the rows were written."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world
        self.seen_at_write: list[tuple[int, int]] = []

    async def write(
        self, claim: Claim, rows: Mapping[str, Sequence[Row]], offsets: Mapping[Place, int]
    ) -> dict[str, int]:
        objects = len(await self.world.objects.list("", 100))
        self.seen_at_write.append((objects, len(self.world.letters())))
        return await super().write(claim, rows, offsets)


class World:
    """A persister's surroundings in memory. Frames are in `broker`."""

    def __init__(self, policy: Policy = "evidence") -> None:
        self.broker = MemoryBroker()
        self.objects = MemoryObjectStore()
        self.events = Journal(self)
        self.claim: Claim | None = make.CLAIM
        self.fetched: list[FrameRef] = []
        self.dropped = 0
        self.tools = Tools(
            events=self.events,
            objects=self.objects,
            fetch=self.fetch,
            producer=MemoryProducer(self.broker),
            clock=ManualClock(make.NOW_MS),
            claim=self.held,
            drop=self.drop,
            policy=policy,
        )

    async def fetch(self, ref: FrameRef) -> Record | Missing:
        self.fetched.append(ref)
        found = self.broker.read((ref.topic, ref.partition), ref.offset, 1)
        return found[0] if found else "expired"

    def held(self) -> Claim:
        if self.claim is None:
            raise Fenced
        return self.claim

    def drop(self) -> None:
        self.dropped += 1

    def letters(self) -> list[Record]:
        return self.broker.records(topics.DEAD_LETTERS)

    async def takes(self, *records: Record) -> None:
        places = list({(r.topic, r.partition) for r in records})
        await self.events.claim(make.CLAIM, places, {})
        assert await handle(records, tools=self.tools) == []

    def frame(self, seq: int) -> make.At:
        event, message = make.frame("demo", seq)
        return make.At(event, *self.broker.append(message))

    def row(self, change_id: str) -> Row:
        return self.events.rows["slot_changes"][change_id,]


async def test_a_change_by_a_frame_has_its_picture_before_its_row():
    world = World()
    at = world.frame(1)
    await world.takes(make.change_record(make.change("demo", 1, at)))
    row = world.row("demo-change-1")
    assert row["evidence_key"] == make.key_of(at.frame)
    assert row["evidence_sha256"] == row["frame_sha256"] == at.frame.sha256
    assert row["evidence_missing"] is None
    assert await world.objects.get(make.key_of(at.frame)) == make.jpeg(1)
    assert world.events.seen_at_write == [(1, 0)]
    assert world.events.noted == {make.key_of(at.frame): make.NOW_MS}
    assert world.events.rows["pictures"][at.frame.id,]["object_key"] == make.key_of(at.frame)


async def test_records_of_a_newer_version_are_read_or_skipped_and_are_not_dead_letters():
    world = World()
    change = make.change_record(make.change("demo", 1, world.frame(1)))
    value = (change.value or b"").replace(b'"occupied"', b'"reserved"')
    assert value != change.value
    other = replace(change, offset=1, headers=(("ce_type", b"parking.slot-reserved.v1"),))
    await world.takes(replace(change, value=value), other)
    assert world.row("demo-change-1")["to_state"] == "unknown"
    assert len(world.events.rows["slot_changes"]) == 1
    assert world.letters() == []
    assert list(world.events.offsets.values()) == [2]
    strange = replace(other, offset=2, headers=(("ce_type", b"com.example.v1"),))  # control
    await world.takes(strange)
    assert len(world.letters()) == 1


async def test_several_changes_of_one_frame_fetch_and_store_it_once():
    world = World()
    at = world.frame(1)
    changes = [make.change("demo", n, at, slot_id=f"A{n}") for n in (1, 2, 3)]
    await world.takes(*(make.change_record(c, n) for n, c in enumerate(changes)))
    assert len(world.fetched) == 1
    assert {world.row(c.id)["evidence_key"] for c in changes} == {make.key_of(at.frame)}


async def test_a_change_by_a_tick_has_no_picture_and_no_reason():
    world = World()
    await world.takes(make.change_record(make.change("demo", 1)))
    row = world.row("demo-change-1")
    assert (row["evidence_key"], row["evidence_missing"]) == (None, None)


async def test_an_expired_frame_leaves_a_reason():
    world = World()
    frame, _ = make.frame("demo", 1)
    await world.takes(make.change_record(make.change("demo", 1, make.At(frame, 0, 99))))
    row = world.row("demo-change-1")
    assert (row["evidence_key"], row["evidence_missing"]) == (None, "expired")


async def test_another_frame_at_that_place_is_not_evidence():
    world = World()
    at = world.frame(1)
    other, _ = make.frame("demo", 2)
    wrong = make.At(other, at.partition, at.offset)
    await world.takes(make.change_record(make.change("demo", 1, wrong)))
    assert world.row("demo-change-1")["evidence_missing"] == "other-frame"


async def test_a_frame_that_differs_from_ingests_is_not_evidence():
    world = World()
    event, message = make.frame("demo", 1)
    broken = type(message)(message.topic, message.key, b"other bytes", message.headers)
    at = make.At(event, *world.broker.append(broken))
    await world.takes(make.change_record(make.change("demo", 1, at)))
    assert world.row("demo-change-1")["evidence_missing"] == "damaged"


async def test_a_change_that_has_its_row_fetches_nothing_again():
    world = World()
    at = world.frame(1)
    record = make.change_record(make.change("demo", 1, at))
    await world.takes(record)
    before = dict(world.row("demo-change-1"))
    await world.takes(record)
    assert len(world.fetched) == 1
    assert world.row("demo-change-1") == before


async def test_the_policy_none_keeps_no_picture():
    world = World("none")
    at = world.frame(1)
    await world.takes(make.change_record(make.change("demo", 1, at)), make.frame_record(1))
    assert world.row("demo-change-1")["evidence_missing"] == "policy"
    assert await world.objects.list("", 10) == []


async def test_the_policy_all_keeps_every_frame():
    world = World("all")
    await world.takes(*(make.frame_record(seq, offset=seq) for seq in range(3)))
    assert len(await world.objects.list("", 10)) == 3
    assert len(world.events.rows["pictures"]) == 3


async def test_by_default_frames_are_rows_only():
    world = World()
    await world.takes(make.frame_record(1))
    assert await world.objects.list("", 10) == []
    assert len(world.events.rows["frames"]) == 1


async def test_poison_is_set_aside_before_the_offsets_move_and_the_rest_is_kept():
    world = World()
    poison = [
        Record(topics.GATE_EVENTS, 0, 0, b"demo", b"{", ()),
        Record(topics.GATE_EVENTS, 0, 1, b"demo", None, ()),
        Record(
            topics.GATE_EVENTS, 0, 2, b"demo", b"{", make.out(make.gate("demo", 1), "x").headers
        ),
    ]
    good = make.record(make.out(make.gate("demo", 9), topics.GATE_EVENTS), 3)
    await world.takes(*poison, good)
    assert [letter.value for letter in world.letters()] == [b"{", b"", b"{"]
    assert all(letter.key == b"demo" for letter in world.letters())
    assert world.events.seen_at_write == [(0, 3)]
    assert len(world.events.rows["gate_events"]) == 1
    assert list(world.events.offsets.values()) == [4]


async def test_a_tombstone_is_not_a_dead_letter():
    """The record before the tombstone already reported the removal."""
    world = World()
    gone = Record(topics.CAMERA_STATUS, 0, 0, b"demo/north", None, ())
    await world.takes(gone, make.record(make.out(make.gate("demo", 1), topics.GATE_EVENTS)))
    assert list(world.letters()) == []
    assert len(world.events.rows["gate_events"]) == 1


async def test_content_that_the_database_refuses_is_found_and_set_aside_alone():
    world = World()
    world.events.refused = b"hash-5"
    gates = [make.gate("demo", n) for n in range(9)]
    gates[5] = make.gate("demo", 5, plate_hash="hash-5")
    records = [make.record(make.out(g, topics.GATE_EVENTS), n) for n, g in enumerate(gates)]
    await world.takes(*records)
    (letter,) = world.letters()
    assert letter.value == records[5].value
    assert b"refused-by-database" in (header(letter, META_HEADER) or b"")
    assert len(world.events.rows["gate_events"]) == 8
    assert list(world.events.offsets.values()) == [9]


async def test_work_of_an_older_generation_is_dropped():
    world = World()
    record = make.record(make.out(make.gate("demo", 1), topics.GATE_EVENTS))
    newer = Claim(make.CLAIM.cluster_id, make.CLAIM.topic_ids, 2)
    await world.events.claim(newer, [(topics.GATE_EVENTS, 0)], {})
    assert await handle([record], tools=world.tools) == []
    assert world.dropped == 1
    assert world.events.rows["gate_events"] == {}


async def test_without_a_claim_nothing_is_written():
    world = World()
    world.claim = None
    await world.takes(make.frame_record(1))
    assert world.dropped == 1
    assert world.events.seen_at_write == []


async def test_an_outage_of_the_object_store_leaves_everything_undone():
    class Away(MemoryObjectStore):
        async def put(self, key: str, data: bytes, *, content_type: str = "image/jpeg") -> str:
            raise Retryable("503")

    world = World()
    at = world.frame(1)
    world.objects = Away()
    tools = {name: getattr(world.tools, name) for name in world.tools.__slots__}
    record = make.change_record(make.change("demo", 1, at))
    await world.events.claim(make.CLAIM, [(topics.SLOT_CHANGES, 0)], {})
    with pytest.raises(Retryable):
        await handle([record], tools=Tools(**tools | {"objects": world.objects}))
    assert world.events.seen_at_write == []


def test_settings_tell_every_fault_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CAPTURE_POLICY": "some", "KEEP_CAPTURES_DAYS": "x"})
    named = [line.split()[0].split("=")[0] for line in caught.value.problems]
    assert named == ["KEEP_CAPTURES_DAYS", "KAFKA_BOOTSTRAP", "DATABASE_URL", "CAPTURE_POLICY"]


def test_settings_have_defaults_for_everything_except_secrets():
    settings = Settings.from_env(ENV)
    assert (settings.policy, settings.s3.bucket, settings.http.port) == (
        "evidence",
        "parking-images",
        8084,
    )
