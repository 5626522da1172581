"""An MJPEG stream, made of pictures and taken apart into them. Pure.

Cameras differ, and lie: boundaries with and without their dashes, no Content-Length or a wrong one.
So the boundary is what separates the parts; a Content-Length is believed only where a JPEG's end
lies there, which spares the wait for the next boundary.
"""

import re
from email.message import Message as Headers
from typing import Final

from parking.errors import Invalid

STREAM_TYPE: Final = "multipart/x-mixed-replace; boundary=frame"
START: Final = b"--frame\r\n"
MAX_HEADER_BYTES: Final = 4096
_END_OF_HEADER: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r?$", re.I | re.M)
_TIME: Final = re.compile(rb"^x-time-ms:[ \t]*(\d{1,15})[ \t]*\r?$", re.I | re.M)
_EOI: Final = b"\xff\xd9"
_PADDING: Final = b"\r\n\0"


def part(jpeg: bytes, time_ms: int) -> bytes:
    """A picture, and when it was taken, as a part of a stream of STREAM_TYPE that began with START.
    The boundary follows at once: a browser shows a picture when it sees its end."""
    sizes = b"Content-Length: %d\r\nX-Time-Ms: %d\r\n\r\n" % (len(jpeg), time_ms)
    return b"Content-Type: image/jpeg\r\n" + sizes + jpeg + b"\r\n" + START


def boundary_of(content_type: str) -> bytes:
    """The delimiter that a Content-Type announces. Raises Invalid("not-a-stream")."""
    headers = Headers()
    headers["Content-Type"] = content_type
    boundary = headers.get_boundary()
    if headers.get_content_maintype() != "multipart" or not boundary:
        raise Invalid("not-a-stream", f"it answers {content_type[:60]!r}, not an MJPEG stream")
    # Some announce the dashes as a part of the boundary, and then do not send them twice.
    return b"--" + boundary.encode("latin-1", "replace").removeprefix(b"--")


class Splitter:
    """Takes bytes, gives pictures. Holds at most `max_bytes` and one chunk."""

    def __init__(self, boundary: bytes, max_bytes: int) -> None:
        self._boundary = boundary
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._body_at: int | None = None
        self._length: int | None = None
        self._time_ms: int | None = None
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that are whole by now, oldest first; what one holds is not looked at.
        Raises Invalid: `too-large`, `not-a-stream`."""
        return [jpeg for jpeg, _ in self.timed(data)]

    def timed(self, data: bytes) -> list[tuple[bytes, int | None]]:
        """As `feed`, each picture with its X-Time-Ms, None where the sender tells none."""
        self._buffer += data
        found: list[tuple[bytes, int | None]] = []
        while (part := self._next()) is not None:
            if part:
                found.append((part, self._time_ms))
        return found

    def _next(self) -> bytes | None:
        """A part (b"" for an empty one), or None while more is needed."""
        if self._body_at is None and not self._header():
            return None
        assert self._body_at is not None  # noqa: S101 -- for the type checker
        declared = self._declared()
        if declared is not None:
            return self._take(self._body_at + declared)
        at = self._buffer.find(self._boundary, max(self._body_at, self._searched))
        if at >= 0:
            return self._take(at)
        self._searched = max(self._body_at, len(self._buffer) - len(self._boundary) + 1)
        if len(self._buffer) - self._body_at > self._max_bytes + len(_PADDING):
            raise Invalid("too-large", f"a picture of more than {self._max_bytes} bytes")
        return None

    def _header(self) -> bool:
        """Pass over the boundary and the part's header."""
        start = self._buffer.find(self._boundary)
        end = _END_OF_HEADER.search(self._buffer, start) if start >= 0 else None
        if end is None:
            # Before the first boundary lies nothing, or remains of a part: both are short.
            if len(self._buffer) > (self._max_bytes if start < 0 else start + MAX_HEADER_BYTES):
                raise Invalid("not-a-stream", "no boundary, or no end of a header, was found")
            return False
        length = _LENGTH.search(self._buffer, start, end.end())
        self._length = int(length[1]) if length else None
        time_ms = _TIME.search(self._buffer, start, end.end())
        self._time_ms = int(time_ms[1]) if time_ms else None
        del self._buffer[: end.end()]
        self._body_at = self._searched = 0
        return True

    def _declared(self) -> int | None:
        """The length that the header tells, once it is clear that it is true."""
        if self._length is None or len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        if body.rstrip(_PADDING).endswith(_EOI) and self._boundary not in body:
            return self._length
        self._length = None  # it lies: the boundary tells
        return None

    def _take(self, end: int) -> bytes:
        part = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._body_at = self._length = None
        self._searched = 0
        # Before a boundary stands a line's end that is no part of the picture.
        return part.removesuffix(b"\r\n") if not part.endswith(_EOI) else part
