"""A relay between a camera and FFmpeg. It joins the checked connection to one on 127.0.0.1.

FFmpeg can neither be restricted to the checked address nor pin a certificate. So it connects here,
and all data to and from the camera passes through the relay.
"""

import asyncio
import socket
from typing import Final

from services.ingest.pull.faults import CameraFault, fault_of
from services.ingest.pull.passage import Passage
from services.ingest.pull.streams import Stream

_CHUNK: Final = 65_536


class Relay:
    """One connection. `unkeyed` counts the bytes since the last key picture; the code that sees a
    key picture sets it to 0. More than `max_unkeyed` bytes are a fault."""

    def __init__(
        self,
        camera: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        passage: Passage,
        limit_s: float,
        max_unkeyed: int,
    ) -> None:
        self._camera, self._to_camera = camera
        self._passage = passage
        self._limit_s = limit_s
        self._max_unkeyed = max_unkeyed
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.unkeyed = 0

    async def run(self, stream: Stream) -> None:
        """Run until FFmpeg or the camera ends the connection; `stream` then fails with the
        error."""
        try:
            await self._run(stream)
        except (CameraFault, OSError) as error:
            stream.fail(fault_of(error))

    async def _run(self, stream: Stream) -> None:
        reader, writer = await self._accept(stream)
        requests = asyncio.ensure_future(self._pass_requests(reader))
        answered = asyncio.ensure_future(self._pass_answers(writer, stream))
        both = (requests, answered)
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.close()
        for task in done:
            task.result()

    def close(self) -> None:
        """Close the connection to the camera."""
        self._listener.close()
        self._to_camera.close()

    async def _accept(self, stream: Stream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(2 * self._limit_s):
                accepted, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        except TimeoutError:
            stream.hang()
            raise CameraFault("decoder-hung", "no decoder accepted its stream") from None
        self._listener.close()
        return await asyncio.open_connection(sock=accepted)

    async def _pass_requests(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            self._passage.ask(data)
            self._to_camera.write(data)
            await self._to_camera.drain()

    async def _pass_answers(self, writer: asyncio.StreamWriter, stream: Stream) -> None:
        while True:
            async with asyncio.timeout(self._limit_s):
                data = await self._camera.read(_CHUNK)
            if not data:
                raise CameraFault("cut-off", "the camera ended the connection")
            self.unkeyed += len(data)
            if self.unkeyed > self._max_unkeyed:
                words = f"{self._max_unkeyed} bytes without a key frame"
                raise CameraFault("too-large", words)
            writer.write(self._passage.feed(data))
            try:
                async with asyncio.timeout(self._limit_s):
                    await writer.drain()
            except TimeoutError:
                stream.hang()
                raise CameraFault("decoder-hung", "its video is not read in time") from None
            await asyncio.sleep(0)  # data already received is read without a pause


async def finish(relaying: "asyncio.Task[None]", limit_s: float) -> None:
    """Give the task time to end by itself, then end it."""
    await asyncio.wait({relaying}, timeout=limit_s)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
