"""Smart Parking's command line: make topics, publish layouts, command slots, manage API keys,
replay dead letters, choose the detector's runtime, check cameras.

It connects to Kafka as the services do. Set KAFKA_BOOTSTRAP (and KAFKA_SECURITY, ... where needed).
`python -m tools.stack env` prints the values of the embedded stack.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from parking.access.keys import SCOPES, KeyFile
from parking.core import lots
from parking.core.errors import Invalid, Retryable, SettingsError
from parking.core.events import LayoutPublished, SiteSettings
from parking.runtime.settings import Reader
from parking.wire import jsontext, reading
from parking.wire.annotations import listed, read_from
from parking.wire.annotations import load as load_annotations
from services.detector import bench as detector_bench
from tools.cli import accounts, admin, cameras, converting
from tools.cli import dead_letters as deadletters_cli
from tools.cli import devices as devices_cli
from tools.cli import removal as ends_cli
from tools.cli import sites as sites_cli
from tools.cli import topics as topics_cli
from tools.cli.sites import say


def main(arguments: list[str] | None = None) -> None:
    """Run one command. An error prints one line and sets exit status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (Invalid, Retryable, SettingsError) as error:
        sys.exit(f"parking: {error}{cure(error)}")


def cure(error: Exception) -> str:
    """Return a hint for an error that has none."""
    text = str(error)
    return next((f"\n  {words}" for sign, words in _CURES.items() if sign in text), "")


_STACK = 'for `make run`: eval "$(python -m tools.stack env)"; '
_CURES = {
    "KAFKA_BOOTSTRAP is not set": f"{_STACK}otherwise set it to your Kafka's HOST:PORT",
    "KEYS_FILE is not set": f"{_STACK}otherwise set it to the file that ingest and notifier read",
    "ACCOUNTS_DATABASE_URL is not set": f"{_STACK}otherwise set it as for the notifier",
    "DEVICES_FILE is not set": f"{_STACK}otherwise set it to the broker's password file",
    "KafkaConnectionError": f"is Kafka running, is KAFKA_BOOTSTRAP right? {_STACK}",
    "unknown-key": "create one: parking keys add NAME write",
    "no-layout:": "give an existing file or folder; tools/propose creates a first layout",
}


# ---------------------------------------------------------------- commands
def layout_check(options: argparse.Namespace) -> None:
    """Report every error in a layout."""
    faults = [f"{one.camera_id}: {f}" for one in _layouts(options) for f in lots.check_new(one)]
    if faults:
        raise Invalid("bad-layout", "\n  " + "\n  ".join(faults))
    say("the layout can be used")


def layout_publish(options: argparse.Namespace) -> None:
    """Publish layouts and the commands that adopt them."""
    layouts = _layouts(options)
    if options.public:
        layouts = [replace(one, site=SiteSettings(public=True)) for one in layouts]
    work = admin.publish_layouts(sites_cli.kafka(), layouts, "cli", sites_cli.limit_s(options))
    for one in sites_cli.run(work):
        say(f"{one.camera_id}: version {one.version}, {len(one.slots)} slots")


def keys_add(options: argparse.Namespace) -> None:
    """Create a key and show it."""
    key = _keys().add(options.name, *options.scopes, sites=options.site or [])
    say(f"{key}\nThis is the only time it is shown; the file keeps its hash.")


def keys_list(_: argparse.Namespace) -> None:
    """List the names of the keys."""
    for name in _keys().names():
        say(name)


def keys_remove(options: argparse.Namespace) -> None:
    """Remove a key."""
    if not _keys().remove(options.name):
        raise Invalid("no-key", f"there is no key named {options.name!r}")
    say(f"{options.name} is removed, with immediate effect")


# ---------------------------------------------------------------- helpers
def _keys() -> KeyFile:
    env = Reader(os.environ)
    path = env.text("KEYS_FILE")
    env.done()
    return KeyFile(Path(path))


def _layouts(options: argparse.Namespace) -> list[LayoutPublished]:
    """Return one layout from a file, or one for each camera of a folder from its
    annotations.json."""
    path: Path = options.path
    now_ms = time.time_ns() // 1_000_000
    if not path.is_dir():
        return [_layout_file(path)]
    annotations = load_annotations(path)
    site_id = options.site or (annotations.get("site") or {}).get("id") or path.resolve().name
    found = lots.layouts_from_annotations(
        annotations, lots.slug(site_id), interval_ms=options.interval_ms, time_ms=now_ms
    )
    from parking.vision.reference import (
        with_references,  # OpenCV is slow to import and only needed here
    )

    return list(with_references(found, annotations, read_from(path)))


def _layout_file(path: Path) -> LayoutPublished:
    example = (
        "schemas/examples/layout-published.v1--one-slot.json is an example;"
        " `parking layout convert` reads files of other programs"
    )
    try:
        value = jsontext.parse(path.read_bytes())
    except OSError as error:
        raise Invalid("no-layout", f"{path} cannot be read: {error.strerror}") from error
    except Invalid as error:
        raise Invalid("bad-layout", f"{path}, {error.detail}") from error
    if isinstance(value, dict) and "frames" in value and "slots" not in value:
        example = "a file with `frames` is a folder's annotations.json: give the folder instead"
    _without_confidence(value)
    try:
        return reading.convert(value, LayoutPublished, strict=True)
    except Invalid as error:
        raise listed("bad-layout", str(path), error.faults, example) from error


def _without_confidence(value: Any) -> None:
    """Drop the confidence notes that `tools.propose` adds to each slot for people."""
    for slot in value.get("slots") or [] if isinstance(value, dict) else []:
        if isinstance(slot, dict):
            slot.pop("confidence", None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parking", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    topics_cli.parser(groups)
    _layout_parser(groups.add_parser("layout", help="the cameras' slot layouts"))
    sites_cli.parser(groups, ends_cli.slot_actions)
    ends_cli.parser(groups)
    _keys_parser(groups.add_parser("keys", help="API keys (KEYS_FILE names the file)"))
    letters = groups.add_parser("dead-letters", help="list, show and replay dead letters")
    deadletters_cli.parser(letters)
    devices_cli.parser(groups.add_parser("devices", help="devices and their MQTT passwords"))
    accounts.parser(groups.add_parser("accounts", help="accounts that may sign in on the page"))
    detector_bench.options(
        groups.add_parser("bench-detector", help="measure the detector's runtimes on this machine")
    )
    cameras.parser(
        groups.add_parser("cameras", help="check the cameras of a file, discover ONVIF cameras")
    )
    return parser


def _layout_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("check", layout_check), ("publish", layout_publish)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("path", type=Path, help="a layout (JSON), or a folder of footage")
        action.add_argument(
            "--site",
            help="site id for a folder (default: the one in its annotations, or the folder's name)",
        )
        action.add_argument(
            "--interval-ms", type=int, default=1000, help="interval between frames in ms (1000)"
        )
        if name == "publish":
            sites_cli.wait_options(action)
            help_ = "show a new site's free spaces to anybody (later: parking site public)"
            action.add_argument("--public", action="store_true", help=help_)
        action.set_defaults(run=run)
    help_ = (converting.convert.__doc__ or "").rstrip(".")
    converting.options_of(actions.add_parser("convert", help=help_))


def _keys_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="create a key; it is shown once")
    add.add_argument("name", help="a name; for scope `frames` the camera, SITE/CAMERA")
    add.add_argument("scopes", nargs="+", choices=SCOPES, metavar="SCOPE", help=", ".join(SCOPES))
    add.add_argument(
        "--site", action="append", metavar="SITE", help="limit it to this site; may be repeated"
    )
    add.set_defaults(run=keys_add)
    actions.add_parser("list", help="names of the keys").set_defaults(run=keys_list)
    remove = actions.add_parser("remove", help="remove a key")
    remove.add_argument("name")
    remove.set_defaults(run=keys_remove)


if __name__ == "__main__":
    main()
