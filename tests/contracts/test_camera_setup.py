"""Add a camera in the page: from the notifier through ingest to the camera, over HTTP. No login is
returned, logged or written in clear text, and ingest reaches no address that it may not connect to.
"""

import asyncio
import logging
from typing import Any

import pytest

from parking.access.keys import KeyFile
from parking.core.topics import CAMERAS, DEVICE_EVENTS, FRAMES
from services.ingest.pull import puller as puller_module
from services.ingest.pull.camerafile import Camera
from services.notifier.settings import LiveSource
from tests.support.camera_setup import rig
from tests.support.cameras import PASSWORD, USER
from tests.support.notifier_instance import Backend, Given, Instance
from tests.support.waiting import until
from tools.stack.checks import HOST, free_ports

pytestmark = pytest.mark.timeout(60)
GATE = "/api/v1/cameras/demo/gate/source"
JSON = {"Content-Type": "application/json"}
LOGIN = {"username": USER, "password": PASSWORD}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "MAX_SPREAD_S", 0.01)


async def test_a_camera_is_tried_added_changed_and_removed(tmp_path):
    async with rig(tmp_path) as own:
        tried = await own.http.post(f"{GATE}/try", json=own.body("/basic", login=LOGIN))
        assert (tried.status_code, tried.headers["content-type"]) == (200, "image/jpeg")
        assert tried.content.startswith(b"\xff\xd8")
        assert own.world.broker.records(CAMERAS) == []  # nothing is stored by a try

        added = await own.http.put(GATE, json=own.body("/basic", login=LOGIN))
        assert added.status_code == 200
        assert added.json() == {
            "camera_id": "demo/gate",
            "version": 1,
            "kind": "snapshot",
            "url": own.devices.url("/basic"),
            "interval_s": 3600.0,
            "has_login": True,
            "fault": None,
        }
        await until(lambda: own.world.events(FRAMES, "demo/gate"))

        kept = own.body("/basic", version=1, keep_login=True, interval_s=1800)
        changed = await own.http.put(GATE, json=kept)
        assert (changed.json()["version"], changed.json()["has_login"]) == (2, True)
        (listed,) = (await own.http.get("/api/sites/demo/sources")).json()
        assert listed == changed.json()
        assert (await own.http.get("/api/sites/other/sources")).json() == []

        assert (await own.http.delete(GATE)).status_code == 204
        assert own.world.puller.screen("demo/gate") is None
        assert (await own.http.get("/api/sites/demo/sources")).json() == []
        await until(lambda: own.world.events(DEVICE_EVENTS, "demo/gate")[-1].kind == "offline")
        again = await own.http.delete(GATE)
        assert (again.status_code, again.json()["error"]) == (404, "no-source")


TRIES: list[tuple[str, dict[str, Any], str]] = [
    ("/basic", {}, "password-needed"),
    ("/basic", {"login": LOGIN | {"password": "wrong"}}, "wrong-password"),
    ("/nothing", {}, "http-error"),
    ("/hang", {}, "timeout"),
    ("/redirect", {}, "redirected"),
    ("/stream", {"url": "http://169.254.169.254/x"}, "forbidden-address"),
    ("/stream", {"url": "http://10.9.8.7/x"}, "forbidden-address"),
    ("/capture", {"kind": "rtsp"}, "bad-camera"),
    ("/capture", {"url": "http://u:p@127.0.0.1/x"}, "bad-camera"),
]


async def test_a_failed_try_says_why(tmp_path):
    async with rig(tmp_path) as own:
        for path, more, reason in TRIES:
            tried = await own.http.post(f"{GATE}/try", json=own.body(path, **more))
            assert (tried.status_code, tried.json()["error"]) == (422, reason)
            assert tried.json()["detail"]


async def test_a_login_is_nowhere_in_clear(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    canary = "canary-0b1e"
    login = {"username": "canary-user", "password": canary}
    async with rig(tmp_path) as own:
        answers = [
            await own.http.put(GATE, json=own.body(login=login)),
            await own.http.put(GATE, json=own.body(login=login)),  # refused: it is there
            await own.http.post(f"{GATE}/try", json=own.body("/digest", login=login)),
            await own.http.put(GATE, json=own.body(login={"username": canary, "password": 7})),
            await own.http.put(GATE, json=own.body(login=login | {"username": f'"{canary}'})),
            await own.http.put(GATE, json=own.body(version=1, url=f"http://u:{canary}@127.0.0.1/")),
            await own.http.put(
                GATE, json=own.body(version=1, url=f"http://127.0.0.1/?pwd={canary}")
            ),
            await own.http.put(GATE, content=f'{{"login": {canary}', headers=JSON),
            await own.http.get("/api/sites/demo/sources"),
        ]
        assert [one.status_code for one in answers] == [200, 409, 422, 422, 422, 422, 422, 400, 200]
        await until(lambda: own.world.events(FRAMES, "demo/gate"))
        written = [record.value or b"" for record in own.world.broker.records(CAMERAS)]
    said = caplog.text.encode() + b"".join(one.content for one in answers) + b"".join(written)
    assert len(written) == 1
    assert b"canary" not in said


async def test_two_people_at_once_one_is_refused(tmp_path):
    async with rig(tmp_path) as own:
        await own.http.put(GATE, json=own.body())
        puts = [own.http.put(GATE, json=own.body(version=1, interval_s=s)) for s in (100, 200)]
        answers = await asyncio.gather(*puts)
        assert sorted(one.status_code for one in answers) == [200, 409]
        assert "load the page again" in next(a for a in answers if a.status_code == 409).text


async def test_a_stored_login_is_not_tried_elsewhere(tmp_path):
    async with rig(tmp_path) as own:
        await own.http.put(GATE, json=own.body("/basic", login=LOGIN))
        elsewhere = own.devices.url("/basic", host="localhost")
        body = own.body(version=1, keep_login=True, url=elsewhere)
        for answer in (
            await own.http.post(f"{GATE}/try", json=body),
            await own.http.put(GATE, json=body),
        ):
            assert (answer.status_code, answer.json()["error"]) == (422, "sealed-otherwise")
        assert not any(f"localhost:{own.devices.port}" in head for head in own.devices.headers)


async def test_a_camera_of_the_file_is_shown_and_cannot_be_changed_here(tmp_path):
    filed = Camera("demo/gate", "snapshot", "http://127.0.0.1:9/x?user={username}", 60)
    turned = Camera("demo/yard", "device", "")
    async with rig(tmp_path, filed, turned) as own:
        await until(lambda: own.world.puller.screen("demo/gate"))
        (listed,) = (await own.http.get("/api/sites/demo/sources")).json()
        assert (listed["version"], listed["url"]) == (0, "http://127.0.0.1:9/x")
        refused = await own.http.put(GATE, json=own.body())
        assert (refused.status_code, refused.json()["error"]) == (409, "camera-exists")


async def test_a_key_without_the_scope_and_an_ingest_without_a_key_say_what_to_do(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with rig(tmp_path / "a", scopes=("live",)) as own:
        answer = await own.http.get("/api/sites/demo/sources")
        assert (answer.status_code, answer.json()["error"]) == (503, "no-right-at-ingest")
    async with rig(tmp_path / "b", with_key=False) as own:
        answer = await own.http.put(GATE, json=own.body())
        assert (answer.status_code, answer.json()["error"]) == (503, "no-cameras-key")


async def test_before_the_topic_is_read_nothing_is_written(tmp_path):
    async with rig(tmp_path) as own:
        own.setup.stored.ready = False
        answer = await own.http.put(GATE, json=own.body())
        assert (answer.status_code, answer.json()["error"]) == (503, "kafka-away")
        assert own.world.broker.records(CAMERAS) == []


async def test_without_ingest_it_says_so(tmp_path):
    keys = KeyFile(tmp_path / "keys")
    admin = {"Authorization": f"Bearer {keys.add('admin', 'devices')}"}
    absent = LiveSource(f"http://{HOST}:{free_ports(1)[0]}", "pk_x")
    for live in (absent, None):
        backend = Backend(None)
        async with Instance(backend, Given(live=live, keys=tmp_path / "keys")) as notifier:
            answer = await notifier.http.get("/api/sites/demo/sources", headers=admin)
        assert (answer.status_code, answer.json()["error"]) == (503, "no-ingest")
        await backend.close()
