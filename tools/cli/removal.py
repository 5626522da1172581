"""`parking camera`, `site`, `zone`, `slot`: remove and rename cameras, sites, zones and slots."""

import argparse
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

import msgspec

from parking.core import changes
from parking.core.changes import Change, Layouts
from parking.core.errors import Invalid
from parking.core.ids import SlotId
from parking.core.topics import site_of
from parking.wire.typefaults import faults
from tools.cli import admin
from tools.cli import public as public_cli
from tools.cli import sites as sites_cli
from tools.cli.effects import describe

Decide = Callable[[argparse.Namespace], Callable[[Layouts], Change]]
Action = tuple[str, str, str, Decide]
"""An action: its name, arguments, help and the commands it sends."""
_NAME: Final[Any] = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


def parser(groups: sites_cli.Actions) -> None:
    """Add `camera`, `site` and `zone`."""
    for name, actions in (("camera", _CAMERA), ("site", _SITE), ("zone", _ZONE)):
        more = ", or make it public" if name == "site" else ""
        of = groups.add_parser(name, help=f"remove or rename a {name}{more}")
        subparsers = of.add_subparsers(required=True, metavar="ACTION")
        _fill(subparsers, actions)
        if name == "site":
            public_cli.parser(subparsers)


def slot_actions(actions: sites_cli.Actions) -> None:
    """Add the further actions of `parking slot`."""
    _fill(actions, _SLOT)


def _fill(of: sites_cli.Actions, actions: Iterable[Action]) -> None:
    for name, arguments, help_, decide in actions:
        action = of.add_parser(name, help=help_)
        for argument in arguments.split():
            device = argument == "camera" or (argument == "to" and "camera" in arguments)
            action.add_argument(argument, metavar="SITE/DEVICE" if device else argument.upper())
        sites_cli.wait_options(action)
        action.set_defaults(run=_change, decide=decide)


def _change(options: argparse.Namespace) -> None:
    """Run the action and print its effects."""
    site_id = site_of(options.camera) if hasattr(options, "camera") else options.site
    limit_s, decide = sites_cli.limit_s(options), options.decide(options)
    work = admin.change_site(sites_cli.kafka(), site_id, decide, "cli", limit_s)
    lines = [line for effect in sites_cli.run(work) for line in describe(effect)]
    sites_cli.say(
        "\n".join(
            [*lines, "done" if limit_s else "written; the command did not wait for its effect"]
        )
    )


def _checked(value: str, of: Any, what: str) -> str:
    wrong = faults(value, of)
    if wrong:
        raise Invalid("bad-name", f"{what}: {'; '.join(wrong)}")
    return value


def _remove_camera(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    return lambda site: changes.without_camera(site, options.camera)


def _rename_camera(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    name = _checked(options.name, _NAME, "NAME")
    return lambda site: changes.with_camera_name(site, options.camera, name)


def _move_camera(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    return lambda site: changes.with_camera_id(site, options.camera, options.to)


def _remove_site(_: argparse.Namespace) -> Callable[[Layouts], Change]:
    return changes.without_site


def _rename_site(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    name = _checked(options.name, _NAME, "NAME")
    return lambda site: changes.with_site_name(site, name)


def _remove_zone(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    return lambda site: changes.without_zone(site, options.zone)


def _rename_zone(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    name = _checked(options.name, _NAME, "NAME")
    return lambda site: changes.with_zone_name(site, options.zone, name)


def _remove_slot(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    return lambda site: changes.without_slot(site, options.slot)


def _rename_slot(options: argparse.Namespace) -> Callable[[Layouts], Change]:
    new_id = _checked(options.to, SlotId, "TO")
    return lambda site: changes.with_slot_id(site, options.slot, new_id)


_CAMERA: Final[tuple[Action, ...]] = (
    ("remove", "camera", "also remove the slots that no other camera sees", _remove_camera),
    ("rename", "camera name", "rename it", _rename_camera),
    (
        "move",
        "camera to",
        "move its view and its slots to another device of the site",
        _move_camera,
    ),
)
_SITE: Final[tuple[Action, ...]] = (
    ("remove", "site", "remove it with all its cameras, zones and slots", _remove_site),
    ("rename", "site name", "rename it; its id stays the same", _rename_site),
)
_ZONE: Final[tuple[Action, ...]] = (
    ("remove", "site zone", "remove it with its slots", _remove_zone),
    ("rename", "site zone name", "rename it; its id stays the same", _rename_zone),
)
_SLOT: Final[tuple[Action, ...]] = (
    ("remove", "site slot", "remove it from every layout", _remove_slot),
    ("rename", "site slot to", "change its id; its history stays under the old one", _rename_slot),
)
