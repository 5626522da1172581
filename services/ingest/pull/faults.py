"""Why a poll failed: a slug, and a text without secrets."""

import errno
import socket
import ssl
from typing import Final

import aiohttp

from services.ingest.pull.networks import Forbidden


class CameraFault(Exception):
    """A poll that returned no picture. `reason` is a short, stable slug; `detail` is for the
    installer."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


_FORBIDDEN: Final = (
    "forbidden-address",
    "its address is not in an allowed network (CAMERAS_NETWORKS)",
)
_WORDS: Final = {
    errno.EACCES: _FORBIDDEN,
    errno.ECONNREFUSED: ("refused", "nothing listens there"),
    errno.EHOSTUNREACH: ("unreachable", "there is no route to the host"),
    errno.ENETUNREACH: ("unreachable", "there is no route to its network"),
    errno.ECONNRESET: ("cut-off", "the camera ended the connection"),
    errno.EPIPE: ("cut-off", "the camera ended the connection"),
}


def fault_of(error: Exception) -> CameraFault:
    """Translate a network error. The error's own text may contain an address with a password, so it
    is never shown."""
    for one in _chain(error):
        if isinstance(one, CameraFault):
            return one
        if isinstance(one, Forbidden):
            return CameraFault(_FORBIDDEN[0], one.strerror or _FORBIDDEN[1])
        if isinstance(one, ssl.SSLError):
            return CameraFault("tls", "its certificate is not accepted, or it does not support TLS")
        if isinstance(one, socket.gaierror):
            return CameraFault("no-address", "the host name has no address")
        if isinstance(one, OSError) and one.errno in _WORDS:
            return CameraFault(*_WORDS[one.errno])
    if isinstance(error, aiohttp.ClientResponseError):
        return CameraFault("bad-answer", "its response is not HTTP, or is longer than announced")
    if isinstance(error, TimeoutError):
        return CameraFault("timeout", "the camera did not answer in time")
    return CameraFault("cut-off", f"the connection failed ({type(error).__name__})")


def status_fault(protocol: str, status: int, *, has_login: bool) -> CameraFault:
    """Translate an answer without a picture. `protocol` is HTTP or RTSP, which use the same
    numbers."""
    status_line = f"{protocol} {status}"
    if status in (401, 403):
        if has_login:
            return CameraFault("wrong-password", f"the camera refuses the login ({status_line})")
        return CameraFault("password-needed", f"the camera requires a login ({status_line})")
    if 300 <= status < 400:
        return CameraFault(
            "redirected", "it redirects, and redirects are not followed: use the target URL"
        )
    return CameraFault(f"{protocol.lower()}-error", f"the camera answers {status_line}")


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10 and error not in found:
        found.append(error)
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return found
