"""`parking slot`, `parameters`, `recount`: send commands to a site's tracker and print their
effects."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.events import ParametersSet, Recounted, SlotClosed, SlotOpened, StateCorrected
from parking.runtime.kafka import KafkaSettings
from parking.runtime.settings import Reader
from tools.cli import admin
from tools.cli.effects import EFFECT_LIMIT_S, Effect, describe

_LIMIT_S: Final = 60.0


Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- no public name


def parser(groups: Actions, more: Callable[[Actions], None]) -> None:
    """Add the commands. `more` adds further actions of `slot`."""
    _slot_parser(groups.add_parser("slot", help="close, open, correct, remove a slot"), more)
    site = groups.add_parser("parameters", help="set a site's tracker parameters")
    site.description = "Sets all parameters at once: one that is not given returns to its default."
    site.add_argument("site")
    for name, field in _PARAMETERS.items():
        kind = float if name == "min_confidence" else int
        meaning = f"{_MEANING[name]} ({field.default})"
        site.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=meaning)
    wait_options(site)
    site.set_defaults(run=site_parameters)
    count = groups.add_parser("recount", help="set how many vehicles are inside")
    count.add_argument("site")
    count.add_argument("number_in", type=int, metavar="N")
    wait_options(count)
    count.set_defaults(run=site_recount)


def wait_options(of: argparse.ArgumentParser) -> None:
    """Add the options that set how long a command waits for its effect."""
    of.add_argument(
        "--wait-s",
        type=float,
        default=EFFECT_LIMIT_S,
        metavar="N",
        help=f"seconds to wait for the tracker ({EFFECT_LIMIT_S:.0f}; 0: only send)",
    )


def limit_s(options: argparse.Namespace) -> float | None:
    """Return how long to wait, or None to not wait at all."""
    return float(options.wait_s) or None


# ---------------------------------------------------------------- commands
def slot_close(options: argparse.Namespace) -> None:
    """Take a slot out of service."""
    command = admin.checked({"slot_id": options.slot, "reason": options.reason}, SlotClosed)
    _command(options, command, f"{options.slot} is already closed")


def slot_open(options: argparse.Namespace) -> None:
    """Put a slot back into service."""
    command = admin.checked({"slot_id": options.slot}, SlotOpened)
    _command(options, command, f"{options.slot} is not closed")


def slot_correct(options: argparse.Namespace) -> None:
    """State whether a slot is free or occupied."""
    values = {"slot_id": options.slot, "state": options.state}
    already = f"{options.slot} already shows {options.state}, or is closed"
    _command(options, admin.checked(values, StateCorrected), already)


def site_parameters(options: argparse.Namespace) -> None:
    """Set the tracker's parameters of a site."""
    given = {name: value for name, value in vars(options).items() if name in _PARAMETERS}
    values = {name: value for name, value in given.items() if value is not None}
    parameters = admin.checked(values, ParametersSet)
    _command(options, parameters, "")
    say(", ".join(f"{name} {getattr(parameters, name)}" for name in _PARAMETERS))


def site_recount(options: argparse.Namespace) -> None:
    """State how many vehicles are inside."""
    command = admin.checked({"number_in": options.number_in}, Recounted)
    _command(options, command, f"{options.number_in} are already inside")


# ---------------------------------------------------------------- helpers
def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def kafka() -> KafkaSettings:
    """Return the settings for reaching Kafka. Raises SettingsError."""
    env = Reader(os.environ)
    settings = KafkaSettings.read(env)
    env.done()
    return settings


def run(work: Awaitable[Any]) -> Any:
    """Run the coroutine for at most one minute. Raises Retryable if Kafka is unreachable."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, timeout=_LIMIT_S)

    where = os.environ.get("KAFKA_BOOTSTRAP", "")
    try:
        return asyncio.run(bounded())
    except TimeoutError as error:
        detail = f"Kafka at {where} did not answer within a minute: is KAFKA_BOOTSTRAP right?"
        raise Retryable(detail) from error
    except KafkaError as error:
        detail = f"Kafka at {where} cannot be used ({error!r})"
        raise Retryable(detail) from error


def _command(options: argparse.Namespace, command: admin.Command, already: str) -> None:
    """Send the command and print its effects. `already` says why it may have changed nothing."""
    wait_s, site = limit_s(options), options.site
    if wait_s is None:
        sent = run(admin.command_site(kafka(), site, command, "cli"))
        say(f"sent without waiting for the effect: {sent}")
        return
    work = admin.command_and_follow(kafka(), site, command, "cli", min(wait_s, _LIMIT_S - 10))
    effect: Effect = run(work)
    lines = describe(effect)
    if lines:
        say("\n".join(lines))
    elif already:
        say(f"nothing changed: {already}")


_PARAMETERS = {field.name: field for field in msgspec.structs.fields(ParametersSet)}
_MEANING = {
    "enter_observations": "consecutive observations before a slot becomes occupied",
    "exit_observations": "consecutive observations before a slot becomes free",
    "min_confidence": "0..1; an observation below it is ignored",
    "silence_intervals": "a camera's evidence is valid for this many of its intervals",
    "silence_ms": "or for this many milliseconds (at least 15000), whichever is longer",
    "overstay_ms": "how long a vehicle may stay; None: no limit",
    "maximum_stay_ms": "a stay without an exit ends after this long; None: never",
    "empty_at_min": "minutes after midnight UTC at which the site is empty; None: never",
    "capacity": "vehicles that fit inside; None: the number of slots",
    "correction_hold_ms": "a correction ends once cameras contradict it for this long",
}


def _slot_parser(parser: argparse.ArgumentParser, more: Callable[[Actions], None]) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run_ in (("close", slot_close), ("open", slot_open), ("correct", slot_correct)):
        action = actions.add_parser(name, help=(run_.__doc__ or "").rstrip("."))
        action.add_argument("site")
        action.add_argument("slot")
        wait_options(action)
        action.set_defaults(run=run_)
        if name == "close":
            action.add_argument("--reason", help="shown on the dashboard")
        if name == "correct":
            action.add_argument("state", choices=("free", "occupied"))
    more(actions)
