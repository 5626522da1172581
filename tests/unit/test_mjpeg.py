"""Splitting MJPEG streams, in chunks of any size and with any headers."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.core.errors import Invalid
from parking.wire.mjpeg import Splitter, check_type

MARK = b"--frame"
PICTURES = [
    b"\xff\xd8\xff\xe1\x00\x06\xff\xd8\xff\xd9\xff\xda\x00\x03\x00"
    + (bytes([n]) + b"\xff\x00\xff\xd1") * (8 + n)
    + b"\xff\xd9"
    for n in range(1, 6)
]


def stream(*, length: int | None, end: bytes = b"\r\n", before: bytes = b"") -> bytes:
    parts = [before]
    for picture in PICTURES:
        length_line = b"" if length is None else b"Content-Length: %d\r\n" % (len(picture) + length)
        parts += [MARK, b"\r\nContent-Type: image/jpeg\r\n", length_line, b"\r\n", picture, end]
    return b"".join(parts) + MARK


@given(
    cuts=st.lists(st.integers(0, 700), max_size=12),
    length=st.sampled_from([None, 0, 5, -9, 10_000]),
    end=st.sampled_from([b"\r\n", b""]),
    before=st.sampled_from([b"", b"\r\n", b"hello\r\n"]),
)
def test_every_picture_is_found_in_any_pieces(cuts, length, end, before):
    data = stream(length=length, end=end, before=before)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    splitter, found = Splitter(1_000), []
    for start, stop in itertools.pairwise(places):
        found += splitter.feed(data[start:stop])
    assert found == PICTURES


def test_a_picture_is_there_with_its_last_byte():
    for head in (MARK + b"\r\nContent-Length: %d\r\n\r\n" % len(PICTURES[0]), MARK + b"\r\n\r\n"):
        splitter = Splitter(1_000)
        assert splitter.feed(head + PICTURES[0][:-1]) == []
        assert splitter.feed(PICTURES[0][-1:]) == [PICTURES[0]]


SOUND = b"--frame\r\nContent-Type: audio/basic\r\n\r\n" + bytes(range(256)) * 8 + b"\r\n"
HABITS = {
    "no dashes": (b"video boundary\r\n\r\n", b"\r\n"),
    "another boundary than announced": (b"--bar\r\n\r\n", b"\r\n"),
    "no boundary": (b"", b""),
    "a part that is no picture": (SOUND + b"--frame\r\n\r\n", b"\r\n"),
    "a header line without a name": (b"--frame\r\n12:01:56 GMT\r\nno colon\r\n\r\n", b"\r\n"),
    "padding": (b"--frame\r\n\r\n", bytes(300) + b"\r\n"),
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_what_stands_between_pictures_does_not_matter(habit: str, piece: int):
    before, after = HABITS[habit]
    data = b"".join(before + one + after for one in PICTURES)
    splitter, found = Splitter(3_000), []
    for at in range(0, len(data), piece):
        found += splitter.feed(data[at : at + piece])
    assert found == PICTURES
    assert splitter.damaged == 0


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(PICTURES[1][:-7], id="cut off"),
        pytest.param(PICTURES[1][:6], id="cut off in a segment"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x01" + PICTURES[1][6:], id="an impossible length"),
        pytest.param(PICTURES[1][:10] + b"junk" + PICTURES[1][12:], id="no marker"),
    ],
)
def test_a_damaged_picture_costs_no_other(damaged: bytes):
    mark = MARK + b"\r\n\r\n"
    parts = [*PICTURES[:2], damaged, *PICTURES[2:]]
    splitter = Splitter(1_000)
    assert splitter.feed(b"".join(mark + one + b"\r\n" for one in parts)) == PICTURES
    assert splitter.damaged >= 1


@given(st.lists(st.binary(max_size=80) | st.sampled_from([*PICTURES, b"\xff\xd8\xff"])))
def test_nothing_that_comes_hangs_it_or_grows_beyond_its_bound(pieces: list[bytes]):
    splitter = Splitter(1_000)
    with contextlib.suppress(Invalid):
        for one in pieces:
            splitter.feed(one)


def test_line_ends_without_carriage_returns_are_understood():
    data = MARK + b"\nContent-type: image/jpeg\n\n" + PICTURES[0] + b"\n" + MARK
    (found,) = Splitter(1_000).feed(data)
    assert found.rstrip(b"\n") == PICTURES[0]


@pytest.mark.parametrize(
    "head", [MARK + b"\r\n\r\n", MARK + b"\r\nContent-Length: 999999999\r\n\r\n", MARK, b""]
)
def test_what_does_not_end_is_given_up_within_its_bound(head):
    splitter = Splitter(1_000)
    splitter.feed(head)

    def feed_on() -> None:
        for _ in range(43):
            splitter.feed(b"x" * 100)

    with pytest.raises(Invalid, match=r"too-large|not-a-stream"):
        feed_on()


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/x-mixed-replace;boundary=frame",
        'Multipart/X-Mixed-Replace; boundary="--frame"',
        "multipart/mixed",
        "application/octet-stream",
    ],
)
def test_a_stream_is_known_by_its_type(content_type: str):
    check_type(content_type)


@pytest.mark.parametrize("content_type", ["", "image/jpeg", "text/html"])
def test_an_invalid_stream_is_a_fault(content_type):
    with pytest.raises(Invalid, match="not-a-stream"):
        check_type(content_type)
