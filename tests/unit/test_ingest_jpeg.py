"""Parsing pictures without decoding them: what passes, what is cut off, what is refused and why."""

import struct
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.core.errors import Invalid
from parking.core.orientation import Orientation, exif_segment
from parking.vision.turning import as_shown
from services.ingest.jpeg import MAX_SCANS, MAX_SEGMENTS, inspect, next_marker

BYTES, PIXELS = 1_000_000, 2_000_000
TURNS = [Orientation(turn, mirror) for turn in (0, 90, 180, 270) for mirror in (False, True)]


def picture(width: int = 64, height: int = 48, *parameters: int) -> bytes:
    noise = np.random.default_rng(7).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise, list(parameters))[1].tobytes()


JPEG = picture()
PROGRESSIVE = picture(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = picture(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 1)


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def reason(data: bytes, max_bytes: int = BYTES, max_pixels: int = PIXELS) -> str:
    with pytest.raises(Invalid) as caught:
        inspect(data, max_bytes, max_pixels)
    return caught.value.reason


def frame_header(width: int, height: int, marker: int = 0xC0, bits: int = 8, parts: int = 3):
    body = struct.pack(">BHHB", bits, height, width, parts) + b"\1\x11\0" * parts
    return b"\xff\xd8" + segment(marker, body)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS, picture(1, 1), picture(641, 479)])
def test_a_whole_picture_passes_unchanged(data):
    passed = inspect(data, BYTES, PIXELS)
    assert passed.data == data
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    height, width = decoded.shape[:2]
    assert (passed.width, passed.height) == (width, height)
    assert passed.recorded_at_ms is None


def test_grey_pictures_pass():
    data = cv2.imencode(".jpg", np.zeros((480, 640), np.uint8))[1].tobytes()
    assert inspect(data, BYTES, PIXELS).width == 640


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS])
def test_every_truncation_is_refused(data):
    for length in range(len(data)):
        assert reason(data[:length]) in {"empty", "not-a-jpeg", "truncated", "bad-jpeg"}


def test_a_truncation_closed_with_an_end_marker_is_refused_when_too_little_is_left():
    large = picture(640, 480)
    start = large.index(b"\xff\xda") + 14
    assert reason(large[: start + 400] + b"\xff\xd9") == "truncated"


@pytest.mark.parametrize("tail", [b"\0" * 999, b"\xff" * 9, b"remains", JPEG])
def test_what_follows_the_end_is_cut_off(tail):
    assert inspect(JPEG + tail, BYTES, PIXELS).data == JPEG


def test_fill_bytes_before_a_marker_are_cut_out():
    assert inspect(JPEG[:2] + b"\xff\xff" + JPEG[2:], BYTES, PIXELS).data == JPEG


def test_exif_comments_and_foreign_segments_are_stripped_and_colour_segments_kept():
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")
    private = [
        segment(0xE1, b"Exif\0\0GPS 52.1 N, 4.3 E" + JPEG),  # a thumbnail with its own end marker
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE0, b"JFXX\0a thumbnail"),
        segment(0xEE, b"not of Adobe"),
        segment(0xFE, b"made by me"),
    ]
    passed = inspect(with_segments(*private, adobe), BYTES, PIXELS)
    assert passed.data == with_segments(adobe)
    assert b"JFIF\0" in passed.data
    assert b"GPS" not in passed.data


@pytest.mark.parametrize("own", TURNS, ids=lambda one: f"exif-{one.exif}")
@pytest.mark.parametrize("setting", TURNS, ids=lambda one: f"set-{one.exif}")
def test_a_picture_is_shown_as_its_exif_and_then_its_setting_say(own, setting):
    passed = inspect(with_segments(exif_segment(own)), BYTES, PIXELS, setting)
    shown = cv2.imdecode(np.frombuffer(passed.data, np.uint8), cv2.IMREAD_COLOR)
    plain = np.asarray(cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    assert np.array_equal(np.asarray(shown), as_shown(as_shown(plain, own), setting))
    assert (passed.width, passed.height) == np.asarray(shown).shape[1::-1]
    upright = own.then(setting) == Orientation()
    assert (passed.data == JPEG) == upright
    assert inspect(passed.data, BYTES, PIXELS).data == passed.data


def test_only_the_orientation_of_exif_is_kept():
    own = exif_segment(Orientation(90))[4:] + b"GPS 52.1 N, 4.3 E"
    passed = inspect(with_segments(segment(0xE1, own), segment(0xE1, own)), BYTES, PIXELS)
    assert b"GPS" not in passed.data
    assert passed.data == with_segments(exif_segment(Orientation(90)))


def test_the_original_time_of_footage_is_read_from_its_comment_and_stripped():
    data = with_segments(segment(0xFE, b'parking:{"recorded_at_ms":1355834520000}'))
    passed = inspect(data, BYTES, PIXELS)
    assert passed.recorded_at_ms == 1_355_834_520_000
    assert passed.data == JPEG


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b'{"recorded_at_ms":-1}', b'{"recorded_at_ms":1e99}', b"\xff\xfe"),
        b'{"x":' + b"[" * 30_000,
    ],
)
def test_a_comment_that_cannot_be_read_tells_nothing(text):
    data = with_segments(segment(0xFE, b"parking:" + text))
    assert inspect(data, BYTES, PIXELS).recorded_at_ms is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"hello, this is a text file", "not-a-jpeg"),
        (b"\x89PNG\r\n\x1a\n", "not-a-jpeg"),
        (b"\xff\xd8", "truncated"),
        (b"\xff\xd8\xff\xd9", "bad-jpeg"),
        (b"\xff\xd8\xff\xd8", "bad-jpeg"),
        (b"\xff\xd8\xff\xd0", "bad-jpeg"),
        (b"\xff\xd8 no marker", "bad-jpeg"),
        (b"\xff\xd8\xff\xc0\0\1", "bad-jpeg"),
        (b"\xff\xd8" + segment(0xDA, b"\0" * 10) + b"\xff\xd9", "bad-jpeg"),
        (frame_header(65_500, 65_500), "too-many-pixels"),
        (frame_header(5_000, 4_000), "too-many-pixels"),
        (frame_header(0, 480), "bad-jpeg"),
        (frame_header(640, 0), "bad-jpeg"),
        (frame_header(640, 480) + frame_header(64, 48)[2:], "bad-jpeg"),
        (frame_header(640, 480) + b"\xff\xd9", "bad-jpeg"),
        (frame_header(640, 480, marker=0xC3), "unsupported-jpeg"),
        (frame_header(640, 480, marker=0xC9), "unsupported-jpeg"),
        (frame_header(640, 480, bits=12), "unsupported-jpeg"),
        (frame_header(640, 480, parts=4), "unsupported-jpeg"),
        (frame_header(1920, 1000) + segment(0xDA, b"\0" * 10) + b"\1\2\3\xff\xd9", "truncated"),
        (with_segments(*[segment(0xFE, b"")] * MAX_SEGMENTS), "too-many-segments"),
        (
            frame_header(8, 8, 0xC2) + (segment(0xDA, b"\0" * 10) + b"\1") * (MAX_SCANS + 1),
            "too-many-scans",
        ),
    ],
)
def test_a_bad_picture_is_refused_with_its_reason(data, expected):
    assert reason(data) == expected


def test_size_caps_are_inclusive():
    assert inspect(JPEG, len(JPEG), 64 * 48).data == JPEG
    assert reason(JPEG, max_bytes=len(JPEG) - 1) == "too-large"
    assert reason(JPEG, max_pixels=64 * 48 - 1) == "too-many-pixels"


@pytest.mark.parametrize(
    "filler", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xff\x00", b"\xff\xfe\0\2", b"\0"]
)
def test_time_grows_with_length_only(filler):
    body = filler * (BYTES // len(filler) - 100)
    started = time.perf_counter()
    for head in (b"\xff\xd8", frame_header(64, 48), JPEG[:-2]):
        with pytest.raises(Invalid):
            inspect(head + body, 2 * BYTES, PIXELS)
    assert time.perf_counter() - started < 1.0


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_no_bytes_do_anything_but_pass_or_be_refused(data):
    base = bytearray(data.draw(st.sampled_from([JPEG, PROGRESSIVE, RESTARTS])))
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(base) - 1))
        base[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=8))
    check(bytes(base))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=12), st.binary())
def test_hostile_headers_do_nothing_but_pass_or_be_refused(segments, tail):
    check(b"\xff\xd8" + b"".join(segment(marker, body) for marker, body in segments) + tail)


def check(data: bytes) -> None:
    try:
        passed = inspect(data, BYTES, PIXELS)
    except Invalid:
        return
    assert passed.data.startswith(b"\xff\xd8")
    assert passed.data.endswith(b"\xff\xd9")
    assert len(passed.data) <= len(data)
    assert 0 < passed.width * passed.height <= PIXELS
    assert inspect(passed.data, BYTES, PIXELS).data == passed.data


@given(
    st.lists(st.sampled_from(b"\x00\x01\xcf\xd0\xd7\xd8\xd9\xfe\xff"), max_size=30),
    st.integers(0, 31),
)
def test_the_first_marker_in_coded_data_is_found_wherever_it_is(codes: list[int], start: int):
    data = bytes(codes)
    no_marker = {0x00, *range(0xD0, 0xD8), 0xFF}
    markers = [
        at
        for at in range(start, len(data) - 1)
        if data[at] == 0xFF and data[at + 1] not in no_marker
    ]
    assert next_marker(data, start) == (markers[0] if markers else -1)


@pytest.mark.parametrize("at", [131_070, 131_071, 131_072, 131_073, 280_000])
def test_a_marker_is_found_far_behind_too(at: int):
    data = bytearray(300_000)
    data[at : at + 2] = b"\xff\xd9"
    assert next_marker(bytes(data), 0) == at
