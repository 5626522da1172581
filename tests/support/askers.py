"""Outside clients of the pipeline that repeat each request until it is accepted: cameras and gates
at the broker, pictures over HTTP, and people at the API."""

import json
import time
from typing import Any

import httpx
from msgspec.structs import replace

from parking.access.keys import KeyFile
from parking.access.secret_files import PasswordFile
from parking.core import lots
from parking.core.topics import HTTP_FRAMES, LAYOUTS, SITE_COMMANDS
from parking.wire import codec
from tests.support.brokers import Broker, Client
from tests.support.detector_tools import frame, jpeg, layout, scene
from tests.support.ingest_process import picture
from tests.support.pipeline import Pipeline
from tests.support.site_feed import Feed
from tests.support.tracker_log import as_record, send
from tools.stack.checks import HOST


class Pictures:
    """Writes real pictures of a lot into parking.frames."""

    def __init__(self, pipeline: Pipeline, site: str) -> None:
        self.camera = f"{site}/north"
        self.frames: set[str] = set()
        self._pipeline = pipeline
        one = replace(layout(self.camera), time_ms=time.time_ns() // 1_000_000)
        send(
            pipeline.infra,
            [
                codec.outgoing(one, LAYOUTS, self.camera, "test"),
                as_record(lots.adoption(one, "test"), SITE_COMMANDS),
            ],
        )

    def send(self, count: int = 2) -> None:
        for _ in range(count):
            number, now_ms = len(self.frames) + 1, time.time_ns() // 1_000_000
            data = jpeg(scene(["A1", "A3"] if number // 4 % 2 else ["A2"], seed=number))
            times = {"time_ms": now_ms, "received_at_ms": now_ms}
            send(self._pipeline.infra, [frame(data, number, self.camera, **times)])
            self.frames.add(f"{self.camera}/1/{number}")


class Device:
    """A gate and camera at the broker that stays connected while the bridge comes and goes."""

    def __init__(self, pipeline: Pipeline, site: str) -> None:
        infra = pipeline.infra
        self.name, password = infra.add_device(site, "cam")
        passwords = infra.settings.paths.secrets / "mqtt_passwords"
        broker = Broker(infra.mqtt_port, PasswordFile(passwords), infra.pid("mqtt"), True)
        self.client = Client(broker, self.name, password=password)
        self.key = KeyFile(infra.keys_file).add(self.name, "frames")
        self.gates: set[str] = set()
        self.frames: set[str] = set()
        self._acked: set[int] = set()
        self._root = f"parking/v1/{self.name}"
        self._seq = 0

    def __enter__(self) -> "Device":
        self.client.__enter__()
        self.client.subscribe(f"{self._root}/ack")
        return self

    def __exit__(self, *error: object) -> None:
        self.client.__exit__(*error)

    def publish(self, count: int = 2) -> None:
        """Publish so many passages and a picture."""
        now_ms = time.time_ns() // 1_000_000
        for _ in range(count):
            self._seq += 1
            body = {"gate": "main", "captured_at_ms": now_ms, "plate_hash": None}
            body["direction"] = "entry" if self._seq % 3 else "exit"
            self.client.publish(f"{self._root}/gate/1/{self._seq}", json.dumps(body).encode())
            self.gates.add(f"{self.name}/gate/1/{self._seq}")
        self._seq += 1
        self.client.publish(f"{self._root}/frame/1/{self._seq}/{now_ms}", picture(self._seq))
        self.frames.add(f"{self.name}/1/{self._seq}")

    def acked(self) -> bool:
        """Return whether each passage was acknowledged end to end."""
        while not self.client.messages.empty():
            ack = json.loads(self.client.messages.get().payload)
            assert ack["result"] == "accepted", ack
            if ack["of"] == "gate":
                self._acked.add(ack["seq"])
        return self.gates == {f"{self.name}/gate/1/{seq}" for seq in self._acked}

    def post(self, port: str, seq: int) -> bool:
        """Send a picture over HTTP. Return whether it was accepted."""
        url = f"http://{HOST}:{port}{HTTP_FRAMES}/{self.name}"
        numbers = {"X-Boot-Id": "2", "X-Seq": str(seq), "Authorization": f"Bearer {self.key}"}
        headers = {"Content-Type": "image/jpeg"} | numbers
        try:
            answer = httpx.post(url, content=picture(seq), headers=headers, timeout=10)
        except httpx.HTTPError:
            return False
        if answer.status_code == 202:
            self.frames.add(f"{self.name}/2/{seq}")
        return answer.status_code == 202


class Person:
    """Somebody who writes through the API, and tries again with the same key."""

    def __init__(self, pipeline: Pipeline, feed: Feed, url: str = "") -> None:
        key = KeyFile(pipeline.infra.keys_file).add(feed.site, "write")
        self._headers = {"Authorization": f"Bearer {key}"}
        self.url = url or pipeline.infra.url("notifier")
        self._feed = feed

    def passes(self, key: str) -> bool:
        """Report one vehicle. Return whether the gateway accepted it."""
        body = {"site_id": self._feed.site, "gate_id": "main", "time_ms": self._feed.now_ms()}
        headers = self._headers | {"Idempotency-Key": key}
        taken = self._asks("POST", "/api/sessions/entry", body, headers)
        if taken:
            self._feed.gates.add(f"{self._feed.site}/api/{key}")
        return taken

    def publishes(self, key: str) -> bool:
        """Publish a camera's first layout."""
        body = {
            "site_name": "Lot",
            "camera_name": key,
            "interval_ms": 60_000,
            "zones": [{"zone_id": "A", "name": "A"}],
            "slots": [
                {"slot_id": key, "zone_id": "A", "polygon": [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3)]}
            ],
        }
        return self._asks("PUT", f"/api/cameras/{self._feed.site}/{key}/layout", body, {})

    def _asks(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bool:
        given = self._headers | headers
        try:
            answer = httpx.request(method, self.url + path, json=body, headers=given, timeout=15)
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 202, 404, 503), answer.text
        return answer.is_success
