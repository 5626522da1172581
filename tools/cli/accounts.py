"""`parking accounts`: manage who may sign in on the page, from the command line."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from parking.access.account_store import Entry, Expiry
from parking.access.rights import EVERY, ROLES, write_grants
from parking.runtime.ops import SystemClock
from parking.runtime.settings import Reader
from tools.cli.sites import say

if TYPE_CHECKING:
    from parking.access.sign_ins import SignIns

T = TypeVar("T")

_LINK: Final = (
    "To choose the password, append this to the page's address. "
    "The link works once, within 3 days:\n"
)


def parser(of: argparse.ArgumentParser) -> None:
    """Add the actions of `parking accounts`."""
    of.description = (
        "ACCOUNTS_DATABASE_URL names the Postgres of the notifier, as a role that may write the"
        " schema `accounts`. Passwords are only entered on the page."
    )
    actions = of.add_subparsers(required=True, metavar="ACTION")
    adding = actions.add_parser("add", help=(add.__doc__ or "").rstrip("."))
    adding.add_argument("name")
    adding.add_argument("role", choices=list(ROLES))
    adding.add_argument(
        "--site", action="append", metavar="SITE", help="limit it to this site; may be repeated"
    )
    adding.set_defaults(run=add)
    listing = actions.add_parser("list", help=(show.__doc__ or "").rstrip("."))
    listing.set_defaults(run=show)
    for name, run in (("reset", reset), ("revoke", revoke)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("name")
        action.set_defaults(run=run)


def add(options: argparse.Namespace) -> None:
    """Create an account and show the link to choose its password."""
    from parking.access.sign_ins import fit_grants, fit_name  # see _run

    name = fit_name(options.name)
    grants = fit_grants(dict.fromkeys(options.site or [EVERY], options.role))

    async def work(sign_ins: "SignIns") -> str:
        await sign_ins.store.add(name, grants, SystemClock().now_ms())
        await _note(sign_ins, "invite", name)
        return (await sign_ins.link(name))[0]

    say(f"{_LINK}#/link/{_run(work)}")


def show(_: argparse.Namespace) -> None:
    """List the accounts and their roles."""

    async def work(sign_ins: "SignIns") -> list[str]:
        lines = []
        for account in await sign_ins.store.accounts():
            roles = [f"{site}:{word}" for site, word in write_grants(account.grants).items()]
            lines.append(
                " ".join([account.name, *roles, *([] if account.has_password else ["(invited)"])])
            )
        return lines

    for line in _run(work):
        say(line)


def reset(options: argparse.Namespace) -> None:
    """Show a link to choose a new password."""

    async def work(sign_ins: "SignIns") -> str:
        token, _ = await sign_ins.link(options.name)
        await _note(sign_ins, "reset password", options.name)
        return token

    say(f"{_LINK}#/link/{_run(work)}")


def revoke(options: argparse.Namespace) -> None:
    """Remove an account; its sign-ins end within a minute."""

    async def work(sign_ins: "SignIns") -> None:
        await sign_ins.store.remove(options.name)
        await _note(sign_ins, "remove account", options.name)

    _run(work)
    say(f"{options.name} is removed; its sign-ins end within a minute")


async def _note(sign_ins: "SignIns", what: str, name: str) -> None:
    entry = Entry(
        SystemClock().now_ms(), "parking accounts", what, None, f"accounts/{name}", "this command"
    )
    await sign_ins.store.note(entry)


def _run(work: Callable[["SignIns"], Awaitable[T]]) -> T:
    env = Reader(os.environ)
    url = env.secret("ACCOUNTS_DATABASE_URL")
    env.done()

    # Imported here: only the notifier's packages include these libraries.
    from parking.access.account_postgres import PostgresAccounts
    from parking.access.passwords import Passwords
    from parking.access.sign_ins import SignIns

    async def all_of_it() -> T:
        store = PostgresAccounts(url)
        try:
            return await work(SignIns(store, Passwords(), SystemClock(), Expiry(0, 0)))
        finally:
            await store.close()

    return asyncio.run(all_of_it())
