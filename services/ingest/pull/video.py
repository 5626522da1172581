"""The video reader, a separate process: FFmpeg (PyAV) reads the RTSP streams of a few cameras and
decodes the key pictures that are wanted.

    stdin: Orders --> main thread, decodes --> stdout: News
                       ^ last key picture
    127.0.0.1 ------> one thread a stream, reads

It connects only to ingest's relay on 127.0.0.1 (rtspcam.py), over TCP. streams.py starts and ends
it.
"""

import os
import resource
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, Final

import av
import av.logging
import msgspec
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from services.ingest.pull.pipe import LENGTH, News, Order, packed

_MEMORY_BYTES: Final = 3 * 2**30  # address space, mostly used by libraries
_STACK_BYTES: Final = 2**20
_MAX_DECODED_PIXELS: Final = 64_000_000
_QUALITIES: Final = (3, 6, 14)  # on FFmpeg's scale, best first
_LAMBDA: Final = 118  # FFmpeg's unit of quality
_OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "protocol_whitelist": "rtsp,rtp,tcp",
    "allowed_media_types": "video",
    "analyzeduration": "0",  # a picture is shown as soon as it arrives
    "probesize": "32",
    "fflags": "nobuffer",
}
Tell = Callable[[News], None]


class Damaged(Exception):
    """A key picture that cannot be decoded completely."""


class Stream:
    """One camera's stream. `run` has its own thread; `decode` runs in the main one."""

    def __init__(self, number: int, url: str, tell: Tell) -> None:
        self._number = number
        self._url = url
        self._tell = tell
        self._decoder: VideoCodecContext | None = None
        self._key: av.Packet[VideoStream] | None = None
        self.closed = False

    def run(self) -> None:
        """Run until the stream ends or is closed."""
        reason = ""
        try:
            with av.open(self._url, options=_OPTIONS) as container:
                video = container.streams.video[0]
                self._decoder = _decoder_like(video.codec_context)
                for packet in container.demux(video):
                    if self.closed:
                        break
                    if packet.is_keyframe and packet.size:
                        self._key = packet
                        self._tell(News("key", self._number))
        except (av.FFmpegError, IndexError, MemoryError, ValueError) as error:
            reason = type(error).__name__  # its text contains the address, and so a login
        else:
            reason = "" if self.closed else "EOFError"
        self._tell(News("end", self._number, text=reason))

    def decode(self, max_pixels: int, max_bytes: int) -> bytes:
        """Return the last key picture as a JPEG, scaled down where the limits require it. Raises
        Damaged."""
        packet, decoder = self._key, self._decoder
        if packet is None or decoder is None:
            raise Damaged("there is no key picture")
        try:
            with av.logging.Capture() as messages:
                frames = [*decoder.decode(packet), *decoder.decode(None)]
                decoder.flush_buffers()
        except av.FFmpegError:
            decoder.flush_buffers()
            raise Damaged("its key picture cannot be decoded") from None
        if not frames:
            raise Damaged("its key picture cannot be decoded")
        if frames[0].is_corrupt or any(level <= av.logging.ERROR for level, *_ in messages):
            raise Damaged("its key picture lacks parts, and the decoder filled them in")
        return jpeg_of(frames[0], max_pixels, max_bytes)


def _decoder_like(other: VideoCodecContext) -> VideoCodecContext:
    """Return a decoder of single pictures that does not depend on earlier ones."""
    decoder = av.CodecContext.create(other.name, "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101 -- for the type checker
    decoder.extradata = other.extradata
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(_MAX_DECODED_PIXELS)}
    return decoder


def jpeg_of(frame: VideoFrame, max_pixels: int, max_bytes: int) -> bytes:
    """Return a JPEG of at most this many pixels and bytes. Raises Damaged."""
    scale = min(1.0, (max_pixels / (frame.width * frame.height)) ** 0.5)
    width, height = max(1, int(frame.width * scale)), max(1, int(frame.height * scale))
    picture = frame.reformat(width, height, "yuvj420p")
    picture.pts = None
    for quality in _QUALITIES:
        encoder = av.CodecContext.create("mjpeg", "w")
        assert isinstance(encoder, VideoCodecContext)  # noqa: S101 -- for the type checker
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
        encoder.options = {"flags": "+qscale", "global_quality": str(quality * _LAMBDA)}
        data = b"".join(map(bytes, [*encoder.encode(picture), *encoder.encode(None)]))
        if len(data) <= max_bytes:
            return data
    raise Damaged(f"its picture does not fit into {max_bytes} bytes")


def serve(source: BinaryIO, target: BinaryIO, max_pixels: int, max_bytes: int) -> None:
    """Serve orders until the source ends."""
    lock = threading.Lock()
    streams: dict[int, Stream] = {}

    def tell(news: News) -> None:
        with lock:
            target.write(packed(news))
            target.flush()

    tell(News("ready"))
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        order = msgspec.msgpack.decode(source.read(*LENGTH.unpack(head)), type=Order)
        if order.kind == "open":
            stream = streams[order.stream] = Stream(order.stream, order.url, tell)
            threading.Thread(target=stream.run, daemon=True).start()
        elif order.kind == "close":
            streams.pop(order.stream).closed = True
        else:
            try:
                data = streams[order.stream].decode(max_pixels, max_bytes)
            except (Damaged, av.FFmpegError, MemoryError) as error:
                text = str(error) if isinstance(error, Damaged) else type(error).__name__
                tell(News("damaged", order.stream, text=text))
            else:
                tell(News("picture", order.stream, data))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    threading.stack_size(_STACK_BYTES)
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # messages are counted for each picture
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # standard output is reserved for answers
    serve(sys.stdin.buffer, answers, int(sys.argv[1]), int(sys.argv[2]))
