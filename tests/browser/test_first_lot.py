"""Get from an empty system to the first coloured space in a real Chromium, by mouse and by keyboard
alone, with an IP camera and with an uploaded picture. Everything behind the page is real.

dashboard/e2e/first.mjs contains the steps and counts the actions.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import httpx
import numpy as np
import psycopg
import pytest

from parking.access.keys import KeyFile
from services.persister.migrate import migrate
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tools.stack import services
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

PICTURE = ROOT / "demo" / "north" / "030.jpg"
SITES = ("mouse-camera", "mouse-picture", "keys-camera", "keys-picture")
NOISE = 3.0
"""In grey levels: a camera never sends the same picture twice."""

pytestmark = pytest.mark.timeout(900)


@contextmanager
def snapshot_camera() -> Iterator[str]:
    """Serve the demo's picture as a camera would, each time with different noise."""
    picture = np.asarray(cv2.imread(str(PICTURE)), np.float64)
    random = np.random.default_rng(1)

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen = picture + random.normal(0, NOISE, picture.shape)
            jpeg = cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8))[1].tobytes()
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(jpeg)))
            self.end_headers()
            self.wfile.write(jpeg)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/snapshot.jpg"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Infra]:
    """Run what `make run SIGN_IN=required` starts, without the simulator and without the services
    that store and count the past."""
    paths = Paths(tmp_path / "state", CACHE)
    with Infra(paths, os.environ, parts=("kafka", "mqtt", "postgres")) as infra:
        asyncio.run(_migrate(infra.dsn))
        infra.start_service("ingest", {"CAMERAS_NETWORKS": "127.0.0.1/32"})
        infra.start_service("detector", limit_s=180)
        infra.start_service("tracker", {"TRACKER_TICK_S": "0.5"})
        infra.start_service("notifier", {"SIGN_IN": "required"})
        yield infra


async def _migrate(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await migrate(connection)


def empty(infra: Infra, site: str) -> None:
    """Remove the site with its cameras, and all accounts."""
    key = KeyFile(infra.keys_file).add(f"end-of-{site}", "write", "devices")
    with httpx.Client(
        base_url=infra.url("notifier"), headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as client:
        for source in client.get(f"/api/v1/sites/{site}/sources").json():
            client.delete(f"/api/v1/cameras/{source['camera_id']}/source").raise_for_status()
        client.delete(f"/api/v1/sites/{site}").raise_for_status()
    with psycopg.connect(infra.dsn, autocommit=True) as connection:
        connection.execute("truncate accounts.accounts cascade")


def test_the_first_space_has_a_colour_after_few_actions(system: Infra, e2e: Path, record_property):
    code = services.setup_code(system.settings.paths).read_text("utf-8").strip()
    wishes = {f"empty {site}": lambda site=site: empty(system, site) for site in SITES}
    with snapshot_camera() as camera:
        arguments = [system.url("notifier"), code, camera, str(PICTURE), str(CACHE)]
        checked = watch(e2e / "first.mjs", [*arguments, str(SCREENSHOTS)], wishes)
    assert len(checked) == len(SITES), checked
    for line in checked:
        record_property("browser", line)
