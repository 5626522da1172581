"""Evidence that the persister kept in real S3 and Postgres is replayed as a recording."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from parking.core import topics
from parking.core.errors import Invalid
from parking.core.events import FrameReceived
from parking.runtime.objects import S3Settings
from parking.wire import codec
from tests.support import persisting as make
from tests.support.detector_tools import analyser, layout
from tests.support.persister_world import World, changes_of, new_world, own_servers
from tests.support.replaying import flow, frame, picture
from tools.record.recording import Recording
from tools.replay.captures import read_captures
from tools.replay.choice import Choice
from tools.replay.in_process import ModelWatcher, play
from tools.replay.script import frames_of, script

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SITE = "demo"
STORY = ("", "", "A1", "A1", "A1")
DAY = "2026-05-28"
OTHER_DAY = "2026-05-29"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return five pictures that each changed a slot and were persisted."""
    folder = tmp_path_factory.mktemp("captures")
    with own_servers(folder) as own, new_world(own, SITE, folder) as made:
        shots = [picture((slot,) if slot else (), n) for n, slot in enumerate(STORY, 1)]
        events = [frame(data, n) for n, data in enumerate(shots, 1)]
        places = made.send([
            codec.outgoing_frame(event, data, "ingest")
            for event, data in zip(events, shots, strict=True)
        ])  # fmt: skip
        at = [make.At(event, *place) for event, place in zip(events, places, strict=True)]
        plan = make.out(layout("demo/north"), topics.LAYOUTS)
        made.send([plan, *changes_of(made, at)])
        with made.persister():
            made.drained()
        yield made


@pytest.fixture
def objects(world: World, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    s3 = world.infra.s3
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    return S3Settings(s3.bucket, s3.endpoint, s3.region)


def changes(of: Recording) -> list[tuple[str, str, int]]:
    watcher = ModelWatcher(analyser(), of.picture)
    return flow(asyncio.run(play(script(of, Choice()), watcher, "x", lambda count: None)).outputs)


def sent() -> list[FrameReceived]:
    return [frame(picture((s,) if s else (), n), n) for n, s in enumerate(STORY, 1)]


def test_with_postgres_the_pictures_have_their_own_times_and_ids(world: World, objects: S3Settings):
    of = read_captures(f"s3:demo/north@{DAY}", objects, world.url)
    assert [event for _, event in frames_of(of)] == sent()
    assert ("A1", "occupied", sent()[3].time_ms) in changes(of)


def test_without_postgres_they_are_in_order_and_need_a_layout(
    world: World, objects: S3Settings, tmp_path: Path
):
    with pytest.raises(Invalid, match="--layout"):
        read_captures(f"s3:demo/north@{DAY}", objects)
    file = tmp_path / "layout.json"
    file.write_bytes(msgspec.json.encode(layout("demo/north")))
    of = read_captures(f"s3:demo/north@{DAY}", objects, layout_file=file)
    assert [event.sha256 for _, event in frames_of(of)] == [event.sha256 for event in sent()]
    assert [(slot, to) for slot, to, _ in changes(of)] == [
        *((slot, "free") for slot in ("A1", "A2", "A3")),
        ("A1", "occupied"),
    ]


def test_a_day_or_a_camera_without_pictures_is_reported(world: World, objects: S3Settings):
    with pytest.raises(Invalid, match="no picture of demo/north of 2026-05-29"):
        read_captures(f"s3:demo/north@{OTHER_DAY}", objects, world.url)
    with pytest.raises(Invalid, match="no layout of demo/south"):
        read_captures(f"s3:demo/south@{DAY}", objects, world.url)
    with pytest.raises(Invalid, match="is not s3:SITE/CAMERA"):
        read_captures("s3:demo@yesterday", objects, world.url)


def test_an_object_that_is_not_what_its_row_says_is_refused(world: World, objects: S3Settings):
    of = read_captures(f"s3:demo/north@{DAY}", objects, world.url)
    key = next(kept.file for kept, _ in frames_of(of))
    assert key
    store = world.objects()
    try:
        whole = asyncio.run(store.get(key))
        asyncio.run(store.put(key, whole[:-9]))
        with pytest.raises(Invalid, match="does not match its row"):
            of.picture(key)
        asyncio.run(store.put(key, whole))
    finally:
        store.close()
    assert of.picture(key) == whole
