"""ONVIF: the profiles and addresses of cameras with habits seen in the field, and polling one by
its profile. Real servers run on 127.0.0.1."""

from functools import partial

import pytest

from parking.core.topics import FRAMES
from services.ingest.pull.camerafile import Camera, Credential
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.media import Profile, choose, web_url, with_addresses
from services.ingest.pull.networks import Networks
from services.ingest.pull.onvifcam import OnvifDevice
from tests.support.cameras import PASSWORD, USER
from tests.support.onvif_cameras import OnvifCamera, onvif_camera
from tests.support.pulling import LOOPBACK, pulling, source
from tests.support.waiting import until

LOGIN = Credential(username=USER, password=PASSWORD)
WRONG = Credential(username=USER, password="wrong-canary")
LOCAL = LOOPBACK.of_all()


async def probed(
    own: OnvifCamera, login: Credential | None = LOGIN, networks: Networks = LOCAL
) -> list[Profile]:
    return await OnvifDevice(own.url, networks, 10, login).profiles()


async def fault(own: OnvifCamera, login: Credential | None = LOGIN) -> CameraFault:
    with pytest.raises(CameraFault) as caught:
        await probed(own, login)
    return caught.value


@pytest.mark.parametrize(
    "habits",
    [
        {},
        {"version": 1},
        {"knows_services": False},
        {"broken_version_2": True},
        {"login": "http"},
        {"login": "none"},
        {"clock_ahead_s": 86_400.0 * 400},
        {"clock_ahead_s": -90.0},
        {"clock_needs_login": True},
        {"login": "http", "clock_needs_login": True},
        {"clock_needs_login": True, "clock_ahead_s": 90.0, "sends_date": True},
        {"host": "0.0.0.0"},  # noqa: S104 -- nothing is bound to it
        {"host": "192.0.2.99"},
        {"host": "169.254.169.254"},
        {"host": "camera.invalid"},
    ],
    ids=str,
)
@pytest.mark.parametrize("other_port", [False, True])
async def test_profiles_and_addresses_are_listed(habits, other_port: bool):
    async with onvif_camera(OnvifCamera(**habits), other_port=other_port) as own:
        main, sub = await probed(own)
    assert (main.name, main.codec, main.width, main.height, main.rate) == (
        *("main", "H265"),
        *(1920, 1080, 25),
    )
    assert sub.stream == "rtsp://127.0.0.1:8554/p_sub", "the host is the one that was asked"
    assert sub.snapshot == f"http://127.0.0.1:{own.port}/snap/p_sub.jpg"
    assert not any(PASSWORD in head for head in own.heads), "no password in clear text"


async def test_relative_addresses_and_no_snapshots():
    async with onvif_camera(OnvifCamera(relative=True)) as own:
        assert (await probed(own))[0].snapshot == f"http://127.0.0.1:{own.port}/snap/p_main.jpg"
    async with onvif_camera(OnvifCamera(has_snapshots=False)) as own:
        assert [one.snapshot for one in await probed(own)] == ["", ""]


async def test_a_login_in_an_address_is_taken_out():
    async with onvif_camera(OnvifCamera(login_in_uri=True)) as own:
        for one in await probed(own):
            for address in (one.stream, one.snapshot):
                assert PASSWORD not in address
                assert "@" not in address
                assert address.endswith("?user={username}&password={password}&n=1")


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("rtsp://admin:secret@10.0.0.9/ch1", "rtsp://cam:554/ch1"),
        ("rtsp://10.0.0.9:8554/user=admin_password=secret_channel=1.sdp?real", "/user={username}_"),
        (
            "rtsp://10.0.0.9/live?USER=admin&PWD=secret_x;y=1&q=2",
            "?USER={username}&PWD={password};",
        ),
        ("rtsp://u:secret@[fe80::1]:8554/a?password=secret", "?password={password}"),
        ("//10.0.0.9/live?passwd=secret", ""),
        ("javascript:secret", ""),
        ("rtsp://x:99999999/secret", ""),
        ("rtsp://x/a b", ""),
    ],
)
def test_addresses_from_cameras_contain_no_login_and_no_other_host(given: str, clean: str):
    one = with_addresses(Profile("t", "n"), given, "", "http://cam:80/onvif/device_service", LOGIN)
    assert "secret" not in one.stream
    assert "10.0.0.9" not in one.stream
    assert (clean.replace(":554", "") in one.stream) if clean else not one.stream
    assert not one.stream or one.stream.startswith("rtsp://cam")


def test_a_camera_cannot_lead_from_https_to_http():
    """A login or a pinned certificate is only for the encrypted connection."""
    asked = "https://cam:8443/onvif/device_service"
    one = with_addresses(Profile("t", "n"), "", "http://10.0.0.9:80/snap.jpg", asked, LOGIN)
    assert one.snapshot == "https://cam:8443/snap.jpg"
    assert web_url("http://10.0.0.9/onvif/media", asked) == "https://cam:8443/onvif/media"
    assert web_url("http://x/media", "http://cam/onvif") == "http://cam/media"


@pytest.mark.parametrize("login", ["wsse", "http"])
async def test_a_wrong_login_is_reported_after_few_tries(login: str):
    """Cameras lock accounts after a few tries."""
    async with onvif_camera(OnvifCamera(login=login)) as own:
        assert (await fault(own, WRONG)).reason == "wrong-password"
        assert own.asked.count("GetServices") <= 2
        assert "GetProfiles" not in own.asked
        assert (await fault(own, None)).reason == "password-needed"


async def test_negative_control_a_clock_that_is_not_asked_for_refuses_the_login(monkeypatch):
    monkeypatch.setattr("services.ingest.pull.media.clock_skew_s", lambda answer, now_s: 0.0)
    async with onvif_camera(OnvifCamera(clock_ahead_s=90.0)) as own:
        assert (await fault(own)).reason == "wrong-password"


@pytest.mark.parametrize(
    ("habits", "words"),
    [({"html": True}, "text/html"), ({"definitions": True}, "is this the address")],
)
async def test_what_is_no_onvif_is_reported(habits, words: str):
    async with onvif_camera(OnvifCamera(**habits)) as own:
        found = await fault(own)
    assert found.reason == "not-onvif"
    assert words in found.detail


async def test_addresses_outside_the_networks_are_not_connected_to():
    async with onvif_camera(OnvifCamera()) as own:
        with pytest.raises(CameraFault) as caught:
            await probed(own, networks=Networks.parse(["10.0.0.0/8"]))
        assert caught.value.reason == "forbidden-address"
        assert not own.heads


async def test_a_camera_is_polled_by_its_profile():
    async with onvif_camera(OnvifCamera(clock_ahead_s=500.0, login_in_uri=True)) as own:
        by_profile = Camera("demo/cam", "snapshot", "", 0.2, LOGIN, onvif=own.url, profile="sub")
        patient = partial(source, limit_s=10)  # a time-out would make it ask again
        async with pulling(by_profile, new_source=patient) as world:
            await until(lambda: len(world.events(FRAMES, "demo/cam")) >= 2)
        fetched = [head.split()[1] for head in own.heads if head.startswith("GET")]
        assert fetched[0].startswith(f"/snap/p_sub.jpg?user={USER}&password={PASSWORD}")
        assert own.asked.count("GetProfiles") == 1, "asked once, not for each picture"


async def test_a_profile_that_the_camera_does_not_have_is_reported():
    async with onvif_camera(OnvifCamera()) as own:
        camera = Camera("demo/cam", "rtsp", "", 0.2, LOGIN, onvif=own.url, profile="third")
        with pytest.raises(CameraFault, match=r"'third'.*it has main, sub") as caught:
            await anext(source(camera, limit_s=10).pictures(lambda: "picture"))
    assert caught.value.reason == "no-profile"


def test_a_small_profile_is_chosen_unless_one_is_named():
    sizes = [(1920, 1080), (1280, 720), (640, 360)]
    found = [Profile(f"t{w}", f"n{w}", "H264", w, h, stream="rtsp://x/") for w, h in sizes]

    def token(profiles: list[Profile], wanted: str | None, kind: str = "rtsp") -> str | None:
        one = choose(profiles, wanted, kind)
        return one.token if one else None

    assert token(found, None) == "t1280"
    assert token(found[:1], None) == "t1920"
    assert token(found, "n640") == token(found, "t640") == "t640"
    assert token(found, "n1") is None
    assert token(found, None, "snapshot") is None
