"""Record what happened at a site as one file that can be replayed, compared and sent by mail.

  python -m tools.record tuesday.zip --site demo --from 2026-06-09T07:00Z --to 2026-06-09T19:00Z
  python -m tools.record now.zip --site demo --from 2h          from two hours ago until now
  python -m tools.record some.zip --site demo --frames 3:120-180   those frames, with their records
  python -m tools.record tuesday.zip --check                    verify the file and list its content

It records frames, gate and device events, commands, layouts and ticks and, unless excluded, the
live detections and changes. Running services are not affected, because it joins no consumer group
and writes nothing to Kafka. Kafka keeps frames for only a day, so record in time. It keeps
detections for a week (--without-frames).

KAFKA_BOOTSTRAP is Kafka's address (KAFKA_SECURITY, ... as for the services).
Exit status: 0 success, 1 failure or a damaged file, 2 bad arguments.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from parking.core.errors import Invalid, Retryable, SettingsError
from parking.runtime.kafka import KafkaSettings
from parking.runtime.settings import Reader
from tools.record.archive import ArchiveWriter, read_archive
from tools.record.recording import Recording
from tools.record.window import FrameRange, Wanted, record

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RANGE: Final = re.compile(r"(\d{1,4}):(\d{1,18})-(\d{1,18})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.check and (not options.site or not (options.start or options.frames)):
        parser.error("give --site and --from, or --frames, or --check")
    try:
        if not options.check:
            _record(options)
        print(describe(read_archive(options.file)))
    except (Invalid, Retryable, SettingsError) as error:
        sys.exit(f"record: {error}")


def _record(options: argparse.Namespace) -> None:
    env = Reader(os.environ)
    kafka = KafkaSettings.read(env)
    env.done()
    if options.file.exists() and not options.force:
        raise Invalid("exists", f"{options.file} already exists; --force replaces it")
    now_ms = time.time_ns() // 1_000_000
    wanted = Wanted(
        frozenset(options.site),
        options.start(now_ms) if options.start else 0,
        options.end(now_ms) if options.end else now_ms,
        frames=not options.without_frames,
        detections=not options.without_detections,
        changes=not options.without_changes,
        range=options.frames,
    )
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with ArchiveWriter(options.file) as out, Progress(*columns) as bars:
        tasks: dict[tuple[str, int], int] = {}

        def tell(topic: str, done: int, total: int) -> None:
            if (topic, total) not in tasks:
                tasks[topic, total] = bars.add_task(topic, total=total)
            bars.update(tasks[topic, total], completed=done)  # type: ignore[arg-type]

        wanted, notes = asyncio.run(record(kafka, wanted, out, tell))
        if not any(name.startswith("records/") for name in out.counts):
            named = ", ".join(sorted(wanted.sites))
            raise Invalid("nothing", f"Kafka has no records of {named} in this window")
        out.finish(sorted(wanted.sites), (wanted.from_ms, wanted.to_ms), notes)


def describe(recording: Recording) -> str:
    """Return a summary of a recording, for people."""
    counts: dict[str, int] = {}
    for kept in recording.records:
        counts[kept.event.TYPE] = counts.get(kept.event.TYPE, 0) + 1
    begin, end = (moment(ms) for ms in recording.span_ms())
    lines = [f"{recording.name}: {', '.join(recording.sites)}; {begin} to {end}"]
    lines += [f"  {count:>8}  {name}" for name, count in counts.items()]
    lines += [f"  {len(recording.before):>8}  records of the state before the window"]
    return "\n".join([*lines, *(f"  note: {note}" for note in recording.notes)])


def moment(time_ms: int) -> str:
    """Format a time for people, UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class When:
    """Parse a time: ISO 8601 (UTC unless it has an offset), or how long ago (`90s`, `30m`,
    `2h`)."""

    def __init__(self, text: str) -> None:
        ago = _AGO.fullmatch(text)
        self._ago_ms = int(ago[1]) * _UNIT_MS[ago[2]] if ago else None
        if ago is None:
            found = datetime.fromisoformat(text)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            self._time_ms = int(found.timestamp() * 1000)

    def __call__(self, now_ms: int) -> int:
        """Return the time in Unix milliseconds."""
        return self._time_ms if self._ago_ms is None else now_ms - self._ago_ms


def _frame_range(text: str) -> FrameRange:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return FrameRange(*map(int, match.groups()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="the archive (.zip) to write, or to --check")
    parser.add_argument("--site", action="append", default=[], help="site id; may be repeated")
    parser.add_argument(
        "--from", dest="start", type=When, help="2026-06-09T07:00Z, or 2h (ago); broker's time"
    )
    parser.add_argument("--to", dest="end", type=When, help="same format; default: now")
    parser.add_argument(
        "--frames",
        type=_frame_range,
        metavar="PARTITION:FIRST-LAST",
        help="instead of --from and --to: these offsets of the frames' topic",
    )
    for what in ("frames", "detections", "changes"):
        parser.add_argument(f"--without-{what}", action="store_true", help=f"leave {what} out")
    parser.add_argument("--check", action="store_true", help="only read the file back")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    return parser


if __name__ == "__main__":
    main()
