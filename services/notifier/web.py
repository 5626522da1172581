"""What all routes share: JSON by msgspec, errors in one form, bounded bodies, safe headers, and
schemas in the OpenAPI file from the same classes that the code uses."""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parking.errors import Invalid, Retryable
from parking.reading import read
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
    """An answer that is an error; see views.Error."""

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
    """Any msgspec value as JSON. Nothing live is ever cached."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_json.encode(body), status, headers, "application/json")


async def read_json(request: Request, cls: type[T], limit_bytes: int = BODY_MAX_BYTES) -> T:
    """The request's body, bounded and validated. Raises ApiError 408, 413, 415, 400 or 422."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "not-json", "send the body as Content-Type: application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    detail = f"the body is larger than {limit_bytes} bytes"
                    raise ApiError(413, "too-large", detail, {"Connection": "close"})
    except TimeoutError as error:
        detail = f"the body did not arrive within {BODY_LIMIT_S:.0f} s"
        raise ApiError(408, "too-slow", detail, {"Connection": "close"}) from error
    try:
        return read(bytes(body), cls)
    except Invalid as error:
        status = 400 if error.reason == "bad-json" else 422
        raise ApiError(status, error.reason, error.detail, faults=error.faults) from error


def add_error_handlers(app: FastAPI) -> None:
    """Every error, also the framework's own, in the form of views.Error."""

    async def api_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101 -- registered for it
        return json_response(error.body, error.status, error.headers)

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

    async def outage(_: Request, error: Exception) -> Response:
        assert isinstance(error, Retryable)  # noqa: S101 -- registered for it
        body = Error(error=error.reason, detail=str(error))
        return json_response(body, 503, {"Retry-After": "5"})

    async def bug(_: Request, __: Exception) -> Response:  # the server logs it
        return json_response(Error(error="internal", detail="see the notifier's log"), 500)

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(Invalid, invalid)
    app.add_exception_handler(Retryable, outage)
    app.add_exception_handler(Exception, bug)


class Outermost:
    """Sets the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, safe)


# ---------------------------------------------------------------- OpenAPI
Responses = dict[int | str, dict[str, Any]]


def returns(type_: Any, what: str, status: int = 200) -> Responses:
    """`responses=` of a route that answers with JSON of this type."""
    return {status: {"description": what, "content": _content(type_)}} | errors(422, 503)


def streams(media_type: str, what: str) -> Responses:
    """`responses=` of a route that answers with something else than JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": what, "content": {media_type: {"schema": schema}}}}


def errors(*statuses: int) -> Responses:
    """`responses=` of errors."""
    return {s: {"description": _WORDS[s], "content": _content(Error)} for s in statuses}


def takes(type_: Any, example: Mapping[str, Any]) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads JSON of this type, with a key."""
    content = {"application/json": {**_content(type_)["application/json"], "example": example}}
    return {"requestBody": {"required": True, "content": content}, "security": [{"key": []}]}


def describe(app: FastAPI, types: list[Any], more: Mapping[str, Any]) -> None:
    """Put the schemas of `types` (and what they use) and `more` of them into the OpenAPI file."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            _, parts = msgspec.json.schema_components(types, ref_template=_REF)
            components: MutableMapping[str, Any] = schema.setdefault("components", {})
            for operation in (one for path in schema["paths"].values() for one in path.values()):
                operation["responses"] |= {str(k): v for k, v in errors(405).items()}
            components["schemas"] = dict(sorted((parts | dict(more)).items()))
            components["securitySchemes"] = {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "pk_..., of the scope that it asks for",
                }
            }
        assert app.openapi_schema is not None  # noqa: S101 -- made above
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


def _content(type_: Any) -> dict[str, Any]:
    if isinstance(type_, str):
        return {"application/json": {"schema": {"$ref": _REF.format(name=type_)}}}
    (schema,), _ = msgspec.json.schema_components([type_], ref_template=_REF)
    return {"application/json": {"schema": schema}}


_WORDS: Final = {
    400: "The body is no JSON",
    401: "No key, or one that is not known",
    403: "The key may not do this",
    404: "There is no such thing",
    405: "The address does not take this method; Allow tells which it takes",
    408: "The body did not come in time",
    409: "It cannot be done as things are, or the Idempotency-Key stands for another request",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "A value is not allowed; every fault is told",
    429: "Too many unknown keys",
    503: "Not ready yet, or what this needs is away",
}
WRITE_ERRORS: Final = errors(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503)
