"""The HTTP intake of pictures: who may send, what is accepted, and what the response is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from parking.access.bearer import WRONG_LIMIT
from parking.access.keys import KeyFile
from parking.core.errors import Retryable
from parking.core.jpeghead import header
from parking.core.orientation import Orientation
from parking.core.topics import DEAD_LETTERS_FRAMES, DEVICE_EVENTS, FRAMES
from parking.runtime import metrics
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryProducer
from parking.runtime.ops import Health
from parking.wire.codec import decode
from parking.wire.ports import Outgoing, Producer
from services.ingest import clocks, door, http
from services.ingest.handler import handle_message
from services.ingest.http import Intake, new_app
from services.ingest.messages import Context, Limits, Message
from services.ingest.replay import Known, Used
from tests.support.scripted_mqtt import count

NOW_MS = 1_750_000_000_000
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
OTHER = cv2.imencode(".jpg", np.full((48, 64, 3), 30, np.uint8))[1].tobytes()
PATH = "/ingest/v1/frames/demo/north"


class AbsentKafka:
    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        raise Retryable(f"no Kafka for {len(messages)}")


class Intakes:
    """The application over memory, with one key of each kind."""

    def __init__(self, folder: Path) -> None:
        self.broker = MemoryBroker()
        self.keys = KeyFile(folder / "keys")
        self.key = self.keys.add("demo/north", "frames")
        self.writer_key = self.keys.add("writer", "write")
        self.limits = Limits(frame_max_bytes=50_000)
        self.known = Known()

    def app(self, kafka: Producer | None = None) -> FastAPI:
        producer = kafka or MemoryProducer(self.broker)
        clock = ManualClock(NOW_MS)
        intake = Intake(self.keys, producer, self.limits, clock, known=self.known)
        return new_app(intake, Health())

    def client(self, kafka: Producer | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app(kafka))
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    def headers(self, key: str | None = None, **more: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.key if key is None else key}",
            "Content-Type": "image/jpeg",
        } | {name.replace("_", "-"): value for name, value in more.items()}

    def events(self, topic: str) -> list[Any]:
        return [decode(record) for record in self.broker.records(topic)]


@pytest.fixture
def intakes(tmp_path: Path) -> Intakes:
    return Intakes(tmp_path)


async def test_a_picture_with_the_right_key_is_a_frame(intakes: Intakes):
    async with intakes.client() as client:
        answer = await client.post(PATH, content=JPEG, headers=intakes.headers())
    frame_id = f"demo/north/{hashlib.sha256(JPEG).hexdigest()[:32]}"
    assert answer.status_code == 202
    assert answer.json() == {"frame_id": frame_id, "time_ms": NOW_MS}
    (frame,) = intakes.events(FRAMES)
    assert (frame.id, frame.via, frame.time_reason) == (frame_id, "http", "no-clock")


async def test_a_device_is_turned_as_the_cameras_file_says(intakes: Intakes):
    intakes.known.turns["demo/north"] = Orientation(270)
    intakes.known.turns["demo/other"] = Orientation(180)
    async with intakes.client() as client:
        assert (await client.post(PATH, content=JPEG, headers=intakes.headers())).status_code == 202
    (frame,) = intakes.events(FRAMES)
    assert (frame.width, frame.height) == (48, 64)
    (record,) = intakes.broker.records(FRAMES)
    assert header(record.value or b"") == ((64, 48), Orientation(270))


async def test_numbers_and_time_come_in_headers(intakes: Intakes):
    numbers = {"X_Boot_Id": "4", "X_Seq": "9", "X_Captured_At_Ms": str(NOW_MS - 70)}
    async with intakes.client() as client:
        answer = await client.post(PATH, content=JPEG, headers=intakes.headers(**numbers))
    assert answer.json() == {"frame_id": "demo/north/4/9", "time_ms": NOW_MS - 70}


async def test_a_device_whose_clock_is_slow_is_known_by_its_pictures(intakes: Intakes, monkeypatch):
    monkeypatch.setattr(clocks, "PROOF_MS", 0)
    async with intakes.client() as client:
        for seq in range(3):
            late = {"X_Boot_Id": "4", "X_Seq": str(seq), "X_Captured_At_Ms": str(NOW_MS - 30_000)}
            await client.post(PATH, content=JPEG, headers=intakes.headers(**late))
    times = [(frame.time_ms, frame.time_reason) for frame in intakes.events(FRAMES)]
    assert times == [(NOW_MS - 30_000, None)] * 2 + [(NOW_MS, "slow-clock")]


async def test_a_repeated_picture_is_not_a_new_frame(intakes: Intakes):
    async with intakes.client() as client:
        answers = [
            await client.post(PATH, content=picture, headers=intakes.headers())
            for picture in (JPEG, JPEG, OTHER, JPEG)
        ]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert answers[0].json() == answers[1].json()
    assert len(intakes.events(FRAMES)) == 3
    assert [event.reason for event in intakes.events(DEVICE_EVENTS)] == ["frozen"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer nonsense", "Basic abc"])
async def test_without_a_known_key_nothing_is_taken(intakes: Intakes, authorization: str | None):
    headers = {"Content-Type": "image/jpeg"}
    if authorization is not None:
        headers["Authorization"] = authorization
    async with intakes.client() as client:
        answer = await client.post(PATH, content=JPEG, headers=headers)
    reason = "unknown-key" if authorization == "Bearer nonsense" else "no-key"
    assert (answer.status_code, answer.json()["error"]) == (401, reason)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert intakes.broker.records(FRAMES) == []


async def test_a_key_for_something_else_is_forbidden(intakes: Intakes):
    headers = intakes.headers(intakes.writer_key)
    async with intakes.client() as client:
        answer = await client.post(PATH, content=JPEG, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "wrong-scope")


async def test_a_key_opens_the_way_of_its_own_camera_only(intakes: Intakes):
    own = intakes.headers(intakes.keys.add("demo/south", "frames"))
    async with intakes.client() as client:
        other = await client.post(PATH, content=JPEG, headers=own)
        taken = await client.post("/ingest/v1/frames/demo/south", content=JPEG, headers=own)
    assert (other.status_code, other.json()["error"]) == (403, "other-camera")
    assert "only send pictures of demo/south" in other.json()["detail"]
    assert taken.status_code == 202
    assert [event.camera_id for event in intakes.events(FRAMES)] == ["demo/south"]


async def test_a_key_of_an_earlier_version_opens_nothing(intakes: Intakes, tmp_path: Path):
    path = tmp_path / "keys"
    path.write_text(path.read_text("utf-8").replace("demo/north", "camera"), "utf-8")
    async with intakes.client() as client:
        answer = await client.post(PATH, content=JPEG, headers=intakes.headers())
    assert (answer.status_code, answer.json()["error"]) == (403, "no-camera")
    assert "keys add" in answer.json()["detail"]
    assert intakes.broker.records(FRAMES) == []


async def test_an_address_with_many_wrong_keys_is_slowed_down_and_a_right_key_works(
    intakes: Intakes,
):
    async with intakes.client() as client:
        for _ in range(WRONG_LIMIT):
            await client.post(PATH, content=JPEG, headers=intakes.headers("pk_wrong"))
        refused = await client.post(PATH, content=JPEG, headers=intakes.headers("pk_wrong"))
        right = await client.post(PATH, content=JPEG, headers=intakes.headers())
    assert (refused.status_code, refused.json()["error"]) == (429, "too-many-wrong-keys")
    assert refused.headers["Retry-After"] == "60"
    assert right.status_code == 202


async def test_keys_that_open_nothing_are_counted_by_reason(intakes: Intakes, tmp_path: Path):
    without_camera = intakes.keys.add("demo/east", "frames")
    (tmp_path / "keys").write_text(
        (tmp_path / "keys").read_text("utf-8").replace("demo/east", "camera"), "utf-8"
    )
    keys = {
        "unknown-key": "pk_nobody",
        "wrong-scope": intakes.writer_key,
        "no-camera": without_camera,
        "other-camera": intakes.keys.add("demo/south", "frames"),
    }
    before = {reason: count(metrics.REFUSED_REQUESTS, reason) for reason in keys}
    async with intakes.client() as client:
        for key in (intakes.key, *keys.values()):
            await client.post(PATH, content=JPEG, headers=intakes.headers(key))
    counted = {reason: count(metrics.REFUSED_REQUESTS, reason) - before[reason] for reason in keys}
    assert counted == dict.fromkeys(keys, 1)


async def test_a_key_taken_back_while_its_picture_comes_opens_nothing(intakes: Intakes):
    async def interrupted() -> AsyncIterator[bytes]:
        yield JPEG[:100]
        intakes.keys.remove("demo/north")
        yield JPEG[100:]

    async with intakes.client() as client:
        answer = await client.post(PATH, content=interrupted(), headers=intakes.headers())
    assert (answer.status_code, answer.json()["error"]) == (401, "unknown-key")
    assert intakes.broker.records(FRAMES) == []


# ---------------------------------------------------------------- replay
CAPTURED = 100


async def replay(intakes: Intakes) -> tuple[int, int]:
    """Send a camera's pictures, then replay all of them. Return how many were written twice and how
    many were counted."""
    before = count(metrics.REPLAYS, "frame")
    async with intakes.client() as client:
        for seq in [*range(1, CAPTURED + 1)] * 2:
            headers = intakes.headers(X_Boot_Id="1", X_Seq=str(seq))
            await client.post(PATH, content=JPEG, headers=headers)
    ids = [event.id for event in intakes.events(FRAMES)]
    return len(ids) - len(set(ids)), int(count(metrics.REPLAYS, "frame") - before)


async def test_replayed_pictures_are_counted_reported_and_not_written(intakes: Intakes):
    assert await replay(intakes) == (0, CAPTURED)
    assert {event.id.rpartition("/")[0] for event in intakes.events(DEVICE_EVENTS)} == {
        "demo/north/replay"
    }


async def test_negative_control_without_a_memory_replayed_pictures_are_written(
    intakes: Intakes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Used, "__contains__", lambda _self, _number: False)
    assert await replay(intakes) == (CAPTURED, 0)


async def test_a_client_that_repeats_a_picture_is_informed(intakes: Intakes):
    headers = intakes.headers(X_Boot_Id="1", X_Seq="1")
    async with intakes.client() as client:
        answers = [await client.post(PATH, content=JPEG, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    assert answers[1].json()["error"] == "replayed"


async def test_what_came_by_one_door_is_known_at_the_other(intakes: Intakes):
    headers = intakes.headers(X_Boot_Id="1", X_Seq="1", X_Captured_At_Ms=str(NOW_MS))
    async with intakes.client() as client:
        await client.post(PATH, content=JPEG, headers=headers)
    context = Context(intakes.limits, intakes.known.pictures, intakes.known.used)
    by_mqtt = Message(f"parking/v1/demo/north/frame/1/1/{NOW_MS}", JPEG, NOW_MS)
    assert handle_message(by_mqtt, context).outcome == "replayed"


async def test_a_picture_that_kafka_did_not_take_may_come_again(intakes: Intakes):
    headers = intakes.headers(X_Boot_Id="1", X_Seq="1")
    async with intakes.client(AbsentKafka()) as client:
        assert (await client.post(PATH, content=JPEG, headers=headers)).status_code == 503
    async with intakes.client() as client:
        assert (await client.post(PATH, content=JPEG, headers=headers)).status_code == 202


async def test_a_client_that_retries_while_kafka_is_slow_is_not_called_a_replay(intakes: Intakes):
    """The first write hangs and then fails. Until it has failed, the picture must not be reported
    as written."""
    begun, end = asyncio.Event(), asyncio.Event()

    class SlowKafka(AbsentKafka):
        async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
            begun.set()
            await end.wait()
            return await super().send(messages)

    headers = intakes.headers(X_Boot_Id="1", X_Seq="1")
    async with intakes.client(SlowKafka()) as client:
        first = asyncio.create_task(client.post(PATH, content=JPEG, headers=headers))
        await begun.wait()
        again = await client.post(PATH, content=JPEG, headers=headers)
        end.set()
        assert (again.status_code, again.json()["error"]) == (503, "under-way")
        assert (await first).status_code == 503
    async with intakes.client() as client:
        assert (await client.post(PATH, content=JPEG, headers=headers)).status_code == 202


async def test_what_is_too_large_is_refused_unread(intakes: Intakes):
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 10_000
            yield b"\xff" * 10_000

    async with intakes.client() as client:
        declared = await client.post(PATH, content=b"x" * 50_001, headers=intakes.headers())
        streamed = await client.post(PATH, content=endless(), headers=intakes.headers())
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["error"]) == (413, "too-large")
    assert read <= 70_000
    assert intakes.broker.records(DEAD_LETTERS_FRAMES) == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"hello", 422, "not-a-jpeg"),
        (JPEG[:-30], 422, "truncated"),
        (b"", 400, "empty"),
    ],
)
async def test_a_bad_picture_is_reported_and_dead_lettered(intakes: Intakes, body, status, error):
    async with intakes.client() as client:
        answer = await client.post(PATH, content=body, headers=intakes.headers())
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    (letter,) = intakes.events(DEAD_LETTERS_FRAMES)
    assert (letter.reason, letter.topic) == (error, PATH)
    assert intakes.broker.records(FRAMES) == []


@pytest.mark.parametrize(
    ("path", "more", "status", "error"),
    [
        (PATH, {"Content_Type": "text/plain"}, 415, "not-image-jpeg"),
        ("/ingest/v1/frames/demo/North", {}, 404, "bad-camera-id"),
        ("/ingest/v1/frames/demo/" + "n" * 41, {}, 404, "bad-camera-id"),
        (PATH, {"X_Boot_Id": "1"}, 422, "bad-header"),
        (PATH, {"X_Boot_Id": "-1", "X_Seq": "1"}, 422, "bad-header"),
        (PATH, {"X_Captured_At_Ms": "yesterday"}, 422, "bad-header"),
        (PATH, {"X_Boot_Id": "9" * 20, "X_Seq": "1"}, 422, "bad-header"),
    ],
)
async def test_a_bad_request_is_reported(intakes: Intakes, path, more, status, error):
    async with intakes.client() as client:
        answer = await client.post(path, content=JPEG, headers=intakes.headers(**more))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert intakes.broker.records(FRAMES) == []


@pytest.mark.parametrize("body", [JPEG, b"not a picture"])
async def test_without_kafka_the_sender_is_asked_to_retry(intakes: Intakes, body):
    async with intakes.client(AbsentKafka()) as client:
        answer = await client.post(PATH, content=body, headers=intakes.headers())
    assert (answer.status_code, answer.json()["error"]) == (503, "kafka-away")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_body_that_does_not_come_ends_the_request(intakes: Intakes, monkeypatch):
    monkeypatch.setattr(door, "BODY_LIMIT_S", 0.05)

    async def dripping() -> AsyncIterator[bytes]:
        yield JPEG[:10]
        await asyncio.Event().wait()

    async with intakes.client() as client:
        answer = await client.post(PATH, content=dripping(), headers=intakes.headers())
    assert (answer.status_code, answer.json()["error"]) == (408, "slow-body")


async def test_a_sender_that_goes_away_leaves_nothing(intakes: Intakes):
    app = intakes.app()
    received: list[dict[str, Any]] = [
        {"type": "http.request", "body": JPEG[:50], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[MutableMapping[str, Any]] = []
    headers = [(n.lower().encode(), v.encode()) for n, v in intakes.headers().items()]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http"}
    scope |= {"server": ("test", 80), "root_path": ""}

    async def receive() -> dict[str, Any]:
        return received.pop(0) if received else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert intakes.broker.records(FRAMES) == []
    assert intakes.broker.records(DEAD_LETTERS_FRAMES) == []
    assert all(message.get("status") != 500 for message in sent)


async def test_too_many_at_once_are_turned_away(intakes: Intakes):
    hold = asyncio.Event()

    class LastView:
        async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
            await hold.wait()
            return await MemoryProducer(intakes.broker).send(messages)

    async with intakes.client(LastView()) as client:

        async def post(number: int) -> int:
            camera = f"demo/cam{number}"
            headers = intakes.headers(intakes.keys.add(camera, "frames"))
            path = f"/ingest/v1/frames/{camera}"
            return (await client.post(path, content=JPEG, headers=headers)).status_code

        posts = [asyncio.ensure_future(post(number)) for number in range(20)]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        hold.set()
        statuses = await asyncio.gather(*posts)
    assert (statuses.count(202), statuses.count(503)) == (16, 4)


@pytest.mark.parametrize(("each", "other"), [(2, 202), (16, 503)])
async def test_one_keys_slow_bodies_leave_the_others_their_places(
    intakes: Intakes, monkeypatch: pytest.MonkeyPatch, each: int, other: int
):
    """In the control, a key that may take all connections locks out the other cameras."""
    monkeypatch.setattr(http, "_MAX_EACH", each)
    slow, done = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield JPEG[:100]
        slow.set()
        await done.wait()
        yield JPEG[100:]

    async with intakes.client() as client:

        async def post() -> int:
            headers = intakes.headers()
            return (await client.post(PATH, content=body(), headers=headers)).status_code

        posts = [asyncio.ensure_future(post()) for _ in range(20)]
        await slow.wait()
        headers = intakes.headers(intakes.keys.add("demo/other", "frames"))
        path = "/ingest/v1/frames/demo/other"
        assert (await client.post(path, content=JPEG, headers=headers)).status_code == other
        done.set()
        statuses = await asyncio.gather(*posts)
    assert len(statuses) - statuses.count(202) == 20 - each
