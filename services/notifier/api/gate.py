"""The one place that decides whether a request may pass: every request goes through the gate.

The gate finds the request's route, its row in the access matrix (access.py), who sent it (an API
key, or the cookie of a sign-in) and the sites it names. It checks streams repeatedly while they
last, so that a revocation ends them. Requests that change something are written to the audit log.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import WebSocket
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking.access.account_store import Entry
from parking.access.bearer import Bearer, KeyRefused, no_key, wrong_scope
from parking.access.keys import bearer
from parking.access.rights import ANYBODY, NOBODY, Identity, Need, Reach, of_key
from parking.access.sign_ins import SignIns
from parking.core.errors import Retryable
from parking.runtime.asgi import ABORT
from parking.runtime.metrics import SSE_CLOSED
from parking.wire.ports import Clock
from services.notifier.api.access import ACCESS, SOCKET
from services.notifier.api.auth import COOKIE, DETAIL, SENDER, address_of
from services.notifier.api.later import Work, later_of
from services.notifier.api.origins import SentBy, refusal_of_change
from services.notifier.api.web import ApiError, error_response

log = logging.getLogger(__name__)

RECHECK_S: Final = 15.0
END_LIMIT_S: Final = 5.0
PAGE: Final = "/{path:path}"
SAFE: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Guard:
    """What the gate needs. If `sign_ins` is None, nobody has to sign in (SIGN_IN=off)."""

    bearer: Bearer
    clock: Clock
    sign_ins: SignIns | None
    origins: Collection[str]
    recheck_s: float = RECHECK_S

    async def sender(self, connection: HTTPConnection) -> Identity:
        """Return who sent the request. Raises KeyRefused, Retryable."""
        authorization = connection.headers.get("authorization")
        if bearer(authorization):
            return of_key(self.bearer.known(authorization, address_of(connection.scope)))
        token = connection.cookies.get(COOKIE)
        if self.sign_ins is None or not token:
            return NOBODY
        return await self.sign_ins.identity(token) or NOBODY

    async def admitted(self, connection: HTTPConnection, need: Need) -> Identity:
        """Return the sender, who is allowed to send this request. Raises KeyRefused, ApiError 401
        or 403, Retryable."""
        sites = named_sites(connection)
        if self.sign_ins is None and ANYBODY.may_all(need, sites):
            return ANYBODY
        self._require_own_page(connection)
        identity = await self.sender(connection)
        if identity.may_all(need, sites):
            return identity
        raise self._refusal(identity, need, sites)

    def _refusal(self, identity: Identity, need: Need, sites: Collection[str]) -> Exception:
        if identity.kind == "nobody":
            if self.sign_ins is None:
                return no_key()
            detail = "sign in first, or send an API key as `Authorization: Bearer pk_...`"
            return ApiError(401, "sign-in", detail, {"WWW-Authenticate": "Bearer"})
        if identity.kind == "key" and need.scope not in identity.scopes:
            return wrong_scope(need.scope) if need.scope else _not_for_keys()
        if need.reach is Reach.SITE and not sites:
            return ApiError(403, "name-a-site", "name the site: add ?site=... to the address")
        where = f"at site {', '.join(sorted(sites))}" if sites else "here"
        return ApiError(403, "no-right", f"{identity.name!a} may not do this {where}")

    def _require_own_page(self, connection: HTTPConnection) -> None:
        """Require that a change comes from our own page, because a browser sends the cookie by
        itself for any page. Raises ApiError 403."""
        headers, method = connection.headers, connection.scope.get("method", "GET")
        if self.sign_ins is None or method in SAFE or bearer(headers.get("authorization")):
            return
        sent_by = SentBy(
            headers.get("origin"), headers.get("sec-fetch-site"), headers.get("host", "")
        )
        refusal = refusal_of_change(sent_by, self.origins)
        if refusal:
            raise ApiError(403, "foreign-origin", refusal)
        if "x-requested-with" not in headers:
            raise ApiError(403, "no-header", "send the header X-Requested-With")


class Routes:
    """The application's routes in their order, to find out which one will take a request."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: list[tuple[re.Pattern[str], frozenset[str], str]] = []
        for route in routes:
            path: str = route.path  # type: ignore[attr-defined] # each of ours has one
            methods = frozenset(getattr(route, "methods", None) or {SOCKET})
            self._routes.append((compile_path(path)[0], methods, path))

    def find(self, scope: Scope) -> str | None:
        """Return the path of the route as in ACCESS, or None if there is none. Adds the route's
        parameters to the scope."""
        method = _method(scope)
        for pattern, methods, path in self._routes:
            found = pattern.match(scope["path"]) if method in methods else None
            if found is not None:
                scope["path_params"] = found.groupdict()
                return path
        return None


class Gate:
    """An application behind the gate. `routes` are all routes that it has."""

    def __init__(self, app: ASGIApp, guard: Guard, routes: Routes) -> None:
        self._app = app
        self._guard = guard
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and serve one request or one WebSocket."""
        path = self._routes.find(scope) if scope["type"] in ("http", "websocket") else None
        if path is None:  # no such route, so the application answers
            await self._app(scope, receive, send)
            return
        need, connection = ACCESS.get((_method(scope), path)), HTTPConnection(scope)
        try:
            if need is None or (path == PAGE and scope["path"].startswith("/api/")):
                raise ApiError(404, "not-found", f"there is no {scope['path']}")
            if need.reach is not Reach.OPEN:
                scope[SENDER] = await self._guard.admitted(connection, need)
        except (ApiError, KeyRefused, Retryable) as error:
            await _refuse(error, scope, receive, send)
            return
        if need.stream and scope[SENDER] is not ANYBODY:
            await self._stream(need, scope, receive, send)
        elif need.what and self._guard.sign_ins is not None:
            await self._noted(self._guard.sign_ins, need, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _noted(
        self, sign_ins: SignIns, need: Need, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Write a successful request to the audit log before its answer is sent."""
        sites = sorted(named_sites(HTTPConnection(scope)))
        sender: Identity = scope[SENDER]
        site = sites[0] if sites else None

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                now_ms, where = self._guard.clock.now_ms(), address_of(scope)
                path = str(scope["path"]).removeprefix("/api/")
                target = f"{path} {scope.get(DETAIL, '')}".rstrip()[:200]
                await note(sign_ins, Entry(now_ms, sender.label, need.what, site, target, where))
            await send(message)

        await self._app(scope, receive, noting)

    async def _stream(self, need: Need, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream while its sender is allowed to have it."""
        later = later_of(scope)
        if later is None:
            serve = partial(self._app, scope, receive, send)
            await self._while_allowed(serve, need, scope, send)
            return
        await self._app(scope, receive, send)
        if later.work is not None:
            later.work = partial(self._while_allowed, later.work, need, scope, send)

    async def _while_allowed(self, serve: Work, need: Need, scope: Scope, send: Send) -> None:
        """Run `serve` until it ends or the sender is no longer allowed to have the stream."""
        work = asyncio.ensure_future(serve())
        try:
            while not (await asyncio.wait({work}, timeout=self._guard.recheck_s))[0]:
                if not await self._still_allowed(need, scope):
                    break
            else:
                await work
                return
        finally:
            work.cancel()
            await asyncio.wait({work})
        SSE_CLOSED.labels("revoked").inc()
        await _end(scope, send)

    async def _still_allowed(self, need: Need, scope: Scope) -> bool:
        before: Identity = scope[SENDER]
        try:
            now = await self._guard.admitted(HTTPConnection(scope), need)
        except (ApiError, KeyRefused, Retryable):
            return False
        return now.sites == before.sites


async def note(sign_ins: SignIns, entry: Entry) -> None:
    """Write to the audit log or, while that cannot be written, to the process's log."""
    try:
        await sign_ins.store.note(entry)
    except Retryable as error:
        log.warning("not in the audit log (%s): %a", error, entry)


def named_sites(connection: HTTPConnection) -> frozenset[str]:
    """Return the sites named in the path and the query."""
    query = connection.query_params
    of_cameras = [camera.partition("/")[0] for camera in query.getlist("camera")]
    in_path = [connection.path_params["site"]] if "site" in connection.path_params else []
    return frozenset([*in_path, *query.getlist("site"), *of_cameras])


def _method(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return SOCKET
    return "GET" if scope["method"] == "HEAD" else str(scope["method"])


def _not_for_keys() -> ApiError:
    return ApiError(403, "no-right", "API keys cannot do this: sign in")


async def _refuse(
    error: ApiError | KeyRefused | Retryable, scope: Scope, receive: Receive, send: Send
) -> None:
    answer = error_response(error)
    if scope["type"] == "websocket":
        log.info("/ws refused: %s", error)
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await answer(scope, receive, send)


async def _end(scope: Scope, send: Send) -> None:
    """End a stream that has begun. A client that accepts nothing is disconnected."""
    message: Message = {"type": "http.response.body", "body": b"", "more_body": False}
    if scope["type"] == "websocket":
        message = {"type": "websocket.close", "code": 1008, "reason": "signed out"}
    abort: Callable[[], None] | None = scope.get(ABORT)
    with suppress(RuntimeError):  # it had already ended
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await send(message)
        except TimeoutError:
            if abort is not None:
                abort()
