"""The decoder's own process: key pictures of video in by stdin, JPEGs out by stdout.

It reads nothing else and has no network: what it is given lies whole in memory. See decoder.py for
who starts it, and for what is said.
"""

import ctypes
import io
import os
import resource
import sys
from typing import Any, BinaryIO, Final

import cv2
import numpy as np
import numpy.typing as npt

from parking.complaints import listen
from services.ingest.pipe import ANSWER, REQUEST

_MEMORY_BYTES: Final = 3 * 2**30  # of addresses, of which libraries take most
_libc: Final = ctypes.CDLL(None)
_CONCEALED: Final = (b"concealing", b"error while decoding")
"""What FFmpeg says, at the level that decoder.py asks for, of a picture that it filled in."""
_QUALITIES: Final = (90, 75, 50)


def jpeg(video: bytes, max_pixels: int, max_bytes: int) -> bytes:
    """The first picture of the video, as JPEG. Raises ValueError, with words for people."""
    source: Any = io.BytesIO(video)  # OpenCV takes any such; its types do not say so
    capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [])
    try:
        (there, image), said = listen(capture.read, 1, lambda: _libc.fflush(None))
    finally:
        capture.release()
    if not there or not image.size:
        raise ValueError("its key picture cannot be decoded")
    if any(word in said for word in _CONCEALED):
        raise ValueError("its key picture lacks parts, and the decoder made them up")
    image = _within(np.asarray(image, np.uint8), max_pixels)
    for quality in _QUALITIES:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and len(data) <= max_bytes:
            return data.tobytes()
    raise ValueError(f"its picture does not fit into {max_bytes} bytes")


def _within(image: npt.NDArray[np.uint8], max_pixels: int) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = (max_pixels / (height * width)) ** 0.5
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Until the source ends."""
    target.write(b"!")  # ready
    target.flush()
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        length, max_pixels, max_bytes = REQUEST.unpack(head)
        video = source.read(length)
        try:
            good, answer = True, jpeg(video, max_pixels, max_bytes)
        except (ValueError, cv2.error) as error:
            good, answer = False, str(error)[:200].encode()
        target.write(ANSWER.pack(good, len(answer)) + answer)
        target.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    cv2.setNumThreads(1)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # FFmpeg's words go to standard output, which is for answers
    serve(sys.stdin.buffer, answers)
