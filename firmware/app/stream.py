"""MJPEG on the device's own port: GET /stream?token=... (or `Authorization: Bearer ...`), and one
picture at /picture. At most two viewers: the pipeline comes first."""

import asyncio

from app.closing import closed
from app.provision import parse_form

VIEWERS = 2
_PAUSE_MS = 200
_WAIT_S = 10


def allowed(path, headers, token):
    """Return whether this request has the token, compared in constant time."""
    given = parse_form(path.partition("?")[2]).get("token", "")
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        given = value.strip()
    wrong = len(given) ^ len(token)
    for index in range(len(token)):
        wrong |= ord(token[index]) ^ ord(given[index % len(given)] if given else "\0")
    return not wrong and bool(token)


class Stream:
    """`capture()` returns a picture (bytes) or None. The picture is not kept beyond the next
    call."""

    def __init__(self, capture, token):
        self._capture, self._token = capture, token
        self.viewers = 0

    async def serve(self, host, port):
        """Start listening. Returns the server."""
        return await asyncio.start_server(self._client, host, port)

    async def _client(self, reader, writer):
        try:
            path, headers = await asyncio.wait_for(_head(reader), _WAIT_S)
            await self._answer(path, headers, writer)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            pass  # the viewer disconnected
        finally:
            await closed(writer)

    async def _answer(self, path, headers, writer):
        if not allowed(path, headers, self._token):
            return await _say(writer, "401 Unauthorized", b"a token is needed\n")
        name = path.partition("?")[0]
        if name == "/picture":
            picture = self._capture()
            if picture is None:
                return await _say(writer, "503 Service Unavailable", b"no picture\n")
            return await _say(writer, "200 OK", picture, "image/jpeg")
        if name != "/stream":
            return await _say(writer, "404 Not Found", b"/stream or /picture\n")
        if self.viewers >= VIEWERS:
            return await _say(writer, "503 Service Unavailable", b"too many viewers\n")
        self.viewers += 1
        try:
            await self._play(writer)
        finally:
            self.viewers -= 1

    async def _play(self, writer):
        kind = b"multipart/x-mixed-replace; boundary=picture"
        writer.write(b"HTTP/1.0 200 OK\r\nCache-Control: no-store\r\nContent-Type: " + kind)
        writer.write(b"\r\n\r\n")
        while True:
            picture = self._capture()
            if picture is not None:
                part = "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                writer.write((part % len(picture)).encode())
                writer.write(picture)
                writer.write(b"\r\n")
                await asyncio.wait_for(writer.drain(), _WAIT_S)
            await asyncio.sleep_ms(_PAUSE_MS)


async def _head(reader):
    path = (await reader.readline()).split(b" ")[1].decode()
    headers = {}
    for _ in range(40):
        line = (await reader.readline()).decode().strip()
        if not line:
            return path, headers
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    raise ValueError("too many headers")


async def _say(writer, status, body, kind="text/plain"):
    head = "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    writer.write((head % (status, kind, len(body))).encode())
    writer.write(body)
    await asyncio.wait_for(writer.drain(), _WAIT_S)
