"""RTSP cameras on 127.0.0.1 with H.264 over TCP (interleaved): good ones, bad ones and habits seen
in the field, one per path. All of them send packets that are too short to be RTCP."""

import asyncio
import base64
import contextlib
import itertools
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from tests.support.cameras import digest_is_right
from tests.support.h264 import key_picture, parameter_sets

WIDTH_MB, HEIGHT_MB = 4, 3
SPS, PPS = parameter_sets(WIDTH_MB, HEIGHT_MB)
PAYLOAD_TYPE = 96
PACKET_BYTES = 1_200
SHORT_S = 2
DIGEST = 'Digest realm="cam", nonce="n{nonce}", qop="auth"'
BASIC = 'Basic realm="cam"'
LOGINS = {
    "/login": f"WWW-Authenticate: {DIGEST}\r\nWWW-Authenticate: {BASIC}\r\n",
    "/basic-first": f"WWW-Authenticate: {BASIC}\r\nWWW-Authenticate: {DIGEST}\r\n",
    "/basic-first-in-one-line": f"WWW-Authenticate: {BASIC}, {DIGEST}\r\n",
    "/nonce-once": f"WWW-Authenticate: {DIGEST}\r\n",
}
REQUESTS = {
    "/asks-options": "OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "/announces": "ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nv=0\n",
    "/junk": "remains of a packet",
}
NOT_KEY = b"\x41\x9a" + b"\x55" * 400  # a slice that needs others


def greys(number: int) -> list[int]:
    return [(20 * place + 7 * number) % 200 + 20 for place in range(WIDTH_MB * HEIGHT_MB)]


class RtspCameras:
    """A server. `asked` counts DESCRIBE requests by path, and `open` is the number of open
    connections."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.open = 0
        self.redirect_to = ""
        self.pause_s = 0.02
        self.heads: list[str] = []
        self.nonce = 2
        self.damaged: Iterator[bool] = itertools.repeat(False)  # whether the next picture is

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"rtsp://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        sending: asyncio.Task[None] | None = None
        try:
            short = False
            while True:
                async with asyncio.timeout(SHORT_S if short else None):
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                if head.startswith("RTSP/"):
                    continue
                method, url, _ = head.split(" ", 2)
                self.methods[method] += 1
                path = "/" + url.split("/", 3)[3].partition("/track")[0].rstrip("/")
                self._answer(method, path, head, writer)
                short = method in ("PLAY", "GET_PARAMETER") and path == "/short-timeout"
                if method == "PLAY" and sending is None:
                    sending = asyncio.ensure_future(self._send(path, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            if sending is not None:
                sending.cancel()
            writer.close()

    def _answer(self, method: str, path: str, head: str, writer: asyncio.StreamWriter) -> None:
        number = head.partition("CSeq: ")[2].partition("\r\n")[0]
        status, more, body = "200 OK", "", ""
        if path == "/mute":
            return
        if path == "/noise":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        if path in LOGINS and not self._is_let_in(path, head, method):
            status, more = "401 Unauthorized", LOGINS[path].format(nonce=self.nonce)
        elif path == "/redirect":
            status, more = "302 Moved", f"Location: {self.redirect_to}\r\n"
        elif method == "DESCRIBE":
            self.asked[path] += 1
            body = self._description(path)
            more = f"Content-Base: {self.url(path)}/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            timeout_s = SHORT_S if path == "/short-timeout" else 60
            channels = "2-3" if path == "/channels-2-3" else "0-1"
            more = f"Session: 4711;timeout={timeout_s}\r\n"
            more += f"Transport: RTP/AVP/TCP;interleaved={channels}\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())

    def _is_let_in(self, path: str, head: str, method: str) -> bool:
        if path == "/nonce-once":
            self.nonce += 1
            return f'nonce="n{self.nonce - 1}"' in head and digest_is_right(head, method)
        return digest_is_right(head, method)

    def _description(self, path: str) -> str:
        sets = ",".join(base64.b64encode(one).decode() for one in (SPS, PPS))
        codec = "MPEG4-GENERIC/90000" if path == "/other-codec" else "H264/90000"
        sprop = "" if path == "/sets-in-band" else f";sprop-parameter-sets={sets}"
        space = " " if path == "/space-in-rtpmap" else ""
        other = "m=video 0 RTP/AVP 26\r\na=control:track3\r\n" if path == "/two-videos" else ""
        return (
            "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nt=0 0\r\n"
            "m=audio 0 RTP/AVP 0\r\na=control:track2\r\n"
            f"{other}"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{space}{PAYLOAD_TYPE} {codec}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1{sprop}\r\na=control:track1\r\n"
        )

    async def _send(self, path: str, writer: asyncio.StreamWriter) -> None:
        sequence = itertools.count(65_530)  # over the end of its 16 bits
        with contextlib.suppress(OSError):
            for number in itertools.count():
                channel = 2 if path == "/channels-2-3" else 0
                for packet in self._packets(path, number, sequence):
                    writer.write(struct.pack(">cBH", b"$", channel, len(packet)) + packet)
                writer.write(struct.pack(">cB", b"$", channel + 1) + b"\x00\x04rtcp")
                if number == 1 and path in REQUESTS:
                    writer.write(REQUESTS[path].format(url=self.url(path)).encode())
                await writer.drain()
                if path == "/stalls" and number == 1:
                    await asyncio.Event().wait()
                if path == "/ends" and number == 1:
                    writer.close()
                    return
                await asyncio.sleep(self.pause_s)

    def _units(self, path: str, number: int) -> list[bytes]:
        units = [key_picture(greys(number), number)]
        if path in ("/slices", "/slices-marked", "/slice-missing"):
            halves = greys(number)[:6], greys(number)[6:]
            units = [key_picture(half, number, 6 * at) for at, half in enumerate(halves)]
        if path == "/slice-missing":
            del units[1]
        if next(self.damaged):
            units[0] = units[0][: len(units[0]) * 2 // 3]
        if path == "/sets-marked":
            units = [SPS, PPS, *units]
        if path == "/no-key":
            units = [NOT_KEY]
        if path == "/poison":
            units = [b"\x65\x88" + bytes(range(256)) * 20]
        if path == "/sets-in-band":
            units = [SPS, PPS, *units]
        if path == "/endless-picture":
            units = [b"\x65\x88" + b"\x55" * 60_000] * 40
        return units

    def _packets(self, path: str, number: int, sequence: "itertools.count[int]") -> list[bytes]:
        if path == "/empty-packets":
            return [b""] * 1_000
        units = self._units(path, number)
        payloads = [part for one in units for part in fragments(one)]
        packets = []
        for index, payload in enumerate(payloads):
            ends = index == len(payloads) - 1 and path not in ("/endless-picture", "/no-marker")
            if path in ("/slices-marked", "/sets-marked"):
                ends = payload[0] & 31 != 28 or bool(payload[1] & 0x40)
            stamp = 0 if path == "/endless-picture" else number * 9_000
            head = (0x80, PAYLOAD_TYPE | (0x80 if ends else 0), next(sequence) & 0xFFFF, stamp, 1)
            packets.append(struct.pack(">BBHII", *head) + payload)
        if path == "/loses-packets":
            del packets[len(packets) // 2]
        return packets


def fragments(unit: bytes) -> list[bytes]:
    """Return the fragments as single units or as FU-A."""
    if len(unit) <= PACKET_BYTES:
        return [unit]
    parts = [unit[i : i + PACKET_BYTES] for i in range(1, len(unit), PACKET_BYTES)]
    last = len(parts) - 1
    return [
        bytes(
            [
                unit[0] & 0xE0 | 28,
                (0x80 if i == 0 else 0) | (0x40 if i == last else 0) | unit[0] & 31,
            ]
        )
        + part
        for i, part in enumerate(parts)
    ]


@asynccontextmanager
async def rtsp_cameras() -> AsyncIterator[RtspCameras]:
    cameras = RtspCameras()
    server = await asyncio.start_server(cameras.serve, "127.0.0.1", 0)
    cameras.port = server.sockets[0].getsockname()[1]
    try:
        yield cameras
    finally:
        server.close()
