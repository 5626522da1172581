"""The captive portal: without a configuration the device opens an access point for a while. Every
DNS name resolves to the device, and every page is the form (provision.py)."""

import asyncio
import json
import socket

from app import provision
from app.closing import closed

_MAX_BODY = 16_000
_READ_S = 15


class Portal:
    """`random` returns 0 <= x < 1. `done` is set once `config` is valid."""

    def __init__(self, random):
        self._random = random
        self.config = None
        self.done = asyncio.Event()

    async def serve(self, host, port):
        """Answer HTTP until cancelled. Returns the server."""
        return await asyncio.start_server(self._client, host, port)

    async def _client(self, reader, writer):
        try:
            method, body = await asyncio.wait_for(_request(reader), _READ_S)
            status, page = self._answer(method, body)
            head = "HTTP/1.0 %s\r\nContent-Type: text/html; charset=utf-8\r\n" % status
            raw = page.encode()
            head += "Cache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % len(raw)
            writer.write(head.encode() + raw)
            await writer.drain()
        except (OSError, ValueError, EOFError, asyncio.TimeoutError):
            pass  # the browser disconnected or sent nonsense; serve the next one
        finally:
            await closed(writer)
        if self.config is not None:
            self.done.set()

    def _answer(self, method, body):
        if method != "POST":
            return (
                "200 OK",
                provision.page(),
            )  # any page by which a phone checks that it is online
        given = provision.parse_form(body)
        try:
            now_s = int(given.pop("now_s", "0"))
        except ValueError:
            now_s = 0
        made, wrong = provision.accept(given, now_s, self._random())
        if made is None:
            return "422 Not usable", provision.page(given, wrong)
        self.config = made
        return "200 OK", provision.SAVED


async def _request(reader):
    """Parse an HTTP request into (method, body)."""
    method = (await reader.readline()).split(b" ")[0].decode()
    size = 0
    for _ in range(60):
        line = await reader.readline()
        if line in (b"", b"\r\n", b"\n"):
            break
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    if size > _MAX_BODY:
        raise ValueError("too large")
    return method, (await reader.readexactly(size) if size else b"")


def dns_answer(query, address):
    """Answer a DNS query with this address (4 bytes) for every name. Returns None for an invalid
    query."""
    if len(query) < 17 or query[2] & 0x80:
        return None
    end = query.find(b"\0", 12)
    if end < 0 or end + 5 > len(query):
        return None
    question = query[12 : end + 5]
    head = query[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0"
    return head + question + b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04" + address


async def serve_dns(address, port=53):
    """Answer DNS until cancelled. `address` is four bytes."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])  # noqa: S104 -- the access point's net
    try:
        while True:
            await asyncio.sleep(0.05)
            try:
                query, sender = listener.recvfrom(512)
            except OSError:
                continue
            answer = dns_answer(query, address)
            if answer:
                listener.sendto(answer, sender)
    finally:
        listener.close()


def saved(config):
    """Return the configuration as it is stored in the file."""
    return json.dumps(config)
