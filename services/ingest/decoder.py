"""Decodes key pictures of video in a process of its own (services/ingest/decode.py).

A camera's bytes go to a large decoder written in C. So it runs where it can neither end ingest, nor
see a secret (its environment is empty), nor take longer than a limit: then it is ended, and the
next picture gets a new one. It is started with the first RTSP camera's first picture.
"""

import asyncio
import contextlib
import os
import sys
from typing import Final

from services.ingest.faults import CameraFault
from services.ingest.messages import Limits
from services.ingest.pipe import ANSWER, REQUEST

UNDECODABLE: Final = "undecodable"
_MAX_ANSWER: Final = 64_000_000
_START_LIMIT_S: Final = 20.0  # importing OpenCV on a busy machine
_END_LIMIT_S: Final = 5.0


class Decoder:
    """One child, one picture at a time; whoever waits behind a bad one waits `limit_s` at most."""

    def __init__(self, limits: Limits, limit_s: float = 5.0) -> None:
        self._limits = limits
        self._limit_s = limit_s
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self.started = 0

    async def jpeg(self, video: bytes) -> bytes:
        """A whole key picture (Annex B) as JPEG, made smaller where the limits want it. Raises
        CameraFault: `undecodable`, `decoder-hung`, `decoder-died`."""
        async with self._turn:
            done = False
            try:
                child = self._child or await self._start()
                async with asyncio.timeout(self._limit_s):
                    good, answer = await self._exchange(child, video)
                done = True
            except TimeoutError:
                raise CameraFault(
                    "decoder-hung", "its video could not be decoded in time"
                ) from None
            except (OSError, asyncio.IncompleteReadError):
                raise CameraFault("decoder-died", "its video ended the decoder") from None
            finally:
                if not done:  # whatever comes of it now belongs to no picture
                    await self._end()
        if not good:
            raise CameraFault(UNDECODABLE, answer.decode("utf-8", "replace")[:200])
        return answer

    async def close(self) -> None:
        """End the child."""
        async with self._turn:
            await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.ingest.decode"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "OPENCV_FFMPEG_LOGLEVEL": "32",  # decode.py hears of pictures that were filled in
            },
            close_fds=True,
        )
        self.started += 1
        assert self._child.stdout is not None  # noqa: S101 -- asked for above
        async with asyncio.timeout(_START_LIMIT_S):
            await self._child.stdout.readexactly(1)
        return self._child

    async def _exchange(
        self, child: asyncio.subprocess.Process, video: bytes
    ) -> tuple[bool, bytes]:
        assert child.stdin is not None  # noqa: S101 -- asked for at the start
        assert child.stdout is not None  # noqa: S101
        limits = self._limits
        child.stdin.write(
            REQUEST.pack(len(video), limits.frame_max_pixels, limits.frame_max_bytes) + video
        )
        await child.stdin.drain()
        good, length = ANSWER.unpack(await child.stdout.readexactly(ANSWER.size))
        if length > _MAX_ANSWER:
            raise OSError("the decoder answers nonsense")
        return good, await child.stdout.readexactly(length)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            # Not wait(): a pipe that is paused, an answer being half read, never tells of its end.
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_END_LIMIT_S):
                    await child.communicate()
