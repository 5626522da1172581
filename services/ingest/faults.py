"""Why a pulled camera gave no picture, in a slug and in words that name no secret."""

import errno
import socket
import ssl
from typing import Final

import aiohttp

from parking.networks import Forbidden


class CameraFault(Exception):
    """No picture. `reason`: a short, stable slug; `detail`: for whoever installs the camera."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


_FORBIDDEN: Final = (
    "forbidden-address",
    "its address is in none of the allowed networks: CAMERAS_NETWORKS",
)
_WORDS: Final = {
    errno.EACCES: _FORBIDDEN,
    errno.ECONNREFUSED: ("refused", "nothing listens there"),
    errno.EHOSTUNREACH: ("unreachable", "there is no way to the host"),
    errno.ENETUNREACH: ("unreachable", "there is no way to its network"),
    errno.ECONNRESET: ("cut-off", "the camera ended the connection"),
    errno.EPIPE: ("cut-off", "the camera ended the connection"),
}


def fault_of(error: Exception) -> CameraFault:
    """What an error of the network means. The error's own text may hold an address with a password
    and is never passed on."""
    for one in _chain(error):
        if isinstance(one, CameraFault):
            return one
        if isinstance(one, Forbidden):
            return CameraFault(_FORBIDDEN[0], one.strerror or _FORBIDDEN[1])
        if isinstance(one, ssl.SSLError):
            return CameraFault("tls", "its certificate is not accepted, or it speaks no TLS")
        if isinstance(one, socket.gaierror):
            return CameraFault("no-address", "the host's name has no address")
        if isinstance(one, OSError) and one.errno in _WORDS:
            return CameraFault(*_WORDS[one.errno])
    if isinstance(error, aiohttp.ClientResponseError):
        return CameraFault("bad-answer", "what it answers is not HTTP, or longer than announced")
    if isinstance(error, TimeoutError):
        return CameraFault("timeout", "the camera did not answer in time")
    return CameraFault("cut-off", f"the connection failed ({type(error).__name__})")


def status_fault(protocol: str, status: int, *, has_login: bool) -> CameraFault:
    """What an answer without a picture means. `protocol`: HTTP or RTSP, alike in their numbers."""
    told = f"{protocol} {status}"
    if status in (401, 403):
        if has_login:
            return CameraFault("wrong-password", f"the camera refuses the login ({told})")
        return CameraFault("password-needed", f"the camera wants a login ({told})")
    if 300 <= status < 400:
        return CameraFault("redirected", "it sends elsewhere, which is not followed: give that URL")
    return CameraFault(f"{protocol.lower()}-error", f"the camera answers {told}")


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10 and error not in found:
        found.append(error)
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return found
