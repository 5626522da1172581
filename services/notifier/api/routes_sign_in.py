"""The routes for signing in and out, setting passwords, and creating the administrator."""

import hmac
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from parking.access.account_store import Entry
from parking.access.oidc_sign_ins import OidcSignIns
from parking.access.rights import write_grants
from parking.access.sign_ins import SignInRefused, SignIns
from parking.wire.ports import Clock
from services.notifier.accountviews import SignedIn, SignInState
from services.notifier.api.accountbodies import Credentials, FirstAccount, LinkUse, NewPassword
from services.notifier.api.auth import COOKIE, address_of, sender
from services.notifier.api.gate import note
from services.notifier.api.web import (
    DONE,
    ApiError,
    errors,
    json_response,
    read_json,
    returns,
    takes,
)

_ERRORS: Final = errors(400, 401, 403, 408, 409, 413, 415, 429)


@dataclass(frozen=True, slots=True)
class Entrance:
    """What these routes need. If `sign_ins` is None, nobody has to sign in. If `setup_code` is "",
    the administrator is created with `parking accounts`. With `secure` the cookie is for HTTPS
    only, even if a proxy hides that the request came over HTTPS. `oidc` is the provider that also
    signs people in."""

    sign_ins: SignIns | None
    clock: Clock
    setup_code: str = ""
    secure: bool = False
    oidc: OidcSignIns | None = None

    def there(self) -> SignIns:
        """Return the sign-ins. Raises ApiError 404 if nobody has to sign in."""
        if self.sign_ins is None:
            raise ApiError(404, "no-sign-in", "sign-in is off on this server (SIGN_IN=off)")
        return self.sign_ins

    async def state(self, request: Request) -> SignInState:
        """Return what the page needs to know first."""
        if self.sign_ins is None:
            return SignInState(required=False)
        who, provider = sender(request), self.oidc.label if self.oidc else None
        if who.kind == "account":
            roles = write_grants(who.grants)
            return SignInState(required=True, name=who.name, roles=roles, provider=provider)
        if await self.sign_ins.store.accounts():
            return SignInState(required=True, provider=provider)
        return SignInState(required=True, setup="code" if self.setup_code else "command")

    async def sign_in(self, request: Request, credentials: Credentials) -> Response:
        """Check the credentials and answer with the cookie. Raises SignInRefused."""
        name, where = credentials.name.strip().lower(), address_of(request.scope)
        try:
            token = await self.there().sign_in(name, credentials.password, where)
        except SignInRefused as refused:
            if refused.status == 401:  # beyond the limit nothing more is written
                await self.note(request, name, "sign-in failed")
            raise
        await self.note(request, name, "sign in")
        return self.admit(request, name, token)

    async def sign_out(self, request: Request) -> None:
        """End the sign-in, if there is one."""
        token = request.cookies.get(COOKIE)
        if self.sign_ins is not None and token:
            await self.sign_ins.sign_out(token)
            if sender(request).kind == "account":
                await self.note(request, sender(request).name, "sign out")

    async def open(self, request: Request, name: str) -> Response:
        """Sign somebody in, and answer with the cookie."""
        sign_ins = self.there()
        token = await sign_ins.open(name, address_of(request.scope))
        await self.note(request, name, "sign in")
        return self.admit(request, name, token)

    def admit(self, request: Request, name: str, token: str) -> Response:
        """Return the answer with the cookie."""
        answer = json_response(SignedIn(name=name))
        answer.set_cookie(
            COOKIE,
            token,
            max_age=self.there().expiry.most_ms // 1000,
            path="/",
            secure=self.is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return answer

    def is_secure(self, request: Request) -> bool:
        """Return whether cookies are for HTTPS only."""
        return self.secure or request.url.scheme == "https"

    async def note(self, request: Request, who: str, what: str, target: str = "") -> None:
        """Write to the audit log."""
        where = address_of(request.scope)
        entry = Entry(self.clock.now_ms(), who[:60], what, None, target[:200], where)
        await note(self.there(), entry)


def sign_in_routes(entrance: Entrance) -> APIRouter:
    """Return all of them."""
    router = APIRouter()
    _coming_and_going(router, entrance)
    _passwords(router, entrance)
    return router


def _coming_and_going(router: APIRouter, entrance: Entrance) -> None:
    @router.get(
        "/api/sign-in",
        tags=["accounts"],
        summary="Get whether sign-in is required, and who is signed in",
        responses=returns(SignInState, "For the sender of this request"),
    )
    async def state(request: Request) -> Response:
        return json_response(await entrance.state(request))

    @router.post(
        "/api/sign-in",
        tags=["accounts"],
        summary="Sign in; the response sets a cookie",
        responses=returns(SignedIn, "Signed in") | _ERRORS,
        openapi_extra=_open(Credentials, {"name": "ann", "password": "..."}),
    )
    async def sign_in(request: Request) -> Response:
        entrance.there()
        return await entrance.sign_in(request, await read_json(request, Credentials))

    @router.delete(
        "/api/sign-in",
        status_code=204,
        tags=["accounts"],
        summary="Sign out",
        responses=DONE | errors(403),
    )
    async def sign_out(request: Request) -> Response:
        await entrance.sign_out(request)
        answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer


def _passwords(router: APIRouter, entrance: Entrance) -> None:
    @router.post(
        "/api/setup",
        tags=["accounts"],
        summary="Create the first administrator with the setup code, which works only once",
        responses=returns(SignedIn, "Created and signed in") | _ERRORS,
        openapi_extra=_open(FirstAccount, {"name": "ann", "password": "...", "code": "..."}),
    )
    async def setup(request: Request) -> Response:
        sign_ins, body = entrance.there(), await read_json(request, FirstAccount)
        code = entrance.setup_code
        right = bool(code) and hmac.compare_digest(body.code.strip().encode(), code.encode())
        where = address_of(request.scope)
        name = await sign_ins.create_first(body.name, body.password, right, where)
        await entrance.note(request, name, "create administrator")
        return await entrance.open(request, name)

    @router.post(
        "/api/links",
        tags=["accounts"],
        summary="Set a password with an invitation or a reset link, and sign in",
        responses=returns(SignedIn, "Signed in") | _ERRORS,
        openapi_extra=_open(LinkUse, {"token": "...", "password": "..."}),
    )
    async def use_link(request: Request) -> Response:
        sign_ins, body = entrance.there(), await read_json(request, LinkUse)
        name = await sign_ins.use_link(body.token, body.password, address_of(request.scope))
        await entrance.note(request, name, "set password by link")
        return await entrance.open(request, name)

    @router.post(
        "/api/password",
        tags=["accounts"],
        summary="Change your own password; your other sign-ins end",
        responses=returns(SignedIn, "Changed and signed in") | _ERRORS,
        openapi_extra=_open(NewPassword, {"old": "...", "new": "..."}),
    )
    async def change_password(request: Request) -> Response:
        sign_ins, name = entrance.there(), sender(request).name
        body = await read_json(request, NewPassword)
        await sign_ins.change_password(name, body.old, body.new, address_of(request.scope))
        return await entrance.open(request, name)


def _open(type_: Any, example: dict[str, str]) -> dict[str, Any]:
    """Describe the request body of a route without a key."""
    return {**takes(type_, example), "security": []}
