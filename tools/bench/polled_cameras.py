"""Simulated IP cameras for tools.bench.polled: snapshots, MJPEG and RTSP (H.264) on 127.0.0.1.

  python -m tools.bench.polled_cameras HTTP_PORT RTSP_PORT

Paths: /snapshot, /mjpeg and, by RTSP, /video. A video is two seconds of the demo's cameras in a
loop, with one key frame per second. Prints "ready" and serves until it is terminated.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np

from tools.stack.settings import ROOT

HOST: Final = "127.0.0.1"
FPS: Final = 10
SIZE: Final = (1280, 720)
_PACKET_BYTES: Final = 1_200
_PAYLOAD_TYPE: Final = 96
_START: Final = b"\x00\x00\x00\x01"
_PART: Final = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Footage:
    """What all cameras show: JPEG pictures, and the same pictures as H.264 units."""

    jpegs: list[bytes]
    units: list[list[bytes]]


def footage(folder: Path = ROOT / "demo") -> Footage:
    """Return two seconds of footage. Sensor noise makes each picture different."""
    file = str(next(folder.rglob("*.jpg")))
    scene = np.asarray(cv2.resize(np.asarray(cv2.imread(file)), SIZE), np.float32)
    noise = np.random.default_rng(1)
    noisy = (scene + noise.normal(0, 2.5, scene.shape) for _ in range(2 * FPS))
    pictures = [np.clip(one, 0, 255).astype(np.uint8) for one in noisy]
    jpegs = [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 80])[1] for one in pictures]
    return Footage([one.tobytes() for one in jpegs], _encoded(pictures))


def _encoded(pictures: list[Any]) -> list[list[bytes]]:
    with av.open(io.BytesIO(), "w", format="h264") as container:
        stream: Any = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, FPS)
        stream.options = {"tune": "zerolatency", "g": str(FPS), "threads": "1", "preset": "fast"}
        frames = [av.VideoFrame.from_ndarray(one, format="bgr24") for one in pictures]
        for number, frame in enumerate(frames):
            frame.pts = number
        packets = [bytes(one) for frame in frames for one in stream.encode(frame)]
    return [[part for part in _split(one) if part] for one in packets]


def _split(packet: bytes) -> list[bytes]:
    return packet.replace(_START, b"\x00\x00\x01").split(b"\x00\x00\x01")


async def serve_http(film: Footage, reader: Any, writer: asyncio.StreamWriter) -> None:
    """Serve /snapshot with one picture per request, and /mjpeg with FPS pictures per second."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        for jpeg in itertools.cycle(film.jpegs):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /mjpeg"):
                await _send_mjpeg(film, writer)
            length = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            writer.write(b"HTTP/1.1 200 OK\r\n" + length + jpeg)
            await writer.drain()
    writer.close()


async def _send_mjpeg(film: Footage, writer: asyncio.StreamWriter) -> None:
    kind = b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    writer.write(b"HTTP/1.1 200 OK\r\n" + kind)
    for jpeg in itertools.cycle(film.jpegs):
        writer.write(_PART % len(jpeg) + jpeg + b"\r\n")
        await writer.drain()
        await asyncio.sleep(1 / FPS)


class Rtsp:
    """A server for one video over TCP (RFC 2326, RFC 6184)."""

    def __init__(self, film: Footage) -> None:
        self._units = film.units
        sets = film.units[0][:2]
        self._sets = ",".join(base64.b64encode(one).decode() for one in sets)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection as a camera."""
        sending: asyncio.Task[None] | None = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, url, _ = head.split(" ", 2)
                writer.write(self._answer(method, url, head).encode())
                if method == "PLAY" and sending is None:
                    sending = asyncio.ensure_future(self._send(writer))
        if sending is not None:
            sending.cancel()
        writer.close()

    def _answer(self, method: str, url: str, head: str) -> str:
        number = head.partition("CSeq: ")[2].partition("\r\n")[0]
        more, body = "", ""
        if method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=bench\r\nt=0 0\r\n"
                f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}\r\na=rtpmap:{_PAYLOAD_TYPE} H264/90000\r\n"
                f"a=fmtp:{_PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={self._sets}\r\n"
                "a=control:track1\r\n"
            )
            more = f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            more = "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
        return (
            f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        sequence = itertools.count()
        with contextlib.suppress(OSError):
            for number, units in enumerate(itertools.cycle(self._units)):
                writer.write(b"".join(packets(units, number, sequence)))
                await writer.drain()
                await asyncio.sleep(1 / FPS)


def packets(units: list[bytes], number: int, sequence: "itertools.count[int]") -> Iterator[bytes]:
    """Yield one picture's RTP packets, each in its interleaved frame."""
    payloads = [part for unit in units for part in _fragments(unit)]
    for index, payload in enumerate(payloads):
        marked = _PAYLOAD_TYPE | (0x80 if index == len(payloads) - 1 else 0)
        stamp = number * 90_000 // FPS & 0xFFFFFFFF
        head = struct.pack(">BBHII", 0x80, marked, next(sequence) & 0xFFFF, stamp, 1)
        yield struct.pack(">cBH", b"$", 0, len(head) + len(payload)) + head + payload


def _fragments(unit: bytes) -> list[bytes]:
    """Yield a unit unchanged, or in FU-A fragments."""
    if len(unit) <= _PACKET_BYTES:
        return [unit]
    parts = [unit[i : i + _PACKET_BYTES] for i in range(1, len(unit), _PACKET_BYTES)]
    flags = [0] * len(parts)
    flags[0], flags[-1] = 0x80, 0x40
    heads = [bytes([unit[0] & 0xE0 | 28, flag | unit[0] & 31]) for flag in flags]
    return [head + part for head, part in zip(heads, parts, strict=True)]


async def serve(http_port: int, rtsp_port: int) -> None:
    """Serve until cancelled."""
    film = footage()
    await asyncio.start_server(lambda r, w: serve_http(film, r, w), HOST, http_port)
    await asyncio.start_server(Rtsp(film).serve, HOST, rtsp_port)
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run the command line."""
    parser: Any = argparse.ArgumentParser(
        prog="python -m tools.bench.polled_cameras",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("http_port", type=int, help="port for snapshots and MJPEG")
    parser.add_argument("rtsp_port", type=int, help="port for video")
    options = parser.parse_args()
    asyncio.run(serve(options.http_port, options.rtsp_port))


if __name__ == "__main__":
    main()
