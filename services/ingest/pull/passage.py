"""Filter an RTSP camera's answers on their way to FFmpeg. Pure.

FFmpeg follows redirects to any address, loses sync at interleaved packets shorter than their
header, and requests every track. So answers are parsed and rewritten: a redirect becomes a fault, a
request is repeated with a new nonce, and the description contains only one video track.
"""

import re
from typing import Final

from services.ingest.pull.faults import CameraFault, status_fault
from services.ingest.pull.heads import END, MAX_HEAD_BYTES, fields_of, joined, value_of

MAX_BODY_BYTES: Final = 65_536
_SHORTEST_PACKET: Final = 8  # for RTCP; RTP packets are longer
_STATUS: Final = re.compile(rb"RTSP/1\.\d\s+(\d{3})\b")
_REQUEST: Final = re.compile(rb"[A-Z_]{3,20} \S+ RTSP/1\.\d")
_TEXT: Final = re.compile(rb"[A-Z_]{1,20}([ /]|\Z)")
_STATIC: Final = {"26": "JPEG"}
_PREFERRED: Final = ("H264", "H265", "JPEG")


class Passage:
    """One connection. `status` is that of the last error, or 0 if there was none."""

    def __init__(self, *, has_login: bool) -> None:
        self._has_login = has_login
        self._buffer = bytearray()
        self._playing = False
        self.status = 0

    def ask(self, data: bytes) -> None:
        """Note FFmpeg's requests. After PLAY, video can follow, and redirects no longer matter."""
        self._playing = self._playing or b"PLAY " in data

    def feed(self, data: bytes) -> bytes:
        """Return the complete part that FFmpeg may read. Raises CameraFault."""
        self._buffer += data
        out = bytearray()
        at = 0
        while (end := self._end(at)) is not None:
            out += self._passed(at, end)
            at = end
        del self._buffer[:at]
        return bytes(out)

    def _end(self, at: int) -> int | None:
        """Return where the packet or message that starts at `at` ends, or None while more data is
        needed."""
        buffer = self._buffer
        if len(buffer) - at < 4:
            return None
        if buffer[at] == 0x24:
            end = at + 4 + int.from_bytes(buffer[at + 2 : at + 4])
            return end if end <= len(buffer) else None
        if buffer[at] in b"\r\n":
            return at + 1
        if self._playing and not _TEXT.match(buffer, at):
            following = buffer.find(b"$", at)  # the rest of a packet
            return following if following >= 0 else len(buffer)
        head = END.search(buffer, at)
        if head is None:
            if len(buffer) - at > MAX_HEAD_BYTES:
                raise CameraFault("bad-answer", "what it answers is not RTSP")
            return None
        length = value_of(fields_of(bytes(buffer[at : head.end()])), b"content-length") or b"0"
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise CameraFault("bad-answer", "its answer has an impossible Content-Length")
        end = head.end() + int(length)
        return end if end <= len(buffer) else None

    def _passed(self, at: int, end: int) -> bytes:
        part = bytes(self._buffer[at:end])
        if part[0] == 0x24:
            return part if self._playing and end - at - 4 >= _SHORTEST_PACKET else b""
        if part in (b"\r", b"\n") or (self._playing and not _TEXT.match(self._buffer, at)):
            return b""
        return self._message(part)

    def _message(self, text: bytes) -> bytes:
        cut = END.search(text)
        assert cut is not None  # noqa: S101 -- _end() found it
        head, body = text[: cut.end()], text[cut.end() :]
        first, fields = head.splitlines()[0], fields_of(head)
        status = _STATUS.match(first)
        if status is not None:
            first = b"RTSP/1.0 " + status[1] + b" -"
            self._notice(int(status[1]))
        elif not _REQUEST.fullmatch(first):
            raise CameraFault("bad-answer", "what it answers is not RTSP")
        if b"sdp" in value_of(fields, b"content-type").lower():
            body = one_track(body.decode("utf-8", "replace")).encode()
        fields = [
            # Otherwise FFmpeg would not repeat the request with a new nonce.
            (name, value + b", stale=true")
            if name.lower() == b"www-authenticate"
            else (name, value)
            for name, value in fields
            if name.lower() != b"content-length"
        ]
        return joined(first, [*fields, (b"Content-Length", b"%d" % len(body))]) + body

    def _notice(self, status: int) -> None:
        if 300 <= status < 400:
            raise status_fault("RTSP", status, has_login=self._has_login)
        self.status = status if status >= 400 else 0


def one_track(sdp: str) -> str:
    """Return the description with only its first H.264 or H.265 video or, failing that, its first
    JPEG video. Raises CameraFault("no-video")."""
    session, *media = re.split(r"^(?=m=)", sdp, flags=re.M)
    codecs = [_codec(one) for one in media]
    for codec in _PREFERRED:
        if codec in codecs:
            return session + media[codecs.index(codec)]
    offered = ", ".join(name[:20] for name in codecs if name) or "none"
    raise CameraFault("no-video", f"it offers no H.264, H.265 or JPEG video (but {offered})")


def _codec(media: str) -> str:
    found = re.match(r"m=video\s+\S+\s+RTP/S?AVP\S*\s+(\d+)", media)
    if found is None:
        return ""
    mapped = re.search(rf"^a=rtpmap:\s*{found[1]}\s+([\w-]+)\s*/", media, re.M)
    return mapped[1].upper() if mapped else _STATIC.get(found[1], f"type {found[1]}")
