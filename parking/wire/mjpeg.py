"""Build an MJPEG stream from pictures, and parse one into pictures. Pure.

Cameras differ and send invalid data: boundaries other than announced or none at all, parts that are
not pictures, header lines without a name, a missing or wrong Content-Length. So a picture is
located by its own markers. A Content-Length is used only if a JPEG ends there, which avoids the
search.
"""

import re
from email.message import Message as Headers
from typing import Final

from parking.core.errors import Invalid

STREAM_TYPE: Final = "multipart/x-mixed-replace; boundary=frame"
START: Final = b"--frame\r\n"
PART_END: Final = b"\r\n" + START
"""The boundary follows immediately, because a browser shows a picture only when it sees its end."""
MAX_HEADER_BYTES: Final = 4096
_STREAMS: Final = ("multipart", "application")
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r?$", re.I | re.M)
_TIME: Final = re.compile(rb"^x-time-ms:[ \t]*(\d{1,15})[ \t]*\r?$", re.I | re.M)
_BEGIN: Final = b"\xff\xd8\xff"
_EOI: Final = b"\xff\xd9"
_PADDING: Final = b"\r\n\0"
_SOI_CODE, _EOI_CODE, _SCAN_CODE = 0xD8, 0xD9, 0xDA
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
# Within a scan, FF may be followed by 00 (stuffing), by a restart number or by more fill bytes.
_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_AFTER_SEGMENT: Final = re.compile(rb"\xff+[^\x00\xff]")


def part(jpeg: bytes, time_ms: int) -> bytes:
    """A picture with its timestamp, as a part of a stream of STREAM_TYPE that began with START."""
    return part_head(len(jpeg), time_ms) + jpeg + PART_END


def part_head(size_bytes: int, time_ms: int) -> bytes:
    """What precedes a picture in its part. PART_END follows the picture."""
    sizes = b"Content-Length: %d\r\nX-Time-Ms: %d\r\n\r\n" % (size_bytes, time_ms)
    return b"Content-Type: image/jpeg\r\n" + sizes


def check_type(content_type: str) -> None:
    """Raises Invalid("not-a-stream") unless a response with this Content-Type can be a stream."""
    headers = Headers()
    headers["Content-Type"] = content_type
    if headers.get_content_maintype() not in _STREAMS:
        raise Invalid("not-a-stream", f"it answers {content_type[:60]!r}, not an MJPEG stream")


class Splitter:
    """Takes bytes and returns pictures. Buffers at most `max_bytes` plus one chunk. `damaged`
    counts the skipped pictures, which have no end or are not JPEGs."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._within = False  # the buffer begins with a picture
        self._at = 0  # how far the picture's markers were followed
        self._scanning = False
        self._length: int | None = None
        self._time_ms: int | None = None
        self._passed = 0
        self.damaged = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures completed so far, oldest first. Raises Invalid `too-large` or
        `not-a-stream`."""
        return [jpeg for jpeg, _ in self.timed(data)]

    def timed(self, data: bytes) -> list[tuple[bytes, int | None]]:
        """Like `feed`, but each picture has its X-Time-Ms, or None if the sender gives none."""
        self._buffer += data
        found: list[tuple[bytes, int | None]] = []
        while self._within or self._begin():
            end = self._end()
            if self._within and end is None:
                break
            if end is not None:
                found.append((bytes(self._buffer[:end]), self._time_ms))
                self._leave(end)
        if len(self._buffer) > self._max_bytes + len(_PADDING):
            raise Invalid("too-large", f"a picture of more than {self._max_bytes} bytes")
        return found

    def _begin(self, start: int = 0) -> bool:
        """Move to the start of the next picture, from `start` on."""
        at = self._buffer.find(_BEGIN, start)
        if at < 0:
            beyond = max(0, len(self._buffer) - MAX_HEADER_BYTES)
            self._passed += beyond
            del self._buffer[:beyond]
            if self._passed > self._max_bytes:
                raise Invalid("not-a-stream", "it contains no picture")
            return False
        header = self._buffer[max(0, at - MAX_HEADER_BYTES) : at]
        self._length, self._time_ms = _last(_LENGTH, header), _last(_TIME, header)
        del self._buffer[:at]
        self._within, self._scanning, self._at, self._passed = True, False, 2, 0
        return True

    def _leave(self, end: int) -> None:
        del self._buffer[:end]
        self._within = False

    def _end(self) -> int | None:
        """Where the picture ends, or None if more data is needed or the picture was given up."""
        if self._length is not None and self._length <= self._max_bytes:
            if len(self._buffer) < self._length:
                return None
            body = bytes(self._buffer[: self._length])
            if body.rstrip(_PADDING).endswith(_EOI):
                return self._length
        self._length = None  # missing or wrong
        while self._within:
            pattern = _IN_SCAN if self._scanning else _AFTER_SEGMENT
            look = pattern.search if self._scanning else pattern.match
            marker = look(self._buffer, self._at)
            if marker is None and not self._is_nonsense():
                return None
            if marker is None:
                self._give_up(self._at)
            elif marker[0][-1] == _EOI_CODE and self._scanning:
                return marker.end()
            elif not self._pass(marker[0][-1], marker.end()):
                return None
        return None

    def _pass(self, code: int, at: int) -> bool:
        """Skip a marker that ends at `at`, with its segment. Returns False while more data is
        needed."""
        if code in _BARE:
            self._at = at
            return True
        if code in (_SOI_CODE, _EOI_CODE):  # it has no end, or is empty
            self._give_up(at - 2)
            return True
        if len(self._buffer) < at + 2:
            return False
        length = int.from_bytes(self._buffer[at : at + 2])
        if length < 2:
            self._give_up(at)
            return True
        if len(self._buffer) < at + length:
            return False
        self._at, self._scanning = at + length, code == _SCAN_CODE
        return True

    def _is_nonsense(self) -> bool:
        """Whether something other than a marker follows, as opposed to nothing yet."""
        if self._scanning:
            self._at = max(self._at, len(self._buffer) - 1)
        return not self._scanning and bool(self._buffer[self._at :].strip(b"\xff"))

    def _give_up(self, resume: int) -> None:
        """Drop the damaged picture and search for the next one from `resume` on."""
        self.damaged += 1
        self._within = False
        del self._buffer[:2]  # its start marker
        self._begin(resume - 2)


def _last(pattern: re.Pattern[bytes], header: bytearray) -> int | None:
    found = pattern.findall(header)
    return int(found[-1]) if found else None
