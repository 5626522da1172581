"""`parking slot`, `parameters`, `recount`: commands to a site's tracker, and what they did."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
from aiokafka.errors import KafkaError

from parking import admin
from parking.effects import EFFECT_LIMIT_S, Effect, describe
from parking.errors import Retryable
from parking.events import ParametersSet, Recounted, SlotClosed, SlotOpened, StateCorrected
from parking.kafka import KafkaSettings
from parking.settings import Reader

_LIMIT_S: Final = 60.0


Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- no public name


def parser(groups: Actions, more: Callable[[Actions], None]) -> None:
    """Add the commands. `more`: adds further actions of `slot`."""
    _slot_parser(groups.add_parser("slot", help="close, open, correct, remove a slot"), more)
    site = groups.add_parser("parameters", help="tracker parameters of a site, from now on")
    site.description = "All are set at once: what is not named goes back to its default."
    site.add_argument("site")
    for name, field in _PARAMETERS.items():
        kind = float if name == "min_confidence" else int
        meaning = f"{_MEANING[name]} ({field.default})"
        site.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=meaning)
    wait_options(site)
    site.set_defaults(run=site_parameters)
    count = groups.add_parser("recount", help="say how many vehicles are in")
    count.add_argument("site")
    count.add_argument("number_in", type=int, metavar="N")
    wait_options(count)
    count.set_defaults(run=site_recount)


def wait_options(of: argparse.ArgumentParser) -> None:
    """How long a command waits for its effect."""
    of.add_argument(
        "--wait-s",
        type=float,
        default=EFFECT_LIMIT_S,
        metavar="N",
        help=f"seconds to wait for the tracker ({EFFECT_LIMIT_S:.0f}; 0: only send)",
    )


def limit_s(options: argparse.Namespace) -> float | None:
    """How long to wait; None: not at all."""
    return float(options.wait_s) or None


# ---------------------------------------------------------------- commands
def slot_close(options: argparse.Namespace) -> None:
    """Take a slot out of service."""
    command = admin.checked({"slot_id": options.slot, "reason": options.reason}, SlotClosed)
    _command(options, command, f"{options.slot} is closed already")


def slot_open(options: argparse.Namespace) -> None:
    """Put a slot back into service."""
    command = admin.checked({"slot_id": options.slot}, SlotOpened)
    _command(options, command, f"{options.slot} is not closed")


def slot_correct(options: argparse.Namespace) -> None:
    """Say what a slot is."""
    values = {"slot_id": options.slot, "state": options.state}
    already = f"{options.slot} shows {options.state} already, or is closed"
    _command(options, admin.checked(values, StateCorrected), already)


def site_parameters(options: argparse.Namespace) -> None:
    """Set the tracker's parameters of a site."""
    given = {name: value for name, value in vars(options).items() if name in _PARAMETERS}
    values = {name: value for name, value in given.items() if value is not None}
    parameters = admin.checked(values, ParametersSet)
    _command(options, parameters, "")
    say(", ".join(f"{name} {getattr(parameters, name)}" for name in _PARAMETERS))


def site_recount(options: argparse.Namespace) -> None:
    """Say how many vehicles are in."""
    command = admin.checked({"number_in": options.number_in}, Recounted)
    _command(options, command, f"{options.number_in} are in already")


# ---------------------------------------------------------------- helpers
def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def kafka() -> KafkaSettings:
    """Where Kafka is. Raises SettingsError."""
    env = Reader(os.environ)
    settings = KafkaSettings.read(env)
    env.done()
    return settings


def run(work: Awaitable[Any]) -> Any:
    """Do it within a minute. Raises Retryable when Kafka cannot be reached."""

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
    """Send it and say what it did; `already`: why it may have changed nothing."""
    wait_s, site = limit_s(options), options.site
    if wait_s is None:
        say(f"sent, not waited for: {run(admin.command_site(kafka(), site, command, 'cli'))}")
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
    "enter_observations": "pictures in a row that must say occupied",
    "exit_observations": "pictures in a row that must say free",
    "min_confidence": "0..1; less sure, a picture says nothing of a slot",
    "silence_intervals": "what a camera saw counts for so many of its intervals, at least",
    "silence_ms": "and for so many milliseconds, 15000 at least, whichever is longer",
    "overstay_ms": "how long a vehicle may stay; None: as long as it likes",
    "maximum_stay_ms": "a stay without an exit ends after so long; None: never",
    "empty_at_min": "minutes after midnight UTC when nobody is in; None: no such time",
    "capacity": "vehicles that fit in; None: as many as there are slots",
    "correction_hold_ms": "a correction ends once cameras contradict it for so long",
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
