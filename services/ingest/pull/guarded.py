"""Connect to a camera only at an address that was checked."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable

from services.ingest.pull.camerafile import Camera
from services.ingest.pull.faults import CameraFault
from services.ingest.pull.networks import Forbidden, Networks

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def numeric(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def connect(
    camera: Camera, networks: Networks, resolve: Resolve
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that is allowed and answers. Raises OSError (Forbidden when no
    address is allowed) and CameraFault("tls")."""
    context = _tls(camera)
    host, port = camera.host, camera.port
    failed: OSError | None = None
    for address in await resolve(host, port):
        try:
            networks.check(address)
            reader, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if context else None
            )
        except OSError as error:
            if failed is None or isinstance(failed, Forbidden):
                failed = error
            continue
        _check_pin(camera, writer)
        return reader, writer
    raise failed or socket.gaierror("no address")


def _tls(camera: Camera) -> ssl.SSLContext | None:
    if camera.parts.scheme != "rtsps":
        return None
    context = ssl.create_default_context()
    if camera.tls_sha256:  # the pinned fingerprint replaces the authority
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check_pin(camera: Camera, writer: asyncio.StreamWriter) -> None:
    shown = writer.get_extra_info("ssl_object")
    if camera.tls_sha256 and shown is not None:
        certificate = shown.getpeercert(binary_form=True) or b""
        if hashlib.sha256(certificate).hexdigest() != camera.tls_sha256.lower():
            writer.transport.abort()
            raise CameraFault("tls", "the certificate differs from the pinned one")
