"""The first steps of every HTTP route of ingest: check the API key and read the body."""

import asyncio
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from parking.access.bearer import Bearer, KeyRefused
from parking.access.keys import Key
from parking.core.errors import Invalid
from parking.runtime import metrics
from parking.wire.bodies import TooLarge, read_at_most

BODY_LIMIT_S: Final = 15.0


class Denied(Exception):
    """Ends the request with this status."""

    def __init__(self, status: int, error: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail, self.headers = status, error, detail, headers


def require_key(bearer: Bearer, request: Request, scope: str) -> Key:
    """Return the request's key. Raises Denied 401, 403 or 429."""
    address = request.client.host if request.client else "unknown"
    try:
        return bearer.key(request.headers.get("authorization"), address, scope)
    except KeyRefused as refused:
        detail = refused.detail
        raise _refused(refused.status, refused.reason, detail, **refused.headers) from None


def require_camera(key: Key, camera_id: str) -> None:
    """Require that the key for `frames` belongs to this camera. Raises Denied 403."""
    own = key.camera_id
    if own is None:
        detail = "this key's name is not a camera: `parking keys add SITE/CAMERA frames` creates"
        raise _refused(403, "no-camera", f"{detail} one that does")
    if own != camera_id:
        raise _refused(403, "other-camera", f"this key may only send pictures of {own}")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the whole body. Raises Invalid: `too-large`, `cut-off`, `slow-body`."""
    too_large = Invalid("too-large", f"at most {max_bytes} bytes are allowed")
    if int(request.headers.get("content-length", "0")) > max_bytes:
        raise too_large
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            return await read_at_most(request.stream(), max_bytes)
    except TooLarge:
        raise too_large from None
    except ClientDisconnect as error:
        raise Invalid("cut-off", "the connection was closed before the end of the body") from error
    except TimeoutError as error:
        words = f"the body did not arrive within {BODY_LIMIT_S:.0f} s"
        raise Invalid("slow-body", words) from error


async def read_jpeg(request: Request, max_bytes: int) -> bytes:
    """Return the body, which must be declared as a JPEG. Raises Denied 415, and Invalid as
    read_body does."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "image/jpeg":
        raise Denied(415, "not-image-jpeg", "send Content-Type: image/jpeg")
    return await read_body(request, max_bytes)


def _refused(status: int, error: str, detail: str, **headers: str) -> Denied:
    metrics.REFUSED_REQUESTS.labels(error).inc()
    return Denied(status, error, detail, **headers)
