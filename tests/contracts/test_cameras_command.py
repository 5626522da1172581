"""`parking cameras`: the report on each camera, and the cameras that answer on the network."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.ingest.pull import onvif
from tests.support.cameras import PASSWORD, USER, HttpCameras, http_cameras, jpeg
from tests.support.onvif_cameras import OnvifCamera, onvif_camera
from tests.support.onvif_responder import SERVICE, responding
from tests.support.rtsp_cameras import rtsp_cameras
from tools.stack.settings import ROOT


def written(folder: Path, *entries: dict[str, object]) -> tuple[Path, Path]:
    cameras, logins = folder / "cameras.json", folder / "logins.json"
    cameras.write_text(json.dumps({"cameras": entries}))
    logins.write_text(json.dumps({"one": {"username": USER, "password": PASSWORD}}))
    logins.chmod(0o600)
    return cameras, logins


async def check(
    *arguments: str | Path, networks: str = "127.0.0.1", action: str = "check", **more: str
) -> tuple[int, str]:
    """Run the command as a person would. Return its exit status and output."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tools.cli", "cameras", action, *map(str, arguments)],
        cwd=ROOT,
        env={"CAMERAS_NETWORKS": networks, "PATH": "/usr/bin", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=25,
    )
    return ran.returncode, ran.stdout.decode()


def entry(own: HttpCameras, name: str, path: str, **more: object) -> dict[str, object]:
    return {"camera": f"demo/{name}", "kind": "snapshot", "url": own.url(path)} | more


async def test_each_camera_is_tried_once_and_reported(tmp_path: Path):
    async with http_cameras() as own, rtsp_cameras() as streams:
        files = written(
            tmp_path,
            entry(own, "good", "/digest", credential="one"),
            entry(own, "stream", "/stream", kind="mjpeg"),
            entry(own, "video", "", kind="rtsp", url=streams.url("/live")),
            entry(own, "bad", "/cut"),
            entry(own, "slow", "/hang"),
        )
        status, printed = await check(files[0], "--credentials", files[1], "--limit-s", "2")
    lines = {line.split()[0]: line.split() for line in printed.splitlines()}
    assert status == 1
    for name, kind in (("good", "snapshot"), ("stream", "mjpeg"), ("video", "rtsp")):
        assert lines[f"demo/{name}"][1:4] == [kind, "ok", "64x48"], printed
    assert lines["demo/bad"][2] == "cut-off:"
    assert lines["demo/slow"][2] == "timeout:"
    assert printed.endswith("3 of 5 cameras sent a picture\n")
    assert PASSWORD not in printed


async def test_all_good_is_exit_status_0_and_the_networks_count(tmp_path: Path):
    async with http_cameras() as own:
        files = written(tmp_path, entry(own, "good", "/capture"))
        assert (await check(files[0]))[0] == 0
        status, printed = await check(files[0], networks="10.0.0.0/8")
    assert status == 1
    assert "forbidden-address" in printed


async def test_a_turned_camera_is_shown_with_its_sides_and_devices_are_not_polled(tmp_path: Path):
    async with http_cameras() as own:
        device = {"camera": "demo/yard", "kind": "device", "rotate": 180}
        files = written(tmp_path, entry(own, "gate", "/capture", rotate=90), device)
        status, printed = await check(files[0])
    assert status == 0, printed
    assert "48x64" in printed
    assert printed.endswith("1 of 1 cameras sent a picture\n")


async def test_a_picture_that_ingest_would_refuse_is_refused(tmp_path: Path):
    async with http_cameras() as own:
        files = written(tmp_path, entry(own, "good", "/capture"))
        own.picture = lambda: jpeg(size=(120, 160))  # type: ignore[method-assign]  # larger
        assert (await check(files[0]))[0] == 0
        status, printed = await check(files[0], FRAME_MAX_PIXELS="10000")
        assert (status, "at most 10000 pixels" in printed) == (1, True), printed
        status, printed = await check(files[0], "--networks", "10.0.0.0/8")
        assert "forbidden-address" in printed, "an option goes before its setting"
        for wrong in ({"FRAME_MAX_PIXELS": "many"}, {"CAMERAS_LIMIT_S": "0"}):
            status, printed = await check(files[0], **wrong)
            assert status == 2
            assert next(iter(wrong)) in printed


async def test_faults_of_the_files_are_all_reported(tmp_path: Path):
    files = written(tmp_path, {"camera": "X"}, {"camera": "demo/a", "kind": "rtsp", "url": "x://"})
    files[1].chmod(0o644)
    status, printed = await check(files[0], "--credentials", files[1])
    assert status == 2
    for words in ("chmod 600", "camera 1:", "camera 2 (demo/a): url: rtsp needs"):
        assert words in printed
    assert "Traceback" not in printed


async def test_a_camera_is_checked_at_the_address_of_its_profile(tmp_path: Path):
    async with onvif_camera(OnvifCamera()) as own:
        one: dict[str, object] = {"camera": "demo/gate", "kind": "snapshot", "onvif": own.url}
        one["credential"] = "one"
        files = written(tmp_path, one, one | {"camera": "demo/other", "profile": "third"})
        status, printed = await check(files[0], "--credentials", files[1])
    assert status == 1
    assert "demo/gate   snapshot  ok" in printed
    assert "it has main, sub" in printed
    assert own.url in printed


async def test_profiles_and_addresses_are_printed(tmp_path: Path):
    files = written(tmp_path)
    async with onvif_camera(OnvifCamera(clock_ahead_s=90.0, login_in_uri=True)) as own:
        login = ("--credentials", files[1], "--login", "one")
        status, printed = await check(own.url, *login, action="probe")
        cells = [line.split() for line in printed.splitlines()]
        assert (status, len(cells)) == (0, 3), printed
        assert cells[1][:5] == [own.url, "main", "H265", "1920x1080", "25"]
        assert cells[2][5].startswith("rtsp://127.0.0.1:8554/p_sub")
        assert PASSWORD not in printed
        status, printed = await check(own.url, f"127.0.0.1:{own.port}", action="probe")
        assert (status, printed.count("password-needed")) == (1, 2)
        status, printed = await check(own.url, networks="10.0.0.0/8", action="probe")
        assert (status, "forbidden-address" in printed) == (1, True)
    for wrong in (("--login", "one"), (*login, "--login", "two"), ("--networks", "x")):
        status, printed = await check("cam", *wrong, action="probe")
        assert (status, "Traceback" in printed) == (2, False), printed


# ---------------------------------------------------------------- discovery
async def test_cameras_that_answer_are_listed():
    async with responding() as group:
        found = await onvif.discover(0.3, group)
    assert found == [onvif.Found("127.0.0.1", "Front door / IPC-1", SERVICE)]


@pytest.mark.parametrize("text", ["", "<XAddrs></XAddrs>", "<XAddrs>http://x</XAddrs>"])
def test_an_answer_to_nobodys_question_is_passed_over(text):
    assert onvif.answer(text.encode(), "10.0.0.1", "me") is None


def test_an_answer_cannot_write_on_the_terminal_as_it_likes():
    text = "uuid:me <XAddrs>http://x/\x1b[2J</XAddrs> onvif://www.onvif.org/name/%1b[31mred"
    found = onvif.answer(text.encode(), "10.0.0.1", "me")
    assert found is not None
    assert "\x1b" not in found.service + found.model
