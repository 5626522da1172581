"""parking.cameras is read completely before it counts, and then followed. An outage is waited
out."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError

from parking.access.camera_logins import LoginKey
from parking.core.topics import CAMERAS
from parking.runtime.kafka import KafkaSettings
from parking.runtime.memory import ManualClock
from parking.runtime.ops import Health
from parking.wire.camera_sources import NewSource
from services.ingest.pull import camera_log
from services.ingest.pull.stored import StoredCameras, record_of

KEY = LoginKey(bytes(range(32)))


class Consumer:
    """A topic's records, one per poll. The first start fails."""

    starts = 0

    def __init__(self, stored: StoredCameras, stop: asyncio.Event) -> None:
        self._stored, self._stop = stored, stop
        self._position = 0
        self.ready_at: list[tuple[int, bool]] = []
        source = NewSource(version=0, kind="snapshot", url="http://192.168.1.20/x")
        new = [StoredCameras(KEY).configured(f"demo/c{n}", source, 1) for n in range(3)]
        self._records = [record_of(event) for event in new]
        self.has_topic = True
        self.health = Health()
        self.said: list[str] = []

    async def start(self) -> None:
        self.starts += 1
        self.said.append(self.health.still.get("cameras", ""))
        if self.starts == 1:
            raise KafkaConnectionError("away")

    async def stop(self) -> None:
        pass

    async def topics(self) -> set[str]:
        found, self.has_topic = self.has_topic, True
        return {CAMERAS} if found else set()

    def assign(self, places: list[object]) -> None:
        self._position = 0

    async def seek_to_beginning(self, *places: object) -> None:
        self._position = 0

    async def end_offsets(self, places: list[object]) -> dict[object, int]:
        return {places[0]: 2}  # the third record comes later

    async def position(self, place: object) -> int:
        return self._position

    async def getmany(self, place: object, timeout_ms: int) -> dict[object, list[object]]:
        self.ready_at.append((self._position, self._stored.ready))
        if self._position == len(self._records):
            self._stop.set()
            return {}
        sent = self._records[self._position]
        self._position += 1
        message = SimpleNamespace(
            topic=sent.topic,
            partition=0,
            offset=self._position - 1,
            key=sent.key,
            value=sent.value,
            headers=sent.headers,
            timestamp=1,
        )
        return {place: [message]}


@pytest.mark.parametrize("has_topic", [True, False])
async def test_it_is_ready_at_the_end_and_follows(monkeypatch: pytest.MonkeyPatch, has_topic):
    stored, stop = StoredCameras(KEY), asyncio.Event()
    consumer = Consumer(stored, stop)
    consumer.has_topic = has_topic
    monkeypatch.setattr(camera_log, "new_consumer", lambda kafka: consumer)
    health = Health()
    consumer.health = health
    await camera_log.follow_cameras(
        stop, kafka=KafkaSettings("127.0.0.1:1"), stored=stored, clock=ManualClock(), health=health
    )
    assert health.still == {}
    assert "could not be read" in consumer.said[1]
    assert has_topic or "run `parking topics apply`" in consumer.said[2]
    assert consumer.starts == (2 if has_topic else 3)
    assert consumer.ready_at == [(0, False), (1, False), (2, True), (3, True)]
    assert sorted(stored.cameras()) == ["demo/c0", "demo/c1", "demo/c2"]
