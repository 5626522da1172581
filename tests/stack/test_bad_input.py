"""Bad input, as its sender sees it: a clear refusal, a dead letter where one is due, and no
interruption."""

import json
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from parking.core.topics import DEAD_LETTERS, DEAD_LETTERS_FRAMES, FRAMES
from tests.support.brokers import Client, aedes
from tests.support.ingest_process import Bridge, Log, picture
from tests.support.waiting import wait_until
from tools.stack.infra import Infra

pytestmark = pytest.mark.stack


def of_20_megapixels() -> bytes:
    """Return a real small picture that claims to be 5000x4000."""
    jpeg = bytearray(picture())
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 4000, 5000)
    return bytes(jpeg)


BAD = {
    "truncated": ("frame/1/1/0", picture()[:-40], "frame", "truncated", DEAD_LETTERS_FRAMES),
    "20 MP": ("frame/1/2/0", of_20_megapixels(), "frame", "too-many-pixels", DEAD_LETTERS_FRAMES),
    "text": ("frame/1/3/0", b"hello", "frame", "not-a-jpeg", DEAD_LETTERS_FRAMES),
    "topic": ("frame/one/two", picture(), "topic", "bad-topic", DEAD_LETTERS_FRAMES),
    "gate": ("gate/1/4", b'{"direction":"entry"}', "gate", "bad-schema", DEAD_LETTERS),
}


@pytest.fixture
def bridge(infra: Infra, tmp_path: Path, unique) -> Iterator[tuple[Bridge, str, Client]]:
    with aedes(tmp_path) as broker:
        broker.add("bridge")
        device = f"{unique('site')}/cam"
        broker.add(device)
        made = Bridge(infra, broker, tmp_path, unique("bridge"))
        made.start()
        with Client(broker, device) as client:
            client.subscribe(f"parking/v1/{device}/ack")
            yield made, device, client
        if made.process.poll() is None:
            made.end(signal.SIGKILL)


def test_each_is_refused_to_its_senders_face_and_the_next_good_one_passes(
    infra: Infra, bridge: tuple[Bridge, str, Client]
):
    made, device, client = bridge
    site, log = device.split("/")[0], Log(infra)
    for suffix, payload, of, reason, _ in BAD.values():
        client.publish(f"parking/v1/{device}/{suffix}", payload)
        ack = json.loads(client.next().payload)
        assert (ack["of"], ack["result"], ack["reason"]) == (of, "rejected", reason)
        assert ack["detail"] or reason == "empty", "words for a person"
    client.publish(f"parking/v1/{device}/frame/1/9/{time.time_ns() // 1_000_000}", picture())
    wait_until(lambda: f"{device}/1/9" in log.ids(FRAMES, site), 20, "the good frame")
    letters = [
        letter
        for topic in (DEAD_LETTERS, DEAD_LETTERS_FRAMES)
        for letter in log.of(topic, site)
        if device in letter.topic
    ]
    assert sorted(letter.reason for letter in letters) == sorted(b[3] for b in BAD.values())
    assert made.process.poll() is None


@pytest.mark.parametrize(
    ("body", "kind", "status", "error"),
    [
        (picture()[:-40], "image/jpeg", 422, "truncated"),
        (of_20_megapixels(), "image/jpeg", 422, "too-many-pixels"),
        (b"hello", "image/jpeg", 422, "not-a-jpeg"),
        (bytes(2_000_000), "image/jpeg", 413, "too-large"),
    ],
)
def test_over_http_the_answer_says_what_is_wrong(infra, bridge, body, kind, status, error):
    made, device, _ = bridge
    key = made.keys.renew(device)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    answer = httpx.post(f"{made.url}/ingest/v1/frames/{device}", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] == error
    assert answer.json()["detail"]
