"""Key pictures out of RTP packets; nothing that a camera sends does more than be dropped."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import Invalid
from services.ingest.rtp import KeyPictures, Track, video_track

START = b"\0\0\0\1"
SPS, PPS, IDR, IDR2 = b"\x67sps", b"\x68pps", b"\x65\x88" + b"a" * 50, b"\x65\x08" + b"b" * 50
H265 = b"\x40\x01vps", b"\x42\x01sps", b"\x44\x01pps", b"\x26\x01\x88" + b"a" * 40


def packets(*payloads: bytes, first: int = 0, stamp: int = 9) -> list[bytes]:
    last = len(payloads) - 1
    return [
        struct.pack(">BBHII", 0x80, 96 | (0x80 if i == last else 0), first + i & 0xFFFF, stamp, 1)
        + p
        for i, p in enumerate(payloads)
    ]


def pictures(keys: KeyPictures, given: list[bytes]) -> list[bytes]:
    return [found for packet in given if (found := keys.feed(packet)) is not None]


def keys_of(codec="H264", sets=(SPS, PPS), max_bytes=10_000) -> KeyPictures:
    return KeyPictures(Track(codec, 96, "*", sets), max_bytes)


def joined(*units: bytes) -> bytes:
    return b"".join(START + one for one in units)


def fragmented(unit: bytes) -> list[bytes]:
    body, kind = unit[1:], unit[0] & 31
    return [b"\x7c" + bytes([0x80 | kind]) + body[:20], b"\x7c" + bytes([0x40 | kind]) + body[20:]]


def test_units_come_whole_together_or_in_fragments():
    together = b"\x18" + b"".join(struct.pack(">H", len(u)) + u for u in (SPS, PPS, IDR))
    for payloads in ([SPS, PPS, IDR], [together], [SPS, PPS, *fragmented(IDR)]):
        assert pictures(keys_of(sets=()), packets(*payloads)) == [joined(SPS, PPS, IDR)]


@pytest.mark.parametrize("length", [0, 40_000])
def test_an_aggregate_of_broken_lengths_is_no_picture(length):
    keys = keys_of()
    unit = struct.pack(">H", len(IDR)) + IDR
    broken = b"\x18" + unit + struct.pack(">H", length) + unit
    assert pictures(keys, packets(broken)) == []
    assert pictures(keys, packets(b"\x18" + unit, first=1, stamp=10)) == [joined(SPS, PPS, IDR)]


def test_parameter_sets_of_the_description_are_put_before():
    assert pictures(keys_of(), packets(IDR, IDR2)) == [joined(SPS, PPS, IDR, IDR2)]


def test_other_pictures_are_passed_over():
    keys = keys_of()
    assert pictures(keys, packets(b"\x41\x9aother")) == []
    assert pictures(keys, packets(IDR, first=1, stamp=10)) == [joined(SPS, PPS, IDR)]


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_picture_with_a_packet_missing_is_dropped_and_the_next_one_taken(missing):
    keys = keys_of()
    whole = packets(*fragmented(IDR), *fragmented(IDR2))
    assert pictures(keys, whole[:missing] + whole[missing + 1 :]) == []
    following = packets(*fragmented(IDR), first=4, stamp=10)
    # A picture's last packet missing shows in the next one's first: that one may be lost too.
    later = packets(*fragmented(IDR), first=6, stamp=11)
    assert pictures(keys, following + later)[-1] == joined(SPS, PPS, IDR)


def test_a_picture_whose_beginning_was_before_ours_is_no_whole_one():
    assert pictures(keys_of(), packets(IDR2)) == []


def test_h265_is_put_together_in_its_own_way():
    vps, sps, pps, idr = H265
    fragments = [b"\x62\x01\x93" + idr[2:20], b"\x62\x01\x53" + idr[20:]]
    for payloads in ([vps, sps, pps, idr], [vps, sps, pps, *fragments]):
        assert pictures(keys_of("H265", ()), packets(*payloads)) == [joined(vps, sps, pps, idr)]


def test_what_is_too_large_is_given_up():
    keys = keys_of(max_bytes=100)
    with pytest.raises(Invalid, match="too-large"):
        pictures(keys, packets(IDR, IDR, IDR))


@given(st.lists(st.binary(max_size=60), max_size=30), st.sampled_from(["H264", "H265"]))
def test_no_packet_raises_anything_else(given_packets, codec):
    keys = keys_of(codec)
    for packet in given_packets:
        keys.feed(b"\x80\xe0" + packet)
        keys.feed(packet)


def test_the_video_is_found_in_the_description():
    sdp = (
        "v=0\r\nm=audio 0 RTP/AVP 8\r\na=control:trackID=1\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 profile-level-id=420029; packetization-mode=1;"
        " sprop-parameter-sets=Z0IAKQ==,aM48gA\r\na=control:trackID=2\r\n"
    )
    track = video_track(sdp)
    assert (track.codec, track.payload_type, track.control) == ("H264", 96, "trackID=2")
    assert track.parameters == (b"\x67\x42\x00\x29", b"\x68\xce\x3c\x80")


@pytest.mark.parametrize(
    ("sdp", "says"),
    [
        ("", "but none"),
        ("m=audio 0 RTP/AVP 0\r\n", "but none"),
        ("m=video 0 RTP/AVP 26\r\n", "but type 26"),
        ("m=video 0 RTP/AVP 97\r\na=rtpmap:97 MP4V-ES/90000\r\n", "but MP4V-ES"),
    ],
)
def test_a_description_without_usable_video_is_told(sdp, says):
    with pytest.raises(Invalid, match=says):
        video_track(sdp)
