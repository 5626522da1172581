"""The routes for signing in with an OpenID Connect provider.

The page sends the browser to the provider. The provider sends it back to the page with a code in
the address, and the page posts the code. So both requests come from our own page, like every other
sign-in, and the page can show what went wrong. A cookie binds the provider's answer to the browser.
"""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from parking.access.oidc_sign_ins import OidcSignIns, Returned
from parking.access.sign_ins import SignInRefused
from services.notifier.accountviews import OidcStart, SignedIn
from services.notifier.api.accountbodies import OidcReturn
from services.notifier.api.auth import address_of
from services.notifier.api.routes_sign_in import Entrance
from services.notifier.api.web import (
    ApiError,
    errors,
    json_response,
    read_json,
    returns,
    takes,
)

COOKIE: Final = "parking_oidc"
COOKIE_S: Final = 600
_PATH: Final = "/api"
_ERRORS: Final = errors(400, 401, 403, 404, 408, 413, 415, 429)


def oidc_routes(entrance: Entrance) -> APIRouter:
    """Return all of them."""
    router = APIRouter()

    @router.post(
        "/api/sign-in/oidc",
        tags=["accounts"],
        summary="Begin a sign-in with the OpenID Connect provider",
        responses=returns(OidcStart, "The address to send the browser to") | errors(400, 403, 404),
        openapi_extra={"security": []},
    )
    async def begin(request: Request) -> Response:
        secret, address = await _there(entrance).begin(_redirect(request))
        answer = json_response(OidcStart(address=address))
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=COOKIE_S,
            path=_PATH,
            secure=entrance.is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post(
        "/api/sign-in/oidc/code",
        tags=["accounts"],
        summary="Sign in with what the provider sent back; the response sets a cookie",
        responses=returns(SignedIn, "Signed in") | _ERRORS,
        openapi_extra={
            **takes(OidcReturn, {"state": "...", "code": "..."}),
            "security": [],
        },
    )
    async def finish(request: Request) -> Response:
        oidc, redirect = _there(entrance), _redirect(request)
        body = await read_json(request, OidcReturn)
        returned = Returned(body.state, body.code, body.error)
        secret, where = request.cookies.get(COOKIE, ""), address_of(request.scope)
        how = "by OpenID Connect"
        try:
            done = await oidc.finish(secret, returned, redirect, where)
        except SignInRefused as refused:
            if refused.status != 429:  # beyond the limit nothing more is written
                await entrance.note(request, "unknown", f"sign-in failed {how}", refused.detail)
            raise
        target = f"subject {done.subject}{', linked now' if done.linked else ''}"
        await entrance.note(request, done.name, f"sign in {how}", target)
        answer = entrance.admit(request, done.name, done.token)
        answer.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="strict")
        return answer

    return router


def _there(entrance: Entrance) -> OidcSignIns:
    """Return the provider. Raises ApiError 404 if there is none."""
    entrance.there()
    if entrance.oidc is None:
        raise ApiError(404, "no-provider", "no OpenID Connect provider is set up (OIDC_ISSUER)")
    return entrance.oidc


def _redirect(request: Request) -> str:
    """Return the page's address, to which the provider sends the browser back. The gate has already
    checked that the origin is our own page's. Raises ApiError 400."""
    origin = request.headers.get("origin", "").rstrip("/")
    if not origin:
        raise ApiError(400, "no-origin", "the browser sent no Origin: use another browser")
    return f"{origin}/"
