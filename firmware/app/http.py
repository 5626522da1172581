"""A small HTTP/1.0 client over asyncio streams: pictures out (POST), updates in (GET)."""

import asyncio

from app.closing import closed

_TIMEOUT_S = 20
_CHUNK = 4096


class Failed(Exception):
    """There was no usable answer. The message says why."""


def split(url):
    """Split a URL into (is TLS, host, port, path). Raises Failed."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise Failed("no http(s) address: " + url[:60])
    place, _, path = rest.partition("/")
    host, _, port = place.partition(":")
    try:
        return scheme == "https", host, int(port or (443 if scheme == "https" else 80)), "/" + path
    except ValueError:
        raise Failed("no port: " + port[:20])


async def request(url, ssl, head, body, sink):
    """Send `body` (None means GET) with the header lines `head`. Passes the response body to
    `sink(bytes)` in pieces. Returns the status. `ssl` is a context for https. Raises Failed, or
    whatever sink raises."""
    try:
        return await asyncio.wait_for(_exchange(url, ssl, head, body, sink), 8 * _TIMEOUT_S)
    except (OSError, EOFError, ValueError, IndexError, asyncio.TimeoutError) as error:
        raise Failed(str(error) or repr(error))


async def _exchange(url, ssl, head, body, sink):
    tls, host, port, path = split(url)
    if tls and ssl is None:
        raise Failed("https needs the authority's certificate (ca)")
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(host, port, ssl if tls else None, host if tls else None), _TIMEOUT_S
    )
    try:
        lines = ["%s %s HTTP/1.0" % ("GET" if body is None else "POST", path), "Host: " + host]
        lines += head
        if body is not None:
            lines.append("Content-Length: %d" % len(body))
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        view = memoryview(body or b"")
        for at in range(0, len(view), _CHUNK):
            writer.write(view[at : at + _CHUNK])
            await asyncio.wait_for(writer.drain(), _TIMEOUT_S)
        await writer.drain()
        status = int((await asyncio.wait_for(reader.readline(), _TIMEOUT_S)).split(b" ")[1])
        while (await asyncio.wait_for(reader.readline(), _TIMEOUT_S)) not in (b"\r\n", b"\n", b""):
            pass
        while True:
            piece = await asyncio.wait_for(reader.read(_CHUNK), _TIMEOUT_S)
            if not piece:
                return status
            sink(piece)
    finally:
        await closed(writer)
