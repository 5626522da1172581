"""Measure the cost of polling RTSP cameras: CPU time and memory of ingest, including its readers.

    python -m tools.bench.video --cameras 50 --interval-s 5 --seconds 60

The cameras are one process that sends H.264 over TCP (1280x720, 10 pictures per second, one key
frame per second, about 2 Mbit/s). The process that polls them and its children are measured.
"""

import argparse
import asyncio
import base64
import itertools
import multiprocessing
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from fractions import Fraction
from typing import Final

import av
import numpy as np
import psutil
from av.video.codeccontext import VideoCodecContext

from services.ingest.messages import Limits
from services.ingest.pull.camerafile import Camera
from services.ingest.pull.networks import SiteNetworks
from services.ingest.pull.puller import Source, Want
from services.ingest.pull.sources import sources
from services.ingest.pull.streams import Streams

_SIZE: Final = (1280, 720)
_PICTURES: Final = 50
_PACE_S: Final = 0.1
_PACKET_BYTES: Final = 1_400
_LIMIT_S: Final = 10.0
_START_LIMIT_S: Final = 120.0


def encoded() -> tuple[list[bytes], list[list[bytes]]]:
    """Return the parameter sets, and the NAL units of each picture of a scene in which something
    moves."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101 -- for the type checker
    encoder.width, encoder.height = _SIZE
    encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(10)
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "g": "10", "crf": "26"}
    random = np.random.default_rng(1)
    scene = random.integers(0, 255, (_SIZE[1] // 8, _SIZE[0] // 8, 3), np.uint8).repeat(8, 0)
    scene = scene.repeat(8, 1)
    packets = []
    for number in range(_PICTURES):
        image = np.roll(scene, 4 * number, 1)
        noise = random.integers(0, 6, image.shape, np.uint8)
        frame = av.VideoFrame.from_ndarray(image // 2 + noise, "rgb24")
        packets += encoder.encode(frame)
    units = [
        [u for u in bytes(p).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if u] for p in packets
    ]
    sets = [u for u in units[0] if u[0] & 31 in (7, 8)]
    return sets, units


def rtp(units: list[bytes], number: int, sequence: Iterator[int]) -> bytes:
    """Return a picture as interleaved packets (FU-A)."""
    out = bytearray()
    for index, unit in enumerate(units):
        parts = [unit]
        if len(unit) > _PACKET_BYTES:
            cut = [unit[i : i + _PACKET_BYTES] for i in range(1, len(unit), _PACKET_BYTES)]
            flags = [0x80, *[0] * (len(cut) - 2), 0x40]
            heads = [bytes([unit[0] & 0xE0 | 28, flag | unit[0] & 31]) for flag in flags]
            parts = [head + part for head, part in zip(heads, cut, strict=True)]
        for place, payload in enumerate(parts):
            marker = 0x80 * (index == len(units) - 1 and place == len(parts) - 1)
            head = struct.pack(
                ">BBHII", 0x80, 96 | marker, next(sequence) & 0xFFFF, number * 9_000 & 0xFFFFFFFF, 1
            )
            out += struct.pack(">cBH", b"$", 0, len(head + payload)) + head + payload
    return bytes(out)


async def serve(port: "multiprocessing.Queue[int]") -> None:
    """Run cameras that send endlessly."""
    sets, pictures = encoded()
    props = ",".join(base64.b64encode(one).decode() for one in sets)
    sdp = (
        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={props}\r\n"
        "a=control:track1\r\n"
    )

    async def play(writer: asyncio.StreamWriter) -> None:
        sequence = itertools.count()
        for number in itertools.count():
            writer.write(rtp(pictures[number % _PICTURES], number, sequence))
            await asyncio.sleep(_PACE_S)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing = None
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                number = head.partition("CSeq: ")[2].partition("\r\n")[0]
                body = sdp if head.startswith("DESCRIBE") else ""
                more = "Content-Type: application/sdp\r\n" if body else "Session: 1;timeout=60\r\n"
                if head.startswith("SETUP"):
                    more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                answer = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}"
                writer.write(f"{answer}Content-Length: {len(body)}\r\n\r\n{body}".encode())
                if head.startswith("PLAY"):
                    playing = asyncio.ensure_future(play(writer))
        except (asyncio.IncompleteReadError, OSError):
            if playing is not None:
                playing.cancel()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _cameras(port: "multiprocessing.Queue[int]") -> None:
    asyncio.run(serve(port))


async def poll(source: Source, interval_s: float, sizes: list[int]) -> None:
    """Poll a source at a fixed pace, as the puller does."""
    due = time.monotonic()

    def want() -> Want:
        return "picture" if time.monotonic() >= due else "nothing"

    async with aclosing(source.pictures(want)) as given:
        async for jpeg in given:
            due += interval_s
            sizes.append(len(jpeg))


async def measure(port: int, count: int, interval_s: float, seconds: float) -> str:
    """Measure and return the figures on one line."""
    limits = Limits()
    streams = Streams(limits)
    new_source = sources(SiteNetworks.parse(["127.0.0.1"]), limits, _LIMIT_S, streams)
    sizes: list[int] = []
    urls = [f"rtsp://127.0.0.1:{port}/{number}" for number in range(count)]
    polling = [
        asyncio.ensure_future(
            poll(new_source(Camera(f"bench/{n}", "rtsp", url)), interval_s, sizes)
        )
        for n, url in enumerate(urls)
    ]
    async with asyncio.timeout(_START_LIMIT_S):
        while len(sizes) < count:  # noqa: ASYNC110 -- simpler than an event
            await asyncio.sleep(0.2)
    sizes.clear()
    before, began = _cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - began
    used_s = [now - was for now, was in zip(_cpu_s(), before, strict=True)]
    memory = [one.memory_full_info().pss / 2**20 for one in _processes()]
    failed = [str(task.exception()) for task in polling if task.done()]
    for task in polling:
        task.cancel()
    await asyncio.gather(*polling, return_exceptions=True)
    await streams.close()
    return (
        f"{count} cameras, a picture each {interval_s:g} s: {len(sizes)} in {took_s:.0f} s\n"
        f"CPU: {used_s[0] / took_s:.2f} cores here, {used_s[1] / took_s:.2f} in readers\n"
        f"memory: {memory[0]:.0f} MB here, {sum(memory[1:]):.0f} MB in {len(memory) - 1} readers\n"
        f"failed: {len(failed)} {'; '.join(sorted(set(failed)))}\n"
    )


def _processes() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *(p for p in own.children() if "services.ingest.pull.video" in p.cmdline())]


def _cpu_s() -> tuple[float, float]:
    own, *readers = (sum(p.cpu_times()[:2]) for p in _processes())
    return own, sum(readers)


def main() -> None:
    """Start the cameras, poll them, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.video", description=__doc__)
    parser.add_argument("--cameras", type=int, default=50)
    parser.add_argument("--interval-s", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    port: multiprocessing.Queue[int] = spawn.Queue(maxsize=1)
    cameras = spawn.Process(target=_cameras, args=(port,), daemon=True)
    cameras.start()
    try:
        line = measure(port.get(), options.cameras, options.interval_s, options.seconds)
        sys.stdout.write(asyncio.run(line))
    finally:
        cameras.terminate()
        cameras.join()


if __name__ == "__main__":
    main()
