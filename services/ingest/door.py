"""Who may: API keys of ingest's HTTP routes."""

from typing import Final

from fastapi import Request

from parking.keys import SCOPES, KeyFile, bearer

_LOGIN: Final = {"WWW-Authenticate": "Bearer"}
_MAY: Final = {"frames": "send frames", "live": "watch cameras"}


class Denied(Exception):
    """Ends the request with this status."""

    def __init__(self, status: int, error: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail, self.headers = status, error, detail, headers


def require_key(keys: KeyFile, request: Request, scope: str) -> None:
    """Raises Denied 401 without a known key, 403 with one of another scope."""
    presented = bearer(request.headers.get("authorization"))
    if keys.check(presented, scope):
        return
    if any(keys.check(presented, other) for other in SCOPES):
        raise Denied(403, "wrong-scope", f"this key may not {_MAY[scope]}")
    detail = "an API key is needed: Authorization: Bearer pk_..."
    raise Denied(401, "no-key", detail, **_LOGIN)
