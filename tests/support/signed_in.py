"""The notifier's application where people must sign in, without a server: two sites, accounts of
every role and keys of every scope, and a client that sees only the head of a response."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking.access.account_memory import MemoryAccounts
from parking.access.account_store import Expiry
from parking.access.keys import KeyFile
from parking.access.oidc import Provider
from parking.access.oidc_client import OidcClient
from parking.access.oidc_sign_ins import OidcSignIns
from parking.access.passwords import Passwords
from parking.access.rights import EVERY, Grants, Role
from parking.access.sign_ins import SignIns
from parking.core.events import SiteSettings
from parking.runtime.memory import ManualClock, MemoryObjectStore
from parking.runtime.ops import Health
from services.notifier.api.app import Parts, make_app
from services.notifier.api.auth import COOKIE
from services.notifier.api.web import Outermost
from services.notifier.evidence import Evidence
from services.notifier.feed import Feed
from services.notifier.history import History
from services.notifier.moments import Moments
from services.notifier.pictures import Pictures
from services.notifier.settings import Limits
from services.notifier.tail import follow_log
from tests.support.notifier_instance import Backend
from tests.support.notifying import changed, frame, layout, record, session, state, status

GOOD = "correct horse battery"
CODE = "the-setup-code"
OWN_PAGE = {"Origin": "http://127.0.0.1:8080", "X-Requested-With": "page"}
ACCOUNTS: dict[str, Grants] = {
    "viewer-a": {"a": Role.VIEWER},
    "operator-a": {"a": Role.OPERATOR},
    "admin-a": {"a": Role.ADMIN},
    "admin-b": {"b": Role.ADMIN},
    "viewer-all": {EVERY: Role.VIEWER},
    "admin-all": {EVERY: Role.ADMIN},
}
KEYS: dict[str, tuple[str, str]] = {
    "key-read": ("read", ""),
    "key-read-a": ("read", "a"),
    "key-write-a": ("write", "a"),
    "key-write-b": ("write", "b"),
    "key-devices-a": ("devices", "a"),
    "key-plates-a": ("plates", "a"),
    "key-live": ("live", ""),
}
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
LIMIT_S = 20.0


@dataclass
class Answer:
    """A response. `body` is only what arrived until the response ended, or until enough of a stream
    arrived."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").partition(f"{COOKIE}=")[2].partition(";")[0]


class Asked(History):
    """A history without rows that records the requests."""

    def __init__(self) -> None:
        self.arguments: list[Mapping[str, Any]] = []

    async def rows(self, query: str, arguments: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        self.arguments.append(arguments)
        return []


@dataclass
class House:
    """The application and everything in it."""

    app: Outermost
    store: MemoryAccounts
    sign_ins: SignIns
    clock: ManualClock
    keys: KeyFile
    asked: "Asked"
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    scheme: str = "http"

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        sender: str = "nobody",
    ) -> Answer:
        """Return the response; for a stream, only its beginning."""
        given = {**(self.headers[sender] if sender != "nobody" else {}), **(headers or {})}
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            given = {"Content-Type": "application/json", **given}
        scope = _scope(method, path, given)
        scope["scheme"] = "ws" if method == "WEBSOCKET" else self.scheme
        async with asyncio.timeout(LIMIT_S):
            return await _exchange(self.app, scope, content, b"")

    async def stream(
        self,
        method: str,
        path: str,
        sender: str,
        until: bytes | None,
        began: asyncio.Event | None = None,
    ) -> Answer:
        """Return what arrives on a stream until it contains `until`, or until it ends if that is
        None. `began` is set when its response has begun."""
        async with asyncio.timeout(LIMIT_S):
            scope = _scope(method, path, self.headers[sender])
            app = self.app if began is None else _noticed(self.app, began)
            return await _exchange(app, scope, b"", until)

    async def opened(self, method: str, path: str, sender: str) -> "asyncio.Task[Answer]":
        """Yield a stream that has begun. The task ends with it."""
        began = asyncio.Event()
        work = asyncio.create_task(self.stream(method, path, sender, None, began))
        async with asyncio.timeout(LIMIT_S):
            await began.wait()
        return work


@asynccontextmanager
async def house(
    folder: Path,
    *,
    code: str = CODE,
    everybody: bool = True,
    provider: Provider | None = None,
    origins: Sequence[str] = (),
) -> AsyncIterator[House]:
    """Return the application with ACCOUNTS and KEYS if `everybody`; otherwise nobody is known.
    `provider` is that of OpenID Connect, and `origins` is CORS_ORIGINS."""
    backend, clock, health = Backend(None), ManualClock(), Health()
    for site in ("a", "b"):
        public = SiteSettings(public=site == "a")
        await backend.write(
            record(replace(layout(site), site=public)),
            record(state(site, 3)), record(status(site)),
            record(session(site, 1, "opened")), record(changed(site, 3, "free")),
            frame(site, 1, b"\xff\xd8no picture\xff\xd9", (320, 240)),
        )  # fmt: skip
    feed, store = Feed(backend.log(), clock, Limits()), MemoryAccounts()
    sign_ins = SignIns(store, Passwords(QUICK), clock, Expiry(3_600_000, 86_400_000))
    keys, asked = KeyFile(folder / "keys"), Asked()
    pictures = Pictures(backend.log(), feed, clock)
    parts = Parts(
        feed=feed,
        pictures=pictures,
        evidence=Evidence(asked, MemoryObjectStore()),
        moments=Moments(asked, MemoryObjectStore()),
        history=None,
        producer=backend.producer,
        keys=keys,
        clock=clock,
        health=health,
        sign_ins=sign_ins,
        setup_code=code,
        recheck_s=0.01,
        oidc=OidcSignIns(sign_ins, OidcClient(provider, clock)) if provider else None,
    )
    made = House(make_app(parts, origins, Path("not-built")), store, sign_ins, clock, keys, asked)
    if everybody:
        for name, grants in ACCOUNTS.items():
            await made.store.add(name, grants, 0)
            await made.store.set_password(name, "no hash")
        for name in ACCOUNTS:
            token = await sign_ins.open(name, "test")
            made.headers[name] = {"Cookie": f"{COOKIE}={token}", **OWN_PAGE}
        for name, (scope, site) in KEYS.items():
            key = keys.add(name, scope, sites=[site] if site else [])
            made.headers[name] = {"Authorization": f"Bearer {key}"}
    stop = asyncio.Event()
    follow = follow_log(stop, log_=backend.log(), feed=feed, health=health, clock=clock)
    tasks = [asyncio.ensure_future(one) for one in (follow, pictures.run(stop))]
    async with asyncio.timeout(LIMIT_S):
        await feed.until(lambda: feed.ready)
    try:
        yield made
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _scope(method: str, path: str, headers: Mapping[str, str]) -> Scope:
    path, _, query = path.partition("?")
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1:8080"), *raw],
        "client": ("192.0.2.7", 1234),
        "server": ("127.0.0.1", 8080),
    }
    if method == "WEBSOCKET":
        del scope["method"]
        more = {"subprotocols": [], "extensions": {"websocket.http.response": {}}}
        scope |= {"type": "websocket", "scheme": "ws", **more}
    return scope


def _noticed(app: ASGIApp, began: asyncio.Event) -> ASGIApp:
    """Wrap `app` so that `began` is set when its response has begun."""

    async def noticed(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            await send(message)
            began.set()

        await app(scope, receive, sent)

    return noticed


async def _exchange(app: ASGIApp, scope: Scope, content: bytes, until: bytes | None) -> Answer:
    answer, enough = Answer(0, {}, b""), asyncio.Event()
    first = [
        {"type": "websocket.connect"}
        if scope["type"] == "websocket"
        else {"type": "http.request", "body": content, "more_body": False}
    ]

    async def receive() -> Message:
        if first:
            return first.pop()
        await asyncio.Event().wait()  # until the task is cancelled: the client stays
        raise AssertionError

    async def send(message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            answer.status = message["status"]
            raw = [(k.decode().lower(), v.decode()) for k, v in message["headers"]]
            cookies = "\n".join(value for name, value in raw if name == "set-cookie")
            answer.headers = {**dict(raw), **({"set-cookie": cookies} if cookies else {})}
        elif kind == "websocket.accept":
            answer.status = 101
        elif kind == "websocket.close":
            answer.headers = {"close": str(message["code"])}
        answer.body += message.get("body") or (message.get("text") or "").encode()
        kind = answer.headers.get("content-type", "")
        streaming = kind.startswith(("text/event-stream", "multipart/")) or answer.status == 101
        if streaming and until is not None and until in answer.body:
            enough.set()
        await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(one) for one in (app(scope, receive, send), enough.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if not enough.is_set() and not tasks[0].cancelled() and tasks[0].exception():
        raise AssertionError(scope["path"]) from tasks[0].exception()
    return answer
