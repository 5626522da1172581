"""Replay a recording with settings of your choice, separate from live.

  python -m tools.replay tuesday.zip --out runs/today                      with today's settings
  python -m tools.replay tuesday.zip --out runs/calmer --set exit_observations=5
  python -m tools.replay tuesday.zip --out runs/new --set MODEL_FILE=new.onnx
  python -m tools.replay tuesday.zip --out runs/calm --detector recorded --set min_confidence=0.7
  python -m tools.replay demo --out runs/demo                              a folder with annotations
  python -m tools.replay s3:demo/north@2026-06-09 --out runs/kept          evidence in S3

Then: python -m tools.compare runs/today runs/calmer --html differences.html

SOURCE is an archive of tools.record, a folder with annotations.json (parking/core/lots.py), or
s3:SITE/CAMERA@DAY (S3_* as for the persister; DATABASE_URL for the pictures' times and layout).

--set NAME=VALUE   DETECTOR_..., MODEL_FILE, FRAME_MAX_PIXELS: settings of the detector;
                   the others have this version's defaults. enter_observations,
                   exit_observations, min_confidence, silence_intervals, silence_ms, overstay_ms,
                   maximum_stay_ms, empty_at_min, capacity, correction_hold_ms:
                   parameters of the tracker; the others are as recorded.
--settings FILE    the same as TOML, in tables [detector] and [tracker].

In this process, the same recording and settings give the same files, byte for byte. With --kafka
the real services replay it on the Kafka cluster at KAFKA_BOOTSTRAP, in the run's own topics, groups
and table (prefix replay.NAME.), which are deleted afterwards. Live data is not touched. All times
are those of the recording, so dwell and hysteresis work as they did live. Exit status: 0 success, 1
failure, 2 bad arguments.
"""

import argparse
import asyncio
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from parking.core.errors import Invalid, Retryable, SettingsError
from parking.runtime.kafka import KafkaSettings
from parking.runtime.settings import Reader
from tools.record.recording import Kept, Recording
from tools.replay.choice import Choice, choice
from tools.replay.in_process import Played, RecordedWatcher, model_watcher, play
from tools.replay.runs import RunFacts, write_run
from tools.replay.script import played_span_ms, script
from tools.replay.sources import open_source


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    try:
        facts = replay(options)
    except (Invalid, Retryable, SettingsError) as error:
        sys.exit(f"replay: {error}")
    print(f"{options.out}: {facts.counts['detections.jsonl']} pictures, "
          f"{facts.counts['slot-changes.jsonl']} changes, "
          f"{facts.counts['refused.jsonl']} records refused")  # fmt: skip
    for note in facts.notes:
        print(f"  note: {note}")


def replay(options: argparse.Namespace) -> RunFacts:
    """Run the replay. Raises Invalid, Retryable or SettingsError."""
    chosen = choice(options.set, _file(options.settings))
    recording = open_source(options.source, os.environ, options.interval_ms, options.layout)
    steps = script(recording, chosen, options.detector, every_frame=options.every_frame)
    run = options.run or options.out.resolve().name
    columns = (TextColumn(run), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bars:
        task = bars.add_task(run, total=len(steps))

        def tell(count: int) -> None:
            bars.update(task, completed=count)

        if options.kafka:
            played = _on_kafka(steps, recording, run, chosen, tell)
        else:
            recorded = options.detector == "recorded"
            watcher = RecordedWatcher() if recorded else model_watcher(chosen, recording.picture)
            played = asyncio.run(play(steps, watcher, run, tell))
    from_ms, to_ms = played_span_ms(steps, recording)
    facts = RunFacts(
        run=run,
        source=options.source,
        how="kafka" if options.kafka else "in-process",
        model_id=played.model_id,
        detector=chosen.detector,
        tracker=chosen.tracker,
        from_ms=from_ms,
        to_ms=to_ms,
        notes=list(recording.notes),
    )
    return write_run(options.out, facts, played)


def _on_kafka(
    steps: Sequence[Kept],
    recording: Recording,
    run: str,
    chosen: Choice,
    tell: Callable[[int], None],
) -> Played:
    from tools.replay.on_kafka import play_on_kafka

    env = Reader({**os.environ, "RUN": run})
    kafka = KafkaSettings.read(env, replays=True)
    env.done()
    work = play_on_kafka(steps, recording.picture, kafka, chosen, os.environ, tell)
    return asyncio.run(work)


def _file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Invalid("bad-settings", f"{path}: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="archive, folder, or s3:SITE/CAMERA@YYYY-MM-DD")
    parser.add_argument("--out", type=Path, required=True, help="folder for the run's results")
    parser.add_argument(
        "--run", help="the run's name, part of every id (default: the folder's name)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML; --set overrides it")
    parser.add_argument(
        "--detector",
        choices=("model", "recorded"),
        default="model",
        help="recorded: use the recorded detections, to try only the tracker's parameters",
    )
    parser.add_argument(
        "--every-frame",
        action="store_true",
        help="also use pictures that the live detector skipped",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--in-process", action="store_true", help="run in this process (the default)")
    how.add_argument("--kafka", action="store_true", help="run the real services on a Kafka")
    parser.add_argument("--interval-ms", type=int, help="a folder's camera interval")
    parser.add_argument("--layout", type=Path, help="captures without Postgres: the layout (JSON)")
    return parser


if __name__ == "__main__":
    main()
