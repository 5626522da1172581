"""A frame that kills the detector is found and dead-lettered, and its neighbours are not.
Everything is in memory. Detectors live one after the other in one group, and what they know of each
other is in the metadata of the offsets."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError

from parking.core.errors import Retryable
from parking.core.events import DeadLettered
from parking.core.topics import DEAD_LETTERS_FRAMES, FRAMES
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.runtime.ops import Health
from parking.runtime.runner import Polling, run
from parking.runtime.stall import Stall
from parking.wire import codec
from parking.wire.ports import Outgoing, Place, Record
from services.detector.attempts import LIMIT, REASON, Attempts
from services.detector.deadline import Deadline
from services.detector.lag import Lag
from services.detector.suspects import Committed, Note, Partition
from tests.support.detector_tools import frame

PLACE = (FRAMES, 0)
POLLING = Polling(max_records=8, timeout_ms=0)


class Killed(Exception):
    """The process is gone."""


@dataclass
class Group:
    """attempts.Offsets and lag.Group of one member, over a broker in memory."""

    broker: MemoryBroker
    known: dict[Place, Committed] = field(default_factory=dict)
    positions: dict[Place, int] = field(default_factory=dict)
    commits: int = 0
    away: bool = False
    refuses: bool = False
    member: bool = True
    deaf: set[Place] = field(default_factory=set)
    mine: set[Place] | None = None

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        del timeout_ms
        self._reach()
        taken: list[Record] = []
        for place in sorted(self.assigned() - self.deaf):
            start = self.positions.get(place, self.known.get(place, Committed(0)).offset)
            taken += self.broker.read(place, start, max_records - len(taken))
            self.positions |= {(r.topic, r.partition): r.offset + 1 for r in taken}
        return taken

    async def commit(self, offsets: Mapping[Place, Committed]) -> None:
        self._reach()
        if self.refuses:
            raise Retryable("no commit")
        self.commits += 1
        self.known |= offsets

    async def committed(self, places: Collection[Place]) -> dict[Place, Committed]:
        self._reach()
        return {place: self.known[place] for place in places if place in self.known}

    async def begins(self, places: Collection[Place]) -> dict[Place, int]:
        self._reach()
        return dict.fromkeys(places, 0)

    async def ends(self, places: Collection[Place]) -> dict[Place, int]:
        self._reach()
        return {place: len(self.broker.read(place, 0, 10_000)) for place in places}

    def assigned(self) -> set[Place]:
        return set(self.broker.places([FRAMES])) if self.mine is None else self.mine

    async def joined(self) -> bool:
        self._reach()
        return self.member

    def _reach(self) -> None:
        if self.away:
            raise Retryable("away")


@dataclass
class World:
    """A group's partition, and detectors one after the other."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)
    poison: set[bytes] = field(default_factory=set)
    analysed: list[list[str]] = field(default_factory=list)
    lives: int = 0
    skip: bool = False
    limit: int = LIMIT

    def __post_init__(self) -> None:
        self.group = Group(self.broker)

    def send(self, *names: str, partition: int = 0) -> None:
        """Send frames: `north/1` is frame 1 of camera north, and one that is called `x/...`
        kills."""
        for name in names:
            camera, seq = name.split("/")
            message = frame(name.encode(), int(seq), f"demo/{camera}")
            self.broker.append(
                Outgoing(FRAMES, message.key, message.value, message.headers, partition)
            )
            if "x" in name:
                self.poison.add(name.encode())

    def attempts(self) -> Attempts:
        self.group.positions = {}
        return Attempts(
            *(self.group.getmany, self.group, ManualClock()), skip=self.skip, limit=self.limit
        )

    async def live(self, handle: Callable[[Sequence[str]], None] = lambda _: None) -> bool:
        """Live one life of a detector, until nothing is left (True) or it is killed."""
        self.lives += 1
        attempts, stop = self.attempts(), asyncio.Event()
        producer = MemoryProducer(self.broker)

        async def work(records: Sequence[Record]) -> list[Outgoing]:
            names = [(r.value or b"").decode() for r in records]
            handle(names)
            newest = {name.split("/")[0]: name for name in names}
            for name in newest.values() if self.skip else names:
                if name.encode() in self.poison:
                    raise Killed
            self.analysed.append(names)
            return []

        class UntilEmpty:
            async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
                records = await attempts.getmany(timeout_ms, max_records)
                if not records:
                    stop.set()
                return records

            async def commit(self, offsets: Mapping[Place, int]) -> None:
                await attempts.commit(offsets)

            async def seek(self, offsets: Mapping[Place, int]) -> None:
                await attempts.seek(offsets)

        try:
            async with attempts.leaving_in_order():
                guarded = attempts.guard(work)
                await run(UntilEmpty(), guarded, producer, ManualClock(), stop, POLLING)
        except Killed:
            return False
        return True

    async def live_on(self, most: int = 20) -> None:
        """Act as a supervisor and start it again."""
        while not await self.live():
            assert self.lives < most, "it never gets past"

    def letters(self) -> list[DeadLettered]:
        found = [codec.decode(r) for r in self.broker.records(DEAD_LETTERS_FRAMES)]
        return [event for event in found if isinstance(event, DeadLettered)]

    def seen(self) -> set[str]:
        return {name for names in self.analysed for name in names}


GOOD = [f"north/{n}" for n in range(1, 7)]


async def test_the_poison_is_found_among_its_neighbours_and_set_aside_at_the_third_delivery():
    world = World()
    world.send(*GOOD[:3], "x/9", *GOOD[3:])
    await world.live_on()
    (letter,) = world.letters()
    assert (letter.reason, letter.attempts, letter.offset) == (REASON, LIMIT, 3)
    kept = world.broker.records(DEAD_LETTERS_FRAMES)[0].value
    assert kept == b"x/9"
    assert world.lives == LIMIT + 1, "killed once in the batch, twice alone"
    assert sorted(name for names in world.analysed for name in names) == GOOD, "once each"
    assert world.group.known[PLACE] == Committed(7), "left in order"


async def test_negative_control_without_a_limit_it_never_gets_past():
    world = World(limit=1_000_000)
    world.send(*GOOD[:3], "x/9", *GOOD[3:])
    with pytest.raises(AssertionError, match="never gets past"):
        await world.live_on()
    assert world.letters() == []
    assert world.seen() == set(GOOD[:3])


async def test_two_poisons_of_one_camera_are_both_found():
    world = World()
    world.send("north/1", "x/1", "x/2", "north/2")
    await world.live_on()
    assert [letter.offset for letter in world.letters()] == [1, 2]
    assert world.seen() == {"north/1", "north/2"}


async def test_with_skipping_the_poison_takes_only_itself_along():
    """The older frames of its camera are reported with the newest one that does not kill the
    detector."""
    world = World(skip=True)
    world.send("south/1", "x/1", "south/2", "x/2", "north/1")
    world.poison.remove(b"x/1")
    await world.live_on()
    assert [letter.offset for letter in world.letters()] == [3]
    again = ["south/2"]  # the offset could not move past x/1
    assert world.analysed == [["south/1", "south/2"], ["x/1"], again, ["north/1"]]
    assert world.group.known[PLACE] == Committed(5)


async def test_a_suspect_never_moves_the_offset_past_frames_that_are_not_done():
    """Groups of cameras are not ranges of offsets."""
    world = World(skip=True)
    world.send("south/1", "x/1", "x/2", "south/2", "north/1")
    world.poison.clear()

    def dies(_: Sequence[str]) -> None:
        raise Killed

    assert not await world.live(dies)
    places = []
    assert await world.live(lambda _: places.append(world.group.known[PLACE].offset))
    assert places == [0, 1, 4], "before the first group, the second, the third"
    assert world.group.known[PLACE] == Committed(5)


async def test_in_normal_operation_the_only_commit_more_is_one_an_assignment():
    world = World()
    world.send(*[f"north/{n}" for n in range(1, 33)])
    await world.live()
    batches, start, end = 4, 1, 1
    assert len(world.analysed) == batches
    assert world.group.commits == start + batches + end


async def test_a_stop_and_a_failure_of_kafka_are_no_attempt():
    world = World()
    world.send(*GOOD)

    def fails(_: Sequence[str]) -> None:
        raise KafkaConnectionError

    with pytest.raises(KafkaConnectionError):
        await world.live(fails)
    assert world.group.known[PLACE] == Committed(0), "nothing is in hand, nothing was counted"
    handled: list[int] = []
    await world.live(lambda names: handled.append(len(names)))
    assert handled == [6], "in one batch, for nobody is suspected"


async def test_a_failure_of_kafka_takes_the_attempt_at_the_frame_in_hand_back():
    world = World()
    world.send("x/1", "north/1")
    for _ in range(2):
        assert not await world.live()
    committed = world.group.known[PLACE]
    assert Note.read(committed.metadata) == Note(in_hand=True, alone={0: 1})

    def fails(_: Sequence[str]) -> None:
        raise KafkaConnectionError

    with pytest.raises(KafkaConnectionError):
        await world.live(fails)
    assert Note.read(world.group.known[PLACE].metadata) == Note(alone={0: 1}), "as before"


async def test_a_rebalance_in_the_middle_of_a_batch_is_not_an_attempt():
    world = World()
    world.send(*GOOD)
    attempts = world.attempts()
    records = await attempts.getmany(0, 8)
    assert Note.read(world.group.known[PLACE].metadata).in_hand
    await attempts.revoked()
    attempts.assigned()
    assert world.group.known[PLACE] == Committed(0)
    await attempts.commit({PLACE: len(records)})
    assert world.group.known[PLACE] == Committed(6), "its effects are durable: as ever"


async def test_a_rebalance_waits_for_the_frame_that_is_alone_in_hand():
    world = World()
    world.send(*GOOD)
    world.group.known[PLACE] = Committed(0, Note(in_hand=True).text())
    attempts = world.attempts()
    assert len(await attempts.getmany(0, 8)) == 1
    leaving = asyncio.ensure_future(attempts.revoked())
    await asyncio.sleep(0)
    await attempts.commit({PLACE: 1})
    await leaving
    assert world.group.known[PLACE] == Committed(1)
    world.group.positions = {}
    assert len(await attempts.getmany(0, 8)) == 5, "nobody is suspected any more"


async def test_a_frame_that_does_not_come_back_keeps_its_attempt_through_a_rebalance(monkeypatch):
    monkeypatch.setattr("services.detector.attempts._FINISH_S", 0.01)
    world = World()
    world.send(*GOOD)
    world.group.known[PLACE] = Committed(0, Note(in_hand=True).text())
    attempts = world.attempts()
    await attempts.getmany(0, 8)
    await attempts.revoked()
    assert Note.read(world.group.known[PLACE].metadata) == Note(alone={0: 1})
    await attempts.commit({PLACE: 1})
    assert world.group.known[PLACE].offset == 0, "not past what another may be at"


async def test_an_outage_before_the_frames_are_handed_over_loses_none():
    world = World()
    world.send(*GOOD)
    attempts = world.attempts()
    world.group.away = True
    for _ in range(2):
        with pytest.raises(Retryable):
            await attempts.getmany(0, 8)
    world.group.away = False
    polled = await world.group.getmany(0, 8)
    world.group.positions = {}
    world.group.refuses = True
    with pytest.raises(Retryable):
        await attempts.getmany(0, 8)
    world.group.refuses = False
    assert await attempts.getmany(0, 8) == polled


async def test_several_polls_may_come_before_one_commit():
    world = World()
    world.send(*GOOD)
    attempts = world.attempts()
    taken = [len(await attempts.getmany(0, 4)) for _ in range(3)]
    assert taken == [4, 2, 0]
    await attempts.commit({PLACE: 6})
    assert world.group.known[PLACE].offset == 6
    world.send("north/7")
    world.group.known[PLACE] = Committed(0, Note(in_hand=True).text())
    attempts = world.attempts()
    taken = [len(await attempts.getmany(0, 4)) for _ in range(3)]
    assert taken == [1, 0, 0], "nothing joins a suspect"
    await attempts.commit({PLACE: 1})
    assert len(await attempts.getmany(0, 4)) == 1


async def test_a_partition_whose_holder_left_in_order_is_not_slowed_by_a_suspected_one():
    world = World()
    world.send(*GOOD)
    world.send("east/1", "east/2", partition=1)
    world.group.known[FRAMES, 0] = Committed(4, Note(in_hand=True).text())
    await world.live()
    assert world.analysed == [["north/5"], ["north/6"], ["east/1", "east/2"]]


@pytest.mark.parametrize("metadata", ["", "no JSON", "[1]", '{"alone":{"a":1}}', '{"other":1}'])
def test_metadata_of_another_program_says_nothing(metadata: str):
    assert Note.read(metadata) == Note()


def test_frames_that_came_after_the_end_are_not_suspected():
    assert Partition.after(Note(in_hand=True), 10, end=12, most=32).careful_until == 12
    assert Partition.after(Note(in_hand=True), 10, end=100, most=32).careful_until == 42
    assert Partition.after(Note(alone={11: 1}), 10, end=10, most=1).careful_until == 12
    assert Partition.after(Note(), 10, end=100, most=32).careful_until == 0


# ---------------------------------------------------------------- a frame that hangs
def test_a_frame_that_takes_too_long_ends_the_process_and_is_named():
    ended: list[str] = []
    deadline = Deadline(30, ended.append)

    def work() -> str:
        for _ in range(30):
            deadline.tick(1.0)
        assert ended == []
        deadline.turned()
        for _ in range(30):
            deadline.tick(1.0)
        assert ended == [], "it counts for each frame"
        deadline.tick(1.0)
        return "done"

    assert deadline.watched("frame demo/north/1/7", work) == "done"
    assert ended == ["frame demo/north/1/7 was not analysed within 30 s"]
    for _ in range(100):
        deadline.tick(1.0)
    assert len(ended) == 1, "with nothing to do nothing is overdue"


# ---------------------------------------------------------------- frames that do not arrive
class Watched:
    """A Lag with clocks that the test controls."""

    def __init__(self) -> None:
        self.world = World()
        self.world.send(*GOOD)
        self.group = self.world.group
        self.health = Health()
        self.now_s = 0.0
        self.lag = Lag(self.group, Stall(120, lambda: self.now_s), self.health)

    async def passes(self, seconds: int, poll: bool = True) -> None:
        for _ in range(0, seconds, 5):
            self.now_s += 5
            await self.lag.look()
            if poll and not self.group.away:
                await self.lag.getmany(0, 1)


async def test_a_partition_with_frames_of_which_none_arrives_fails_healthz():
    watched = Watched()
    watched.group.deaf = {PLACE}
    await watched.passes(120)
    assert watched.health.failing == {}
    await watched.passes(10)
    assert list(watched.health.failing) == ["partition 0"]
    watched.group.deaf = set()
    await watched.passes(5)
    assert watched.health.failing == {}


async def test_one_deaf_partition_is_noticed_among_others():
    watched = Watched()
    watched.world.send("east/1", partition=1)
    watched.group.deaf = {(FRAMES, 1)}
    for n in range(40):
        watched.world.send(f"north/{10 + n}")
        watched.now_s += 5
        await watched.lag.look()
        await watched.lag.getmany(0, 100)
    assert list(watched.health.failing) == ["partition 1"]


async def test_a_full_poll_says_nothing_of_partitions_that_wait_for_their_turn():
    watched = Watched()
    watched.world.send(*[f"north/{10 + n}" for n in range(60)])
    watched.world.send("east/1", partition=1)
    await watched.passes(300)
    assert watched.health.failing == {}


async def test_no_frames_at_all_and_a_long_batch_fail_nothing():
    watched = Watched()
    await watched.passes(5 * len(GOOD))
    await watched.passes(600)
    assert watched.health.failing == {}, "there is nothing more"
    watched.world.send("north/9")
    await watched.passes(300, poll=False)
    await watched.lag.getmany(0, 1)
    assert watched.health.failing == {}, "while a batch is analysed nobody polls"


async def test_during_an_outage_nothing_is_expected():
    watched = Watched()
    watched.group.deaf = {PLACE}
    await watched.passes(100)
    watched.group.away = True
    await watched.passes(600)
    watched.group.away = False
    await watched.passes(100)
    assert watched.health.failing == {}


@pytest.mark.parametrize(("member", "failing"), [(False, ["membership of the group"]), (True, [])])
async def test_a_detector_that_never_becomes_a_member_is_noticed(member: bool, failing: list[str]):
    """A member without partitions is a spare, because others have them."""
    watched = Watched()
    watched.group.mine, watched.group.member = set(), member
    await watched.passes(300)
    assert list(watched.health.failing) == failing
