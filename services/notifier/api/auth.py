"""Who sent a request, and from where. The gate (gate.py) has determined and checked both."""

from typing import Final

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.types import Scope

from parking.access.rights import ANYBODY, Identity, Need, Reach, Role
from services.notifier.api.web import ApiError

SENDER: Final = "parking.sender"
"""Key in the scope of a request that the gate let through: the sender's Identity."""
DETAIL: Final = "parking.audit"
"""Key in the scope: text to add to the request's entry in the audit log."""
COOKIE: Final = "parking_session"


def sender(request: HTTPConnection) -> Identity:
    """Return who sent the request."""
    identity: Identity = request.scope.get(SENDER, ANYBODY)
    return identity


def address_of(scope: Scope) -> str:
    """Return the address from which the request came."""
    client = scope.get("client")
    return client[0] if client else "unknown"


def require_body_site(request: Request, site_id: str) -> None:
    """Check the site named in the body, for a route with the reach BODY. Raises ApiError 403."""
    need = Need(Reach.BODY, Role.OPERATOR, "write")
    if not sender(request).may(need, site_id):
        raise ApiError(403, "wrong-site", f"you may not do this at site {site_id!r}")


def detail(request: Request, words: str) -> None:
    """Add this text to the request's entry in the audit log, which names the path."""
    request.scope[DETAIL] = words
