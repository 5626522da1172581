"""Code that all routes share: JSON by msgspec, errors in one form, bounded bodies, safe headers,
and OpenAPI schemas from the same classes that the code uses."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking.access.bearer import KeyRefused
from parking.core.errors import Invalid, Retryable
from parking.wire.bodies import TooLarge, read_at_most
from parking.wire.reading import read
from services.notifier.api.later import LATER, Later
from services.notifier.refusals import Elsewhere, NotFound, Refusal
from services.notifier.views import Error

T = TypeVar("T")

BODY_MAX_BYTES: Final = 65_536
LAYOUT_MAX_BYTES: Final = 1_000_000
BODY_LIMIT_S: Final = 15.0

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_json: Final = msgspec.json.Encoder()
_ERRORS: Final = {400: "bad-request", 404: "not-found", 405: "method-not-allowed"}
_REF: Final = "#/components/schemas/{name}"


class ApiError(Exception):
    """An error to answer with; see views.Error."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        faults: list[str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body = Error(error=error, detail=detail, faults=faults or [])
        self.headers = dict(headers or {})


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return any msgspec value as JSON. Live data is never cached."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_json.encode(body), status, headers, "application/json")


async def read_json(request: Request, cls: type[T], limit_bytes: int = BODY_MAX_BYTES) -> T:
    """Return the request's body, bounded and validated. Raises ApiError 408, 413, 415, 400 or
    422."""
    _require_type(request, "application/json", "not-json")
    body = await read_bytes(request, limit_bytes)
    try:
        return read(body, cls)
    except Invalid as error:
        status = 400 if error.reason == "bad-json" else 422
        raise ApiError(status, error.reason, error.detail, faults=error.faults) from error


async def read_jpeg(request: Request, limit_bytes: int) -> bytes:
    """Return the request's body, which is declared as a JPEG and bounded; nothing else is checked.
    Raises ApiError 408, 413 or 415."""
    _require_type(request, "image/jpeg", "not-image-jpeg")
    return await read_bytes(request, limit_bytes)


def _require_type(request: Request, wanted: str, error: str) -> None:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != wanted:
        raise ApiError(415, error, f"send the body as Content-Type: {wanted}")


async def read_file(request: Request, limit_bytes: int) -> bytes:
    """The request's body as a file, bounded. Its type is one that another site's page may not send
    without asking first. Raises ApiError 408, 413, 415."""
    _require_type(request, "application/octet-stream", "not-a-file")
    return await read_bytes(request, limit_bytes)


async def read_bytes(request: Request, limit_bytes: int) -> bytes:
    """Return the request's body, bounded. Raises ApiError 408, 413."""
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            return await read_at_most(request.stream(), limit_bytes)
    except TooLarge:
        detail = f"the body is larger than {limit_bytes} bytes"
        raise ApiError(413, "too-large", detail, {"Connection": "close"}) from None
    except TimeoutError as error:
        detail = f"the body did not arrive within {BODY_LIMIT_S:.0f} s"
        raise ApiError(408, "too-slow", detail, {"Connection": "close"}) from error


def error_response(error: ApiError | KeyRefused | Retryable) -> Response:
    """Return the answer to a request that was refused or has to wait."""
    if isinstance(error, ApiError):
        return json_response(error.body, error.status, error.headers)
    if isinstance(error, KeyRefused):
        body = Error(error=error.reason, detail=error.detail)
        return json_response(body, error.status, error.headers)
    return json_response(Error(error=error.reason, detail=str(error)), 503, {"Retry-After": "5"})


def add_error_handlers(app: FastAPI) -> None:
    """Give every error, including the framework's own, the form of views.Error."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError | KeyRefused | Retryable)  # noqa: S101 -- registered for these
        return error_response(error)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- registered for it
        slug = _ERRORS.get(error.status_code, "http-error")
        body = Error(error=slug, detail=str(error.detail))
        return json_response(body, error.status_code, error.headers)

    async def validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for it
        faults = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        body = Error(error="bad-request", detail="; ".join(faults), faults=faults)
        return json_response(body, 422)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, Invalid)  # noqa: S101 -- registered for it
        body = Error(error=error.reason, detail=error.detail, faults=error.faults)
        return json_response(body, 422)

    async def refusal(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 -- registered for it
        body = Error(error=error.reason, detail=error.detail)
        if isinstance(error, Elsewhere):
            return json_response(body, error.status)
        return json_response(body, 404 if isinstance(error, NotFound) else 503)

    async def bug(_: Request, __: Exception) -> Response:  # the server logs it
        return json_response(Error(error="internal", detail="see the notifier's log"), 500)

    for kind in (ApiError, KeyRefused, Retryable):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(Invalid, invalid)
    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(Exception, bug)


class Outermost:
    """Sets the security headers on every answer, maps versioned paths, and serves the streams that
    the application leaves to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        # /api/v1 is the path to use; the one without the version remains its alias.
        if scope["type"] == "http" and f"{scope['path']}/".startswith("/api/v1/"):
            scope = {**scope, "path": f"/api{scope['path'][7:]}"}

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, safe)
            return
        later = scope[LATER] = Later(send)
        before = frozenset(scope)
        await self._app(scope, receive, safe)
        work = later.take(scope, before)
        del later, safe, before
        if work is not None:
            await work()


# ---------------------------------------------------------------- OpenAPI
Responses = dict[int | str, dict[str, Any]]
DONE: Final[Responses] = {204: {"description": "Done"}}


def returns(type_: Any, what: str, status: int = 200) -> Responses:
    """Return `responses=` for a route that answers with JSON of this type."""
    return {status: {"description": what, "content": _content(type_)}} | errors(422, 503)


def streams(media_type: str, what: str) -> Responses:
    """Return `responses=` for a route that answers with something other than JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": what, "content": {media_type: {"schema": schema}}}}


def errors(*statuses: int) -> Responses:
    """Return `responses=` for errors."""
    return {s: {"description": _WORDS[s], "content": _content(Error)} for s in statuses}


def takes(type_: Any, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return `openapi_extra=` for a route that reads JSON of this type, with a key."""
    content = {"application/json": {**_content(type_)["application/json"], "example": example}}
    return {"requestBody": {"required": True, "content": content}, "security": [{"key": []}]}


def takes_jpeg() -> dict[str, Any]:
    """Return `openapi_extra=` for a route that reads a JPEG, with a key."""
    content = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "content": content}, "security": [{"key": []}]}


def _content(type_: Any) -> dict[str, Any]:
    if isinstance(type_, str):
        return {"application/json": {"schema": {"$ref": _REF.format(name=type_)}}}
    (schema,), _ = msgspec.json.schema_components([type_], ref_template=_REF)
    return {"application/json": {"schema": schema}}


_WORDS: Final = {
    400: "The body is not JSON",
    401: "No key, or an unknown one",
    403: "The key may not do this",
    404: "Not found",
    405: "The path does not support this method; Allow lists those it does",
    408: "The body did not arrive in time",
    409: "Conflicts with the current state, or the Idempotency-Key was used for another request",
    412: "The version in force differs from the one in If-Match",
    413: "The body is too large",
    415: "The body is not declared as what is expected",
    422: "A value is not allowed; every fault is listed",
    429: "Too many unknown keys",
    503: "Not ready yet, or a service that this needs is down",
}
WRITE_ERRORS: Final = errors(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503)
