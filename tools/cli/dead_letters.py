"""`parking dead-letters`: list and show dead letters, and replay them once the cause is fixed."""

import argparse
import asyncio
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from parking.core.errors import Invalid
from parking.runtime.deadletters_log import Outcome, opened_replay, read_letters
from parking.runtime.kafka import KafkaSettings
from parking.wire.deadletters import Letter, Selection, named, obstacle
from tools.cli.sites import kafka

_ABOUT: Final = """\
A record or message that no retry can fix goes to a dead-letter topic with its reason, its
place and its original bytes (parking.dead-letters, kept 30 days; pictures in
parking.dead-letters.frames, kept 24 hours). Processing continues with the next record.

  parking dead-letters list --since 2h
  parking dead-letters show events/17
  parking dead-letters replay --reason unknown-slot --dry-run
  parking dead-letters replay --reason unknown-slot

Fix the cause first, then replay. A record that still fails becomes a new dead letter."""
_REPLAY: Final = """\
Sends the original bytes, key and headers to their original topic again, with one more header:
parking-replayed-from. Readers keep the first record of each id, so a reader that
already took the record ignores the second one.

Sent dead letters are recorded in parking.dead-letters.marks and are not sent again by anybody,
unless --again is given. If a replay is interrupted, start it again: its claims expire after 5
minutes.

Not sent again are messages that came by MQTT, by HTTP or from a polled camera (the sender has to
repeat them), originals that were too large to be kept whole, and records of compacted topics
(publish those again)."""
_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHOWN_BYTES: Final = 4_000


class _Bar(Protocol):
    def __call__(self, read: int, total: int) -> None: ...


def parser(of: argparse.ArgumentParser) -> None:
    """Add the actions of `parking dead-letters`."""
    of.description, of.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    actions = of.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list them, one per line")
    _selection(listing)
    listing.set_defaults(run=show_all)
    one = actions.add_parser("show", help="show one in full")
    one.add_argument("letter", help="as `list` names it: events/17, frames/17")
    one.add_argument("--out", type=Path, metavar="FILE", help="file for the original bytes")
    one.set_defaults(run=show)
    again = actions.add_parser(
        "replay",
        help="send the original records again",
        description=_REPLAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _selection(again)
    again.add_argument("--all", action="store_true", help="all dead letters, without a filter")
    again.add_argument("--dry-run", action="store_true", help="only print what would be sent")
    again.add_argument(
        "--again", action="store_true", help="include dead letters that were already sent again"
    )
    again.set_defaults(run=replay)


def show_all(options: argparse.Namespace) -> None:
    """List dead letters, one per line."""
    asyncio.run(_show_all(kafka(), _selected(options)))


def show(options: argparse.Namespace) -> None:
    """Show one dead letter in full."""
    named(options.letter)
    letter, sent = asyncio.run(_one(kafka(), options.letter))
    event, value = letter.event, letter.record.value or b""
    place = "" if event.partition is None else f", partition {event.partition}, at {event.offset}"
    _say(f"letter    {letter.name}, {_moment(event.time_ms)}, by {event.service}")
    _say(f"reason    {event.reason}: {event.detail}")
    _say(f"from      {event.topic}{place}, after {event.attempts} attempts")
    _say(f"replay    {_state(letter, sent)}")
    _say(f"key       {_text(letter.record.key)}")
    for header, content in event.headers or ():
        _say(f"header    {header}: {_text(content)}")
    _say(f"content   {event.length} bytes, sha256 {event.sha256}")
    if options.out is None:
        _say(_text(value[:_SHOWN_BYTES]))
    else:
        options.out.write_bytes(value)
        _say(f"its {len(value)} bytes were written to {options.out}")


def replay(options: argparse.Namespace) -> None:
    """Send the original records again."""
    selection = _selected(options)
    if selection == Selection() and not options.all:
        raise Invalid("no-letters", "select some (--reason, --topic, --since, ...), or use --all")
    asyncio.run(_replay(kafka(), selection, dry_run=options.dry_run, again=options.again))


# ---------------------------------------------------------------- work
async def _show_all(kafka: KafkaSettings, selection: Selection) -> None:
    reasons: Counter[str] = Counter()
    unreadable = 0
    async with opened_replay(kafka, "list") as marks:
        async for batch in read_letters(kafka, selection):
            unreadable += batch.unreadable
            for letter in batch.letters:
                reasons[letter.event.reason] += 1
                _say(_line(letter, _state(letter, marks.is_sent(letter))))
    summary = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    _say(f"{reasons.total()} letters{': ' if summary else ''}{summary}")
    if unreadable:
        _say(f"{unreadable} more records are not letters that this version can read")


async def _one(kafka: KafkaSettings, name: str) -> tuple[Letter, bool]:
    """Return the dead letter and whether it was sent again."""
    async with (
        opened_replay(kafka, "show") as marks,
        aclosing(read_letters(kafka, Selection(names=frozenset({name})))) as batches,
    ):
        async for batch in batches:
            for letter in batch.letters:
                return letter, marks.is_sent(letter)
    raise Invalid(
        "no-letter",
        f"there is no dead letter {name}: they are kept for 30 days, with pictures for a day",
    )


async def _replay(
    kafka: KafkaSettings, selection: Selection, *, dry_run: bool, again: bool
) -> None:
    outcome = Outcome()
    try:
        async with opened_replay(kafka, uuid.uuid4().hex, again=again) as work:
            with _progress() as bar:
                async for batch in read_letters(kafka, selection):
                    if dry_run:
                        todo, part = work.plan(batch.letters)
                        part.sent = todo
                    else:
                        part = await work.send(batch.letters)
                    outcome.add(part)
                    bar(batch.read, batch.total)
    finally:
        _tell(outcome, dry_run)


def _tell(outcome: Outcome, dry_run: bool) -> None:
    for letter in outcome.sent if dry_run else ():
        _say(_line(letter, f"to {letter.event.topic}"))
    for name, why in outcome.refused.items():
        _say(f"{name:<14} not sent: {why}")
    _say(f"{len(outcome.sent)} {'would be sent' if dry_run else 'sent'}")
    for count, what in (
        (len(outcome.before), "were sent before: --again sends them once more"),
        (len(outcome.doubled), "refer to the same originals as others here"),
        (len(outcome.elsewhere), "are being sent by another replay"),
        (len(outcome.refused), "cannot be sent"),
    ):
        if count:
            _say(f"{count} {what}")


# ---------------------------------------------------------------- options
def _selection(of: argparse.ArgumentParser) -> None:
    of.add_argument("letters", nargs="*", metavar="LETTER", help="by name: events/17, frames/17")
    of.add_argument("--reason", action="append", help="as `list` shows it; may be repeated")
    of.add_argument("--service", action="append", help="the service that wrote it; may be repeated")
    of.add_argument("--topic", action="append", help="its original topic; may be repeated")
    of.add_argument(
        "--since", type=When, metavar="WHEN", help="2026-06-09T07:00Z (UTC), or 2h (ago)"
    )
    of.add_argument("--until", type=When, metavar="WHEN", help="like --since; default: now")


def _selected(options: argparse.Namespace) -> Selection:
    for name in options.letters:
        named(name)
    now_ms = time.time_ns() // 1_000_000
    return Selection(
        names=frozenset(options.letters),
        reasons=frozenset(options.reason or ()),
        services=frozenset(options.service or ()),
        topics=frozenset(options.topic or ()),
        since_ms=options.since(now_ms) if options.since else 0,
        until_ms=options.until(now_ms) if options.until else None,
    )


class When:
    """Parse a time: ISO 8601 (UTC unless it has an offset), or how long ago (`90s`, `30m`,
    `2h`)."""

    def __init__(self, text: str) -> None:
        ago = _AGO.fullmatch(text)
        self._ago_ms = int(ago[1]) * _UNIT_MS[ago[2]] if ago else None
        self._time_ms = 0
        if ago is None:
            found = datetime.fromisoformat(text)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            self._time_ms = int(found.timestamp() * 1000)

    def __call__(self, now_ms: int) -> int:
        """Return the time in Unix milliseconds."""
        return self._time_ms if self._ago_ms is None else now_ms - self._ago_ms


# ---------------------------------------------------------------- output
def _line(letter: Letter, state: str) -> str:
    event = letter.event
    place = event.topic
    if event.partition is not None:
        place = f"{event.topic}/{event.partition}/{event.offset}"
    size = f"{event.length} B"
    time_ = _moment(event.time_ms)
    return (
        f"{letter.name:<14} {time_}  {event.service:<9} {event.reason:<20} {place}  {size}  {state}"
    )


def _state(letter: Letter, sent: bool) -> str:
    why = obstacle(letter)
    if sent:
        return "replayed"
    return f"cannot be replayed: {why}" if why else "can be replayed"


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@contextmanager
def _progress() -> Iterator[_Bar]:
    """A progress bar on a terminal, if rich is installed."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield lambda _read, _total: None
        return
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("dead letters", total=None)
        yield lambda read, total: bars.update(task, completed=read, total=total)


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "backslashreplace")


def _say(text: str) -> None:
    """Escape control characters: the content is untrusted and must not control the terminal."""
    shown = (
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
    sys.stdout.write("".join(shown) + "\n")
