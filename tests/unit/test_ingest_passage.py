"""A camera's data on its way to FFmpeg and aiohttp is repaired and cannot redirect them
elsewhere."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.pull.faults import CameraFault
from services.ingest.pull.heads import fields_of, repair
from services.ingest.pull.passage import Passage, one_track

PACKET = b"$\x00\x00\x0c" + b"\x80\x60" + bytes(10)
SHORT = b"$\x01\x00\x04rtcp"
H264 = "m=video 0 RTP/AVP 96\r\na=rtpmap: 96 H264/90000\r\na=control:track1\r\n"
JPEG = "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
SOUND = "m=audio 0 RTP/AVP 0\r\na=control:track2\r\n"
SDP = "v=0\r\ns=cam\r\n"
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
PASSED = b"RTSP/1.0 200 -\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n"


def playing() -> Passage:
    passage = Passage(has_login=False)
    passage.ask(b"PLAY rtsp://127.0.0.1:1/ RTSP/1.0\r\n\r\n")
    return passage


@given(st.lists(st.integers(0, 400), max_size=9))
def test_packets_and_answers_pass_in_any_pieces(cuts: list[int]):
    data = b"\r\n" + ANSWER + PACKET + SHORT + b"remains" + PACKET + ANSWER + PACKET
    passage = playing()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    passed = b"".join(passage.feed(data[a:b]) for a, b in itertools.pairwise(places))
    assert passed == PASSED + PACKET * 2 + PASSED + PACKET


def test_no_packet_passes_before_play():
    assert Passage(has_login=False).feed(PACKET + ANSWER) == PASSED


@pytest.mark.parametrize(
    "answer",
    [
        b"RTSP/1.0 302 Moved\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
        b"RTSP/1.0 301 \nLocation: rtsp://10.0.0.1/\n\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\nhi"
        b"RTSP/1.0 302 Moved\r\n\r\n",
    ],
)
def test_a_redirect_does_not_pass(answer: bytes):
    with pytest.raises(CameraFault, match="redirected"):
        Passage(has_login=False).feed(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"RTSP/1.0 0302 Moved\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
        b"RTSP/1.0 +302 Moved\r\n\r\n",
        b"RT\rSP/1.0 302 Moved\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"x" * 20_000,
    ],
)
def test_what_ffmpeg_might_read_otherwise_does_not_pass(answer: bytes):
    with pytest.raises(CameraFault, match="bad-answer"):
        Passage(has_login=False).feed(answer)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([ANSWER, PACKET, b"RTSP/1.0 "])))
def test_nothing_that_comes_raises_anything_else(pieces: list[bytes]):
    for passage in (playing(), Passage(has_login=True)):
        for one in pieces:
            try:
                passed = passage.feed(one)
            except CameraFault:
                break
            assert b"RTSP/1.0 3" not in passed


def test_a_new_nonce_is_called_new_and_basic_is_left_out():
    challenge = b'WWW-Authenticate: Basic realm="a", Digest realm="a, b", nonce="1"\r\n'
    passage = Passage(has_login=True)
    passed = passage.feed(b"RTSP/1.0 401 No\r\n" + challenge + b"\r\n")
    assert b'Digest realm="a, b", nonce="1", stale=true\r\n' in passed
    assert b"Basic" not in passed
    assert passage.status == 401


def test_one_video_is_left_of_a_description():
    for media in ([SOUND, H264], [JPEG, H264, SOUND], [H264, H264]):
        assert one_track(SDP + "".join(media)) == SDP + H264
    assert one_track(SDP + SOUND + JPEG) == SDP + JPEG
    body = (SDP + JPEG + H264).encode()
    head = b"RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n"
    passed = Passage(has_login=False).feed(head % len(body) + body)
    kept = (SDP + H264).encode()
    assert passed.endswith(b"\r\nContent-Length: %d\r\n\r\n" % len(kept) + kept)


@pytest.mark.parametrize(
    ("media", "says"), [(SOUND, "but none"), (SOUND + JPEG.replace("26", "97"), "97")]
)
def test_a_description_without_video_is_a_fault(media: str, says: str):
    with pytest.raises(CameraFault, match=f"no-video.*{says}"):
        one_track(SDP + media)


# ---------------------------------------------------------------- heads of HTTP answers
def test_a_head_is_repaired_once_it_is_whole():
    head = b"HTTP/1.0 200 OK\nServer : x\nTue, 12:01\nContent-Type:image/jpeg\n\n"
    assert repair(head[:-1]) is None
    assert repair(head + b"\xff\xd8") == (
        b"HTTP/1.0 200 OK\r\nServer: x\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"
    )


def test_an_interim_answer_is_passed_over():
    assert repair(b"HTTP/1.1 100 Continue\r\n\r\n") is None
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    assert repair(answer) == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


def test_a_length_of_0_is_believed_where_the_connection_stays():
    kept, dropped = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n" % more
        for more in (b"", b"Connection: close\r\n")
    )
    assert b"Content-Length: 0" in (repair(kept) or b"")
    assert b"Content-Length: 0" not in (repair(dropped) or b"Content-Length: 0")


def test_an_invalid_head_is_left_to_the_parser():
    for data in (b"\x00\xffnoise", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9_000):
        assert repair(data) == data


def test_digest_is_the_only_challenge_left_where_it_is_offered():
    basic, digest = b'WWW-Authenticate: Basic realm="a"', b'www-authenticate: digest realm="b"'
    for lines in ([basic, digest], [digest, basic]):
        head = b"\r\n".join([b"HTTP/1.1 401 No", *lines, b"", b""])
        assert fields_of(head) == [(b"www-authenticate", b'digest realm="b"')]
    head = b"\r\n".join([b"HTTP/1.1 401 No", basic, b"", b""])
    assert fields_of(head) == [(b"WWW-Authenticate", b'Basic realm="a"')]
