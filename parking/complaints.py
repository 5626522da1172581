"""What decoders say while they decode. libjpeg and FFmpeg go on after an error, fill in what is
missing and write a line to the process's own output; OpenCV tells nobody."""

import io
import os
import re
import tempfile
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_DAMAGE: Final = re.compile(
    rb"Corrupt JPEG data: (premature end of data segment|bad Huffman code"
    rb"|found marker 0x\w+ instead of RST\d+|(\d+) extraneous bytes before marker 0x(\w+))"
)
_PADDING: Final = 8
"""Extraneous bytes that cheap encoders leave before a marker in pictures that are whole."""
_MOST_BYTES: Final = 4096
_turn: Final = threading.Lock()


def listen(
    decode: Callable[[], T], stream: int = 2, flush: Callable[[], object] = lambda: None
) -> tuple[T, bytes]:
    """The result of `decode` and what was written to standard error (`stream` 1: to standard
    output) meanwhile, by any thread; `flush` empties the writer's buffer. One at a time: what
    another decoder says must not be heard here."""
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
            said = heard.read()
            others = [line for line in said.splitlines(True) if b"Corrupt JPEG" not in line]
            if others:
                os.write(stream, b"".join(others))
    return result, said[:_MOST_BYTES]


def _file() -> io.FileIO:
    """A file in memory, where the system has such; a container may have no disk to write on."""
    if hasattr(os, "memfd_create"):
        return io.FileIO(os.memfd_create("heard"), "r+")
    number, path = tempfile.mkstemp()
    os.unlink(path)
    return io.FileIO(number, "r+")


def damage_in(said: bytes, jpeg: bytes) -> str | None:
    """The complaint that means that a part of the picture is wrong, in libjpeg's words. Padding
    before the end is none: a few bytes, or any number of one value."""
    for found in _DAMAGE.finditer(said):
        extra = int(found[2] or 0)
        if extra and (extra < _PADDING or (found[3] == b"d9" and _is_padded(jpeg, extra))):
            continue
        return found[1].decode("ascii", "replace")
    return None


def _is_padded(jpeg: bytes, count: int) -> bool:
    end = jpeg.rfind(b"\xff\xd9")
    return len(set(jpeg[max(0, end - count + 1) : end])) <= 1
