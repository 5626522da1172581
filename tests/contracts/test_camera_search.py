"""Find ONVIF cameras in the page: from the notifier through ingest to the network, over UDP and
HTTP."""

import asyncio
from typing import Any

import pytest

from services.ingest.pull.finding import Finder
from services.ingest.pull.networks import SiteNetworks
from tests.support.camera_setup import rig
from tests.support.cameras import PASSWORD, USER
from tests.support.onvif_cameras import OnvifCamera, onvif_camera
from tests.support.onvif_responder import responding
from tests.support.pulling import LIMIT_S, LOOPBACK
from tools.stack.checks import free_ports

pytestmark = pytest.mark.timeout(60)
FIND = "/api/v1/sites/demo/sources/find"
PROFILES = "/api/v1/sites/demo/sources/profiles"
LOGIN = {"username": USER, "password": PASSWORD}
WAIT_S = 0.3


def finder(group: tuple[str, int], networks: SiteNetworks = LOOPBACK) -> Finder:
    return Finder(networks, LIMIT_S * 10, group, WAIT_S)


async def test_a_camera_is_found_asked_for_its_streams_and_tried(tmp_path):
    camera = OnvifCamera(host="192.168.1.20")
    async with onvif_camera(camera):
        service = f"http://10.1.2.3:{camera.port}/onvif/device_service"
        async with responding(service) as group, rig(tmp_path, finder=finder(group)) as own:
            (found,) = (await own.http.post(FIND)).json()
            # The host is the one that answered, not the one that its answer names.
            assert found == {
                "address": "127.0.0.1",
                "model": "Front door / IPC-1",
                "service": camera.url,
            }
            asked = {"service": found["service"], "login": LOGIN}
            main, sub = (await own.http.post(PROFILES, json=asked)).json()
            assert (main["name"], main["codec"], main["width"]) == ("main", "H265", 1920)
            assert sub["stream"].startswith("rtsp://127.0.0.1")
            body = {"version": 0, "kind": "snapshot", "url": sub["snapshot"], "login": LOGIN}
            tried = await own.http.post("/api/v1/cameras/demo/gate/source/try", json=body)
            assert (tried.status_code, tried.headers["content-type"]) == (200, "image/jpeg")


ASKED: list[tuple[dict[str, Any], str]] = [
    ({}, "password-needed"),
    ({"login": LOGIN | {"password": "wrong"}}, "wrong-password"),
    ({"service": "http://10.9.8.7/onvif/device_service"}, "forbidden-address"),
    ({"service": "http://u:p@127.0.0.1/x"}, "bad-camera"),
    ({"service": "ftp://127.0.0.1/x"}, "bad-camera"),
]


async def test_a_camera_that_cannot_be_asked_says_why(tmp_path):
    async with onvif_camera(OnvifCamera()) as camera, rig(tmp_path) as own:
        for more, reason in ASKED:
            answer = await own.http.post(PROFILES, json={"service": camera.url} | more)
            assert (answer.status_code, answer.json()["error"]) == (422, reason)
            assert answer.json()["detail"]
            assert "wrong" not in answer.json()["detail"].replace("wrong-password", "")


async def test_a_camera_outside_the_allowed_networks_is_not_listed(tmp_path):
    elsewhere = SiteNetworks.parse(["10.0.0.0/8"])
    async with responding() as group, rig(tmp_path, finder=finder(group, elsewhere)) as own:
        answer = await own.http.post(FIND)
        assert (answer.status_code, answer.json()) == (200, [])


async def test_another_sites_camera_is_not_listed_asked_or_tried(tmp_path):
    others = SiteNetworks.parse(["127.0.0.0/8", "north=127.0.0.1"])
    source = "/api/v1/cameras/demo/gate/source"
    async with (
        onvif_camera(OnvifCamera()) as camera,
        responding(camera.url) as group,
        rig(tmp_path, finder=finder(group, others), networks=others) as own,
    ):
        assert (await own.http.post(FIND)).json() == []
        asked = await own.http.post(PROFILES, json={"service": camera.url, "login": LOGIN})
        tried = await own.http.post(source + "/try", json=own.body())
        for refused in (asked, tried):
            assert (refused.status_code, refused.json()["error"]) == (422, "forbidden-address")
        assert own.devices.asked.total() == 0
        own_site = [path.replace("demo", "north") for path in (FIND, source + "/try")]
        assert len((await own.http.post(own_site[0])).json()) == 1
        assert (await own.http.post(own_site[1], json=own.body())).status_code == 200


async def test_a_site_searches_once_at_a_time(tmp_path):
    async with responding() as group, rig(tmp_path, finder=finder(group)) as own:
        answers = await asyncio.gather(*(own.http.post(FIND) for _ in range(2)))
        assert sorted(one.status_code for one in answers) == [200, 503]
        refused = next(one for one in answers if one.status_code == 503)
        assert refused.json()["error"] == "busy"
        assert (await own.http.post(FIND)).status_code == 200


async def test_without_a_network_it_says_so(tmp_path):
    nowhere = finder(("255.255.255.255", free_ports(1)[0]))  # broadcast is not permitted
    async with rig(tmp_path, finder=nowhere) as own:
        answer = await own.http.post(FIND)
        assert (answer.status_code, answer.json()["error"]) == (503, "no-network")


async def test_only_an_administrator_may_search(tmp_path):
    async with rig(tmp_path) as own:
        for path in (FIND, PROFILES):
            nobody = await own.http.post(path, headers={"Authorization": ""})
            assert nobody.status_code == 401
