"""MJPEG streams taken apart, in whatever pieces they come and whatever they say of themselves."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import Invalid
from parking.mjpeg import Splitter, boundary_of

MARK = b"--frame"
PICTURES = [b"\xff\xd8" + bytes([n]) * (40 + n) + b"\xff\xd9" for n in range(1, 6)]


def stream(*, length: int | None, end: bytes = b"\r\n", before: bytes = b"") -> bytes:
    parts = [before]
    for picture in PICTURES:
        told = b"" if length is None else b"Content-Length: %d\r\n" % (len(picture) + length)
        parts += [MARK, b"\r\nContent-Type: image/jpeg\r\n", told, b"\r\n", picture, end]
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
    splitter, found = Splitter(MARK, 1_000), []
    for start, stop in itertools.pairwise(places):
        found += splitter.feed(data[start:stop])
    assert found == PICTURES


def test_a_true_length_spares_the_wait_for_the_next_boundary():
    one = PICTURES[0]
    head = MARK + b"\r\nContent-Length: %d\r\n\r\n" % len(one)
    assert Splitter(MARK, 1_000).feed(head + one) == [one]
    assert Splitter(MARK, 1_000).feed(MARK + b"\r\n\r\n" + one) == []


def test_line_ends_without_carriage_returns_are_understood():
    data = MARK + b"\nContent-type: image/jpeg\n\n" + PICTURES[0] + b"\n" + MARK
    (found,) = Splitter(MARK, 1_000).feed(data)
    assert found.rstrip(b"\n") == PICTURES[0]


@pytest.mark.parametrize(
    "head", [MARK + b"\r\n\r\n", MARK + b"\r\nContent-Length: 999999999\r\n\r\n", MARK, b""]
)
def test_what_does_not_end_is_given_up_within_its_bound(head):
    splitter = Splitter(MARK, 1_000)
    splitter.feed(head)

    def feed_on() -> None:
        for _ in range(43):
            splitter.feed(b"x" * 100)

    with pytest.raises(Invalid, match=r"too-large|not-a-stream"):
        feed_on()


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace;boundary=frame", b"--frame"),
        ('Multipart/X-Mixed-Replace; boundary="--frame"', b"--frame"),
        ("multipart/x-mixed-replace; charset=x; boundary=--my boundary", b"--my boundary"),
    ],
)
def test_the_boundary_is_read_as_cameras_write_it(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type", ["", "image/jpeg", "multipart/x-mixed-replace", "text/html"]
)
def test_what_is_no_stream_is_told(content_type):
    with pytest.raises(Invalid, match="not-a-stream"):
        boundary_of(content_type)
