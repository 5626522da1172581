"""Damaged pictures go through intake, detector and tracker rule. Each gets a reason, and no slot
changes.

A vehicle stands in each slot. What a decoder makes of the damage (grey, or parts of another
camera's picture) would show some of the slots as free if it were trusted.
"""

import cv2
import numpy as np
import pytest

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import DetectionMade, SlotChanged
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.topics import mqtt_topic
from parking.wire import codec
from services.detector.handler import handle_frames
from services.ingest.handler import handle_message
from services.ingest.messages import Context, Message
from tests.support.detector_tools import SLOTS, jpeg, layout, record, scene, tools

FULL = tuple(SLOTS)
SIZE_WH = (1280, 720)
PERCENTS = (*range(10, 100, 10), 95, 99)
EOI = b"\xff\xd9"


class Lot:
    """Sends one camera's frames all the way to changes."""

    def __init__(self) -> None:
        plan, other = layout(), layout("demo/other")
        self._tools = tools(plan, other, skip=False)
        self._site = Site(site_id="demo")
        for one in (plan, other):
            self._site, _ = step(self._site, lots.adoption(one, "test"))
        self._sent = 0

    async def see(self, data: bytes, camera: str = "demo/north") -> tuple[list[str], int]:
        """Return the reason against the picture, and the number of slots that changed."""
        self._sent += 1
        topic = mqtt_topic(camera, "frame", 1, self._sent, 1000 * self._sent)
        handled = handle_message(Message(topic, data, 1000 * self._sent), Context())
        reasons, changes = [], 0
        for message in handled.outgoing:
            event = codec.decode(record(message, self._sent))
            if "dead-letters" in message.topic:
                reasons.append(getattr(event, "reason", ""))
                continue
            for written in await handle_frames([record(message, self._sent)], self._tools):
                made = codec.decode(record(written, self._sent))
                if not isinstance(made, DetectionMade):
                    reasons.append(getattr(made, "reason", ""))
                    continue
                if made.health.status != "ok":
                    reasons.append(made.health.status)
                self._site, outputs = step(self._site, made)
                changes += sum(isinstance(output, SlotChanged) for output in outputs)
        return reasons, changes


@pytest.fixture
async def lot() -> Lot:
    made = Lot()
    for seed in range(2):
        for camera in ("demo/other", "demo/north"):
            assert (await made.see(good(seed), camera))[0] == []
    return made


def good(seed: int) -> bytes:
    return jpeg(scene(FULL, seed, SIZE_WH, ground=0))


def progressive(seed: int) -> bytes:
    flags = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 90)
    return bytes(cv2.imencode(".jpg", scene(FULL, seed, SIZE_WH, ground=0), flags)[1])


@pytest.mark.parametrize("percent", PERCENTS)
@pytest.mark.parametrize("ending", [b"", EOI], ids=["cut", "cut-and-closed"])
async def test_no_truncated_picture_changes_a_slot(lot: Lot, percent: int, ending: bytes):
    """Each is decoded right after another camera's empty lot, and as often as hysteresis
    requires."""
    for seed in range(2, 6):
        empty = jpeg(scene((), seed, SIZE_WH, ground=0))
        cut = good(seed)[: len(good(seed)) * percent // 100] + ending
        await lot.see(empty, "demo/other")
        reasons, changes = await lot.see(cut)
        assert reasons
        assert changes == 0


@pytest.mark.parametrize("percent", PERCENTS)
async def test_no_cut_progressive_picture_changes_a_slot(lot: Lot, percent: int):
    """A late cut leaves a coarser picture of the same vehicles, which may be trusted."""
    for seed in range(2, 6):
        data = progressive(seed)
        _, changes = await lot.see(data[: len(data) * percent // 100] + EOI)
        assert changes == 0


@pytest.mark.parametrize("value", [0, 114, 128, 255])
async def test_no_blank_picture_changes_a_slot_to_free(lot: Lot, value: int):
    blank = np.full((SIZE_WH[1], SIZE_WH[0], 3), value, np.uint8)
    reasons, _ = await lot.see(jpeg(blank))
    assert reasons


async def test_ten_thousand_mutations_end_in_a_picture_or_a_reason():
    rng = np.random.default_rng(11)
    whole = np.frombuffer(jpeg(scene(FULL, 1)), np.uint8)
    passed = 0
    for number in range(10_000):
        damaged = whole.copy()
        places = rng.integers(0, len(whole), rng.integers(1, 12))
        damaged[places] = rng.integers(0, 256, len(places))
        topic = mqtt_topic("demo/north", "frame", 1, number + 1, 1000)
        handled = handle_message(Message(topic, damaged.tobytes(), 1000), Context())
        passed += handled.outgoing[0].topic == "parking.frames"
    assert 0 < passed < 10_000


async def test_negative_control_an_empty_lot_changes_every_slot(lot: Lot):
    """The pictures take the same path but must be trusted."""
    changed = 0
    for seed in range(2, 6):
        for camera in ("demo/other", "demo/north"):
            reasons, changes = await lot.see(jpeg(scene((), seed, SIZE_WH, ground=0)), camera)
            assert reasons == []
            changed += changes
    assert changed >= len(FULL)


def test_a_bomb_is_refused_by_its_header():
    head = bytes(cv2.imencode(".jpg", scene())[1])
    start = head.index(b"\xff\xc0")
    bomb = head[: start + 5] + (65_500).to_bytes(2) * 2 + head[start + 9 :]
    topic = mqtt_topic("demo/north", "frame", 1, 1, 1000)
    handled = handle_message(Message(topic, bomb, 1000), Context())
    (message,) = [m for m in handled.outgoing if "dead-letters" in m.topic]
    event = codec.decode(record(message, 1))
    assert not isinstance(event, Invalid)
    assert "pixels" in getattr(event, "reason", "") + getattr(event, "detail", "")
