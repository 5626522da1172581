"""The routes for administrators: accounts, their roles and the audit log."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from parking.access.rights import Grants, write_grants
from parking.access.sign_ins import fit_grants, fit_name
from parking.core.errors import Invalid
from services.notifier.accountviews import AccountView, AuditEntry, Link
from services.notifier.api.accountbodies import Invitation, NewRoles
from services.notifier.api.auth import detail
from services.notifier.api.routes_read import Limit
from services.notifier.api.routes_sign_in import Entrance
from services.notifier.api.web import (
    DONE,
    ApiError,
    errors,
    json_response,
    read_json,
    returns,
    takes,
)

Name = Annotated[str, Path(max_length=60)]
_STATUS: Final = {"no-account": 404, "account-exists": 409, "last-admin": 409}
_ERRORS: Final = errors(400, 401, 403, 404, 408, 409, 413, 415)
_ROLES: Final = {"roles": {"demo": "operator"}}


def account_routes(entrance: Entrance) -> APIRouter:
    """Return all routes for accounts."""
    router = APIRouter()
    _accounts(router, entrance)
    _changes(router, entrance)

    @router.get(
        "/api/audit",
        tags=["accounts"],
        summary="List who did what, newest first",
        responses=returns(
            list[AuditEntry],
            "The entries. For older ones, pass the last `id` of a page as `before`",
        )
        | errors(401, 403, 404),
    )
    async def audit(
        limit: Limit = 100, before: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None
    ) -> Response:
        entries = await entrance.there().store.audit(limit, before)
        return json_response(
            [
                AuditEntry(
                    id=one.id,
                    time_ms=one.time_ms,
                    who=one.who,
                    what=one.what,
                    site_id=one.site_id,
                    target=one.target,
                    address=one.address,
                )
                for one in entries
            ]
        )

    return router


def _accounts(router: APIRouter, entrance: Entrance) -> None:
    @router.get(
        "/api/accounts",
        tags=["accounts"],
        summary="List accounts and their roles",
        responses=returns(list[AccountView], "Sorted by name") | errors(401, 403, 404),
    )
    async def accounts() -> Response:
        found = await entrance.there().store.accounts()
        return json_response(
            [
                AccountView(
                    name=one.name,
                    roles=write_grants(one.grants),
                    invited=not one.has_password,
                    linked=one.linked,
                    created_at_ms=one.created_at_ms,
                )
                for one in found
            ]
        )

    @router.post(
        "/api/accounts",
        status_code=201,
        tags=["accounts"],
        summary="Invite somebody; the response has the link's token, which is shown only once",
        responses=returns(Link, "The invitation was created", 201) | _ERRORS,
        openapi_extra=_signed_in(Invitation, {"name": "bob", **_ROLES}),
    )
    async def invite(request: Request) -> Response:
        sign_ins, body = entrance.there(), await read_json(request, Invitation)
        name, grants = fit_name(body.name), fit_grants(body.roles)
        detail(request, f"{name}: {_role_words(grants)}")
        try:
            await sign_ins.store.add(name, grants, entrance.clock.now_ms())
        except Invalid as error:
            raise _fault(error) from error
        return await _link(entrance, name)


def _changes(router: APIRouter, entrance: Entrance) -> None:
    @router.put(
        "/api/accounts/{name}/roles",
        status_code=204,
        tags=["accounts"],
        summary="Replace an account's roles",
        responses=DONE | _ERRORS,
        openapi_extra=_signed_in(NewRoles, _ROLES),
    )
    async def change_roles(request: Request, name: Name) -> Response:
        sign_ins, body = entrance.there(), await read_json(request, NewRoles)
        try:
            grants = fit_grants(body.roles)
            detail(request, _role_words(grants))
            await sign_ins.store.grant(name, grants)
        except Invalid as error:
            raise _fault(error) from error
        sign_ins.forget()
        return Response(status_code=204)

    @router.post(
        "/api/accounts/{name}/reset",
        status_code=201,
        tags=["accounts"],
        summary=(
            "Create a link for setting a new password; it is shown once, and the old "
            "password works until the link is used"
        ),
        responses=returns(Link, "The link was created", 201) | _ERRORS,
    )
    async def reset(name: Name) -> Response:
        return await _link(entrance, name)

    @router.delete(
        "/api/accounts/{name}",
        status_code=204,
        tags=["accounts"],
        summary="Remove an account; its sign-ins and streams end within a minute",
        responses=DONE | _ERRORS,
    )
    async def remove_account(name: Name) -> Response:
        sign_ins = entrance.there()
        try:
            await sign_ins.store.remove(name)
        except Invalid as error:
            raise _fault(error) from error
        sign_ins.forget()
        return Response(status_code=204)


def _role_words(grants: Grants) -> str:
    return ", ".join(f"{role} at {site}" for site, role in write_grants(grants).items())


async def _link(entrance: Entrance, name: str) -> Response:
    try:
        token, until_ms = await entrance.there().link(name)
    except Invalid as error:
        raise _fault(error) from error
    return json_response(Link(name=name, token=token, expires_at_ms=until_ms), 201)


def _signed_in(type_: Any, example: dict[str, Any]) -> dict[str, Any]:
    """Describe the request body of a route that no key may use."""
    return {**takes(type_, example), "security": [{"cookie": []}]}


def _fault(error: Invalid) -> ApiError:
    return ApiError(_STATUS.get(error.reason, 422), error.reason, error.detail)
