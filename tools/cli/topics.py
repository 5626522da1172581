"""`parking topics`: show, create and compare them; `parking acls`: the rights of the services."""

import argparse
import sys

from parking.core.errors import Invalid
from parking.core.rights import RIGHTS, acls
from parking.core.topics import TOPICS
from tools.cli import access, admin
from tools.cli import sites as sites_cli
from tools.cli.drift import drift
from tools.cli.sites import say


def show(_: argparse.Namespace) -> None:
    """Show every topic."""
    for topic in TOPICS.values():
        kept = "compacted" if topic.compacted else f"{(topic.retention_ms or 0) // 3_600_000} h"
        say(f"{topic.name:<34} key {topic.key:<16} {topic.partitions:>3} partitions  {kept}")


def apply(options: argparse.Namespace) -> None:
    """Create the missing topics and set the size and age limits of the existing ones."""
    if options.dry_run:
        _dry_run()
        return
    created = sites_cli.run(admin.apply_topics(sites_cli.kafka(), replication=options.replication))
    say(f"{len(created)} topics created, {len(TOPICS) - len(created)} existed")


def diff(_: argparse.Namespace) -> None:
    """Print how the topics differ from the definitions in this version. Exits with status 1 if they
    do."""
    found = sites_cli.run(drift(sites_cli.kafka()))
    for one in found:
        say(str(one))
    if found:
        sys.exit(1)
    say(f"no difference: {len(TOPICS)} topics")


def _dry_run() -> None:
    found = sites_cli.run(drift(sites_cli.kafka()))
    refused = next((one for one in found if one.kind == "partitions"), None)
    if refused:
        raise Invalid("partitions-differ", f"{refused}; nothing would be changed")
    for one in found:
        setting = one.detail.split(" ", 1)[0]
        if one.kind == "missing":
            say(f"would create {one.topic}: {one.detail}")
        elif one.kind == "setting" and setting in admin.LIMITS:
            say(f"would set {one.topic}: {one.detail}")
        else:
            say(f"would not change {one}")


def acls_list(_: argparse.Namespace) -> None:
    """Show the rights of each service."""
    for service in RIGHTS:
        for one in acls(service):
            name = f"{one.name}*" if one.prefix else one.name
            say(f"{service:<10} {one.operation:<15} {one.resource:<16} {name}")


def acls_apply(options: argparse.Namespace) -> None:
    """Grant each service its rights, for the user of the same name."""
    users = dict(pair.partition("=")[::2] for pair in options.user)
    unknown = users.keys() - RIGHTS.keys()
    if unknown or not all(users.values()):
        raise Invalid("bad-user", f"--user must be SERVICE=USER; services: {', '.join(RIGHTS)}")
    every = [one for service in RIGHTS for one in acls(service)]
    sites_cli.run(access.allow(sites_cli.kafka(), every, users))
    say(f"set {len(every)} ACLs of {len(RIGHTS)} services")


def parser(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `topics` and `acls`."""
    actions = groups.add_parser("topics", help="Kafka topics").add_subparsers(
        required=True, metavar="ACTION"
    )
    actions.add_parser("list", help="show them").set_defaults(run=show)
    action = actions.add_parser("apply", help="create the missing ones, set limits of the others")
    action.add_argument(
        "--replication", type=int, default=1, help="copies of each (1; use 3 in production)"
    )
    action.add_argument("--dry-run", action="store_true", help="only print what it would do")
    action.set_defaults(run=apply)
    action = actions.add_parser("diff", help="print differences; exit status 1 if any")
    action.set_defaults(run=diff)
    actions = groups.add_parser("acls", help="Kafka rights of the services").add_subparsers(
        required=True, metavar="ACTION"
    )
    actions.add_parser("list", help="show them").set_defaults(run=acls_list)
    action = actions.add_parser("apply", help="set them; existing ones are not removed")
    action.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="SERVICE=USER",
        help="default: the same name",
    )
    action.set_defaults(run=acls_apply)
