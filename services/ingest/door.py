"""Who may: API keys of ingest's HTTP routes."""

from typing import Final

from fastapi import Request

from parking import metrics
from parking.keys import SCOPES, Key, KeyFile, bearer

_LOGIN: Final = {"WWW-Authenticate": "Bearer"}
_MAY: Final = {"frames": "send frames", "live": "watch cameras"}


class Denied(Exception):
    """Ends the request with this status."""

    def __init__(self, status: int, error: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail, self.headers = status, error, detail, headers


def require_key(keys: KeyFile, request: Request, scope: str) -> Key:
    """The request's key. Raises Denied 401 without a known one, 403 with one of another scope."""
    presented = bearer(request.headers.get("authorization"))
    key = keys.check(presented, scope)
    if key is not None:
        return key
    if any(keys.check(presented, other) for other in SCOPES):
        raise _refused(403, "wrong-scope", f"this key may not {_MAY[scope]}")
    detail = "an API key is needed: Authorization: Bearer pk_..."
    raise _refused(401, "no-key", detail, **_LOGIN)


def require_camera(key: Key, camera_id: str) -> None:
    """The key for `frames` must be the camera's own. Raises Denied 403."""
    own = key.camera_id
    if own is None:
        detail = "this key names no camera: `python -m parking keys add SITE/CAMERA frames` makes"
        raise _refused(403, "no-camera", f"{detail} one that does")
    if own != camera_id:
        raise _refused(403, "other-camera", f"this key sends the pictures of {own} only")


def _refused(status: int, error: str, detail: str, **headers: str) -> Denied:
    metrics.REFUSED_REQUESTS.labels(error).inc()
    return Denied(status, error, detail, **headers)
