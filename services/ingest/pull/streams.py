"""Video readers (video.py): processes that each read the streams of a few cameras for ingest.

A large C library parses the camera's bytes. So it runs in a process that can neither end ingest nor
see its environment, with limited memory, and is replaced when it hangs or dies. Only the cameras of
that process are affected, and the camera whose picture was being decoded then gets its own process.
"""

import asyncio
import contextlib
import os
import sys
from typing import Final

import msgspec

from services.ingest.messages import Limits
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.pipe import LENGTH, News, Order, packed

UNDECODABLE: Final = "undecodable"
STREAMS_A_READER: Final = 8
_MAX_NEWS_BYTES: Final = 64_000_000
_START_LIMIT_S: Final = 20.0  # time to import FFmpeg on a busy machine
_END_LIMIT_S: Final = 5.0


class Stream:
    """One camera's stream in a reader."""

    def __init__(self, reader: "Reader", camera_id: str, number: int) -> None:
        self.camera_id = camera_id
        self.ended = asyncio.Event()
        self._reader = reader
        self._number = number
        self._changed = asyncio.Event()
        self._has_key = False
        self._answers: list[News] = []
        self._fault: Exception | None = None

    async def key(self) -> None:
        """Wait for the next key picture. Raises EOFError with the reader's reason when the stream
        ends, or the fault that was passed to `fail`."""
        while not self._has_key:
            await self._wait()
        self._has_key = False

    async def jpeg(self, limit_s: float) -> bytes:
        """Return the last key picture. Raises CameraFault (`undecodable`, `decoder-hung`), and the
        same as `key`."""
        if self._fault is not None:
            raise self._fault
        self._answers.clear()
        self._reader.send(Order("decode", self._number))
        try:
            async with asyncio.timeout(limit_s):
                while not self._answers:
                    await self._wait()
        except TimeoutError:
            self.hang()
            raise CameraFault("decoder-hung", "its video could not be decoded in time") from None
        except CameraFault as fault:
            if fault.reason == "decoder-died":
                self._reader.blamed.add(self.camera_id)
            raise
        answer = self._answers.pop()
        if answer.kind == "damaged":
            raise CameraFault(UNDECODABLE, answer.text[:200])
        return answer.data

    def close(self) -> None:
        """Ask the reader to close the camera; `ended` is set when the reader has done so."""
        if self._reader.lives:  # it keeps a stream that ended by itself until it gets this message
            self._reader.send(Order("close", self._number))

    def fail(self, fault: Exception) -> None:
        """Give this fault to the tasks that wait for a picture, unless there was one before."""
        self._fault = self._fault or fault
        self._changed.set()

    def hang(self) -> None:
        """Replace the reader, because it makes no progress with this stream."""
        self._reader.blamed.add(self.camera_id)
        self._reader.kill()

    def take(self, news: News) -> None:
        """Take news from the reader."""
        if news.kind == "key":
            self._has_key = True
        elif news.kind == "end":
            self.ended.set()
            self._fault = self._fault or EOFError(news.text)
        else:
            self._answers = [news]
        self._changed.set()

    async def _wait(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._changed.clear()
        await self._changed.wait()


class Reader:
    """One process. `blamed` holds the cameras that may not share a process."""

    def __init__(self, child: asyncio.subprocess.Process, blamed: set[str]) -> None:
        self.streams: dict[int, Stream] = {}
        self.alone = False
        self.blamed = blamed
        self._child = child
        self._listening: asyncio.Task[None] | None = None

    @property
    def lives(self) -> bool:
        """Whether the reader can accept a stream."""
        return self._listening is not None and not self._listening.done()

    async def start(self) -> None:
        """Wait until the reader is ready. Raises CameraFault."""
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await self._news()
        except (TimeoutError, EOFError):
            await self.end()
            raise CameraFault("decoder-died", "no decoder could be started") from None
        self._listening = asyncio.create_task(self._listen())

    def send(self, order: Order) -> None:
        """Send an order. A dead process is noticed only when reading from it."""
        assert self._child.stdin is not None  # noqa: S101 -- asked for at the start
        self._child.stdin.write(packed(order))

    def kill(self) -> None:
        """Kill the process at once; its streams fail."""
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()

    async def end(self) -> None:
        """End the process and wait for it, with a time limit."""
        self.kill()
        # wait() is not used, because it never returns while a pipe is paused with a half-read
        # answer.
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_END_LIMIT_S):
                if self._listening is not None:
                    await self._listening
                await self._child.communicate()

    async def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError, msgspec.DecodeError):
            while True:
                news = await self._news()
                stream = self.streams.get(news.stream)
                if stream is not None:
                    stream.take(news)
                if news.kind == "end":
                    self.streams.pop(news.stream, None)
        self.kill()
        for stream in self.streams.values():
            stream.fail(
                CameraFault(
                    "decoder-died",
                    "its video, or that of a camera in the same process, crashed the decoder",
                )
            )
            stream.ended.set()
        self.streams.clear()

    async def _news(self) -> News:
        assert self._child.stdout is not None  # noqa: S101 -- asked for at the start
        (length,) = LENGTH.unpack(await self._child.stdout.readexactly(LENGTH.size))
        if length > _MAX_NEWS_BYTES:
            raise OSError("the reader sent an invalid response")
        return msgspec.msgpack.decode(await self._child.stdout.readexactly(length), type=News)


class Streams:
    """All readers of this process. `started` counts them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._readers: list[Reader] = []
        self._blamed: set[str] = set()
        self._turn = asyncio.Lock()
        self._number = 0
        self.started = 0

    async def open(self, camera_id: str, url: str) -> Stream:
        """Have a reader connect to `url`. Raises CameraFault("decoder-died")."""
        async with self._turn:
            reader = await self._reader_for(camera_id)
            self._number += 1
            stream = reader.streams[self._number] = Stream(reader, camera_id, self._number)
            reader.send(Order("open", self._number, url))
        return stream

    async def close(self) -> None:
        """End all readers."""
        async with self._turn:
            readers, self._readers = self._readers, []
            await asyncio.gather(*(reader.end() for reader in readers))

    async def _reader_for(self, camera_id: str) -> Reader:
        alone = camera_id in self._blamed
        room = 1 if alone else STREAMS_A_READER
        self._readers = [reader for reader in self._readers if reader.lives]
        for reader in self._readers:
            if reader.alone == alone and len(reader.streams) < room:
                return reader
        reader = await self._start()
        reader.alone = alone
        return reader

    async def _start(self) -> Reader:
        limits = self._limits
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.ingest.pull.video"),
            *(str(limits.frame_max_pixels), str(limits.frame_max_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "MALLOC_ARENA_MAX": "2",  # otherwise each thread would hold memory
            },
            close_fds=True,
        )
        self.started += 1
        reader = Reader(child, self._blamed)
        await reader.start()
        self._readers.append(reader)
        return reader
