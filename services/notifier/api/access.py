"""The access matrix: the rights that each route needs. A route that is not listed here refuses
everybody.

`parking/access/rights.py` decides; `gate.py` applies it to every request.
"""

from typing import Final

from parking.access.rights import Need, Reach, Role

SOCKET: Final = "WEBSOCKET"

_OPEN: Final = Need(Reach.OPEN)
_ENTRANCE: Final = Need(Reach.ENTRANCE)
_LOOK: Final = Need(Reach.SITE, Role.VIEWER, "read")
_OWN: Final = Need(Reach.OWN, Role.VIEWER, "read")
_FOLLOW: Final = Need(Reach.OWN, Role.VIEWER, "read", stream=True)
_WATCH: Final = Need(Reach.SITE, Role.VIEWER, "read", stream=True)
_PASSAGE: Final = Need(Reach.BODY, Role.OPERATOR, "write")


def _command(what: str) -> Need:
    return Need(Reach.SITE, Role.OPERATOR, "write", what)


def _set_up(what: str) -> Need:
    return Need(Reach.SITE, Role.ADMIN, "write", what)


def _device(what: str) -> Need:
    return Need(Reach.SITE, Role.ADMIN, "devices", what)


def _plates(what: str) -> Need:
    return Need(Reach.SITE, Role.OPERATOR, "plates", what)


def _accounts(what: str = "") -> Need:
    return Need(Reach.ALL, Role.ADMIN, what=what)


ACCESS: Final = {
    # The page, and what programs read to learn about the API.
    ("GET", "/{path:path}"): _OPEN,
    ("GET", "/source"): _OPEN,
    ("GET", "/openapi.json"): _OPEN,
    ("GET", "/asyncapi.yaml"): _OPEN,
    ("GET", "/schemas/{name}"): _OPEN,
    ("GET", "/docs/{name}"): _OPEN,
    ("GET", "/healthz"): _OPEN,
    ("GET", "/readyz"): _OPEN,
    ("GET", "/metrics"): Need(Reach.ALL, Role.VIEWER, "read"),
    # Signing in. These routes check passwords, codes and links themselves.
    ("GET", "/api/sign-in"): _ENTRANCE,
    ("POST", "/api/sign-in"): _ENTRANCE,
    ("DELETE", "/api/sign-in"): _ENTRANCE,
    ("POST", "/api/sign-in/oidc"): _ENTRANCE,
    ("POST", "/api/sign-in/oidc/code"): _ENTRANCE,
    ("POST", "/api/setup"): _ENTRANCE,
    ("POST", "/api/links"): _ENTRANCE,
    ("POST", "/api/password"): Need(Reach.ACCOUNT, what="change own password"),
    # Accounts.
    ("GET", "/api/accounts"): _accounts(),
    ("POST", "/api/accounts"): _accounts("invite"),
    ("PUT", "/api/accounts/{name}/roles"): _accounts("change roles"),
    ("POST", "/api/accounts/{name}/reset"): _accounts("reset password"),
    ("DELETE", "/api/accounts/{name}"): _accounts("remove account"),
    ("GET", "/api/audit"): _accounts(),
    # The counts of public sites, and the pages that show them.
    ("GET", "/api/public/{site}"): _OPEN,
    ("GET", "/p/sw.js"): _OPEN,
    ("GET", "/p/{site}"): _OPEN,
    ("GET", "/p/{site}/"): _OPEN,
    ("GET", "/p/{site}/wall"): _OPEN,
    ("GET", "/p/{site}/app.webmanifest"): _OPEN,
    # The live state.
    ("GET", "/api/sites"): _OWN,
    ("GET", "/api/sites/{site}"): _LOOK,
    ("GET", "/api/slots"): _LOOK,
    ("GET", "/api/changes"): _LOOK,
    ("GET", "/api/sessions"): _LOOK,
    ("GET", "/api/cameras"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/layout"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/layout/proposal"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/layout/versions"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/layout/versions/{version}"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/latest.jpg"): _LOOK,
    ("GET", "/api/cameras/{site}/{device}/overlay.jpg"): _LOOK,
    # These two only convert what is sent to them.
    ("POST", "/api/cameras/{site}/{device}/slot-file"): _LOOK,
    ("POST", "/api/cameras/{site}/{device}/slot-file/{format}"): _LOOK,
    ("GET", "/api/stream"): _WATCH,
    ("GET", "/api/events"): _FOLLOW,
    (SOCKET, "/ws"): _FOLLOW,
    # The past.
    ("GET", "/api/history/changes"): _LOOK,
    ("GET", "/api/history/occupancy"): _LOOK,
    ("GET", "/api/history/usage"): _LOOK,
    ("GET", "/api/history/evidence"): _OWN,
    ("GET", "/api/history/picture.jpg"): _OWN,
    ("GET", "/api/history/moment"): _LOOK,
    ("GET", "/api/history/moment.jpg"): _LOOK,
    ("GET", "/api/captures"): _LOOK,
    ("GET", "/api/sites/{site}/plates"): _plates("read plates"),
    ("POST", "/api/sites/{site}/plates/search"): _plates("search plate"),
    # What an operator does each day.
    ("POST", "/api/sessions/entry"): _PASSAGE,
    ("POST", "/api/sessions/exit"): _PASSAGE,
    ("POST", "/api/sites/{site}/recount"): _command("recount"),
    ("POST", "/api/sites/{site}/slots/{slot}/close"): _command("close slot"),
    ("POST", "/api/sites/{site}/slots/{slot}/open"): _command("open slot"),
    ("POST", "/api/sites/{site}/slots/{slot}/correct"): _command("correct slot"),
    # What an administrator sets up.
    ("GET", "/api/cameras/{site}/{device}/slot-proposals"): _set_up(""),
    ("POST", "/api/cameras/{site}/{device}/picture"): _set_up("upload picture"),
    ("POST", "/api/cameras/{site}/{device}/slot-preview"): _set_up(""),
    ("PUT", "/api/cameras/{site}/{device}/layout"): _set_up("publish layout"),
    ("PATCH", "/api/cameras/{site}/{device}"): _set_up("change camera"),
    ("DELETE", "/api/cameras/{site}/{device}"): _set_up("remove camera"),
    ("PATCH", "/api/sites/{site}"): _set_up("rename site"),
    ("DELETE", "/api/sites/{site}"): _set_up("remove site"),
    ("PATCH", "/api/sites/{site}/slots/{slot}"): _set_up("rename slot"),
    ("DELETE", "/api/sites/{site}/slots/{slot}"): _set_up("remove slot"),
    ("PATCH", "/api/sites/{site}/zones/{zone}"): _set_up("rename zone"),
    ("DELETE", "/api/sites/{site}/zones/{zone}"): _set_up("remove zone"),
    ("GET", "/api/sites/{site}/devices"): _device(""),
    ("POST", "/api/sites/{site}/devices"): _device("add device"),
    ("POST", "/api/sites/{site}/devices/{device}/rotate"): _device("renew device"),
    ("DELETE", "/api/sites/{site}/devices/{device}"): _device("revoke device"),
    ("GET", "/api/sites/{site}/sources"): _device(""),
    ("POST", "/api/sites/{site}/sources/find"): _device("search cameras"),
    ("POST", "/api/sites/{site}/sources/profiles"): _device("ask camera for streams"),
    ("PUT", "/api/cameras/{site}/{device}/source"): _device("set camera source"),
    ("POST", "/api/cameras/{site}/{device}/source/try"): _device("try camera"),
    ("DELETE", "/api/cameras/{site}/{device}/source"): _device("stop polling camera"),
}
