"""Check a JPEG without decoding it, strip its metadata, and write its orientation.

OpenCV fills a truncated picture with grey, or with parts of an earlier picture. So pictures are
parsed here first: they must be complete from SOI to EOI, and of a size and kind that is safe to
decode. Only what a decoder needs is kept: comments and all application segments are removed (APP0
of JFIF and APP14 of Adobe stay, because they define the colours). Of EXIF only the orientation is
kept, combined with the camera's setting, in a new segment of a few bytes. Bytes after EOI are cut
off, and the picture is accepted, because the ESP32-CAM pads its buffer with zeros or the remains of
an earlier picture.
"""

import re
import threading
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from parking.core.errors import UNREADABLE, Invalid
from parking.core.events import TimeMs
from parking.core.orientation import UPRIGHT, Orientation, exif_segment, from_exif

MAX_SEGMENTS: Final = 512
MAX_SCANS: Final = 32
RECORDED_PREFIX: Final = b"parking:"

_SOI: Final = b"\xff\xd8"
_EOI, _SOS, _COM, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xEE
_APPLICATION: Final = range(0xE0, 0xF0)
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOF_DECODABLE: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; Huffman
# Markers that have a length and may occur between parts of a picture: tables, DRI, APPn, COM.
_WITH_LENGTH: Final = frozenset({0xC4, 0xDB, 0xDD, _COM, *_APPLICATION})
_IDENTIFIERS: Final = {_APP0: b"JFIF\0", _APP14: b"Adobe"}
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])")
_BLOCK_PX: Final = 8
_SCANNED_BYTES: Final = 1 << 17


class _Scratch(threading.local):
    """Scratch memory of the search for markers. Allocating it anew for each picture, page by page,
    took longer than the search itself."""

    def __init__(self) -> None:
        self.marked, self.stuffed = (np.empty(_SCANNED_BYTES, np.bool_) for _ in range(2))


_scratch: Final = _Scratch()


class _Recorded(msgspec.Struct):
    recorded_at_ms: TimeMs


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG that passed the checks. `data` is what is stored; `width` and `height` are those of
    the picture as displayed; `recorded_at_ms` is the original time of replayed footage."""

    data: bytes
    width: int
    height: int
    recorded_at_ms: int | None = None


@dataclass(slots=True)
class _Walk:
    """What was parsed between SOI and the current position."""

    data: bytes
    kept: list[tuple[int, int]]  # byte ranges, joined where they touch
    width: int = 0
    height: int = 0
    scans: int = 0
    scan_bytes: int = 0
    recorded_at_ms: int | None = None
    orientation: Orientation | None = None

    def keep(self, start: int, end: int) -> None:
        if self.kept[-1][1] == start:
            start = self.kept.pop()[0]
        self.kept.append((start, end))


def inspect(data: bytes, max_bytes: int, max_pixels: int, turn: Orientation = UPRIGHT) -> Picture:
    """Check, strip and turn a picture (`turn` is the camera's setting, applied after the EXIF
    orientation). Raises Invalid: `empty`, `too-large`, `not-a-jpeg`, `truncated`, `bad-jpeg`,
    `unsupported-jpeg`, `too-many-pixels`, `too-many-segments` or `too-many-scans`. The time it
    takes is proportional to the length, whatever the content."""
    if not data:
        raise Invalid("empty", "no bytes")
    if len(data) > max_bytes:
        raise Invalid("too-large", f"{len(data)} bytes; at most {max_bytes} are allowed")
    if not data.startswith(_SOI):
        raise Invalid("not-a-jpeg", "does not start with FF D8")
    walk = _Walk(data, [(0, 2)])
    position = 2
    for _ in range(MAX_SEGMENTS):
        position, marker = _next_marker(data, position)
        if marker == _EOI:
            return _finish(walk, position, turn)
        position = _segment(walk, marker, position, max_pixels)
    raise Invalid("too-many-segments", f"more than {MAX_SEGMENTS} segments")


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the marker at `position`, after any fill bytes, and the position after it."""
    found = _MARKER.match(data, position)
    if found:
        return found.end(), found[1][0]
    if data[position:].strip(b"\xff"):
        raise Invalid("bad-jpeg", f"no marker at byte {position}")
    raise Invalid("truncated", f"the data ends at byte {len(data)} without FF D9")


def _segment(walk: _Walk, marker: int, position: int, max_pixels: int) -> int:
    """Parse the segment whose marker ends at `position`; return the position after the segment."""
    if marker not in _WITH_LENGTH and marker not in _SOF and marker != _SOS:
        raise Invalid("bad-jpeg", f"marker FF {marker:02X} at byte {position - 2}")
    data = walk.data
    if position + 2 > len(data):
        raise Invalid("truncated", "ends within a segment's length")
    end = position + int.from_bytes(data[position : position + 2])
    if end < position + 2:
        raise Invalid("bad-jpeg", f"segment FF {marker:02X} of impossible length")
    if end > len(data):
        raise Invalid("truncated", f"ends within a segment FF {marker:02X}")
    body = data[position + 2 : end]
    if marker in _SOF:
        _frame_header(walk, marker, body, max_pixels)
    elif marker == _SOS:
        end = _scan(walk, end)
    elif _is_stripped(marker, body):
        if marker == _COM and body.startswith(RECORDED_PREFIX):
            walk.recorded_at_ms = _recorded(body.removeprefix(RECORDED_PREFIX))
        if marker == _APP1:
            walk.orientation = walk.orientation or from_exif(body)
        return end
    walk.keep(position - 2, end)
    return end


def _is_stripped(marker: int, body: bytes) -> bool:
    if marker in _IDENTIFIERS:
        return not body.startswith(_IDENTIFIERS[marker])
    return marker == _COM or marker in _APPLICATION


def _frame_header(walk: _Walk, marker: int, body: bytes, max_pixels: int) -> None:
    if marker not in _SOF_DECODABLE:
        raise Invalid("unsupported-jpeg", f"coding FF {marker:02X} (lossless or arithmetic)")
    if walk.width:
        raise Invalid("bad-jpeg", "two frame headers")
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise Invalid("bad-jpeg", "a frame header of wrong length")
    if body[0] != 8 or body[5] not in (1, 3):
        raise Invalid("unsupported-jpeg", f"{body[0]} bits, {body[5]} components")
    walk.height, walk.width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    if not walk.width or not walk.height:
        raise Invalid("bad-jpeg", "no width or height")
    if walk.width * walk.height > max_pixels:
        raise Invalid(
            "too-many-pixels",
            f"{walk.width}x{walk.height}; at most {max_pixels} pixels are allowed",
        )


def _scan(walk: _Walk, start: int) -> int:
    """Skip the entropy-coded data that begins at `start`; return the position of the next
    marker."""
    if not walk.width:
        raise Invalid("bad-jpeg", "a scan before the frame header")
    walk.scans += 1
    if walk.scans > MAX_SCANS:
        raise Invalid("too-many-scans", f"more than {MAX_SCANS} scans")
    found = next_marker(walk.data, start)
    if found < 0:
        raise Invalid("truncated", f"ends at byte {len(walk.data)} within a scan")
    walk.scan_bytes += found - start
    return found


def _goes_on(code: Any) -> Any:
    """Return whether a scan continues after FF and this byte, which may be a restart or more
    fill."""
    return (code == 0xFF) | (code & 0xF8 == 0xD0)


def next_marker(data: bytes, start: int) -> int:
    """Return the position of the first marker in entropy-coded data from `start` on, or -1 if there
    is none. FF in such data may be followed by 00 (stuffing), by a restart number (D0 to D7), or by
    more fill."""
    codes = np.frombuffer(data, np.uint8)
    for begin in range(start, len(data) - 1, _SCANNED_BYTES):
        part = codes[begin : begin + _SCANNED_BYTES + 1]
        second = part[1:]
        marked, stuffed = _scratch.marked[: second.size], _scratch.stuffed[: second.size]
        np.equal(part[:-1], 0xFF, out=marked)
        np.equal(second, 0x00, out=stuffed)
        np.greater(marked, stuffed, out=marked)
        first = int(marked.argmax())
        if marked[first] and not _goes_on(int(second[first])):
            return begin + first  # finds most, and is faster than listing all
        (places,) = marked.nonzero()  # few
        found = second[places]
        places = places[~_goes_on(found)]
        if places.size:
            return begin + int(places[0])
    return -1


def _finish(walk: _Walk, end: int, turn: Orientation) -> Picture:
    if not walk.scans:
        raise Invalid("bad-jpeg", "no picture data")
    blocks = -(-walk.width // _BLOCK_PX) * -(-walk.height // _BLOCK_PX)
    if walk.scan_bytes * 8 < blocks:  # every block of the first component takes at least a bit
        raise Invalid(
            "truncated", f"{walk.scan_bytes} bytes cannot hold {walk.width}x{walk.height} pixels"
        )
    walk.keep(end - 2, end)
    pieces = [walk.data[start:stop] for start, stop in walk.kept]
    shown = (walk.orientation or UPRIGHT).then(turn)
    if shown != UPRIGHT:
        pieces = [_SOI, exif_segment(shown), pieces[0][len(_SOI) :], *pieces[1:]]
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return Picture(data, *shown.size(walk.width, walk.height), walk.recorded_at_ms)


def _recorded(text: bytes) -> int | None:
    """Return the original time from a comment, or None if the comment cannot be read."""
    try:
        return msgspec.json.decode(text, type=_Recorded).recorded_at_ms
    except UNREADABLE:
        return None
