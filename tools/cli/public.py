"""`parking site public`: set what a site shows to drivers at `/p/SITE`, which needs no key."""

import argparse
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from msgspec.structs import replace

from parking.core import changes
from parking.core.changes import Change, Layouts
from parking.core.errors import Invalid
from parking.core.events import SiteSettings
from parking.core.sitesettings import site_settings
from tools.cli import admin
from tools.cli import sites as sites_cli
from tools.cli.effects import describe

_HELP: Final = "show its free spaces to anybody at /p/SITE, or stop that"


def parser(actions: sites_cli.Actions) -> None:
    """Add the action to the actions of `parking site`."""
    action = actions.add_parser(
        "public", help=_HELP, description=f"{_HELP}. Values that are not given stay the same."
    )
    action.add_argument("site", metavar="SITE")
    action.add_argument("switch", choices=("on", "off"))
    action.add_argument(
        "--time-zone", metavar="ZONE", help="IANA name, like Asia/Jakarta; '': none"
    )
    action.add_argument(
        "--directions", metavar="LINK", help="link to directions, https or geo; '': none"
    )
    sites_cli.wait_options(action)
    action.set_defaults(run=_run)


def named(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command names. Raises Invalid("bad-parameters")."""
    values: dict[str, Any] = {"public": options.switch == "on"}
    for name in ("time_zone", "directions"):
        given = getattr(options, name)
        if given is not None:
            values[name] = given or None
    admin.checked(values, SiteSettings)
    zone, known = values.get("time_zone"), available_timezones()
    if zone and known and zone not in known:
        detail = f"there is no time zone {zone!r}; use an IANA name like Asia/Jakarta"
        raise Invalid("bad-parameters", detail)
    return values


def changed(site: Layouts, values: Mapping[str, Any]) -> Change:
    """Return the change of the site's settings; settings that are not among the values stay."""
    before = site_settings(site) or SiteSettings()
    return changes.with_settings(site, replace(before, **values))


def _run(options: argparse.Namespace) -> None:
    limit_s, values = sites_cli.limit_s(options), named(options)
    work = admin.change_site(
        sites_cli.kafka(), options.site, lambda site: changed(site, values), "cli", limit_s
    )
    for effect in sites_cli.run(work):
        describe(effect)
    state = "public" if options.switch == "on" else "not public"
    sites_cli.say(
        f"{options.site} is {state}"
        if limit_s
        else "written; the command did not wait for its effect"
    )
