"""The persister treats error responses of S3, Postgres and DNS as an outage: it waits, commits
nothing, and continues afterwards. None of them causes a dead letter or ends the process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from parking.core.errors import Invalid, Retryable
from parking.runtime.objects import S3Objects, S3Settings, new_client
from services.persister.postgres import Pool, prepare, transaction

GOOD = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n'


def refusal(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>says the test</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


@dataclass
class Server:
    """Answers every request with `answer`. If that is None, it accepts the request and stays
    silent; if it is empty, it hangs up."""

    port: int = 0
    answer: bytes | None = GOOD
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    serving: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.ending.set()
            for writer in self.serving.values():
                writer.transport.abort()
            await asyncio.gather(*self.serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving[task] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if "expect: 100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                for line in head.split("\r\n"):
                    if line.startswith("content-length:"):
                        await reader.readexactly(int(line.split(":")[1]))
                if self.answer is None:
                    await self.ending.wait()
                writer.write(self.answer or b"")
                await writer.drain()
                if not self.answer:
                    break
        writer.close()


def objects(endpoint: str, monkeypatch: pytest.MonkeyPatch, limit_s: float = 10.0) -> S3Objects:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    return S3Objects(new_client(S3Settings("bucket", endpoint, "us-east-1", limit_s)), "bucket")


FAULTS = [
    pytest.param(refusal("503 Slow Down", "SlowDown"), "SlowDown", id="503"),
    pytest.param(refusal("500 Internal", "InternalError"), "InternalError", id="500"),
    pytest.param(refusal("403 Forbidden", "AccessDenied"), "AccessDenied", id="403"),
    pytest.param(refusal("507 Insufficient Storage", "QuotaExceeded"), "QuotaExceeded", id="full"),
    pytest.param(None, "[Tt]imeout", id="slow"),
    pytest.param(b"", "[Cc]onnection", id="hangs up"),
]


@pytest.mark.parametrize(("answer", "reason"), FAULTS)
async def test_trouble_of_s3_is_waited_out(
    answer: bytes | None, reason: str, monkeypatch: pytest.MonkeyPatch
):
    async with Server(answer=answer).running() as server:
        limit_s = 10.0 if answer is not None else 0.5
        store = objects(f"http://127.0.0.1:{server.port}", monkeypatch, limit_s)
        try:
            with pytest.raises(Retryable, match=reason):
                await store.put("evidence/a/b/1/x.jpg", b"picture")
            server.answer = GOOD
            for _ in range(20):  # as the persister does; a busy computer may be slow once more
                with contextlib.suppress(Retryable):
                    await store.put("evidence/a/b/1/x.jpg", b"picture")
                    break
            else:
                pytest.fail("it does not go on by itself")
        finally:
            store.close()


async def test_a_name_that_cannot_be_resolved_is_an_outage(monkeypatch: pytest.MonkeyPatch):
    store = objects("http://s3.invalid:9000", monkeypatch)
    try:
        with pytest.raises(Retryable, match=r"s3\.invalid"):
            await store.put("x", b"picture")
    finally:
        store.close()
    with pytest.raises(Retryable, match=r"db\.invalid"):
        await prepare("postgresql://parking:x@db.invalid:5432/parking")


class Broken:
    """A pool whose transactions end as the test says."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        yield None
        raise self._error


OUTAGES = [
    psycopg.errors.DiskFull("could not extend file: No space left on device"),
    psycopg.errors.OutOfMemory("out of memory"),
    psycopg.errors.TooManyConnections("sorry, too many clients already"),
    psycopg.errors.QueryCanceled("canceling statement due to statement timeout"),
    psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
    psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    psycopg.errors.InternalError_("could not extend file: Disk quota exceeded"),
    psycopg.errors.IdleInTransactionSessionTimeout("terminating connection"),
    PoolTimeout("couldn't get a connection after 10.00 sec"),
]
FULL = (psycopg.errors.DiskFull, psycopg.errors.InternalError_)


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
async def test_a_full_or_failing_database_is_waited_out(error: Exception):
    pool: Pool = Broken(error)  # type: ignore[assignment] # all that is used of one
    with pytest.raises(Retryable, match=str(error).split(":", maxsplit=1)[0]) as raised:
        async with transaction(pool):
            pass
    assert ("no disk space left" in str(raised.value)) == isinstance(error, FULL)
    assert raised.value.reason == ("postgres-full" if isinstance(error, FULL) else "postgres")


async def test_negative_control_what_the_database_refuses_for_good_is_not_waited_for():
    pool: Pool = Broken(psycopg.errors.NotNullViolation("null"))  # type: ignore[assignment] # as above
    with pytest.raises(Invalid):
        async with transaction(pool):
            pass
