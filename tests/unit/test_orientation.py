"""How pictures are turned: EXIF is read and written, turns are combined, and pictures are turned
and back."""

import itertools
import struct

import cv2
import numpy as np
import pytest

from parking.core.events import FrameReceived
from parking.core.jpeghead import header, header_size
from parking.core.orientation import UPRIGHT, Orientation, exif_segment, from_exif
from parking.vision.turning import as_shown, as_stored
from services.notifier.pictures import Picture, draw

TURNS = [Orientation(turn, mirror) for turn in (0, 90, 180, 270) for mirror in (False, True)]
PICTURE = np.arange(12, dtype=np.uint8).reshape(3, 4)
# EXIF's own definition: where the picture's rows and columns go.
BY_EXIF = {
    1: PICTURE,
    2: PICTURE[:, ::-1],
    3: PICTURE[::-1, ::-1],
    4: PICTURE[::-1],
    5: PICTURE.T,
    6: PICTURE.T[:, ::-1],
    7: PICTURE.T[::-1, ::-1],
    8: PICTURE.T[::-1],
}


def exif(value: int, order: str = ">", before: int = 0) -> bytes:
    """Return an APP1 body as cameras write it, with other tags before the orientation."""
    entries = [struct.pack(order + "HHII", 0x0100 + n, 4, 1, 9) for n in range(before)]
    entries.append(struct.pack(order + "HHIHH", 0x0112, 3, 1, value, 0))
    head = b"MM" if order == ">" else b"II"
    head += struct.pack(order + "HIH", 42, 8, len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + b"\0\0\0\0"


@pytest.mark.parametrize("value", BY_EXIF)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("before", [0, 7])
def test_every_exif_orientation_is_read_and_shown(value, order, before):
    turn = from_exif(exif(value, order, before))
    assert turn is not None
    assert turn.exif == value
    assert np.array_equal(as_shown(PICTURE, turn), BY_EXIF[value])
    assert turn.size(4, 3) == BY_EXIF[value].shape[::-1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0MM\0*",
        b"http://ns.adobe.com/xap/1.0/\0<x/>",
        exif(0),
        exif(9),
        exif(6)[:20],
        exif(6).replace(b"MM", b"MX"),
        exif(6)[6:],
        b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\0" * 40,
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\0" * 4000,
    ],
)
def test_exif_without_a_valid_orientation_says_nothing(body):
    assert from_exif(body) is None


@pytest.mark.parametrize("turn", TURNS)
def test_a_written_orientation_is_read_again(turn):
    segment = exif_segment(turn)
    assert segment[:2] == b"\xff\xe1"
    assert int.from_bytes(segment[2:4]) == len(segment) - 2
    assert from_exif(segment[4:]) == turn


@pytest.mark.parametrize("turn", TURNS)
def test_turning_back_gives_the_stored_picture(turn):
    assert np.array_equal(as_stored(as_shown(PICTURE, turn), turn), PICTURE)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(TURNS, TURNS)])
def test_two_turns_are_one(first, second):
    both = as_shown(as_shown(PICTURE, first), second)
    assert np.array_equal(as_shown(PICTURE, first.then(second)), both)


def test_the_header_gives_the_size_as_shown():
    frame = b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 480, 640) + b"\x01\x01\x11\0"
    turned = b"\xff\xd8" + exif_segment(Orientation(90)) + exif_segment(Orientation(180)) + frame
    assert header(turned) == ((640, 480), Orientation(90)), "the first one counts"
    assert header_size(turned) == (480, 640)
    assert header(b"\xff\xd8" + frame) == ((640, 480), UPRIGHT)


def test_slots_are_drawn_on_the_picture_as_shown():
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    turned = jpeg[:2] + exif_segment(Orientation(90)) + jpeg[2:]
    frame = FrameReceived(
        id="demo/north/1/1",
        site_id="demo",
        time_ms=1,
        camera_id="demo/north",
        via="mqtt",
        width=48,
        height=64,
        size_bytes=len(turned),
        sha256="0" * 64,
        received_at_ms=1,
        time_source="device",
    )
    drawn = draw(Picture(turned, frame, 0), ())
    shown = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (64, 48, 3)
    assert header(drawn) == ((48, 64), UPRIGHT), "not turned a second time"
