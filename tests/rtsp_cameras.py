"""RTSP cameras on 127.0.0.1: H.264 over TCP (interleaved), good ones and bad ones by path."""

import asyncio
import base64
import contextlib
import itertools
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cameras import digest_is_right
from tests.h264 import key_picture, parameter_sets

WIDTH_MB, HEIGHT_MB = 4, 3
SPS, PPS = parameter_sets(WIDTH_MB, HEIGHT_MB)
PAYLOAD_TYPE = 96
PACKET_BYTES = 1_200
NOT_KEY = b"\x41\x9a" + b"\x55" * 400  # a slice that needs others


def greys(number: int) -> list[int]:
    return [(20 * place + 7 * number) % 200 + 20 for place in range(WIDTH_MB * HEIGHT_MB)]


class RtspCameras:
    """A server; `asked` counts DESCRIBEs by path, `open` connections."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.open = 0
        self.redirect_to = ""
        self.pause_s = 0.02
        self.heads: list[str] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"rtsp://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        sending: asyncio.Task[None] | None = None
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                method, url, _ = head.split(" ", 2)
                self.methods[method] += 1
                path = "/" + url.split("/", 3)[3].partition("/track")[0].rstrip("/")
                self._answer(method, path, head, writer)
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
        if path == "/login" and not digest_is_right(head, method):
            status = "401 Unauthorized"
            more = (
                'WWW-Authenticate: Digest realm="cam", nonce="n2", qop="auth"\r\n'
                'WWW-Authenticate: Basic realm="cam"\r\n'
            )
        elif path == "/redirect":
            status, more = "302 Moved", f"Location: {self.redirect_to}\r\n"
        elif method == "DESCRIBE":
            self.asked[path] += 1
            body = self._description(path)
            more = f"Content-Base: {self.url(path)}/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            more = "Session: 4711;timeout=60\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())

    def _description(self, path: str) -> str:
        sets = ",".join(base64.b64encode(one).decode() for one in (SPS, PPS))
        codec = "MPEG4-GENERIC/90000" if path == "/other-codec" else "H264/90000"
        told = "" if path == "/sets-in-band" else f";sprop-parameter-sets={sets}"
        return (
            "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nt=0 0\r\n"
            "m=audio 0 RTP/AVP 0\r\na=control:track2\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {codec}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1{told}\r\na=control:track1\r\n"
        )

    async def _send(self, path: str, writer: asyncio.StreamWriter) -> None:
        sequence = itertools.count(65_530)  # over the end of its 16 bits
        with contextlib.suppress(OSError):
            for number in itertools.count():
                for packet in self._packets(path, number, sequence):
                    writer.write(b"$\x00" + struct.pack(">H", len(packet)) + packet)
                writer.write(b"$\x01\x00\x04rtcp")
                await writer.drain()
                if path == "/stalls" and number == 1:
                    await asyncio.Event().wait()
                if path == "/ends" and number == 1:
                    writer.close()
                    return
                await asyncio.sleep(self.pause_s)

    def _packets(self, path: str, number: int, sequence: "itertools.count[int]") -> list[bytes]:
        if path == "/empty-packets":
            return [b""] * 1_000
        units = [key_picture(greys(number), number)]
        if path == "/no-key":
            units = [NOT_KEY]
        if path == "/poison":
            units = [b"\x65\x88" + bytes(range(256)) * 20]
        if path == "/sets-in-band":
            units = [SPS, PPS, *units]
        if path == "/endless-picture":
            units = [b"\x65\x88" + b"\x55" * 60_000] * 40
        payloads = [part for one in units for part in fragments(one)]
        packets = []
        for index, payload in enumerate(payloads):
            ends = index == len(payloads) - 1 and path != "/endless-picture"
            stamp = 0 if path == "/endless-picture" else number * 9_000
            head = (0x80, PAYLOAD_TYPE | (0x80 if ends else 0), next(sequence) & 0xFFFF, stamp, 1)
            packets.append(struct.pack(">BBHII", *head) + payload)
        if path == "/loses-packets":
            del packets[len(packets) // 2]
        return packets


def fragments(unit: bytes) -> list[bytes]:
    """As single units, or as FU-A."""
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
