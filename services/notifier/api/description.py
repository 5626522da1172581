"""The OpenAPI document: FastAPI's own, with the schemas of our classes added, in a form that client
generators understand (checked with openapi-python-client and openapi-typescript, docs/api.md)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from services.notifier.api.auth import COOKIE
from services.notifier.api.web import errors

_REF: Final = "#/components/schemas/{name}"
VERSIONED: Final = "/api/v1"
_FOREIGN: Final = "#/components/schemas/HTTPValidationError"
_SOCKET: Final[dict[str, Any]] = {
    "tags": ["live"],
    "summary": "All events, over a WebSocket",
    "operationId": "socket",
    "description": """An HTTP/1.1 upgrade. Each message is JSON, `{"type", "id", "data"}`: the
event's name, its position (null for some) and its content, all as in `/api/v1/events`. Messages
from the client are ignored. Browsers' pages need an allowed Origin (CORS_ORIGINS); a refusal is the
answer to the handshake.""",
    "parameters": [
        {
            "name": "site",
            "in": "query",
            "required": False,
            "description": "only this site",
            "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"},
        },
        {
            "name": "last_event_id",
            "in": "query",
            "required": False,
            "description": "the last `id` received: continues from there",
            "schema": {"type": "string"},
        },
    ],
}


def describe(app: FastAPI, types: list[Any], more: Mapping[str, Any]) -> None:
    """Add the schemas of `types` (and of those they use) and `more` to the document."""
    default = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(default(), types, more)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


def _described(schema: dict[str, Any], types: list[Any], more: Mapping[str, Any]) -> dict[str, Any]:
    _, parts = msgspec.json.schema_components(types, ref_template=_REF)
    named = {str(status): answer for status, answer in errors(405, 422).items()}
    for path in schema["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            answers["405"] = named["405"]
            if _FOREIGN in str(answers.get("422")):
                answers["422"] = named["422"]
    refusals = {str(status): one for status, one in errors(403, 404, 503).items()}
    switched = {"101": {"description": "The WebSocket is open"}}
    schema["paths"]["/ws"] = {"get": {**_SOCKET, "responses": switched | refusals}}
    schema["paths"] = {_versioned(path): one for path, one in schema["paths"].items()}
    components = schema.setdefault("components", {})
    components["schemas"] = dict(sorted((parts | dict(more)).items()))
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "pk_..., with the scope that the operation needs",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "set by `POST /api/v1/sign-in`; changes need X-Requested-With, too",
        },
    }
    return dict(_plain(schema))


def _versioned(path: str) -> str:
    """Mark paths without the version as aliases."""
    return VERSIONED + path.removeprefix("/api") if path.startswith("/api/") else path


def _plain(value: Any) -> Any:
    """Replace `prefixItems` and `items: false`, which few generators support: a tuple of equal
    parts becomes an array of fixed length."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(one) for name, one in value.items()}
    if "prefixItems" in plain:
        first = plain.pop("prefixItems")
        plain["items"] = first[0] if all(one == first[0] for one in first) else {}
    return plain
