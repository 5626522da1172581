"""The detector as a process, on real Kafka with the shipped model."""

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import httpx
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from parking.core.events import DeadLettered, DetectionMade
from parking.core.topics import DEAD_LETTERS_FRAMES, DETECTIONS, FRAMES, LAYOUTS
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.wire import codec
from parking.wire.ports import Outgoing, Record
from tests.support.detector_tools import frame, jpeg, layout, model_file, scene
from tests.support.waiting import deadline
from tools.stack import services
from tools.stack.checks import free_ports
from tools.stack.infra import PARTS, Infra

pytestmark = pytest.mark.stack

PICTURES = [jpeg(scene(["A1"], seed=n)) for n in range(4)]
BROKEN = PICTURES[0][: len(PICTURES[0]) // 2] + b"\xff\xd9"


@dataclass
class Lot:
    """One site with one camera, and the records that came out for it."""

    infra: Infra
    site: str
    sent: list[str] = field(default_factory=list)

    @property
    def camera(self) -> str:
        return f"{self.site}/north"

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(self.infra.bootstrap)

    def start(self, **env: str) -> None:
        small = {"DETECTOR_SIZE": "320", "DETECTOR_THREADS": "1", "MODEL_FILE": str(model_file())}
        self.infra.start_service("detector", {**small, **env})

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        producer = new_producer(self.kafka)
        await producer.start()
        try:
            return await KafkaProducer(producer).send(messages)
        finally:
            await producer.stop()

    async def send_frames(self, count: int, first: int = 1) -> list[tuple[int, int]]:
        numbers = range(first, first + count)
        messages = [frame(PICTURES[n % 4], n, self.camera) for n in numbers]
        self.sent += [f"{self.camera}/1/{n}" for n in numbers]
        return await self.send(messages)

    async def send_layout(self, version: int = 1) -> None:
        one = layout(self.camera, version)
        await self.send([codec.outgoing(one, LAYOUTS, self.camera, "test")])

    async def read(self, topic: str, key: str) -> list[Record]:
        consumer = new_consumer(self.kafka)
        await consumer.start()
        try:
            records = await read_to_end(consumer, await assign_all(consumer, topic))
        finally:
            await consumer.stop()
        return [record for record in records if record.key == key.encode()]

    async def detections(self) -> list[DetectionMade]:
        found = [codec.decode(r) for r in await self.read(DETECTIONS, self.site)]
        return [event for event in found if isinstance(event, DetectionMade)]

    async def dead(self) -> list[DeadLettered]:
        found = [codec.decode(r) for r in await self.read(DEAD_LETTERS_FRAMES, self.camera)]
        return [event for event in found if isinstance(event, DeadLettered)]

    async def committed(self) -> dict[int, int]:
        """Return the group's next offset for each partition of the frames."""
        admin = AIOKafkaAdminClient(**self.kafka.client())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets("detector")
        finally:
            await admin.close()
        return {p.partition: o.offset for p, o in offsets.items() if p.topic == FRAMES}

    async def until_reported(self, limit_s: float = 90) -> list[DetectionMade]:
        """Wait until each frame sent is analysed or skipped."""

        async def all_reported() -> bool:
            return set(self.sent) <= reports_of(await self.detections())

        await until(all_reported, limit_s, f"all of {len(self.sent)} frames reported")
        return await self.detections()


def reports_of(events: Sequence[DetectionMade]) -> set[str]:
    return {e.id for e in events} | {i for e in events for i in e.skipped_frame_ids}


async def until(condition: Callable[[], Awaitable[object]], limit_s: float, what: str) -> None:
    ends = deadline(limit_s)
    while not await condition():
        assert time.monotonic() < ends, f"after {limit_s:.0f} s: not {what}"


@pytest.fixture
def lot(infra: Infra, unique: Callable[[str], str]) -> Iterator[Lot]:
    yield Lot(infra, unique("lot"))
    infra.stop("detector")


async def test_frames_in_detections_out_with_the_layout_that_was_there_before(lot, record_property):
    await lot.send_layout()
    placed = await lot.send_frames(1)
    lot.start()
    (event,) = await lot.until_reported()
    assert (event.frame_ref.partition, event.frame_ref.offset) == placed[0]
    assert event.layout_version == 1
    assert [seen.slot_id for seen in event.observations] == ["A1", "A2", "A3"]
    rss_mb = psutil.Process(lot.infra.pid("detector")).memory_info().rss / 2**20
    record_property("detector RSS", f"{rss_mb:.0f} MB")
    assert rss_mb < 600

    await lot.send_layout(version=2)

    async def newer_layout() -> bool:
        await lot.send_frames(1, first=len(lot.sent) + 1)
        last = (await lot.until_reported())[-1]
        return bool(last.layout_version == 2)

    await until(newer_layout, 30, "a frame judged by the new layout")


async def test_http_of_the_running_process(lot):
    await lot.send_layout()
    await lot.send_frames(1)
    lot.start()
    await lot.until_reported()
    async with httpx.AsyncClient(base_url=lot.infra.url("detector"), timeout=20) as client:
        overlay = await client.get(f"/overlay/{lot.camera}")
        assert (overlay.status_code, overlay.content[:2]) == (200, b"\xff\xd8")
        analysed = await client.post(
            "/analyze",
            params={"camera": lot.camera},
            content=PICTURES[0],
            headers={"Content-Type": "image/jpeg"},
        )
        assert len(analysed.json()["observations"]) == 3
        assert (await client.get("/healthz")).status_code == 200
        assert "parking_frames_analysed_total" in (await client.get("/metrics")).text


def listening(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code < 600
    except httpx.TransportError:
        return False


def test_without_kafka_it_waits_logs_it_and_still_stops_on_request():
    kafka, http = free_ports(2)
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka}",
        "HTTP_PORT": str(http),
        "MODEL_FILE": str(model_file()),
    }
    process = subprocess.Popen([sys.executable, "-m", "services.detector"], env=env)
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{http}")
        ends = deadline(60)
        while not listening(client):
            assert time.monotonic() < ends
            time.sleep(0.1)
        answers = {path: client.get(path) for path in ("/readyz", "/healthz")}
        client.close()
        process.terminate()
        status = process.wait(20)
    finally:
        process.kill()
    assert answers["/readyz"].status_code == 503
    assert "kafka" in answers["/readyz"].json()["reasons"]
    assert answers["/healthz"].status_code == 200
    assert status == 0


async def test_behind_the_newest_is_analysed_and_the_others_are_named(lot):
    await lot.send_frames(40)
    lot.start()
    events = await lot.until_reported()
    assert len(events) < 40
    assert sorted(reports_of(events)) == sorted(lot.sent)
    assert sum(1 + len(e.skipped_frame_ids) for e in events) == 40
    assert events[-1].id == lot.sent[-1]


async def test_behind_large_frames_are_passed_over_too(lot):
    """Of frames of half a megabyte, only two used to be fetched together, so older frames must be
    skipped whatever their size."""
    comment = b"\xff\xfe" + (60_002).to_bytes(2, "big") + bytes(60_000)
    large = PICTURES[0][:2] + 8 * comment + PICTURES[0][2:]
    await lot.send([frame(large, n, lot.camera) for n in range(1, 21)])
    lot.sent += [f"{lot.camera}/1/{n}" for n in range(1, 21)]
    lot.start()
    events = await lot.until_reported()
    assert len(events) <= 5
    assert events[-1].id == lot.sent[-1]


async def test_with_skipping_off_every_frame_is_analysed_in_order(lot):
    await lot.send_frames(40)
    lot.start(DETECTOR_SKIP="off")
    events = await lot.until_reported()
    assert [e.id for e in events] == lot.sent
    assert all(e.observations == [] and e.layout_version == 0 for e in events)


async def test_poison_is_dead_lettered_with_a_reason_and_the_rest_go_on(lot):
    good, wrong_size = PICTURES[0], {"width": 640, "height": 480}
    headers = frame(good, 1, lot.camera).headers
    poison = [
        frame(BROKEN, 101, lot.camera),
        frame(b"this is text", 102, lot.camera),
        frame(good, 103, lot.camera, **wrong_size),
        Outgoing(FRAMES, lot.camera.encode(), None, headers),
        Outgoing(FRAMES, lot.camera.encode(), good, ()),
    ]
    await lot.send_frames(2)
    await lot.send(poison)
    await lot.send_frames(2, first=3)
    lot.start(DETECTOR_SKIP="off")
    events = await lot.until_reported()
    assert [e.id for e in events] == lot.sent
    expected = ["empty", "no-type", "size-differs", "undecodable", "undecodable"]
    assert sorted(d.reason for d in await lot.dead()) == expected
    kept = [r.value for r in await lot.read(DEAD_LETTERS_FRAMES, lot.camera)]
    assert BROKEN in kept


@pytest.mark.parametrize(
    ("skip", "at_once"),
    [
        pytest.param("off", 8, id="all"),
        pytest.param("on", 8, id="newest"),
        pytest.param("off", 200, id="one-batch", marks=pytest.mark.nightly),
    ],
)
async def test_kill_9_in_the_middle_loses_nothing_and_commits_only_what_is_reported(
    lot, skip, at_once
):
    """Within one batch, too, the first frames are reported before the last are analysed."""
    placed = await lot.send_frames(200)
    partition = placed[0][0]
    lot.start(DETECTOR_SKIP=skip, DETECTOR_RECORDS=str(at_once))

    async def some() -> bool:
        return len(await lot.detections()) >= 1

    await until(some, 60, "a first detection")
    starts = lot.infra.starts("detector")
    lot.infra.kill("detector")
    committed = (await lot.committed()).get(partition, 0)
    known = reports_of(await lot.detections())
    assert known < set(lot.sent), "killed too late: it was done"
    before = {i for i, (_, offset) in zip(lot.sent, placed, strict=True) if offset < committed}
    assert before <= known, "committed before it was reported"
    lot.infra.wait_restarted("detector", starts + 1)
    events = await lot.until_reported()
    assert reports_of(events) == set(lot.sent)
    assert await lot.dead() == []


async def test_the_first_of_a_batch_are_reported_before_the_last_and_kill_9_loses_none(lot):
    placed = await lot.send_frames(16)
    lot.start(DETECTOR_SKIP="off", DETECTOR_SIZE="1280")  # slow: the batch lasts some seconds

    async def some() -> bool:
        return len(await lot.detections()) >= 1

    await until(some, 60, "a first detection")
    starts = lot.infra.starts("detector")
    lot.infra.kill("detector")
    known = reports_of(await lot.detections())
    assert known < set(lot.sent), "all of the batch was reported at once"
    partition, offset = placed[0]
    assert (await lot.committed()).get(partition, 0) <= offset, "committed before all were reported"
    lot.infra.wait_restarted("detector", starts + 1)
    events = await lot.until_reported()
    assert {e.id for e in events} == set(lot.sent)
    assert len(events) > len(lot.sent), "earlier reports come again with the same ids"
    assert await lot.dead() == []


async def test_a_second_instance_takes_its_share_and_nothing_is_lost(lot, unique):
    cameras = [f"{lot.site}/c{n}" for n in range(8)]

    async def send(first: int) -> None:
        frames = [frame(PICTURES[n % 4], n, c) for n in range(first, first + 8) for c in cameras]
        lot.sent += [f"{c}/1/{n}" for n in range(first, first + 8) for c in cameras]
        await lot.send(frames)

    await send(1)
    lot.start(DETECTOR_SKIP="off")
    env = {
        "HTTP_PORT": str(free_ports(1)[0]),
        "MODEL_FILE": str(model_file()),
        "DETECTOR_SKIP": "off",
        "DETECTOR_SIZE": "320",
    }
    part = services.part("detector", lot.infra.settings, PARTS, env)
    second = replace(part, name=unique("second"))
    lot.infra.run_part(second)
    await send(9)
    await lot.until_reported()
    lot.infra.stop(second.name)
    await send(17)
    events = await lot.until_reported()
    assert {e.frame_ref.frame_id for e in events} == set(lot.sent)
