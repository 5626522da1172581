"""Odd but real JPEGs for the HTTP intake: each is stored or refused with a reason."""

import time
from collections.abc import Callable
from typing import Final

import cv2
import httpx
import numpy as np

from tools.cases import Verdict, case, verdict
from tools.cases.world import World


def _picture(width: int = 640, height: int = 480, *flags: int, grey: bool = False) -> bytes:
    """Make a unique picture, which contains the time."""
    image = np.full((height, width, 3), (90, 120, 90), np.uint8)
    for x in range(0, width, 37):
        y = (x * 7) % max(height, 1)
        cv2.rectangle(image, (x, y), (x + 20, y + 30), ((x * 5) % 255, (x * 3) % 255, 200), -1)
    cv2.putText(image, str(time.time_ns()), (5, 20), cv2.FONT_HERSHEY_PLAIN, 1, (255, 255, 255))
    shown = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if grey else image
    done, encoded = cv2.imencode(".jpg", shown, list(flags))
    if not done:
        raise ValueError("not encoded")
    return bytes(encoded)


def _without_tables(jpeg: bytes) -> bytes:
    """Make a JPEG as UVC webcams send it: no Huffman tables, APP0 "AVI1"."""
    out, at = bytearray(b"\xff\xd8\xff\xe0\x00\x10AVI1" + bytes(10)), 2
    while jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] not in (0xC4, 0xE0):
            out += jpeg[at : at + 2 + length]
        at += 2 + length
    return bytes(out + jpeg[at:])


def _height_later(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xc0")
    height = jpeg[at + 5 : at + 7]
    return jpeg[: at + 5] + b"\0\0" + jpeg[at + 7 : -2] + b"\xff\xdc\x00\x04" + height + b"\xff\xd9"


_ODD: Final[dict[str, Callable[[], bytes]]] = {
    "1x1": lambda: _picture(1, 1),
    "2x2000": lambda: _picture(2, 2000),
    "65000x8": lambda: _picture(65000, 8),
    "16x16": lambda: _picture(16, 16),
    "grey": lambda: _picture(grey=True),
    "progressive": lambda: _picture(640, 480, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "4:2:2": lambda: _picture(640, 480, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x211111),
    "4:4:4": lambda: _picture(640, 480, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
    "restarts": lambda: _picture(640, 480, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "quality 1": lambda: _picture(640, 480, cv2.IMWRITE_JPEG_QUALITY, 1),
    "1600x1201": lambda: _picture(1600, 1201),
    "no tables": lambda: _without_tables(_picture()),
    "height after the scan": lambda: _height_later(_picture()),
    "many comments": lambda: (p := _picture())[:2] + b"\xff\xfe\x00\x04hi" * 400 + p[2:],
    "fill bytes": lambda: (p := _picture())[:2] + b"\xff" * 9 + p[2:],
    "two in one": lambda: _picture() + _picture(),
    "the rest of an older one": lambda: _picture() + _picture(320, 240)[300:],
    "junk between": lambda: (p := _picture())[:20] + b"\0\0" + p[20:],
}


@case("jpegs", "every malformed JPEG is stored and can be viewed, or is refused with its reason")
def odd_jpegs(world: World) -> Verdict:
    """Send them with the camera's own key."""
    world.layout("t", "A1", camera="cam")
    headers = {"Content-Type": "image/jpeg"}
    headers |= {"Authorization": f"Bearer {world.key('t/cam', 'frames')}"}
    wrong, stored = [], 0
    for name, made in _ODD.items():
        answer = httpx.post(
            f"{world.ingest_url}/ingest/v1/frames/t/cam",
            content=made(),
            headers=headers,
            timeout=30,
        )
        body = answer.json()
        if answer.status_code == 202:
            stored += 1
            if not world.until(lambda body=body: _shown(world, body["frame_id"]), 10):
                wrong.append(f"{name}: stored, but not shown")
        elif not 400 <= answer.status_code < 500 or not body.get("detail"):
            wrong.append(f"{name}: {answer.status_code} {body}")
    return verdict(not wrong, wrong or f"{stored} stored, {len(_ODD) - stored} refused")


def _shown(world: World, frame_id: str) -> bool:
    answer = world.api.get("/api/cameras/t/cam/latest.jpg")
    return answer.status_code == 200 and answer.headers.get("x-frame-id") == frame_id
