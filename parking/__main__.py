"""Smart Parking's command line: make topics, publish layouts, command slots, manage API keys,
send dead letters again, measure which runtime the detector should take, try cameras.

It talks to Kafka as the services do: set KAFKA_BOOTSTRAP (and KAFKA_SECURITY, ... where needed).
The embedded stack's values are printed by `python -m parking.stack env`.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from parking import (
    admin,
    deadletters_cli,
    devices_cli,
    ends_cli,
    jsontext,
    lots,
    reading,
    sites_cli,
)
from parking.annotations import listed
from parking.annotations import load as load_annotations
from parking.errors import Invalid, Retryable, SettingsError
from parking.events import (
    LayoutPublished,
)
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
        sys.exit(f"parking: {error}{cure(error)}")


def cure(error: Exception) -> str:
    """What to do about it, where the error itself does not say."""
    text = str(error)
    return next((f"\n  {words}" for sign, words in _CURES.items() if sign in text), "")


_STACK = 'those of `make run`: eval "$(python -m parking.stack env)"; '
_CURES = {
    "KAFKA_BOOTSTRAP is not set": f"{_STACK}else set it to your Kafka's HOST:PORT",
    "KEYS_FILE is not set": f"{_STACK}else set it to the file of ingest and notifier",
    "DEVICES_FILE is not set": f"{_STACK}else set it to the broker's password file",
    "KafkaConnectionError": f"is Kafka running, is KAFKA_BOOTSTRAP right? {_STACK}",
    "unknown-key": "make one: parking keys add NAME write",
    "no-layout:": "name a file or folder that is there; tools/propose makes a first layout",
}


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
    made = sites_cli.run(admin.apply_topics(sites_cli.kafka(), replication=options.replication))
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
    work = admin.publish_layouts(
        sites_cli.kafka(), _layouts(options), "cli", sites_cli.limit_s(options)
    )
    for one in sites_cli.run(work):
        say(f"{one.camera_id}: version {one.version}, {len(one.slots)} slots")


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
def _keys() -> KeyFile:
    env = Reader(os.environ)
    path = env.text("KEYS_FILE")
    env.done()
    return KeyFile(Path(path))


def _layouts(options: argparse.Namespace) -> list[LayoutPublished]:
    """One layout from a file, or a folder's cameras from its annotations.json."""
    path: Path = options.path
    now_ms = time.time_ns() // 1_000_000
    if not path.is_dir():
        return [_layout_file(path)]
    annotations = load_annotations(path)
    site_id = options.site or (annotations.get("site") or {}).get("id") or path.resolve().name
    made = lots.layouts_from_annotations(
        annotations, lots.slug(site_id), interval_ms=options.interval_ms, time_ms=now_ms
    )
    from parking.reference import with_references  # OpenCV takes its time; only this needs it

    return list(with_references(made, annotations, path))


def _layout_file(path: Path) -> LayoutPublished:
    example = "schemas/examples/layout-published.v1--one-slot.json is an example"
    try:
        value = jsontext.parse(path.read_bytes())
    except OSError as error:
        raise Invalid("no-layout", f"{path} cannot be read: {error.strerror}") from error
    except Invalid as error:
        raise Invalid("bad-layout", f"{path}, {error.detail}") from error
    if isinstance(value, dict) and "frames" in value and "slots" not in value:
        example = "with `frames` it is a folder's annotations.json: name the folder"
    _without_confidence(value)
    try:
        return reading.convert(value, LayoutPublished, strict=True)
    except Invalid as error:
        raise listed("bad-layout", str(path), error.faults, example) from error


def _without_confidence(value: Any) -> None:
    """`tools.propose` notes for people how sure it is of each slot."""
    for slot in value.get("slots") or [] if isinstance(value, dict) else []:
        if isinstance(slot, dict):
            slot.pop("confidence", None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parking", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    _topics_parser(groups.add_parser("topics", help="Kafka topics"))
    _layout_parser(groups.add_parser("layout", help="slot layouts of cameras"))
    sites_cli.parser(groups, ends_cli.slot_actions)
    ends_cli.parser(groups)
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
        if name == "publish":
            sites_cli.wait_options(action)
        action.set_defaults(run=run)


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
