"""From RTP packets to whole key pictures, of H.264 (RFC 6184) and H.265 (RFC 7798). Pure.

Only key pictures are put together: they need no other picture to be decoded, and one an interval is
all that is wanted. A picture with a packet missing is dropped.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final, Literal

from parking.errors import Invalid

Codec = Literal["H264", "H265"]
_CODECS: Final[dict[str, Codec]] = {"H264": "H264", "H265": "H265"}
_START_CODE: Final = b"\x00\x00\x00\x01"
HEADER_BYTES: Final = 12
_MAX_UNITS: Final = 4_096
_KEY: Final[dict[Codec, frozenset[int]]] = {
    "H264": frozenset({5}),
    "H265": frozenset(range(16, 22)),
}
_PARAMETERS: Final[dict[Codec, tuple[int, ...]]] = {"H264": (7, 8), "H265": (32, 33, 34)}
_AGGREGATE: Final[dict[Codec, int]] = {"H264": 24, "H265": 48}
_FRAGMENT: Final[dict[Codec, int]] = {"H264": 28, "H265": 49}


@dataclass(frozen=True, slots=True)
class Track:
    """The video that a session description offers."""

    codec: Codec
    payload_type: int
    control: str
    parameters: tuple[bytes, ...] = ()


def video_track(sdp: str) -> Track:
    """The first H.264 or H.265 video. Raises Invalid("no-video")."""
    other: list[str] = []
    for media in re.split(r"^(?=m=)", sdp, flags=re.M)[1:]:
        first = re.match(r"m=video \d+(?:/\d+)? RTP/S?AVP\S* (\d+)", media)
        if first is None:
            continue
        number = first[1]
        mapped = re.search(rf"^a=rtpmap:{number} ([\w-]+)/", media, re.M)
        name = mapped[1].upper() if mapped else f"type {number}"
        control = re.search(r"^a=control:(\S+)", media, re.M)
        codec = _CODECS.get(name)
        if codec is not None:
            sets = _parameter_sets(media, number)
            return Track(codec, int(number), control[1] if control else "*", sets)
        other.append(name[:20])
    offered = ", ".join(other) or "none"
    raise Invalid("no-video", f"it offers no H.264 or H.265 video (but {offered})")


def _parameter_sets(media: str, number: str) -> tuple[bytes, ...]:
    formats = re.search(rf"^a=fmtp:{number} (.*)$", media, re.M)
    found = (
        re.findall(r"sprop-(?:parameter-sets|vps|sps|pps)=([^;\s]+)", formats[1]) if formats else []
    )
    sets = []
    for text in ",".join(found).split(","):
        try:
            sets.append(base64.b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            continue
    return tuple(one for one in sets if one)


@dataclass(slots=True)
class KeyPictures:
    """Takes the packets of a track, gives its key pictures as Annex B bytes."""

    track: Track
    max_bytes: int
    _units: list[bytes] = field(default_factory=list)
    _size: int = 0
    _fragment: bytearray | None = None
    _sequence: int | None = None
    _timestamp: int | None = None
    _broken: bool = False
    _latest: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.track.parameters:
            self._latest[self._type(one)] = one

    def feed(self, packet: bytes) -> bytes | None:
        """A whole key picture, when this packet ends one. Raises Invalid("too-large")."""
        if len(packet) <= HEADER_BYTES or packet[1] & 0x7F != self.track.payload_type:
            return None
        payload = _payload(packet)
        sequence = int.from_bytes(packet[2:4])
        timestamp = int.from_bytes(packet[4:8])
        if timestamp != self._timestamp:
            self._begin(timestamp)
        if self._sequence is not None and sequence != (self._sequence + 1) & 0xFFFF:
            self._broken = True
        self._sequence = sequence
        if payload:
            self._take(payload)
        if not packet[1] & 0x80:  # the marker ends a picture
            return None
        picture = self._whole()
        self._begin(None)
        return picture

    def _begin(self, timestamp: int | None) -> None:
        self._broken = False
        self._timestamp = timestamp
        self._units, self._size, self._fragment = [], 0, None

    def _take(self, payload: bytes) -> None:
        kind = self._type(payload)
        if kind == _AGGREGATE[self.track.codec]:
            self._take_aggregate(payload)
        elif kind == _FRAGMENT[self.track.codec]:
            self._take_fragment(payload)
        else:
            self._add(payload)

    def _take_aggregate(self, payload: bytes) -> None:
        at = self._header_bytes
        while at + 2 < len(payload):
            length = int.from_bytes(payload[at : at + 2])
            if not 0 < length <= len(payload) - at - 2:
                self._broken = True
                return
            self._add(payload[at + 2 : at + 2 + length])
            at += 2 + length

    def _take_fragment(self, payload: bytes) -> None:
        head = self._header_bytes
        if len(payload) <= head + 1:
            return
        flags = payload[head]
        if flags & 0x80:
            self._fragment = bytearray(self._fragment_header(payload, flags))
        if self._fragment is None:
            self._broken = True  # its beginning was missed
            return
        self._fragment += payload[head + 1 :]
        if len(self._fragment) > self.max_bytes:
            raise self._too_large()
        if flags & 0x40:
            self._add(bytes(self._fragment))
            self._fragment = None

    def _fragment_header(self, payload: bytes, flags: int) -> bytes:
        if self.track.codec == "H264":
            return bytes([payload[0] & 0xE0 | flags & 0x1F])
        return bytes([payload[0] & 0x81 | (flags & 0x3F) << 1, payload[1]])

    def _add(self, unit: bytes) -> None:
        if len(unit) < self._header_bytes:
            return
        kind = self._type(unit)
        if kind in _PARAMETERS[self.track.codec]:
            self._latest[kind] = unit
        self._size += len(unit)
        if self._size > self.max_bytes or len(self._units) >= _MAX_UNITS:
            raise self._too_large()
        self._units.append(unit)

    def _whole(self) -> bytes | None:
        codec = self.track.codec
        if self._broken or self._fragment is not None:
            return None
        pictures = [u for u in self._units if self._type(u) not in _PARAMETERS[codec]]
        slices = [unit for unit in pictures if self._type(unit) in _KEY[codec]]
        # The first bit of a slice tells whether it is the first of its picture, in both codecs.
        if not slices or not slices[0][self._header_bytes :][:1] >= b"\x80":
            return None
        sets = [self._latest[kind] for kind in _PARAMETERS[codec] if kind in self._latest]
        return b"".join(_START_CODE + unit for unit in (*sets, *pictures))

    @property
    def _header_bytes(self) -> int:
        return 1 if self.track.codec == "H264" else 2

    def _type(self, unit: bytes) -> int:
        return unit[0] & 0x1F if self.track.codec == "H264" else unit[0] >> 1 & 0x3F

    def _too_large(self) -> Invalid:
        return Invalid("too-large", f"a key picture of more than {self.max_bytes} bytes")


def _payload(packet: bytes) -> bytes:
    """Without the header, its list of sources, its extension and the padding."""
    start = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[start:end]
