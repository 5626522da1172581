"""`parking cameras`: what is told of each camera, and who answers in the network."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from parking.stack.settings import ROOT
from services.ingest import onvif
from tests.cameras import PASSWORD, USER, HttpCameras, http_cameras, jpeg
from tests.rtsp_cameras import rtsp_cameras


def written(folder: Path, *entries: dict[str, object]) -> tuple[Path, Path]:
    cameras, logins = folder / "cameras.json", folder / "logins.json"
    cameras.write_text(json.dumps({"cameras": entries}))
    logins.write_text(json.dumps({"one": {"username": USER, "password": PASSWORD}}))
    logins.chmod(0o600)
    return cameras, logins


async def check(
    *arguments: str | Path, networks: str = "127.0.0.1", **more: str
) -> tuple[int, str]:
    """As a person runs it; exit status and what was told."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "parking", "cameras", "check", *map(str, arguments)],
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


async def test_each_camera_is_tried_once_and_told(tmp_path: Path):
    async with http_cameras() as own, rtsp_cameras() as streams:
        files = written(
            tmp_path,
            entry(own, "good", "/digest", credential="one"),
            entry(own, "stream", "/stream", kind="mjpeg"),
            entry(own, "video", "", kind="rtsp", url=streams.url("/live")),
            entry(own, "bad", "/cut"),
            entry(own, "slow", "/hang"),
        )
        status, told = await check(files[0], "--credentials", files[1], "--limit-s", "2")
    lines = {line.split()[0]: line.split() for line in told.splitlines()}
    assert status == 1
    for name, kind in (("good", "snapshot"), ("stream", "mjpeg"), ("video", "rtsp")):
        assert lines[f"demo/{name}"][1:4] == [kind, "ok", "64x48"], told
    assert lines["demo/bad"][2] == "cut-off:"
    assert lines["demo/slow"][2] == "timeout:"
    assert told.endswith("3 of 5 cameras give pictures\n")
    assert PASSWORD not in told


async def test_all_good_is_exit_status_0_and_the_networks_count(tmp_path: Path):
    async with http_cameras() as own:
        files = written(tmp_path, entry(own, "good", "/capture"))
        assert (await check(files[0]))[0] == 0
        status, told = await check(files[0], networks="10.0.0.0/8")
    assert status == 1
    assert "forbidden-address" in told


async def test_a_picture_that_ingest_would_refuse_is_refused(tmp_path: Path):
    async with http_cameras() as own:
        files = written(tmp_path, entry(own, "good", "/capture"))
        own.picture = lambda: jpeg(size=(120, 160))  # type: ignore[method-assign]  # larger
        assert (await check(files[0]))[0] == 0
        status, told = await check(files[0], FRAME_MAX_PIXELS="10000")
        assert (status, "at most 10000 pixels" in told) == (1, True), told
        status, told = await check(files[0], "--networks", "10.0.0.0/8")
        assert "forbidden-address" in told, "an option goes before its setting"
        for wrong in ({"FRAME_MAX_PIXELS": "many"}, {"CAMERAS_LIMIT_S": "0"}):
            status, told = await check(files[0], **wrong)
            assert status == 2
            assert next(iter(wrong)) in told


async def test_faults_of_the_files_are_all_told(tmp_path: Path):
    files = written(tmp_path, {"camera": "X"}, {"camera": "demo/a", "kind": "rtsp", "url": "x://"})
    files[1].chmod(0o644)
    status, told = await check(files[0], "--credentials", files[1])
    assert status == 2
    for words in ("chmod 600", "camera 1:", "camera 2 (demo/a): url: rtsp needs"):
        assert words in told
    assert "Traceback" not in told


# ---------------------------------------------------------------- discovery
ANSWER = """<s:Envelope xmlns:s="x"><s:Body><d:ProbeMatches><d:ProbeMatch>
<w:RelatesTo>uuid:{id}</w:RelatesTo><d:Types>dn:NetworkVideoTransmitter</d:Types>
<d:Scopes>onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/IPC-1
onvif://www.onvif.org/Profile/S</d:Scopes>
<d:XAddrs>http://192.168.1.20/onvif/device_service http://[fe80::1]/x</d:XAddrs>
</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"""


class Responder(asyncio.DatagramProtocol):
    """A camera, a stranger and a babbler behind one address."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        asked = data.decode().partition("uuid:")[2].partition("<")[0]
        for text in (ANSWER.format(id=asked), ANSWER.format(id="another"), "\x00\xff" * 9):
            self.transport.sendto(text.encode(), addr)  # type: ignore[attr-defined]


async def test_who_answers_the_question_is_listed():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        Responder, local_addr=("127.0.0.1", 0), family=socket.AF_INET
    )
    try:
        found = await onvif.discover(0.3, transport.get_extra_info("sockname"))
    finally:
        transport.close()
    service = "http://192.168.1.20/onvif/device_service"
    assert found == [onvif.Found("127.0.0.1", "Front door / IPC-1", service)]


@pytest.mark.parametrize("text", ["", "<XAddrs></XAddrs>", "<XAddrs>http://x</XAddrs>"])
def test_an_answer_to_nobodys_question_is_passed_over(text):
    assert onvif.answer(text.encode(), "10.0.0.1", "me") is None


def test_an_answer_cannot_write_on_the_terminal_as_it_likes():
    text = "uuid:me <XAddrs>http://x/\x1b[2J</XAddrs> onvif://www.onvif.org/name/%1b[31mred"
    found = onvif.answer(text.encode(), "10.0.0.1", "me")
    assert found is not None
    assert "\x1b" not in found.service + found.model
