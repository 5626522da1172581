"""Read decoders' warnings. libjpeg and FFmpeg continue after an error, fill in the missing part and
write a line to the process's own output; OpenCV does not report it."""

import io
import os
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_DAMAGE: Final = re.compile(
    rb"Corrupt JPEG data: (premature end of data segment|bad Huffman code"
    rb"|found marker 0x\w+ instead of RST\d+|(\d+) extraneous bytes before marker 0x(\w+))"
)
_PADDING: Final = 8
"""Extraneous bytes that cheap encoders leave before a marker in intact pictures."""
_MOST_BYTES: Final = 4096
_turn: Final = threading.Lock()


def listen(
    decode: Callable[[], T], stream: int = 2, flush: Callable[[], object] = lambda: None
) -> tuple[T, bytes]:
    """Return the result of `decode` and what any thread wrote to standard error meanwhile (`stream`
    1: to standard output). `flush` empties the writer's buffer. Runs one at a time, so that the
    output of another decoder is not mixed in."""
    with _turn, _file() as heard:
        flush()
        before = os.dup(stream)
        os.dup2(heard.fileno(), stream)
        try:
            result = decode()
        finally:
            flush()
            os.dup2(before, stream)
            os.close(before)
            heard.seek(0)
            text = heard.read()
            others = [line for line in text.splitlines(True) if b"Corrupt JPEG" not in line]
            if others:
                os.write(stream, b"".join(others))
    return result, text[:_MOST_BYTES]


def _file() -> io.FileIO:
    """A file in memory if the system supports it, because a container may have no writable disk."""
    if hasattr(os, "memfd_create"):
        return io.FileIO(os.memfd_create("heard"), "r+")
    number, path = tempfile.mkstemp()
    Path(path).unlink()
    return io.FileIO(number, "r+")


def damage_in(text: bytes, jpeg: bytes) -> str | None:
    """The complaint, in libjpeg's words, that shows that a part of the picture is wrong. Padding
    before the end does not count, which is a few bytes or any number of bytes with one value."""
    for found in _DAMAGE.finditer(text):
        extra = int(found[2] or 0)
        if extra and (extra < _PADDING or (found[3] == b"d9" and _is_padded(jpeg, extra))):
            continue
        return found[1].decode("ascii", "replace")
    return None


def _is_padded(jpeg: bytes, count: int) -> bool:
    end = jpeg.rfind(b"\xff\xd9")
    return len(set(jpeg[max(0, end - count + 1) : end])) <= 1
