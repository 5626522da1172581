"""A second address of an HTTP server, with TLS, for the local network; without metrics."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from parking.runtime.settings import Reader

PORT: Final = 8443
_NAMES: Final = ("HTTPS_HOST", "HTTPS_CERT_FILE", "HTTPS_KEY_FILE")
_NOT_HERE: Final = {"error": "not-found", "detail": "metrics are served on this machine only"}


@dataclass(frozen=True, slots=True)
class TlsListener:
    """Where it listens, and the certificate chain and private key, both in PEM."""

    host: str
    port: int
    cert_file: Path
    key_file: Path

    @classmethod
    def read(cls, env: Reader) -> "TlsListener | None":
        """Read HTTPS_HOST, HTTPS_PORT (8443), HTTPS_CERT_FILE and HTTPS_KEY_FILE. Returns None
        without them."""
        values = {name: env.text(name, "") for name in _NAMES}
        port = env.integer("HTTPS_PORT", PORT, 1, 65535)
        missing = [name for name, value in values.items() if not value]
        if len(missing) == len(values):
            return None
        if missing:
            env.problems.append(
                f"{' and '.join(missing)} missing: HTTPS needs {', '.join(_NAMES)} together"
            )
            return None
        host, cert, key = values.values()
        listener = cls(host, port, Path(cert), Path(key))
        try:
            listener.context()
        except OSError as error:  # ssl.SSLError is one
            env.problems.append(
                f"HTTPS_CERT_FILE={cert!r} and HTTPS_KEY_FILE={key!r} cannot be used: {error}"
            )
        return listener

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises OSError."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert_file, self.key_file)
        return context


def without_metrics(app: ASGIApp) -> ASGIApp:
    """Wrap `app` to answer 404 for /metrics. A route also matches with a line feed at the end."""

    async def filtered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].strip("/ \t\r\n") == "metrics":
            await JSONResponse(_NOT_HERE, 404)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return filtered
