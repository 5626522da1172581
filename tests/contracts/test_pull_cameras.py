"""Polled cameras: good ones give frames, and each bad one ends with a reason and delays no other.
Real servers run on 127.0.0.1."""

import asyncio
import logging
from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from parking.core.errors import SettingsError
from parking.core.jpeghead import header_size
from parking.core.orientation import Orientation
from parking.core.topics import DEAD_LETTERS_FRAMES, DEVICE_EVENTS, FRAMES
from services.ingest.pull import puller as puller_module
from services.ingest.pull.camerafile import Camera, Credential
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.pulled import Kind
from tests.support.cameras import PASSWORD, USER, HttpCameras, http_cameras
from tests.support.onvif_cameras import OnvifCamera, onvif_camera
from tests.support.pulling import pulling, source
from tests.support.rtsp_cameras import rtsp_cameras
from tests.support.waiting import until

LOGIN = Credential(username=USER, password=PASSWORD)
WRONG = Credential(username=USER, password="wrong-canary")
BAD = [
    ("snapshot", "/hang", "timeout"),
    ("snapshot", "/slow", "timeout"),
    ("snapshot", "/cut", "cut-off"),
    ("snapshot", "/short", "truncated"),
    ("snapshot", "/lying", "bad-answer"),
    ("snapshot", "/huge", "too-large"),
    ("snapshot", "/endless", "too-large"),
    ("snapshot", "/redirect", "redirected"),
    ("snapshot", "/login-page", "not-a-jpeg"),
    ("snapshot", "/noise", "bad-answer"),
    ("snapshot", "/nowhere", "http-error"),
    ("snapshot", "/basic", "password-needed"),
    ("snapshot", "/digest", "password-needed"),
    ("mjpeg", "/hang", "timeout"),
    ("mjpeg", "/stream-drips", "timeout"),
    ("mjpeg", "/stream-endless", "too-large"),
    ("mjpeg", "/stream-ends", "cut-off"),
    ("mjpeg", "/capture", "not-a-stream"),
    ("mjpeg", "/redirect", "redirected"),
    ("mjpeg", "/basic", "password-needed"),
]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(puller_module, "MAX_DELAY_S", 0.05)
    monkeypatch.setattr(puller_module, "RELOAD_S", 0.02)
    monkeypatch.setattr(puller_module, "MAX_SPREAD_S", 0.01)


def camera(
    own: HttpCameras,
    path: str,
    kind: Kind = "snapshot",
    login: Credential | None = None,
    name: str = "demo/cam",
) -> Camera:
    return Camera(name, kind, own.url(path), 0.05, login)


async def test_a_camera_is_turned_as_its_file_says_for_kafka_and_viewers():
    async with http_cameras() as own:
        turned = replace(camera(own, "/capture"), turn=Orientation(90))
        async with pulling(turned) as world:
            await until(lambda: bool(world.events(FRAMES, "demo/cam")))
            shown = world.puller.checked(own.picture(), turned.turn)[0]
            world.files.set(camera(own, "/capture"))
            before = len(world.events(FRAMES, "demo/cam"))
            await until(lambda: world.events(FRAMES, "demo/cam")[-1].width == 64)
        frames = world.events(FRAMES, "demo/cam")
        assert {(one.width, one.height) for one in frames[:before]} == {(48, 64)}
        assert header_size(shown) == (48, 64)
        assert own.most_open["/capture"] == 1


async def test_a_device_in_the_file_is_turned_and_not_polled():
    device = Camera("demo/yard", "device", "", turn=Orientation(180, True))
    async with http_cameras() as own, pulling(camera(own, "/capture"), device) as world:
        await until(lambda: bool(world.events(FRAMES, "demo/cam")))
        assert world.turns == {"demo/yard": Orientation(180, True)}
        assert world.puller.screen("demo/yard") is None
        world.files.set(camera(own, "/capture"))
        await until(lambda: not world.turns)
    assert not world.events(DEVICE_EVENTS, "demo/yard")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("snapshot", "/capture"),
        ("mjpeg", "/stream"),
        ("mjpeg", "/stream-no-length"),
        ("mjpeg", "/stream-long"),
        ("mjpeg", "/stream-short"),
    ],
)
async def test_pictures_become_frames_as_they_are(kind: Kind, path: str):
    async with http_cameras() as own, pulling(camera(own, path, kind)) as world:
        await until(lambda: len(world.events(FRAMES, "demo/cam")) >= 3)
        assert own.most_open[path] == 1
    frames = world.events(FRAMES, "demo/cam")
    assert {frame.via for frame in frames} == {kind}
    assert len({frame.id for frame in frames}) == len(frames)
    assert all((frame.width, frame.height) == (64, 48) for frame in frames)
    assert world.events(DEAD_LETTERS_FRAMES, "demo/cam") == []
    online = world.events(DEVICE_EVENTS, "demo/cam")
    assert [event.kind for event in online] == ["online"]


async def test_a_stream_is_asked_for_once_and_sampled_at_the_cameras_pace(monkeypatch):
    monkeypatch.setattr(puller_module, "HELD_PACE_S", 10_000)
    async with http_cameras() as own:
        own.pause_s = 0.001
        hourly = Camera("demo/cam", "mjpeg", own.url("/stream"), 3600)
        async with pulling(hourly, camera(own, "/capture", name="demo/often")) as world:
            await until(lambda: len(world.events(FRAMES, "demo/often")) >= 3)
            await until(lambda: own.sent >= 50)
            assert own.asked["/stream"] == 1
    assert len(world.events(FRAMES, "demo/cam")) == 1


async def test_the_same_picture_again_is_a_frozen_camera_and_no_frame():
    async with http_cameras() as own, pulling(camera(own, "/frozen")) as world:
        await until(lambda: len(world.events(DEVICE_EVENTS, "demo/cam")) >= 3)
    assert len(world.events(FRAMES, "demo/cam")) == 1
    reasons = {event.reason for event in world.events(DEVICE_EVENTS, "demo/cam")}
    assert reasons == {None, "frozen"}


@pytest.mark.parametrize("path", ["/basic", "/digest"])
async def test_a_login_is_given_in_the_way_the_camera_asks_for(path: str):
    async with http_cameras() as own, pulling(camera(own, path, login=LOGIN)) as world:
        await until(lambda: len(world.events(FRAMES, "demo/cam")) >= 2)
        # The password itself goes only to a camera that knows nothing better.
        assert any("Authorization: Basic" in head for head in own.headers) == (path == "/basic")


async def test_a_login_that_belongs_in_the_url_is_filled_in():
    path = "/query-login?user={username}&pwd={password}"
    async with http_cameras() as own, pulling(camera(own, path, login=LOGIN)) as world:
        await until(lambda: world.events(FRAMES, "demo/cam"))


@pytest.mark.parametrize(("kind", "path", "reason"), BAD)
async def test_a_bad_camera_ends_in_a_reason_and_holds_up_no_other(
    kind: Kind, path: str, reason: str
):
    async with http_cameras() as own:
        own.redirect_to = own.url("/capture")
        good = camera(own, "/capture", name="demo/good")
        async with pulling(camera(own, path, kind), good) as world:
            await until(lambda: world.events(DEVICE_EVENTS, "demo/cam"))
            had = len(world.events(FRAMES, "demo/good"))
            await until(lambda: len(world.events(FRAMES, "demo/good")) >= had + 2)
    events = world.events(DEVICE_EVENTS, "demo/cam")
    assert [event.kind for event in events] == ["offline"]
    assert events[0].reason.startswith(f"{reason}: ")
    assert world.events(FRAMES, "demo/cam") == []


async def test_negative_control_one_loop_for_all_would_wait_for_the_hanging_camera(monkeypatch):
    """Cameras are polled in turn without a limit, which the tests above would detect."""
    turn = asyncio.Lock()
    async with http_cameras() as own:

        class InTurn:
            def __init__(self, one: Camera) -> None:
                self._source = source(one, limit_s=600)

            async def pictures(self, want):
                async with turn:
                    async for jpeg in self._source.pictures(want):
                        yield jpeg

        hanging, good = camera(own, "/hang"), camera(own, "/capture", name="demo/good")
        async with pulling(hanging, new_source=InTurn) as world:
            await until(lambda: own.open["/hang"])
            world.files.set(hanging, good)
            with pytest.raises(TimeoutError):
                await until(lambda: world.events(FRAMES, "demo/good"), 1.5)


async def test_a_camera_that_comes_back_is_reported_online_and_sends_frames():
    async with http_cameras() as own:
        port = own.port
        gone = Camera("demo/cam", "snapshot", "http://127.0.0.1:9/capture", 0.05)
        async with pulling(gone) as world:
            await until(lambda: world.events(DEVICE_EVENTS, "demo/cam"))
            url = f"http://127.0.0.1:{port}/capture"
            world.files.set(Camera("demo/cam", "snapshot", url, 0.05))
            await until(lambda: world.events(FRAMES, "demo/cam"))
            await until(lambda: len(world.events(DEVICE_EVENTS, "demo/cam")) == 2)
    events = world.events(DEVICE_EVENTS, "demo/cam")
    assert [event.kind for event in events] == ["offline", "online"]
    assert events[0].reason.startswith("refused: ")


async def test_another_reason_is_reported_when_it_comes():
    async with http_cameras() as own, pulling(camera(own, "/moody")) as world:
        await until(lambda: len(world.events(DEVICE_EVENTS, "demo/cam")) == 2)
    reasons = [event.reason.split(":")[0] for event in world.events(DEVICE_EVENTS, "demo/cam")]
    assert reasons == ["redirected", "not-a-jpeg"]


async def test_a_stream_that_stops_in_the_middle_is_asked_for_again():
    async with http_cameras() as own, pulling(camera(own, "/stream-hangs", "mjpeg")) as world:
        await until(lambda: own.asked["/stream-hangs"] >= 3)
        assert len(world.events(FRAMES, "demo/cam")) >= 2


async def test_a_wrong_login_is_not_tried_until_the_camera_locks_the_account():
    async with http_cameras() as own, pulling(camera(own, "/digest", login=WRONG)) as world:
        await until(lambda: world.events(DEVICE_EVENTS, "demo/cam"))
        asked = own.asked["/digest"]
        with pytest.raises(TimeoutError):  # many times the longest back-off of other faults
            await until(lambda: own.asked["/digest"] > asked, 0.5)
    assert world.events(DEVICE_EVENTS, "demo/cam")[0].reason.startswith("wrong-password: ")


async def test_no_password_is_reported_anywhere(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    paths = ["/query-login?user={username}&pwd={password}", "/hang?p={password}", "/digest"]
    async with http_cameras() as own:
        cameras = [
            camera(own, path, login=login, name=f"demo/{name}-{number}")
            for number, path in enumerate(paths)
            for name, login in (("right", LOGIN), ("wrong", WRONG))
        ]
        refused = Camera("demo/x", "snapshot", "http://127.0.0.1:9/?p={password}", 0.05, LOGIN)
        noise = camera(own, "/noise?p={password}", login=LOGIN, name="demo/noise")
        cameras += [refused, noise]
        async with pulling(*cameras) as world:
            names = [one.camera_id for one in cameras]
            await until(lambda: all(world.events(DEVICE_EVENTS, name) for name in names))
    events = "".join(repr(world.events(DEVICE_EVENTS, one.camera_id)) for one in cameras)
    everything = caplog.text + events + generate_latest().decode() + repr(cameras)
    for secret in (PASSWORD, WRONG.password, USER):
        assert secret not in everything
    assert "demo/wrong-0" in everything, "the cameras themselves are reported"


# ---------------------------------------------------------------- the file changes
async def test_a_camera_that_leaves_the_file_is_let_go_and_forgotten():
    async with http_cameras() as own, pulling(camera(own, "/stream", "mjpeg")) as world:
        await until(lambda: world.events(FRAMES, "demo/cam"))
        assert 'parking_pull_up{camera="demo/cam"} 1.0' in generate_latest().decode()
        world.files.set()
        await until(lambda: own.open["/stream"] == 0)
        await until(lambda: len(world.events(DEVICE_EVENTS, "demo/cam")) == 2)
        assert 'camera="demo/cam"' not in generate_latest().decode()
    assert world.events(DEVICE_EVENTS, "demo/cam")[-1].kind == "offline"


async def test_a_file_that_became_wrong_changes_nothing_and_is_reported():
    async with http_cameras() as own, pulling(camera(own, "/capture")) as world:
        await until(lambda: world.events(FRAMES, "demo/cam"))
        world.files.content = SettingsError(["one fault", "another"])
        await until(lambda: "parking_pull_file_faults 2.0" in generate_latest().decode())
        had = len(world.events(FRAMES, "demo/cam"))
        await until(lambda: len(world.events(FRAMES, "demo/cam")) > had)


async def test_an_unchanged_camera_keeps_its_connection_when_others_change():
    async with http_cameras() as own:
        kept = camera(own, "/stream", "mjpeg")
        async with pulling(kept) as world:
            await until(lambda: world.events(FRAMES, "demo/cam"))
            world.files.set(kept, camera(own, "/capture", name="demo/new"))
            await until(lambda: world.events(FRAMES, "demo/new"))
            assert own.asked["/stream"] == 1


async def test_a_slow_pace_opens_a_stream_for_each_picture_alone(monkeypatch):
    monkeypatch.setattr(puller_module, "HELD_PACE_S", 0.01)
    async with http_cameras() as own, pulling(camera(own, "/stream", "mjpeg")) as world:
        await until(lambda: len(world.events(FRAMES, "demo/cam")) >= 3)
        assert own.asked["/stream"] >= 2
        assert own.most_open["/stream"] == 1


async def test_a_fault_of_ours_on_one_camera_does_not_end_the_others():
    async with http_cameras() as own:

        class Broken:
            async def pictures(self, want):
                if want():
                    raise RuntimeError("what nobody thought of")
                yield b""

        def new_source(one: Camera):
            return Broken() if one.camera_id == "demo/cam" else source(one)

        cameras = camera(own, "/capture"), camera(own, "/capture", name="demo/good")
        async with pulling(*cameras, new_source=new_source) as world:
            await until(lambda: world.events(DEVICE_EVENTS, "demo/cam"))
            await until(lambda: world.events(FRAMES, "demo/good"))
    assert world.events(DEVICE_EVENTS, "demo/cam")[0].reason.startswith("internal-error")


# ---------------------------------------------------------------- the guard
async def pictures_of(one: Camera, networks: SiteNetworks) -> bytes:
    given = source(one, networks).pictures(lambda: "picture")
    try:
        return await anext(given)
    finally:
        await given.aclose()


async def test_an_address_outside_the_allowed_networks_is_never_connected_to():
    async with http_cameras() as own:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            one = Camera("demo/cam", "snapshot", own.url("/capture", host), 1)
            with pytest.raises(CameraFault, match="forbidden-address"):
                await pictures_of(one, SiteNetworks.parse(["192.168.0.0/16", "0.0.0.0/0"]))
        assert own.asked.total() == 0
        one = Camera("demo/cam", "snapshot", own.url("/capture"), 1)
        assert await pictures_of(one, SiteNetworks.parse(["127.0.0.0/8"]))


async def test_a_sites_network_is_for_its_own_cameras_only():
    networks = SiteNetworks.parse(["127.0.0.0/8", "north=127.0.0.1"])
    async with http_cameras() as own, rtsp_cameras() as streams, onvif_camera(OnvifCamera()) as box:
        urls: dict[Kind, str] = {"snapshot": own.url("/capture"), "mjpeg": own.url("/stream")}
        all_urls: dict[Kind, str] = {**urls, "rtsp": streams.url("/live")}
        for kind, url in all_urls.items():
            with pytest.raises(CameraFault, match="forbidden-address"):
                await pictures_of(Camera("south/cam", kind, url, 1), networks)
        asked = Camera("south/cam", "snapshot", "", 1, onvif=box.url)
        with pytest.raises(CameraFault, match="forbidden-address"):
            await pictures_of(asked, networks)
        assert own.asked.total() == 0
        for kind, url in urls.items():
            assert await pictures_of(Camera("north/cam", kind, url, 1), networks)
