"""Record a range of frames from a log whose detector lagged. The log is in memory."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from parking.core.events import Cause, DetectionMade, Event, FrameRef, ImageHealth, SlotChanged
from parking.core.topics import DETECTIONS, FRAMES, SLOT_CHANGES
from parking.runtime.kafka import KafkaSettings
from parking.wire import codec
from parking.wire.ports import Outgoing
from tests.support.replaying import EVERY_MS, START_MS, TOPIC_OF, frame, picture, tick
from tools.record import window
from tools.record.archive import ArchiveWriter, read_archive
from tools.record.window import FrameRange, Wanted, record
from tools.replay.choice import Choice
from tools.replay.script import frames_of, script

BEHIND_MS = 2 * EVERY_MS + 300
JPEG = picture((), 1)


class Log:
    """The consumer methods that window.py uses; each topic has one partition."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Any]] = {}
        self.place: Any = None
        self.offset = 0

    def write(self, at_ms: int, event: Event) -> None:
        topic = TOPIC_OF[event.TYPE]
        message = codec.outgoing(event, topic, "demo", "test")
        if topic == FRAMES:
            message = codec.outgoing_frame(event, JPEG, "test")  # type: ignore[arg-type]
        self._append(at_ms, message)

    def _append(self, at_ms: int, message: Outgoing) -> None:
        log = self.topics.setdefault(message.topic, [])
        log.append(SimpleNamespace(
            topic=message.topic, partition=0, offset=len(log), key=message.key, value=message.value,
            headers=message.headers, timestamp=at_ms,
        ))  # fmt: skip

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def beginning_offsets(self, places):
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places):
        return {place: len(self.topics.get(place.topic, [])) for place in places}

    async def offsets_for_times(self, moments):
        found = {}
        for place, moment_ms in moments.items():
            later = [m for m in self.topics.get(place.topic, []) if m.timestamp >= moment_ms]
            found[place] = later[0] if later else None
        return found

    def assign(self, places) -> None:
        self.place = places[0]

    def seek(self, place, offset: int) -> None:
        self.offset = offset

    async def position(self, place) -> int:
        return self.offset

    async def getmany(self, place, timeout_ms: int):
        found = self.topics[place.topic][self.offset :]
        self.offset += len(found)
        return {place: found}

    async def getone(self, place):
        return self.topics[place.topic][self.offset]


def seen(number: int, time_ms: int) -> DetectionMade:
    name = f"demo/north/1/{number}"
    return DetectionMade(
        id=name, site_id="demo", time_ms=time_ms, camera_id="demo/north", width=480, height=270,
        frame_ref=FrameRef(frame_id=name, partition=0, offset=number - 1), model_id="test",
        layout_version=1, boxes=[], observations=[], timings_ms={},
        health=ImageHealth(status="ok", brightness=0.5, sharpness=100.0),
    )  # fmt: skip


def changed(number: int, time_ms: int) -> SlotChanged:
    return SlotChanged(
        id=f"demo/A1/{number}", site_id="demo", time_ms=time_ms, slot_id="A1", zone_id="lot",
        from_state="unknown", to_state="free", version=number, confidence=0.9, reason="observed",
        cause=Cause(kind="frame", id=f"demo/north/1/{number}"),
    )  # fmt: skip


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Return ten pictures, each reported two pictures later, with its change right after the
    report."""
    log = Log()
    for number in range(1, 11):
        at_ms = START_MS + number * EVERY_MS
        log.write(at_ms, frame(JPEG, number))
        log.write(at_ms + BEHIND_MS, seen(number, at_ms))
        log.write(at_ms + BEHIND_MS + 1, changed(number, at_ms))
        log.write(at_ms + BEHIND_MS + 2, tick(number))

    async def assign_all(_: Log, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, 0)]

    monkeypatch.setattr(window, "new_consumer", lambda settings: log)
    monkeypatch.setattr(window, "assign_all", assign_all)
    return log


@pytest.mark.parametrize("detections", [True, False])
async def test_late_records_about_a_ranges_pictures_are_kept(log, detections, tmp_path: Path):
    asked = Wanted(frozenset({"demo"}), 0, 0, range=FrameRange(0, 3, 6), detections=detections)
    with ArchiveWriter(tmp_path / "some.zip") as out:
        wanted, _ = await record(KafkaSettings("none"), asked, out, lambda *_: None)
        out.finish(("demo",), (wanted.from_ms, wanted.to_ms))
    some = read_archive(tmp_path / "some.zip")
    names = [f"demo/north/1/{number}" for number in range(4, 8)]
    assert [event.id for _, event in frames_of(some)] == names
    made = [kept.event for kept in some.of(DETECTIONS) if isinstance(kept.event, DetectionMade)]
    inside = [event.id for event in made if event.id in names]
    assert inside == (names if detections else [])
    assert not {f"demo/north/1/{number}" for number in (8, 9, 10)} & {e.id for e in made}
    played = [kept.event.id for kept in script(some, Choice()) if kept.topic == FRAMES]
    assert played == names
    causes = [kept.event.cause.id for kept in some.of(SLOT_CHANGES)]  # type: ignore[attr-defined]
    assert [cause for cause in causes if cause in names] == names


async def test_a_window_ends_when_it_ends(log, tmp_path: Path):
    from_ms = START_MS + 4 * EVERY_MS
    asked = Wanted(frozenset({"demo"}), from_ms, from_ms + 3 * EVERY_MS)
    with ArchiveWriter(tmp_path / "some.zip") as out:
        await record(KafkaSettings("none"), asked, out, lambda *_: None)
        out.finish(("demo",), (asked.from_ms, asked.to_ms))
    some = read_archive(tmp_path / "some.zip")
    assert {kept.at_ms for kept in some.of(DETECTIONS)} <= {*range(from_ms, asked.to_ms)}
