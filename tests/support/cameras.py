"""Cameras that speak HTTP on 127.0.0.1, good ones and those known from the field. Each path is one
habit. Raw sockets are used so that they can lie."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import cv2
import numpy as np

USER, PASSWORD = "operator", "canary-7f3a"
BOUNDARY = b"123456789000000000000987654321"
_OK = b"HTTP/1.1 200 OK\r\n"
_JPEG_TYPE = b"Content-Type: image/jpeg\r\n"
_STREAM = _OK + b"Content-Type: multipart/x-mixed-replace;boundary=" + BOUNDARY + b"\r\n\r\n"


def jpeg(seed: int = 1, size: tuple[int, int] = (48, 64)) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


class HttpCameras:
    """A server. `asked` counts requests by path, and `open` is the number of open connections."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.headers: list[str] = []
        self.redirect_to = ""
        self.pause_s = 0.02
        self.readers: dict[asyncio.StreamWriter, asyncio.StreamReader] = {}
        self.sent = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = ""
        self.readers[writer] = reader
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1].partition("?")[0]
            self.headers.append(head)
            self.asked[path] += 1
            self.open[path] += 1
            self.most_open[path] = max(self.most_open[path], self.open[path])
            await HABITS.get(path, _not_found)(self, writer, head)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open[path] -= 1
            del self.readers[writer]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def picture(self) -> bytes:
        self.sent += 1
        return jpeg(self.sent)


@asynccontextmanager
async def http_cameras() -> AsyncIterator[HttpCameras]:
    cameras = HttpCameras()
    server = await asyncio.start_server(cameras.serve, "127.0.0.1", 0)
    cameras.port = server.sockets[0].getsockname()[1]
    try:
        yield cameras
    finally:
        server.close()


Habit = Callable[[HttpCameras, asyncio.StreamWriter, str], Awaitable[None]]


async def _not_found(_: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


async def _capture(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    body = own.picture()
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def _frozen(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_OK + _JPEG_TYPE + b"\r\n" + jpeg(7))


async def _hang(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    await own.readers[writer].read()  # until the other side has had enough


async def _slow(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: 60000\r\n\r\n\xff\xd8")
    while not (writer.is_closing() or own.readers[writer].at_eof()):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(own.pause_s)


async def _cut(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    body = jpeg()
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: %d\r\n\r\n" % (len(body) + 900) + body)


async def _short(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    body = jpeg()[:-90]
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def _lying(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    body = jpeg()
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: %d\r\n\r\n" % (len(body) - 90) + body)


async def _huge(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_OK + _JPEG_TYPE + b"Content-Length: 900000000000\r\n\r\n\xff\xd8")


async def _endless(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_OK + _JPEG_TYPE + b"\r\n\xff\xd8")
    while not (writer.is_closing() or own.readers[writer].at_eof()):
        writer.write(b"x" * 10_000)
        await writer.drain()


async def _redirect(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    target = own.redirect_to.encode()
    writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n")


async def _login_page(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_OK + b"Content-Type: text/html\r\n\r\n<html>please log in</html>")


async def _moody(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    """Redirect at first, then ask for a login."""
    await (_redirect if own.asked["/moody"] <= 5 else _login_page)(own, writer, head)


async def _noise(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(b"\x00\xffnot http at all\r\n\r\n" * 3)


async def _basic(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if f"Authorization: Basic {expected}" in head:
        await _capture(own, writer, head)
    else:
        writer.write(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\n')
        writer.write(b"Content-Length: 0\r\n\r\n")


async def _digest(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    if digest_is_right(head, "GET"):
        await _capture(own, writer, head)
    else:
        writer.write(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="cam", nonce="n1", ')
        writer.write(b'qop="auth", algorithm=MD5\r\nContent-Length: 0\r\n\r\n')


def _offers(*lines: bytes) -> Habit:
    async def habit(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
        if digest_is_right(head, "GET"):
            await _capture(own, writer, head)
        else:
            challenges = b"".join(b"WWW-Authenticate: " + line + b"\r\n" for line in lines)
            writer.write(b"HTTP/1.1 401 No\r\n" + challenges + b"Content-Length: 0\r\n\r\n")

    return habit


def digest_is_right(head: str, method: str) -> bool:
    """Return whether the digest is right (RFC 2617, with or without qop)."""
    line = re.search(r"^Authorization: Digest (.*?)\r?$", head, re.M)
    if line is None:
        return False
    given = {name: quoted or plain for name, quoted, plain in _FIELDS.findall(line[1])}
    first = _md5(f"{USER}:{given['realm']}:{PASSWORD}")
    second = _md5(f"{method}:{given['uri']}")
    middle = [given[name] for name in ("nonce", "nc", "cnonce", "qop") if name in given]
    return _md5(":".join([first, *middle, second])) == str(given["response"])


_FIELDS = re.compile(r'(\w+)=(?:"([^"]*)"|([^,\s]*))')


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def _query_login(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    if f"user={USER}&pwd={PASSWORD} " in head:
        await _capture(own, writer, head)
    else:
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")


def _part(body: bytes, length: int | None) -> bytes:
    length_line = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"\r\n--" + BOUNDARY + b"\r\n" + _JPEG_TYPE + length_line + b"\r\n" + body


def _streams(length: Callable[[bytes], int | None]) -> Habit:
    async def habit(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_STREAM)
        while not (writer.is_closing() or own.readers[writer].at_eof()):
            body = own.picture()
            writer.write(_part(body, length(body)))
            await writer.drain()
            await asyncio.sleep(own.pause_s)

    return habit


async def _stream_hangs(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    body = own.picture()
    writer.write(_STREAM + _part(body, len(body)))
    await own.readers[writer].read()  # until the other side has had enough


async def _stream_drips(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_STREAM + _part(b"\xff\xd8", 40_000))
    while not (writer.is_closing() or own.readers[writer].at_eof()):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(own.pause_s)


async def _stream_endless(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_STREAM + _part(b"\xff\xd8\xff\xda\x00\x02", None))
    while not (writer.is_closing() or own.readers[writer].at_eof()):
        writer.write(b"x" * 10_000)
        await writer.drain()


async def _stream_ends(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(_STREAM)


def _answers(*lines: bytes, make: Callable[[bytes], bytes] = lambda body: body) -> Habit:
    async def habit(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
        body = make(own.picture())
        length = [b"Content-Length: %d" % len(body)] * (b"Connection: close" not in lines)
        writer.write(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, *length]) + b"\r\n\r\n" + body)

    return habit


def _stream_of(kind: bytes, *parts: Callable[[HttpCameras], bytes]) -> Habit:
    async def habit(own: HttpCameras, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_OK + b"Content-Type: " + kind + b"\r\n\r\n")
        while not (writer.is_closing() or own.readers[writer].at_eof()):
            for one in parts:
                writer.write(one(own))
            await writer.drain()
            await asyncio.sleep(own.pause_s)

    return habit


_MIXED = b"multipart/x-mixed-replace"
_SOUND = b"--frame\r\nContent-Type: audio/basic\r\n\r\n" + bytes(range(256)) * 8 + b"\r\n"
_DIGEST, _BASIC = b'Digest realm="cam", nonce="n1", qop="auth"', b'Basic realm="cam"'


def _framed(mark: bytes, *, cut: int = 0) -> Callable[[HttpCameras], bytes]:
    return lambda own: (
        mark + b"\r\n" + _JPEG_TYPE + b"\r\n" + own.picture()[: -cut or None] + b"\r\n"
    )


SNAPSHOT_HABITS: dict[str, Habit] = {
    "/nameless-header": _answers(b"Server: x", b"Tue, 12 Jun 2012 01:56:34 GMT", b"no colon"),
    "/space-before-colon": _answers(b"Server : x"),
    "/line-ends-before": _answers(b"Server: x", make=lambda body: b"\r\n" + body),
    "/length-0": _answers(b"Content-Length: 0", b"Connection: close"),
    "/gzip-unasked": _answers(b"Content-Encoding: gzip", make=gzip.compress),
    "/padding": _answers(b"Server: x", make=lambda body: body + bytes(900)),
    "/stream-of-one": _answers(
        b"Content-Type: multipart/x-mixed-replace; boundary=x",
        make=lambda body: b"--x\r\n" + _JPEG_TYPE + b"\r\n" + body + b"\r\n--x--\r\n",
    ),
}
LOGIN_HABITS: dict[str, Habit] = {
    "/basic-first": _offers(_BASIC, _DIGEST),
    "/basic-first-in-one-line": _offers(_BASIC + b", " + _DIGEST),
    "/digest-first": _offers(_DIGEST, _BASIC),
}
STREAM_HABITS: dict[str, Habit] = {
    "/no-dashes": _stream_of(_MIXED + b';boundary="my boundary--"', _framed(b"my boundary--")),
    "/other-boundary": _stream_of(_MIXED + b";boundary=foo", _framed(b"--bar")),
    "/no-boundary": _stream_of(b"application/octet-stream", lambda own: own.picture()),
    "/sound": _stream_of(_MIXED + b";boundary=frame", _framed(b"--frame"), lambda own: _SOUND),
    "/nameless-part-header": _stream_of(
        _MIXED + b";boundary=frame", _framed(b"--frame\r\n12:01 no name\r\nnor colon")
    ),
    "/one-damaged": _stream_of(
        _MIXED + b";boundary=frame", _framed(b"--frame", cut=400), _framed(b"--frame")
    ),
}
HABITS: dict[str, Habit] = {
    **SNAPSHOT_HABITS,
    **LOGIN_HABITS,
    **STREAM_HABITS,
    "/capture": _capture,
    "/frozen": _frozen,
    "/hang": _hang,
    "/slow": _slow,
    "/cut": _cut,
    "/short": _short,
    "/lying": _lying,
    "/huge": _huge,
    "/endless": _endless,
    "/redirect": _redirect,
    "/login-page": _login_page,
    "/moody": _moody,
    "/noise": _noise,
    "/basic": _basic,
    "/digest": _digest,
    "/query-login": _query_login,
    "/stream": _streams(len),
    "/stream-no-length": _streams(lambda body: None),
    "/stream-long": _streams(lambda body: len(body) + 5_000),
    "/stream-short": _streams(lambda body: len(body) - 50),
    "/stream-hangs": _stream_hangs,
    "/stream-drips": _stream_drips,
    "/stream-endless": _stream_endless,
    "/stream-ends": _stream_ends,
}
