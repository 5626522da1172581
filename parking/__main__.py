"""Smart Parking's command line: make topics, publish layouts, command slots, manage API keys,
send dead letters again, measure which runtime the detector should take, try cameras.

It talks to Kafka as the services do: set KAFKA_BOOTSTRAP (and KAFKA_SECURITY, ... where needed).
The embedded stack's values are printed by `python -m parking.stack env`.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec

from parking import admin, deadletters_cli, devices_cli, lots
from parking.errors import Invalid, Retryable, SettingsError
from parking.events import (
    LayoutPublished,
    ParametersSet,
    Recounted,
    SlotClosed,
    SlotOpened,
    StateCorrected,
)
from parking.kafka import KafkaSettings
from parking.keys import SCOPES, KeyFile
from parking.settings import Reader
from parking.topics import TOPICS


def main(arguments: list[str] | None = None) -> None:
    """Run one command; a fault is told in one line with exit status 1."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    options.more = more
    if more and options.run not in (bench_detector, cameras):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    try:
        options.run(options)
    except (Invalid, Retryable, SettingsError) as error:
        sys.exit(f"parking: {error}")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


# ---------------------------------------------------------------- commands
def topics_list(_: argparse.Namespace) -> None:
    """Show every topic."""
    for topic in TOPICS.values():
        kept = "compacted" if topic.compacted else f"{(topic.retention_ms or 0) // 3_600_000} h"
        say(f"{topic.name:<34} key {topic.key:<16} {topic.partitions:>3} partitions  {kept}")


def topics_apply(options: argparse.Namespace) -> None:
    """Create what is missing, and set the size and age limits of what is there."""
    made = _run(admin.apply_topics(_kafka(), replication=options.replication))
    say(f"{len(made)} topics made, {len(TOPICS) - len(made)} were there")


def layout_check(options: argparse.Namespace) -> None:
    """Tell every fault."""
    faults = [
        f"{one.camera_id}: {fault}" for one in _layouts(options) for fault in lots.check_new(one)
    ]
    if faults:
        raise Invalid("bad-layout", "\n  " + "\n  ".join(faults))
    say("the layout can be used")


def layout_publish(options: argparse.Namespace) -> None:
    """Write layouts and their adoption."""
    for one in _run(admin.publish_layouts(_kafka(), _layouts(options), "cli")):
        say(f"{one.camera_id}: version {one.version}, {len(one.slots)} slots")


def slot_close(options: argparse.Namespace) -> None:
    """Take a slot out of service."""
    _command(options, SlotClosed(slot_id=options.slot, reason=options.reason))


def slot_open(options: argparse.Namespace) -> None:
    """Put a slot back into service."""
    _command(options, SlotOpened(slot_id=options.slot))


def slot_correct(options: argparse.Namespace) -> None:
    """Say what a slot is."""
    _command(options, StateCorrected(slot_id=options.slot, state=options.state))


def site_parameters(options: argparse.Namespace) -> None:
    """Set the tracker's parameters of a site."""
    given = {name: value for name, value in vars(options).items() if name in _PARAMETERS}
    values = {name: value for name, value in given.items() if value is not None}
    parameters = admin.checked(values, ParametersSet)
    _command(options, parameters)
    say(", ".join(f"{name} {getattr(parameters, name)}" for name in _PARAMETERS))


def site_recount(options: argparse.Namespace) -> None:
    """Say how many vehicles are in."""
    _command(options, admin.checked({"number_in": options.number_in}, Recounted))


def keys_add(options: argparse.Namespace) -> None:
    """Make a key and show it."""
    key = _keys().add(options.name, *options.scopes)
    say(f"{key}\nThis is the only time it is shown; the file keeps its hash.")


def keys_list(_: argparse.Namespace) -> None:
    """Names of the keys."""
    for name in _keys().names():
        say(name)


def keys_remove(options: argparse.Namespace) -> None:
    """Forget a key."""
    if not _keys().remove(options.name):
        raise Invalid("no-key", f"there is no key named {options.name!r}")
    say(f"{options.name} is removed; services notice at once")


def bench_detector(options: argparse.Namespace) -> None:
    """Hand over to the detector's own bench: this library does not import services."""
    command = [sys.executable, "-m", "services.detector.bench", *options.more]
    sys.exit(subprocess.run(command, check=False).returncode)


def cameras(options: argparse.Namespace) -> None:
    """Hand over to ingest, which knows how to fetch pictures."""
    command = [sys.executable, "-m", "services.ingest.cameras_cli", *options.more]
    sys.exit(subprocess.run(command, check=False).returncode)


# ---------------------------------------------------------------- helpers
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


def _kafka() -> KafkaSettings:
    env = Reader(os.environ)
    settings = KafkaSettings.read(env)
    env.done()
    return settings


def _keys() -> KeyFile:
    env = Reader(os.environ)
    path = env.text("KEYS_FILE")
    env.done()
    return KeyFile(Path(path))


def _run(work: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(work, timeout=60)

    try:
        return asyncio.run(bounded())
    except TimeoutError as error:
        raise Retryable(
            "Kafka did not answer within a minute: is KAFKA_BOOTSTRAP right?"
        ) from error


def _command(options: argparse.Namespace, command: admin.Command) -> None:
    say(f"sent: {_run(admin.command_site(_kafka(), options.site, command, 'cli'))}")


def _layouts(options: argparse.Namespace) -> list[LayoutPublished]:
    """One layout from a file, or a folder's cameras from its annotations.json."""
    path: Path = options.path
    file = path / "annotations.json" if path.is_dir() else path
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Invalid("no-layout", f"{file} cannot be read: {error.strerror}") from error
    now_ms = time.time_ns() // 1_000_000
    if not path.is_dir():
        try:
            return [msgspec.json.decode(text, type=LayoutPublished)]
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Invalid("bad-layout", f"{file}: {error}") from error
    try:
        annotations = json.loads(text)
    except ValueError as error:
        raise Invalid("bad-annotations", f"{file} is not JSON: {error}") from error
    site_id = options.site or (annotations.get("site") or {}).get("id") or path.resolve().name
    made = lots.layouts_from_annotations(
        annotations, lots.slug(site_id), interval_ms=options.interval_ms, time_ms=now_ms
    )
    from parking.reference import with_references  # OpenCV takes its time; only this needs it

    return list(with_references(made, annotations, path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parking", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    _topics_parser(groups.add_parser("topics", help="Kafka topics"))
    _layout_parser(groups.add_parser("layout", help="slot layouts of cameras"))
    _slot_parser(groups.add_parser("slot", help="close, open or correct a slot"))
    site = groups.add_parser("parameters", help="tracker parameters of a site, from now on")
    site.description = "All are set at once: what is not named goes back to its default."
    site.add_argument("site")
    for name, field in _PARAMETERS.items():
        kind = float if name == "min_confidence" else int
        told = f"{_MEANING[name]} ({field.default})"
        site.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=told)
    site.set_defaults(run=site_parameters)
    count = groups.add_parser("recount", help="say how many vehicles are in")
    count.add_argument("site")
    count.add_argument("number_in", type=int, metavar="N")
    count.set_defaults(run=site_recount)
    _keys_parser(groups.add_parser("keys", help="API keys (KEYS_FILE names the file)"))
    letters = groups.add_parser(
        "dead-letters", help="what was set aside: look at it, send it again"
    )
    deadletters_cli.parser(letters)
    devices_cli.parser(groups.add_parser("devices", help="who may speak at the MQTT broker"))
    bench = groups.add_parser(
        "bench-detector", add_help=False, help="measure the detector's runtimes on this machine"
    )
    bench.set_defaults(run=bench_detector)
    fetched = groups.add_parser(
        "cameras", add_help=False, help="try the cameras of a file, look for ONVIF cameras"
    )
    fetched.set_defaults(run=cameras)
    return parser


def _topics_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="show them").set_defaults(run=topics_list)
    apply = actions.add_parser("apply", help="create the missing ones, set limits of the others")
    apply.add_argument("--replication", type=int, default=1, help="copies of each (1; 3 for real)")
    apply.set_defaults(run=topics_apply)


def _layout_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("check", layout_check), ("publish", layout_publish)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("path", type=Path, help="a layout (JSON), or a folder of footage")
        action.add_argument("--site", help="site id for a folder (its own, or the folder's name)")
        action.add_argument(
            "--interval-ms", type=int, default=1000, help="the cameras' pace (1000)"
        )
        action.set_defaults(run=run)


def _slot_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("close", slot_close), ("open", slot_open), ("correct", slot_correct)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("site")
        action.add_argument("slot")
        action.set_defaults(run=run)
        if name == "close":
            action.add_argument("--reason", help="shown on the dashboard")
        if name == "correct":
            action.add_argument("state", choices=("free", "occupied"))


def _keys_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key; it is shown once")
    add.add_argument("name", help="a name; for scope `frames` the camera, SITE/CAMERA")
    add.add_argument("scopes", nargs="+", choices=SCOPES, metavar="SCOPE", help=", ".join(SCOPES))
    add.set_defaults(run=keys_add)
    actions.add_parser("list", help="names of the keys").set_defaults(run=keys_list)
    remove = actions.add_parser("remove", help="forget a key")
    remove.add_argument("name")
    remove.set_defaults(run=keys_remove)


if __name__ == "__main__":
    main()
