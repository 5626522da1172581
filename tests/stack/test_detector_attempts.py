"""A frame that kills or hangs the detector, among good ones, on real Kafka and with the shipped
model. The supervisor starts the process again each time. Also frames that wait and never arrive."""

import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import httpx
import pytest
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.topics import DEAD_LETTERS_FRAMES, FRAMES
from parking.runtime.kafka import assign_all, new_consumer
from services.detector.attempts import LIMIT, REASON
from tests.stack.deadly_detector import HANG, KILL
from tests.stack.test_detector import PICTURES, Lot, reports_of, until
from tests.support.detector_tools import frame
from tests.support.waiting import nightly, wait_until
from tools.stack import services
from tools.stack.infra import PARTS, Infra

pytestmark = pytest.mark.stack

POISON = {"kills": KILL, "hangs": HANG}
SETTINGS = {
    "DETECTOR_SKIP": "off",
    "DETECTOR_SIZE": "320",
    "DETECTOR_THREADS": "1",
    "DETECTOR_BACKEND": "onnx",
    "DETECTOR_FRAME_LIMIT_S": "4",
}
DEATHS = LIMIT
"""Once in a batch, then as often as it is delivered alone, but for the last."""


def poisoned(words: bytes) -> bytes:
    """Return a good picture with these words in a comment."""
    return PICTURES[0][:2] + b"\xff\xfe" + (len(words) + 2).to_bytes(2) + words + PICTURES[0][2:]


@dataclass
class Deadly(Lot):
    """A lot whose detector a picture can kill."""

    def start(self, **env: str) -> None:
        real = services.part("detector", self.infra.settings, PARTS, {**SETTINGS, **env})
        command = (sys.executable, "-m", "tests.stack.deadly_detector")
        self.infra.run_part(replace(real, command=command))

    async def send_with_poison(self, words: bytes) -> bytes:
        """Send good frames of this and another camera around one bad frame. Return the bad one's
        picture."""
        bad, other = poisoned(words), f"{self.site}/south"
        self.sent += [f"{other}/1/{n}" for n in range(1, 6)]
        await self.send([frame(PICTURES[n % 4], n, other) for n in range(1, 6)])
        await self.send_frames(3)
        await self.send([frame(bad, 99, self.camera)])
        await self.send_frames(3, first=4)
        return bad

    async def kafka_answers(self) -> bool:
        """Return whether Kafka answers again."""
        try:
            await self.lag()
        except (KafkaError, Retryable):
            return False
        return True

    async def lag(self) -> int:
        """Return the number of frames that the group has not committed."""
        consumer = new_consumer(self.kafka)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(await assign_all(consumer, FRAMES))
        finally:
            await consumer.stop()
        done = await self.committed()
        return sum(end - done.get(place.partition, 0) for place, end in ends.items())


@pytest.fixture
async def lot(infra: Infra, unique: Callable[[str], str]) -> AsyncIterator[Deadly]:
    made = Deadly(infra, unique("lot"))
    yield made
    infra.stop("detector")


@pytest.mark.parametrize("how", ["kills", nightly("hangs")])
async def test_a_frame_that_ends_the_detector_is_set_aside_at_its_third_delivery(
    lot: Deadly, how: str, record_property: Callable[[str, object], None]
):
    lot.start()  # ready before the poison comes
    starts = lot.infra.starts("detector")
    began = time.monotonic()
    bad = await lot.send_with_poison(POISON[how])
    events = await lot.until_reported()
    assert {event.id for event in events} == set(lot.sent), "every good frame, the bad one never"
    (letter,) = await lot.dead()
    assert (letter.reason, letter.attempts) == (REASON, LIMIT)
    (kept,) = await lot.read(DEAD_LETTERS_FRAMES, lot.camera)
    assert kept.value == bad
    assert lot.infra.starts("detector") - starts == DEATHS
    again = len(events) - len(lot.sent)
    record_property(how, f"{DEATHS} deaths, past it in {time.monotonic() - began:.0f} s")
    record_property("reported again", f"{again} of {len(lot.sent)}, by the same ids")
    ended = f"frame {lot.camera}/1/99 was not analysed within 4 s: the detector exits"
    assert (lot.infra.log("detector").count(ended) == DEATHS) == (how == "hangs")

    async def caught_up() -> bool:
        return await lot.lag() == 0

    await until(caught_up, 30, "no lag is left")


async def test_negative_control_without_counting_the_partition_never_gets_past(lot: Deadly):
    lot.start(COUNTING="off")
    starts = lot.infra.starts("detector")
    await lot.send_with_poison(KILL)
    deaths = DEATHS + 1
    wait_until(lambda: lot.infra.starts("detector") - starts >= deaths, 60, f"{deaths} deaths")
    behind = {f"{lot.camera}/1/{n}" for n in (4, 5, 6)}
    assert not behind & reports_of(await lot.detections())
    assert await lot.dead() == []
    lot.infra.stop("detector")
    Lot.start(lot)  # the real one takes the poison from the topic, which all tests share
    await lot.until_reported()


def reasons(lot: Deadly) -> dict[str, str]:
    """Return why /healthz fails, if it does."""
    found: dict[str, str] = httpx.get(lot.infra.url("detector") + "/healthz").json()["reasons"]
    return found


async def test_frames_that_wait_and_never_arrive_fail_healthz(lot: Deadly):
    lot.start(DEAF="on", DETECTOR_STALL_S="5")
    assert reasons(lot) == {}
    placed = await lot.send_frames(1)
    wait_until(lambda: f"partition {placed[0][0]}" in reasons(lot), 30, "a failing /healthz")
    lot.infra.stop("detector")
    lot.start(DETECTOR_STALL_S="5")
    await lot.until_reported()
    assert reasons(lot) == {}


@pytest.mark.nightly
async def test_an_outage_longer_than_the_limit_of_standing_still_fails_nothing(lot: Deadly):
    lot.start(DETECTOR_STALL_S="5")
    await lot.send_frames(1)
    await lot.until_reported()
    starts = lot.infra.starts("detector")
    lot.infra.kill("kafka", signal.SIGSTOP)
    try:
        ends = time.monotonic() + 15
        while time.monotonic() < ends:
            assert reasons(lot) == {}
    finally:
        lot.infra.kill("kafka", signal.SIGCONT)
    await until(lot.kafka_answers, 60, "Kafka back")
    await lot.send_frames(1, first=2)
    await lot.until_reported()
    assert (reasons(lot), lot.infra.starts("detector")) == ({}, starts)
